{
  description = "A workstation that serves its models";
  # flake.lock is yours: `nix flake lock` makes it, `nix flake update` renews it; commit it

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    stack.url = "git+file:///home/me/src/stack"; # where you have it
    stack.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    { nixpkgs, stack, ... }:
    {
      # nixos-rebuild switch --flake .#workstation
      nixosConfigurations.workstation = nixpkgs.lib.nixosSystem {
        system = "x86_64-linux";
        modules = [
          stack.nixosModules.default
          ./configuration.nix
        ];
      };
    };
}

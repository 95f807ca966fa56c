# A small stand-in for nixpkgs: what our flake and modules use, written for the tests. machine.nix is of whoever tests.
{
  outputs =
    { self }:
    let
      lib = import ./lib.nix;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
      pkgs = system: import ./pkgs.nix { inherit lib system; };
    in
    {
      lib = lib // {
        nixosSystem =
          { system, modules }:
          import ./system.nix {
            inherit lib modules;
            pkgs = pkgs system;
            options = ./options-nixos.nix;
          };
      };
      legacyPackages = lib.genAttrs systems pkgs;
    };
}

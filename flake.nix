{
  description = "Local LLM serving, declared in one file, and proven to call tools";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
      each = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system} self.packages.${system});
    in
    {
      packages = each (
        pkgs: _: rec {
          stack = pkgs.callPackage ./nix/package.nix { };
          default = stack;
        }
      );

      apps = each (
        _: packages: rec {
          stack = {
            type = "app";
            program = lib.getExe packages.stack;
            meta = { inherit (packages.stack.meta) description; };
          };
          default = stack;
        }
      );

      # nixpkgs has a `stack` already: Haskell's
      overlays.default = final: _: { stack-serve = final.callPackage ./nix/package.nix { }; };

      nixosModules.default.imports = [ ./nix/module/nixos.nix ];
      darwinModules.default.imports = [ ./nix/module/darwin.nix ];
      homeManagerModules.default.imports = [ ./nix/module/home-manager.nix ];

      templates.default = {
        path = ./nix/template;
        description = "A NixOS workstation that serves its models";
        welcomeText = ''
          1. `stack.url` in flake.nix: where you have it.
          2. host.json: this machine (docs/nix.md of stack, "host.json").
          3. `git add .`, `nix flake lock`, `nixos-rebuild switch --flake .#workstation`.
          nix-darwin and home-manager take the same options: docs/nix.md, "Four ways".
        '';
      };

      checks = each (
        pkgs: packages: {
          package = packages.stack;
          template = pkgs.callPackage ./nix/check.nix { inherit (packages) stack; };
        }
      );

      devShells = each (
        pkgs: packages: {
          default = pkgs.callPackage ./nix/shell.nix { inherit (packages) stack; };
        }
      );

      formatter = each (pkgs: _: pkgs.nixfmt-tree);
    };
}

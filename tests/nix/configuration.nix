# One configuration with one of our modules, from the flake itself and the stand-in for nixpkgs: what a test asks of Nix.
#   kind: nixos | darwin | home-manager; module: what a user writes
{
  source,
  nixpkgs,
  kind ? "nixos",
  system ? "x86_64-linux",
  module ? { },
}:

let
  stub = (import (nixpkgs + "/flake.nix")).outputs { self = null; };
  flake = (import (source + "/flake.nix")).outputs {
    self = flake;
    nixpkgs = stub;
  };
  modules = {
    nixos = flake.nixosModules;
    darwin = flake.darwinModules;
    home-manager = flake.homeManagerModules;
  };
  made = import (nixpkgs + "/system.nix") {
    inherit (stub) lib;
    pkgs = stub.legacyPackages.${system};
    options = nixpkgs + "/options-${kind}.nix";
    modules = [
      modules.${kind}.default
      module
    ];
  };
in
{
  inherit (made) config;
  inherit flake;
  overlaid = flake.overlays.default stub.legacyPackages.${system} { };
  template =
    ((import (source + "/nix/template/flake.nix")).outputs {
      nixpkgs = stub;
      stack = flake;
    }).nixosConfigurations.workstation;
  # what docs/nix.md must name
  names =
    builtins.attrNames stub.lib
    ++ builtins.attrNames stub.lib.types
    ++ builtins.attrNames stub.legacyPackages.${system}
    ++ builtins.attrNames stub.legacyPackages.${system}.python3Packages;
}

# services.stack under home-manager: user units on Linux, agents on macOS.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.stack;
  inherit (pkgs.stdenv.hostPlatform) isDarwin isLinux;
  environment = {
    PATH = cfg.search;
  }
  // cfg.environment;
  # systemd.exec(5): in double quotes, C escapes; `%` begins a specifier
  assignment = name: value: lib.replaceStrings [ "%" ] [ "%%" ] (builtins.toJSON "${name}=${value}");
in
{
  imports = [ ./common.nix ];

  config = lib.mkMerge [
    (lib.mkIf config.programs.stack.enable { home.packages = [ config.programs.stack.package ]; })
    (lib.mkIf cfg.enable {
      assertions = [
        {
          assertion = cfg.settings.service == "login";
          message = "services.stack.settings.service: home-manager starts with the session (\"login\"; with linger, that is the start of the machine). \"boot\" is for the modules of NixOS and nix-darwin";
        }
        {
          assertion = !cfg.openFirewall;
          message = "services.stack.openFirewall is for NixOS: home-manager has no firewall";
        }
      ];
      services.stack.home = lib.mkDefault config.home.homeDirectory;
      services.stack.folder = lib.mkDefault "${config.xdg.configHome}/stack/${cfg.settings.name}";
      xdg.configFile."stack/${cfg.settings.name}".source = cfg.rendered;
      systemd.user.services = lib.mkIf isLinux (
        builtins.mapAttrs (_: unit: {
          inherit (unit) Unit;
          Service = unit.Service // {
            Environment = lib.mapAttrsToList assignment environment;
          };
          Install.WantedBy = [ "default.target" ];
        }) (import ./systemd.nix { inherit lib cfg; })
      );
      launchd.agents = lib.mkIf isDarwin (
        builtins.mapAttrs (name: keys: {
          enable = true;
          config = keys // {
            ProgramArguments = cfg.units.${name}.argv;
            EnvironmentVariables = environment;
          };
        }) (import ./launchd.nix { inherit lib cfg; })
      );
    })
  ];
}

# services.stack on nix-darwin: agents of the user's login, or daemons that run as the user.
{
  config,
  lib,
  ...
}:

let
  cfg = config.services.stack;
  boot = cfg.settings.service == "boot";
  folders = [
    "${cfg.home}/.local/bin"
    "${cfg.home}/.docker/bin"
    "/run/current-system/sw/bin"
    "/opt/homebrew/bin"
    "/usr/local/bin"
    "/usr/bin"
    "/bin"
    "/usr/sbin"
    "/sbin"
  ];
  jobs = builtins.mapAttrs (name: keys: {
    # nix-darwin waits for the store before it runs this
    command = lib.concatStringsSep " " cfg.units.${name}.argv;
    environment = {
      HOME = cfg.home;
      USER = cfg.user;
      LOGNAME = cfg.user;
      PATH = lib.concatStringsSep ":" (map (package: "${package}/bin") cfg.path ++ folders);
    }
    // cfg.environment;
    serviceConfig = keys // lib.optionalAttrs boot { UserName = cfg.user; };
  }) (import ./launchd.nix { inherit lib cfg; });
in
{
  imports = [ ./common.nix ];

  config = lib.mkMerge [
    (lib.mkIf config.programs.stack.enable { environment.systemPackages = [ config.programs.stack.package ]; })
    (lib.mkIf cfg.enable {
      assertions = [
        {
          assertion = cfg.user != null;
          message = "services.stack.user is not set: whose stack is it? Its weights and state lie in that user's home";
        }
        {
          assertion = !cfg.openFirewall;
          message = "services.stack.openFirewall is for NixOS: macOS asks by itself, for each program";
        }
      ];
      services.stack.home = lib.mkDefault "/Users/${cfg.user}";
      services.stack.folder = lib.mkDefault "/etc/stack/${cfg.settings.name}";
      environment.etc."stack/${cfg.settings.name}".source = cfg.rendered;
      launchd.user.agents = lib.mkIf (!boot) jobs;
      launchd.daemons = lib.mkIf boot jobs;
    })
  ];
}

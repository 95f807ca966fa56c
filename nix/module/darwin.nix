# services.stack on nix-darwin: agents of the user's login, or daemons that run as the user.
{
  config,
  lib,
  ...
}:

let
  cfg = config.services.stack;
  boot = cfg.settings.service == "boot";
  jobs = builtins.mapAttrs (name: keys: {
    # nix-darwin waits for the store before it runs this
    command = lib.concatStringsSep " " cfg.units.${name}.argv;
    environment = {
      HOME = cfg.home;
      USER = cfg.user;
      LOGNAME = cfg.user;
      PATH = cfg.search;
    }
    // cfg.environment;
    serviceConfig = keys // lib.optionalAttrs boot { UserName = cfg.user; };
  }) (import ./launchd.nix { inherit lib cfg; });
in
{
  imports = [ ./machine.nix ];

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = !cfg.openFirewall;
        message = "services.stack.openFirewall is for NixOS: macOS asks by itself, for each program";
      }
    ];
    services.stack.home = lib.mkDefault "/Users/${cfg.user}";
    launchd.user.agents = lib.mkIf (!boot) jobs;
    launchd.daemons = lib.mkIf boot jobs;
  };
}

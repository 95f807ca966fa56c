# services.stack on NixOS: user units of `user`, with linger where it starts with the machine.
{
  config,
  lib,
  ...
}:

let
  cfg = config.services.stack;
  units = import ./systemd.nix { inherit lib cfg; };
  listen = lib.toList (cfg.settings.endpoint.listen or [ ]);
  parts = map (builtins.match "(.*):([0-9]+)") listen;
  isOpen = found: found != null && builtins.match "127\\..*|localhost|\\[::1]" (builtins.head found) == null;
  ports = map (found: lib.toInt (lib.last found)) (builtins.filter isOpen parts);
in
{
  imports = [ ./machine.nix ];

  config = lib.mkIf cfg.enable {
    services.stack.home =
      lib.mkDefault
        (config.users.users.${cfg.user} or { home = "/home/${cfg.user}"; }).home;

    systemd.user.services = builtins.mapAttrs (_: unit: {
      inherit (cfg) environment;
      path = cfg.path ++ [
        "/run/wrappers"
        "/run/current-system/sw"
      ];
      # the file is there for every user's manager
      unitConfig = unit.Unit // {
        ConditionUser = cfg.user;
      };
      serviceConfig = unit.Service;
      wantedBy = [ "default.target" ];
    }) units;

    users.users = lib.mkIf (cfg.settings.service == "boot") { ${cfg.user}.linger = true; };

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall (lib.unique ports);
  };
}

# Units as systemd's sections. Every word of argv is a store path, an option or a name of plain characters.
{ lib, cfg }:

builtins.mapAttrs (_: unit: {
  Unit = {
    Description = unit.description;
    StartLimitIntervalSec = 600;
    StartLimitBurst = 20;
  }
  // lib.optionalAttrs (unit ? after) { After = map (name: "${name}.service") unit.after; };
  Service = {
    Type = "exec";
    ExecStart = lib.concatStringsSep " " unit.argv;
    Restart = "always";
    # at boot docker, or an address of the network, may come late
    RestartSec = 5;
    KillMode = if unit.gateway or false then "process" else "mixed";
    TimeoutStopSec = unit.patience;
  }
  // lib.optionalAttrs (unit ? stop) { ExecStop = "-${lib.concatStringsSep " " unit.stop}"; };
}) cfg.units

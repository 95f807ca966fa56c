# Units as systemd's sections. Every word of argv is a store path, an option or a name of plain characters.
{ lib, cfg }:

let
  # what works in a user's own systemd, and takes nothing that an engine needs: docs/services.md
  hardening = {
    NoNewPrivileges = true;
    LockPersonality = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    RestrictNamespaces = true;
    RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6 AF_NETLINK";
    SystemCallArchitectures = "native";
    SystemCallErrorNumber = "EPERM";
    SystemCallFilter = "~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap";
  };
in
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
  // lib.optionalAttrs (unit ? stop) { ExecStop = "-${lib.concatStringsSep " " unit.stop}"; }
  // lib.optionalAttrs unit.hardened hardening;
}) cfg.units

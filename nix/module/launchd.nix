# Jobs as launchd's keys, without what they run.
{ lib, cfg }:

builtins.mapAttrs (name: unit: {
  # as `stack` itself would call it: its gateway asks launchd by this name
  Label = name;
  RunAtLoad = true;
  KeepAlive = true;
  ThrottleInterval = 10;
  ProcessType = "Interactive";
  ExitTimeOut = unit.patience;
  # launchd makes no folder
  StandardOutPath = "${cfg.home}/Library/Logs/${name}.log";
  StandardErrorPath = "${cfg.home}/Library/Logs/${name}.log";
}
// lib.optionalAttrs (cfg.settings.service == "login") {
  # launchd gives 256; a daemon's would be the whole machine's
  SoftResourceLimits.NumberOfFiles = 65536;
}) cfg.units

{ lib, ... }:

let
  inherit (lib) mkOption types;
  any = mkOption { type = types.anything; default = { }; };
in
{
  options = {
    assertions = mkOption { type = types.listOf types.anything; default = [ ]; };
    environment.etc = mkOption { type = types.anything; default = { }; };
    environment.systemPackages = mkOption { type = types.listOf types.package; default = [ ]; };
    launchd.daemons = any;
    launchd.user.agents = any;
  };
}

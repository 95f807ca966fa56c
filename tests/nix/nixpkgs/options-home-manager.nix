{ lib, ... }:

let
  inherit (lib) mkOption types;
  any = mkOption { type = types.anything; default = { }; };
in
{
  options = {
    assertions = mkOption { type = types.listOf types.anything; default = [ ]; };
    home.packages = mkOption { type = types.listOf types.package; default = [ ]; };
    home.homeDirectory = mkOption { type = types.str; };
    launchd.agents = any;
    systemd.user.services = any;
    xdg.configFile = any;
    xdg.configHome = mkOption { type = types.str; default = "/home/me/.config"; };
  };
}

{ lib, ... }:

let
  inherit (lib) mkOption types;
  any = default: mkOption { type = types.anything; inherit default; };
in
{
  options = {
    assertions = mkOption { type = types.listOf types.anything; default = [ ]; };
    environment.etc = mkOption { type = types.anything; default = { }; };
    environment.systemPackages = mkOption { type = types.listOf types.package; default = [ ]; };
    systemd.user.services = any { };
    networking.firewall.allowedTCPPorts = mkOption { type = types.listOf types.anything; default = [ ]; };
    users.users = mkOption {
      default = { };
      type = types.attrsOf (
        types.submodule {
          freeformType = types.anything;
          options.home = mkOption { type = types.str; default = "/home/me"; };
        }
      );
    };
  };
}

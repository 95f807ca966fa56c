# A whole machine's configuration (NixOS, nix-darwin): it says whose stack it is, and keeps what was built in /etc.
{
  config,
  lib,
  ...
}:

let
  cfg = config.services.stack;
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
      ];
      services.stack.folder = lib.mkDefault "/etc/stack/${cfg.settings.name}";
      environment.etc."stack/${cfg.settings.name}".source = cfg.rendered;
    })
  ];
}

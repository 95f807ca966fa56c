# Beside it lies what is yours: hardware-configuration.nix, boot loader, users.
{
  users.users.me.isNormalUser = true;

  services.stack = {
    enable = true;
    user = "me";
    # this machine and the sizes of its weights, as `stack host --json --weights` prints them: docs/nix.md, host.json
    host = ./host.json;
    settings = import ./stack.nix;
  };
}

# Beside it lies what is yours: hardware-configuration.nix, boot loader, users.
{
  users.users.me.isNormalUser = true;

  services.stack = {
    enable = true;
    user = "me";
    # this machine: stack host --json --weights --file $(...)/stack.yaml > host.json (docs/nix.md)
    host = ./host.json;
    settings = import ./stack.nix;
  };
}

# The template's own stack, checked, planned and rendered.
{
  callPackage,
  lib,
  stack,
}:

callPackage ./render.nix { inherit stack; } {
  name = "template";
  settings = import ./template/stack.nix // {
    version = 1;
    name = "template";
    service = "login";
  };
  host = lib.importJSON ./template/host.json;
  residents = [ "qwen3-4b" ];
  home = "/home/me";
}

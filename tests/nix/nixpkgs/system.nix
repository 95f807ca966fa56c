# A configuration: our module among the options of the system that it is for. As there, a failed assertion is an error.
{
  lib,
  pkgs,
  options,
  modules,
}:

let
  evaluated = lib.evalModules {
    modules = [ options ] ++ modules;
    specialArgs = { inherit lib pkgs; };
  };
  failed = map (one: one.message) (builtins.filter (one: !one.assertion) evaluated.config.assertions);
  words = lib.concatStringsSep "\n" (map (message: "- ${message}") failed);
in
evaluated // { config = if failed == [ ] then evaluated.config else throw "Failed assertions:\n${words}"; }

# The part of nixpkgs' lib that we use, by its names and meanings.
let
  modules = import ./modules.nix lib;

  lib = {
    inherit (builtins) concatMap concatStringsSep replaceStrings;
    inherit (modules)
      evalModules
      literalExpression
      mkDefault
      mkEnableOption
      mkIf
      mkMerge
      mkOption
      types
      ;

    genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);
    mapAttrsToList = f: set: map (name: f name set.${name}) (builtins.attrNames set);
    filterAttrs =
      keep: set: removeAttrs set (builtins.filter (name: !(keep name set.${name})) (builtins.attrNames set));
    filterAttrsRecursive =
      keep: set:
      builtins.mapAttrs (
        _: value: if builtins.isAttrs value then lib.filterAttrsRecursive keep value else value
      ) (lib.filterAttrs keep set);
    optionalAttrs = condition: set: if condition then set else { };
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: list: if condition then list else [ ];
    toList = value: if builtins.isList value then value else [ value ];
    last = list: builtins.elemAt list (builtins.length list - 1);
    unique = builtins.foldl' (found: one: if builtins.elem one found then found else found ++ [ one ]) [ ];

    concatMapStrings = f: list: lib.concatStringsSep "" (map f list);
    stringToCharacters = text: builtins.genList (i: builtins.substring i 1 text) (builtins.stringLength text);
    toLower =
      builtins.replaceStrings (lib.stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (
        lib.stringToCharacters "abcdefghijklmnopqrstuvwxyz"
      );
    hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
    toInt = builtins.fromJSON;
    escapeShellArg = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";

    importJSON = file: builtins.fromJSON (builtins.readFile file);
    importTOML = file: builtins.fromTOML (builtins.readFile file);
    makeBinPath = packages: lib.concatStringsSep ":" (map (package: "${package}/bin") packages);
    getExe = package: "${package}/bin/${package.meta.mainProgram}";

    platforms = {
      linux = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      darwin = [ "aarch64-darwin" ];
    };

    fileset = {
      unions = paths: paths;
      # one folder of the store with these files and folders alone
      toSource =
        { root, fileset }:
        builtins.path {
          name = "source";
          path = root;
          filter =
            path: _:
            builtins.any (
              wanted: lib.hasPrefix "${toString wanted}/" "${path}/" || lib.hasPrefix "${path}/" "${toString wanted}/"
            ) fileset;
        };
    };
  };
in
lib

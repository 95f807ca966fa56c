# Modules as nixpkgs evaluates them, as far as ours go: imports, options, freeform submodules, mkIf, mkMerge, priorities,
# types with their messages, an error for an option that does not exist.
lib:

let
  inherit (builtins)
    attrNames
    concatMap
    filter
    isAttrs
    isList
    ;

  is = kind: value: isAttrs value && (value._type or "") == kind;
  show = builtins.concatStringsSep ".";

  # value -> [{ rank, value }], with mkIf, mkMerge and mkDefault taken away
  discharge =
    value:
    if is "if" value then
      (if value.condition then discharge value.content else [ ])
    else if is "merge" value then
      concatMap discharge value.contents
    else if is "override" value then
      map (one: one // { inherit (value) rank; }) (discharge value.content)
    else
      [
        {
          rank = 100;
          inherit value;
        }
      ];

  # What a module says at a path. A condition is asked only where something hangs on it, else it would ask for itself.
  at =
    path: value:
    if path == [ ] then
      [ value ]
    else if is "if" value then
      map (content: mkIf value.condition content) (at path value.content)
    else if is "merge" value then
      concatMap (at path) value.contents
    else if is "override" value then
      map (content: { _type = "override"; inherit (value) rank; inherit content; }) (at path value.content)
    else if isAttrs value && value ? ${builtins.head path} then
      at (builtins.tail path) value.${builtins.head path}
    else
      [ ];

  names =
    value:
    if is "if" value || is "override" value then
      names value.content
    else if is "merge" value then
      concatMap names value.contents
    else
      attrNames value;

  merge =
    path: type: definitions:
    let
      found = concatMap discharge definitions;
      best = builtins.foldl' (rank: one: if one.rank < rank then one.rank else rank) 10000 found;
      values = map (one: one.value) (filter (one: one.rank == best) found);
      bad = filter (value: !(type.check value)) values;
    in
    if values == [ ] then
      [ ]
    else if bad != [ ] then
      throw "A definition for option `${show path}' is not of type `${type.description}'."
    else
      [ (type.merge path values) ];

  evaluate =
    {
      modules,
      args,
      prefix,
      freeform ? null,
    }:
    let
      # a path is loaded once, whoever imports it
      collect =
        seen: module:
        let
          loaded = if builtins.isPath module || builtins.isString module then import module else module;
          plain = if builtins.isFunction loaded then loaded (args // { inherit config; }) else loaded;
          inner = plain.imports or [ ];
          own = {
            options = plain.options or { };
            config =
              plain.config or (removeAttrs plain [
                "imports"
                "options"
                "freeformType"
              ]);
          };
        in
        if builtins.isPath module && builtins.elem module seen.paths then
          seen
        else
          builtins.foldl' collect {
            paths = seen.paths ++ (if builtins.isPath module then [ module ] else [ ]);
            found = seen.found ++ [ own ];
          } inner;
      all = (builtins.foldl' collect { paths = [ ]; found = [ ]; } modules).found;
      options = builtins.foldl' join { } (map (module: module.options) all);
      join =
        left: right:
        left
        // builtins.mapAttrs (
          name: value: if left ? ${name} && !(is "option" value) then join left.${name} value else value
        ) right;

      tree =
        path: declared:
        builtins.mapAttrs (
          name: option: if is "option" option then valueOf (path ++ [ name ]) option else tree (path ++ [ name ]) option
        ) declared;
      valueOf =
        path: option:
        let
          said = merge (prefix ++ path) option.type (concatMap (module: at path module.config) all);
          value =
            if said != [ ] then
              builtins.head said
            else if option ? default then
              option.default
            else
              throw "The option `${show (prefix ++ path)}' was accessed but has no value defined. Try setting the option.";
          completed = if said == [ ] && option ? default then option.type.complete (prefix ++ path) value else value;
        in
        (option.apply or (x: x)) completed;

      strays =
        path: declared: value:
        concatMap (
          name:
          if !(declared ? ${name}) then
            [ (path ++ [ name ]) ]
          else if is "option" declared.${name} then
            [ ]
          else
            concatMap (strays (path ++ [ name ]) declared.${name}) (at [ name ] value)
        ) (names value);
      unknown = concatMap (module: strays [ ] options module.config) all;
      free =
        if freeform == null then
          { }
        else
          lib.genAttrs (lib.unique (map builtins.head unknown)) (
            name:
            let
              said = merge (prefix ++ [ name ]) freeform (concatMap (module: at [ name ] module.config) all);
            in
            if said == [ ] then null else builtins.head said
          );
      config =
        if freeform == null && unknown != [ ] then
          throw "The option `${show (prefix ++ builtins.head unknown)}' does not exist."
        else
          free // tree [ ] options;
    in
    {
      inherit config options;
    };

  # --- types

  type =
    description: check:
    {
      inherit description check;
      complete = _: value: value;
      merge =
        path: values:
        if builtins.all (value: value == builtins.head values) values then
          builtins.head values
        else
          throw "The option `${show path}' has conflicting definition values.";
    };
  isDerivation = value: isAttrs value && (value.type or "") == "derivation";
  isPathLike = value: builtins.isPath value || (builtins.isString value && lib.hasPrefix "/" value) || isDerivation value;
  deep =
    path: values:
    if builtins.all isAttrs values && !(builtins.any isDerivation values) then
      lib.genAttrs (lib.unique (concatMap attrNames values)) (
        name: builtins.head (merge (path ++ [ name ]) types.anything (concatMap (at [ name ]) values))
      )
    else if builtins.all isList values then
      builtins.concatLists values
    else
      (type "value" (_: true)).merge path values;

  types = {
    anything = type "anything" (_: true) // { merge = deep; };
    bool = type "boolean" builtins.isBool;
    str = type "string" builtins.isString;
    path = type "path" isPathLike;
    package = type "package" isPathLike;
    strMatching =
      pattern:
      type "string matching the pattern ${pattern}" (
        value: builtins.isString value && builtins.match pattern value != null
      );
    enum =
      values:
      type "one of ${builtins.concatStringsSep ", " (map builtins.toJSON values)}" (value: builtins.elem value values);
    nullOr =
      inner:
      type "null or ${inner.description}" (value: value == null || inner.check value)
      // {
        merge = path: values: if builtins.elem null values then null else inner.merge path values;
      };
    either =
      left: right:
      type "${left.description} or ${right.description}" (value: left.check value || right.check value)
      // {
        merge = path: values: if builtins.all left.check values then left.merge path values else right.merge path values;
      };
    listOf =
      inner:
      type "list of ${inner.description}" isList
      // {
        merge =
          path: values:
          concatMap (value: merge (path ++ [ "*" ]) inner [ value ]) (builtins.concatLists values);
      };
    attrsOf =
      inner:
      type "attribute set of ${inner.description}" isAttrs
      // {
        merge =
          path: values:
          lib.filterAttrs (_: _: true) (
            builtins.mapAttrs (_: builtins.head) (
              lib.filterAttrs (_: said: said != [ ]) (
                lib.genAttrs (lib.unique (concatMap names values)) (
                  name: merge (path ++ [ name ]) inner (concatMap (at [ name ]) values)
                )
              )
            )
          );
      };
    submodule =
      module:
      let
        eval =
          path: values:
          (evaluate {
            modules = [ { inherit (module) options; } ] ++ map (value: { config = value; }) values;
            args = { inherit lib; };
            prefix = path;
            freeform = module.freeformType or null;
          }).config;
      in
      type "submodule" isAttrs
      // {
        merge = eval;
        complete = path: value: eval path [ value ];
      };
  };

  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  override = rank: content: {
    _type = "override";
    inherit rank content;
  };
in
{
  inherit mkIf types;
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkDefault = override 1000;
  mkOption = option: option // { _type = "option"; type = option.type or types.anything; };
  mkEnableOption = what: {
    _type = "option";
    type = types.bool;
    default = false;
    description = "Whether to enable ${what}.";
  };
  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };
  evalModules =
    { modules, specialArgs }:
    evaluate {
      inherit modules;
      args = specialArgs;
      prefix = [ ];
    };
}

# What Nix alone can see is wrong, in words; everything else the build says (../render.nix).
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.stack;
  host = if cfg.host == null then { } else cfg.host;
  here = if pkgs.stdenv.hostPlatform.isDarwin then "macos" else "linux";

  listed = lib.concatStringsSep ", ";
  inStore = value: builtins.isPath value || lib.hasPrefix "${builtins.storeDir}/" (toString value);
  isAbsolute = value: builtins.isPath value || lib.hasPrefix "/" value || lib.hasPrefix "~/" value;

  sourcesOf =
    model:
    let
      sources = model.sources or { };
    in
    if builtins.isList sources then sources else builtins.attrValues sources;
  sources = lib.concatMap sourcesOf (builtins.attrValues cfg.settings.models);
  clientKeys = cfg.settings.endpoint.keys or { };
  secrets =
    lib.mapAttrsToList (name: secret: {
      at = "endpoint.keys.${name}";
      inherit secret;
    }) clientKeys
    ++ map (source: {
      at = "the key of a source";
      secret = source.key;
    }) (builtins.filter (source: source ? key) sources);

  named = source: lib.optional (source ? path) source.path;
  templates = source: lib.optional (source ? chat_template) source.chat_template;
  paths = lib.concatMap (source: named source ++ templates source) sources;
  relative = builtins.filter (value: !(isAbsolute value)) paths;

  isLoose = backend: engine: inStore engine.bin && (cfg.engines.${backend} or null) == null;
  loose = builtins.attrNames (lib.filterAttrs isLoose (host.engines or { }));

  hasStop = id: builtins.any (source: source ? stop) (sourcesOf cfg.settings.models.${id});
  stopped = lib.optionals (here == "macos") (builtins.filter hasStop cfg.residents);

  check = assertion: words: {
    inherit assertion;
    message = lib.concatStringsSep " " words;
  };
in
{
  config.assertions = lib.mkIf cfg.enable (
    [
      (check (cfg.host != null) [
        "services.stack.host is not set."
        "On the machine itself: `stack host --json --weights > host.json`;"
        "commit that file, and write host = ./host.json;"
      ])
      (check (cfg.host == null || host.system or "" == here) [
        "services.stack.host describes a ${host.system or "nameless"} machine, and this is ${here}:"
        "is it another machine's host.json?"
      ])
      (check (relative == [ ]) [
        "services.stack.settings: ${listed relative}:"
        "a built configuration lies in no folder that relative paths could begin at."
        "Write an absolute path, or a path of Nix (without quotes)"
      ])
      (check (loose == [ ]) [
        "services.stack.host: ${listed loose} lies in the Nix store,"
        "where the next collection of garbage may remove it."
        "Name it in services.stack.engines, from a package"
      ])
      (check (stopped == [ ]) [
        "services.stack.settings: ${listed stopped}: launchd ends a job by SIGTERM and knows no command for it."
        "Leave `stop` out, or write residency = \"on-demand\""
      ])
    ]
    ++ lib.concatMap (
      { at, secret }:
      [
        (check (!(secret ? env)) [
          "services.stack.settings: ${at}: a service has no shell's environment."
          "Write { file = \"/run/secrets/...\"; }"
        ])
        (check (!(secret ? file && inStore secret.file)) [
          "services.stack.settings: ${at}:"
          "this file would be copied into the Nix store, which everybody can read. Write its place as a"
          "text: config.sops.secrets.NAME.path, config.age.secrets.NAME.path"
        ])
      ]
    ) secrets
  );
}

# What the options come to, the same under every service manager: who is resident, the plan, the units in neutral words.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkDefault;
  cfg = config.services.stack;
  inherit (cfg) settings;
  inherit (settings) name;
  stack = config.programs.stack.package;

  # --- who has a unit: as core/planner says it, which the build compares

  attached = [
    "lm-studio"
    "ollama"
    "openai"
  ];
  ids = builtins.attrNames settings.models;
  named = builtins.filter (id: builtins.elem "default" settings.models.${id}.roles) ids;
  default = if named != [ ] then builtins.head named else if builtins.length ids == 1 then builtins.head ids else null;
  sources = model: model.sources or { };
  backends =
    model:
    if builtins.isList (sources model) then
      map (source: source.backend or "") (sources model)
    else
      builtins.attrNames (sources model);
  isResident =
    id:
    let
      model = settings.models.${id};
      byDefault = id == default && !(model ? ttl) && !(model.preload or false);
    in
    !(builtins.all (backend: builtins.elem backend attached) (backends model))
    && (if model ? residency then model.residency == "resident" else byDefault);

  # --- the machine, with the engines that Nix provides

  engines = lib.filterAttrs (_: engine: engine != null) cfg.engines;
  provided = builtins.mapAttrs (_: engine: {
    inherit (engine) bin version;
    found = "services.stack.engines";
    flags = [ ];
  }) engines;
  host =
    cfg.host
    // {
      engines = (cfg.host.engines or { }) // removeAttrs provided [ "llama-swap" ];
    }
    // lib.optionalAttrs (provided ? llama-swap) { llama_swap = provided.llama-swap; };

  # --- units

  folders = [
    "${cfg.home}/.local/bin"
    "${cfg.home}/.docker/bin"
    "${cfg.home}/.nix-profile/bin"
    "/run/wrappers/bin"
    "/run/current-system/sw/bin"
    "/opt/homebrew/bin"
    "/usr/local/bin"
    "/usr/bin"
    "/bin"
    "/usr/sbin"
    "/sbin"
  ];

  # core/plan.slug
  slug =
    id:
    let
      plain = lib.concatMapStrings (c: if builtins.match "[a-z0-9]" c != null then c else "-") (
        lib.stringToCharacters (lib.toLower id)
      );
      stripped = builtins.head (builtins.match "-*(.*[^-])-*" plain);
    in
    "${builtins.substring 0 40 stripped}-${builtins.substring 0 6 (builtins.hashString "sha256" id)}";
  # Through a folder whose name stays: no new plan and no new `stack` changes this unit, so none reloads weights. The
  # gateway's unit changes with every build; when it starts, it ends the engines whose launch is another by now, and
  # systemd or launchd starts those anew, by the new plan.
  become = id: rec {
    argv = [
      "${cfg.folder}/bin/stack"
      "exec"
      "--plan"
      "${cfg.folder}/plan.json"
      id
    ];
    stop = argv ++ [ "--stop" ];
  };
  # CUDA and a user's own command may start a setuid helper, which hardening forbids
  harmless = id: (cfg.host.gpus or [ ]) == [ ] && !(builtins.elem "command" (backends settings.models.${id}));
  allHarmless = builtins.all harmless ids;
  withSwap = settings.supervisor or "auto" == "llama-swap";
  engineUnits = builtins.listToAttrs (
    map (id: {
      name = "stack-${name}-${slug id}";
      value = become id // {
        description = "${id}, of the stack ${name}";
        patience = 30;
        hardened = harmless id;
      };
    }) cfg.residents
  );
  swapUnit = lib.optionalAttrs withSwap {
    "stack-${name}-llama-swap" = {
      inherit (become "@llama-swap") argv;
      description = "llama-swap, of the stack ${name}";
      patience = 60;
      hardened = allHarmless;
    };
  };
  others = engineUnits // swapUnit;
  units = others // {
    "stack-${name}-gateway" = {
      argv = [
        "${cfg.rendered}/bin/stack"
        "serve"
        "--plan"
        "${cfg.rendered}/plan.json"
        "--name"
        name
      ];
      description = "The gateway of the stack ${name}";
      patience = 200;
      # children may no more than their parent
      hardened = withSwap || allHarmless;
      after = builtins.attrNames others;
      # what it started on demand outlives its crash, and the next one adopts it
      gateway = true;
    };
  };
in
{
  imports = [
    ./options.nix
    ./assertions.nix
  ];

  # for the module that imports this one
  options.services.stack.units = lib.mkOption {
    internal = true;
    readOnly = true;
    type = lib.types.attrsOf lib.types.anything;
    description = "name -> argv, description, patience (seconds to end), hardened, stop, after, gateway.";
  };
  options.services.stack.search = lib.mkOption {
    internal = true;
    readOnly = true;
    type = lib.types.str;
    description = "PATH of a unit, where the module has to say all of it.";
  };

  config.services.stack = {
    inherit units;
    search = lib.concatStringsSep ":" (map (package: "${package}/bin") cfg.path ++ folders);
    residents = mkDefault (builtins.filter isResident ids);
    engines = {
      llama-cpp = mkDefault {
        bin = "${pkgs.llama-cpp}/bin/llama-server";
        inherit (pkgs.llama-cpp) version;
      };
    }
    // lib.optionalAttrs withSwap {
      llama-swap = mkDefault {
        bin = "${pkgs.llama-swap}/bin/llama-swap";
        inherit (pkgs.llama-swap) version;
      };
    };
    rendered = pkgs.callPackage ../render.nix { inherit stack; } {
      inherit name settings host;
      inherit (cfg) home residents;
    };
  };
}

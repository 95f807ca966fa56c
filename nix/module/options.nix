# The options of all three modules.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;
  json = pkgs.formats.json { };
  cfg = config.services.stack;

  model = types.submodule {
    freeformType = json.type;
    options = {
      residency = mkOption {
        type = types.nullOr (
          types.enum [
            "resident"
            "on-demand"
            "sleep"
          ]
        );
        default = null;
        description = "Resident models have a unit of their own. null: the default role's model is resident.";
      };
      roles = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Names for an intent: default, coding, ...";
      };
    };
  };

  engine = types.submodule {
    options = {
      bin = mkOption {
        type = types.str;
        description = "Its executable.";
      };
      version = mkOption {
        type = types.str;
        description = "What it says its version is.";
      };
    };
  };
in
{
  options.programs.stack = {
    enable = lib.mkEnableOption "the command `stack`";
    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ../package.nix { };
      defaultText = lib.literalExpression "pkgs.callPackage ./nix/package.nix { }";
      description = "The package of `stack`.";
    };
  };

  options.services.stack = {
    enable = lib.mkEnableOption "a stack: its gateway, and a unit for each resident model";

    settings = mkOption {
      description = "stack.yaml as Nix. Every key: docs/stack-yaml.md.";
      type = types.submodule {
        freeformType = json.type;
        options = {
          version = mkOption {
            type = types.enum [ 1 ];
            default = 1;
            description = "Of stack.yaml.";
          };
          name = mkOption {
            type = types.strMatching "[a-z0-9-]{1,32}";
            default = "main";
            description = "The stack's name; its units are called stack-NAME-...";
          };
          service = mkOption {
            type = types.enum [
              "login"
              "boot"
            ];
            default = "login";
            description = "Start with the user's session, or with the machine.";
          };
          models = mkOption {
            type = types.attrsOf model;
            default = { };
            description = "Models by the name that clients ask for.";
          };
        };
      };
      default = { };
      # null means automatic, which stack.yaml says by leaving the key out
      apply = lib.filterAttrsRecursive (_: value: value != null);
      example = lib.literalExpression ''
        {
          models.qwen3-4b = {
            context = 16384;
            sources.llama-cpp = { repo = "unsloth/Qwen3-4B-Instruct-2507-GGUF"; file = "Qwen3-4B-Instruct-2507-Q4_K_M.gguf"; };
            roles = [ "default" ];
          };
        }
      '';
    };

    host = mkOption {
      type = types.nullOr (types.either types.path (types.attrsOf types.anything));
      default = null;
      apply = value: if builtins.isAttrs value || value == null then value else lib.importJSON value;
      example = lib.literalExpression "./host.json";
      description = "The machine: what `stack host --json --weights` printed on it. Required.";
    };

    engines = mkOption {
      type = types.attrsOf (types.nullOr engine);
      default = { };
      example = lib.literalExpression ''
        { llama-cpp.bin = "''${pkgs.llama-cpp.override { cudaSupport = true; }}/bin/llama-server"; }
      '';
      description = "Engines that Nix provides, by backend (and llama-swap); they replace the host's. null: the host's.";
    };

    residents = mkOption {
      type = types.listOf types.str;
      description = "Models that get a unit. Follows from `settings`; the build says so where the plan sees it otherwise.";
    };

    user = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "Whose stack it is (NixOS, nix-darwin). Required there.";
    };

    home = mkOption {
      type = types.str;
      description = "That user's home: `~` in `settings`.";
    };

    environment = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = {
        HF_HOME = "/srv/huggingface";
      };
      description = "Of every unit: what says where things are. Never a secret.";
    };

    path = mkOption {
      type = types.listOf types.package;
      default = [ ];
      example = lib.literalExpression "[ pkgs.docker-client ]";
      description = "Packages with commands that the stack starts by name.";
    };

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = "NixOS: open the ports of those addresses of `settings.endpoint.listen` that are not loopback.";
    };

    folder = mkOption {
      type = types.str;
      internal = true;
      description = "Where `rendered` is found under a name that stays the same.";
    };

    rendered = mkOption {
      type = types.package;
      readOnly = true;
      description = "stack.yaml, host.json, plan.json, plan.txt, bin/stack, and llama-swap's config where it is used.";
    };
  };

  config.programs.stack.enable = lib.mkIf cfg.enable (lib.mkDefault true);
}

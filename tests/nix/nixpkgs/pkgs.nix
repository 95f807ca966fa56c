# Packages: real derivations, built by /bin/sh outside of a sandbox. Python is that of whoever runs the tests.
{ lib, system }:

let
  machine = import ./machine.nix;

  # Attributes are variables of the script; nativeBuildInputs come first on PATH. The shell itself must be the last to go:
  # a program in its place closes stdout before it exits, and Nix may kill it in between.
  build =
    name: attrs: script:
    derivation (
      {
        inherit name system;
        builder = "/bin/sh";
        args = [
          "-e"
          "-c"
          ''
            export PATH=${lib.concatMapStrings (package: "${package}/bin:") (attrs.nativeBuildInputs or [ ])}/usr/bin:/bin
            ${script}
            exit 0
          ''
        ];
      }
      // removeAttrs attrs [
        "nativeBuildInputs"
        "meta"
        "passthru"
      ]
    )
    // {
      meta = attrs.meta or { };
    }
    // (attrs.passthru or { });

  program =
    name: version:
    build "${name}-${version}" { meta.mainProgram = name; } "mkdir -p $out/bin; touch $out/bin/${name}"
    // {
      inherit version;
    };

  pythonNames = [
    "docker"
    "hatchling"
    "httptools"
    "httpx"
    "huggingface-hub"
    "hypothesis"
    "jinja2"
    "mypy"
    "prometheus-client"
    "psutil"
    "pydantic"
    "pytest"
    "pytest-timeout"
    "pytest-xdist"
    "pyyaml"
    "rich"
    "ruff"
    "starlette"
    "tomlkit"
    "typer"
    "uv"
    "uvicorn"
    "uvloop"
  ];

  pkgs = {
    inherit lib;
    stdenv.hostPlatform = {
      inherit system;
      isLinux = lib.last (builtins.split "-" system) == "linux";
      isDarwin = lib.last (builtins.split "-" system) == "darwin";
    };

    callPackage =
      file: given:
      let
        f = if builtins.isFunction file then file else import file;
      in
      f (builtins.intersectAttrs (builtins.functionArgs f) pkgs // given);

    runCommand = build;
    mkShell = attrs: build "shell" { } "touch $out";

    formats.json = _: {
      type = lib.types.anything;
      # as jq would write it
      generate =
        name: value:
        build name { value = builtins.toJSON value; } ''
          printf %s "$value" | ${machine.python} -c 'import json, sys; print(json.dumps(json.load(sys.stdin), indent=2, ensure_ascii=False))' > $out
        '';
    };

    python3Packages = lib.genAttrs pythonNames (name: program name "0") // {
      buildPythonPackage =
        attrs:
        assert builtins.all (package: package ? version) (attrs.dependencies ++ attrs.build-system);
        build "${attrs.pname}-${attrs.version}" { inherit (attrs) src; } ''
          cp -r $src source
          chmod -R u+w source
          (cd source && ${machine.python} -m hatchling build -t wheel -d ../wheel)
          mkdir $out
          ${machine.python} -m zipfile -e wheel/*.whl $out
        '';

      # by the tests' own Python, which has what it depends on
      python.withPackages =
        f:
        build "python-env" { source = lib.last (f { }); } ''
          mkdir -p $out/bin
          cat > $out/bin/stack <<EOF
          #!/bin/sh
          export PYTHONPATH=$source PYTHONDONTWRITEBYTECODE=1
          exec ${machine.python} -m orchestrator.cli.main "\$@"
          EOF
          chmod 755 $out/bin/stack
        '';
    };

    # makeWrapper PROGRAM WRAPPER --suffix PATH : FOLDERS
    makeBinaryWrapper = build "make-wrapper" { } ''
      mkdir -p $out/bin
      cat > $out/bin/makeWrapper <<EOF
      #!/bin/sh -e
      test "\$3 \$4 \$5" = "--suffix PATH :"
      { echo "#!/bin/sh"; echo "export PATH=\\\$PATH:\$6"; echo "exec \$1 \"\\\$@\""; } > "\$2"
      chmod 755 "\$2"
      EOF
      chmod 755 $out/bin/makeWrapper
    '';

    llama-cpp = program "llama-server" "8200";
    llama-swap = program "llama-swap" "250";
    git = program "git" "2";
    gnumake = program "make" "4";
    nixfmt-tree = program "treefmt" "1";
  };
in
pkgs

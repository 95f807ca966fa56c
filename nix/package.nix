# The command `stack`, of nixpkgs' Python packages (docs/decisions/0014-nix.md), with engines of nixpkgs
# behind the user's own PATH. No mlx-lm: nixpkgs builds MLX without Metal, which no Mac should serve from.
{
  lib,
  llama-cpp,
  llama-swap,
  makeBinaryWrapper,
  python3Packages,
  runCommand,
}:

let
  inherit (lib) fileset;
  project = (lib.importTOML ../pyproject.toml).project;

  src = fileset.toSource {
    root = ../.;
    fileset = fileset.unions [
      ../Dockerfile
      ../orchestrator
      ../requirements/runtime.txt
      ../templates
      ../models/selftest
      ../pyproject.toml
      ../README.md
      ../stack.yaml
    ];
  };

  module = python3Packages.buildPythonPackage {
    pname = project.name;
    inherit (project) version;
    inherit src;
    pyproject = true;
    build-system = [ python3Packages.hatchling ];
    dependencies = with python3Packages; [
      docker
      httptools
      httpx
      huggingface-hub
      jinja2
      prometheus-client
      psutil
      pydantic
      pyyaml
      rich
      starlette
      tomlkit
      typer
      uv
      uvicorn
      uvloop
    ];
    pythonImportsCheck = [ "orchestrator.cli.main" ];
  };

  # `stack` starts itself as `python -m orchestrator...`: its interpreter must know its modules
  python = python3Packages.python.withPackages (_: [ module ]);

  engines = lib.makeBinPath [
    llama-cpp
    llama-swap
  ];
in
runCommand "${project.name}-${project.version}"
  {
    nativeBuildInputs = [ makeBinaryWrapper ];
    passthru = { inherit module; };
    meta = {
      inherit (project) description;
      mainProgram = "stack";
      platforms = lib.platforms.linux ++ lib.platforms.darwin;
    };
  }
  ''
    mkdir -p $out/bin $out/share/stack
    makeWrapper ${python}/bin/stack $out/bin/stack --suffix PATH : ${engines}
    # the self-test model: stack up --file $out/share/stack/stack.yaml
    cp -r ${src}/stack.yaml ${src}/models $out/share/stack/
  ''

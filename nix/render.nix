# settings + host -> stack.yaml, host.json, plan.json, plan.txt and llama-swap's config, by the same code that serves
# them: where `stack check` or `stack plan` fails, this build fails with their words.
{
  lib,
  formats,
  runCommand,
  stack,
}:

{
  name,
  settings,
  host,
  # models that a unit was declared for; the plan must agree
  residents,
  # the folder that `~` means
  home,
}:

let
  json = formats.json { };
in
runCommand "stack-${name}"
  {
    nativeBuildInputs = [ stack ];
    # JSON is YAML, and its lines can be pointed at
    file = json.generate "stack.yaml" settings;
    host = json.generate "host.json" host;
    managed = lib.concatStringsSep " " residents;
    swap = settings.supervisor or "auto" == "llama-swap";
  }
  ''
    export HOME=${lib.escapeShellArg home} COLUMNS=120
    mkdir $out
    cd $out
    cp $file stack.yaml
    cp $host host.json
    mkdir bin
    ln -s ${stack}/bin/stack bin/stack
    stack check
    stack plan --host host.json --managed "$managed" > plan.txt
    stack plan --host host.json --json > plan.json
    if [ -n "$swap" ]; then
      mkdir llama-swap
      stack render llama-swap --host host.json > llama-swap/config.yaml
    fi
  ''

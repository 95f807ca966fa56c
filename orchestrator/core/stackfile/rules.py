"""The rules of stack.yaml that no table can say. Enforced in checks.py, edge/stackfile/yaml_nodes.py or the plan."""

from __future__ import annotations

RULES_TEXT = """## Rules
Writing it
- YAML with 1.2's booleans: only `true` and `false`. `yes`, `no`, `on` and `off` are text, `010` is ten.
- Unquoted text keeps its form where text belongs: `revision: 1e5`, `version: 0.6`, `env: {DEBUG: true}`.
- Anchors, aliases and merge keys (`<<`) work, within bounds (1 MiB, 50,000 values, 40 levels); tags do not. A key
  written twice is an error, and so is a second document.
- `x-*` keys are yours in every mapping of the shape. Where the keys are names of your own (`models`, `keys`,
  `variants`, `env`, `defaults`) they are names like any other.
- A size is `16GiB`, `16GB` or bytes. A duration is `90s`, `10m`, `2h` or whole seconds.
- Relative paths begin at the file's folder, `~` is your home. `mmproj` and `draft` are paths when they are written as
  one (`./`, `../`, `/`, `~`), else names of files in the repository.

Names
- A model's name: letters, digits and `. _ : @ + / -`, at most 128 characters, no `..` segment.
- Names, aliases, variants and roles are one namespace: each leads to exactly one model.
- `name` defaults to the folder's name and 6 hex of its path, so that two checkouts do not meet.

Sources
- A mapping of sources: the first backend in the order of `selection` that can run here; backends that `selection` does
  not name follow in default order. A list of sources, with `backend` in each: the first that can run and fits.
- `${PORT}` in `cmd` is ours; any other `${` is an error.

Security
- Secrets are names (`{env: NAME}`, `{file: PATH}`), never values: not under `key` or `keys`, not in an environment, not
  in a URL, not in an argument. With `service` other than none they are files.
- `endpoint.listen` beyond loopback needs a key.

Requests
- `defaults` are set where the client says nothing, or null. `strip` takes out what the client says; a default of the
  same key then holds for everybody. A variant's parameters hold whatever the client says: its name is a promise.
- They are parameters of the request itself (`temperature`, `chat_template_kwargs`, `voice`), set whole; not `model`,
  `stream`, `messages` and what else is the request. In a form (audio) they are its fields.
- `max_tokens`, `max_completion_tokens` and `max_output_tokens` are one parameter: whichever the client names counts,
  and ours goes out under the name that the path knows.
- `serve.max_tokens` is a start flag where the engine has one, else it is set in requests: always where the engine's own
  default would cut answers off, elsewhere when it is declared.
- `stack render llama-swap` is for use without our gateway: llama-swap's own filters then strip and know the variants,
  but set a default only where its key is stripped, for they override the client. A variant that they cannot say whole
  has no name there. What is left out is named in the file and on stderr.
- Variants are in /v1/models. A model without `vision` answers 400 to an image: some engines leave it out in silence.

Serving
- `context` is what one request may use. `concurrency` is requests at once in engine, supervisor and gateway; `queue`
  more wait, then 429.
- `ttl` and `preload` are for on-demand models; the model of the role `default` is resident unless told otherwise.
- On Apple Silicon `host` names the unified pool. `memory.gpu` is weights and KV on that GPU.
"""

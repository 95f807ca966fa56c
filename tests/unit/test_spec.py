"""The shape: what each value may be, and the words for what it may not."""

from __future__ import annotations

import pytest

from orchestrator.core.spec import BACKENDS, Stack
from tests.stack_text import model, read, said, source

STUDIO = """
version: 1
name: studio
endpoint:
  listen: [127.0.0.1:8484]
  hosts: [studio.local]
  keys: {laptop: {file: ~/.config/stack/laptop.key}, ci: {env: STACK_CI_KEY}}
selection: [vllm-mlx, mlx-lm, llama-cpp]
budget: {host: {reserve: 16GiB}}
backends:
  vllm-mlx: {engine: {version: 0.6.0}}
models:
  qwen3-coder-30b:
    family: qwen3-coder
    capabilities: [chat, tools]
    context: 131072
    sources:
      vllm-mlx: {repo: mlx-community/Qwen3-Coder-30B-A3B-Instruct-8bit, revision: 1234567}
      llama-cpp: {repo: unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF, file: Qwen3-Coder-30B-A3B-Instruct-Q8_0.gguf}
    serve: {port: 18500, concurrency: 4, queue: 16, max_tokens: 32768, start_timeout: 10m, extra_args: [],
            unchecked_args: [], env: {}}
    memory: {kv: 16GiB, kv_dtype: q8}
    residency: resident
    parsers: {tool: auto, reasoning: none}
    defaults: {temperature: 0.7}
    strip: [logit_bias]
    variants: {qwen3-coder-30b-precise: {temperature: 0}}
    aliases: [coder]
    roles: [coding, default]
  vision:
    sources: {llama-cpp: {repo: o/v, file: v.gguf, mmproj: mmproj-F16.gguf, draft: d.gguf, chat_template: ./t.jinja}}
  whisper:
    capabilities: [transcribe]
    sources: {command: {cmd: [whisper-server, --port, "${PORT}", -m, ./ggml.bin], check: /health, stop: kill, env: {}}}
  cloud-big:
    sources: {openai: {url: https://api.example.com/v1, model: big, key: {env: CLOUD_KEY}}}
probe: {on_up: quick, scope: resident, tools: required, budget: 60s}
supervisor: auto
service: none
"""
WORKSTATION = """
version: 1
models:
  big:   {sources: {vllm: {repo: o/b, engine: {image: "vllm/vllm-openai:v0.28.0@sha256:00"}}}, gpus: [0, 1],
          tensor_parallel: 2, residency: on-demand}
  small: {sources: {vllm: {repo: o/s}}, gpus: [1], memory: {gpu: {1: 14GiB}}}
  huge:  {sources: {llama-cpp: {repo: o/h, file: h.gguf}}, gpus: [0], memory: {gpu: {0: 10GiB}, host: 70GiB}}
  either: {sources: [{backend: llama-cpp, path: 8.gguf}, {backend: llama-cpp, path: 4.gguf}]}
budget: {gpu: {0: {reserve: 1GiB}}, host: {reserve: 8GiB}}
"""


def test_the_reference_shape_is_known() -> None:
    stack = read(STUDIO)
    coder = stack.models["qwen3-coder-30b"]
    assert stack.backends["vllm-mlx"].engine.version == "0.6.0"
    assert coder.ordered_sources()[0][2].revision == "1234567"
    assert (coder.serve.start_timeout, coder.memory.kv, coder.defaults) == (600, 2**34, {"temperature": 0.7})
    assert stack.budget.host is not None
    assert stack.budget.host.reserve == 2**34


def test_the_reference_workstation_is_known() -> None:
    stack = read(WORKSTATION)
    assert stack.models["big"].gpus == (0, 1)
    assert stack.models["huge"].memory.gpu == {0: 10 * 2**30}
    assert [key for key, _, _ in stack.models["either"].ordered_sources()] == ["0", "1"]
    assert stack.budget.gpu[0].reserve == 2**30


def test_defaults() -> None:
    stack = read("")
    one = stack.models["a"]
    assert stack == Stack.model_validate({"version": 1, "models": {"a": {"sources": {"mlx-lm": {"path": "./a"}}}}})
    assert (stack.endpoint.listen, stack.supervisor, stack.service) == (("127.0.0.1:8484",), "auto", "none")
    assert (one.serve.concurrency, one.serve.queue, one.serve.start_timeout, one.ttl) == (1, 16, 600, None)
    assert (stack.probe.on_up, stack.probe.scope, stack.probe.tools, stack.probe.budget) == (
        "quick",
        "resident",
        "required",
        60,
    )


def test_extension_keys_are_allowed_in_every_mapping_of_the_shape() -> None:
    stack = read(
        """
        x-top: 1
        endpoint: {x-a: 1, keys: {x-k: {env: A, x-b: 2}}}
        budget: {x-c: 1, gpu: {x-d: 1}}
        backends: {x-e: 1, mlx-lm: {x-f: 1, engine: {x-g: 1}}}
        models:
          a: {x-h: 1, serve: {x-i: 1, env: {x-j: 1}}, sources: {x-k: 1, mlx-lm: {path: a, x-l: 1}}}
          x-ai/grok: {sources: {openai: {url: https://x.ai/v1}}}
        probe: {x-m: 1}
        """
    )
    assert list(stack.models) == ["a", "x-ai/grok"]
    assert stack.models["a"].serve.env == {"x-j": "1"}
    assert list(stack.endpoint.keys) == ["x-k"]


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("context: 1.5", "models.a.context: must be a whole number"),
        ("context: many", "models.a.context: must be a whole number"),
        ('context: "8192"', "models.a.context: must be a whole number"),
        ("context: true", "models.a.context: must be a whole number"),
        ("context: 0", "models.a.context: must be at least 1"),
        ("serve: {port: 65536}", "models.a.serve.port: must be at most 65535"),
        ("serve: {port: 0}", "models.a.serve.port: must be at least 1"),
        ("serve: {concurrency: 0}", "models.a.serve.concurrency: must be at least 1"),
        ("serve: {queue: -1}", "models.a.serve.queue: must be at least 0"),
        (
            "serve: {start_timeout: soon}",
            "models.a.serve.start_timeout: must be a duration: 90s, 10m, 2h or whole seconds",
        ),
        ("serve: {extra_args: --x}", "models.a.serve.extra_args: must be a list"),
        ("serve: {extra_args: [[a]]}", "models.a.serve.extra_args.0: must be text"),
        ("serve: {env: [a]}", "models.a.serve.env: must be a mapping"),
        ("serve: {env: {A: null}}", "models.a.serve.env.A: must be text"),
        ("serve: {env: {A=B: c}}", "models.a.serve.env.A=B: is not a name for an environment variable"),
        ("serve: 4", "models.a.serve: must be a mapping"),
        ("serve:", "models.a.serve: must be a mapping"),
        ("memory: {kv: lots}", "models.a.memory.kv: must be a size: 16GiB, 512MB or bytes"),
        ("memory: {gpu: {one: 1GiB}}", "models.a.memory.gpu.one: must be a GPU index: 0, 1, ..."),
        (
            "memory: {kv_dtype: q9}",
            "models.a.memory.kv_dtype: must be one of f16, bf16, q8, q4, fp8",
        ),
        ("preload: yes", "models.a.preload: must be true or false"),
        ("preload: on", "models.a.preload: must be true or false"),
        ("preload: 1", "models.a.preload: must be true or false"),
        (
            "residency: residnt",
            "models.a.residency: must be one of resident, on-demand, sleep (did you mean `resident`?)",
        ),
        ("capabilities: []", "models.a.capabilities: must not be empty"),
        ("capabilities: chat", "models.a.capabilities: must be a list"),
        (
            "capabilities: [chat, tool]",
            "models.a.capabilities.1: must be one of chat, tools, vision, embed, rerank, transcribe, speak "
            "(did you mean `tools`?)",
        ),
        (
            "aliases: [a b]",
            "models.a.aliases.0: is not a model name: letters, digits and . _ : @ + / - (at most 128, no `..` segment)",
        ),
        ("roles: [Default]", "models.a.roles.0: must be a lower-case word: a-z, then a-z, 0-9 and - (at most 32)"),
        ("gpus: [x]", "models.a.gpus.0: must be a GPU index (0, 1, ...) or a UUID as `nvidia-smi -L` prints it"),
        ("tensor_parallel: 0", "models.a.tensor_parallel: must be at least 1"),
        ("family: ''", "models.a.family: must not be empty"),
        ("prot: 1", "models.a.prot: unknown key (did you mean `serve.port`?)"),
        ("port: 1", "models.a.port: unknown key (did you mean `serve.port`?)"),
        ("contxt: 1", "models.a.contxt: unknown key (did you mean `context`?)"),
        ("serve: {prot: 1}", "models.a.serve.prot: unknown key (did you mean `port`?)"),
        ("zzzzzz: 1", "models.a.zzzzzz: unknown key"),
        ("sources: {}", "models.a.sources: must not be empty"),
        ("sources: []", "models.a.sources: must not be empty"),
        (
            "sources: here",
            "models.a.sources: must be a mapping by backend, or a list of sources with `backend` in each",
        ),
        ("sources: {mlx: {path: a}}", "models.a.sources.mlx: unknown backend (did you mean `mlx-lm`?)"),
        (
            "sources: [{backend: lama-cpp, path: a}]",
            "models.a.sources.0.backend: unknown backend (did you mean `llama-cpp`?)",
        ),
        ("sources: {mlx-lm: x}", "models.a.sources.mlx-lm: must be a mapping"),
        ("sources: [x]", "models.a.sources.0: must be a mapping"),
        ("sources: {mlx-lm: {pth: a}}", "models.a.sources.mlx-lm.pth: unknown key (did you mean `path`?)"),
        (
            "sources: {command: {cmd: [a], stop: 1.5}}",
            "models.a.sources.command.stop: must be a command, or its argv as a list",
        ),
        ("sources: {command: {cmd: []}}", "models.a.sources.command.cmd: must not be empty"),
        (
            "sources: {mlx-lm: {repo: ./here}}",
            "models.a.sources.mlx-lm.repo: must be a Hugging Face repository as `org/name` "
            "(weights on disk go under `path`)",
        ),
        (
            "sources: {openai: {url: example.com}}",
            "models.a.sources.openai.url: must be a URL: http://HOST:PORT/v1 or https://...",
        ),
    ],
)
def test_a_value_of_a_model(keys: str, error: str) -> None:
    assert said(model(keys)) == [error]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("version: 2", "version: must be 1"),
        ('version: "1"', "version: must be 1"),
        ("version: 1.0", "version: must be 1"),
        ("version: true", "version: must be 1"),
        ("modles: {}\nmodels: {a: {sources: {mlx-lm: {path: a}}}}", "modles: unknown key (did you mean `models`?)"),
        ("models: {}", "models: must not be empty"),
        ("models: [a]", "models: must be a mapping"),
        ("models: {a: {}}", "models.a.sources: is missing (write `sources: {BACKEND: {...}}`)"),
        (
            "models: {a/../b: {sources: {mlx-lm: {path: a}}}}",
            "models.a/../b: is not a model name: letters, digits and . _ : @ + / - (at most 128, no `..` segment)",
        ),
        ("name: My Stack", "name: must be 1 to 32 of a-z, 0-9 and -"),
        ("endpoint: {listen: 8484}", "endpoint.listen: must be HOST:PORT, or a list of them"),
        ("endpoint: {listen: localhost}", "endpoint.listen: must be HOST:PORT (an IPv6 address goes in brackets)"),
        ("endpoint: {listen: [a:1, b]}", "endpoint.listen.1: must be HOST:PORT (an IPv6 address goes in brackets)"),
        ("endpoint: {listen: ['::1:80']}", "endpoint.listen.0: must be HOST:PORT (an IPv6 address goes in brackets)"),
        ("endpoint: {listen: []}", "endpoint.listen: must not be empty"),
        ("endpoint: {hosts: ['http://a']}", "endpoint.hosts.0: must be a host name alone: no scheme, no port, no `*`"),
        ("selection: [mlx-lm, vlmm]", "selection.1: unknown backend (did you mean `vllm`?)"),
        ("selection: [zzz]", f"selection.0: unknown backend (known: {', '.join(BACKENDS)})"),
        ("backends: {llamacpp: {}}", "backends.llamacpp: unknown backend (did you mean `llama-cpp`?)"),
        ("backends: {mlx-lm: {version: 1}}", "backends.mlx-lm.version: unknown key (did you mean `engine.version`?)"),
        ("supervisor: llamaswap", "supervisor: must be one of auto, embedded, llama-swap (did you mean `llama-swap`?)"),
        ("service: yes", "service: must be one of none, login, boot"),
        ("probe: {on_up: fast}", "probe.on_up: must be one of none, quick, standard, full"),
        ("probe: {budget: -1}", "probe.budget: must be a duration: 90s, 10m, 2h or whole seconds"),
        ("budget: {host: 8GiB}", "budget.host: must be a mapping"),
    ],
)
def test_a_value_of_the_stack(text: str, error: str) -> None:
    assert error in said(text)


def test_the_second_bind_error_is_not_an_echo() -> None:
    assert said("endpoint: {listen: [a:1, b]}") == [
        "endpoint.listen.0: is reachable from other machines and needs a key "
        "(add endpoint.keys, e.g. `keys: {laptop: {file: ~/.config/stack/laptop.key}}`)",
        "endpoint.listen.1: must be HOST:PORT (an IPv6 address goes in brackets)",
    ]


def test_every_backend_is_known() -> None:
    for backend in BACKENDS:
        keys = {
            "openai": "url: http://h/v1",
            "lm-studio": "url: http://h/v1",
            "ollama": "tag: t",
            "command": "cmd: [c]",
        }
        keys |= {"llama-cpp": "path: a.gguf", "apple-foundation": ""}
        assert list(read(source(backend, keys.get(backend, "path: a"))).models["a"].sources) == [backend]

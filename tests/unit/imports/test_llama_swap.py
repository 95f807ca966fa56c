"""A llama-swap config as a stack.yaml."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.fields import MODEL_ID
from orchestrator.core.host import Engine, Gpu
from orchestrator.core.imports import llama_swap, text, verify
from orchestrator.core.imports.draft import Imported
from orchestrator.core.spec import Stack
from orchestrator.core.stackfile.names import further_names
from orchestrator.core.stackfile.notyet import not_yet
from orchestrator.core.weights import weights_key
from orchestrator.edge.stackfile.load import parse
from orchestrator.edge.stackfile.yaml_source import YamlSource
from tests.planned import GIB, linux, planned, weights

CAPTURED = Path(__file__).parents[2] / "captured" / "imports"
ENV = {"MODELS_DIR": "/m"}


def made(config: Any, env: dict[str, str] | None = None) -> Imported:
    found, troubles = llama_swap.convert(config, env or {}, {})
    assert troubles == ()
    assert found is not None
    assert list(verify.troubles(found)) == []
    return found


def models(**config: Any) -> dict[str, Any]:
    """As stack.yaml says them, read back from the text."""
    return dict(written(made(config))["models"])


def written(imported: Imported) -> dict[str, Any]:
    content = text.stack_text(imported, "config.yaml", lambda steps: 7)
    parse(content)
    return dict(yaml.safe_load(content))


def troubles(**config: Any) -> list[str]:
    found, wrong = llama_swap.convert(config, {}, {})
    assert found is None
    return [f"{'.'.join(map(str, trouble.steps))}: {trouble.text}" for trouble in wrong]


def notes(**config: Any) -> list[str]:
    return [f"{'.'.join(map(str, note.steps))}: {note.text}" for note in made(config).every_note()]


LLAMA = {"cmd": "llama-server -m /m/x.gguf --port ${PORT}"}

NAMES = st.from_regex(MODEL_ID, fullmatch=True).filter(lambda name: ".." not in name.split("/"))
COMMANDS = st.sampled_from(
    [
        "${s} -m /m/${MODEL_ID}.gguf -c ${ctx}",
        "vllm serve org/m --port ${PORT}",
        "mlx_lm.server --model org/m --port ${PORT}",
        "some-server --port ${PORT} ${ctx}",
        "docker run --rm -p ${PORT}:8080 image --x 'a b'",
        "other --listen 9000",
    ]
)
MODELS = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {"cmd": COMMANDS},
        optional={
            "aliases": st.lists(NAMES, max_size=3, unique=True),
            "ttl": st.integers(-1, 100),
            "concurrencyLimit": st.integers(0, 20),
            "unlisted": st.booleans(),
            "useModelName": NAMES,
            "env": st.just(["A=${ctx}", "CUDA_VISIBLE_DEVICES=0"]),
            "filters": st.just({"stripParams": "a, model,b", "setParams": {"model": 1, "temperature": "${ctx}"}}),
            "cmdStop": st.just("docker stop ${MODEL_ID}"),
            "checkEndpoint": st.sampled_from(["none", "/", "/ready"]),
            "proxy": st.just("http://127.0.0.1:9000"),
        },
    ),
    min_size=1,
    max_size=5,
)


@given(MODELS)
def test_every_name_of_the_config_is_in_the_result_and_leads_to_its_model(found: dict[str, dict[str, Any]]) -> None:
    claimed: set[str] = set(found)
    for model in found.values():
        model["aliases"] = [name for name in model.get("aliases", []) if name not in claimed]
        claimed.update(model["aliases"])
    config = {"macros": {"ctx": 4096, "s": "llama-server --port ${PORT}"}, "models": found}
    imported = made(config)
    stack, _ = parse(text.stack_text(imported, "c.yaml", lambda steps: None))
    assert list(stack.models) == list(found)
    for name, model in found.items():
        assert [alias for _, _, alias in further_names(stack.models[name])] == model["aliases"]
    assert "${ctx}" not in str(imported.data())


def test_a_file_full_of_macros() -> None:
    config = yaml.safe_load((CAPTURED / "macros.yaml").read_text())
    found = written(made(config, ENV))
    coder = found["models"]["qwen3-coder:30b"]
    assert coder["sources"] == {
        "llama-cpp": {"engine": {"bin": "/opt/llama/bin/llama-server"}, "path": "/m/coder.gguf"}
    }
    assert (coder["context"], coder["serve"]["concurrency"], coder["serve"]["queue"]) == (8192, 4, 8)
    assert coder["serve"]["extra_args"] == ["--temp", "0.2"]
    assert coder["variants"] == {"qwen3-coder:30b:precise": {"temperature": 0}}
    assert (coder["strip"], coder["defaults"]) == (["top_k", "logit_bias", "temperature"], {"temperature": 0.2})
    assert coder["aliases"] == ["coder", "gpt-4o", "best"]
    docker = found["models"]["vllm-docker"]
    assert docker["sources"] == {"vllm": {"engine": {"image": "vllm/vllm-openai:v0.28.0"}, "path": "/srv/models/big"}}
    assert (docker["gpus"], docker["serve"]["env"]) == ([0, 1], {"VLLM_LOGGING_LEVEL": "DEBUG"})
    assert found["models"]["whisper"]["sources"]["command"]["cmd"][:3] == ["whisper-server", "--port", "${PORT}"]
    assert found["models"]["elsewhere"]["sources"] == {
        "openai": {"url": "http://gpu-box.lan:8080/v1", "model": "other"}
    }
    assert found["models"]["cloud/acme/large"]["sources"]["openai"]["key"] == {"env": "CLOUD_KEY"}
    assert found["endpoint"] == {"keys": {"key-1": {"env": "SWAP_KEY_1"}}}


def test_it_plans_with_every_name_on_a_machine_that_has_all_engines() -> None:
    config = yaml.safe_load((CAPTURED / "macros.yaml").read_text())
    stack, _ = parse(text.stack_text(made(config, ENV), "macros.yaml", lambda steps: None))
    later = {name for name in stack.models for one in not_yet(stack) if one.where.startswith(f"models.{name}.")}
    models = {name: model for name, model in stack.models.items() if name not in later}
    stack = stack.model_copy(update={"models": models})
    engines = {name: Engine(f"/opt/{name}", "1", "PATH") for name in ("mlx-lm", "vllm-mlx", "llama-cpp", "vllm")}
    gpus = tuple(Gpu(i, f"GPU-{i}", "80 GB", 80 * GIB) for i in range(2))
    host = replace(linux(256 * GIB, engines), gpus=gpus, docker="28.0")
    sources = [source for model in models.values() for _, _, source in model.ordered_sources()]
    known = {key: weights(key, context=65536) for source in sources if (key := weights_key(source))}
    plan = planned(stack, host, known)
    assert {launch.model for launch in plan.launches} == set(models)
    assert {name for model in models for name in names_of(stack, model)} == set(plan.names)


def names_of(stack: Stack, model: str) -> list[str]:
    return [model, *(name for _, _, name in further_names(stack.models[model]))]


def test_no_secret_is_carried_over() -> None:
    config = yaml.safe_load((CAPTURED / "macros.yaml").read_text())
    imported = made(config, ENV)
    content = text.stack_text(imported, "c.yaml", lambda steps: 1)
    told = [text.told(note, "c.yaml", lambda steps: 1) for note in imported.every_note()]
    for secret in ("sk-literal", "sk-0123", "hf_0123"):
        assert secret not in content
        assert secret not in "".join(told)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"ttl": 30}, {"ttl": 30}),
        ({"ttl": 0}, {}),
        ({"concurrencyLimit": 4}, {"serve": {"concurrency": 1, "queue": 3}}),
        (
            {"capabilities": {"in": ["text"], "tools": True, "context": 99}},
            {"capabilities": ["chat", "tools"], "context": 99},
        ),
        ({"capabilities": {"reranker": True}}, {"capabilities": ["rerank"]}),
        ({"env": ["A=b=c", "CUDA_VISIBLE_DEVICES=GPU-1a, 2"]}, {"serve": {"env": {"A": "b=c"}}, "gpus": ["GPU-1a", 2]}),
    ],
)
def test_keys_of_a_model(model: dict[str, Any], expected: dict[str, Any]) -> None:
    (found,) = models(models={"a": LLAMA | model}).values()
    assert {key: value for key, value in found.items() if key != "sources"} == expected


def test_parameters_that_llama_swap_forces_are_forced() -> None:
    """What `strip` takes out of a request, `defaults` set anew (core/routing.py)."""
    filters = {"stripParams": "top_k, model,stream", "setParams": {"temperature": 0, "model": "x", "messages": []}}
    filters |= {"setParamsByID": {"a": {"seed": 1}, "a:hot": {"temperature": 2, "stream": True}}}
    (found,) = models(models={"a": LLAMA | {"filters": filters}}).values()
    assert found["strip"] == ["top_k", "temperature", "seed"]
    assert (found["defaults"], found["variants"]) == ({"temperature": 0, "seed": 1}, {"a:hot": {"temperature": 2}})
    assert notes(models={"a": LLAMA | {"filters": filters}}) == [
        "models.a.filters.stripParams: `stream` is no parameter that stack sets or takes out",
        "models.a.filters.setParams: `messages` is no parameter that stack sets or takes out",
        "models.a.filters.setParamsByID.a:hot: `stream` is no parameter that stack sets or takes out",
    ]


def test_any_other_server_is_a_command() -> None:
    model = {
        "cmd": "srv -p 9000 --api-key=${env.API_KEY} --x y",
        "proxy": "http://localhost:9000",
        "checkEndpoint": "/ok",
        "cmdStop": "srv stop",
        "useModelName": "inner",
        "env": ["A=1", "SRV_TOKEN=abc"],
    }
    (found,) = models(models={"a": model}).values()
    assert found == {
        "sources": {
            "command": {
                "cmd": ["srv", "-p", "${PORT}", "--x", "y"],
                "check": "/ok",
                "stop": ["srv", "stop"],
                "model": "inner",
                "env": {"A": "1"},
            }
        },
        "serve": {"concurrency": 10},
    }


def test_a_port_that_only_the_proxy_names_is_kept_once() -> None:
    model = {"cmd": "srv", "proxy": "http://127.0.0.1:9000"}
    found = models(models={"a": model, "b": model})
    assert (found["a"]["serve"]["port"], "port" in found["b"]["serve"]) == (9000, False)
    assert any("port 9000 is another model's too" in note for note in notes(models={"a": model, "b": model}))


def test_names_that_stack_yaml_cannot_have() -> None:
    config = {"models": {"My Model!": LLAMA | {"aliases": ["ok", "not ok"]}, "-x": LLAMA, "My-Model-": LLAMA}}
    assert list(models(**config)) == ["My-Model--2", "x", "My-Model-"]
    assert "models.My Model!.aliases.1: `not ok` cannot be a name in stack.yaml: left out" in notes(**config)


def test_preloaded_and_persistent_models() -> None:
    routing = {
        "router": {
            "use": "group",
            "settings": {"groups": {"g": {"persistent": True, "swap": False, "members": ["a", "b"]}}},
        }
    }
    hooks = {"on_startup": {"preload": ["a", "c"]}}
    found = models(models=dict.fromkeys("abc", LLAMA), hooks=hooks, routing=routing, globalTTL=9)
    assert (found["a"]["residency"], found["b"]["ttl"], found["c"]["preload"]) == ("resident", 9, True)
    assert "ttl" not in found["a"]


def test_what_is_not_known_is_noted_with_its_place() -> None:
    found = notes(models={"a": LLAMA | {"unlisted": True, "typo": 1}}, matrix={}, tyop=1)
    assert [note.partition(": ")[0] for note in found] == ["matrix", "tyop", "models.a.unlisted", "models.a.typo"]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "models: has no models"),
        ({"models": {}}, "models: has no models"),
        ({"models": []}, "models: has no models"),
        ({"models": {"a": None}}, "models.a: must be a mapping with `cmd`"),
        ({"models": {"a": {}}}, "models.a.cmd: needs `cmd`, the command that starts the server"),
        ({"models": {"a": {"cmd": "# only"}}}, "models.a.cmd: needs `cmd`, the command that starts the server"),
        ({"models": {"a": {"cmd": "x 'y"}}}, "models.a.cmd: cannot be split into arguments: No closing quotation"),
        ({"models": {"a": LLAMA | {"ttl": "x"}}}, "models.a.ttl: must be a whole number"),
        ({"models": {"a": LLAMA}, "peers": {"p": {}}}, "peers.p: needs `proxy` and `models`"),
        (
            {"models": {"a": LLAMA | {"aliases": ["x"]}, "b": LLAMA | {"aliases": ["x"]}}},
            "models.b.aliases.0: alias `x` is already one of a",
        ),
    ],
)
def test_a_config_that_llama_swap_would_refuse(config: dict[str, Any], words: str) -> None:
    assert troubles(**config) == [words]


def test_a_config_that_is_no_mapping() -> None:
    assert llama_swap.convert(None, {}, {})[1][0].text == "must be a mapping"


@given(st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_scalar_reads_back_as_itself(value: Any) -> None:
    if isinstance(value, str):
        value = "".join(c for c in value if c.isprintable() or c in "\n\t")
    assert YamlSource.read(f"a: [{text.scalar(value)}]").data() == {"a": [value]}

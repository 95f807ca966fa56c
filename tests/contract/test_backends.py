"""What every backend promises, whichever it is: argv as data, flags that the engine knows, reasons in words."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.backend import Backend
from orchestrator.core.host import Engine, Host
from orchestrator.core.launch import Attach, Launch, Process
from orchestrator.core.plan import Plan
from orchestrator.core.spec import BACKENDS
from orchestrator.edge.discover import backends
from orchestrator.edge.host.flags import captured
from orchestrator.errors import PlanError
from tests.planned import ENGINES, MIB, linux, mac, planned, stack

ALL = backends()
OWNED = sorted(name for name, backend in ALL.items() if backend.needs_engine)
SOURCES: dict[str, dict[str, Any]] = {
    "mlx-lm": {"path": "/w/tiny"},
    "vllm-mlx": {"path": "/w/tiny"},
    "llama-cpp": {"path": "/w/tiny.gguf"},
    "openai": {"url": "https://api.example.com/v1", "model": "big", "key": {"env": "CLOUD_KEY"}},
}


def engine(name: str) -> Engine:
    """With the flags of the version that the package knows."""
    version, flags = captured(name)
    assert flags, f"no captured flags of {name}"
    return replace(ENGINES[name], version=version, flags=flags)


def host(base: Host | None = None) -> Host:
    return replace(base or linux(), engines={name: engine(name) for name in OWNED})


def plan(name: str, base: Host | None = None, **model: Any) -> Plan:
    return planned(stack({"org/m:1": {"sources": {name: SOURCES[name]}, **model}}), host(base))


def launch(name: str, base: Host | None = None, **model: Any) -> Launch:
    return plan(name, base, **model).launches[0]


def words(name: str, **model: Any) -> tuple[str, ...]:
    how = launch(name, **model).how
    assert isinstance(how, Process)
    return how.argv


def test_every_backend_here_is_one_the_spec_knows() -> None:
    assert set(ALL) <= set(BACKENDS)
    assert set(SOURCES) == set(ALL), "a new backend needs a source here"


@pytest.mark.parametrize("name", ALL)
def test_a_backend_is_found_under_its_own_name(name: str) -> None:
    backend: Backend = ALL[name]
    assert backend.name == name
    assert backend.implemented
    assert backend.needs_engine is (backend.reserves != "external")


@pytest.mark.parametrize("base", [linux(), mac()], ids=["linux", "macos"])
@pytest.mark.parametrize("name", OWNED)
def test_argv_is_absolute_on_loopback_and_known_to_the_engine(name: str, base: Host) -> None:
    """plan() itself refuses an argv with a flag that the engine's own help does not list."""
    found = launch(name, base, serve={"concurrency": 3, "max_tokens": 100}, context=4096)
    assert isinstance(found.how, Process)
    argv = found.how.argv
    assert posixpath.isabs(argv[0])
    assert argv[argv.index("--host") + 1] == "127.0.0.1"
    assert argv[argv.index("--port") + 1] == str(found.port)
    assert all(isinstance(word, str) for word in argv)
    assert found.ready.path.startswith("/")
    assert found.env == tuple(sorted(found.env))


@pytest.mark.parametrize("name", OWNED)
def test_the_model_id_or_what_to_rewrite_it_to(name: str) -> None:
    found = launch(name)
    assert isinstance(found.how, Process)
    assert found.served_name in ("org/m:1", "default_model")
    if found.served_name == "org/m:1":
        assert "org/m:1" in found.how.argv


@pytest.mark.parametrize("name", OWNED)
def test_flags_of_ours_are_refused_in_extra_args(name: str) -> None:
    for flag in ALL[name].owned_flags:
        with pytest.raises(PlanError) as caught:
            plan(name, serve={"extra_args": [flag]})
        assert caught.value.problems[0].where == "models.org/m:1.serve.extra_args.0"
        assert f"{flag} is set by" in caught.value.problems[0].text


@pytest.mark.parametrize("name", OWNED)
def test_flags_of_ours_are_flags_of_the_engine(name: str) -> None:
    """An owned flag that the engine does not have is a typing error of ours; old names are allowed to llama-server."""
    known = set(captured(name)[1])
    strange = set(ALL[name].owned_flags) - known
    assert len(strange) < len(ALL[name].owned_flags) / 4, strange


@pytest.mark.parametrize("name", OWNED)
def test_extra_args_come_last_and_unchecked_ones_are_not_checked(name: str) -> None:
    flag = next(flag for flag in engine(name).flags if flag.startswith("--") and flag not in ALL[name].owned_flags)
    argv = words(name, serve={"extra_args": [flag], "unchecked_args": ["--no-such-flag", "x y"]})
    assert argv[-3:] == (flag, "--no-such-flag", "x y")
    with pytest.raises(PlanError, match="cannot be planned"):
        words(name, serve={"extra_args": ["--no-such-flag"]})


@pytest.mark.parametrize("name", OWNED)
def test_serve_env_wins_over_the_backends_own(name: str) -> None:
    found = launch(name, serve={"env": {"HF_HUB_OFFLINE": "0", "A": "b"}})
    assert dict(found.env)["HF_HUB_OFFLINE"] == "0"
    assert dict(found.env)["A"] == "b"


@pytest.mark.parametrize("name", sorted({"mlx-lm", "vllm-mlx"} & set(OWNED)))
def test_python_engines_start_offline(name: str) -> None:
    assert dict(launch(name).env)["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize("name", ALL)
def test_the_same_input_gives_the_same_launch(name: str) -> None:
    assert launch(name) == launch(name)
    assert launch(name).hash == launch(name).hash


def after(argv: tuple[str, ...], flag: str) -> str:
    return argv[argv.index(flag) + 1]


def test_mlx_lm() -> None:
    argv = words("mlx-lm", serve={"concurrency": 3})
    assert after(argv, "--model") == "/w/tiny"
    assert after(argv, "--max-tokens") == "4096"  # never its own default of 512
    assert after(argv, "--decode-concurrency") == after(argv, "--prompt-concurrency") == "3"
    assert after(argv, "--prompt-cache-bytes") == str(launch("mlx-lm", serve={"concurrency": 3}).memory[0].kv)
    quantized = plan("mlx-lm", memory={"kv_dtype": "q8"}, serve={"concurrency": 2})
    assert quantized.warnings == ("org/m:1: mlx-lm serves one request at a time when its KV cache is quantized",)
    assert "--kv-bits" in quantized.launches[0].how.argv  # type: ignore[union-attr]


def test_vllm_mlx() -> None:
    argv = words("vllm-mlx", serve={"concurrency": 2}, memory={"kv": "30MiB", "kv_dtype": "q4"})
    assert argv[1:3] == ("serve", "/w/tiny")
    assert "--continuous-batching" in argv
    assert after(argv, "--max-num-seqs") == "2"
    assert after(argv, "--cache-memory-mb") == "10"
    assert after(argv, "--kv-cache-quantization-bits") == "4"
    assert after(argv, "--tool-call-parser") == "hermes"
    assert "--enable-auto-tool-choice" in argv
    assert "--reasoning-parser" not in argv
    plain = words("vllm-mlx", capabilities=["chat"])
    assert "--enable-auto-tool-choice" not in plain
    assert int(after(plain, "--max-tokens")) <= int(after(plain, "--max-request-tokens"))
    assert launch("vllm-mlx").native == (
        "/v1/completions",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/responses",
    )


def test_llama_cpp_divides_its_context_by_its_slots() -> None:
    argv = words("llama-cpp", serve={"concurrency": 3}, context=4096)
    assert after(argv, "-c") == str(3 * 4096)
    assert after(argv, "-np") == "3"
    assert after(argv, "--cache-ram") == "0"
    assert "--jinja" in argv
    assert "--kv-unified" not in argv
    assert "-n" not in argv


def test_llama_cpp_shares_a_kv_cache_that_is_smaller_than_all_slots() -> None:
    model: dict[str, Any] = {"serve": {"concurrency": 4}, "context": 8192, "memory": {"kv": "40MiB"}}
    argv = words("llama-cpp", **model)
    assert "--kv-unified" in argv
    assert int(after(argv, "-c")) * 5 * 256 * 2 == 40 * MIB
    assert launch("llama-cpp", **model).memory[0].kv == 40 * MIB


def test_llama_cpp_on_a_mac_puts_all_layers_on_the_gpu() -> None:
    found = launch("llama-cpp", mac(), memory={"kv_dtype": "q8"})
    assert isinstance(found.how, Process)
    assert after(found.how.argv, "-ngl") == "999"
    assert after(found.how.argv, "--cache-type-v") == "q8_0"
    assert "-ngl" not in words("llama-cpp")


def test_llama_cpp_leaves_a_core_to_the_gateway() -> None:
    assert after(words("llama-cpp"), "-t") == "7"
    assert words("llama-cpp", serve={"extra_args": ["--threads", "4"]})[-2:] == ("--threads", "4")
    assert "-t" not in words("llama-cpp", serve={"extra_args": ["--threads", "4"]})
    found = launch("llama-cpp", mac())
    assert isinstance(found.how, Process)
    assert "-t" not in found.how.argv


def test_llama_cpp_embeds_in_a_process_of_its_own() -> None:
    found = launch("llama-cpp", capabilities=["embed"])
    assert isinstance(found.how, Process)
    assert "--embedding" in found.how.argv
    assert found.native == ("/v1/embeddings",)


def test_openai_is_attached() -> None:
    found = launch("openai")
    assert found.how == Attach("https://api.example.com/v1", ("env", "CLOUD_KEY"))
    assert (found.owner, found.served_name, found.port) == ("external", "big", None)
    assert found.ready.path == "/v1/models"
    with pytest.raises(PlanError) as caught:
        plan("openai", serve={"extra_args": ["--x"]})
    assert "is not started by us" in caught.value.problems[0].text

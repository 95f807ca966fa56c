"""What every backend promises, whichever it is: argv as data, flags that the engine knows, reasons in words."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.backend import Backend
from orchestrator.core.host import Engine, Gpu, Host
from orchestrator.core.launch import Attach, Launch, Process
from orchestrator.core.plan import Plan
from orchestrator.core.spec import BACKENDS
from orchestrator.core.targets.llama_swap import config
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
    "vllm": {"path": "/w/tiny"},
    "rapid-mlx": {"path": "/w/tiny"},
    "transformers": {"path": "/w/tiny"},
    "ollama": {"tag": "qwen3:30b"},
    "lm-studio": {"model": "qwen/qwen3-30b"},
    "command": {"cmd": ["/opt/srv", "--port", "${PORT}"], "check": "/up", "stop": "kill ${PORT}", "env": {"A": "b"}},
}
ATTACHED = sorted(name for name, backend in ALL.items() if backend.reserves == "external")


def engine(name: str) -> Engine:
    """With the flags of the version that the package knows."""
    version, flags = captured(name)
    assert flags, f"no captured flags of {name}"
    return replace(ENGINES.get(name, Engine(f"/opt/{name}")), version=version, flags=flags)


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
    # a command is the user's own engine: ours to start, not ours to find
    assert backend.needs_engine is (backend.reserves != "external" and name != "command")


@pytest.mark.parametrize(
    ("name", "base"),
    [
        *(pytest.param(name, linux(), id=f"{name}-linux") for name in OWNED),
        *(pytest.param(name, mac(), id=f"{name}-macos") for name in OWNED if name != "vllm"),
    ],
)
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
    assert found.served_name in ("org/m:1", "default_model", "/w/tiny")
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


@pytest.mark.parametrize("name", sorted(set(OWNED) - {"llama-cpp"}))
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


@pytest.mark.parametrize("name", ATTACHED)
def test_an_attached_server_is_told_nothing_that_it_cannot_take(name: str) -> None:
    found = launch(name)
    assert isinstance(found.how, Attach)
    assert found.how.url.endswith("/v1")
    assert (found.owner, found.port, found.memory, found.env) == ("external", None, (), ())
    with pytest.raises(PlanError) as caught:
        plan(name, serve={"extra_args": ["--x"]})
    assert "is not started by us" in caught.value.problems[0].text


@pytest.mark.parametrize("name", ATTACHED)
@pytest.mark.parametrize(
    "model",
    [
        {"serve": {"env": {"A": "b"}}},
        {"serve": {"port": 1}},
        {"serve": {"unchecked_args": ["--x"]}},
        {"memory": {"kv": "1GiB"}},
        {"memory": {"kv_dtype": "q8"}},
        {"memory": {"weights": "1GiB"}},
        {"parsers": {"tool": "hermes"}},
        {"parsers": {"reasoning": "none"}},
        {"gpus": [0]},
        {"residency": "sleep"},
    ],
    ids=str,
)
def test_what_an_attached_server_cannot_be_told_is_no_secret(name: str, model: dict[str, Any]) -> None:
    with pytest.raises(PlanError) as caught:
        plan(name, **model)
    (problem,) = caught.value.problems
    assert "is not started by us: it takes no " in problem.text or "OLLAMA_KV_CACHE_TYPE" in problem.text


@pytest.mark.parametrize("name", ["lm-studio", "ollama"])
def test_what_ollama_and_lm_studio_cannot_do_is_no_secret(name: str) -> None:
    with pytest.raises(PlanError, match="cannot be planned"):
        plan(name, capabilities=["rerank"])


@pytest.mark.parametrize("name", ATTACHED)
def test_what_acts_with_an_attached_server_is_not_refused(name: str) -> None:
    """The gateway counts, waits and sets parameters; the probe proves what is declared."""
    found = plan(
        name,
        context=4096,
        capabilities=["chat"],
        family="qwen3",
        residency="resident",
        serve={"concurrency": 3, "queue": 1, "max_tokens": 100, "start_timeout": "5s"},
        defaults={"temperature": 0},
        strip=["seed"],
    ).launches[0]
    assert (found.serving.context, found.serving.concurrency, found.serving.max_tokens) == (4096, 3, 100)
    assert (found.capabilities, found.ready.timeout) == (("chat",), 5)


def test_ollama() -> None:
    found = launch("ollama")
    assert (found.how, found.served_name) == (Attach("http://127.0.0.1:11434/v1"), "qwen3:30b")
    assert "OLLAMA_CONTEXT_LENGTH=65536" in plan("ollama", context=65536).warnings[0]
    assert "cuts longer prompts without a word" in plan("ollama").warnings[0]
    can = ALL["ollama"].can("", "")
    assert (can.required, can.named, can.unload) == ("ignored", "ignored", "real")


@pytest.mark.parametrize("url", ["http://box:11434", "http://box:11434/", "http://box:11434/v1"])
def test_the_address_of_an_attached_server_with_or_without_v1(url: str) -> None:
    made = planned(stack({"m": {"sources": {"ollama": {"tag": "t", "url": url, "key": {"env": "K"}}}}}), host())
    assert made.launches[0].how == Attach("http://box:11434/v1", ("env", "K"))


def test_an_ollama_on_this_machine_is_not_the_one_that_is_attached() -> None:
    """Its version is asked for at the start, of the server itself."""
    engines = {"ollama": Engine("/usr/bin/ollama", "0.12.3", "PATH")}
    made = planned(stack({"m": {"sources": {"ollama": {"tag": "t"}}}}), replace(linux(), engines=engines))
    assert made.launches[0].engine_version == ""


def test_lm_studio() -> None:
    found = launch("lm-studio")
    assert (found.how, found.served_name) == (Attach("http://127.0.0.1:1234/v1"), "qwen/qwen3-30b")
    assert "is not told of `context: 8192`" in plan("lm-studio", context=8192).warnings[0]
    assert ALL["lm-studio"].can("", "").named == "no"
    for key, value in (("ttl", "5m"), ("preload", True)):
        with pytest.raises(PlanError) as caught:
            plan("lm-studio", residency="on-demand", **{key: value})
        assert f"`{key}` is a setting of LM Studio" in caught.value.problems[0].text


def test_command() -> None:
    found = launch("command", serve={"env": {"PORT": "${PORT}", "A": "mine"}}, memory={"weights": "1GiB"})
    port = str(found.port)
    assert found.how == Process(("/opt/srv", "--port", port), stop=("kill", port))
    assert found.env == (("A", "mine"), ("PORT", port))
    assert (found.ready.path, found.served_name, found.owner) == ("/up", "org/m:1", "supervisor")
    assert found.memory[0].total == 2**30
    assert plan("command").unknown == ("org/m:1",)


def test_the_stop_command_is_llama_swaps_cmd_stop() -> None:
    made = plan("command")
    entry = config(made).models["org/m:1"]
    port = made.launches[0].port
    assert (entry.cmd, entry.cmd_stop) == (f"/opt/srv --port {port}", f"kill {port}")
    assert config(plan("llama-cpp")).models["org/m:1"].cmd_stop is None


def test_a_command_uses_a_gpu_where_the_file_says_so() -> None:
    gpus = tuple(Gpu(i, f"GPU-{i}", "RTX", 24 * 2**30) for i in range(2))
    machine = replace(host(), gpus=gpus)

    def where(**model: Any) -> tuple[list[str], str | None]:
        made = planned(stack({"m": {"sources": {"command": SOURCES["command"]}, **model}}), machine)
        (found,) = made.launches
        return [part.pool for part in found.memory], dict(found.env).get("CUDA_VISIBLE_DEVICES")

    assert where(memory={"weights": "1GiB"}) == (["host"], None)
    assert where(gpus=[1], memory={"weights": "1GiB"}) == (["gpu:1"], "GPU-1")
    assert where(memory={"gpu": {0: "2GiB"}}) == (["gpu:0"], "GPU-0")


def test_how_a_command_ends_does_not_change_what_runs() -> None:
    found = launch("command")
    assert isinstance(found.how, Process)
    assert replace(found, how=replace(found.how, stop=("other",))).hash == found.hash


@pytest.mark.parametrize(
    ("source", "model", "why"),
    [
        ({"cmd": ["srv"]}, {}, "is not told its port"),
        ({}, {"serve": {"extra_args": ["-x"]}}, "has its arguments in `cmd`"),
        ({}, {"parsers": {"tool": "hermes"}}, "has its parsers from `cmd`"),
        ({}, {"memory": {"kv_dtype": "q8"}}, "has its KV cache from `cmd`"),
    ],
)
def test_what_a_command_cannot_be_told(source: dict[str, Any], model: dict[str, Any], why: str) -> None:
    made = stack({"m": {"sources": {"command": SOURCES["command"] | source}, **model}})
    with pytest.raises(PlanError) as caught:
        planned(made, host())
    assert why in caught.value.problems[0].text


def test_a_command_with_a_port_of_its_own() -> None:
    made = stack({"m": {"sources": {"command": {"cmd": ["srv"]}}, "serve": {"port": 9000}}})
    assert planned(made, host()).launches[0].port == 9000


def test_openai_is_attached() -> None:
    found = launch("openai")
    assert found.how == Attach("https://api.example.com/v1", ("env", "CLOUD_KEY"))
    assert (found.owner, found.served_name, found.port) == ("external", "big", None)
    assert found.ready.path == "/v1/models"
    for key, value in (("ttl", "5m"), ("preload", True)):
        with pytest.raises(PlanError) as caught:
            plan("openai", residency="on-demand", **{key: value})
        assert f"`{key}` has no meaning there" in caught.value.problems[0].text

"""vLLM's launch on a CPU, on CUDA and in its container; by version."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core import containers
from orchestrator.core.backends.vllm import BACKEND, CACHE_VOLUME, parsed
from orchestrator.core.host import Engine, Gpu, Host
from orchestrator.core.launch import Container, Launch, Process
from orchestrator.core.plan import Plan
from orchestrator.core.weights import KvGroup, Weights
from orchestrator.edge.host.flags import captured
from orchestrator.errors import PlanError
from tests.planned import CODER, GIB, THINKER, after, linux, mac, planned, stack, weights

CAPTURED = captured("vllm")[1]
SNAPSHOT = "/hf/hub/models--org--m/snapshots/abc"


def cuda(count: int = 1, mig: bool = False, version: str = "0.32.0", docker: str | None = None) -> Host:
    gpus = tuple(Gpu(i, f"GPU-{i}", "card", 24 * GIB, "580.1", mig) for i in range(count))
    engines = {"vllm": Engine("/opt/vllm", version, "PATH")} if version else {}
    return replace(linux(128 * GIB, engines), gpus=gpus, docker=docker)


def plan(host: Host | None = None, known: Weights | None = None, top: Any = None, **model: Any) -> Plan:
    source = model.pop("source", {"path": "/w/tiny"})
    made = stack({"m": {"sources": {"vllm": source}, **model}}, **(top or {}))
    path = source.get("path", "org/m@main")
    engines = {"vllm": Engine("/opt/vllm", "0.32.0", "PATH")}
    return planned(made, host or linux(engines=engines), {path: known or weights("/w/tiny")})


def process(host: Host | None = None, known: Weights | None = None, **model: Any) -> tuple[Launch, tuple[str, ...]]:
    launch = plan(host, known, **model).launches[0]
    assert isinstance(launch.how, Process)
    return launch, launch.how.argv


def test_what_the_plan_reserved_is_what_the_flag_says() -> None:
    launch, argv = process(serve={"concurrency": 3})
    assert argv[:3] == ("/opt/vllm", "serve", "/w/tiny")
    assert after(argv, "--kv-cache-memory-bytes") == str(launch.memory[0].kv)
    assert (after(argv, "--max-num-seqs"), after(argv, "--max-model-len")) == ("3", "8192")
    assert "--max-num-batched-tokens" not in argv
    assert {"--enable-prompt-tokens-details", "--exclude-tools-when-tool-choice-none"} <= {*argv}


def test_layers_with_a_window_hold_a_batch_beside_it() -> None:
    launch, argv = process(known=weights("/w/tiny", kv=(KvGroup(1, 256, window=128), KvGroup(1, 256))))
    assert after(argv, "--max-num-batched-tokens") == "2048"
    assert launch.memory[0].kv == 256 * 2 * (128 + 2048 + 128 + 8192 + 128)
    own = process(known=weights(kv=(KvGroup(1, 256, 128),)), serve={"extra_args": ["--max-num-batched-tokens", "4096"]})
    assert own[1].count("--max-num-batched-tokens") == 1


def test_tensor_parallel_divides_the_kv_cache() -> None:
    launch, argv = process(cuda(2), gpus=[0, 1], tensor_parallel=2)
    assert after(argv, "--tensor-parallel-size") == "2"
    assert [part.pool for part in launch.memory] == ["gpu:0", "gpu:1"]
    assert after(argv, "--kv-cache-memory-bytes") == str(launch.memory[0].kv)
    assert dict(launch.env)["CUDA_VISIBLE_DEVICES"] == "GPU-0,GPU-1"
    assert "--enforce-eager" not in argv
    assert "OMP_NUM_THREADS" not in dict(launch.env)


def test_on_a_cpu_a_core_is_left_to_the_gateway_and_nothing_is_compiled() -> None:
    launch, argv = process()
    env = dict(launch.env)
    assert (env["OMP_NUM_THREADS"], env["VLLM_CPU_OMP_THREADS_BIND"]) == ("7", "nobind")
    assert "VLLM_CPU_KVCACHE_SPACE" not in env, "it would overrule the flag"
    assert "--enforce-eager" in argv
    assert "--enforce-eager" not in process(serve={"extra_args": ["--no-enforce-eager"]})[1]


def test_older_versions_on_a_cpu_count_in_gib() -> None:
    engines = {"vllm": Engine("/opt/vllm", "0.20.0", "PATH")}
    made = plan(linux(engines=engines))
    assert dict(made.launches[0].env)["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert any("whole GiB" in warning for warning in made.warnings)


def test_an_old_version_takes_a_share_of_the_gpu_and_its_number() -> None:
    made = plan(cuda(2, version="0.10.1"), weights("/w/tiny", 11 * GIB), gpus=[1])
    (launch,) = made.launches
    argv = launch.how.argv  # type: ignore[union-attr]
    assert "--kv-cache-memory-bytes" not in argv
    total = launch.memory[0].total
    assert float(after(argv, "--gpu-memory-utilization")) == pytest.approx(total / (24 * GIB), abs=1e-4)
    assert dict(launch.env)["CUDA_VISIBLE_DEVICES"] == "1"
    assert dict(launch.env)["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert any("a share of the GPU, not bytes" in warning for warning in made.warnings)


def test_weights_that_are_only_declared_bound_it_too() -> None:
    """Without a flag vLLM would take 0.92 of the GPU."""
    made = stack({"m": {"sources": {"vllm": {"repo": "org/m"}}, "memory": {"gpu": {0: "11GiB"}}}})
    argv = planned(made, cuda(), {}).launches[0].how.argv  # type: ignore[union-attr]
    assert float(after(argv, "--gpu-memory-utilization")) == 0.5
    assert "--kv-cache-memory-bytes" not in argv


def test_an_old_version_and_mig() -> None:
    made = plan(cuda(mig=True, version="0.20.0"))
    assert dict(made.launches[0].env)["CUDA_VISIBLE_DEVICES"] == "GPU-0"
    assert any("MIG" in warning for warning in made.warnings)


def test_flags_of_the_engine_itself_count_more_than_its_version() -> None:
    known = Engine("/opt/vllm", "0.32.0", "PATH", tuple(set(CAPTURED) - {"--exclude-tools-when-tool-choice-none"}))
    argv = process(linux(engines={"vllm": known}))[1]
    assert "--exclude-tools-when-tool-choice-none" not in argv


def test_parsers_by_family() -> None:
    argv = process(known=weights("/w/tiny", template=THINKER))[1]
    assert (after(argv, "--tool-call-parser"), after(argv, "--reasoning-parser")) == ("hermes", "qwen3")
    assert after(process(known=weights("/w/tiny", template=CODER))[1], "--tool-call-parser") == "qwen3_xml"
    assert "--enable-auto-tool-choice" not in process(capabilities=["chat"])[1]


def test_an_unknown_parser_is_an_error_unless_a_plugin_brings_it() -> None:
    with pytest.raises(PlanError) as caught:
        plan(parsers={"tool": "hermess"})
    assert "did you mean hermes" in str(caught.value.problems[0].mend)
    own = {"parsers": {"tool": "mine"}, "serve": {"extra_args": ["--tool-parser-plugin", "/p.py"]}}
    assert after(process(**own)[1], "--tool-call-parser") == "mine"


def test_the_other_qwen_parser_of_before() -> None:
    made = plan(cuda(version="0.20.0"), parsers={"tool": "qwen3_coder"})
    assert any("qwen3_coder may lose streamed calls" in warning for warning in made.warnings)
    assert not plan(parsers={"tool": "qwen3_coder"}).warnings


@pytest.mark.parametrize(
    ("version", "parser", "required"),
    [
        ("0.28.0", "hermes", "yes"),
        ("0.28.0", "qwen3_xml", "ignored"),
        ("0.32.0", "qwen3_xml", "yes"),
        ("0.32.0", "gemma4", "ignored"),
        ("", "poolside_v1", "ignored"),
    ],
)
def test_required_by_version_and_parser(version: str, parser: str, required: str) -> None:
    can = BACKEND.can(version, parser)
    assert (can.required, can.named) == (required, required)


def test_the_container() -> None:
    host = cuda(2, version="", docker="29.0")
    (launch,) = plan(host, weights(SNAPSHOT), source={"repo": "org/m"}, gpus=[1]).launches
    how = launch.how
    assert isinstance(how, Container)
    assert how.image == BACKEND.image
    assert how.entrypoint == ("vllm", "serve")
    assert how.argv[0] == SNAPSHOT
    assert (after(how.argv, "--host"), after(how.argv, "--port"), how.port) == ("0.0.0.0", "8000", 8000)
    assert how.gpus == ("GPU-1",)
    assert ("/hf/hub/models--org--m", "/hf/hub/models--org--m", "ro") in how.mounts, "links lead to files beside it"
    assert (CACHE_VOLUME, "/root/.cache/vllm", "rw") in how.mounts
    command = containers.run_argv("s", launch)
    assert f"type=volume,source={CACHE_VOLUME},target=/root/.cache/vllm,volume-label=stack.name=s" in command
    assert "type=bind,source=/hf/hub/models--org--m,target=/hf/hub/models--org--m,readonly" in command
    env = dict(launch.env)
    assert "CUDA_VISIBLE_DEVICES" not in env
    assert (env["HF_HUB_OFFLINE"], env["DO_NOT_TRACK"]) == ("1", "1")
    assert how.shm_size >= 8 * GIB


def test_a_template_of_ones_own_is_mounted() -> None:
    source = {"path": "/w/tiny", "chat_template": "/t.jinja", "engine": {"image": "vllm/vllm-openai:v0.12.0"}}
    how = plan(cuda(version="", docker="29.0"), source=source).launches[0].how
    assert isinstance(how, Container)
    assert after(how.argv, "--chat-template") == "/t.jinja"
    assert ("/t.jinja", "/t.jinja", "ro") in how.mounts


def test_sleep_is_for_gpus_and_needs_the_endpoints_of_development() -> None:
    launch, argv = process(cuda(), residency="sleep")
    assert "--enable-sleep-mode" in argv
    assert dict(launch.env)["VLLM_SERVER_DEV_MODE"] == "1"
    with pytest.raises(PlanError, match="cannot be planned") as caught:
        plan(residency="sleep")
    assert "needs a GPU" in caught.value.problems[0].text


def test_embeddings() -> None:
    launch, argv = process(capabilities=["embed"])
    assert after(argv, "--runner") == "pooling"
    assert "--enable-auto-tool-choice" not in argv
    assert launch.native == ("/v1/embeddings",)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ({"source": {"path": "/w/m.gguf"}}, "GGUF"),
        ({"memory": {"kv_dtype": "q8"}}, "no q8 KV cache"),
        ({"memory": {"kv_dtype": "bf16"}}, "on a CPU"),
        ({"capabilities": ["chat", "embed"]}, "in a process of its own"),
    ],
)
def test_what_it_cannot_do(model: dict[str, Any], why: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan(**model)
    assert why in caught.value.problems[0].text


def test_not_on_a_mac() -> None:
    with pytest.raises(PlanError) as caught:
        plan(mac(engines={"vllm": Engine("/opt/vllm", "0.32.0", "PATH")}))
    assert "use vllm-mlx" in caught.value.problems[0].text


def test_max_tokens_go_into_requests_for_it_has_no_flag_of_them() -> None:
    assert process()[0].limits == ("/v1/completions",)
    assert "/v1/chat/completions" in process(serve={"max_tokens": 100})[0].limits


def test_versions() -> None:
    assert parsed("0.32.0+cpu") == (0, 32, 0)
    assert parsed("v0.11") == (0, 11, 0)
    assert parsed("nightly") == ()

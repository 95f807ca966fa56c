from __future__ import annotations

import pytest

from orchestrator.core.host import Engine, Gpu, Host
from orchestrator.core.planner.select import preference
from orchestrator.errors import PlanError
from tests.planned import ENGINES, GIB, SWAP, linux, local, mac, planned, said, stack, weights

EVERYWHERE = {"mlx-lm": {"path": "/w/tiny"}, "vllm-mlx": {"path": "/w/tiny"}, "llama-cpp": {"path": "/w/tiny.gguf"}}


def skipped(plan: object) -> dict[str, str]:
    return {skip.backend: skip.reason for skip in plan.skipped}  # type: ignore[attr-defined]


def test_the_default_order_depends_on_the_platform() -> None:
    any_stack = stack({"m": local()})
    cuda = Host("linux", "x86_64", GIB, gpus=(Gpu(0, "GPU-1", "H200", GIB),))
    assert preference(any_stack, mac())[:3] == ("vllm-mlx", "mlx-lm", "llama-cpp")
    assert preference(any_stack, cuda)[:2] == ("vllm", "llama-cpp")
    assert preference(any_stack, linux())[:3] == ("llama-cpp", "mlx-lm", "vllm-mlx")
    named = stack({"m": local()}, selection=["openai", "mlx-lm"])
    assert preference(named, linux())[:3] == ("openai", "mlx-lm", "llama-cpp")


def test_a_map_goes_by_selection_not_by_the_file() -> None:
    made = planned(stack({"m": {"sources": EVERYWHERE}}, selection=["vllm-mlx"]))
    assert made.launch("m").backend == "vllm-mlx"
    assert made.launch("m").source == "models.m.sources.vllm-mlx"
    assert said(made, "m", "backend") == ("vllm-mlx 0.6.0", "first in `selection`")
    assert skipped(made) == {"llama-cpp": "vllm-mlx comes first", "mlx-lm": "vllm-mlx comes first"}


def test_a_missing_engine_is_skipped_with_what_to_type() -> None:
    only = {name: ENGINES[name] for name in ("vllm-mlx",)}
    made = planned(stack({"m": {"sources": EVERYWHERE}}, selection=["mlx-lm"]), linux(engines=only))
    assert made.launch("m").backend == "vllm-mlx"
    assert said(made, "m", "backend")[1] == "first choice on this platform that can run here"
    found = skipped(made)
    assert found["mlx-lm"] == "mlx-lm is not installed: stack engine install mlx-lm"
    assert found["llama-cpp"].startswith("llama-cpp is not installed: unpack a release of https://github.com/")


def test_nothing_that_can_run_is_an_error_with_all_reasons() -> None:
    with pytest.raises(PlanError) as caught:
        planned(stack({"m": {"sources": EVERYWHERE}}), linux(engines={}))
    (problem,) = caught.value.problems
    assert problem.where == "models.m.sources"
    assert "nothing can run it here" in problem.text
    assert all(name in problem.text for name in EVERYWHERE)


def test_another_version_than_the_pinned_one_is_skipped() -> None:
    made = planned(
        stack(
            {"m": {"sources": {k: EVERYWHERE[k] for k in ("mlx-lm", "vllm-mlx")}}},
            backends={"mlx-lm": {"engine": {"version": "0.31.0"}}},
        )
    )
    reason = "version 0.31.0 is asked for, 0.32.2 is installed (/opt/mlx_lm.server)"
    assert skipped(made) == {"mlx-lm": reason}
    assert made.launch("m").backend == "vllm-mlx"


def test_a_source_may_overrule_the_backends_engine() -> None:
    own = {"path": "/w/tiny", "engine": {"bin": "/my/mlx_lm.server"}}
    made = planned(stack({"m": {"sources": {"mlx-lm": own}}}), linux(engines={}))
    assert made.launch("m").how.argv[0] == "/my/mlx_lm.server"  # type: ignore[union-attr]


def test_a_folder_without_weights_is_skipped() -> None:
    made = planned(
        stack({"m": {"sources": EVERYWHERE}}, selection=["mlx-lm"]), known={"/w/tiny.gguf": weights("/w/tiny.gguf")}
    )
    assert made.launch("m").backend == "llama-cpp"
    assert skipped(made)["mlx-lm"] == "no weights at /w/tiny"


def test_a_list_goes_in_its_order_and_by_what_fits() -> None:
    listed = [{"backend": "mlx-lm", "path": "/8bit"}, {"backend": "mlx-lm", "path": "/4bit"}]
    known = {"/8bit": weights("/8bit", 20 * GIB), "/4bit": weights("/4bit", 10 * GIB)}
    made = planned(stack({"m": {"sources": listed}}), linux(16 * GIB), known)
    assert made.launch("m").weights == "/4bit"
    assert made.launch("m").source == "models.m.sources.1"
    assert made.skipped[0].reason == "needs 20.0 GiB, 14.0 GiB are left in host"
    assert said(made, "m", "backend")[1] == "first in the list that can run here"
    roomy = planned(stack({"m": {"sources": listed}}), linux(64 * GIB), known)
    assert roomy.launch("m").weights == "/8bit"


def test_a_list_sees_what_the_residents_leave() -> None:
    listed = [{"backend": "mlx-lm", "path": "/8bit"}, {"backend": "mlx-lm", "path": "/4bit"}]
    known = {"/8bit": weights("/8bit", 8 * GIB), "/4bit": weights("/4bit", 4 * GIB), "/r": weights("/r", 8 * GIB)}
    made = planned(stack({"m": {"sources": listed}, "r": local("/r", roles=["default"])}), linux(16 * GIB), known)
    assert made.launch("m").weights == "/4bit"


@pytest.mark.parametrize(
    ("model", "host", "reason"),
    [
        (local(memory={"kv_dtype": "fp8"}), linux(), "mlx-lm has no fp8 KV cache"),
        (local(parsers={"tool": "hermes"}), linux(), "takes no parser by name"),
        (local(capabilities=["embed"]), linux(), "mlx_lm.server cannot do embed"),
        (local(), Host("macos", "x86_64", GIB, engines=ENGINES, llama_swap=SWAP), "MLX needs Apple Silicon"),
        (local(backend="llama-cpp"), linux(), "llama-server reads GGUF files only"),
        (local("/w/t.gguf", "llama-cpp", capabilities=["chat", "embed"]), linux(), "only in a process of its own"),
    ],
)
def test_what_a_backend_cannot_do(model: dict[str, object], host: Host, reason: str) -> None:
    with pytest.raises(PlanError) as caught:
        planned(stack({"m": model}), host)
    assert reason in caught.value.problems[0].text


def test_a_pinned_engine_that_is_missing_names_the_path_of_stack_yaml() -> None:
    made = stack({"m": local()}, backends={"mlx-lm": {"engine": {"bin": "/gone"}}})
    with pytest.raises(PlanError) as caught:
        planned(made, linux(engines={}))
    assert "backends.mlx-lm.engine.bin is not there: /gone" in caught.value.problems[0].text


def test_the_installed_engine_keeps_its_flags_out_of_the_plan() -> None:
    engines = {"mlx-lm": Engine("/opt/mlx_lm.server", "0.32.2")}
    made = planned(stack({"m": local()}), linux(engines=engines))
    assert made.host.engines["mlx-lm"].flags == ()

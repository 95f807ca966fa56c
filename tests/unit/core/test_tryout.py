from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.launch import Launch, Reservation
from orchestrator.core.plan import Pool
from orchestrator.core.spec import Stack
from orchestrator.core.tryout import Wish, awake, change, changed, merged, model_of, shortage, standing
from orchestrator.edge.stackfile.dump import dump, fragment
from orchestrator.edge.stackfile.load import parse
from orchestrator.errors import UsageError
from tests.planned import MIB, local, planned, stack

BOTH = {"sources": {"mlx-lm": {"path": "/w/a"}, "llama-cpp": {"repo": "org/m", "revision": "r1", "file": "q8.gguf"}}}


def told(model: dict[str, Any], present: str = "mlx-lm", **wish: Any) -> dict[str, Any]:
    """What would be kept of that wish, for a stack of that one model."""
    made = stack({"m": model})
    return change("m", made.models["m"], Wish(**wish), present)


def run(model: dict[str, Any], present: str = "mlx-lm", context: int | None = None, **wish: Any) -> Stack:
    made = stack({"m": model, "other": local()}, supervisor="llama-swap")
    patch = change("m", made.models["m"], Wish(**wish), present)
    return changed(made, "m", patch, port=18899, context=context)


def test_flags_stand_beside_those_of_the_file_or_in_their_place() -> None:
    present = ("--a", "1", "-b", "--c=3")
    assert merged(present, ("--d", "4")) == ["--a", "1", "-b", "--c=3", "--d", "4"]
    assert merged(present, ("--a", "2", "--c", "5")) == ["-b", "--a", "2", "--c", "5"]
    assert merged(present, ("-b", "-0.5")) == ["--a", "1", "--c=3", "-b", "-0.5"]
    assert merged((), ("--a", "1", "--a", "2")) == ["--a", "1", "--a", "2"]


def test_only_what_differs_is_to_be_kept() -> None:
    model = local(context=4096, serve={"extra_args": ["--a", "1"]}, parsers={"tool": "hermes"})
    assert told(model, flags=("--a", "2")) == {"serve": {"extra_args": ["--a", "2"]}}
    assert told(model, flags=("--a", "1"), context=4096, tool_parser="hermes", backend="mlx-lm") == {}
    assert told(model, context=8192, kv_dtype="q8", reasoning_parser="none") == {
        "context": 8192,
        "memory": {"kv_dtype": "q8"},
        "parsers": {"reasoning": "none"},
    }


def test_another_backend_comes_first_and_gets_none_of_the_flags() -> None:
    model = BOTH | {"serve": {"extra_args": ["--mlx", "1"], "unchecked_args": ["--x"], "concurrency": 4}}
    patch = told(model, backend="llama-cpp", flags=("--ll",))
    assert patch == {
        "sources": [
            {"backend": "llama-cpp", "repo": "org/m", "revision": "r1", "file": "q8.gguf"},
            {"backend": "mlx-lm", "path": "/w/a"},
        ],
        "serve": {"extra_args": ["--ll"], "unchecked_args": []},
    }
    tried = run(model, backend="llama-cpp", flags=("--ll",)).models["m"]
    assert [name for _, name, _ in tried.ordered_sources()] == ["llama-cpp"]
    assert (tried.serve.extra_args, tried.serve.unchecked_args, tried.serve.concurrency) == (("--ll",), (), 4)


def test_other_weights_replace_those_of_their_backend() -> None:
    assert told(BOTH, backend="llama-cpp", file="q4.gguf")["sources"][0] == {
        "backend": "llama-cpp",
        "repo": "org/m",
        "revision": "r1",
        "file": "q4.gguf",
    }
    assert told(local(), repo="org/other-4bit") == {"sources": {"mlx-lm": {"repo": "org/other-4bit"}}}
    assert told(local(), backend="vllm-mlx", path="/w/b")["sources"][0] == {"backend": "vllm-mlx", "path": "/w/b"}
    with pytest.raises(UsageError, match="m has no source for vllm-mlx"):
        told(BOTH, backend="vllm-mlx")
    with pytest.raises(UsageError, match="whose weights"):
        told(BOTH, present="", path="/w/c")


def test_what_is_tried_is_one_model_of_our_own_processes() -> None:
    tried = run(local(roles=["default"]), flags=("--a",), context=2048)
    assert (list(tried.models), tried.supervisor) == (["m"], "embedded")
    assert (tried.models["m"].context, tried.models["m"].serve.port) == (2048, 18899)
    assert run(local(context=4096), flags=("--a",), context=2048).models["m"].context == 4096
    assert run(local(), context=2048, tool_parser="hermes").models["m"].parsers.tool == "hermes"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"kv_dtype": "q9"}, "models.m.memory.kv_dtype: must be"),
        ({"tool_parser": " "}, "models.m.parsers.tool: must not be empty"),
    ],
)
def test_a_value_that_no_stack_yaml_takes_is_a_wrong_command_line(wish: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        run(local(), **wish)


def test_the_printed_piece_put_into_the_file_is_what_was_tried() -> None:
    made = stack({"m": local()})
    patch = change("m", made.models["m"], Wish(flags=("--a", "0", "no"), context=512), "mlx-lm")
    text = dump(made).replace("  m:\n", "  m:\n" + "".join(fragment({"models": {"m": patch}}).splitlines(True)[2:]))
    kept = parse(text)[0].models["m"]
    assert (kept.serve.extra_args, kept.context) == (("--a", "0", "no"), 512)


def test_names_lead_to_their_model() -> None:
    made = stack({"m": local(aliases=["x"], roles=["coding"]), "n": local()})
    assert [model_of(made, name) for name in ("m", "x", "coding")] == ["m", "m", "m"]
    assert model_of(stack({"m": local()}), "default") == "m"
    with pytest.raises(UsageError) as caught:
        model_of(made, "default")
    assert caught.value.mend == "models: m, n"


def test_a_pool_that_is_too_small_is_named_with_what_is_in_it() -> None:
    plan = planned(stack({"m": local(context=8192), "n": local(context=8192)}))
    first, second = plan.launches
    need = sum(part.total for part in first.memory)

    def short(size: int, loaded: tuple[Launch, ...]) -> str:
        return shortage([Pool("host", size + MIB, MIB)], loaded, second)

    assert short(2 * need, (first,)) == ""
    assert short(need, ()) == ""
    assert "are left in the pool `host` beside m 22.0 MiB" in short(2 * need - 1, (first,))
    assert short(need - 1, ()).endswith("left in the pool `host`")


def test_one_that_sleeps_keeps_its_context_on_the_gpu_and_its_weights_in_host_memory() -> None:
    launch = planned(stack({"m": local()})).launch("m")
    on_gpu, host = Reservation("gpu:0", 10, 5, "", 1), Reservation("host", 10, 0, "")
    sleeper = replace(launch, memory=(on_gpu, host), serving=replace(launch.serving, residency="sleep"))
    assert [(part.pool, part.total) for part in standing(sleeper)] == [("gpu:0", 1), ("host", 10)]
    assert awake(sleeper) == (on_gpu,)
    assert awake(launch) == launch.memory
    pools = [Pool("gpu:0", 20, 0), Pool("host", 30, 0)]
    asleep = replace(sleeper, memory=standing(sleeper))
    assert shortage(pools, [asleep], replace(sleeper, memory=awake(sleeper))) == ""
    other = replace(asleep, model="other")
    short = shortage(pools, [replace(sleeper, model="third"), other], replace(sleeper, memory=awake(sleeper)))
    assert short == "it needs 16 B, 3 B are left in the pool `gpu:0` beside third 16 B, other 1 B"

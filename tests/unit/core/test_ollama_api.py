"""Ollama's answers as values: versions, names, what is loaded, progress, and what to tell it when."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import ollama_api as api
from orchestrator.core.launch import Serving

PS = {
    "models": [
        {
            "name": "mistral:latest",
            "model": "mistral:latest",
            "size": 5137025024,
            "digest": "2ae6f6dd7a3dd734790bbbf58b8909a606e0e7e97e94b7604e0aa7ae4490e6d8",
            "details": {"parent_model": "", "format": "gguf", "family": "llama"},
            "expires_at": "2024-06-04T14:38:31.83753-07:00",
            "size_vram": 5137025000,
            "context_length": 4096,
        }
    ]
}
"""As docs/api.md prints it, and the context_length of api/types.go."""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0.32.5", (0, 32, 5)),
        ("0.13.0-rc1", (0, 13, 0)),
        ("v1.2.3", (1, 2, 3)),
        ("0.0.0", None),
        ("0.0.0-dirty", None),
        ("nightly", None),
    ],
)
def test_versions(text: str, found: tuple[int, ...] | None) -> None:
    assert api.version(text) == found


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("qwen3", "qwen3:latest", True),
        ("Qwen3:30B", "qwen3:30b", True),
        ("registry.ollama.ai/library/qwen3:4b", "qwen3:4b", True),
        ("me/qwen3", "qwen3", False),
        ("qwen3:4b", "qwen3:8b", False),
        ("hf.co/unsloth/Q-GGUF:Q4_K_M", "hf.co/unsloth/Q-GGUF:q4_k_m", True),
        ("localhost:5000/a/b", "localhost:5000/a/b:latest", True),
    ],
)
def test_names_of_the_same_model(one: str, other: str, same: bool) -> None:
    assert (api.full_name(one) == api.full_name(other)) is same


def test_what_is_loaded() -> None:
    (row,) = api.loaded(PS)
    assert (row.size, row.vram, row.context) == (5137025024, 5137025000, 4096)
    assert row.expires == pytest.approx(1717537111.83753)
    assert api.find((row,), "mistral") is row
    assert api.find((row,), "llama3") is None


@pytest.mark.parametrize(
    ("written", "known"),
    [("2318-06-04T14:38:31.837531234Z", True), ("0001-01-01T00:00:00Z", False), ("", False), (None, False)],
)
def test_times_of_go(written: str | None, known: bool) -> None:
    (row,) = api.loaded({"models": [{"model": "m", "expires_at": written}]})
    assert (row.expires is not None) is known


@pytest.mark.parametrize("reply", [{}, {"models": None}, {"models": [{}]}, {"models": [{"model": "m", "size": "x"}]}])
def test_what_is_no_answer_of_ollama(reply: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        api.loaded(reply)


def test_a_model_as_it_is_shown() -> None:
    reply = {
        "parameters": 'stop                           "<|im_end|>"\nnum_ctx                        32768',
        "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 262144},
        "capabilities": ["completion", "tools"],
    }
    assert api.shown(reply) == api.Shown(("completion", "tools"), 32768, 262144)
    assert api.shown({"model_info": None}) == api.Shown((), None, None)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(9, 20)), max_size=30))
def test_a_pull_never_has_more_than_it_knows_of(lines: list[tuple[str, int, int]]) -> None:
    pull = api.Pull()
    for digest, done, total in lines:
        pull.take({"status": f"pulling {digest}", "digest": digest, "completed": done, "total": total})
    pull.take({"status": "success"})
    assert 0 <= pull.done <= pull.total


RESIDENT = Serving(context=0, residency="resident")
ON_DEMAND = Serving(context=0)
TTL = Serving(context=0, ttl=1200)
PRELOADED = Serving(context=0, preload=True, ttl=60)


@pytest.mark.parametrize(
    ("serving", "touch"),
    [(RESIDENT, api.Touch(api.LEASE)), (ON_DEMAND, None), (TTL, None), (PRELOADED, api.Touch(60))],
)
def test_what_is_loaded_at_the_start(serving: Serving, touch: api.Touch | None) -> None:
    assert api.first_touch(serving) == touch


@pytest.mark.parametrize(
    ("serving", "loaded", "sent", "seconds"),
    [
        (RESIDENT, False, None, api.LEASE),
        (RESIDENT, True, None, api.LEASE),
        (RESIDENT, True, 999.0, None),
        (RESIDENT, True, 1000.0 - api.LEASE / 2, api.LEASE),
        (RESIDENT, False, 999.0, api.LEASE),
        (ON_DEMAND, False, None, None),
        (ON_DEMAND, True, None, None),
        (TTL, False, None, None),
        (TTL, True, None, 1200),
        (TTL, True, 1.0, None),
    ],
)
def test_when_ollama_is_told_how_long_a_model_stays(
    serving: Serving, loaded: bool, sent: float | None, seconds: int | None
) -> None:
    touch = api.due(serving, loaded=loaded, sent=sent, now=1000.0)
    assert (touch.seconds if touch else None) == seconds

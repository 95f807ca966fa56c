"""What `defaults`, `strip` and `variants` may not name, and where the error is."""

from __future__ import annotations

import pytest

from orchestrator.core.spec import Model
from orchestrator.core.stackfile.parameters import parameter_problems
from tests.stack_text import model, read, said


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "defaults: {model: x}",
            "models.a.defaults.model: `model` is which model is asked for, and no parameter "
            "(a further name goes under `aliases`)",
        ),
        ("strip: [messages]", "models.a.strip.0: `messages` is the request itself, and no parameter of it"),
        (
            "variants: {b: {stream: true}}",
            "models.a.variants.b.stream: `stream` is how the client reads the answer: it must say so itself",
        ),
        (
            "defaults: {max_tokens: 1, max_completion_tokens: 2}",
            "models.a.defaults.max_completion_tokens: `max_completion_tokens` and `max_tokens` are one parameter "
            "(keep one of them)",
        ),
        ("strip: [n, n]", "models.a.strip.1: `n` is listed twice"),
    ],
)
def test_refused(text: str, error: str) -> None:
    assert said(model(text)) == [error]


def test_the_same_key_may_be_stripped_and_set() -> None:
    """Then what the client says of it never counts."""
    assert read(model("strip: [n]\ndefaults: {n: 1}")).models["a"].strip == ("n",)


def test_a_number_that_json_has_not() -> None:
    """YAML's way of writing one is text here; Python's is not."""
    shape = Model.model_validate({"sources": {"mlx-lm": {"path": "a"}}, "defaults": {"temperature": float("inf")}})
    (found,) = parameter_problems(("models", "a"), shape)
    assert (found.steps, found.text) == (("models", "a", "defaults", "temperature"), "is no value that JSON can carry")

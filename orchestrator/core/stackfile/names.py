"""One namespace: a model's id, its aliases, variants and roles are all names that a client may ask for."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.spec import Model, Stack
from orchestrator.core.trouble import Steps, Trouble, path


def further_names(model: Model) -> Iterator[tuple[str, Steps, str]]:
    """(kind, steps below the model, name) of every name beside its id."""
    for i, name in enumerate(model.aliases):
        yield "alias", ("aliases", i), name
    for name in model.variants:
        yield "variant", ("variants", name), name
    for i, name in enumerate(model.roles):
        yield "role", ("roles", i), name


def name_problems(stack: Stack) -> Iterator[Trouble]:
    claimed: dict[str, tuple[str, str]] = {}
    for model, shape in stack.models.items():
        for kind, below, name in further_names(shape):
            steps = ("models", model, *below)
            if name in stack.models:
                mine = " itself" if name == model else ""
                yield Trouble(steps, f"{kind} `{name}` is the name of a model{mine}", "choose another name")
            elif name in claimed:
                first_kind, first = claimed[name]
                text = (
                    f"{kind} `{name}` is claimed twice: first by {first}"
                    if kind == first_kind
                    else f"{kind} `{name}` is already a{'n' if first_kind == 'alias' else ''} {first_kind}: {first}"
                )
                yield Trouble(steps, text, "a name leads to one model: keep it in one place")
            else:
                claimed[name] = (kind, path(steps[:3]))

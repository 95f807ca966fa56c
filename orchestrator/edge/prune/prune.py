"""Finds all that can go, and removes it: while no other `stack` is at work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from orchestrator.core.pruning import Item, Kept
from orchestrator.edge import stacks
from orchestrator.edge.lock import held
from orchestrator.edge.prune import engines, images, states, weights
from orchestrator.edge.prune.references import references

REMOVE = {
    "weights": weights.remove,
    "part": weights.remove,
    "engine": engines.remove,
    "image": images.remove,
    "state": states.remove,
    "socket": states.remove,
    "cache": states.remove,
}


@contextmanager
def quiet() -> Iterator[None]:
    """Holds the lock of every known stack. Raises LockHeld: another `stack` pulls, starts or stops something."""
    with ExitStack() as locks:
        for one in stacks.known():
            locks.enter_context(held(one.paths.lock, "stack prune"))
        yield


def find(file: Path | None, *, everything: bool = False) -> tuple[tuple[Item, ...], tuple[Kept, ...]]:
    """(what can go, what stays and why). file: a stack.yaml at hand; everything: also weights that others brought.

    With a stack.yaml that cannot be read all downloads, engines and images stay: it may want any of them."""
    refs = references(file)
    found: list[Item | Kept] = list(states.find())
    if refs.broken:
        found += [Kept("weights", "all downloads, engines and images", f"nobody knows what {refs.broken[0]} wants")]
    else:
        found += [*weights.find(refs, everything=everything), *engines.find(refs), *images.find(refs)]
    items = tuple(one for one in found if isinstance(one, Item))
    return items, tuple(one for one in found if isinstance(one, Kept))


def remove(items: Sequence[Item]) -> Iterator[tuple[Item, str]]:
    """(item, "" or why it could not be removed), one after the other."""
    for item in items:
        try:
            REMOVE[item.kind](item)
        except OSError as error:
            yield item, error.strerror or str(error)
        else:
            yield item, ""

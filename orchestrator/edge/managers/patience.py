"""Events of a gateway that cannot see whether its engines' containers still start: the manager is asked beside them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

from orchestrator.errors import EngineError

if TYPE_CHECKING:
    from orchestrator.edge.managers.api import ServiceManager
    from orchestrator.edge.run.api import Event

PAUSE = 1.0
"""Seconds between two questions, while no event comes."""


def until_given_up(
    events: Callable[[], Iterator[Event]], models: Collection[str], manager: ServiceManager
) -> Iterator[Event]:
    """The events as they come. Raises EngineError, with the log's end, once the manager says why one of these models'
    engines does not run; and whatever the events raise."""
    came: queue.SimpleQueue[Event | Exception | None] = queue.SimpleQueue()

    def read() -> None:
        try:
            for event in events():
                came.put(event)
            came.put(None)
        except Exception as error:
            came.put(error)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            one = came.get(timeout=PAUSE)
        except queue.Empty:
            for model in models:
                if why := manager.why(model):
                    end = tuple(manager.logs(model, 10))
                    raise EngineError(f"{model}: {why}", mend=f"stack logs {model}", details=end) from None
            continue
        if one is None:
            return
        if isinstance(one, Exception):
            raise one
        yield one

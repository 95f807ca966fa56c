"""Which idle model to probe again, and when: decided here, done in edge/probe/watcher.py. All times are seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.core.spec import Probe

INTERVAL = 3600
"""Between two probes of one model, where stack.yaml does not say."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One model as the watch sees it.

    loaded: its engine serves; busy: requests run or wait; idle: since its last request, or since it was loaded;
    checked: since its last probe, None = never; asked: it had requests since then; resident: it stays loaded anyway;
    aborted: probes in a row that gave way to requests.
    """

    model: str
    loaded: bool
    busy: bool
    idle: float
    checked: float | None
    asked: bool = True
    resident: bool = True
    aborted: int = 0


def interval_of(probe: Probe) -> int:
    """0: never. Who wants no probe at `up` gets none behind it either, unless the file names an interval."""
    if probe.interval is not None:
        return probe.interval
    return 0 if probe.on_up == "none" else INTERVAL


def next_probe(sights: Iterable[Sight], interval: int, quiet: int) -> str | None:
    """The model to probe now, None: not now. First what was never probed, then what was probed longest ago."""
    due = [sight for sight in sights if interval and _due(sight, interval) and _quiet(sight, interval, quiet)]
    due.sort(key=lambda sight: (sight.checked is not None, -(sight.checked or 0.0), sight.model))
    return due[0].model if due else None


def _due(sight: Sight, interval: int) -> bool:
    """A lease counts as use, so a model on demand is probed once after its use: else it would never be unloaded."""
    if sight.checked is None:
        return True
    return sight.checked >= interval and (sight.asked or sight.resident)


def _quiet(sight: Sight, interval: int, quiet: int) -> bool:
    """Each probe that had to give way doubles how long the next one waits, up to the interval."""
    wait = quiet if not sight.aborted else min(max(quiet, 1) * 2 ** min(sight.aborted, 20), max(interval, quiet))
    return sight.loaded and not sight.busy and sight.idle >= wait

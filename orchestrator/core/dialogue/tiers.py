"""Which scenarios make up a tier, in which order. A new scenario is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from orchestrator.core.dialogue.ask import Log, Talk
from orchestrator.core.dialogue.scenarios.acceptance import acceptance
from orchestrator.core.dialogue.scenarios.accounting import accounting
from orchestrator.core.dialogue.scenarios.choice import auto, named, none, required
from orchestrator.core.dialogue.scenarios.context import context
from orchestrator.core.dialogue.scenarios.fidelity import fidelity
from orchestrator.core.dialogue.scenarios.free_run import episodes, long_run, short_run
from orchestrator.core.dialogue.scenarios.golden import golden, golden_deep
from orchestrator.core.dialogue.scenarios.raw import raw
from orchestrator.core.dialogue.scenarios.single import irrelevance, parallel, zero_argument
from orchestrator.core.dialogue.scenarios.together import together
from orchestrator.core.dialogue.scenarios.truncation import truncation
from orchestrator.core.dialogue.setup import EVENTS, Setup
from orchestrator.core.dialogue.talk import GiveUp

Scenario = Callable[[Setup, Log], Talk]
Tier = Literal["quick", "standard", "full"]

QUICK: tuple[Scenario, ...] = (
    acceptance,
    accounting,
    auto,
    zero_argument,
    parallel,
    irrelevance,
    required,
    named,
    none,
    fidelity,
    truncation,
    golden,
    short_run,
)
TIERS: dict[Tier, tuple[Scenario, ...]] = {
    "quick": QUICK,
    "standard": (*QUICK, together, long_run),
    "full": (*QUICK, together, episodes, golden_deep, raw, context),
}


CONTROL: tuple[Scenario, ...] = (auto,)
"""One plain call both ways: whether the gateway passes on what the engine does."""


def dialogue(setup: Setup, scenarios: Sequence[Scenario], log: Log) -> Talk:
    """All scenarios as one exchange of requests and replies; ends early where the server no longer answers."""
    log.skipped.extend(event for event in EVENTS if event not in setup.parameters.events)
    try:
        for scenario in scenarios:
            if scenario.__name__ in setup.parameters.skip:
                log.skipped.append(scenario.__name__)
                continue
            yield from scenario(setup, log)
    except GiveUp:
        return

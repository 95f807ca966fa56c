from __future__ import annotations

from orchestrator.core.dialogue.ask import Log
from orchestrator.core.dialogue.conclude import conclude
from orchestrator.core.dialogue.scenarios.fidelity import fidelity
from orchestrator.core.dialogue.scenarios.truncation import truncation
from orchestrator.core.dialogue.setup import Parameters, Setup
from orchestrator.core.dialogue.tiers import dialogue


def test_scenarios_and_events_beyond_the_model_are_left_out_and_named() -> None:
    log = Log()
    setup = Setup("m", parameters=Parameters.of({"skip": ["fidelity"], "events": ["retry"]}))
    talk = dialogue(setup, (fidelity, truncation), log)
    (ask, *_) = next(talk)
    assert ask.scenario == "truncation"
    talk.close()
    assert conclude(log, "m", "quick").skipped == ("pair", "recall", "fidelity")

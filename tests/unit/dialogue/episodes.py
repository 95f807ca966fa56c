"""Episodes, times and verdicts made by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import strategies as st

from orchestrator.core.dialogue.findings import Culprit, Episode, Finding, Pace, Verdict
from orchestrator.core.dialogue.statistics import bound

TURNS = 40


def failing(*turns: int | None, of: int = TURNS) -> list[Episode]:
    """An episode each, failed at that turn; None: clean to the end."""
    return [
        Episode("free_run", seed, of if turn is None else turn, turn, "" if turn is None else "depth_drift")
        for seed, turn in enumerate(turns)
    ]


@st.composite
def some_episodes(draw: Any, fewest: int = 0, most: int = 12) -> list[Episode]:
    """Of any length; one in which a lone fault did not end the walk has turns after its failure."""
    made = []
    for seed in range(draw(st.integers(fewest, most))):
        turns = draw(st.integers(1, TURNS))
        made.append(Episode("free_run", seed, turns, draw(st.none() | st.integers(1, turns))))
    return made


def paced(seconds: Callable[[int, int], float], walks: int = 5, turns: int = TURNS) -> list[Pace]:
    """Walks whose prompts grow from 300 tokens by 60 to 90 a turn, twice that every eighth; seconds(prompt, new)."""
    chance, made = random.Random(7), []
    for _ in range(walks):
        prompt = 300
        for turn in range(1, turns + 1):
            new = chance.randint(60, 90) * (2 if turn % 8 == 0 else 1)
            prompt += new
            if turn % 2 == 0:
                made.append(Pace(turn, prompt, new, seconds(prompt, new)))
    return made


HOSTILE = '</script><script>alert(1)</script>]]> & "q" \x00\x1b[31m\x7f\ud800\ufffe \u202e evil\r\n'


def finding(severity: Any = "F", **more: Any) -> Finding:
    known = {
        "code": "depth_drift",
        "culprit": Culprit.MODEL_OR_QUANTIZATION,
        "scenario": "free_run",
        "text": f"expected a, got {HOSTILE}",
        "mend": "try <more> bits",
        "turn": 6,
        "streamed": True,
        "evidence": {"request": HOSTILE, "status": 200, "reply": "x" * 9000},
    }
    return Finding(severity=severity, **{**known, **more})


def verdict(episodes: Iterable[Episode] = (), findings: Iterable[Finding] = (), **more: Any) -> Verdict:
    """The counts follow from the episodes, the verdict from the findings."""
    walked, found = tuple(episodes), tuple(findings)
    turns, failed = sum(one.turns for one in walked), [one.failed for one in walked if one.failed is not None]
    worst = {one.severity for one in found}
    known: dict[str, Any] = {
        "model": "tiny<&>",
        "verdict": "fail" if "F" in worst else "degraded" if "D" in worst else "pass",
        "turns": turns,
        "clean_turns": turns - len(failed),
        "first_failure": min(failed, default=None),
        "findings": found,
        "tier": "full",
        "seconds": 12.5,
        "bound": bound(turns - len(failed), turns),
        "episodes": walked,
    }
    return Verdict(**{**known, **more})

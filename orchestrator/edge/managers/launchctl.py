"""launchctl(1) of macOS 13 and later: jobs of one domain are loaded, taken away, started anew and looked at.

launchctl answers before launchd has done what it was told, and its exit status then says little: what `print` says
afterwards counts. The numbers are errno's of macOS and launchd's own, as it prints them ("Bootstrap failed: 5: ...").
"""

from __future__ import annotations

import time
from pathlib import Path

from orchestrator.core.launchctl import Job, parse
from orchestrator.edge.host import ask
from orchestrator.errors import EngineError

NO_SUCH_PROCESS, IN_PROGRESS, NO_DOMAIN, NO_SERVICE = 3, 36, 112, 113
SLOW = 30.0
"""Seconds for one answer of launchctl's: `kickstart -k` waits for the old process."""
SETTLE = 15.0
"""Seconds in which a job is tried to be loaded: launchd refuses while it takes the former one away."""
PAUSE = 0.1


class Domain:
    """target: `gui/501` (agents of a user who is logged in) or `system` (daemons; only root may change them)."""

    def __init__(self, target: str) -> None:
        self.target = target

    def reachable(self) -> str:
        """Why nothing can be loaded here, in launchctl's words; "" where it can."""
        status, text = self._run("print", self.target)
        return "" if status == 0 else _last(text)

    def job(self, label: str) -> Job | None:
        """None for one that is not loaded, as nothing is where nobody is logged in. Raises EngineError where launchctl
        does not say."""
        status, text = self._run("print", f"{self.target}/{label}")
        if status == 0:
            return parse(text)
        if status in (NO_SERVICE, NO_DOMAIN) or "Could not find" in text:
            return None
        raise EngineError(f"launchctl does not know whether {label} is loaded: {_last(text)}")

    def load(self, label: str, file: Path) -> None:
        """Loads it, which starts it (RunAtLoad). Raises EngineError with launchctl's words."""
        self._run("enable", f"{self.target}/{label}")  # one that `down` disabled cannot be loaded
        until = time.monotonic() + SETTLE
        while True:
            status, text = self._run("bootstrap", self.target, str(file))
            if status == 0 or self.job(label) is not None:
                return
            if time.monotonic() > until:
                raise EngineError(f"launchd does not load {file}: {_last(text)}", mend=f"plutil -lint {file}")
            time.sleep(PAUSE)

    def unload(self, *labels: str, patience: float) -> bool:
        """Ends them and takes them away; whether any was loaded. patience: seconds that each may take to end."""
        loaded = [label for label in labels if self.job(label) is not None]
        for label in loaded:
            status, text = self._run("bootout", f"{self.target}/{label}", patience=patience)
            if status not in (0, NO_SUCH_PROCESS, IN_PROGRESS, NO_SERVICE) and self.job(label) is not None:
                raise EngineError(f"launchd does not take {label} away: {_last(text)}")
        until = time.monotonic() + patience
        while left := [label for label in loaded if self.job(label) is not None]:
            if time.monotonic() > until:
                raise EngineError(f"{', '.join(left)}: still loaded {patience:g} s after `launchctl bootout`")
            time.sleep(PAUSE)
        return bool(loaded)

    def enable(self, label: str) -> None:
        self._told("enable", f"{self.target}/{label}")

    def disable(self, label: str) -> None:
        """It is not loaded at the next login or start of the machine."""
        self._told("disable", f"{self.target}/{label}")

    def start(self, label: str) -> None:
        self._told("kickstart", f"{self.target}/{label}")

    def restart(self, label: str) -> None:
        self._told("kickstart", "-k", f"{self.target}/{label}")

    def _told(self, *words: str) -> None:
        status, text = self._run(*words)
        if status != 0:
            raise EngineError(f"launchctl {' '.join(words)}: {_last(text)}")

    def _run(self, *words: str, patience: float = SLOW) -> tuple[int, str]:
        return ask.output(["launchctl", *words], timeout=patience)


def _last(text: str) -> str:
    """The last line, which is the reason ("Bad request." comes before it)."""
    return (text.strip().splitlines() or ["no reason given"])[-1]

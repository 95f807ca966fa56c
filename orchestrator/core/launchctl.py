"""What `launchctl print` says of one job. launchctl(1) warns that its form is no interface: what is not found is None.

The job's own facts stand one tab deep; blocks below it (endpoints, coalitions) have a `state` of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CRASHES = 5
"""Starts after which a job that ends at once again counts as given up. launchd itself never gives up."""
CONFIG = 78
"""EX_CONFIG: launchd could not start the program at all (not there, not executable, its folder is missing)."""
RUNNING = frozenset({"running", "xpcproxy"})
"""States with a process; xpcproxy is what launchd starts first and what becomes the program."""


@dataclass(frozen=True, slots=True)
class Job:
    """state: launchd's word; runs: how often it was started since it was loaded; exit_code: of the last one that ended,
    None if it never did or a signal ended it; signal: that one, as `Killed: 9`; reason: launchd's own for an end."""

    state: str = ""
    pid: int | None = None
    runs: int = 0
    exit_code: int | None = None
    signal: str = ""
    reason: str = ""

    @property
    def words(self) -> str:
        """For people: `running (pid 4711)`, `spawn scheduled (3 runs, the last exited with 1)`."""
        if self.pid is not None:
            return f"{self.state} (pid {self.pid})"
        last = self.last
        return f"{self.state} ({self.runs} runs, the last {last})" if last else self.state

    @property
    def last(self) -> str:
        """How it ended last, "" for never."""
        if self.signal:
            return f"was ended by {self.signal}"
        if self.reason:
            return f"was ended: {self.reason}"
        return "" if self.exit_code is None else f"exited with {self.exit_code}"

    @property
    def hopeless(self) -> str:
        """Why nobody should wait for it, "" while it runs or may come up.

        One that lives for its ThrottleInterval is started again at once: one that waits for its start ended sooner."""
        if self.state in RUNNING or not self.last:
            return ""
        if self.runs < CRASHES and self.exit_code != CONFIG:
            return ""
        return f"{self.last}, at start number {self.runs}; launchd tries it again every few seconds"


def parse(text: str) -> Job:
    """Of `launchctl print gui/501/NAME`."""
    facts = dict(reversed(re.findall(r"^\t(\S[^=\n]*?) = (.*)$", text, re.M)))  # the first of a name counts
    return Job(
        state=facts.get("state", ""),
        pid=_number(facts.get("pid")) or None,
        runs=_number(facts.get("runs")) or 0,
        exit_code=_number(facts.get("last exit code")),
        signal=facts.get("last terminating signal", ""),
        reason=facts.get("last exit reason", ""),
    )


def _number(text: str | None) -> int | None:
    """Of `1`, `78: EX_CONFIG`; None of `(never exited)`."""
    found = re.match(r"-?\d+", text or "")
    return int(found[0]) if found else None

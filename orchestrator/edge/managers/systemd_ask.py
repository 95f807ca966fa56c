"""systemctl, journalctl and their answers: each question is a command and a parser of what it prints."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import EngineError

PROPERTIES = ("Id", "LoadState", "ActiveState", "SubState", "Result", "ExecMainCode", "ExecMainStatus", "NRestarts")
EXITED = 1
"""CLD_EXITED, of waitid(2): ExecMainStatus is what it exited with; of the others it is a signal."""
REASONS = {
    "timeout": "did not start or stop in time",
    "watchdog": "did not keep its watchdog alive",
    "oom-kill": "was killed for want of memory",
    "resources": "could not be started for want of something of the system",
    "protocol": "did not start as its type promises",
}
"""Of systemd's Result=, what the exit status does not say."""


@dataclass(frozen=True, slots=True)
class State:
    """As `systemctl show` says it. code: CLD_* of its last process, 0 for none yet; status: its exit or its signal;
    restarts: in a row, by systemd itself."""

    loaded: bool
    active: str
    sub: str
    result: str
    code: int
    status: int
    restarts: int = 0

    @property
    def up(self) -> bool:
        """Whether it runs, comes up, or will be tried again."""
        return self.active in ("active", "activating", "reloading")

    @property
    def words(self) -> str:
        return f"{self.active} ({self.sub})"

    @property
    def given_up(self) -> str:
        """Why, in words; "" where it is not. One that is `inactive` is not tried again either."""
        if self.active != "failed":
            return "was stopped by hand" if self.active == "inactive" else ""
        ended = REASONS.get(self.result) or self._ended() or self.result
        often = f", also after {self.restarts} restarts" if self.restarts else ""
        return f"{ended}{often}: systemd has given it up"

    def _ended(self) -> str:
        if not self.code:
            return ""
        return f"exited with {self.status}" if self.code == EXITED else f"was killed by signal {self.status}"


class Systemctl:
    """Of this user's own systemd, or of the machine's (system): that one anybody may ask, and root alone may tell."""

    def __init__(self, *, system: bool) -> None:
        self.words: tuple[str, ...] = ("systemctl",) if system else ("systemctl", "--user")
        self._journal = "--unit" if system else "--user-unit"

    def tell(self, *argv: str, check: bool = True) -> str:
        """What it prints. Raises EngineError with its own words."""
        done = _run(*self.words, "--no-pager", *argv)
        if check and done.returncode != 0:
            words = done.stderr.strip().splitlines() or [f"it exits with {done.returncode}"]
            text = f"{' '.join(self.words)} {argv[0]}: {words[0]}"
            raise EngineError(text, details=words[1:], mend="stack logs")
        return done.stdout

    def reachable(self) -> str:
        """Why it cannot be asked, "" if it can."""
        try:
            done = _run(*self.words, "--no-pager", "show", "--property=Version")
        except EngineError as error:
            return error.text
        return "" if done.returncode == 0 else done.stderr.strip() or f"systemctl exits with {done.returncode}"

    def unit_path(self) -> tuple[str, ...]:
        """The folders in which it looks for units."""
        return tuple(self.tell("show", "--property=UnitPath", "--value").split())

    def states(self, units: Sequence[str]) -> Mapping[str, State]:
        """Of each of them, also of those that it does not know."""
        if not units:
            return {}
        told = self.tell("show", *(f"--property={name}" for name in PROPERTIES), "--", *units)
        return dict(zip(units, parse(told), strict=True))

    def journal(self, unit: str, lines: int, *, follow: bool) -> Iterator[str]:
        """Not `journalctl --user`: that reads only the files of users that are split off, of which root and a journal
        in memory have none. Raises EngineError with journalctl's own words where this user may not read it."""
        argv = ("journalctl", f"{self._journal}={unit}", "--no-pager", "--quiet", "--output=short-iso")
        return _lines((*argv, f"--lines={lines}", *(("--follow",) if follow else ())))


def parse(told: str) -> list[State]:
    """`systemctl show` of several units: `Key=value` lines, an empty line between two units."""
    found = []
    for block in told.strip().split("\n\n"):
        said = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        found.append(
            State(
                loaded=said["LoadState"] not in ("not-found", "bad-setting", "error"),
                active=said["ActiveState"],
                sub=said["SubState"],
                result=said.get("Result", "success"),
                code=int(said.get("ExecMainCode") or 0),
                status=int(said.get("ExecMainStatus") or 0),
                restarts=int(said.get("NRestarts") or 0),
            )
        )
    return found


def _lines(argv: Sequence[str]) -> Iterator[str]:
    try:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise EngineError("journalctl is not here", mend="the unit's output goes to systemd's journal") from None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        for line in process.stdout:
            yield line.decode(errors="replace").rstrip("\n")
        words = process.stderr.read().decode(errors="replace").strip()
        if process.wait() != 0:
            mend = "be in the group systemd-journal, or keep a journal on disk: mkdir -p /var/log/journal"
            raise EngineError(f"journalctl: {words or process.returncode}", mend=mend)
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        process.stdout.close()
        process.stderr.close()


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise EngineError(f"{argv[0]} is not here", mend="this machine does not run systemd") from None

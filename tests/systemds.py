"""A real `systemd --user` for a test's private home, with a journal, in a mount and PID namespace of its own.

Only root can make one. The machine's own systemd, if it has one, is neither seen nor touched; the cgroups are removed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psutil

from tests import components
from tests.fake_stack import FakeStack
from tests.homes import Home

SYSTEMD = components.SYSTEMD
JOURNALD = Path("/lib/systemd/systemd-journald")
CGROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
UNDER = "user.slice/user-{uid}.slice/user@{uid}.service"
"""As a booted machine has it: journald and systemctl read a unit's name from the path."""
BOOT = r"""
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/systemd/journal /run/log/journal
mount -t tmpfs tmpfs /var/lib/systemd
mkdir -p /var/lib/systemd/linger
[ ! -x "$JOURNALD" ] || "$JOURNALD" &
while [ -x "$JOURNALD" ] && [ ! -S /run/systemd/journal/stdout ]; do sleep 0.02; done
if [ "$ACCOUNT" != root ]; then
    mkdir /run/closed
    mount --bind "$CLOSED" /run/closed
    mount -t tmpfs -o mode=755 tmpfs "$CLOSED"
    for each in /run/closed/* /run/closed/.[!.]*; do
        [ -d "$each" ] || continue
        mkdir "$CLOSED/${each##*/}"
        mount --rbind "$each" "$CLOSED/${each##*/}"
    done
    chown -R "$ACCOUNT:" "$HOME" "$XDG_RUNTIME_DIR"
fi
GROUP="$(id -g "$ACCOUNT")"
{
    echo 0 > "$CGROUP/cgroup.procs"
    exec setpriv --reuid "$ACCOUNT" --regid "$GROUP" --init-groups "$SYSTEMD" --user
} &
wait $!
"""
"""systemd may not be PID 1 of its namespace: as that it would want to be the system's. CLOSED: the home of whoever runs
the tests, which Python and the engines may live in and others may not enter; there they may."""


@dataclass(frozen=True)
class UserManager:
    """home: as the fixture gave it; outer: the pid of the namespace's first process, seen from here."""

    home: Home
    outer: int
    account: str
    gid: int
    journal: bool

    def inside(self, *argv: str) -> tuple[str, ...]:
        """argv that runs there, as the same user."""
        mine = ("setpriv", "--reuid", self.account, "--regid", str(self.gid), "--init-groups", "--")
        return ("nsenter", "--target", str(self.outer), "--mount", "--pid", "--wd=.", "--", *mine, *argv)

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(self.inside(*argv), env=self.home.env, cwd=self.home.work, capture_output=True, text=True)
        assert not check or done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def systemctl(self, *argv: str, check: bool = True) -> str:
        return self.run("systemctl", "--user", *argv, check=check).stdout

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        told = self.systemctl("show", unit, *(f"--property={name}" for name in properties))
        return dict(line.split("=", 1) for line in told.splitlines())

    def main_pid(self, unit: str) -> int:
        """As the namespace counts; 0 for none."""
        return int(self.show(unit, "MainPID")["MainPID"])

    def kill_9(self, *pids: int, missing_ok: bool = False) -> None:
        """Pids as the namespace counts. missing_ok: one of them may have ended by now."""
        self.run("kill", "-9", *map(str, pids), check=not missing_ok)

    def linger(self, *, on: bool) -> None:
        """As `loginctl enable-linger` leaves it: a file that logind looks for."""
        file = f"/var/lib/systemd/linger/{self.account}"
        words = ("touch", file) if on else ("rm", "-f", file)
        subprocess.run(("nsenter", "--target", str(self.outer), "--mount", "--", *words), check=True)


@contextlib.contextmanager
def running(home: Home, account: str = "root") -> Iterator[UserManager]:
    """Ready to take units. account: who it is the manager of; another than root is given the home and all above it must
    be open."""
    uid, gid, top = (
        _id("-u", account),
        _id("-g", account),
        _hierarchy() / f"stack-test-{os.getpid()}-{home.runtime.name}",
    )
    cgroup = top / UNDER.format(uid=uid)
    cgroup.mkdir(parents=True)
    for file in (cgroup, *cgroup.glob("cgroup.*")):
        os.chown(file, uid, gid)
    env = home.env | {"USER": account, "LOGNAME": account, "ACCOUNT": account, "CGROUP": str(cgroup)}
    env |= {"SYSTEMD": str(SYSTEMD), "JOURNALD": str(JOURNALD), "CLOSED": str(Path.home())}
    words = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-e", "-c", BOOT)
    log = home.path / "systemd.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["sh", "-c", 'echo 0 > "$1/cgroup.procs"; shift; exec "$@"', "sh", str(top), *words],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield _ready(process, home, account, log)
    finally:
        process.kill()
        process.wait()
        _remove(top)
        log.unlink()


def until(check: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Waits for it. Raises AssertionError with `what`."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def answers(url: str, model: str = "tiny") -> bool:
    """Whether a completion comes of it, however long its engine takes to come up."""
    try:
        return ask(url, model) == 200
    except httpx.HTTPError:
        return False


def _id(option: str, account: str) -> int:
    return int(subprocess.run(["id", option, account], capture_output=True, text=True, check=True).stdout)


def _hierarchy() -> Path:
    return next(path for path in CGROUPS if (path / "cgroup.procs").exists())


def _ready(process: subprocess.Popen[bytes], home: Home, account: str, log: Path) -> UserManager:
    deadline = time.monotonic() + 30
    private = home.runtime / "systemd" / "private"
    while not private.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"systemd --user does not come up:\n{log.read_text()[-2000:]}")
        time.sleep(0.02)
    (first,) = psutil.Process(process.pid).children()
    env: Mapping[str, str] = home.env | {"USER": account, "LOGNAME": account}
    manager = UserManager(replace(home, env=dict(env)), first.pid, account, _id("-g", account), JOURNALD.exists())
    while manager.systemctl("is-system-running", check=False).strip() not in ("running", "degraded"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"systemd --user is not ready:\n{log.read_text()[-2000:]}")
        time.sleep(0.02)
    return manager


def _remove(top: Path) -> None:
    """Of nested cgroups the inner ones first; the kernel lets a process go a moment after it has ended."""
    deadline = time.monotonic() + 10
    for folder, _, _ in sorted(os.walk(top), key=lambda found: -len(found[0])):
        while True:
            try:
                os.rmdir(folder)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def up(stack: FakeStack, *argv: str, code: int = 0) -> str:
    done = stack.cli("up", *argv)
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def ask(url: str, model: str = "tiny") -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 24}
    return httpx.post(f"{url}/chat/completions", json=body, timeout=60).status_code

"""A real `systemd --user` for a test's private home, or a real machine's systemd as PID 1; with a journal, in a mount
and PID namespace of its own.

Only root can make one. The machine's own systemd, if it has one, is neither seen nor touched; the cgroups are removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psutil

from tests import components, homes
from tests.fake_stack import FakeStack
from tests.homes import Home

SYSTEMD = components.SYSTEMD
JOURNALD = Path("/lib/systemd/systemd-journald")
CGROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
UNDER = "user.slice/user-{uid}.slice/user@{uid}.service"
"""As a booted machine has it: journald and systemctl read a unit's name from the path."""
BEGIN = r"""
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
    chown -R "$ACCOUNT:" "$HOME" "$RUNTIME"
fi
"""
"""CLOSED: the home of whoever runs the tests, which Python and the engines may live in and others may not enter; there
they may."""
USER = r"""
GROUP="$(id -g "$ACCOUNT")"
{
    echo 0 > "$CGROUP/cgroup.procs"
    exec setpriv --reuid "$ACCOUNT" --regid "$GROUP" --init-groups "$SYSTEMD" --user
} &
wait $!
"""
"""It may not be PID 1 of its namespace: as that it would want to be the system's."""
SYSTEM = r"""
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mkdir -p "$HOME/../units"
mount --bind "$HOME/../units" /etc/systemd/system
cd /etc/systemd/system
for each in sysinit basic network multi-user shutdown; do
    printf '[Unit]\nDefaultDependencies=no\n' > "$each.target"
done
echo Wants=dbus.service >> multi-user.target
cp /lib/systemd/system/user-runtime-dir@.service /lib/systemd/system/dbus.service /lib/systemd/system/dbus.socket .
export container=stack-test SYSTEMD_UNIT_PATH=/etc/systemd/system
exec "$SYSTEMD" --system --unit=multi-user.target
"""
"""It sees these units and no others: those of a whole system would empty /tmp, set the kernel's parameters and more,
and namespaces keep neither to themselves. Who is not root asks it by D-Bus."""


@dataclass(frozen=True)
class UserManager:
    """home: as the fixture gave it; outer: the pid of the namespace's first process, seen from here."""

    home: Home
    outer: int
    account: str
    gid: int
    journal: bool
    system: bool = False

    def inside(self, *argv: str) -> tuple[str, ...]:
        """argv that runs there, as the same user."""
        mine = ("setpriv", "--reuid", self.account, "--regid", str(self.gid), "--init-groups", "--")
        return ("nsenter", "--target", str(self.outer), "--mount", "--pid", "--wd=.", "--", *mine, *argv)

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(self.inside(*argv), env=self.home.env, cwd=self.home.work, capture_output=True, text=True)
        assert not check or done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def systemctl(self, *argv: str, check: bool = True) -> str:
        if self.system:
            return self.root("systemctl", *argv, check=check)
        return self.run("systemctl", "--user", *argv, check=check).stdout

    def root(self, *argv: str, check: bool = True) -> str:
        """Runs there as root."""
        inside = ("nsenter", "--target", str(self.outer), "--mount", "--pid", "--wd=/", "--", *argv)
        return subprocess.run(inside, capture_output=True, text=True, check=check).stdout

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
        self.root(*(("touch", file) if on else ("rm", "-f", file)))


@contextlib.contextmanager
def running(home: Home, account: str = "root", *, system: bool = False) -> Iterator[UserManager]:
    """Ready to take units. account: who it is the manager of (system: as whom `run` runs); another than root is given
    the home, and all above it must be open. system: the machine's, as PID 1; there is no XDG_RUNTIME_DIR then."""
    uid, gid, top = (
        _id("-u", account),
        _id("-g", account),
        _hierarchy() / f"stack-test-{os.getpid()}-{home.runtime.name}",
    )
    cgroup = top if system else top / UNDER.format(uid=uid)
    cgroup.mkdir(parents=True)
    for file in (cgroup, *cgroup.glob("cgroup.*")):
        os.chown(file, uid, gid)
    if system:
        home.env.pop("XDG_RUNTIME_DIR", None)
    env = home.env | {"USER": account, "LOGNAME": account, "ACCOUNT": account, "CGROUP": str(cgroup)}
    env |= {
        "SYSTEMD": str(SYSTEMD),
        "JOURNALD": str(JOURNALD),
        "CLOSED": str(Path.home()),
        "RUNTIME": str(home.runtime),
    }
    own = ("--cgroup",) if system else ()
    words = ("unshare", "--mount", "--pid", *own, "--fork", "--kill-child", "--mount-proc", "sh", "-e", "-c")
    words = (*words, BEGIN + (SYSTEM if system else USER))
    shutil.rmtree(home.runtime / "systemd", ignore_errors=True)  # of an earlier boot
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
        yield _ready(process, home, account, log, system=system)
    finally:
        process.kill()
        process.wait()
        _remove(top)
        log.unlink()


@contextlib.contextmanager
def nobodys_home() -> Iterator[Home]:
    """Of a user who is not root, and may be entered."""
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        with homes.private_home(Path(folder)) as home:
            for usual in (".config", ".local/state"):
                (home.path / usual).mkdir(parents=True, exist_ok=True)
            yield home
            homes.end(home)


@contextlib.contextmanager
def of_nobody(*, system: bool = False) -> Iterator[UserManager]:
    """Of a user who is not root."""
    with nobodys_home() as home, running(home, "nobody", system=system) as made:
        yield made


def tree(folder: Path) -> set[str]:
    """Of a home, without what others than the stack keep there: the commands' own output, a Python's caches."""
    skipped = {"run-", "systemd.log", ".cache"}
    found = (str(path.relative_to(folder)) for path in folder.rglob("*"))
    return {path for path in found if not any(path.startswith(name) for name in skipped)}


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


def _ready(process: subprocess.Popen[bytes], home: Home, account: str, log: Path, *, system: bool) -> UserManager:
    deadline = time.monotonic() + 30

    def wait(check: Callable[[], object]) -> None:
        while not check():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"systemd does not come up:\n{log.read_text()[-2000:]}")
            time.sleep(0.02)

    wait(lambda: psutil.Process(process.pid).children())
    (first,) = psutil.Process(process.pid).children()
    private = Path(f"/proc/{first.pid}/root/run") if system else home.runtime
    wait((private / "systemd" / "private").exists)
    env: Mapping[str, str] = home.env | {"USER": account, "LOGNAME": account}
    made = replace(home, env=dict(env))
    manager = UserManager(made, first.pid, account, _id("-g", account), JOURNALD.exists(), system)
    wait(lambda: manager.systemctl("is-system-running", check=False).strip() in ("running", "degraded"))
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

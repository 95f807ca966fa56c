"""What we tell launchctl, against tests/fakes/launchctl.py: real processes under a launchctl that is not Apple's."""

from __future__ import annotations

import os
import plistlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.core.plan import Plan, slug
from orchestrator.core.target import Artifact
from orchestrator.core.targets import launchd as target
from orchestrator.edge import managers
from orchestrator.edge.managers.launchctl import Domain
from orchestrator.edge.managers.launchd import Launchd
from orchestrator.edge.paths import StackPaths
from orchestrator.edge.run import logs
from orchestrator.errors import Drift, EngineError, PlanError
from tests import launchds
from tests.plans import fake, plan_of

GATEWAY, A, B = "stack-t-gateway", f"stack-t-{slug('a')}", f"stack-t-{slug('b')}"
SLEEPER = "import signal, time; signal.signal(15, lambda *_: exit(0)); print('up', flush=True); time.sleep(600)"


@pytest.fixture
def launchd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[launchds.FakeLaunchd]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with launchds.running(tmp_path / "launchd", tmp_path / "bin") as made:
        monkeypatch.setenv("PATH", f"{made.bin}:{os.environ['PATH']}")
        yield made


@pytest.fixture
def manager(launchd: launchds.FakeLaunchd) -> Launchd:
    return Launchd(StackPaths("t"))


def job(name: str, tmp: Path, *argv: str, **changes: Any) -> Artifact:
    """One of our files, in miniature."""
    log = str(StackPaths("t").logs / target.log_name(name.removeprefix("stack-t-")))
    values = {
        "Label": name,
        "ProgramArguments": list(argv or (sys.executable, "-c", SLEEPER)),
        "WorkingDirectory": str(tmp),
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 10,
        "ExitTimeOut": 20,
        "StandardOutPath": log,
        "StandardErrorPath": log,
        **changes,
    }
    return Artifact(f"launchd/{name}.plist", target.text(values))


def say(_: str) -> None:
    pass


def until(true: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (found := true()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found
    return found


def pid(launchd: launchds.FakeLaunchd, name: str) -> int:
    return int(until(lambda: launchd.jobs()[name]["pid"]))


def test_agents_are_installed_and_started_and_a_second_time_changes_nothing(
    launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path
) -> None:
    rendered = (job(GATEWAY, tmp_path), job(A, tmp_path))
    done = manager.apply(manager.installed(rendered), say)
    assert done.started == (A, GATEWAY), "the gateway last"
    assert manager.folder == tmp_path / "home/Library/LaunchAgents"
    assert sorted(path.name for path in manager.folder.iterdir()) == [f"{A}.plist", f"{GATEWAY}.plist"]
    running = {name: psutil.Process(pid(launchd, name)).pid for name in (GATEWAY, A)}
    assert {job["domain"] for job in launchd.jobs().values()} == {f"gui/{os.getuid()}"}
    launchd.forget()
    done = manager.apply(manager.installed(rendered), say)
    assert (done.started, done.removed) == ((), ())
    assert launchd.calls("bootstrap", "bootout", "kickstart", "disable") == []
    assert {name: pid(launchd, name) for name in running} == running


def test_only_what_changed_is_started_again_and_what_is_gone_is_ended(
    launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path
) -> None:
    manager.apply(manager.installed((job(GATEWAY, tmp_path), job(A, tmp_path), job(B, tmp_path))), say)
    before = {name: pid(launchd, name) for name in (GATEWAY, A, B)}
    changed = job(GATEWAY, tmp_path, ThrottleInterval=11)
    done = manager.apply(manager.installed((changed, job(A, tmp_path))), say)
    assert (done.started, done.removed) == ((GATEWAY,), (B,))
    assert pid(launchd, A) == before[A]
    assert pid(launchd, GATEWAY) != before[GATEWAY]
    assert sorted(launchd.jobs()) == [A, GATEWAY]
    assert not (manager.folder / f"{B}.plist").exists()
    assert not psutil.pid_exists(before[B])


def test_a_crash_between_taking_away_and_loading_is_repaired(
    launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.apply(manager.installed((job(A, tmp_path),)), say)
    changed = manager.installed((job(A, tmp_path, ThrottleInterval=11),))
    with monkeypatch.context() as patched:
        patched.setattr("orchestrator.edge.managers.launchd.write", lambda *_, **__: exit(1))
        with pytest.raises(SystemExit):
            manager.apply(changed, say)
    assert manager.states() == {A: "not loaded"}
    assert manager.apply(changed, say).started == (A,)
    assert plistlib.loads((manager.folder / f"{A}.plist").read_bytes())["ThrottleInterval"] == 11


def test_launchd_still_takes_the_former_one_away(
    launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path
) -> None:
    manager.apply(manager.installed((job(A, tmp_path),)), say)
    before = pid(launchd, A)
    (launchd.folder / "slow").touch()  # bootout answers 36 and is not done
    manager.apply(manager.installed((job(A, tmp_path, ThrottleInterval=11),)), say)
    assert pid(launchd, A) != before


def test_a_file_that_was_edited_by_hand_is_drift_and_nothing_is_touched(
    launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path
) -> None:
    rendered = manager.installed((job(A, tmp_path),))
    manager.apply(rendered, say)
    before = pid(launchd, A)
    (manager.folder / f"{A}.plist").write_text("mine")
    with pytest.raises(Drift) as caught:
        manager.apply(rendered, say)
    assert caught.value.details == (f"{manager.folder / A}.plist: edited by hand",)
    assert pid(launchd, A) == before
    assert manager.apply(rendered, say, force=True).started == (A,)


def test_stop_ends_and_disables_and_remove_leaves_nothing(
    launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path
) -> None:
    manager.apply(manager.installed((job(GATEWAY, tmp_path), job(A, tmp_path))), say)
    pids = [pid(launchd, name) for name in (GATEWAY, A)]
    assert manager.stop()
    assert launchd.jobs() == {}
    assert not any(psutil.pid_exists(one) for one in pids)
    assert launchd.disabled() == {GATEWAY, A}
    assert [words[1].rpartition("/")[2] for words in launchd.calls("bootout")] == [GATEWAY, A]
    assert not manager.stop(), "a second time there is nothing to end"
    manager.remove()
    assert list(manager.folder.iterdir()) == []
    assert not manager.manifest.exists()
    assert launchd.disabled() == set()


def test_after_stop_it_can_be_started_again(launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path) -> None:
    rendered = manager.installed((job(A, tmp_path),))
    manager.apply(rendered, say)
    manager.stop()
    assert manager.apply(rendered, say).started == (A,)


def test_kill_9_is_answered_by_a_new_start(launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path) -> None:
    manager.apply(manager.installed((job(A, tmp_path),)), say)
    before = pid(launchd, A)
    os.kill(before, signal.SIGKILL)
    assert until(lambda: (found := pid(launchd, A)) != before and found)
    assert manager.why("a") == ""


def test_what_ends_at_once_again_and_again_is_given_up_in_words(
    launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path
) -> None:
    manager.apply(manager.installed((job(A, tmp_path, sys.executable, "-c", "print('no'); exit(3)"),)), say)
    words = until(lambda: manager.why("a"))
    assert words.startswith(f"{A} exited with 3, at start number ")
    assert list(manager.logs("a", 3))[-1] == "no"


def test_what_cannot_be_started_at_all_is_said_at_once(
    launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path
) -> None:
    manager.apply(manager.installed((job(A, tmp_path, "/no/such/engine"),)), say)
    assert "exited with 78, at start number 1;" in until(lambda: manager.why("a"))


def test_what_is_not_loaded_is_said(launchd: launchds.FakeLaunchd, manager: Launchd) -> None:
    assert manager.why(None) == f"launchd has not loaded {GATEWAY}"
    assert manager.states() == {}


def test_the_verbs(launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path) -> None:
    manager.apply(manager.installed((job(A, tmp_path),)), say)
    before = pid(launchd, A)
    manager.verb("load", "a")
    assert pid(launchd, A) == before
    manager.verb("restart", "a")
    assert until(lambda: (found := pid(launchd, A)) != before and found)
    manager.verb("unload", "a")
    assert manager.states() == {A: "not loaded"}
    manager.verb("load", "a")
    assert until(lambda: manager.states()[A] == f"running (pid {pid(launchd, A)})")


def test_jobs_that_others_declared_are_asked_and_not_ended(
    launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path
) -> None:
    """By nix-darwin, which has its output in the folder of a user's logs."""
    paths = StackPaths("t")
    manager.apply(manager.installed((job(GATEWAY, tmp_path), job(A, tmp_path))), say)
    manager.manifest.unlink()
    managers.remember("launchd", paths, declared=(GATEWAY, A))
    found = managers.remembered(paths)
    assert found is not None
    assert set(found.states()) == {GATEWAY, A}
    before = pid(launchd, A)
    found.verb("restart", "a")
    assert until(lambda: (now := pid(launchd, A)) != before and now)
    for refused in (found.stop, found.remove):
        with pytest.raises(PlanError, match="declared elsewhere"):
            refused()
    log = tmp_path / "home" / "Library" / "Logs" / f"{A}.log"
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\n")
    assert list(found.logs("a", 1)) == ["two"]
    Domain(f"gui/{os.getuid()}").unload(GATEWAY, A, patience=10)
    assert managers.remembered(paths) is None, "they are not declared any more"


def test_a_job_that_launchd_refuses_is_an_error_with_its_words(
    launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.edge.managers.launchctl.SETTLE", 0.3)
    manager.apply(manager.installed((job(A, tmp_path),)), say)
    manager.verb("unload", "a")
    (manager.folder / f"{A}.plist").write_text("no plist")
    with pytest.raises(EngineError, match="Bootstrap failed: 5: Input/output error") as caught:
        manager.verb("load", "a")
    assert caught.value.mend == f"plutil -lint {manager.folder / A}.plist"


def test_logs_are_small_and_are_followed(launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path) -> None:
    log = StackPaths("t").logs / f"{slug('a')}.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * logs.LIMIT)
    manager.apply(manager.installed((job(A, tmp_path),)), say)
    until(lambda: "up" in list(manager.logs("a", 5)))
    assert log.stat().st_size < 100
    assert log.with_suffix(".log.1").stat().st_size == logs.LIMIT


def test_where_nobody_is_logged_in_nothing_is_loaded(
    launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path
) -> None:
    manager.apply(manager.installed((job(A, tmp_path),)), say)
    (launchd.folder / "no-domain").touch()
    assert manager.states() == {A: "not loaded"}
    with pytest.raises(EngineError, match="Could not find domain for user gui"):
        manager.stop()
    (launchd.folder / "no-domain").unlink()
    assert manager.stop()


def boot(name: str, tmp: Path, **changes: Any) -> Artifact:
    return job(name, tmp, UserName="me", **changes)


def test_daemons_of_the_machine_are_roots_to_install_and_what_to_type_is_said(
    launchd: launchds.FakeLaunchd, tmp_path: Path
) -> None:
    daemons = tmp_path / "Library/LaunchDaemons"
    daemons.mkdir(parents=True)
    manager = Launchd(StackPaths("t"), root=False, daemons=daemons)
    rendered = manager.installed((boot(GATEWAY, tmp_path), boot(A, tmp_path)))
    assert manager.folder == daemons
    with pytest.raises(PlanError) as caught:
        manager.apply(rendered, say)
    staged = StackPaths("t").state / "launchd"
    assert caught.value.exit_code == 4
    assert caught.value.details == tuple(
        line
        for name in (A, GATEWAY)
        for line in (
            f"sudo install -m 644 -o root -g wheel {staged / name}.plist {daemons / name}.plist",
            f"sudo launchctl enable system/{name}",
            f"sudo launchctl bootstrap system {daemons / name}.plist",
        )
    )
    assert launchd.jobs() == {}
    assert list(daemons.iterdir()) == []
    typed(caught.value)
    manager = Launchd(StackPaths("t"), root=False, daemons=daemons)  # the gateway asks before the next `up`
    until(lambda: manager.why("a") == "" and "running" in manager.states()[A])
    assert manager.apply(manager.installed(rendered), say).started == ()
    assert {job["domain"] for job in launchd.jobs().values()} == {"system"}


def typed(error: PlanError) -> None:
    """What an administrator does with the lines that we print."""
    import shlex
    import subprocess

    for line in error.details:
        words = shlex.split(line)
        assert words.pop(0) == "sudo"
        if words[0] == "install":  # -o root -g wheel: there is no wheel here
            words = ["install", "-m", "644", *words[-2:]]
        subprocess.run(words, check=True)


def test_changed_daemons_are_asked_for_alone_and_stopping_is_asked_for_too(
    launchd: launchds.FakeLaunchd, tmp_path: Path
) -> None:
    daemons = tmp_path / "Library/LaunchDaemons"
    daemons.mkdir(parents=True)
    manager = Launchd(StackPaths("t"), root=False, daemons=daemons)
    first = manager.installed((boot(GATEWAY, tmp_path), boot(A, tmp_path), boot(B, tmp_path)))
    with pytest.raises(PlanError) as caught:
        manager.apply(first, say)
    typed(caught.value)
    before = pid(launchd, A)
    second = manager.installed((boot(GATEWAY, tmp_path, ThrottleInterval=11), boot(A, tmp_path)))
    with pytest.raises(PlanError) as caught:
        manager.apply(second, say)
    assert {word for line in caught.value.details for word in (GATEWAY, A, B) if word in line} == {GATEWAY, B}
    typed(caught.value)
    assert manager.apply(second, say).started == ()
    assert pid(launchd, A) == before
    with pytest.raises(PlanError, match="root's to stop") as caught:
        manager.stop()
    typed(caught.value)
    assert manager.stop() is False
    with pytest.raises(PlanError, match="root's to remove") as caught:
        manager.remove()
    typed(caught.value)
    manager.remove()
    assert list(daemons.iterdir()) == []
    assert not manager.manifest.exists()


def test_root_does_it_and_a_stack_moves_from_the_login_to_the_machine(
    launchd: launchds.FakeLaunchd, tmp_path: Path
) -> None:
    manager = Launchd(StackPaths("t"), root=True, daemons=tmp_path / "daemons")
    manager.apply(manager.installed((job(A, tmp_path),)), say)
    agents = manager.folder
    assert manager.apply(manager.installed((boot(A, tmp_path),)), say).started == (A,)
    assert (manager.folder, list(agents.iterdir())) == (tmp_path / "daemons", [])
    assert launchd.jobs()[A]["domain"] == "system"
    assert Launchd(StackPaths("t"), root=True, daemons=tmp_path / "daemons").folder == tmp_path / "daemons"
    assert manager.stop()
    manager.remove()
    assert list((tmp_path / "daemons").iterdir()) == []


def plan(**changes: Any) -> Plan:
    made = plan_of(replace(fake("a", 18501), owner="manager", **changes), name="t")
    return replace(made, manager="launchd")


def test_check(
    launchd: launchds.FakeLaunchd, manager: Launchd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert manager.check(plan()) == ()
    weights = f"{tmp_path}/home/Documents/w.gguf"
    (warning,) = manager.check(plan(weights=weights))
    assert warning == f"macOS may keep launchd's jobs from {weights}: allow it, or move it out of ~/Documents"
    (launchd.folder / "no-domain").touch()
    with pytest.raises(PlanError, match="Could not find domain for user gui") as caught:
        manager.check(plan())
    assert caught.value.exit_code == 4
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(PlanError, match="launchd is not here"):
        manager.check(plan())

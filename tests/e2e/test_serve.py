"""`stack serve` and the other commands: one at a time, and nothing of the first is lost."""

from __future__ import annotations

from tests.fake_stack import NAME, Make
from tests.gateways import eventually


def test_of_two_at_once_one_serves_and_the_other_names_it(fake_stack: Make) -> None:
    stack = fake_stack("--start-delay", "1")
    both = [stack.cli.start("serve"), stack.cli.start("serve")]
    eventually(lambda: any(one.process.poll() is not None for one in both))
    (first,) = [one for one in both if one.process.poll() is None]
    (second,) = [one for one in both if one is not first]
    assert second.process.returncode == 7, second.err.read_text()
    assert f"pid {first.process.pid} (" in second.err.read_text()
    eventually(lambda: stack.cli("status", "--json").returncode == 0 and stack.status()["ready"])
    assert stack.daemon_pid() == first.process.pid
    again = stack.cli("serve")
    assert (again.returncode, f"pid {first.process.pid} (" in again.stderr) == (7, True)
    assert stack.status()["ready"]
    up = stack.cli("up")
    assert (up.returncode, "nothing to change" in up.stdout) == (0, True), up.stdout + up.stderr
    assert stack.cli("down").returncode == 0
    assert first.process.wait(30) == 0


def test_while_up_is_at_work(fake_stack: Make) -> None:
    stack = fake_stack("--start-delay", "4")
    up = stack.cli.start("up")
    eventually(lambda: (stack.cli.home.state / NAME / "lock").exists())
    done = stack.cli("serve")
    assert (done.returncode, f"pid {up.process.pid} (stack up)" in done.stderr) == (7, True), done.stderr
    assert up.process.wait(60) == 0, up.err.read_text()
    assert stack.status()["ready"]

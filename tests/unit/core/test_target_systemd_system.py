"""Units of the machine's systemd: what differs from the user's own. Really run: tests/e2e/test_systemd_system.py."""

from __future__ import annotations

from orchestrator.core.targets.systemd_system import TARGET as SYSTEM
from tests.unit.core.test_target_systemd import ENGINE, GATEWAY, R, environment, plan, render, values


def test_the_machine_s_units_are_the_same_and_run_as_the_user() -> None:
    ours, theirs = render(plan()), render(plan(), SYSTEM)
    assert values(theirs["stack-t.target"], "WantedBy") == ["multi-user.target"]
    for name in (R, ENGINE, GATEWAY):
        text = theirs[name]
        assert set(ours[name].splitlines()) <= set(text.splitlines())
        assert values(text, "User") == ["me"]
        assert values(text, "Requires") == ["user-runtime-dir@1000.service"], "the control socket's folder"
        own = {"HOME": "/home/me", "XDG_RUNTIME_DIR": "/run/user/1000"}
        assert environment(text) == environment(ours[name]) | own
        assert values(text, "CapabilityBoundingSet") == [""]
    other = render(plan(), SYSTEM, runtime="/run/mine", uid=0)[R]
    assert (values(other, "Requires"), values(other, "CapabilityBoundingSet")) == ([], []), (
        "root's files may be others'"
    )
    assert not values(render(plan(gpus=1), SYSTEM)[R], "ProtectSystem"), "nothing that CUDA may need is taken"

"""What the NixOS module declares, under a real `systemd --user`: started, killed, its gateway restarted, stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.e2e.test_nix import HERE, NAME, fake, write
from tests.homes import Cli
from tests.nixes import Nix
from tests.systemds import UserManager, until

pytestmark = pytest.mark.component("nix", "systemd")


def unit_text(unit: Mapping[str, Any]) -> str:
    """As NixOS writes it (nixos/lib/systemd-lib.nix)."""

    def section(name: str, values: Mapping[str, Any]) -> str:
        words = {key: " ".join(value) if isinstance(value, list) else value for key, value in values.items()}
        words = {key: str(value).lower() if isinstance(value, bool) else value for key, value in words.items()}
        return "".join((f"[{name}]\n", *(f"{key}={value}\n" for key, value in words.items())))

    path = ":".join([*(f"{folder}/bin" for folder in unit["path"]), "/usr/bin", "/bin"])
    variables = {**unit["environment"], "PATH": path}
    told = "".join(f"Environment={json.dumps(f'{name}={value}')}\n" for name, value in variables.items())
    wanted = section("Install", {"WantedBy": unit["wantedBy"]})
    return section("Unit", unit["unitConfig"]) + section("Service", unit["serviceConfig"]) + told + wanted


@pytest.mark.parametrize("nix", ["nix"], indirect=True)
def test_the_units_of_nixos(
    nix: Nix, systemd_user: UserManager, systemd_cli: Cli, free_port: Callable[[], int]
) -> None:
    home = systemd_user.home
    folder = home.work / "etc"
    given = fake(free_port(), free_port()) | {"home": str(home.path), "folder": str(folder), "user": "root"}
    module = write(nix, "systemd", given)
    built = nix.built("config.services.stack.rendered", system=HERE, module=module)
    folder.symlink_to(built)
    (home.work / "stack.yaml").write_bytes((built / "stack.yaml").read_bytes())  # for `stack status` and `down`
    services = nix.value("config.systemd.user.services", system=HERE, module=module)
    units = home.path / ".config" / "systemd" / "user"
    units.mkdir(parents=True, exist_ok=True)
    for name, unit in services.items():
        (units / f"{name}.service").write_text(unit_text(unit))
    checked = systemd_user.run("systemd-analyze", "verify", "--user", *(str(file) for file in units.iterdir()))
    assert checked.stderr == ""
    gateway = f"stack-{NAME}-gateway.service"
    (engine,) = {f"{name}.service" for name in services} - {gateway}
    systemd_user.systemctl("daemon-reload")
    systemd_user.systemctl("start", engine, gateway)

    def ready() -> bool:
        done = systemd_cli("status", "--json")
        return done.returncode == 0 and json.loads(done.stdout)["ready"]

    until(ready, "the stack is ready")
    first = systemd_user.main_pid(engine)
    systemd_user.kill_9(first)
    until(lambda: systemd_user.main_pid(engine) not in (0, first), "systemd starts the engine again")
    until(ready, "the stack is ready again")
    second = systemd_user.main_pid(engine)
    systemd_user.systemctl("restart", gateway)
    until(ready, "the new gateway is ready")
    assert systemd_user.main_pid(engine) == second

    status = json.loads(systemd_cli("status", "--json").stdout)
    assert (status["manager"], status["units"]) == ("systemd", dict.fromkeys((gateway, engine), "active (running)"))
    model = status["models"][0]["id"]
    for words in (("up",), ("down",), ("down", "--uninstall"), ("plan", "--diff")):
        done = systemd_cli(*words)
        assert (done.returncode, "declared elsewhere" in done.stderr) == (4, True), (words, done.stderr)
    assert json.loads(systemd_cli("status", "--json").stdout)["ready"]
    assert systemd_cli("restart", model).returncode == 0
    assert systemd_user.main_pid(engine) not in (0, second)
    if systemd_user.journal:
        assert systemd_cli("logs", model).stdout.strip()
    systemd_user.systemctl("stop", gateway, engine)
    assert systemd_user.show(engine, "ActiveState", "Result") == {"ActiveState": "inactive", "Result": "success"}

    for name in services:
        (units / f"{name}.service").unlink()
    systemd_user.systemctl("daemon-reload")
    done = systemd_cli("down", "--uninstall")
    assert done.returncode == 0, "they are not declared any more"

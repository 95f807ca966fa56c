"""What our Nix modules declare for the examples: units and agents as committed values, and who has one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from orchestrator import pipeline
from tests import goldens
from tests.components import REPOSITORY
from tests.nixes import Nix, shown

pytestmark = pytest.mark.component("nix")
GOLDEN = Path(__file__).parent / "nix"
LINUX, MAC = "x86_64-linux", "aarch64-darwin"


def example(nix: Nix, name: str, **more: object) -> str:
    """services.stack of an example, for any of the modules. more: of services.stack; settings are added to."""
    folder = REPOSITORY / "examples" / name
    extra = dict(more.pop("settings", {}))  # type: ignore[call-overload]
    settings = yaml.safe_load((folder / "stack.yaml").read_text()) | extra
    settings = {key: value for key, value in settings.items() if not key.startswith("x-")}
    values = {"enable": True, "host": json.loads((folder / "host.json").read_text()), "settings": settings, **more}
    file = nix.folder / f"{name}.json"
    file.write_text(json.dumps(values))
    return f"{{ services.stack = builtins.fromJSON (builtins.readFile {file}); }}"


CASES = {
    "nixos": ("nixos", LINUX, "homelab", {"user": "lin", "settings": {"supervisor": "llama-swap"}}),
    "nixos-boot": ("nixos", LINUX, "homelab", {"user": "lin", "openFirewall": True, "settings": {"service": "boot"}}),
    "darwin": ("darwin", MAC, "mac-studio", {"user": "me", "environment": {"HF_HOME": "/Volumes/Models"}}),
    "darwin-boot": ("darwin", MAC, "mac-studio", {"user": "me", "settings": {"service": "boot"}}),
    "home-manager": ("home-manager", LINUX, "homelab", {"environment": {"HF_HOME": '/srv/a "100%" model\'s'}}),
    "home-manager-darwin": ("home-manager", MAC, "mac-studio", {}),
}
DECLARED = {
    "nixos": ("systemd", "users", "networking", "environment.etc"),
    "darwin": ("launchd", "environment.etc"),
    "home-manager": ("systemd", "launchd", "xdg.configFile"),
}
HOMES = {LINUX: "/home/lin", MAC: "/Users/me"}


@pytest.mark.golden
@pytest.mark.parametrize("case", CASES)
def test_what_the_modules_declare(case: str, nix: Nix) -> None:
    kind, system, name, more = CASES[case]
    module = example(nix, name, **more)
    if kind == "home-manager":
        module = f'{{ imports = [ {module} {{ home.homeDirectory = "{HOMES[system]}"; }} ]; }}'
    declared = {part: nix.value(f"config.{part}", kind=kind, system=system, module=module) for part in DECLARED[kind]}
    goldens.check(GOLDEN / f"{case}.json", shown(declared))


def test_hardening_is_that_of_our_own_units(nix: Nix) -> None:
    template = (REPOSITORY / "templates/systemd/service.j2").read_text()
    ours = template.partition("{% if unit.hardened %}\n")[2].partition("{% if")[0]
    told = dict(line.split("=", 1) for line in ours.splitlines())
    words = {key: True if value == "yes" else value for key, value in told.items()}

    def declared(example_name: str) -> dict[str, dict[str, object]]:
        module = example(nix, example_name, user="me")
        units = nix.value("config.systemd.user.services", kind="nixos", system=LINUX, module=module)
        found = {name: unit["serviceConfig"] for name, unit in units.items()}
        return {name: unit for name, unit in found.items() if "gateway" not in name}  # which may start a `command`

    assert len(words) == 9
    assert all(words.items() <= unit.items() for unit in declared("homelab").values())
    assert not any(words.keys() & unit.keys() for unit in declared("cuda-workstation").values()), "CUDA needs a helper"


@pytest.mark.parametrize("name", ["cuda-workstation", "homelab", "hybrid", "mac-studio"])
def test_the_residents_are_those_of_the_plan(name: str, nix: Nix) -> None:
    folder = REPOSITORY / "examples" / name
    prepared = pipeline.prepare(folder / "stack.yaml", folder / "host.json")
    stack = prepared.loaded.stack.model_copy(update={"service": "login"})
    loaded = dataclasses.replace(prepared.loaded, stack=stack)
    plan = pipeline.make_plan(dataclasses.replace(prepared, loaded=loaded))
    system = LINUX if prepared.host.system == "linux" else MAC
    kind = "nixos" if system == LINUX else "darwin"
    found = nix.value("config.services.stack.residents", kind=kind, system=system, module=example(nix, name, user="me"))
    assert found == sorted(plan.managed)
    assert found

"""The flake, really: evaluated, checked, built and started by Nix; nixpkgs alone is a small one of our own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.host_json import host_to_json
from orchestrator.core.planner.plan_json import plan_from_json
from tests.components import REPOSITORY
from tests.fake_stack import ENGINE
from tests.gateways import eventually
from tests.homes import GRACE_S, Cli
from tests.names import apart
from tests.nixes import Nix
from tests.planned import GIB, linux

pytestmark = pytest.mark.component("nix")
SYSTEMS = ["aarch64-darwin", "aarch64-linux", "x86_64-linux"]
NAME = apart("nix", "fake", "selftest")
HERE = {"x86_64": "x86_64-linux", "aarch64": "aarch64-linux"}.get(os.uname().machine, "aarch64-darwin")
TEMPLATE = REPOSITORY / "nix" / "template"


def test_every_file_parses(nix: Nix) -> None:
    files = sorted(REPOSITORY.glob("nix/**/*.nix")) + sorted((REPOSITORY / "tests/nix").rglob("*.nix"))
    assert len(files) > 10
    done = nix.run("nix-instantiate", "--parse", str(REPOSITORY / "flake.nix"), *map(str, files))
    assert done.returncode == 0, done.stderr


def test_flake_show(nix: Nix) -> None:
    done = nix.flake("flake", "show", "FLAKE", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for output in ("packages", "apps", "devShells", "checks", "formatter"):
        assert sorted(found[output]) == SYSTEMS, output
    for system in SYSTEMS:
        assert {"default", "stack"} <= set(found["packages"][system])
        assert {"default", "stack"} <= set(found["apps"][system])
    assert set(found) >= {"overlays", "nixosModules", "darwinModules", "homeManagerModules", "templates"}


def test_flake_check_builds(nix: Nix) -> None:
    done = nix.flake("flake", "check", "FLAKE")
    assert done.returncode == 0, done.stderr
    checks = json.loads(nix.flake("flake", "show", "FLAKE", "--json").stdout)["checks"][HERE]
    assert checks
    for name in checks:
        built = nix.flake("path-info", f"FLAKE#checks.{HERE}.{name}")
        assert built.returncode == 0, built.stderr


def test_nix_run(nix: Nix) -> None:
    version = nix.flake("run", "FLAKE", "--", "version")
    assert (version.returncode, version.stdout.strip() != "") == (0, True), version.stderr
    check = nix.flake("run", "FLAKE#stack", "--", "check", "--file", str(nix.source / "stack.yaml"))
    assert check.returncode == 0, check.stderr


@pytest.mark.component("mlx-lm")
@pytest.mark.parametrize("nix", ["nix"], indirect=True)
def test_nix_run_up(nix: Nix, stack_cli: Cli, free_port: Callable[[], int]) -> None:
    """A whole stack from the package alone: the daemon is the package's too."""
    package = nix.built(f"flake.packages.{HERE}.stack", system=HERE)
    weights = package / "share/stack/models/selftest"
    model = {"capabilities": ["chat", "tools"], "sources": {"mlx-lm": {"path": str(weights)}}}
    listen = f"127.0.0.1:{free_port()}"
    text = json.dumps({"version": 1, "name": NAME, "endpoint": {"listen": listen}, "models": {"selftest": model}})
    (stack_cli.home.work / "stack.yaml").write_text(text)
    place = ("--file", str(stack_cli.home.work / "stack.yaml"))
    up = nix.flake("run", "FLAKE", "--", "up", *place, env=stack_cli.home.env)
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        (row,) = json.loads(stack_cli("status", "--json").stdout)["models"]
        assert (row["state"], row["tools"]) == ("ready", "verified")
    finally:
        down = nix.flake("run", "FLAKE", "--", "down", *place, env=stack_cli.home.env)
    assert down.returncode == 0, down.stderr


def test_the_package_carries_the_selftest_model(nix: Nix) -> None:
    package = nix.built(f"flake.packages.{HERE}.stack", system=HERE)
    share = package / "share" / "stack"
    done = nix.run(str(package / "bin" / "stack"), "check", "--file", str(share / "stack.yaml"))
    assert done.returncode == 0, done.stderr
    assert (share / "models/selftest/selftest.gguf").is_file()


def test_the_overlay_leaves_nixpkgs_stack_alone(nix: Nix) -> None:
    found = nix.built("overlaid.stack-serve", system=HERE)
    assert found == nix.built(f"flake.packages.{HERE}.stack", system=HERE)


def write(nix: Nix, name: str, value: Mapping[str, Any]) -> str:
    """A module whose services.stack is this value."""
    file = nix.folder / f"{name}.json"
    file.write_text(json.dumps(value))
    return f"{{ services.stack = builtins.fromJSON (builtins.readFile {file}); }}"


def fake(engine_port: int = 18600, port: int = 18484, **model: Any) -> dict[str, Any]:
    """A stack of one fake engine on a small Linux machine."""
    words = [sys.executable, str(ENGINE), "--port", "${PORT}"]
    made = {
        "capabilities": ["chat", "tools"],
        "context": 8192,
        "sources": {"command": {"cmd": words, "check": "/health"}},
        "memory": {"host": "1GiB"},
        "serve": {"port": engine_port},
        "roles": ["default"],
    }
    settings = {
        "name": NAME,
        "endpoint": {"listen": [f"127.0.0.1:{port}"]},
        "models": {"fake": made | model},
        "probe": {"on_up": "none"},
    }
    host = json.loads(host_to_json(linux(16 * GIB, engines={}), {}))
    return {"enable": True, "user": "me", "host": host, "settings": settings}


@pytest.mark.parametrize("kind", ["nixos", "home-manager"])
@pytest.mark.parametrize("supervisor", ["embedded", "llama-swap"])
def test_what_is_built_is_what_stack_says(nix: Nix, stack_cli: Cli, kind: str, supervisor: str) -> None:
    given = fake()
    given["settings"]["supervisor"] = supervisor
    # loaded on demand: llama-swap has something to run
    given["settings"]["models"]["later"] = dict(given["settings"]["models"]["fake"], roles=[], serve={})
    module = write(nix, f"same-{kind}-{supervisor}", given)
    if kind == "home-manager":
        module = f'{{ imports = [ {module} {{ home.homeDirectory = "/home/me"; }} ]; }}'
    built = nix.built("config.services.stack.rendered", kind=kind, system=HERE, module=module)
    place = ("--file", str(built / "stack.yaml"), "--host", str(built / "host.json"))
    plan = stack_cli("plan", *place, "--json")
    assert (plan.returncode, plan.stdout) == (0, (built / "plan.json").read_text()), plan.stderr
    assert stack_cli("plan", *place, env={"COLUMNS": "120"}).stdout == (built / "plan.txt").read_text()
    rendered = {str(path.relative_to(built)) for path in built.rglob("*") if path.is_file()}
    expected = {"stack.yaml", "host.json", "plan.json", "plan.txt", "bin/stack"}
    if supervisor == "llama-swap":
        stack_cli("render", "llama-swap", *place, "--out", "out")
        out = stack_cli.home.work / "out" / "llama-swap" / "config.yaml"
        assert out.read_bytes() == (built / "llama-swap" / "config.yaml").read_bytes()
        expected |= {"llama-swap/config.yaml"}
    assert rendered == expected
    made = plan_from_json((built / "plan.json").read_text())
    assert (made.manager, made.managed, made.supervisor) == ("systemd", ("fake",), supervisor)


def test_a_wrong_stack_fails_the_build_with_our_words(nix: Nix) -> None:
    module = write(nix, "wrong", fake(serve={"prot": 18600}))
    done = nix.build("config.services.stack.rendered", system=HERE, module=module)
    assert done.returncode != 0
    assert re.search(r"stack\.yaml:\d+: models\.fake\.serve\.prot: unknown key", done.stderr), done.stderr
    assert "did you mean `port`?" in done.stderr


def test_what_does_not_fit_fails_the_build(nix: Nix) -> None:
    module = write(nix, "large", fake(memory={"host": "99GiB"}))
    done = nix.build("config.services.stack.rendered", system=HERE, module=module)
    assert done.returncode != 0
    assert "models.fake: does not fit" in done.stderr, done.stderr


def test_units_that_the_plan_does_not_know_fail_the_build(nix: Nix) -> None:
    module = write(nix, "units", fake() | {"residents": []})
    done = nix.build("config.services.stack.rendered", system=HERE, module=module)
    assert done.returncode != 0
    assert "units are declared for: no model" in done.stderr, done.stderr
    assert "the plan wants units for: fake" in done.stderr


def test_unknown_weights_fail_the_build(nix: Nix) -> None:
    given = fake(sources={"llama-cpp": {"repo": "some/where", "file": "x.gguf"}}, memory={})
    done = nix.build("config.services.stack.rendered", system=HERE, module=write(nix, "weights", given))
    assert done.returncode != 0
    assert "its weights are not known" in done.stderr, done.stderr


def nested(given: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """With the value at a dotted path; None takes it away."""
    copy = json.loads(json.dumps(given))
    *above, last = path.split(".")
    inner = copy
    for step in above:
        inner = inner.setdefault(step, {})
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return dict(copy)


BAD: dict[str, tuple[str, str, Any, str]] = {
    "host": (
        "nixos",
        "host",
        None,
        "services.stack.host is not set. On the machine itself: `stack host --json --weights",
    ),
    "system": ("nixos", "host.system", "macos", "services.stack.host describes a macos machine, and this is linux"),
    "user": ("nixos", "user", None, "services.stack.user is not set: whose stack is it?"),
    "user-darwin": ("darwin", "user", None, "services.stack.user is not set: whose stack is it?"),
    "relative": (
        "nixos",
        "settings.models.fake.sources.llama-cpp.path",
        "./x.gguf",
        "services.stack.settings: ./x.gguf: a built configuration lies in no folder",
    ),
    "env": (
        "nixos",
        "settings.endpoint.keys.laptop.env",
        "KEY",
        "services.stack.settings: endpoint.keys.laptop: a service has no shell's environment",
    ),
    "open-home": ("home-manager", "openFirewall", True, "services.stack.openFirewall is for NixOS"),
    "open-darwin": ("darwin", "openFirewall", True, "services.stack.openFirewall is for NixOS"),
    "boot-home": ("home-manager", "settings.service", "boot", "home-manager starts with the session"),
    "stop": (
        "darwin",
        "settings.models.fake.sources.command.stop",
        "halt-it",
        "services.stack.settings: fake: launchd ends a job by SIGTERM and knows no command for it",
    ),
    "residency": (
        "nixos",
        "settings.models.fake.residency",
        "always",
        "A definition for option `services.stack.settings.models.fake.residency' is not of type",
    ),
    "service": (
        "nixos",
        "settings.service",
        "none",
        'A definition for option `services.stack.settings.service\' is not of type `one of "login", "boot"\'',
    ),
    "unknown": ("nixos", "setings", {}, "The option `services.stack.setings' does not exist"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_option_says_what_is_wrong(case: str, nix: Nix) -> None:
    kind, path, value, words = BAD[case]
    given = fake()
    if kind == "darwin":
        given["host"]["system"] = "macos"
    module = write(nix, f"bad-{case}", nested(given, path, value))
    if kind == "home-manager":
        module = f'{{ imports = [ {module} {{ home.homeDirectory = "/home/me"; }} ]; }}'
    where = {"kind": kind, "system": "aarch64-darwin" if kind == "darwin" else HERE}
    done = nix.ask("config.services.stack.units", module=module, **where)
    assert (done.returncode != 0, words in done.stderr) == (True, True), done.stderr


def test_a_secret_is_never_copied_into_the_store(nix: Nix) -> None:
    (nix.folder / "laptop.key").write_text("s3cret-of-the-laptop\n")
    module = write(nix, "secret", fake())
    literal = f"{{ services.stack.settings.endpoint.keys.laptop.file = {nix.folder}/laptop.key; }}"
    done = nix.ask("config.services.stack.units", system=HERE, module=f"{{ imports = [ {module} {literal} ]; }}")
    assert done.returncode != 0
    assert "endpoint.keys.laptop: this file would be copied into the Nix store, which everybody can read" in done.stderr
    assert not list((nix.folder / "store").glob("*laptop.key"))
    place = '{ services.stack.settings.endpoint.keys.laptop.file = "/run/secrets/laptop"; }'
    done = nix.build("config.services.stack.rendered", system=HERE, module=f"{{ imports = [ {module} {place} ]; }}")
    assert done.returncode == 0, done.stderr


def test_an_engine_that_garbage_collection_would_take(nix: Nix) -> None:
    given = fake()
    given["host"]["engines"] = {"mlx-lm": {"bin": f"{nix.folder}/store/x/bin/mlx_lm.server", "version": "1"}}
    done = nix.ask("config.services.stack.units", system=HERE, module=write(nix, "garbage", given))
    assert done.returncode != 0
    assert "services.stack.host: mlx-lm lies in the Nix store" in done.stderr, done.stderr


def test_engines_come_from_nix(nix: Nix) -> None:
    given = fake()
    given["engines"] = {"vllm-mlx": {"bin": "/opt/vllm-mlx", "version": "0.6.0"}, "llama-cpp": None}
    built = nix.built("config.services.stack.rendered", system=HERE, module=write(nix, "engines", given))
    engines = json.loads((built / "host.json").read_text())["engines"]
    assert engines == {
        "vllm-mlx": {"bin": "/opt/vllm-mlx", "version": "0.6.0", "found": "services.stack.engines", "flags": []}
    }


def test_the_engine_is_in_the_closure(nix: Nix) -> None:
    """Or the next collection of garbage would take it from under the unit."""
    given = fake(sources={"llama-cpp": {"path": "/srv/tiny.gguf"}}, memory={"weights": "1MiB", "kv": "1MiB"})
    given["settings"]["models"]["fake"]["context"] = 1024
    built = nix.built("config.services.stack.rendered", system=HERE, module=write(nix, "closure", given))
    told = nix.run("nix-store", "--query", "--references", str(built)).stdout
    assert "-llama-server-8200" in told
    launch = plan_from_json((built / "plan.json").read_text()).launch("fake")
    assert launch.how.argv[0].endswith("-llama-server-8200/bin/llama-server")  # type: ignore[union-attr]


def test_nothing_is_open_by_itself(nix: Nix) -> None:
    given = fake()
    given["settings"]["endpoint"] = {"listen": ["127.0.0.1:8484", "0.0.0.0:8485", "[::1]:8486"]}
    given["settings"]["endpoint"]["keys"] = {"a": {"file": "/run/secrets/a"}}
    ports = "config.networking.firewall.allowedTCPPorts"
    assert nix.value(ports, system=HERE, module=write(nix, "closed", given)) == []
    assert nix.value(ports, system=HERE, module=write(nix, "open", given | {"openFirewall": True})) == [8485]


def test_the_template_is_a_whole_configuration(nix: Nix) -> None:
    units = nix.value("template.config.systemd.user.services")
    assert set(units) == {"stack-main-gateway", "stack-main-qwen3-4b-b244c2"}


def test_darwin_is_evaluated_to_the_last_derivation(nix: Nix) -> None:
    given = fake()
    given["host"]["system"] = "macos"
    given["host"]["apple"] = {"chip": "Apple M4 Max", "wired_limit": 96 * GIB}
    for kind in ("darwin", "home-manager"):
        module = write(nix, f"mac-{kind}", given)
        module = (
            f'{{ imports = [ {module} {{ home.homeDirectory = "/Users/me"; }} ]; }}' if kind != "darwin" else module
        )
        done = nix.instantiate("config.services.stack.rendered", kind=kind, system="aarch64-darwin", module=module)
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.strip().split("!")[0]).read_text().count("aarch64-darwin")


class Started:
    """The services of a NixOS configuration, each started by its ExecStart."""

    def __init__(self, services: Mapping[str, Any], cli: Cli) -> None:
        self.cli = cli
        self.running = {name: self._start(unit["serviceConfig"]["ExecStart"]) for name, unit in services.items()}

    def _start(self, command: str) -> subprocess.Popen[bytes]:
        env, folder = self.cli.home.env, self.cli.home.path
        return subprocess.Popen(command.split(), env=env, cwd=folder, start_new_session=True)

    def end(self) -> None:
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            process.wait(GRACE_S * 6)


def test_the_units_start(nix: Nix, stack_cli: Cli, free_port: Callable[[], int]) -> None:
    folder = stack_cli.home.work / "etc"
    given = fake(free_port(), free_port()) | {"home": str(stack_cli.home.path), "folder": str(folder)}
    module = write(nix, "start", given)
    built = nix.built("config.services.stack.rendered", system=HERE, module=module)
    folder.symlink_to(built)
    services = nix.value("config.systemd.user.services", system=HERE, module=module)
    engine, gateway = (next(n for n in services if n.endswith("gateway") == last) for last in (False, True))
    assert str(built) in services[gateway]["serviceConfig"]["ExecStart"]
    started = Started(services, stack_cli)
    try:

        def status() -> Any:
            done = stack_cli("status", "--json", "--file", str(built / "stack.yaml"))
            return json.loads(done.stdout) if done.returncode == 0 else {}

        eventually(lambda: status().get("ready"))
        (row,) = status()["models"]
        assert (row["id"], row["owner"], row["pid"]) == ("fake", "manager", started.running[engine].pid)
        assert status()["pid"] == started.running[gateway].pid
        stop = services[engine]["serviceConfig"]["ExecStop"]
        assert stop.startswith("-")
        assert subprocess.run(stop[1:].split(), env=stack_cli.home.env).returncode == 0
        assert started.running[engine].poll() is None, "its unit ends it by SIGTERM"
    finally:
        started.end()


def test_no_change_of_the_gateway_alone_touches_an_engines_unit(nix: Nix) -> None:
    def units(**model: Any) -> dict[str, Any]:
        module = write(nix, "touched", fake(**model))
        return dict(nix.value("config.systemd.user.services", system=HERE, module=module))

    before, after = units(), units(aliases=["other-name"])
    changed = [name for name in before if before[name] != after[name]]
    assert changed == [f"stack-{NAME}-gateway"]


def test_the_settings_are_a_stack_yaml(nix: Nix, stack_cli: Cli) -> None:
    """As docs/nix.md has them written to make host.json."""
    settings = nix.value("config.services.stack.settings", system=HERE, module=write(nix, "settings", fake()))
    (stack_cli.home.work / "stack.yaml").write_text(json.dumps(settings))
    done = stack_cli("host", "--json", "--weights")
    assert (done.returncode, json.loads(done.stdout)["system"]) == (0, "linux"), done.stderr


USED = re.compile(r"\b(?:lib|types|pkgs|python3Packages)\.([A-Za-z][\w'-]*)")


def test_the_page_names_all_that_we_take_from_nixpkgs(nix: Nix) -> None:
    """What the stand-in has, which is what evaluates, and what no test evaluates."""
    page = (REPOSITORY / "docs" / "nix.md").read_text()
    found = nix.value("names", system=HERE)
    files = [nix.source / "flake.nix", *nix.source.glob("nix/**/*.nix")]
    written = {name for file in files for name in USED.findall(file.read_text())}
    assert len(found) > 50
    missing = sorted(name for name in {*found, *written} if f"`{name}`" not in page)
    assert not missing, missing

"""compose.yaml, read back by compose itself and compared with the plan."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core import containers
from orchestrator.core.launch import Attach, Container, Launch, marker
from orchestrator.core.plan import Plan
from orchestrator.core.spec import Endpoint
from orchestrator.core.targets.compose import TARGET
from orchestrator.edge import templates
from orchestrator.errors import PlanError
from tests import components, nasty
from tests.components import REPOSITORY
from tests.plans import SITE, contained, fake, plan_of

MODEL = "org/a:1"
NAME = "stack-t-org-a-1-d2d6ef"
real = pytest.mark.component("compose")


def engine(model: str = MODEL, **how: Any) -> Launch:
    launch = contained(fake(model, 18500, timeout=1200), **how)
    return replace(launch, owner="compose", address=f"stack-t-{model}:8000")


def of(*launches: Launch, **more: Any) -> Plan:
    made = replace(plan_of(*(launches or (engine(),)), name="t"), manager="compose")
    return replace(made, **{"listen": (("127.0.0.1", 8484),), **more})


def with_keys(plan: Plan, **keys: dict[str, str]) -> Plan:
    endpoint = Endpoint.model_validate({"keys": keys})
    return replace(plan, stack=plan.stack.model_copy(update={"endpoint": endpoint}))


def text_of(plan: Plan) -> str:
    (artifact,) = TARGET.render(plan, templates.render, SITE)
    assert artifact.path == "compose/compose.yaml"
    return artifact.text


def read(plan: Plan, folder: Path) -> dict[str, Any]:
    """What compose makes of it, with `$` as it arrives."""
    file = folder / "compose.yaml"
    file.write_text(text_of(plan))
    compose = components.find("compose")
    assert compose
    argv = [str(compose), "--file", str(file), "config", "--format", "json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(json.loads(done.stdout.replace("$$", "$")))


@real
def test_an_engine_is_the_plans_container(tmp_path: Path) -> None:
    mounts = (("/w", "/w", "ro"), ("/cache", "/c", "rw"), ("volume", "/v", "rw"))
    how = {"mounts": mounts, "gpus": ("0", "GPU-5e0c"), "shm_size": 2**30, "entrypoint": ("vllm", "serve")}
    launch = replace(engine(**how, ipc="host"), env=(("A", "b"),))
    made = read(of(launch), tmp_path)
    service = made["services"][NAME]
    assert isinstance(launch.how, Container)
    assert (service["image"], service["container_name"]) == (launch.how.image, NAME)
    assert (service["entrypoint"], service["command"]) == (["vllm", "serve"], list(launch.how.argv))
    told = {"A": "b", "STACK_RUN": marker("t", launch), "STACK_STATE": "/home/me/.local/state/stack"}
    assert service["environment"] == told
    known = {"stack.name": "t", "stack.model": MODEL, "stack.hash": launch.hash, "stack.uid": "1000"}
    assert service["labels"] == known
    (port,) = service["ports"]
    assert (port["host_ip"], port["published"], port["target"]) == ("127.0.0.1", "18500", 8000)
    found = {(one["type"], one["source"], one["target"], one.get("read_only", False)) for one in service["volumes"]}
    assert found == {("bind", "/w", "/w", True), ("bind", "/cache", "/c", False), ("volume", "volume", "/v", False)}
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "device_ids": ["0", "GPU-5e0c"], "capabilities": ["gpu"]}
    assert (service["ipc"], int(service["shm_size"])) == ("host", 2**30)
    assert (service["restart"], service["init"], service["stop_grace_period"]) == ("unless-stopped", True, "15s")
    assert service["healthcheck"]["test"][-1] == "http://127.0.0.1:8000/health"
    assert (service["healthcheck"]["start_period"], made["name"]) == ("20m0s", "stack-t")
    assert made["volumes"]["volume"]["labels"] == {"stack.name": "t"}


@real
def test_the_gateway_runs_as_the_user_on_the_stacks_own_folders(tmp_path: Path) -> None:
    plan = of(engine(mounts=(("/w", "/w", "ro"), ("/cache", "/c", "rw"))), listen=(("0.0.0.0", 80), ("::1", 8484)))
    service = read(plan, tmp_path)["services"]["gateway"]
    assert (service["image"], service["user"], service["read_only"]) == ("stack-gateway:1.2.3", "1000:1000", True)
    assert service["command"] == ["serve", "--plan", f"{SITE.state}/plan.json", "--name", "t"]
    assert [(one["host_ip"], one["published"]) for one in service["ports"]] == [("0.0.0.0", "80"), ("::1", "8484")]
    assert service["environment"]["XDG_STATE_HOME"] == "/home/me/.local/state"
    assert service["environment"]["XDG_RUNTIME_DIR"] == "/run/user/1000"
    binds = [(one["source"], one.get("read_only", False)) for one in service["volumes"] if one["type"] == "bind"]
    assert binds == [(SITE.state, False), (SITE.sockets, False), ("/w", True)]
    assert "deploy" not in service


@real
def test_keys_are_secrets_at_their_own_paths(tmp_path: Path) -> None:
    key = "/home/me/it's $HOME.key"
    cloud = replace(fake("cloud", 1), port=None, owner="external", how=Attach("https://x/v1", ("file", "/k/cloud")))
    made = read(with_keys(of(engine(), cloud), a={"file": key}, b={"file": key}), tmp_path)
    assert {name: one["file"] for name, one in made["secrets"].items()} == {"key-1": key, "key-2": "/k/cloud"}
    shown = {(one["source"], one["target"]) for one in made["services"]["gateway"]["secrets"]}
    assert shown == {("key-1", key), ("key-2", "/k/cloud")}
    assert "secrets" not in made["services"][NAME]


@real
def test_a_new_name_changes_the_gateway_alone(tmp_path: Path) -> None:
    plan = of()
    before, after = read(plan, tmp_path), read(replace(plan, names={MODEL: MODEL, "b": MODEL}), tmp_path)
    changed = [name for name, service in before["services"].items() if after["services"][name] != service]
    assert changed == ["gateway"]


@real
def test_every_nasty_value_is_read_back(tmp_path: Path) -> None:
    values = nasty.VALUES
    launch = replace(nasty.container(tmp_path, 18500, values, values), owner="compose", address="a:1")
    service = read(of(launch), tmp_path)["services"][containers.name("t", launch.model)]
    assert isinstance(launch.how, Container)
    assert service["command"] == list(launch.how.argv)
    assert dict(launch.env).items() <= service["environment"].items()


@real
def test_the_specifications_schema_knows_all_of_it(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(text_of(with_keys(of(engine(gpus=("0",), shm_size=1)), a={"file": "/k"})))
    argv = [str(Path(sys.executable).parent / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    files = [file, *(REPOSITORY / "compose").glob("*/compose.yaml"), REPOSITORY / "compose" / "companions.yaml"]
    done = subprocess.run([*argv, *map(str, files)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_shells_secret_is_refused_with_its_place() -> None:
    cloud = replace(fake("cloud", 1), how=Attach("https://x/v1", ("env", "KEY")), source="models.cloud.sources.openai")
    plan = with_keys(of(engine(), cloud), team={"env": "TEAM"})
    with pytest.raises(PlanError, match="compose cannot say this") as caught:
        text_of(plan)
    found = [(problem.where, problem.mend) for problem in caught.value.problems]
    assert found == [("endpoint.keys.team", "{file: PATH}"), ("models.cloud.sources.openai.key", "{file: PATH}")]


def test_a_name_to_listen_at_is_refused() -> None:
    with pytest.raises(PlanError) as caught:
        text_of(of(listen=(("gpu.lan", 8484),)))
    assert [problem.where for problem in caught.value.problems] == ["endpoint.listen"]


def test_another_system_has_no_containers_with_gpus() -> None:
    plan = of()
    with pytest.raises(PlanError, match="containers"):
        text_of(replace(plan, host=replace(plan.host, system="macos")))

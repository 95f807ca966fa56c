"""`stack doctor` on this machine: what is really wrong is named, and following the mend mends it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.doctor.captured import from_json
from orchestrator.core.doctor.examine import examine
from tests import hubs
from tests.dockers import IMAGE, Dockerd
from tests.fake_stack import NAME, Make
from tests.homes import Cli
from tests.weights_files import model_folder

Checks = dict[str, list[dict[str, Any]]]


def checks(cli: Cli, *options: str, exit_code: int = 0, **more: Any) -> Checks:
    """By name."""
    done = cli("doctor", "--json", *options, **more)
    assert (done.returncode, done.stderr) == (exit_code, "")
    told = json.loads(done.stdout)
    assert told["exit"] == exit_code
    found: Checks = {}
    for one in told["checks"]:
        found.setdefault(one["check"], []).append(one)
    return found


def test_a_machine_without_a_stack_yaml(stack_cli: Cli) -> None:
    found = checks(stack_cli)
    assert found["open-files"][0]["level"] == "ok"
    assert {"ports", "memory-available", "memory-pressure", "hub-cache", "proxy", "clock", "leftover-engines"} <= {
        *found
    }
    assert "stack-file" not in found


def test_one_line_a_check_grave_ones_first(fake_stack: Make) -> None:
    stack = fake_stack()
    with socket.create_server(("127.0.0.1", stack.port)):
        done = stack.cli("doctor", env={"http_proxy": "http://ada:secret@proxy:3128", "NO_PROXY": "", "no_proxy": ""})
        assert done.returncode == 4
        first, *rest, last = done.stdout.splitlines()
        who = f"port {stack.port} for the gateway is taken by pid {os.getpid()} "
        assert first.split(maxsplit=2)[:2] == ["grave", "ports"]
        assert first.split(maxsplit=2)[2].startswith(who)
        assert " -> stop pid " in first
        assert any(line.startswith("warning") and " proxy " in line and "http_proxy is set" in line for line in rest)
        assert not any(line.startswith("ok") for line in rest)
        assert last.startswith(f"for {NAME}: 1 grave, ")
        assert "secret" not in done.stdout + done.stderr
    assert any(line.startswith("ok ") for line in stack.cli("doctor", "-v").stdout.splitlines())


def test_a_running_stack_holds_its_own_ports(fake_stack: Make) -> None:
    stack = fake_stack()
    assert stack.cli("up").returncode == 0
    found = checks(stack.cli)
    assert [(one["level"], one["text"]) for one in found["ports"]] == [("ok", "2 ports, 2 held by the stack itself")]
    assert [one["level"] for name in ("stale-sockets", "leftover-engines") for one in found[name]] == ["ok", "ok"]


def test_what_a_killed_daemon_leaves_is_named_and_its_mend_mends_it(fake_stack: Make) -> None:
    stack = fake_stack()
    assert stack.cli("up").returncode == 0
    engine = stack.engine_pid()
    stack.kill(stack.daemon_pid())
    found = checks(stack.cli)
    file = stack.cli.home.work / "stack.yaml"
    (left,) = found["leftover-engines"]
    assert (left["level"], left["text"]) == (
        "warning",
        f"engines of {NAME} (tiny) run, and no daemon watches them: pid {engine}",
    )
    assert left["mend"].endswith(f"stack down --file {file} ends them")
    (stale,) = found["stale-sockets"]
    assert (stale["level"], f"of {NAME} " in stale["text"]) == ("warning", True)
    assert stack.cli("down", "--file", str(file)).returncode == 0
    found = checks(stack.cli)
    assert [one["level"] for name in ("stale-sockets", "leftover-engines") for one in found[name]] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("version: 1\nmodels: {a: {sorces: {}}}\n", "stack.yaml:2: models.a"), (None, "there is no such file")],
)
def test_a_stack_yaml_that_does_not_load(stack_cli: Cli, text: str | None, words: str) -> None:
    file = stack_cli.home.work / "other" / "stack.yaml"
    file.parent.mkdir()
    if text is not None:
        file.write_text(text)
    found = checks(stack_cli, "--file", str(file), exit_code=4)
    assert {one["level"] for one in found["stack-file"]} == {"grave"}
    assert words in found["stack-file"][0]["text"]
    assert found["open-files"][0]["level"] == "ok", "the machine is looked at all the same"


def test_a_model_that_does_not_fit_still_has_its_engine_checked(fake_stack: Make) -> None:
    stack = fake_stack(model={"memory": {"weights": "4000GiB"}})
    found = checks(stack.cli, exit_code=4)
    assert "models.tiny" in found["stack-file"][0]["text"]
    assert [one["level"] for one in found["ports"]] == ["ok"]
    assert found["ports"][0]["text"] == "2 ports, all free"


def test_weights_that_are_not_here(fake_stack: Make) -> None:
    """HF_HUB_OFFLINE is set in the tests' home: the hub cannot be asked, and the check says so."""
    stack = fake_stack(model={"sources": {"llama-cpp": {"repo": "org/tiny", "file": "tiny.gguf"}}})
    (said,) = checks(stack.cli)["disk-for-weights"]
    assert said["level"] == "unknown"
    assert said["text"].startswith("what tiny has to download: org/tiny is not here yet, and HF_HUB_OFFLINE")


def test_weights_that_are_larger_than_the_disk(
    stack_cli: Cli, tmp_path: Path, free_port: Callable[[], int], require: Callable[[str], Path]
) -> None:
    require("mlx-lm")
    model_folder(tmp_path / "hub/org/tiny", shards=2)
    (stack_cli.home.work / "stack.yaml").write_text("version: 1\nmodels: {a: {sources: {mlx-lm: {repo: org/tiny}}}}\n")
    with hubs.hub(tmp_path / "hub", free_port(), "full") as hub:
        env = hubs.environment(stack_cli.home.env, hub.url, tmp_path / "hf")
        (said,) = checks(stack_cli, exit_code=4, env={**env, "HF_HUB_OFFLINE": "0"})["disk-for-weights"]
    assert said["level"] == "grave"
    assert "of weights have to come yet" in said["text"]
    assert str(tmp_path / "hf/hub") in said["text"]


def test_programs_that_hang_are_given_up(fake_stack: Make, tmp_path: Path) -> None:
    stack = fake_stack()
    folder = tmp_path / "hangs"
    folder.mkdir()
    for name in ("nvidia-smi", "docker", "loginctl", "timedatectl"):
        (folder / name).write_text("#!/bin/sh\ntrap '' TERM\nexec sleep 3600\n")
        (folder / name).chmod(0o755)
    found = checks(stack.cli, env={"PATH": f"{folder}:{stack.cli.home.env['PATH']}"})
    (driver,) = found["nvidia-driver"]
    assert (driver["level"], driver["text"]) == ("warning", "nvidia-smi: no answer within 10 s")
    (daemon,) = found["docker-daemon"]
    assert (daemon["level"], daemon["text"]) == ("warning", "docker: no answer within 5 s")


def test_captured_facts_say_the_same_elsewhere(stack_cli: Cli) -> None:
    done = stack_cli("doctor", "--facts", env={"https_proxy": "http://ada:secret@proxy:3128"})
    assert done.returncode == 0
    assert "secret" not in done.stdout
    facts, need = from_json(json.loads(done.stdout))
    assert {one.check for one in examine(facts, need)} >= {"proxy", "ports", "open-files"}


@pytest.mark.component("docker")
def test_a_docker_daemon_that_comes_and_goes(
    stack_cli: Cli, docker: Dockerd, free_port: Callable[[], int], selftest_gguf: Path
) -> None:
    model = {
        "sources": {"llama-cpp": {"path": str(selftest_gguf), "engine": {"image": IMAGE}}},
        "context": 2048,
        "serve": {"port": free_port()},
    }
    stack = {"version": 1, "endpoint": {"listen": f"127.0.0.1:{free_port()}"}, "models": {"tiny": model}}
    (stack_cli.home.work / "stack.yaml").write_text(json.dumps(stack))
    env = {"DOCKER_HOST": docker.host}
    found = checks(stack_cli, env=env)
    assert [found[name][0]["level"] for name in ("docker-daemon", "docker-api", "images")] == ["ok"] * 3
    model["sources"]["llama-cpp"]["engine"]["image"] = "stack-test/none:1"
    (stack_cli.home.work / "stack.yaml").write_text(json.dumps(stack))
    (missing,) = [one for one in checks(stack_cli, env=env, exit_code=4)["images"] if one["level"] == "grave"]
    assert missing["mend"] == "docker pull stack-test/none:1"
    docker.stop()
    found = checks(stack_cli, env=env, exit_code=4)
    assert found["docker-daemon"][0]["level"] == "grave"
    assert f"Cannot connect to the Docker daemon at {docker.host}" in found["docker-daemon"][0]["text"]
    assert found["images"][0]["text"] == "cannot be checked: docker does not answer"

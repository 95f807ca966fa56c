"""The words of `docker run`, without docker; tests/e2e/test_containers.py has the real one."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from orchestrator.core import containers
from orchestrator.core.launch import Container, Launch, Process
from tests.planned import after
from tests.plans import contained, fake

IMAGE = "vllm/vllm-openai:v0.32.0@sha256:abc"


def of(model: str = "org/a:1", **how: object) -> Launch:
    launch = contained(fake(model, 18500))
    assert isinstance(launch.how, Container)
    return replace(launch, how=replace(launch.how, image=IMAGE, argv=("--model", "/w", "a b"), **how))  # type: ignore[arg-type]


def test_a_container_is_named_after_stack_and_model_in_dockers_alphabet() -> None:
    assert containers.name("rig", "org/a:1") == "stack-rig-org-a-1-d2d6ef"
    assert containers.name("rig", "org/a.1") != containers.name("rig", "org/a:1")


def test_it_runs_in_the_foreground_and_is_never_pulled() -> None:
    words = containers.run_argv("rig", of())
    assert words[:6] == ("docker", "run", "--rm", "--init", "--pull", "never")
    assert not {"-d", "--detach", "--gpus", "--ipc", "--shm-size", "--mount", "--entrypoint"} & set(words)
    assert words[-4:] == (IMAGE, "--model", "/w", "a b")
    assert after(words, "--name") == containers.name("rig", "org/a:1")


def test_its_port_is_published_on_loopback_alone() -> None:
    assert after(containers.run_argv("rig", of()), "--publish") == "127.0.0.1:18500:8000"


def test_it_is_known_again_by_its_labels() -> None:
    launch = of()
    words = containers.run_argv("rig", launch)
    told = {words[i + 1] for i, word in enumerate(words) if word == "--label"}
    assert told == {"stack.name=rig", "stack.model=org/a:1", f"stack.hash={launch.hash}"}
    assert f"STACK_RUN=rig/org/a:1/{launch.hash}" in words
    assert launch.hash != of(shm_size=1).hash


def test_gpus_memory_and_entry_point() -> None:
    words = containers.run_argv(
        "rig", of(gpus=("0", "GPU-1"), ipc="host", shm_size=2**30, entrypoint=("vllm", "serve"))
    )
    assert next(csv.reader([after(words, "--gpus")])) == ["device=0,GPU-1"]
    assert (after(words, "--ipc"), after(words, "--shm-size")) == ("host", str(2**30))
    assert after(words, "--entrypoint") == "vllm"
    assert words[-5:] == (IMAGE, "serve", "--model", "/w", "a b")
    assert after(containers.run_argv("rig", of(gpus=("1",))), "--gpus") == "device=1"


@pytest.mark.parametrize("source", ["/w", "/a,b", '/a"b', "/a b=c", "/é"])
def test_a_mount_survives_dockers_csv(source: str) -> None:
    mounts = ((source, "/w", "ro"), ("/cache", source, "rw"))
    words = containers.run_argv("rig", of(mounts=mounts))
    read = [next(csv.reader([words[i + 1]], strict=True)) for i, word in enumerate(words) if word == "--mount"]
    assert read == [
        ["type=bind", f"source={source}", "target=/w", "readonly"],
        ["type=bind", "source=/cache", f"target={source}"],
    ]


def test_a_name_in_place_of_a_path_is_a_volume_that_is_known_again() -> None:
    words = containers.run_argv("rig", of(mounts=(("cache", "/root/.cache", "rw"),)))
    assert after(words, "--mount") == "type=volume,source=cache,target=/root/.cache,volume-label=stack.name=rig"


def test_a_secret_is_named_and_a_plain_variable_is_told() -> None:
    words = containers.run_argv("rig", replace(of(), secret_names=("HF_TOKEN",), env=(("A", "b c"),)))
    told = [words[i + 1] for i, word in enumerate(words) if word == "--env"]
    assert told[-1] == "HF_TOKEN"
    assert "A=b c" in told


def test_docker_stop_gives_it_that_many_seconds() -> None:
    assert containers.stop_argv("rig", of("a"), 8) == ("docker", "stop", "-t", "8", containers.name("rig", "a"))


def test_a_process_is_no_container() -> None:
    assert isinstance(fake("a", 1).how, Process)
    with pytest.raises(AssertionError):
        containers.run_argv("rig", fake("a", 1))

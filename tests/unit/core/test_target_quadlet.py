"""The unit files that we render for podman, read by its real generator; what it would start is read back from that."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import containers
from orchestrator.core.launch import Attach, Container, Launch
from orchestrator.core.plan import Plan
from orchestrator.core.planner.plan_json import plan_from_json
from orchestrator.core.spec import Endpoint
from orchestrator.core.targets.quadlet import TARGET, word
from orchestrator.edge import templates
from orchestrator.errors import PlanError
from tests import nasty, quadlets
from tests.planned import after
from tests.plans import SITE, contained, fake, plan_of
from tests.quadlets import Sections

MODEL = "org/a:1"
UNIT = "stack-t-org-a-1-d2d6ef"
real = pytest.mark.component("quadlet")


def engine(model: str = MODEL, **how: Any) -> Launch:
    launch = contained(fake(model, 18500, timeout=1200), **how)
    return replace(launch, owner="manager", address=f"stack-t-{model}:8000")


def of(*launches: Launch, **more: Any) -> Plan:
    made = replace(plan_of(*(launches or (engine(),)), name="t"), manager="quadlet")
    return replace(made, **{"listen": (("127.0.0.1", 8484),), **more})


def with_keys(plan: Plan, **keys: dict[str, str]) -> Plan:
    endpoint = Endpoint.model_validate({"keys": keys})
    return replace(plan, stack=plan.stack.model_copy(update={"endpoint": endpoint}))


def files(plan: Plan) -> dict[str, str]:
    return {artifact.path: artifact.text for artifact in TARGET.render(plan, templates.render, SITE)}


def generated(plan: Plan, folder: Path) -> dict[str, Sections]:
    done = quadlets.generate(quadlets.write(TARGET.render(plan, templates.render, SITE), folder))
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.split("Loading source unit file")) == len(quadlets.units(done)) + 1, done.stderr
    return quadlets.units(done)


def started(plan: Plan, folder: Path, unit: str = UNIT) -> tuple[str, ...]:
    return tuple(quadlets.started(generated(plan, folder)[f"{unit}.service"]))


def told(words: tuple[str, ...], flag: str) -> list[str]:
    return [words[i + 1] for i, text in enumerate(words) if text == flag]


def test_it_renders_the_gateway_each_engine_a_network_and_the_plan() -> None:
    plan = of(engine(), engine("b"))
    made = files(plan)
    names = ["gateway.container", "b-3e23e8.container", "org-a-1-d2d6ef.container", "plan.json"]
    assert sorted(made) == sorted([*(f"quadlet/stack-t-{name}" for name in names), "quadlet/stack-t.network"])
    assert plan_from_json(made["quadlet/stack-t-plan.json"]) == plan
    assert {artifact.mode for artifact in TARGET.render(plan, templates.render, SITE)} == {0o644, 0o600}


@real
def test_an_engine_as_the_generator_starts_it(tmp_path: Path) -> None:
    mounts = (("/w 1", "/w", "ro"), ("/home/me/cache", "/c", "rw"), ("volume", "/v", "rw"))
    launch = engine(mounts=mounts, gpus=("0", "GPU-5e0c"), shm_size=2**30, entrypoint=("vllm", "ser ve é"))
    launch = replace(launch, env=(("PLAIN", "a b"),), secret_names=("HF_TOKEN",))
    units = generated(of(launch), tmp_path)
    words = tuple(quadlets.started(units[f"{UNIT}.service"]))
    assert isinstance(launch.how, Container)
    assert after(words, "--name") == UNIT
    assert words[-len(launch.how.argv) - 1 :] == ("docker.io/stack-test/engine:1", *launch.how.argv)
    assert json.loads(after(words, "--entrypoint")) == ["vllm", "ser ve é"]
    assert told(words, "-v") == ["/w 1:/w:ro", "/home/me/cache:/c:rw", "volume:/v:rw"]
    assert told(words, "--device") == ["nvidia.com/gpu=0", "nvidia.com/gpu=GPU-5e0c"]
    assert (after(words, "--shm-size"), after(words, "--network")) == (str(2**30), "stack-t")
    assert after(words, "--publish") == "127.0.0.1:18500:8000"
    assert {"PLAIN=a b", f"STACK_RUN=t/{MODEL}/{launch.hash}", f"STACK_STATE={SITE.states}"} == set(
        told(words, "--env")
    )
    assert {"stack.name=t", f"stack.model={MODEL}", f"stack.hash={launch.hash}"} < set(told(words, "--label"))
    assert [text.partition(",")[2] for text in told(words, "--secret")] == ["type=env,target=HF_TOKEN"]
    assert after(words, "--security-opt") == "label=disable"
    assert "-t" not in words
    service = units[f"{UNIT}.service"]["Service"]
    assert ("ExecStartPre", "mkdir -p -m 700 -- /home/me/cache") in service
    assert ("TimeoutStartSec", "3000") in service, "1200 s of loading and half an hour of fetching the image"
    assert ("Restart", "always") in service
    unit = units[f"{UNIT}.service"]["Unit"]
    assert ("Requires", "stack-t-network.service") in unit
    assert units[f"{UNIT}.service"]["Install"] == [("WantedBy", "default.target")]


@real
def test_the_gateway_finds_plan_state_and_socket_where_they_are_outside(tmp_path: Path) -> None:
    plan = of(listen=(("localhost", 8484), ("::1", 8484), ("10.0.0.1", 80)))
    unit = generated(plan, tmp_path)["stack-t-gateway.service"]
    words = tuple(quadlets.started(unit))
    assert ("Wants", f"{UNIT}.service") in unit["Unit"], "one start for all of it"
    image = words.index("localhost/stack-gateway:1.2.3")
    assert words[image + 1 :] == ("serve", "--plan", "/etc/stack/plan.json", "--name", "t")
    assert told(words, "--publish") == ["127.0.0.1:8484:8484", "[::1]:8484:8484", "10.0.0.1:80:80"]
    assert told(words, "-v") == [
        f"{tmp_path}/stack-t-plan.json:/etc/stack/plan.json:ro",
        f"{SITE.state}:{SITE.state}:rw",
        f"{SITE.sockets}:{SITE.sockets}:rw",
    ]
    assert (after(words, "--userns"), after(words, "--user"), after(words, "--pull")) == (
        "keep-id",
        "1000:1000",
        "never",
    )
    environment = dict(text.split("=", 1) for text in told(words, "--env"))
    assert f"{environment['XDG_STATE_HOME']}/stack/t" == SITE.state
    assert f"{environment['XDG_RUNTIME_DIR']}/stack-{SITE.uid}" == SITE.sockets
    assert json.loads(after(words, "--health-cmd"))[:2] == ["python3", "-c"]


def test_a_changed_plan_changes_the_gateways_unit_and_no_engines() -> None:
    before, now = files(of()), files(of(names={MODEL: MODEL, "alias": MODEL}))
    changed = {path for path in now if now[path] != before[path]}
    assert changed == {"quadlet/stack-t-gateway.container", "quadlet/stack-t-plan.json"}


@real
def test_keys_are_secrets_of_podman_and_the_file_says_how_to_make_them(tmp_path: Path) -> None:
    cloud = replace(fake("cloud", 1), how=Attach("https://x/v1", ("env", "CLOUD_KEY")), port=None, owner="external")
    plan = with_keys(of(engine(), cloud), me={"file": "/home/me/my key"}, you={"file": "/home/me/my key"})
    words = started(plan, tmp_path, "stack-t-gateway")
    assert sorted(text.partition(",")[2] for text in told(words, "--secret")) == [
        "type=env,target=CLOUD_KEY",
        "type=mount,target=/home/me/my key",
    ]
    names = {text.partition(",")[0] for text in told(words, "--secret")}
    made = re.findall(r"^# First: (.*)$", files(plan)["quadlet/stack-t-gateway.container"], re.MULTILINE)
    assert {re.search(r"podman secret create (\S+)", line)[1] for line in made} == names  # type: ignore[index]
    assert any(line.endswith(" '/home/me/my key'") for line in made)
    assert any(line.startswith('printf %s "$CLOUD_KEY" | podman secret create ') for line in made)


@real
def test_no_key_of_quadlets_is_there_for_ipc(tmp_path: Path) -> None:
    words = started(of(engine(ipc="host", shm_size=1)), tmp_path)
    assert "--ipc=host" in words
    assert "--shm-size" not in words, "podman refuses both together"


@real
def test_an_unknown_key_is_refused_by_the_generator(tmp_path: Path) -> None:
    """So that a key that we get wrong is seen."""
    quadlets.write(TARGET.render(of(), templates.render, SITE), tmp_path)
    unit = tmp_path / f"{UNIT}.container"
    unit.write_text(unit.read_text().replace("RunInit=true", "RunInitt=true"))
    done = quadlets.generate(tmp_path)
    assert done.returncode != 0
    assert "unsupported key 'RunInitt' in group 'Container'" in done.stderr


@real
@pytest.mark.parametrize(
    ("image", "named"),
    [
        ("vllm/vllm-openai:v0.32.0", "docker.io/vllm/vllm-openai:v0.32.0"),
        ("ghcr.io/ggml-org/llama.cpp:server-b1", "ghcr.io/ggml-org/llama.cpp:server-b1"),
        ("localhost:5000/a:1", "localhost:5000/a:1"),
        ("mine:1", "mine:1"),
        ("a/b@sha256:abc", "docker.io/a/b@sha256:abc"),
    ],
)
def test_podman_is_told_the_registry(image: str, named: str, tmp_path: Path) -> None:
    launch = engine()
    assert isinstance(launch.how, Container)
    assert named in started(of(replace(launch, how=replace(launch.how, image=image))), tmp_path)


@real
def test_every_nasty_value_arrives(tmp_path: Path) -> None:
    launch = nasty.container(tmp_path, 18500, nasty.VALUES, nasty.VALUES)
    folder = tmp_path / "units"
    words = started(nasty.plan(launch, "t", "quadlet"), folder, containers.name("t", nasty.MODEL))
    assert isinstance(launch.how, Container)
    assert words[-len(launch.how.argv) :] == launch.how.argv
    assert {f"{name}={value}" for name, value in launch.env} < set(told(words, "--env"))


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")) | st.sampled_from(("", ";")), min_size=1)
)
def test_words_are_split_by_systemds_rules_into_what_was_meant(values: list[str]) -> None:
    """Without the generator: the words that it reads, and what systemd makes of `%` and `$` after it."""
    line = " ".join(map(word, values))
    assert "\n" not in line
    service = [("Environment", "STACK_EMPTY= STACK_SEMICOLON=;"), ("ExecStart", f"podman {line}")]
    assert quadlets.started({"Service": service})[1:] == values


@pytest.mark.parametrize("bad", ["/a:b", "/a\nPull=always", "/a\\"])
def test_a_path_that_no_volume_can_say_is_refused_with_its_place(bad: str) -> None:
    launch = replace(engine(mounts=((bad, "/w", "ro"),)), source="models.m.sources.vllm")
    with pytest.raises(PlanError) as caught:
        files(of(launch))
    assert [problem.where for problem in caught.value.problems] == ["models.m.sources.vllm"]


@pytest.mark.parametrize("bad", ["\x80", "\ufdd0", "\U0001ffff"])
def test_a_character_that_gets_lost_on_the_way_is_refused_with_its_place(bad: str) -> None:
    launch = engine()
    assert isinstance(launch.how, Container)
    how = replace(launch.how, argv=("--x", f"a{bad}"))
    with pytest.raises(PlanError) as caught:
        files(of(replace(launch, how=how, env=(("A", bad),))))
    assert [problem.where for problem in caught.value.problems] == [f"models.{MODEL}", f"models.{MODEL}.serve.env.A"]


def test_a_state_folder_that_no_volume_can_say_is_refused() -> None:
    with pytest.raises(PlanError, match="cannot say this path: '/a:b/t'"):
        TARGET.render(of(), templates.render, replace(SITE, state="/a:b/t"))


def test_what_cannot_be_said_is_refused_with_its_place() -> None:
    process = replace(fake("p", 1), source="models.p.sources.mlx-lm")
    image = engine("i")
    assert isinstance(image.how, Container)
    image = replace(image, how=replace(image.how, image="a b\nPull=always"))
    plan = with_keys(of(process, image, listen=(("rig.lan", 8484),)), k={"file": "/a,b"})
    with pytest.raises(PlanError) as caught:
        files(plan)
    places = [problem.where for problem in caught.value.problems]
    assert places == ["models.p.sources.mlx-lm", "models.i", "endpoint.listen", "endpoint.keys.k"]

"""The property lists that we emit for launchd, read back by plistlib, xmllint and a schema of launchd's keys.

No launchd runs here: what it would make of them is read from launchd.plist(5).
"""

from __future__ import annotations

import plistlib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import containers, swap_render
from orchestrator.core.launch import Process, marker
from orchestrator.core.plan import Plan, slug
from orchestrator.core.planner.plan_json import plan_to_json
from orchestrator.core.target import Artifact
from orchestrator.core.targets.launchd import (
    BAD,
    EXIT_ENGINE,
    EXIT_GATEWAY,
    EXIT_SWAP,
    FRESH,
    TARGET,
    jobs,
    label,
    text,
)
from orchestrator.edge import templates
from orchestrator.edge.run import embedded, llama_swap, session
from orchestrator.errors import PlanError
from tests.launchd_keys import SCHEMA
from tests.planned import local, mac, planned, stack
from tests.plans import SITE, contained, fake, plan_of

DTD = Path(__file__).parents[2] / "plist.dtd"
ALLOWED = st.text(st.characters(codec="utf-8").filter(lambda char: not BAD.search(char)))
NAMES = st.text(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), min_size=1, max_size=8)


def plan(**top: Any) -> Plan:
    """A resident and one on demand, on a Mac."""
    models = {"org/r": local("/r", roles=["default"]), "d": local("/d")}
    made = stack(models, **({"service": "login"} | top))
    return planned(made, mac())


def render(made: Plan) -> tuple[Artifact, ...]:
    return TARGET.render(made, templates.render, SITE)


def read(made: Plan) -> dict[str, dict[str, Any]]:
    """By label, as plistlib reads the files; each holds launchd's keys and nothing else."""
    found = {}
    for artifact in render(made):
        values = plistlib.loads(artifact.text.encode())
        assert artifact.path == f"launchd/{values['Label']}.plist", "launchd expects <Label>.plist"
        jsonschema.validate(values, SCHEMA)
        found[values["Label"]] = values
    return found


def test_one_agent_each_for_the_gateway_and_the_residents() -> None:
    made = plan()
    found = read(made)
    assert list(found) == ["stack-t-gateway", f"stack-t-{slug('org/r')}"], "on-demand engines are the supervisor's"
    gateway, engine = found.values()
    assert gateway["ProgramArguments"] == [*SITE.stack, "serve", "--plan", f"{SITE.state}/plan.json", "--name", "t"]
    launch = made.launch("org/r")
    assert isinstance(launch.how, Process)
    assert engine["ProgramArguments"] == list(launch.how.argv)
    env = engine["EnvironmentVariables"]
    assert (env["STACK_RUN"], env["STACK_STATE"]) == (marker("t", launch), "/home/me/.local/state/stack")
    assert {name: env[name] for name, _ in launch.env} == dict(launch.env)
    for job in found.values():
        assert job["WorkingDirectory"] == SITE.state
        assert (job["RunAtLoad"], job["KeepAlive"], job["AbandonProcessGroup"]) == (True, True, False)
        assert job["ProcessType"] == "Interactive"
        assert "UserName" not in job
        assert job["SoftResourceLimits"] == {"NumberOfFiles": 65536}
        assert job["EnvironmentVariables"]["HOME"] == SITE.home


def test_the_logs_are_where_they_are_without_a_service_manager() -> None:
    logs = [(job["StandardOutPath"], job["StandardErrorPath"]) for job in read(plan()).values()]
    expected = [f"{SITE.state}/logs/{name}.log" for name in ("daemon", slug("org/r"))]
    assert logs == [(path, path) for path in expected]


def test_with_the_machine_it_is_a_daemon_that_runs_as_the_user() -> None:
    for job in read(plan(service="boot")).values():
        assert job["UserName"] == "me"
        assert "SoftResourceLimits" not in job, "of a daemon it would set kern.maxfiles for the whole machine"


def test_a_changed_plan_changes_the_gateways_file_alone() -> None:
    before, after = plan(), plan(probe={"on_up": "none"})
    assert plan_to_json(before) != plan_to_json(after)
    changed = [new.path for old, new in zip(render(before), render(after), strict=True) if old != new]
    assert changed == ["launchd/stack-t-gateway.plist"]
    again = TARGET.render(before, templates.render, replace(SITE, version="9"))
    assert [a.path for a, b in zip(render(before), again, strict=True) if a != b] == changed
    assert render(before) == render(plan())


def test_launchd_waits_longer_than_our_own_parts_do() -> None:
    found = [job["ExitTimeOut"] for job in read(plan(supervisor="llama-swap")).values()]
    assert found == [EXIT_GATEWAY, EXIT_SWAP, EXIT_ENGINE]
    assert session.LEAVE < EXIT_GATEWAY
    assert llama_swap.SHUTDOWN < EXIT_SWAP
    assert max(embedded.GRACE, containers.STOP) < EXIT_ENGINE


def test_llama_swap_is_known_by_its_config() -> None:
    made = plan(supervisor="llama-swap")
    job = read(made)["stack-t-llama-swap"]
    config = f"{SITE.state}/artifacts/llama-swap/config.yaml"
    assert job["ProgramArguments"] == ["/opt/llama-swap", "-config", config, "-listen", f"127.0.0.1:{made.swap_port}"]
    digest = swap_render.digest(made, templates.render)
    assert job["EnvironmentVariables"]["STACK_RUN"] == f"t/@llama-swap/{digest}"
    assert job["StandardOutPath"] == f"{SITE.state}/logs/llama-swap.log"


def managed(launch: Any, **changes: Any) -> Plan:
    return replace(plan_of(replace(launch, owner="manager", **changes), name="t"), manager="launchd")


def engine_of(made: Plan) -> dict[str, Any]:
    return list(read(made).values())[1]


def test_a_container_is_docker_run_in_the_foreground_after_what_was_left_is_gone() -> None:
    made = managed(contained(fake("a", 18500)), env=(("A", "b"),))
    (launch,) = made.launches
    job = engine_of(made)
    assert job["ProgramArguments"] == [*FRESH, containers.name("t", "a"), *containers.run_argv("t", launch)]
    assert "A" not in job["EnvironmentVariables"], "docker's command line says it"
    assert job["EnvironmentVariables"]["STACK_RUN"] == marker("t", launch)


def test_the_shell_before_a_container_hands_every_word_on(tmp_path: Path) -> None:
    """The real /bin/sh, and a docker that writes down what it is told."""
    (tmp_path / "docker").write_text('#!/bin/sh\nfor word in "$@"; do printf "%s\\0" "$word" >> "$0.said"; done\n')
    (tmp_path / "docker").chmod(0o755)
    words = ["run", "a b", "$HOME", "'", '"', "*", "", "\n", "-e"]
    done = subprocess.run(
        [*FRESH, "stack-t-a", "docker", *words], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True
    )
    assert done.returncode == 0
    said = (tmp_path / "docker.said").read_bytes().decode().split("\0")[:-1]
    assert said == ["rm", "-f", "stack-t-a", *words]


def test_a_name_on_path_is_found_by_a_shell() -> None:
    launch = fake("a", 18500)
    job = engine_of(managed(launch, how=Process(("whisper-server", "--port", "1"), cwd="/srv")))
    assert job["ProgramArguments"] == ["/bin/sh", "-c", 'exec "$@"', "stack", "whisper-server", "--port", "1"]
    assert "/opt/homebrew/bin" in job["EnvironmentVariables"]["PATH"].split(":")
    assert job["WorkingDirectory"] == "/srv"


@pytest.mark.parametrize("bad", ["\x00", "\x1b", "\r", "\ufffe", "\ud800"], ids=repr)
def test_what_a_property_list_cannot_hold_is_refused_with_its_place(bad: str) -> None:
    launch = fake("a", 18500, f"--x={bad}", env=(("A", bad), ("B", "fine")))
    with pytest.raises(PlanError) as caught:
        render(managed(launch))
    assert caught.value.exit_code == 3
    assert [problem.where for problem in caught.value.problems] == ["models.a", "models.a.serve.env.A"]
    assert [problem.text for problem in caught.value.problems][1] == "a property list cannot hold this character"


def test_a_folder_that_a_property_list_cannot_hold_is_named() -> None:
    with pytest.raises(PlanError, match=r"stack-t-gateway: a property list cannot hold '/home/\\x1b/plan.json'"):
        jobs(plan(), replace(SITE, state="/home/\x1b"))


def test_what_launchd_cannot_do_is_refused_with_its_place() -> None:
    launch = replace(fake("a", 18500), source="models.a.sources.command", secret_names=("TOKEN",))
    made = managed(launch, how=Process(("/bin/x",), stop=("/bin/stop",)))
    with pytest.raises(PlanError) as caught:
        render(made)
    assert [(problem.where, problem.mend) for problem in caught.value.problems] == [
        ("models.a", "service: none"),
        ("models.a.sources.command.stop", "leave it out, or `residency: on-demand`"),
    ]


def test_a_label_is_a_file_name() -> None:
    assert label("a--b", slug("org/x:1")) == f"stack-a--b-{slug('org/x:1')}"
    made = replace(plan(), name="a--b")  # two dashes may not stand in a comment of XML
    for artifact in render(made):
        plistlib.loads(artifact.text.encode())


@given(st.lists(ALLOWED, min_size=1), st.dictionaries(NAMES, ALLOWED))
def test_any_argv_and_environment_survive(argv: list[str], env: dict[str, str]) -> None:
    values = {"Label": "x", "ProgramArguments": argv, "EnvironmentVariables": env, "KeepAlive": True, "ExitTimeOut": 5}
    assert plistlib.loads(text(values).encode()) == values


def lint(artifact: Artifact, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "job.plist"
    file.write_text(artifact.text)
    argv = ["xmllint", "--nonet", "--noout", "--dtdvalid", str(DTD), str(file)]
    return subprocess.run(argv, capture_output=True, text=True)


@pytest.mark.component("xmllint")
def test_it_is_valid_xml_by_the_dtd(tmp_path: Path) -> None:
    nasty = managed(fake("a", 18500, "<&>", "]]>", "'\"", " é\n\t😀", env=(("A", "<!--"),)))
    for made in (plan(supervisor="llama-swap"), plan(service="boot"), nasty):
        for artifact in render(made):
            done = lint(artifact, tmp_path)
            assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.component("xmllint")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good.replace("<true/>", "<yes/>", 1),
        lambda good: good.replace("<key>RunAtLoad</key>", "", 1),
        lambda good: good.replace("<integer>", "<int>", 1).replace("</integer>", "</int>", 1),
    ],
    ids=["no such element", "a value without its key", "no such type"],
)
def test_the_dtd_finds_what_is_wrong(spoil: Callable[[str], str], tmp_path: Path) -> None:
    (good, *_) = render(plan())
    assert spoil(good.text) != good.text
    assert lint(replace(good, text=spoil(good.text)), tmp_path).returncode != 0


@pytest.mark.parametrize(
    "wrong",
    [
        *({"KeepAlives": True}, {"ExitTimeOut": "190"}, {"ExitTimeOut": True}, {"ProcessType": "interactive"}),
        *({"EnvironmentVariables": {"A": 1}}, {"ProgramArguments": "x"}, {"SoftResourceLimits": {"NoFile": 1}}),
    ],
    ids=str,
)
def test_the_schema_finds_what_is_wrong(wrong: dict[str, Any]) -> None:
    good = next(iter(read(plan()).values()))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(good | wrong, SCHEMA)

"""The config that we emit for llama-swap, without llama-swap: tests/e2e/test_llama_swap_config.py has the real one."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.core import containers
from orchestrator.core.host import Engine
from orchestrator.core.launch import Container, Launch
from orchestrator.core.plan import Plan
from orchestrator.core.swap_config import Config
from orchestrator.core.targets.llama_swap import TARGET, command, config
from orchestrator.edge import templates
from orchestrator.errors import PlanError
from tests.nasty import VALUES
from tests.planned import GIB, linux, local, planned, stack, weights
from tests.plans import SITE, contained, fake

CAPTURED = Path(__file__).parents[2] / "captured" / "llama_swap"
NASTY = (*VALUES.values(), "\n# x", "tail\\\n", "\x7f", "\\")


def render(plan: Plan) -> str:
    (artifact,) = TARGET.render(plan, templates.render, SITE)
    assert artifact.path == "llama-swap/config.yaml"
    return artifact.text


def two(**top: Any) -> Plan:
    known = {"/a": weights("/a", 10 * GIB), "/b": weights("/b", 10 * GIB), "/r": weights("/r")}
    models = {
        "r": local("/r", roles=["default"]),
        "org/a": local("/a", "vllm-mlx", ttl="10m", aliases=["ay"], serve={"concurrency": 2, "queue": 3}),
        "b": local("/b", preload=True, serve={"start_timeout": "20m"}),
    }
    return planned(stack(models, **top), linux(16 * GIB), known)


def test_it_parses_back_equal_to_the_plan() -> None:
    plan = two()
    read = yaml.safe_load(render(plan))
    assert Config.model_validate(read) == config(plan)
    for launch in plan.launches:
        entry = read["models"][launch.model]
        assert tuple(shlex.split(entry["cmd"])) == launch.how.argv  # type: ignore[union-attr]
        assert entry["proxy"] == f"http://127.0.0.1:{launch.port}"
        assert entry["checkEndpoint"] == launch.ready.path
        assert f"STACK_RUN=t/{launch.model}/{launch.hash}" in entry["env"]


def test_the_traps() -> None:
    read = yaml.safe_load(render(two()))
    assert read["healthCheckTimeout"] == 1200  # global only: the longest start of all
    assert read["captureBuffer"] == 0  # it would store whole prompts
    assert read["sendLoadingState"] is False
    assert read["models"]["b"]["useModelName"] == "default_model"
    assert "useModelName" not in read["models"]["org/a"]
    assert read["models"]["org/a"]["concurrencyLimit"] == 2 + 3 + 8
    assert read["models"]["org/a"]["aliases"] == ["ay"]
    assert "${" not in render(two())


def test_by_itself_it_keeps_ttl_and_preloads_but_our_daemon_decides_both() -> None:
    alone = yaml.safe_load(render(two()))
    assert alone["hooks"]["on_startup"]["preload"] == ["r", "b"]
    assert alone["models"]["org/a"]["ttl"] == 600
    ours = yaml.safe_load(render(two(supervisor="llama-swap")))
    assert "hooks" not in ours
    assert {model["ttl"] for model in ours["models"].values()} == {0}


def test_the_matrix_is_the_plans_sets() -> None:
    matrix = yaml.safe_load(render(two()))["routing"]["router"]["settings"]["matrix"]
    assert matrix == {
        "vars": {"m0": "r", "m1": "org/a", "m2": "b"},
        "sets": {"s0": "m0 & m1", "s1": "m0 & m2"},
    }


def test_a_model_beyond_the_64_sets_has_one_with_the_residents() -> None:
    plan = two()
    matrix = config(replace(plan, sets=(("r", "b"),))).routing.router.settings.matrix
    assert matrix.sets == {"s0": "m0 & m2", "s1": "m0 & m1"}


def test_attached_models_are_not_in_it() -> None:
    cloud = {"sources": {"openai": {"url": "https://x/v1", "key": {"env": "CLOUD_KEY"}}}}
    text = render(planned(stack({"m": local(roles=["default"]), "cloud": cloud})))
    assert "cloud" not in text
    assert "CLOUD_KEY" not in text
    with pytest.raises(PlanError, match="every model is attached"):
        config(planned(stack({"cloud": cloud})))


def test_only_what_the_version_knows() -> None:
    def of(version: str) -> Config:
        plan = two()
        return config(replace(plan, host=replace(plan.host, llama_swap=Engine("/ls", version))))

    assert of("250").models["b"].unload_timeout == 20
    assert of("239").models["b"].unload_timeout is None
    assert of("0").models["b"].unload_timeout is None
    assert of("").models["b"].unload_timeout is None
    with pytest.raises(PlanError, match="v200 is too old: v225"):
        of("200")


def test_a_macro_in_a_users_value_is_refused_with_its_place() -> None:
    plan = planned(stack({"m": local(serve={"unchecked_args": ["--x", "${HOME}"], "env": {"A": "${env.B}"}})}))
    with pytest.raises(PlanError) as caught:
        config(plan)
    assert [problem.where for problem in caught.value.problems] == [
        "models.m.serve.unchecked_args.1",
        "models.m.serve.env.A",
    ]


def test_a_secret_is_named_never_held() -> None:
    plan = two()
    launches = tuple(replace(launch, secret_names=("TOKEN",)) for launch in plan.launches)
    assert "TOKEN=${env.TOKEN}" in config(replace(plan, launches=launches)).models["b"].env


def in_containers(version: str = "250", **changes: Any) -> tuple[Plan, Launch]:
    launch = replace(contained(fake("org/a", 18500)), secret_names=("TOKEN",), env=(("A", "b c"),), **changes)
    plan = two()
    names = {"org/a": "org/a"}
    host = replace(plan.host, llama_swap=Engine("/ls", version))
    return replace(plan, launches=(launch,), names=names, sets=(("org/a",),), host=host), launch


def test_a_container_runs_in_the_foreground_and_docker_stops_it() -> None:
    plan, launch = in_containers()
    entry = Config.model_validate(yaml.safe_load(render(plan))).models["org/a"]
    assert split(entry.cmd) == containers.run_argv("t", launch)
    assert entry.cmd_stop is not None
    assert split(entry.cmd_stop) == ("docker", "stop", "-t", "15", containers.name("t", "org/a"))
    assert entry.unload_timeout == 20, "docker's patience ends before llama-swap's"
    assert entry.proxy == "http://127.0.0.1:18500"
    assert sorted(entry.env) == [f"STACK_RUN=t/org/a/{launch.hash}", "TOKEN=${env.TOKEN}"]
    assert "TOKEN" in split(entry.cmd)


def test_an_old_version_waits_ten_seconds_and_docker_less() -> None:
    entry = config(in_containers("239")[0]).models["org/a"]
    assert entry.cmd_stop is not None
    assert split(entry.cmd_stop)[3] == "8"
    assert entry.unload_timeout is None


def test_a_macro_in_what_a_container_is_told_is_refused_with_its_place() -> None:
    plan, launch = in_containers()
    assert isinstance(launch.how, Container)
    how = replace(launch.how, mounts=(("/a${b}", "/w", "ro"),))
    with pytest.raises(PlanError) as caught:
        config(replace(plan, launches=(replace(launch, how=how, env=(("A", "${env.B}"),)),)))
    assert [problem.where for problem in caught.value.problems] == ["models.org/a", "models.org/a.serve.env.A"]


def split(cmd: str) -> tuple[str, ...]:
    """As llama-swap does (internal/config/commands.go): a look at the lines, then POSIX words."""
    lines = []
    for line in cmd.split("\n"):
        trimmed = line.strip()
        if trimmed.startswith("#"):
            continue
        lines.append(trimmed.removesuffix("\\") + " " if trimmed.endswith("\\") else line)
    return tuple(shlex.split("\n".join(lines)))


@given(st.lists(st.sampled_from(NASTY) | st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1))
def test_any_argv_survives_cmd_and_yaml(arguments: list[str]) -> None:
    argv = ("/bin/engine", *arguments)
    assert split(command(argv)) == argv
    quoted = templates._quoted(command(argv))
    assert yaml.safe_load(quoted) == command(argv)


@pytest.mark.parametrize("file", sorted(CAPTURED.glob("*.yaml")), ids=lambda file: file.stem)
def test_captured_cases_of_the_real_binary(file: Path) -> None:
    """Their first line says what the real llama-swap does (`accepts`, `refuses`, `ignores`); ours is never laxer."""
    text = file.read_text()
    verdict = re.match(r"# real: (accepts|refuses|ignores)", text)
    assert verdict, f"{file}: the first line must say what the real one does"
    data = yaml.safe_load(text)
    if verdict[1] == "accepts":
        Config.model_validate(data)
    else:
        with pytest.raises(ValidationError):
            Config.model_validate(data)

"""The units that we render, without a running systemd: tests/e2e/test_systemd.py and test_nasty.py have that."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import containers, swap_render
from orchestrator.core.host import Gpu
from orchestrator.core.launch import Process, marker
from orchestrator.core.plan import Plan, slug
from orchestrator.core.planner.planning import plan as make_plan
from orchestrator.core.systemd_text import command, quoted
from orchestrator.core.systemd_units import Systemd
from orchestrator.core.targets.systemd import TARGET
from orchestrator.core.targets.systemd_system import TARGET as SYSTEM
from orchestrator.edge import templates
from orchestrator.edge.discover import backends
from orchestrator.edge.run import embedded, llama_swap, session
from orchestrator.errors import PlanError
from orchestrator.pipeline import digest
from tests.nasty import VALUES
from tests.planned import linux, local, stack, weights
from tests.plans import SITE, contained

GATEWAY = "stack-t-gateway.service"
R, ENGINE = f"stack-t-{slug('r')}.service", f"stack-t-{slug('org/a')}.service"


def plan(r: dict[str, Any] | None = None, *, gpus: int = 0, **top: Any) -> Plan:
    """r resident by its role, org/a by its word, b on demand."""
    models = {
        "r": local("/r", roles=["default"], **(r or {})),
        "org/a": local("/a", "vllm-mlx", residency="resident"),
        "b": local("/b"),
    }
    known = {path: weights(path) for path in ("/r", "/a", "/b")}
    host = replace(linux(), gpus=tuple(Gpu(i, f"GPU-{i}", "H100", 80 * 2**30) for i in range(gpus)))
    return make_plan(stack(models, service="login", **top), host, known, name="t", backends=backends())


def change(plan: Plan, model: str, **changes: Any) -> Plan:
    launches = tuple(replace(one, **changes) if one.model == model else one for one in plan.launches)
    return replace(plan, launches=launches)


def render(plan: Plan, target: Systemd = TARGET, **site: Any) -> dict[str, str]:
    """File name -> text."""
    made = target.render(plan, templates.render, replace(SITE, **site))
    folder = f"{target.name}/"
    assert all(artifact.path.startswith(folder) for artifact in made)
    return {artifact.path.removeprefix(folder): artifact.text for artifact in made}


def values(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def words(line: str, *, dollars: bool) -> tuple[str, ...]:
    """As systemd reads words in double quotes: C escapes, then `%%`, then (ExecStart=) `$$`."""
    found = []
    for word in re.findall(r'"((?:[^"\\]|\\.)*)"(?: |$)', line):
        plain = re.sub(rb"\\(x[0-9a-f]{2}|.)", _unescaped, word.encode())
        text = plain.decode("utf-8", "surrogateescape")
        assert not re.search(r"(?<!%)(%%)*%(?!%)", text), text
        text = text.replace("%%", "%")
        found.append(text.replace("$$", "$") if dollars else text)
    return tuple(found)


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1][1:], 16)]) if match[1].startswith(b"x") else match[1]


def environment(text: str) -> dict[str, str]:
    lines = [words(line, dollars=False) for line in values(text, "Environment")]
    assert all(len(line) == 1 for line in lines)
    return dict(line[0].split("=", 1) for line in lines)


def argv(text: str) -> tuple[str, ...]:
    (line,) = values(text, "ExecStart")
    return words(line, dollars=True)


def test_one_unit_each_for_the_gateway_and_what_is_resident() -> None:
    made = plan()
    files = render(made)
    assert set(files) == {"stack-t.target", R, ENGINE, GATEWAY}
    for model, file in (("r", R), ("org/a", ENGINE)):
        launch = made.launch(model)
        assert isinstance(launch.how, Process)
        assert argv(files[file]) == launch.how.argv
        own = {"STACK_RUN": marker("t", launch), "STACK_STATE": SITE.states}
        assert environment(files[file]).items() >= {**dict(launch.env), **own}.items()
    assert argv(files[GATEWAY]) == (*SITE.stack, "serve", "--plan", f"{SITE.state}/plan.json", "--name", "t")
    assert environment(files[GATEWAY])["STACK_PLAN"] == digest(made)
    assert "STACK_RUN" not in environment(files[GATEWAY]), "it is no engine"
    assert values(files["stack-t.target"], "Wants") == [f"{R} {ENGINE} {GATEWAY}"]
    assert values(files["stack-t.target"], "WantedBy") == ["default.target"]
    assert all(values(files[name], "PartOf") == ["stack-t.target"] for name in (R, ENGINE, GATEWAY))
    assert values(files[GATEWAY], "After") == [f"{R} {ENGINE}"], "it leaves first: what it serves is still there"


def test_llama_swap_has_a_unit_by_whose_marker_the_gateway_knows_it() -> None:
    made = plan(supervisor="llama-swap")
    text = render(made)["stack-t-llama-swap.service"]
    config = f"{SITE.state}/artifacts/llama-swap/config.yaml"
    assert argv(text) == ("/opt/llama-swap", "-config", config, "-listen", f"127.0.0.1:{made.swap_port}")
    digest = swap_render.digest(made, templates.render)
    assert environment(text)["STACK_RUN"] == f"t/@llama-swap/{digest}"


def test_a_text_says_all_that_its_unit_depends_on_and_nothing_else() -> None:
    before = render(plan())
    alias = render(plan({"aliases": ["wee"]}))
    assert {name for name in before if before[name] != alias[name]} == {GATEWAY}
    flag = render(plan({"serve": {"unchecked_args": ["--x"]}}))
    assert {name for name in before if before[name] != flag[name]} == {GATEWAY, R}
    upgrade = render(plan(), version="9.9.9")
    assert {name for name in before if before[name] != upgrade[name]} == {GATEWAY}
    assert render(plan()) == before


def test_time_outs_lie_above_our_own() -> None:
    files = render(plan(supervisor="llama-swap"))
    patience = {name: int(values(text, "TimeoutStopSec")[0]) for name, text in files.items() if ".service" in name}
    assert patience[GATEWAY] > session.LEAVE
    assert patience["stack-t-llama-swap.service"] > llama_swap.SHUTDOWN
    assert patience[R] > embedded.GRACE
    kills = {name: values(text, "KillMode")[0] for name, text in files.items() if ".service" in name}
    assert kills == {name: "process" if name == GATEWAY else "mixed" for name in kills}


def test_tries_end_before_their_time_is_over() -> None:
    """Else a unit that fails at once would be started for ever."""
    for text in render(change(plan(), "r", how=contained(plan().launch("r")).how)).values():
        if "[Service]" in text:
            (pause,), (burst,) = values(text, "RestartSec"), values(text, "StartLimitBurst")
            (interval,) = values(text, "StartLimitIntervalSec")
            assert int(burst) * (int(pause) + 1) < int(interval)


def test_a_container_is_docker_run_in_the_foreground() -> None:
    made = plan()
    made = change(made, "r", how=contained(made.launch("r")).how, env=(("A", "b c"),))
    launch, text = made.launch("r"), render(made)[R]
    assert argv(text) == ("/bin/sh", "-c", 'exec "$@"', "stack", *containers.run_argv("t", launch))
    name = containers.name("t", "r")
    (before,), (stop,) = values(text, "ExecStartPre"), values(text, "ExecStop")
    assert (before[0], stop[0]) == ("-", "-"), "there may be nothing to remove, or to stop"
    assert words(before[1:], dollars=True)[4:] == ("docker", "rm", "--force", name)
    assert words(stop[1:], dollars=True)[4:] == ("docker", "stop", "-t", str(containers.STOP), name)
    assert environment(text)["STACK_RUN"] == marker("t", launch)
    assert "A" not in environment(text), "docker's own environment is not the engine's"
    assert int(values(text, "TimeoutStopSec")[0]) > containers.STOP


def test_what_makes_a_command_end_is_asked_first() -> None:
    made = change(plan(), "r", how=Process(("my-engine", "--x"), cwd="/srv/50%", stop=("my-engine", "--stop")))
    text = render(made)[R]
    assert argv(text) == ("/bin/sh", "-c", 'exec "$@"', "stack", "my-engine", "--x"), "found by PATH"
    assert words(values(text, "ExecStop")[0][1:], dollars=True)[4:] == ("my-engine", "--stop")
    assert values(text, "WorkingDirectory") == ["/srv/50%%"]


def hardened(made: Plan) -> set[str]:
    return {name for name, text in render(made).items() if values(text, "NoNewPrivileges")}


def test_what_may_need_a_setuid_helper_is_not_hardened() -> None:
    """CUDA starts nvidia-modprobe; the gateway's children inherit what it may not."""
    assert hardened(plan()) == {R, ENGINE, GATEWAY}
    assert hardened(plan(gpus=1)) == set()
    swap = "stack-t-llama-swap.service"
    assert hardened(plan(gpus=1, supervisor="llama-swap")) == {GATEWAY}
    assert hardened(plan(supervisor="llama-swap")) == {R, ENGINE, swap, GATEWAY}
    assert hardened(change(plan(), "r", backend="command")) == {ENGINE, GATEWAY}
    assert hardened(change(plan(), "b", backend="command")) == {R, ENGINE}


def test_what_a_unit_cannot_hold_is_refused_with_its_place() -> None:
    env = (("A", "a\x01b"), ("B-C", "x"), ("D", "fine\tand\nfine"))
    made = change(plan(), "r", env=env, how=Process(("/e",), cwd="/srv/a\nb"), secret_names=("TOKEN",))
    made = change(made, "b", env=env)
    with pytest.raises(PlanError) as caught:
        render(made)
    found = [problem.where for problem in caught.value.problems]
    source = "models.r.sources.mlx-lm"
    assert found == ["models.r", "models.r.serve.env.A", "models.r.serve.env.B-C", source], "not b: it runs on demand"
    with pytest.raises(PlanError, match="a unit cannot hold"):
        render(plan(), env=(("HF_HOME", "/a\x01"),))


def test_no_secret_is_in_a_unit() -> None:
    key = {"keys": {"laptop": {"file": "/secret/laptop.key"}}}
    assert "laptop.key" not in "".join(render(plan(endpoint=key)).values())


@given(st.lists(st.sampled_from([*VALUES.values()]) | st.text(), min_size=1))
def test_any_argv_survives_the_escaping(arguments: list[str]) -> None:
    line = command(("/bin/engine", *arguments))
    assert words(line, dollars=True) == ("/bin/engine", *arguments)
    assert line.isprintable(), "one line, whatever a reader takes for its end"


@pytest.mark.parametrize("program", ["engine", "/opt/it's/engine", '/opt/"x"/engine', "/opt/a\tb", "/opt/dir/", "-x"])
def test_a_program_that_systemd_would_not_take_is_started_by_a_shell(program: str) -> None:
    assert words(command((program, "x")), dollars=True) == ("/bin/sh", "-c", 'exec "$@"', "stack", program, "x")


def test_bytes_that_are_no_text_are_written_as_bytes() -> None:
    assert quoted(os.fsdecode(b"\xff%\n")) == r'"\xff%%\x0a"'


TARGETS = pytest.mark.parametrize(("target", "score"), [(TARGET, 70), (SYSTEM, 35)], ids=["user", "system"])


@pytest.mark.component("systemd")
@TARGETS
def test_systemd_itself_finds_nothing_wrong(target: Systemd, score: int, tmp_path: Path) -> None:
    """It exits with 0 for an unknown key too, but says it. Here every program must be one that is there."""
    files = render(plan(supervisor="llama-swap"), target, stack=("/bin/true",), user="root")
    for name, text in files.items():
        (tmp_path / name).write_text(re.sub('(?<=^ExecStart=)"[^"]*"', '"/bin/true"', text, flags=re.MULTILINE))
    env = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    tmp_path.chmod(0o700)
    scope = "--user" if target is TARGET else "--system"
    verify = ["systemd-analyze", "verify", scope, "--man=no", *(str(tmp_path / name) for name in files)]
    done = subprocess.run(verify, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.component("systemd")
@TARGETS
def test_the_score_that_the_documentation_names(target: Systemd, score: int, tmp_path: Path) -> None:
    """docs/services.md; in tenths."""
    for name, text in render(plan(), target).items():
        if name.endswith(".service"):
            (tmp_path / name).write_text(text)
            rate = [
                "systemd-analyze",
                "security",
                "--offline=true",
                f"--threshold={score}",
                "--no-pager",
                tmp_path / name,
            ]
            done = subprocess.run(rate, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout[-300:] + done.stderr

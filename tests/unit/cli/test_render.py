"""`stack render` as a whole process."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from tests.components import REPOSITORY
from tests.homes import Cli

HOST = ("--host", "host.json")


@pytest.fixture
def studio(stack_cli: Cli) -> Cli:
    for name in ("stack.yaml", "host.json"):
        shutil.copy(REPOSITORY / "examples/mac-studio" / name, stack_cli.home.work)
    return stack_cli


def test_one_target_is_printed(studio: Cli) -> None:
    done = studio("render", "llama-swap", *HOST)
    assert done.returncode == 0, done.stderr
    golden = (REPOSITORY / "tests/golden/mac-studio/llama-swap/config.yaml").read_text()
    # the paths of weights are those of host.json: nothing of this machine is in it
    assert yaml.safe_load(done.stdout) == yaml.safe_load(golden)


def test_what_a_target_cannot_say_is_told_beside_it(studio: Cli) -> None:
    file = studio.home.work / "stack.yaml"
    text = file.read_text()
    model = "  qwen3-coder-30b:\n"
    assert model in text
    file.write_text(text.replace(model, f"{model}    defaults: {{top_p: 0.9}}\n    strip: [seed]\n", 1))
    done = studio("render", "llama-swap", *HOST)
    assert done.returncode == 0
    told = "models.qwen3-coder-30b.defaults.top_p: is not set: llama-swap would set it whatever the client says"
    assert done.stderr == f"llama-swap/config.yaml: left out: {told}\n"
    assert f"# Not here: {told}\n" in done.stdout
    assert yaml.safe_load(done.stdout)["models"]["qwen3-coder-30b"]["filters"] == {"stripParams": "seed"}
    (artifact,) = json.loads(studio("render", "llama-swap", *HOST, "--json").stdout)
    assert artifact["notes"] == [told]


def test_all_targets_of_the_hosts_system(studio: Cli) -> None:
    done = studio("render", "--out", "out", *HOST)
    assert (done.returncode, done.stderr) == (0, "")
    files = sorted(str(path.relative_to(studio.home.work)) for path in (studio.home.work / "out").glob("*/*"))
    assert {file.split("/")[1] for file in files} == {"launchd", "llama-swap"}
    assert done.stdout == "".join(f"written {file}\n" for file in files)
    again = json.loads(studio("render", "--out", "out", *HOST, "--json").stdout)
    assert (again["written"], len(again["unchanged"])) == ([], len(files))


def test_a_target_that_cannot_say_it_is_left_out_with_its_reason(studio: Cli) -> None:
    file = studio.home.work / "stack.yaml"
    text = file.read_text().replace(
        "    serve: {concurrency: 2, queue: 8", '    serve: {env: {A: "\\e"}, concurrency: 2, queue: 8'
    )
    assert '"\\e"' in text
    file.write_text(text)
    done = studio("render", "--out", "out", *HOST)
    assert (done.returncode, done.stdout) == (0, "written out/llama-swap/config.yaml\n")
    assert done.stderr.startswith("launchd: left out: launchd cannot say this\n")
    assert "models.qwen3-coder-30b.serve.env.A: a property list cannot hold this character" in done.stderr


def test_a_file_edited_by_hand_is_exit_8_and_force_overwrites(studio: Cli) -> None:
    studio("render", "--out", "out", *HOST)
    file = studio.home.work / "out/llama-swap/config.yaml"
    rendered = file.read_text()
    file.write_text("# mine\n")
    done = studio("render", "--out", "out", *HOST)
    assert done.returncode == 8
    assert "edited by hand" in done.stderr
    assert file.read_text() == "# mine\n"
    assert studio("render", "--out", "out", *HOST, "--force").returncode == 0
    assert file.read_text() == rendered


@pytest.mark.parametrize(
    ("target", "code", "words"),
    [
        ("quadlet", 4, "quadlet is not for macos"),
        ("systemd", 4, "systemd is not for macos"),
        ("nginx", 2, "there is no target nginx"),
    ],
)
def test_what_cannot_be_had(studio: Cli, target: str, code: int, words: str) -> None:
    done = studio("render", target, *HOST)
    assert done.returncode == code
    assert words in done.stderr
    assert done.stdout == ""

"""`stack check --template`, and what `stack check` says of the templates of local weights."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from orchestrator.cli.main import run
from tests import weights_files
from tests.tool_templates import FORGETFUL, HOSTILE, TEMPLATES

Said = tuple[int, str, str]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stack(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *args: str) -> Said:
    monkeypatch.setattr(sys, "argv", ["stack", *args])
    with pytest.raises(SystemExit) as ended:
        run()
    return (ended.value.code or 0, *capsys.readouterr())  # type: ignore[return-value]


def folder(place: Path, name: str, template: str) -> None:
    made = weights_files.model_folder(place / name)
    (made / "chat_template.jinja").write_text(template)


def test_a_template_in_words(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "t.jinja").write_text(TEMPLATES["qwen3-coder"])
    code, out, err = stack(monkeypatch, capsys, "check", "--template", "t.jinja")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[:3] == ["t.jinja: writes qwen3-coder calls", "    <tool_call>", "    <function=look_up_tide>"]
    rows = {line.split()[0]: line.split() for line in lines if line.startswith("  ") and line[2] != " "}
    assert rows["vllm"][1:4] == ["qwen3_xml", "parsers:", "{tool:"]
    assert rows["vllm"][-3:] == ["--enable-auto-tool-choice", "--tool-call-parser", "qwen3_xml"]
    assert rows["vllm-mlx"][1:3] == ["0.6.0", "qwen3_xml"]
    assert rows["mlx-lm"][2:] == ["qwen3_coder", "infers", "it", "from", "the", "template"]
    assert rows["llama-cpp"][1] == "auto"


def test_a_template_in_json(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder(place, "m", TEMPLATES["deepseek-v3"])
    code, out, _ = stack(monkeypatch, capsys, "check", "--template", "m", "--json")
    found = json.loads(out)
    backends = {row["backend"]: row for row in found.pop("backends")}
    assert code == 0
    assert found.pop("call").startswith("<｜tool▁calls▁begin｜>")
    assert found.pop("refused").startswith("can only concatenate")
    assert found == {
        "file": "m",
        "format": "deepseek-v3",
        "takes_tools": True,
        "writes_calls": True,
        "family_by_markers": "deepseek-v3",
    }
    assert backends["vllm-mlx"]["parser"] == "deepseek"
    assert backends["vllm-mlx"]["also"] == ["deepseek_v3", "deepseek_r1"]
    assert backends["mlx-lm"]["parser"] == ""


def test_a_template_without_calls(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "t").write_text(FORGETFUL)
    assert stack(monkeypatch, capsys, "check", "--template", "t")[1].startswith("t: leaves tool calls out\n  family")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "t: No such file or directory"),
        (HOSTILE["not closed"], "t: is no template that can be used: unexpected end of template"),
        (HOSTILE["a gigabyte at once"], "t: is no template that can be used: it needs too much memory"),
    ],
    ids=["absent", "broken", "hostile"],
)
def test_no_template(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    words: str,
) -> None:
    if content is not None:
        (place / "t").write_text(content)
    code, out, err = stack(monkeypatch, capsys, "check", "--template", "t")
    assert (code, out) == (4, "")
    assert err.startswith(f"stack: {words}")


def test_a_folder_without_a_template(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "empty").mkdir()
    assert "empty: holds no chat template" in stack(monkeypatch, capsys, "check", "--template", "empty")[2]


YAML = """version: 1
models:
  coder:
    sources: {vllm-mlx: {path: ./coder}}
    parsers: {tool: glm47}
  plain:
    sources: {mlx-lm: {path: ./plain}, llama-cpp: {path: ./plain.gguf}}
  away:
    sources: {mlx-lm: {path: ./away}}
"""


def test_a_mismatch_is_a_warning_at_its_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "stack.yaml").write_text(YAML)
    folder(place, "coder", TEMPLATES["qwen3-coder"])
    folder(place, "plain", FORGETFUL)
    code, out, err = stack(monkeypatch, capsys, "check")
    assert (code, out) == (0, "stack.yaml: ok (3 models)\n")
    one, two = err.split("stack.yaml:")[1:]
    assert one.splitlines()[0] == (
        "5: warning: models.coder.parsers.tool: on vllm-mlx, parser glm47 (parsers.tool) does not read what the model "
        "writes; the template writes qwen3-coder calls: "
        r"<tool_call>\n<function=look_up_tide>\n<parameter=harbour>\nZeebrugge\n</parameter>\n<parameter=moment>"
        r"\n73519\n</parameter>\n</function>\n</tool_call>"
    )
    assert one.splitlines()[1:] == [
        "    5 |     parsers: {tool: glm47}",
        "   parsers: {tool: qwen3_xml}, which is right for vllm-mlx",
    ]
    assert two.startswith("7: warning: models.plain.sources.mlx-lm: the chat template leaves tool calls out")


def test_the_mend_mends(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "stack.yaml").write_text(YAML.replace("glm47", "qwen3_xml"))
    folder(place, "coder", TEMPLATES["qwen3-coder"])
    assert stack(monkeypatch, capsys, "check") == (0, "stack.yaml: ok (3 models)\n", "")


def test_a_bad_template_and_bad_weights_are_warnings(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "stack.yaml").write_text(YAML)
    folder(place, "coder", HOSTILE["many small pieces"])
    (place / "plain.gguf").write_bytes(b"GGUF")
    code, out, _ = stack(monkeypatch, capsys, "check", "--json")
    found = json.loads(out)
    assert (code, found["ok"]) == (0, True)
    said = {warning["where"]: warning["text"] for warning in found["warnings"]}
    assert "writes more than 1000000 characters" in said["models.coder.sources.vllm-mlx.path"]
    assert "truncated" in said["models.plain.sources.llama-cpp.path"]


def test_the_repositorys_own_stack_has_nothing_to_warn_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], selftest_model: Path
) -> None:
    file = str(selftest_model.parents[1] / "stack.yaml")
    assert stack(monkeypatch, capsys, "check", file)[2] == ""

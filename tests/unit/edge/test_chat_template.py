"""Templates rendered in a child process: formats as they come out of real Jinja, and what hostile ones may not do."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from orchestrator.core.spec import Source
from orchestrator.core.toolformat.known_call import CASES, NAME
from orchestrator.edge.modelfiles import chat_template
from orchestrator.edge.modelfiles.bad_weights import BadWeights
from orchestrator.edge.modelfiles.chat_template import BadTemplate, Template, look, read, rendered, template_of
from tests import weights_files
from tests.tool_templates import (
    DISGUISED,
    ENDLESS,
    FORGETFUL,
    HOSTILE,
    OLD_MISTRAL,
    SMUGGLED,
    TEMPLATES,
    TOOLLESS,
)

FILE = Path("chat_template.jinja")


def made(text: str, **tokens: str) -> Template:
    return Template(text, FILE, tokens)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_format_is_told_from_what_a_template_writes(name: str) -> None:
    seen = look(made(TEMPLATES[name]))
    assert seen.wire is not None, seen.call
    assert (seen.wire.name, seen.tools) == (name, True)


def test_the_selftest_model_writes_hermes_calls(selftest_model: Path, selftest_gguf: Path) -> None:
    for path in (selftest_model, selftest_model / "chat_template.jinja", selftest_gguf):
        template = read(path)
        assert template is not None
        seen = look(template)
        assert seen.wire is not None
        assert (seen.wire.name, seen.refused) == ("hermes", "")
        assert seen.call.startswith("<tool_call>\n{")
        assert seen.call.endswith("}\n</tool_call>")


def test_rendering_is_not_deceived_by_markers() -> None:
    disguised, smuggled = look(made(DISGUISED)), look(made(SMUGGLED))
    assert disguised.wire is not None
    assert disguised.wire.name == "qwen3-coder"
    assert smuggled.wire is None
    assert NAME in smuggled.call


def test_old_mistral_with_its_nine_letters() -> None:
    strict = "{% if c.id | length != 9 %}{{ raise_exception('nine letters') }}{% endif %}"
    seen = look(made(OLD_MISTRAL.replace("{{ dict(", strict + "{{ dict(")))
    assert seen.wire is not None
    assert (seen.wire.name, seen.refused) == ("mistral", "")


def test_what_a_template_leaves_out() -> None:
    assert look(made(FORGETFUL)).call == ""
    assert look(made(FORGETFUL)).tools
    assert not look(made(TOOLLESS)).tools


def test_a_template_that_wants_text_is_refused_by_those_who_give_objects() -> None:
    assert look(made(TEMPLATES["deepseek-v3"])).refused.startswith("can only concatenate str")
    assert look(made(TEMPLATES["deepseek-v3.1"])).refused == ""


def test_a_template_that_changes_a_list_is_refused_and_still_read() -> None:
    seen = look(made("{% set l = [] %}{% set _ = l.append(1) %}" + TEMPLATES["hermes"]))
    assert "append" in seen.refused
    assert seen.wire is not None
    assert seen.wire.name == "hermes"


def test_the_surroundings_are_those_of_transformers() -> None:
    text = (
        "{% for n in range(9) %}{% if n == 1 %}{% continue %}{% endif %}{% if n == 3 %}{% break %}{% endif %}{{ n }}"
        "{% endfor %}|"
        "{% generation %}kept{% endgeneration %}|{{ {'ü': '<'} | tojson }}|{{ strftime_now('%Y') | length }}|"
        "{{ bos_token }}{{ eos_token }}|{{ documents is none }}|{{ add_generation_prompt }}|"
        "{% set n = namespace(x=1) %}{% set n.x = 2 %}{{ n.x }}|{{ dict(a=1) | tojson(indent=1, sort_keys=true) }}|\n"
        "    {% if true %}\nno blank lines{% endif %}"
    )
    (first, *_) = rendered(made(text, bos_token="<s>"))
    assert first.call == '02|kept|{"ü": "<"}|4|<s>|True|False|2|{\n "a": 1\n}|\nno blank lines'


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ namespace(__class__=1) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{% include 'x' %}",
        "{{ messages.append(1) }}",
    ],
)
def test_the_sandbox_holds(text: str) -> None:
    found = rendered(made(text))
    assert all(one.error and not one.call for one in found)
    assert len(found) == len(CASES)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_ends_in_a_clear_error(name: str) -> None:
    with pytest.raises(BadTemplate, match="is no template that can be used: "):
        look(made(HOSTILE[name]))


def test_an_endless_template_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template, "SECONDS", 1)
    before = set(psutil.Process().children())
    with pytest.raises(BadTemplate, match="does not end within 1 s"):
        look(made(ENDLESS))
    assert set(psutil.Process().children()) <= before


def a_worker(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Another child process in the place of the one that renders."""
    file = folder / "worker.py"
    file.write_text(program)
    monkeypatch.setattr(chat_template, "WORKER", str(file))


def test_memory_is_watched_where_it_cannot_be_limited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on macOS: the child may have more than the parent lets it keep."""
    a_worker(monkeypatch, tmp_path, "import sys, time; sys.stdin.read(); x = b'x' * 200_000_000; time.sleep(60)")
    monkeypatch.setattr(chat_template, "MEMORY", 100_000_000)
    with pytest.raises(BadTemplate, match="takes more than 95 MiB"):
        look(made("x"))


@pytest.mark.parametrize(
    ("program", "words"),
    [("raise SystemExit('oh no')", "oh no"), ("import os; os.kill(os.getpid(), 9)", "signal 9")],
)
def test_a_child_that_breaks_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, words: str) -> None:
    a_worker(monkeypatch, tmp_path, program)
    with pytest.raises(BadTemplate, match=f"broke the process that rendered it: {words}"):
        look(made("x"))


def test_where_a_template_is(tmp_path: Path) -> None:
    folder = weights_files.model_folder(tmp_path / "m")
    config = {
        "chat_template": "{{ messages }}",
        "bos_token": {"content": "<s>"},
        "eos_token": "</s>",
        "pad_token": None,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    found = read(folder)
    assert found == Template("{{ messages }}", folder, {"bos_token": "<s>", "eos_token": "</s>"}, "qwen3")
    (folder / "other.jinja").write_text("other")
    source = Source(path=str(folder), chat_template=str(folder / "other.jinja"))
    assert template_of(source) == Template("other", folder / "other.jinja", found.tokens, "qwen3")


def test_a_template_in_a_gguf(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(
        weights_files.gguf({"general.architecture": "qwen3", "tokenizer.chat_template": "{{ messages }}"}, {})
    )
    assert read(file) == Template("{{ messages }}", file, model_type="qwen3")
    file.write_bytes(weights_files.gguf({"general.architecture": "qwen3"}, {}))
    assert read(file) is None
    file.write_bytes(b"GGUF and nothing more")
    with pytest.raises(BadWeights):
        read(file)


def test_what_is_not_here_is_no_error(tmp_path: Path) -> None:
    assert template_of(Source(path=str(tmp_path / "none"))) is None
    assert template_of(Source(repo="org/name")) is None
    assert template_of(Source(path=str(tmp_path))) is None


def test_a_file_that_is_no_template(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * (chat_template.MOST + 1))
    with pytest.raises(BadTemplate, match="larger than 1 MB"):
        read(tmp_path / "big")

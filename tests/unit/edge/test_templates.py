from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.edge import templates


def test_a_checkout_has_them_at_its_root() -> None:
    assert templates.folder() == templates.PACKAGE.parent / "templates"
    assert (templates.folder() / "llama-swap/config.yaml.j2").is_file()


def test_a_wheel_carries_them_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "PACKAGE", tmp_path)
    with pytest.raises(FileNotFoundError):
        templates.folder()
    (tmp_path / "_templates").mkdir()
    assert templates.folder() == tmp_path / "_templates"


def test_an_undefined_value_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        templates.render("llama-swap/config.yaml.j2", stack="x")
    with pytest.raises(TypeError, match="not a text"):
        templates._quoted(None)  # type: ignore[arg-type]


@given(st.text(st.characters(codec="utf-8")))
def test_quoted_is_a_yaml_scalar_that_reads_back(text: str) -> None:
    quoted = templates._quoted(text)
    assert yaml.safe_load(f"- {quoted}") == [text]
    assert "\n" not in quoted

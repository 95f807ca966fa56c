"""The files that `stack probe --save` writes, read back; the page by a parser of HTML."""

from __future__ import annotations

import json
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from orchestrator.core.dialogue.findings import Verdict
from orchestrator.core.dialogue.reports.safe import masked, plain
from orchestrator.edge.probe import report
from orchestrator.edge.probe.report import Reported, as_html, save, verdict_of
from orchestrator.errors import EngineError, UsageError
from tests.unit.dialogue.episodes import HOSTILE, failing, finding, paced, verdict

VOID = {"meta"}
KEY = "sk-very-secret-42"


class Read(HTMLParser):
    """Every element and text of a page; fails where an element is not closed in turn."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def failed() -> Verdict:
    said = ({"role": "user", "content": HOSTILE}, {"role": "assistant", "content": f"my key is {KEY}"})
    told = finding(text=f"got {HOSTILE}", evidence={"request": HOSTILE, "status": 401, "reply": f"bad key {KEY}"})
    times = tuple(paced(lambda prompt, new: 1e-3 * prompt))
    return verdict(failing(6, 9, None), [told], transcript=said, skipped=("raw arm: none",), pace=times)


def test_the_page_is_well_formed_and_shows_hostile_text_as_text() -> None:
    found = Read(as_html(Reported(failed(), cut_short="the <budget> ended"), "2026-01-01"))
    assert found.text.count(plain(HOSTILE).strip()) >= 3
    assert "the <budget> ended" in found.text
    assert "script" not in found.tags
    assert {"svg", "figure", "table", "details"} <= set(found.tags)
    assert found.tags.count("figure") == 4


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    text = as_html(Reported(failed(), failed()), "2026-01-01")
    found = Read(text)
    assert not {"link", "img", "iframe", "object", "script", "base", "form"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name in ("src", "href", "srcset", "action", "xlink:href")]
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert "http://" not in text
    assert "https://" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes


def test_a_and_b_are_on_one_page() -> None:
    a, b = verdict(failing(*[None] * 8), model="eight bits"), verdict(failing(*[3] * 8), model="four bits")
    found = Read(as_html(Reported(a, b)))
    assert "the difference is real (p = 0.016, 8 pairs): A holds longer" in found.text
    assert "A: eight bits" in found.text
    assert "B: four bits" in found.text
    lines = [value for name, value in found.attributes if name == "class" and value in ("line a", "line b")]
    assert lines == ["line a", "line b"]


def test_a_run_of_nothing_is_a_page_too() -> None:
    found = Read(as_html(Reported(verdict())))
    assert "svg" not in found.tags
    assert "no turns" in found.text


@pytest.mark.parametrize("other", [None, failed()])
def test_a_folder_gets_all_three_and_none_holds_the_key(tmp_path: Path, other: Verdict | None) -> None:
    shown = None if other is None else masked(other, KEY)
    files = save(Reported(masked(failed(), KEY), shown, ("auto", "free_run")), tmp_path / "new" / "reports")
    assert [file.name for file in files] == ["report.json", "junit.xml", "report.html"]
    texts = {file.suffix: file.read_text() for file in files}
    for text in texts.values():
        assert KEY not in text
        assert "[key]" in text or "key" not in text
    read = json.loads(texts[".json"])
    assert (read if other is None else read["b"])["verdict"] == "fail"
    assert fromstring(texts[".xml"].encode()).get("failures") == ("1" if other is None else "2")
    Read(texts[".html"])


@pytest.mark.parametrize("name", ["probe.json", "probe.xml", "probe.html"])
def test_a_name_tells_the_format(tmp_path: Path, name: str) -> None:
    (file,) = save(Reported(verdict()), tmp_path / name)
    assert [file] == list(tmp_path.iterdir())
    start = {"json": "{", "xml": "<?xml", "html": "<!doctype html>"}[name.split(".")[1]]
    assert file.read_text().lstrip().startswith(start)


def test_what_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"report\.pdf: a report is \.json, \.xml \(JUnit\) or \.html"):
        save(Reported(verdict()), tmp_path / "report.pdf")
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match=r"taken/report\.json cannot be written: "):
        save(Reported(verdict()), tmp_path / "taken")


def test_a_report_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "report.json"
    file.write_text("old")

    def broken(told: Reported) -> str:
        raise RuntimeError("no report")

    monkeypatch.setitem(report.KINDS, ".json", ("report.json", broken))
    with pytest.raises(RuntimeError):
        save(Reported(verdict()), file)
    assert (file.read_text(), list(tmp_path.iterdir())) == ("old", [file])


def test_a_verdict_comes_back_from_the_daemon_as_it_was() -> None:
    made = failed()
    assert verdict_of(json.loads(json.dumps(asdict(made)))) == made
    with pytest.raises(EngineError, match="the daemon's verdict cannot be read: findings: "):
        verdict_of({**asdict(made), "findings": 3})

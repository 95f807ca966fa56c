from __future__ import annotations

from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring, tostring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.dialogue.findings import Culprit
from orchestrator.core.dialogue.reports.safe import MASK, cleaned, cut, masked, plain, whole
from tests.unit.dialogue.episodes import HOSTILE, failing, finding, verdict

ANY = st.text(st.characters() | st.characters(categories=["Cs"]) | st.characters(max_codepoint=0xA0))


@given(ANY)
def test_plain_text_survives_xml_and_utf8(text: str) -> None:
    element = Element("x")
    element.text = plain(text)
    assert fromstring(tostring(element)).text == (plain(text) or None)
    assert len(plain(text)) == len(text)
    assert plain(plain(text)) == plain(text)


def test_plain_shows_what_it_replaces() -> None:
    assert plain("a\x00b\x1b[0m\r\n\t\x7f\ud800é日🙂") == "a␀b␛[0m␍\n\t␡\ufffdé日🙂"


@given(ANY)
def test_whole_text_can_be_written(text: str) -> None:
    assert len(whole(text).encode()) >= len(text)
    assert text.encode("utf-8", "ignore").decode() != text or whole(text) == text


@given(st.text(), st.integers(1, 50))
def test_cut_keeps_head_and_tail(text: str, most: int) -> None:
    short = cut(text, most)
    if len(text) <= most:
        assert short == text
        return
    head = most * 2 // 3
    assert short.startswith(text[:head])
    assert short.endswith(text[head - most :])
    assert f"{len(text) - most} characters" in short


def test_cleaned_reaches_every_text_and_keeps_the_rest() -> None:
    made = verdict(failing(3), [finding()], transcript=({"role": "user", "content": [{"text": HOSTILE}]},))
    found = cleaned(made)
    assert "\x00" not in repr(found)
    assert "\\x1b" not in repr(found)
    assert found.findings[0].culprit is Culprit.MODEL_OR_QUANTIZATION
    assert found.episodes == made.episodes
    assert found.findings[0].evidence["status"] == 200


@pytest.mark.parametrize("key", ["sk-live-1234567890", 'quo"ted\\key', "schlüssel-ß"])
def test_a_key_that_the_server_repeats_is_hidden(key: str) -> None:
    told = f"Incorrect API key provided: {key}."
    escaped = f'{{"error": "{key!s}"}}'.replace("\\", "\\\\").replace('"', '\\"')
    bad = finding(text=told, evidence={"request": "{}", "status": 401, "reply": told, "also": [escaped]})
    made = verdict(failing(1), [bad], transcript=({"role": "assistant", "content": told},))
    found = masked(made, key)
    shown = repr(found)
    assert key not in found.findings[0].text + found.findings[0].evidence["reply"] + found.transcript[0]["content"]
    assert repr(key)[1:-1] not in shown
    assert MASK in found.findings[0].evidence["also"][0]
    assert MASK in found.findings[0].text
    assert replace(found, findings=(), transcript=()) == replace(made, findings=(), transcript=())


def test_no_key_and_a_key_that_is_none_hide_nothing() -> None:
    made = verdict(failing(1), [finding(text="a bad day")])
    assert masked(made, None) is made
    assert masked(made, "a") is made

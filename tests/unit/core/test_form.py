"""core/wire/form.py and part.py: agree with python's own reader of MIME on any form, however it is cut."""

from __future__ import annotations

import email
import email.policy
import itertools
import json
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.wire.edits import UNCHANGED, Edits, alike
from orchestrator.core.wire.form import MAX_PARTS, Form
from orchestrator.core.wire.part import NotForm, boundary_of, content_type

B = b"frontier"
NAMES = st.sampled_from(["language", "prompt", "include[]", "max_tokens", "é"])
DATA = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b"\r\n", b"--", b"\r\n--", b"\r\n--frontie", b"--frontier", b"\r\n--fro\r\n--frontie\r"]),
)
FIELDS = st.lists(st.tuples(NAMES, DATA, st.booleans()), max_size=5)
CUTS = st.lists(st.integers(0, 5000), max_size=10)


def part(name: str, data: bytes, is_file: bool = False) -> bytes:
    more = '; filename="a.wav"\r\nContent-Type: audio/wav' if is_file else ""
    return b'--%b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (
        B,
        name.encode(),
        more.encode(),
        data,
    )


def body(*parts: bytes, tail: bytes = b"\r\n") -> bytes:
    return b"".join(parts) + b"--" + B + b"--" + tail


def pieces(raw: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(raw), *(c % (len(raw) + 1) for c in cuts)})
    return [raw[start:end] for start, end in itertools.pairwise(edges)]


def read(raw: bytes) -> list[tuple[str, bytes]]:
    """By the standard library."""
    head = b"MIME-Version: 1.0\r\nContent-Type: " + content_type(B) + b"\r\n\r\n"
    message = email.message_from_bytes(head + raw, policy=email.policy.HTTP)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    found = []
    for one in message.iter_parts():
        assert isinstance(one, EmailMessage)
        name = one.get_param("name", header="content-disposition")
        assert isinstance(name, str)
        data = one.get_payload(decode=True)
        assert isinstance(data, bytes)
        found.append((name.encode("utf-8", "surrogateescape").decode(), data))
    return found


def through(raw: bytes, cuts: list[int], model: str, edits: Edits) -> tuple[bytes, int | None]:
    """As the gateway does it: held until the model is known, then passed on piece by piece. (what went out, growth)"""
    form, out, grows, begun = Form(B), b"", None, False
    for piece in pieces(raw, cuts):
        form.feed(piece)
        if form.model is not None and not begun:
            grows, begun = form.begin(model, edits), True
        if begun:
            out += form.take()
    form.close()
    return out + form.take(), grows


@given(FIELDS, st.integers(0, 5), DATA.filter(lambda d: b"\r\n--frontier" not in d), CUTS)
def test_only_the_model_is_rewritten(
    fields: list[tuple[str, bytes, bool]], at: int, audio: bytes, cuts: list[int]
) -> None:
    parts = [part(*one) for one in fields] + [part("file", audio, True)]
    at %= len(parts) + 1
    raw = body(*parts[:at], part("model", b"tiny"), *parts[at:])
    out, grows = through(raw, cuts, "engine é", UNCHANGED)
    assert out == raw.replace(part("model", b"tiny"), part("model", "engine é".encode()))
    assert grows == len(out) - len(raw)
    form = Form(B)
    for piece in pieces(raw, cuts):
        form.feed(piece)
    form.close()
    assert form.model == "tiny"
    assert form.whole("engine é", UNCHANGED) == form.whole("engine é", UNCHANGED) == out


SOME = st.dictionaries(
    st.sampled_from(["language", "prompt", "include", "max_tokens", "max_completion_tokens"]),
    st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.none(), st.lists(st.text(max_size=3), max_size=2)),
    max_size=3,
)
TEXTS = st.lists(st.tuples(NAMES, st.sampled_from([b"a", b"b c", b"\xc3\xa9"]), st.booleans()), max_size=5)


def in_form(values: dict[str, Any]) -> list[tuple[str, bytes]]:
    found = []
    for key, value in values.items():
        name = f"{key}[]" if isinstance(value, list) else key
        several = [one for one in (value if isinstance(value, list) else [value]) if one is not None]
        found += [(name, (one if isinstance(one, str) else json.dumps(one)).encode()) for one in several]
    return found


@given(TEXTS, st.integers(0, 5), SOME, SOME, st.frozensets(st.sampled_from(["language", "include"])), CUTS)
def test_any_edits_of_any_form(
    fields: list[tuple[str, bytes, bool]],
    at: int,
    put: dict[str, Any],
    fill: dict[str, Any],
    drop: frozenset[str],
    cuts: list[int],
) -> None:
    fill = {key: value for key, value in fill.items() if not any(name in put for name in alike(key))}
    edits = Edits(*({k: json.dumps(v).encode() for k, v in values.items()} for values in (put, fill)), drop)
    given = [(name, data) for name, data, _ in fields]
    at %= len(given) + 1
    given = [*given[:at], ("model", b"tiny"), *given[at:]]
    out, _ = through(body(*(part(name, data) for name, data in given)), cuts, "engine", edits)
    gone = drop | {name for key in put for name in alike(key)}
    left = [(n, b"engine" if n == "model" else d) for n, d in given if n.removesuffix("[]") not in gone]
    said = {name.removesuffix("[]") for name, _ in left}
    late = {key: value for key, value in fill.items() if not said & {*alike(key)}}
    assert out == body(*(part(n, d) for n, d in in_form(put) + left + in_form(late)))
    assert all(b"\r\n--" not in data for _, data in read(out))


def test_the_standard_library_reads_the_same() -> None:
    raw = body(part("file", b"RIFF\r\n--fron\x00\xff", True), part("model", b"tiny"), part("language", b"de"))
    edits = Edits(put={"prompt": b'"x"'}, fill={"language": b'"en"', "temperature": b"0.5"}, drop=frozenset())
    out, grows = through(raw, [], "m", edits)
    assert grows is None
    assert [(name, data) for name, data in read(out) if name != "file"] == [
        ("prompt", b"x"),
        ("model", b"m"),
        ("language", b"de"),
        ("temperature", b"0.5"),
    ]


def disposition(text: bytes) -> bytes:
    return b"--%b\r\n%b\r\n\r\ntiny\r\n" % (B, text)


FINE = disposition(b'content-disposition: form-data; name="model"')


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "ends in the middle"),
        (b"hello, world", "does not begin"),
        (b"\r\n" + body(FINE), "does not begin"),
        (FINE, "ends in the middle"),
        (body(FINE)[:-3], "ends in the middle"),
        (body(FINE, tail=b"\r"), "ends in the middle"),
        (body(FINE, tail=b"\r\nmore"), "follows the form's end"),
        (body(FINE, FINE), "twice"),
        (body(part("model", b"x\r\n--frontierx")), "boundary line goes on"),
        (body(part("model", b"x", True)), "is a file"),
        (body(part("model", b"\xff")), "not UTF-8"),
        (body(part("model", b"m" * 2000)), "too long"),
        (body(part("x" * 9000, b"")), "headers of a part are too long"),
        (body(*(part("include[]", b"x") for _ in range(MAX_PARTS + 1))), "too many parts"),
        (body(disposition(b"Content-Type: text/plain")), "not form-data"),
        (body(disposition(b"Content-Disposition: form-data; filename=x")), "one plain `name`"),
        (body(disposition(b'Content-Disposition: form-data; name="mod\\el"')), "one plain `name`"),
        (body(disposition(b"Content-Disposition: form-data; name=a; name*=UTF-8''model")), "one plain `name`"),
        (body(disposition(b"Content-Disposition: form-data; name=a; name=model")), "one plain `name`"),
        (body(disposition(b'Content-Disposition: form-data; name="a"b')), "bad parameter"),
        (body(disposition(b"Content-Disposition: form-data; name=a\r\ncontent-disposition: x")), "there twice"),
        (body(disposition(b"Content-Disposition: form-data;\r\n name=a")), "bad header"),
        (body(disposition(b"Content-Disposition: form-data; name=a\nX: y")), "bad header"),
        (body(disposition(b"Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64")), "Transfer"),
    ],
)
def test_refused(raw: bytes, words: str) -> None:
    for cuts in ([], list(range(0, len(raw), max(1, len(raw) // 97)))):
        with pytest.raises(NotForm, match=words):
            through(raw, cuts, "m", UNCHANGED)


def test_a_value_of_ours_cannot_end_a_part() -> None:
    form = Form(B)
    form.feed(body(FINE))
    with pytest.raises(NotForm, match="choose another"):
        form.whole("m", Edits(fill={"prompt": json.dumps("x\r\n--frontier--").encode()}))


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        (b"multipart/form-data; boundary=abc", b"abc"),
        (b'Multipart/Form-Data; charset=utf-8; boundary="a b=c"', b"a b=c"),
        (b"application/json", None),
        (b"multipart/form-data", None),
        (b"multipart/form-data; boundary=", None),
        (b'multipart/form-data; boundary="a "', None),
        (b"multipart/form-data; boundary=a; boundary=b", None),
        (b"multipart/form-data; boundary=" + b"a" * 71, None),
    ],
)
def test_boundary(header: bytes, boundary: bytes | None) -> None:
    if boundary is None:
        with pytest.raises(NotForm):
            boundary_of(header)
    else:
        assert boundary_of(header) == boundary
        assert boundary_of(content_type(boundary)) == boundary


def test_a_file_is_not_kept_once_it_goes_out() -> None:
    form = Form(B)
    form.feed(part("model", b"tiny") + part("file", b"", True)[:-2])
    form.begin("tiny", UNCHANGED)
    for _ in range(2000):
        form.feed(b"x" * 4096)
        assert len(form.take()) >= 4000
        assert not form._parts[-1].data

"""Stack -> YAML -> Stack is equal, whatever the texts look like."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.spec import BACKENDS, Stack
from orchestrator.edge.stackfile.dump import dump
from orchestrator.edge.stackfile.load import parse
from orchestrator.edge.stackfile.yaml_nodes import BadYaml
from orchestrator.edge.stackfile.yaml_source import YamlSource

Strategy = st.SearchStrategy[Any]


def maps(keys: Strategy, values: Strategy) -> Strategy:
    return st.dictionaries(keys, values, max_size=3)


def some(required: dict[str, Any] | None = None, **optional: Strategy) -> Strategy:
    return st.fixed_dictionaries(required or {}, optional=optional)


WORDS = """1e5 010 0x1f 0.6.0 true yes on null ~ << = #c *a &a !t | > %n @x ` ' " é 日本 ${X} 2026-01-01 0o7 ... ---
.5 1_000 12:30 .inf {a} [a] -1 +1 \ufeff \x1b[0m \U0001f600"""
TRICKY = [*WORDS.split(), "- a", "a: b", "? a", "a #b", "a\nb", "\ta", " a ", "a\x85", "a\u2028b"]

text = st.sampled_from(TRICKY).filter(str.strip) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12
).filter(str.strip)
ident = st.from_regex(r"[a-z][a-z0-9.]{0,6}(-[a-z0-9]{1,4})?", fullmatch=True)
size = st.integers(0, 2**50)
scalar = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
leaf = scalar | text | st.just("")
json = st.recursive(leaf, lambda inner: st.lists(inner, max_size=3) | maps(text, inner), max_leaves=6)
env = maps(st.from_regex(r"[A-J_]{1,5}", fullmatch=True), st.sampled_from(["1e5", "on", ""]))
secret = some({"file": text}) | some({"env": st.from_regex(r"[A-Z][A-Z_]{0,5}", fullmatch=True)})
folder = some({"path": text.filter(lambda t: not t.lower().endswith(".gguf"))}, chat_template=text)
repo = some({"repo": st.just("o/n")}, revision=text, chat_template=text)
argument = st.sampled_from(["a", "${PORT}", "", "1e5", "- x"])
stop = st.sampled_from(["kill", "1e5", "on", "stop 'a b' ${PORT}", "- x", "#c", "a: b", "日本 \\$X"])
sources = some(
    {"mlx-lm": folder | repo},
    **{
        "llama-cpp": some({"path": text}, mmproj=text, draft=text),
        "ollama": some({"tag": text}),
        "openai": some({"url": st.just("http://h/v1")}, model=text, key=secret),
        "command": some({"cmd": st.lists(argument, min_size=1)}, stop=stop | st.lists(argument), env=env),
    },
)
listed = st.lists(folder.map(lambda one: {"backend": "vllm"} | one), min_size=1, max_size=3)
models = some(
    {"sources": sources | listed},
    family=text,
    capabilities=st.just(["chat", "tools"]),
    context=st.integers(1, 2**31 - 1),
    serve=some(
        concurrency=st.integers(1, 9),
        queue=st.integers(0, 9),
        start_timeout=st.integers(0, 9999),
        env=env,
        extra_args=st.lists(st.sampled_from(["--x", "", "1e5", "true", "${HOME}"])),
    ),
    memory=some(kv=size, kv_dtype=st.just("q8"), gpu=maps(st.integers(0, 9), size)),
    ttl=st.integers(0, 9999),
    preload=st.booleans(),
    parsers=some(tool=text, reasoning=text),
    defaults=maps(text, json),
    strip=st.lists(text, max_size=2, unique=True),
    gpus=st.lists(st.integers(0, 9) | st.just("GPU-1a2b"), min_size=1, max_size=2),
)
stacks = some(
    {"version": st.just(1), "models": st.dictionaries(ident, models, min_size=1, max_size=3)},
    name=st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True),
    endpoint=some(keys=maps(ident, secret), hosts=st.just(["studio.local"])),
    selection=st.lists(st.sampled_from(BACKENDS), unique=True),
    budget=some(host=some(reserve=size), gpu=maps(st.integers(0, 9), some(reserve=size))),
    backends=maps(st.sampled_from(BACKENDS), some(engine=some(version=text, bin=text, image=text))),
    probe=some(on_up=st.sampled_from(["none", "full"]), budget=st.integers(0, 99)),
    supervisor=st.sampled_from(["auto", "llama-swap"]),
)


@given(stacks)
@settings(deadline=None, max_examples=80)
def test_round_trip(data: dict[str, Any]) -> None:
    stack = Stack.model_validate(data)
    assert parse(dump(stack))[0] == stack


@given(json)
@settings(deadline=None)
def test_request_parameters_come_back_as_they_were(value: Any) -> None:
    stack = Stack.model_validate(
        {"version": 1, "models": {"a": {"sources": {"mlx-lm": {"path": "a"}}, "defaults": {"x": value}}}}
    )
    back = parse(dump(stack))[0].models["a"].defaults["x"]
    assert repr(back) == repr(value)


def test_only_what_differs_is_written() -> None:
    stack = Stack.model_validate({"version": 1, "models": {"a": {"sources": {"ollama": {"tag": "010"}}}}})
    assert dump(stack) == 'version: 1\nmodels:\n  a:\n    sources:\n      ollama:\n        tag: "010"\n'


@given(st.text(max_size=60) | st.text("a:-{}[]&*!|>'\"%@`#,?\n \t<~1", max_size=40))
@settings(deadline=None, max_examples=200)
def test_any_text_is_read_or_refused(written: str) -> None:
    with suppress(BadYaml):
        YamlSource.read(written).data()

"""YAML itself: 1.2's scalars, anchors, and what is refused in bounded time and memory."""

from __future__ import annotations

import pytest

from orchestrator.core.stackfile.reading import MOST
from orchestrator.edge.stackfile.yaml_nodes import MAX_DEPTH, MAX_NODES
from orchestrator.edge.stackfile.yaml_source import YamlSource
from orchestrator.errors import Problem
from tests.stack_text import MODEL, model, problems, read, source


def data(text: str) -> object:
    return YamlSource.read(text).data()


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("~", None),
        ("null", None),
        ("", None),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-01-01", "2026-01-01"),
        ("1e5", 100000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-3", -3),
        ("+3", 3),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("9" * 30, int("9" * 30)),
        ("9" * 50, "9" * 50),
        ("'5'", "5"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("!!int '5'", 5),
        ("! 5", "5"),
        ("=", "="),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_scalars_are_of_yaml_1_2(written: str, value: object) -> None:
    assert data(f"k: {written}") == {"k": value}


@pytest.mark.parametrize("written", ["1e5", "010", "0.6.0", "123", "1.10", "true", "0x1F", "yes", "+1", "2026-01-01"])
def test_unquoted_text_keeps_its_source_form(written: str) -> None:
    assert (
        read(source("mlx-lm", f"repo: o/n, revision: {written}")).models["a"].sources
        == read(source("mlx-lm", f"repo: o/n, revision: '{written}'")).models["a"].sources
    )
    assert read(source("ollama", f"tag: {written}")).models["a"].ordered_sources()[0][2].tag == written


def test_unquoted_text_in_lists_maps_keys_and_the_name() -> None:
    stack = read(
        "name: 123\nmodels: {1.50: {aliases: [7, 1e5], sources: {mlx-lm: {path: 010}}, "
        "serve: {extra_args: [--threads, 04, true], env: {1: 1.0, A: on}}}}"
    )
    one = stack.models["1.50"]
    assert (stack.name, one.aliases, one.serve.extra_args) == ("123", ("7", "1e5"), ("--threads", "04", "true"))
    assert one.serve.env == {"1": "1.0", "A": "on"}


def test_request_parameters_stay_what_they_are() -> None:
    defaults = read(model("defaults: {temperature: 0.70, n: 1, echo: true, stop: [a, 1], x-y: ~}")).models["a"].defaults
    assert defaults == {"temperature": 0.7, "n": 1, "echo": True, "stop": ["a", 1], "x-y": None}


def test_anchors_and_merge_keys() -> None:
    stack = read(
        """
        x-serve: &serve {concurrency: 4, queue: 2}
        x-more: &more {queue: 9, max_tokens: 5}
        models:
          a: {serve: *serve, sources: &s {mlx-lm: {path: a}}}
          b: {serve: {<<: [*serve, *more], concurrency: 8}, sources: *s}
        """
    )
    a, b = stack.models["a"].serve, stack.models["b"].serve
    assert (a.concurrency, a.queue) == (4, 2)
    assert (b.concurrency, b.queue, b.max_tokens) == (8, 2, 5)
    assert data('{"<<": 1}') == {"<<": 1}


def test_an_error_inside_an_anchor_is_shown_where_it_is_written() -> None:
    (one,) = problems("x-s: &s {prot: 1}\nmodels:\n  a: {serve: *s, sources: {mlx-lm: {path: a}}}")
    assert (one.where, one.line) == ("models.a.serve.prot", 2)


def bomb(levels: int = 9, width: int = 9) -> str:
    lines = ["x-0: &x0 [lol]"]
    lines += [f"x-{i}: &x{i} [{', '.join([f'*x{i - 1}'] * width)}]" for i in range(1, levels + 1)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "error", "line"),
    [
        (bomb(), f"holds more than {MAX_NODES} values once its aliases are expanded", 6),
        ("a: &a [*a]", "an alias stands inside the value that its anchor names", 1),
        ("a: &a {b: {<<: *a}}", "an alias stands inside the value that its anchor names", 1),
        ("a: 1\nb: *c", "an alias without an anchor before it", 2),
        ("a: {<<: 5}", "`<<` takes a mapping, or a list of mappings", 1),
        ("a: " + "[" * 5000, f"is nested deeper than {MAX_DEPTH} levels", 1),
        ("a: " + "{b: " * 5000, f"is nested deeper than {MAX_DEPTH} levels", 1),
        (f"a: [{'1,' * MAX_NODES}]", f"holds more than {MAX_NODES} values", 1),
        ("a: !!python/object:os.system x", "a tag that is not known", 1),
        ("a: 1\nb: !secret x", "a tag that is not known", 2),
        ("a: !!set {b}", "a tag that is not known", 1),
        ("a: !!int x", "`!!int` does not fit its value", 1),
        ("? [a]\n: 1", "a key must be text", 1),
        ("a: 1\n---\nb: 2", "a second document begins here", 2),
        ("a: 1\nb: \x07", "holds a character that YAML does not allow", 2),
    ],
)
def test_what_no_stack_yaml_holds(text: str, error: str, line: int) -> None:
    (one,) = problems(f"{text}\nmodels: {{}}\nversion: 1")
    assert (one.text, one.line) == (error, line)


def test_a_flood_of_problems_is_told_in_part() -> None:
    found = problems(model("\n".join(f"contex{i}: 1" for i in range(5000))))
    assert len(found) == MOST + 1
    assert f"and {5000 - MOST} more problems like these" in [one.text for one in found]
    assert problems(model(f"{'k' * 1000}: 1"))[0].text == "unknown key"


def test_deep_chains_of_aliases_are_refused() -> None:
    chain = "\n".join(["x-0: &x0 [1]"] + [f"x-{i}: &x{i} [*x{i - 1}]" for i in range(1, 3000)])
    (one,) = problems(chain)
    assert one.text == f"is nested deeper than {MAX_DEPTH} levels"


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: [1, 2\nb: 3", 2), ("a: 'x\n", 2), ("a: 1\n  b: 2", 2), ("a: 1\n\tb: 2", 2), ("a: }", 1), ("%x", 1), ("@", 1)],
)
def test_a_syntax_error_names_its_line(text: str, line: int) -> None:
    (one,) = problems(f"{text} # version: models:")
    assert one.text.startswith("is not valid YAML: ")
    assert one.line in (line, line + 1)


@pytest.mark.parametrize("text", ["", "\n\n", "# only words\n", "---\n", "null", "~", "{}"])
def test_an_empty_file_names_what_is_missing(text: str) -> None:
    found = problems(f"{text} # version: models:")
    assert [(one.where, one.text) for one in found] == [("models", "is missing"), ("version", "is missing")]


@pytest.mark.parametrize("text", ["[1]", "text", "5", "- a\n- b", "'null'"])
def test_another_root_than_a_mapping(text: str) -> None:
    excerpt = f"{text.splitlines()[0]}" if "\n" in text else f"{text} # version: models:"
    assert problems(f"{text} # version: models:") == [
        Problem("", "must be a mapping", "begin with `version: 1`", 1, excerpt)
    ]


def test_a_key_written_twice_is_shown_with_both_lines() -> None:
    text = f"version: 1\nname: a\n{MODEL}\nname: b\n"
    assert problems(text) == [Problem("name", "is written twice: here and in line 2", "keep one of them", 4, "name: b")]


def test_keys_are_the_same_however_they_are_quoted() -> None:
    found = problems("version: 1\nbudget:\n  gpu:\n    0: {}\n    '0': {}\nmodels:\n  a: {}\n  \"a\": {}")
    assert [(one.where, one.line) for one in found if "twice" in one.text] == [("budget.gpu.0", 5), ("models.a", 8)]


def test_a_windows_file_with_a_mark_and_tabs_after_values() -> None:
    assert read("version: 1\r\nname: a\t# x\r\n" + MODEL + "\r\n").name == "a"

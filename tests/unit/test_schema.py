"""The JSON Schema that editors use accepts what we accept, as far as it can see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from orchestrator.core.stackfile.schema import schema
from orchestrator.edge.stackfile.yaml_source import YamlSource
from tests.stack_text import model, whole

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "stack.yaml", *sorted((ROOT / "examples").glob("*/stack.yaml"))]


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(schema())
    return Draft202012Validator(schema())


def errors(validator: Draft202012Validator, text: str) -> list[str]:
    data: Any = YamlSource.read(text).data()
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(data)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_our_files(validator: Draft202012Validator, file: Path) -> None:
    assert errors(validator, file.read_text()) == []


def test_the_root_file_names_the_schema() -> None:
    first = (ROOT / "stack.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=docs/stack.schema.json"


@pytest.mark.parametrize(
    "text",
    [
        "x-a: 1\nbudget: {x-b: 1, gpu: {x-c: 1, 0: {reserve: 1GiB}}}\nbackends: {x-d: {}, mlx-lm: {x-e: 1}}",
        model("x-a: 1\nserve: {x-b: 1, env: {A: 1, B: true}, extra_args: [--threads, 4]}"),
        model("sources: {x-a: 1, mlx-lm: {path: a, x-b: 2, revision: 1e5}}"),
        model("sources: [{backend: mlx-lm, path: a}]\nmemory: {kv: 1GiB, gpu: {0: 5}}\nttl: 5m"),
        "name: studio\nendpoint: {listen: [127.0.0.1:1], keys: {a: {env: A}, b: {file: ~/b}}}",
    ],
)
def test_what_it_accepts(validator: Draft202012Validator, text: str) -> None:
    assert errors(validator, whole(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "modles: {}",
        "name: My Stack",
        "supervisor: systemd",
        "selection: [vlmm]",
        "endpoint: {keys: {a: secret}}",
        "endpoint: {keys: {a: {env: not a name}}}",
        model("prot: 1"),
        model("serve: {port: 0}"),
        model("sources: {mlx: {path: a}}"),
        model("sources: []"),
        model("roles: [Default]"),
        model("memory: {gpu: {zero: 1}}"),
        "models: {a: {}}",
        "models: {'a b': {sources: {mlx-lm: {path: a}}}}",
    ],
)
def test_what_it_refuses(validator: Draft202012Validator, text: str) -> None:
    assert errors(validator, whole(text))


def test_every_key_has_a_description() -> None:
    found = schema()
    for shape in (found, *found["$defs"].values()):
        assert shape["description"]
        for key, field in shape["properties"].items():
            assert field.get("description"), key

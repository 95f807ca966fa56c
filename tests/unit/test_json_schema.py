"""core/wire/json_schema.py beside jsonschema: what it calls a misfit is one, whatever the schema."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.wire.json_schema import fits

NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, -2.0]) | st.text("ab", max_size=3)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])
SIZES = st.integers(0, 3)


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, unique=True),
            "enum": st.lists(SCALARS, min_size=1, max_size=3),
            "const": SCALARS,
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "required": st.lists(NAMES, unique=True, max_size=2),
            "additionalProperties": inner,
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "minLength": SIZES,
            "maxLength": SIZES,
            "minItems": SIZES,
            "maxItems": SIZES,
            "minProperties": SIZES,
            "maxProperties": SIZES,
            "minimum": st.integers(-2, 2),
            "exclusiveMaximum": st.integers(-2, 2),
            "$ref": st.just("#/$defs/d"),
        },
    )


SCHEMAS = st.recursive(st.booleans() | st.just({}), schemas, max_leaves=4)
WIDER = {"patternProperties": {"^a": {"type": "string"}}, "not": {"type": "string"}, "pattern": "^b"}


@given(VALUES, SCHEMAS, st.booleans() | st.just({"type": "integer"}))
def test_it_says_what_jsonschema_says(value: Any, schema: Any, shared: Any) -> None:
    whole = {"$defs": {"d": shared}, "allOf": [schema]}
    assert fits(value, whole) == jsonschema.Draft202012Validator(whole).is_valid(value)


@given(VALUES, SCHEMAS, st.sampled_from(sorted(WIDER)), st.lists(SCHEMAS, min_size=1, max_size=2))
def test_it_never_sees_a_misfit_that_is_none(value: Any, schema: Any, keyword: str, several: list[Any]) -> None:
    whole = {"$defs": {"d": True}, "allOf": [schema], keyword: WIDER[keyword], "oneOf": several}
    if fits(value, whole) is False:
        assert not jsonschema.Draft202012Validator(whole).is_valid(value)


@given(VALUES, VALUES)
def test_a_schema_may_be_anything(value: Any, schema: Any) -> None:
    for key in ("type", "properties", "required", "items", "anyOf", "$ref", "enum", "minimum", "additionalProperties"):
        assert fits(value, {key: schema}) in (True, False, None)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}},
        {"allOf": [{"items": {"type": "integer"}}] * 6000},
    ],
)
def test_what_goes_round_or_on_for_ever_is_not_judged(schema: Any) -> None:
    assert fits([1], schema) is None


def test_a_tree_of_itself_is_judged() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}, "size": {"type": "integer"}}, "required": ["size"]}
    assert fits({"size": 1, "left": {"size": 2, "left": {"size": 3}}}, tree) is True
    assert fits({"size": 1, "left": {"size": 2, "left": {}}}, tree) is False


def test_what_other_tools_write() -> None:
    assert fits(None, {"type": "string", "nullable": True}) is True
    assert fits("x", {"type": "dict"}) is True
    assert fits({"a~b/": 1}, {"$ref": "#/x~1y", "x/y": {"required": ["a~b/"]}}) is True
    assert fits({}, {"$ref": "https://example.com/schema"}) is True

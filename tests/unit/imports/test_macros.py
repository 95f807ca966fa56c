"""llama-swap's macros, by its own rules; tests/e2e/test_import.py compares them with the real llama-swap."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.imports.macros import Macros


def model(
    macros: dict[str, Any], own: dict[str, Any] | None = None, env: dict[str, str] | None = None, **keys: Any
) -> Any:
    """A model `m` with its macros expanded; fails on any trouble."""
    made = Macros(env or {})
    made.top({"macros": macros})
    found = made.model("m", {"macros": own or {}, **keys})
    assert made.troubles == []
    return found


def wrong(macros: dict[str, Any], own: dict[str, Any] | None = None, **keys: Any) -> list[str]:
    made = Macros({})
    made.top({"macros": macros})
    made.model("m", {"macros": own or {}, **keys})
    return [f"{'.'.join(map(str, trouble.steps))}: {trouble.text}" for trouble in made.troubles]


def test_macros_in_macros() -> None:
    assert model({"a": "1", "b": "x${a}", "c": "${b}y"}, cmd="${c} ${a}")["cmd"] == "x1y 1"


def test_a_models_own_macro_replaces_the_global_one_in_its_place() -> None:
    assert model({"a": "1", "b": "x${a}"}, {"a": "2"}, cmd="${b}")["cmd"] == "x2"


def test_the_models_name_is_a_macro() -> None:
    assert model({"n": "-a ${MODEL_ID}"}, cmd="${n}", aliases=["${MODEL_ID}-x"]) == {"cmd": "-a m", "aliases": ["m-x"]}


def test_a_value_that_is_only_a_macro_keeps_its_type() -> None:
    found = model({"t": 0.5, "f": False, "n": 3}, cmd="${t} ${f}", ttl="${n}", filters={"setParams": {"a": "${f}"}})
    assert found == {"cmd": "0.5 false", "ttl": 3, "filters": {"setParams": {"a": False}}}


def test_names_under_set_params_by_id_are_expanded_and_other_keys_are_not() -> None:
    found = model({"a": "x"}, filters={"setParamsByID": {"${MODEL_ID}:${a}": {}}}, cmd="c", metadata={"k": "${a}"})
    assert found["filters"] == {"setParamsByID": {"m:x": {}}}
    assert found["metadata"] == {"k": "x"}


def test_port_and_pid_stay_and_comments_go() -> None:
    found = model({}, cmd="# ${nothing}\nserver ${PORT}", cmdStop="kill ${PID}")
    assert found == {"cmd": "server ${PORT}", "cmdStop": "kill ${PID}"}


def test_environment() -> None:
    env = {"DIR": "/m", "HF_TOKEN": "hf_secret", "PLAIN": "sk-0123456789"}
    found = model({"d": "${env.DIR}/x"}, env=env, cmd="${d} ${env.HF_TOKEN} ${env.PLAIN}")
    assert found["cmd"] == "/m/x ${env.HF_TOKEN} ${env.PLAIN}"  # what is or looks secret is never written out


@pytest.mark.parametrize(
    ("macros", "keys", "words"),
    [
        ({"a": "x${a}"}, {}, "macros.a: the macro holds itself: it has no end"),
        ({"a": "${b}", "b": "${a}"}, {"cmd": "${b}"}, "models.m.cmd: the macro ${b} is unknown here"),
        ({}, {"cmd": "${none}"}, "models.m.cmd: the macro ${none} is unknown here"),
        ({}, {"cmd": "kill ${PID}"}, "models.m.cmd: the macro ${PID} is unknown here"),
        ({"PORT": 1}, {}, "macros.PORT: PORT is llama-swap's own: a macro must have another name"),
        ({"a": [1]}, {}, "macros.a: a macro must be text, a number or a boolean"),
        ({"a b": 1}, {}, "macros.a b: is not a macro's name: at most 63 letters, digits, _ and -"),
        ({}, {"cmd": "${env.NONE}"}, "models.m.cmd: the environment variable NONE is not set here"),
    ],
)
def test_what_llama_swap_refuses_is_refused(macros: dict[str, Any], keys: dict[str, Any], words: str) -> None:
    assert wrong(macros, **keys) == [words]

"""Each check of `stack doctor` on captured cases: tests/captured/doctor/CHECK.json, a list of
{name, from: where the texts came from, facts, need, says}. `stack doctor --facts` prints both of a machine."""

from __future__ import annotations

import inspect
import json
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest

from orchestrator.core import doctor
from orchestrator.core.doctor.captured import from_json, to_json
from orchestrator.core.doctor.examine import CHECKS, examine, made, name_of
from orchestrator.core.doctor.facts import Facts
from orchestrator.core.doctor.need import Need
from orchestrator.core.doctor.result import Result, exit_code, ordered
from tests.components import REPOSITORY

CAPTURED = REPOSITORY / "tests" / "captured" / "doctor"
BY_NAME = {name_of(check): check for check in CHECKS}
CASES = [(file.stem, case) for file in sorted(CAPTURED.glob("*.json")) for case in json.loads(file.read_text())]


@pytest.mark.parametrize(("check", "case"), CASES, ids=[f"{check}: {case['name']}" for check, case in CASES])
def test_a_captured_case(check: str, case: dict[str, Any]) -> None:
    facts, need = from_json(case)
    said = [[part for part in (one.level, one.text, one.mend) if part] for one in made(BY_NAME[check], facts, need)]
    assert said == case["says"]


def test_every_check_has_cases_of_both_kinds() -> None:
    levels: dict[str, set[str]] = {name: set() for name in BY_NAME}
    for check, case in CASES:
        levels[check] |= {said[0] for said in case["says"]}
    assert {name for name, seen in levels.items() if not seen & {"grave", "warning"}} == set()
    assert {name for name, seen in levels.items() if "ok" not in seen} == set()


def test_no_check_is_forgotten() -> None:
    """Whatever public function of the package takes facts and a need is made."""
    package = Path(doctor.__file__).parent
    modules = [import_module(f"{doctor.__name__}.{info.name}") for info in iter_modules([str(package)])]
    found = {
        function
        for module in modules
        for _, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and list(inspect.signature(function).parameters) == ["facts", "need"]
    }
    assert {one for one in found if not one.__name__.startswith("_")} - {examine, to_json} == set(CHECKS)


def test_what_is_not_fine_has_a_mend() -> None:
    said = [said for _, case in CASES for said in case["says"]]
    assert [one for one in said if one[0] in ("grave", "warning") and len(one) != 3] == []


def test_without_any_fact_every_check_says_so_or_nothing() -> None:
    results = examine(Facts(), Need())
    assert {one.level for one in results} == {"unknown"}
    assert exit_code(results) == 0


def test_grave_ones_come_first_and_decide_the_exit_code() -> None:
    some = [Result("a", "ok", ""), Result("b", "warning", ""), Result("c", "grave", ""), Result("d", "unknown", "")]
    assert [one.check for one in ordered(some)] == ["c", "b", "d", "a"]
    assert (exit_code(some), exit_code(some[:2])) == (4, 0)


def test_facts_survive_json() -> None:
    """All that the cases hold, put together, comes back as it was."""
    merged: dict[str, Any] = {"facts": {}, "need": {}}
    for _, case in CASES:
        merged["facts"] |= case.get("facts", {})
        merged["need"] |= case.get("need", {})
    facts, need = from_json(merged)
    assert {field.name for field in fields(Facts)} == set(merged["facts"])
    assert from_json(json.loads(to_json(facts, need))) == (facts, need)

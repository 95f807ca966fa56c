from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import FileOption, JsonOption, UnusedHostOption

if TYPE_CHECKING:
    from orchestrator.core.doctor.facts import Facts
    from orchestrator.core.doctor.need import Need
    from orchestrator.core.doctor.result import Result

DEFAULT = Path("stack.yaml")


def doctor(
    file: FileOption = DEFAULT,
    as_json: JsonOption = False,
    host_file: UnusedHostOption = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what is fine, too.")] = False,
    facts: Annotated[
        bool,
        typer.Option("--facts", help="Print what was captured, as JSON, instead: for a report of a wrong finding."),
    ] = False,
) -> None:
    """What is wrong on this machine, and the mend; without a stack.yaml too. Exit 4 if something grave was found."""
    from orchestrator.cli.progress import waiting
    from orchestrator.core.doctor.examine import examine
    from orchestrator.core.doctor.result import exit_code

    with nullcontext() if as_json or facts else waiting("looking at this machine"):
        need, found = _look(file)
    if facts:
        from orchestrator.core.doctor.captured import to_json

        print(to_json(found, need), end="")
        return
    results = examine(found, need)
    code = exit_code(results)
    if as_json:
        rows = [asdict(one) for one in results]
        print(json.dumps({"stack": need.stack or None, "exit": code, "checks": rows}, indent=2, ensure_ascii=False))
    else:
        _show(results, need, verbose)
    raise typer.Exit(code)


def _look(file: Path) -> tuple[Need, Facts]:
    """Only a stack.yaml that was not named may be absent: then the machine alone is looked at."""
    from orchestrator.cli.doctor_subject import Subject, nothing, subject
    from orchestrator.core.doctor.facts import Missing, Trouble
    from orchestrator.edge.doctor.gather import gather
    from orchestrator.edge.doctor.later import Later

    named = file.exists() or file != DEFAULT
    asked = Later("planning", (lambda: subject(file)) if named else nothing, limit=60).value()
    if isinstance(asked, Missing):
        asked = Subject(host=asked, troubles=(Trouble(asked.why),))
    found = gather(asked.need, asked.host, troubles=asked.troubles, wanted=asked.wanted, stack=asked.paths)
    return asked.need, found


def _show(results: Sequence[Result], need: Need, verbose: bool) -> None:
    shown = [one for one in results if verbose or one.level != "ok"]
    width = max((len(one.check) for one in shown), default=0)
    for one in shown:
        mend = f" -> {one.mend}" if one.mend else ""
        print(f"{one.level:<7}  {one.check:<{width}}  {one.text}{mend}")
    levels = [one.level for one in results]
    about = f"for {need.stack}" if need.stack else "without a stack.yaml"
    counts = [f"{levels.count(level)} {level}" for level in ("grave", "warning", "unknown") if level in levels]
    print(f"{about}: {', '.join(counts) or 'nothing is wrong'}, {levels.count('ok')} fine{'' if verbose else ' (-v)'}")

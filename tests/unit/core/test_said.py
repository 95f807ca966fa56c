"""core/said.py: the place in stack.yaml of an argument that a target refuses."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core import said
from orchestrator.core.launch import Process
from tests.unit.core.test_target_systemd import plan


def test_an_argument_is_found_where_it_was_written() -> None:
    made = plan({"serve": {"extra_args": ["--temp", "1"], "unchecked_args": ["--x"]}})
    launch = made.launch("r")
    assert said.argument(made, launch, "1") == "models.r.serve.extra_args.1"
    assert said.argument(made, launch, "--x") == "models.r.serve.unchecked_args.0"
    assert said.argument(made, launch, "--port") == "models.r", "it follows from the plan"


def test_an_argument_of_a_command_is_found_in_it() -> None:
    made = plan()
    launch = replace(
        made.launch("r"), backend="command", source="models.r.sources.command", how=Process(("srv", "a\x01"))
    )
    assert said.argument(made, launch, "a\x01") == "models.r.sources.command.cmd.1"

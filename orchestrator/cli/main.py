"""The command `stack`: finds a command by name, imports only its module, turns errors into words and exit codes."""

from __future__ import annotations

import gc
import importlib
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from orchestrator.errors import StackError

COMMANDS = {
    "init": "init:init",
    "import": "import_:app",
    "check": "check:check",
    "host": "host:host",
    "plan": "plan:plan",
    "render": "render:render",
    "pull": "pull:pull",
    "up": "up:up",
    "down": "down:down",
    "status": "status:status",
    "logs": "logs:logs",
    "probe": "probe:probe",
    "try": "try_:try_",
    "load": "verbs:load",
    "unload": "verbs:unload",
    "restart": "verbs:restart",
    "connect": "connect:connect",
    "serve": "serve:serve",
    "exec": "exec:exec_",
    "engine": "engine:app",
    "doctor": "doctor:doctor",
    "prune": "prune:prune",
    "schema": "schema:schema",
    "version": "version:version",
}
"""command -> module:attribute under orchestrator.cli; a typer app is a group of commands."""


class Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        found = getattr(importlib.import_module(f"orchestrator.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            group = typer.main.get_group(found)
            group.name = cmd_name
            return group
        single = typer.Typer(add_completion=False)
        single.command(cmd_name)(found)
        return typer.main.get_command(single)


app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)


@app.callback()
def options(
    ctx: typer.Context,
    file: Annotated[str | None, typer.Option("--file", "-f", help="The stack.yaml to use.", show_default=False)] = None,
    host: Annotated[str | None, typer.Option("--host", help="Plan for the machine in this JSON file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Local LLM serving, declared in one file, and proven to call tools."""
    given = {"file": file, "host_file": host, "as_json": as_json or None}
    given = {name: value for name, value in given.items() if value is not None}
    ctx.default_map = {name: given | dict.fromkeys(("install", "list", "llama-swap"), given) for name in COMMANDS}


def run() -> None:
    """The entry point of the console script."""
    from orchestrator.errors import StackError

    in_json = "--json" in sys.argv
    try:
        sys.exit(app(standalone_mode=not in_json))
    except StackError as error:
        _say(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("stack: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        sys.exit(_unforeseen(error))
    finally:
        # at exit the interpreter searches all that lives for cycles: a tenth of a short command's time, for nothing
        gc.freeze()


def _say(error: StackError) -> None:
    from orchestrator.cli.show import problem_json, render_problems

    if "--json" not in sys.argv:
        print(render_problems(error), file=sys.stderr)
        return
    import json

    problems = [problem_json(problem) for problem in getattr(error, "problems", ())]
    found = {"error": str(error), "mend": error.mend, "details": error.details, "problems": problems}
    print(json.dumps(found | {"exit": error.exit_code}, indent=2))


def _unforeseen(error: Exception) -> int:
    """A wrong command line, which typer leaves to us with --json; else a bug of ours. Returns the exit code."""
    import traceback

    from orchestrator.errors import StackError, UsageError

    words = getattr(error, "format_message", None)
    if words is not None:
        wrong = UsageError(words(), mend="stack --help")
        _say(wrong)
        return wrong.exit_code
    traceback.print_exception(error)
    _say(StackError(f"a bug of ours: {error!r}", mend="please report it, with the lines above, where you got stack"))
    return StackError.exit_code


if __name__ == "__main__":
    run()

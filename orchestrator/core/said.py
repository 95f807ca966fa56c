"""Where stack.yaml says what a launch was made of: for a target that cannot carry a value of it."""

from __future__ import annotations

from orchestrator.core.launch import Launch, Process
from orchestrator.core.plan import Plan
from orchestrator.core.trouble import path


def argument(plan: Plan, launch: Launch, word: str) -> str:
    """`models.tiny.serve.extra_args.0`, `models.tiny.sources.command.cmd.2`; the model's own place for an argument that
    follows from something else."""
    if model := plan.stack.models.get(launch.model):
        for key, words in (("extra_args", model.serve.extra_args), ("unchecked_args", model.serve.unchecked_args)):
            if word in words:
                return path(("models", launch.model, "serve", key, words.index(word)))
    if launch.backend == "command" and launch.source and isinstance(launch.how, Process) and word in launch.how.argv:
        return f"{launch.source}.cmd.{launch.how.argv.index(word)}"
    return path(("models", launch.model))

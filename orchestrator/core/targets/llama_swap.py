"""The target llama-swap: core/swap_render.py makes its one file, which service managers' targets hash."""

from __future__ import annotations

from orchestrator.core.plan import Manager, Plan
from orchestrator.core.swap_render import PATH, artifact, command, config
from orchestrator.core.target import Artifact, Site, Templates

__all__ = ["PATH", "TARGET", "LlamaSwap", "command", "config"]


class LlamaSwap:
    name = "llama-swap"
    systems = ("linux", "macos")
    implemented = True
    manager: Manager = ""

    def render(self, plan: Plan, templates: Templates, site: Site) -> tuple[Artifact, ...]:
        return (artifact(plan, templates),)


TARGET = LlamaSwap()

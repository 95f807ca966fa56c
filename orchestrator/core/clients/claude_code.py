"""Claude Code: `settings.json`. It speaks Anthropic's Messages API at `$ANTHROPIC_BASE_URL/v1/messages`.

`apiKeyHelper` is a command whose output is sent as the key, so that no key stands in the file. A token in `env` would
win over it: ours, which says nothing, goes when a key comes.
"""

from __future__ import annotations

import shlex

from orchestrator.core.client import UNUSED, Connection, Edit, Place, Put, Remove, Settings

TIERS = ("ANTHROPIC_MODEL", *(f"ANTHROPIC_DEFAULT_{tier}_MODEL" for tier in ("OPUS", "SONNET", "HAIKU")))
"""It asks for a model by tier: all of them are the one that is here."""
TAKEN_FOR = 200_000
"""Tokens of context that it takes a model for."""


class ClaudeCode:
    name = "claude-code"
    title = "Claude Code"
    places = (Place("CLAUDE_CONFIG_DIR", "~/.claude", "settings.json"),)
    needs_tools = True
    api = "/v1/messages"

    def settings(self, connection: Connection) -> Settings:
        model = connection.first
        edits: list[Edit] = [Put(("env", "ANTHROPIC_BASE_URL"), connection.root)]
        edits += [Put(("env", name), model.name) for name in TIERS]
        edits.append(Put(("env", "CLAUDE_CODE_MAX_OUTPUT_TOKENS"), str(model.output)))
        notes = []
        token = ("env", "ANTHROPIC_AUTH_TOKEN")
        if connection.key is None:
            edits.append(Put(token, UNUSED))
        else:
            kind, where = connection.key
            command = "printenv" if kind == "env" else "cat"
            edits += [Remove(token, UNUSED), Put(("apiKeyHelper",), f"{command} {shlex.quote(where)}")]
            if kind == "env":
                notes.append(f"export {where} before you start claude")
            notes.append("unset ANTHROPIC_API_KEY and ANTHROPIC_AUTH_TOKEN: they would win over the key above")
        if model.context < TAKEN_FOR:
            notes.append(
                f"Claude Code counts on {TAKEN_FOR} tokens of context, this model has {model.context}: /compact"
            )
        return Settings("json", tuple(edits), tuple(notes))


CLIENT = ClaudeCode()

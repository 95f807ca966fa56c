"""aider: `.aider.conf.yml`. It edits by text, not by tools. Its file may hold a key, but not where one is found."""

from __future__ import annotations

import shlex

from orchestrator.core.client import UNUSED, Connection, Edit, Place, Put, Remove, Settings


class Aider:
    name = "aider"
    title = "aider"
    places = (Place("", "~", ".aider.conf.yml"),)
    needs_tools = False
    api = ""

    def settings(self, connection: Connection) -> Settings:
        edits: list[Edit] = [
            Put(("openai-api-base",), connection.url),
            Put(("model",), f"openai/{connection.first.name}"),
        ]
        if connection.key is None:
            # else it would send the key of OpenAI that stands in the environment
            edits.append(Put(("openai-api-key",), UNUSED))
            return Settings("yaml", tuple(edits))
        edits.append(Remove(("openai-api-key",), UNUSED))
        return Settings("yaml", tuple(edits), (f"export OPENAI_API_KEY={shell(connection.key)}",))


def shell(key: tuple[str, str]) -> str:
    """A key as a shell finds it."""
    kind, where = key
    return f'"${{{where}}}"' if kind == "env" else f'"$(cat {shlex.quote(where)})"'


CLIENT = Aider()

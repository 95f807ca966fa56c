"""Codex (seen with 0.169.0): `config.toml`. It speaks the Responses API alone, since 2026."""

from __future__ import annotations

from orchestrator.core.client import Connection, Edit, Place, Put, Remove, Settings


class Codex:
    name = "codex"
    title = "Codex"
    places = (Place("CODEX_HOME", "~/.codex", "config.toml"),)
    needs_tools = True
    api = "/v1/responses"

    def settings(self, connection: Connection) -> Settings:
        provider = ("model_providers", connection.tag)
        edits: list[Edit] = [
            Put(("model",), connection.first.name),
            Put(("model_provider",), connection.tag),
            Put(("model_context_window",), connection.first.context),
            Put((*provider, "name"), connection.tag),
            Put((*provider, "base_url"), connection.url),
            Put((*provider, "wire_api"), "responses"),
        ]
        kind, where = connection.key or ("", "")
        # it refuses a provider that names both
        edits.append(Put((*provider, "env_key"), where) if kind == "env" else Remove((*provider, "env_key")))
        if kind == "file":
            edits += [Put((*provider, "auth", "command"), "cat"), Put((*provider, "auth", "args"), [where])]
        else:
            edits.append(Remove((*provider, "auth")))
        notes = [f"export {where} before you start codex"] if kind == "env" else []
        notes.append("Codex warns that it knows no metadata of the model: that is so with every model but OpenAI's")
        return Settings("toml", tuple(edits), tuple(notes))


CLIENT = Codex()

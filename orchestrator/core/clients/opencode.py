"""opencode (seen with 1.18.33; version 2 reads the same keys): `opencode.json`, JSON with comments."""

from __future__ import annotations

from typing import Any

from orchestrator.core.client import Connection, Edit, Offer, Only, Place, Put, Remove, Settings

HOME = ("XDG_CONFIG_HOME", "~/.config")


class OpenCode:
    name = "opencode"
    title = "opencode"
    places = tuple(Place(*HOME, f"opencode/opencode.{ending}") for ending in ("json", "jsonc"))
    needs_tools = True
    api = ""

    def settings(self, connection: Connection) -> Settings:
        provider = ("provider", connection.tag)
        edits: list[Edit] = [
            Put(("$schema",), "https://opencode.ai/config.json", once=True),
            Put(("model",), f"{connection.tag}/{connection.first.name}"),
            Put((*provider, "npm"), "@ai-sdk/openai-compatible"),
            Put((*provider, "name"), connection.tag),
            Put((*provider, "options", "baseURL"), connection.url),
        ]
        key = (*provider, "options", "apiKey")
        if connection.key is None:
            edits.append(Remove(key))
        else:
            kind, where = connection.key
            edits.append(Put(key, f"{{{kind}:{where}}}"))
        for offer in connection.models:
            edits += [Put((*provider, "models", offer.name, *below), value) for below, value in _model(offer)]
        edits.append(Only((*provider, "models"), tuple(offer.name for offer in connection.models)))
        env = connection.key is not None and connection.key[0] == "env"
        notes = [f"export {connection.key[1]} before you start opencode"] if env and connection.key else []
        return Settings("json", tuple(edits), tuple(notes))


def _model(offer: Offer) -> list[tuple[tuple[str, ...], Any]]:
    rows: list[tuple[tuple[str, ...], Any]] = [
        (("name",), offer.name),
        (("tool_call",), offer.tools),
        (("limit", "context"), offer.context),
        (("limit", "output"), offer.output),
    ]
    if offer.vision:
        rows += [(("attachment",), True), (("modalities",), {"input": ["text", "image"], "output": ["text"]})]
    return rows


CLIENT = OpenCode()

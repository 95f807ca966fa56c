"""Continue (its config-yaml 1.42): `config.yaml`, a list of models. It finds secrets in a `.env` file beside it."""

from __future__ import annotations

import re
from typing import Any

from orchestrator.core.client import Connection, Items, Offer, Place, Put, Settings


class Continue:
    name = "continue"
    title = "Continue"
    places = tuple(Place("CONTINUE_GLOBAL_DIR", "~/.continue", f"config.{ending}") for ending in ("yaml", "yml"))
    needs_tools = False
    api = ""

    def settings(self, connection: Connection) -> Settings:
        prefix = f"{connection.tag}: "
        secret, notes = _secret(connection)
        values = tuple(_model(offer, prefix, connection.url, secret) for offer in connection.models)
        edits = (
            Put(("name",), connection.tag, once=True),
            Put(("version",), "1.0.0", once=True),
            Put(("schema",), "v1", once=True),
            Items(("models",), prefix, values),
        )
        return Settings("yaml", edits, notes)


def _secret(connection: Connection) -> tuple[str, tuple[str, ...]]:
    """(its name, what to do for it); "" where the endpoint has no key."""
    if connection.key is None:
        return "", ()
    kind, where = connection.key
    if kind == "env":
        return where, (f"write a line {where}=... into ~/.continue/.env: Continue reads no other environment",)
    name = re.sub(r"\W", "_", f"{connection.tag}_key".upper())
    return name, (f"write a line {name}=... into ~/.continue/.env, with the key that is in {where}",)


def _model(offer: Offer, prefix: str, url: str, secret: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": prefix + offer.name, "provider": "openai", "model": offer.name, "apiBase": url}
    if secret:
        shown["apiKey"] = f"${{{{ secrets.{secret} }}}}"
    shown["roles"] = ["chat", "edit", "apply"]
    able = [word for word, has in (("tool_use", offer.tools), ("image_input", offer.vision)) if has]
    if able:
        shown["capabilities"] = able
    shown["defaultCompletionOptions"] = {"contextLength": offer.context, "maxTokens": offer.output}
    return shown


CLIENT = Continue()

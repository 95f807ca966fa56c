"""Open WebUI: settings are environment variables, kept in its database after its first start. So a file to source."""

from __future__ import annotations

import shlex

from orchestrator.core.client import UNUSED, Connection, Place, Put, Settings


class OpenWebUi:
    name = "open-webui"
    title = "Open WebUI"
    places = (Place("", ".", "open-webui.env"),)
    needs_tools = False
    api = ""

    def settings(self, connection: Connection) -> Settings:
        key = UNUSED
        if connection.key is not None:
            kind, where = connection.key
            key = f"${{{where}}}" if kind == "env" else f"$(cat {shlex.quote(where)})"
        edits = (
            Put(("ENABLE_OPENAI_API",), "true"),
            Put(("OPENAI_API_BASE_URLS",), connection.url),
            Put(("OPENAI_API_KEYS",), key),
            Put(("DEFAULT_MODELS",), connection.first.name),
        )
        notes = (
            "start it with `set -a; . ./open-webui.env; set +a; open-webui serve`",
            "in docker: `docker run --network host -e OPENAI_API_BASE_URLS -e OPENAI_API_KEYS ...` from that shell",
            "after its first start it keeps these in its database: Admin > Settings > Connections,"
            " or ENABLE_PERSISTENT_CONFIG=false",
        )
        return Settings("env", edits, notes)


CLIENT = OpenWebUi()

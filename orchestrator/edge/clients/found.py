"""Clients, found by file in core/clients/, and where their files are on this machine."""

from __future__ import annotations

import importlib
import os
import pkgutil
from pathlib import Path

from orchestrator.core import clients
from orchestrator.core.client import Client


def all_clients() -> dict[str, Client]:
    """By name, sorted."""
    modules = [
        importlib.import_module(f"{clients.__name__}.{info.name}") for info in pkgutil.iter_modules(clients.__path__)
    ]
    return {client.name: client for client in sorted((module.CLIENT for module in modules), key=lambda one: one.name)}


def file_of(client: Client) -> Path:
    """The first of its places that is there, else the first."""
    places = [_file(place.variable, place.folder) / place.name for place in client.places]
    return next((place for place in places if place.exists()), places[0])


def _file(variable: str, folder: str) -> Path:
    return Path(os.environ.get(variable) or folder if variable else folder).expanduser()

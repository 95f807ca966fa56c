"""Reads the secrets that stack.yaml names. They stay in memory: never written, logged or put into argv."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.core.launch import Attach, Launch
from orchestrator.core.plan import Plan
from orchestrator.core.spec import Endpoint
from orchestrator.errors import PlanError


def read(kind: str, name: str, what: str) -> str:
    """The secret in environment variable or file `name`. Raises PlanError that says where it was looked for."""
    if kind == "env":
        value = os.environ.get(name, "")
        if not value:
            raise PlanError(f"{what}: the environment variable {name} is not set", mend=f"export {name}=...")
        return value
    path = Path(name).expanduser()
    try:
        value = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{what}: {path} cannot be read: {error}", mend="write the key into that file") from None
    if not value:
        raise PlanError(f"{what}: {path} is empty", mend="write the key into that file")
    return value


def client_keys(endpoint: Endpoint) -> dict[str, str]:
    """{name of the key: secret} of endpoint.keys."""
    found = {}
    for name, secret in endpoint.keys.items():
        kind, where = ("env", secret.env) if secret.env else ("file", secret.file)
        found[name] = read(kind, where or "", f"endpoint.keys.{name}")
    return found


def of(plan: Plan) -> dict[str, str | None]:
    """All secrets that serving this plan takes. Raises PlanError for one that cannot be read."""
    clients = {f"endpoint {name}": key for name, key in client_keys(plan.stack.endpoint).items()}
    return clients | {launch.model: upstream_key(launch) for launch in plan.launches}


def upstream_key(launch: Launch) -> str | None:
    """The key that goes out to an attached server, None if it takes none."""
    if not isinstance(launch.how, Attach) or launch.how.key is None:
        return None
    kind, name = launch.how.key
    return read(kind, name, f"models.{launch.model}: its key")

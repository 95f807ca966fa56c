"""A host, and the weights found on it, as JSON and back: `stack host --json --weights`, `--host FILE`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from orchestrator.core.host import Host
from orchestrator.core.weights import Weights
from orchestrator.errors import PlanError

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@cache
def _hosts() -> TypeAdapter[Host]:
    from pydantic import TypeAdapter

    return TypeAdapter(Host)


@cache
def _weights() -> TypeAdapter[Weights]:
    from pydantic import TypeAdapter

    return TypeAdapter(Weights)


def host_to_json(host: Host, weights: Mapping[str, Weights] | None = None) -> str:
    """The host's fields; `weights`, if given, is a section beside them. Sorted, two blanks, a newline at the end."""
    value = _hosts().dump_python(host, mode="json", warnings="error")
    if weights is not None:
        value["weights"] = {key: _weights().dump_python(item, mode="json") for key, item in weights.items()}
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def host_from_json(text: str, file: str = "host.json") -> tuple[Host, dict[str, Weights]]:
    """(host, weights by key; {} without that section). Raises PlanError: no JSON, wrong or unknown keys."""
    from pydantic import ValidationError

    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{file}: is not JSON: {error}", mend="`stack host --json` prints one") from error
    if not isinstance(value, dict):
        raise PlanError(f"{file}: is not a JSON object", mend="`stack host --json` prints one")
    section = value.pop("weights", {})
    if not isinstance(section, dict):
        raise PlanError(f"{file}: weights: is not a JSON object")
    try:
        host = _hosts().validate_python(value, strict=False)
        weights = {key: _weights().validate_python(item) for key, item in section.items()}
    except ValidationError as error:
        first = error.errors()[0]
        raise PlanError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    known = json.loads(host_to_json(host, weights))
    unknown = _unknown({**value, "weights": section}, known)
    if unknown:
        raise PlanError(f"{file}: unknown: {', '.join(unknown)}", mend="`stack host --json` shows what there is")
    return host, weights


def weights_to_json(weights: Weights) -> str:
    return _weights().dump_json(weights).decode()


def weights_from_json(text: str) -> Weights:
    return _weights().validate_json(text)


def _unknown(given: Any, known: Any, where: str = "") -> list[str]:
    """Keys of `given` that did not come back: they mean nothing, and must not be ignored in silence."""
    if isinstance(given, dict) and isinstance(known, dict):
        strange = [f"{where}{key}" for key in given if key not in known]
        inner = [_unknown(given[key], known[key], f"{where}{key}.") for key in given if key in known]
        return strange + [name for names in inner for name in names]
    if isinstance(given, list) and isinstance(known, list):
        pairs = enumerate(zip(given, known, strict=False))
        return [name for i, (a, b) in pairs for name in _unknown(a, b, f"{where}{i}.")]
    return []

"""Whether an import is a good stack.yaml, before anybody sees it."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from orchestrator.core.imports.draft import Imported
from orchestrator.core.spec import Stack
from orchestrator.core.stackfile.reading import cross_checks, explain
from orchestrator.core.trouble import Trouble, path


def troubles(imported: Imported) -> Iterator[Trouble]:
    """What stack.yaml refuses, at the place of the config that it comes from."""
    data = imported.data()
    steps = {draft.id: draft.steps for draft in imported.models}
    try:
        found = cross_checks(Stack.model_validate(data))
    except ValidationError as error:
        found = tuple(explain(data, error))
    for trouble in found:
        place = steps.get(str(trouble.steps[1]), ()) if trouble.steps[:1] == ("models",) else ()
        yield Trouble(place, f"cannot be said in stack.yaml: {path(trouble.steps)}: {trouble.text}", trouble.mend)

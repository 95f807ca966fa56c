"""The chat templates of a stack's local sources against the parsers that would read what they write."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.spec import Model, Source
from orchestrator.core.toolformat.mismatch import Served, mismatches
from orchestrator.core.toolformat.seen import Seen
from orchestrator.core.trouble import path
from orchestrator.edge.modelfiles.bad_weights import BadWeights
from orchestrator.edge.modelfiles.chat_template import BadTemplate, look, template_of
from orchestrator.edge.stackfile.load import Loaded, placed
from orchestrator.errors import Problem


def check_templates(loaded: Loaded) -> tuple[Problem, ...]:
    """Warnings with their lines. Weights that are not here say nothing; equal templates are rendered once."""
    looks: dict[str, Seen] = {}
    found = [
        problem
        for model_id, model in loaded.stack.models.items()
        for key, backend, source in model.ordered_sources()
        for problem in _of(model_id, model, key, backend, source, looks)
    ]
    return placed(loaded.source, found)


def _of(
    model_id: str, model: Model, key: str, backend: str, source: Source, looks: dict[str, Seen]
) -> Iterator[Problem]:
    place = ("models", model_id, "sources", key)
    field = "chat_template" if source.chat_template else "path"
    file = source.chat_template or source.path
    try:
        template = template_of(source)
        if template is None:
            return
        if template.text not in looks:
            looks[template.text] = look(template)
    except (BadTemplate, BadWeights) as error:
        text = f"the chat template of {file} {error}" if isinstance(error, BadTemplate) else str(error)
        yield Problem(path((*place, field)), text, "name another: `chat_template`")
        return
    except OSError as error:
        yield Problem(path((*place, field)), f"{error.filename or file}: {error.strerror or error}")
        return
    name = source.repo or (source.path or "").rpartition("/")[2]
    served = Served(model_id, model, key, backend, template.text, template.model_type, name)
    yield from mismatches(served, looks[template.text])

"""One chosen and sized model -> its Launch, with the decisions on the way."""

from __future__ import annotations

import json
from dataclasses import dataclass

from orchestrator.core import containers
from orchestrator.core.backend import ANSWERS, Built, Request
from orchestrator.core.host import Host
from orchestrator.core.launch import Attach, Container, How, Launch, Owner, Serving
from orchestrator.core.plan import CONTAINED, Manager
from orchestrator.core.planner import flags
from orchestrator.core.planner.notes import Notes
from orchestrator.core.planner.select import Chosen
from orchestrator.core.planner.sizing import Item, Size
from orchestrator.core.planner.toolpath import Talk, talk
from orchestrator.core.spec import BackendSettings, Stack
from orchestrator.core.trouble import path
from orchestrator.core.units import show_size

LONGEST_ANSWER = 32768


@dataclass(frozen=True, slots=True)
class Owners:
    """stack: its name; manager: who runs what is resident, "" = our supervisor does."""

    stack: str
    manager: Manager

    def of(self, how: How, resident: bool) -> tuple[Owner, str]:
        """(owner, reason)."""
        if isinstance(how, Attach):
            return "external", "attached"
        if self.manager == "compose":
            return "compose", "compose runs it"
        if not self.manager:
            return "supervisor", "no service manager is asked for"
        return ("manager", f"resident under {self.manager}") if resident else ("supervisor", "it runs on demand")

    def address(self, how: How, model: str) -> str:
        """Of a container beside the gateway's: its name is a host name there."""
        if self.manager not in CONTAINED or not isinstance(how, Container):
            return ""
        return f"{containers.name(self.stack, model)}:{how.port}"


def launch(
    item: Item,
    size: Size,
    host: Host,
    stack: Stack,
    port: int | None,
    resident: bool,
    owners: Owners,
    notes: Notes,
) -> Launch:
    """Problems go to `notes`; the launch is then not to be used."""
    chosen, model = item.chosen, item.chosen.model
    spoken = talk(chosen)
    notes.decide(chosen.model_id, "backend", _version(chosen), chosen.reason)
    notes.decisions.extend(spoken.decisions)
    notes.warnings.extend(spoken.warnings)
    notes.problems.extend(spoken.problems)
    most = _max_tokens(chosen, size, notes)
    _say_size(item, size, notes)
    built = chosen.backend.launch(_request(item, size, host, stack, port, spoken, most))
    if most is None and built.limits and size.context:
        most = _half(chosen, size, notes)
    limits = built.limits
    if model.serve.max_tokens and "serve.max_tokens" not in chosen.backend.owned_flags.values():
        limits = ANSWERS  # declared, and no flag says it to the engine: requests do
    _check_flags(chosen, built, notes)
    if model.residency == "sleep" and (why := _no_sleep(item, built, stack)):
        notes.problem(path(("models", chosen.model_id, "residency")), f"sleep: {why}", "residency: on-demand")
    notes.warnings.extend(f"{chosen.model_id}: {note}" for note in built.notes)
    owner, why = owners.of(built.how, resident)
    notes.decide(chosen.model_id, "owner", owner, why)
    return Launch(
        model=chosen.model_id,
        backend=chosen.backend.name,
        served_name=built.served_name,
        port=port,
        how=built.how,
        ready=built.ready,
        serving=Serving(
            context=size.context,
            concurrency=model.serve.concurrency,
            queue=model.serve.queue,
            max_tokens=most,
            residency="resident" if resident else "sleep" if model.residency == "sleep" else "on-demand",
            ttl=model.ttl,
            preload=model.preload,
        ),
        tools=spoken.tools,
        capabilities=spoken.capabilities,
        native=built.native,
        limits=limits,
        defaults=tuple((key, json.dumps(value)) for key, value in model.defaults.items()),
        env=built.env,
        secret_names=built.secret_names,
        memory=(*size.reservations, *item.standing[:1]),
        owner=owner,
        address=owners.address(built.how, chosen.model_id),
        weights=_weights(chosen),
        weights_digest=chosen.weights.digest if chosen.weights else "",
        engine_version=chosen.engine.version if chosen.engine else "",
        source=chosen.where,
    )


def _request(
    item: Item, size: Size, host: Host, stack: Stack, port: int | None, spoken: Talk, most: int | None
) -> Request:
    chosen = item.chosen
    return Request(
        model_id=chosen.model_id,
        model=chosen.model,
        source=chosen.source,
        settings=_settings(stack, chosen.backend.name),
        host=host,
        engine=chosen.engine,
        weights=chosen.weights,
        tools=spoken.tools,
        capabilities=spoken.capabilities,
        port=port,
        context=size.context,
        concurrency=chosen.model.serve.concurrency,
        max_tokens=most,
        kv_bytes=size.kv,
        gpus=item.place.gpus,
        gpu_layers=item.place.gpu_layers(size.held),
        image=chosen.image,
    )


def _no_sleep(item: Item, built: Built, stack: Stack) -> str:
    if not built.sleeps:
        return f"{_version(item.chosen)} has no sleep mode"
    if not item.place.gpus:
        return "it gives GPU memory back, and this model is on no GPU"
    return "llama-swap only starts and stops" if stack.supervisor == "llama-swap" else ""


def _settings(stack: Stack, backend: str) -> BackendSettings:
    return next((settings for name, settings in stack.backends.items() if name == backend), BackendSettings())


def _version(chosen: Chosen) -> str:
    version = chosen.image or (chosen.engine.version if chosen.engine else "")
    return f"{chosen.backend.name} {version}".strip()


def _weights(chosen: Chosen) -> str:
    """Where the weights are, or what they will be pulled from."""
    if chosen.weights and chosen.weights.path:
        return chosen.weights.path
    source = chosen.source
    return source.path or source.url or "/".join(part for part in (source.repo, source.file) if part)


def _max_tokens(chosen: Chosen, size: Size, notes: Notes) -> int | None:
    """An engine that takes `max_tokens` as a start flag always gets one: its own default may be far too small."""
    declared = chosen.model.serve.max_tokens
    if declared is not None:
        notes.decide(chosen.model_id, "max_tokens", declared, "serve.max_tokens")
        return declared
    if "--max-tokens" not in chosen.backend.owned_flags:
        return None
    return _half(chosen, size, notes)


def _half(chosen: Chosen, size: Size, notes: Notes) -> int:
    most = min(LONGEST_ANSWER, max(1, size.context // 2))
    notes.decide(chosen.model_id, "max_tokens", most, f"half of the context, at most {LONGEST_ANSWER}")
    return most


def _say_size(item: Item, size: Size, notes: Notes) -> None:
    model = item.chosen.model_id
    if size.context:
        notes.decide(model, "context", size.context, size.reason)
    made_for = item.chosen.weights.context if item.chosen.weights else 0
    if made_for and size.context > made_for:
        notes.warnings.append(
            f"{model}: a context of {size.context} is longer than the {made_for} the model was made for"
        )
    if (shared := item.chosen.model.memory.kv) is not None and (needed := item.full_kv(size.context)) > shared:
        words = f"memory.kv is {show_size(shared)}, full contexts for all requests would take {show_size(needed)}"
        notes.warnings.append(f"{model}: {words}")
    known = item.chosen.weights
    if known and not known.kv and not known.state and shared is None and not item.external:
        notes.warnings.append(f"{model}: the size of its KV cache is not known and not planned: declare memory.kv")
    if size.reservations:
        value = "not known yet" if item.unknown else show_size(size.total)
        notes.decide(model, "memory", value, size.reservations[0].formula)
    if size.error:
        at = path(("models", model))
        notes.problem(at, f"does not fit: {size.error}", f"a smaller context, or --force {model}")


def _check_flags(chosen: Chosen, built: Built, notes: Notes) -> None:
    """The user's flags at their place; ours against an engine that is too old for them."""
    if isinstance(built.how, Attach) or chosen.engine is None:
        return
    known, serve = chosen.engine.flags, chosen.model.serve
    engine = _version(chosen)
    for i, text, mend in flags.complaints(serve.extra_args, known, chosen.backend.owned_flags, engine):
        notes.problem(path(("models", chosen.model_id, "serve", "extra_args", i)), text, mend)
    if serve.extra_args and not known:
        why = f"the flags of {engine} are not known ({flags.unknown(chosen)})"
        notes.warnings.append(f"{chosen.model_id}: extra_args are not checked: {why}")
    theirs = {*serve.extra_args, *serve.unchecked_args}
    ours = [text for text in built.how.argv if text not in theirs and text.startswith("--")]
    missing = sorted({flag for _, flag in flags.named(ours) if known and flag not in known})
    if missing:
        notes.problem(chosen.where, f"{engine} ({chosen.engine.bin}) has no {', '.join(missing)}", "update the engine")

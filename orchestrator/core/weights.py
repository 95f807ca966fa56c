"""What is known of a model's weights without loading them. Sizes in bytes; read by core/modelfiles/."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.spec import Source


@dataclass(frozen=True, slots=True)
class KvGroup:
    """Layers that hold the same cache: `values` K and V numbers per token per layer.

    window: tokens that such a layer holds at most, None = all of the context. MLA and linear layers are told
    apart by what they hold: MLA by its small `values`, linear attention by `Weights.state` alone.
    heads: parts that `values` is divided into among GPUs, none of which is divided further: KV heads, 1 for MLA's
    latent; 0 = not known.
    """

    layers: int
    values: int
    window: int | None = None
    heads: int = 0

    def on(self, gpus: int) -> int:
        """`values` on all of so many GPUs together under tensor parallelism: each has at least one head, a copy where
        there are not enough (vllm/config/model.py, get_num_kv_heads)."""
        return self.values * -(-self.heads // gpus) * gpus // self.heads if self.heads else self.values


@dataclass(frozen=True, slots=True)
class Weights:
    """path: where they are, absolute (a folder, or a GGUF file); "" when only declared.

    size: bytes of the tensors; kv: cache shape per request; state: bytes per request that do not grow with tokens;
    context: the longest that the model was made for; template: the chat template's text, "" if it has none;
    call: the known call as the template writes it (core/toolformat), "" if it leaves calls out or was not rendered;
    digest: a hash of headers and sizes that changes when the weights do; origin: the file that this was read from.
    """

    path: str
    size: int
    model_type: str
    context: int
    kv: tuple[KvGroup, ...] = ()
    state: int = 0
    template: str = ""
    quantization: str = ""
    digest: str = ""
    origin: str = ""
    call: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model's own description (config.json, GGUF metadata) says, before anything is added up.

    kv is () where the description does not say how its layers attend: then the cache's size is not known.
    """

    model_type: str
    context: int
    kv: tuple[KvGroup, ...] = ()
    state: int = 0
    quantization: str = ""


def group(layers: list[tuple[int, int | None, int]]) -> tuple[KvGroup, ...]:
    """(values, window, heads) of each layer -> groups in the order of their first layer; those with 0 values are left
    out."""
    counts: dict[tuple[int, int | None, int], int] = {}
    for layer in layers:
        if layer[0] > 0:
            counts[layer] = counts.get(layer, 0) + 1
    return tuple(KvGroup(count, *layer) for layer, count in counts.items())


def weights_key(source: Source) -> str:
    """How a source's weights are called in a mapping: `/models/tiny`, `org/name@main`, `org/name@v1:model-q8.gguf`.

    A projector and a draft model are weights, too: `+mmproj:NAME`, `+draft:NAME`. "" for a source without weights of
    its own (url, tag, cmd).
    """
    if source.path:
        key = source.path
    elif source.repo:
        key = f"{source.repo}@{source.revision or 'main'}" + (f":{source.file}" if source.file else "")
    else:
        return ""
    key += f"+mmproj:{source.mmproj}" if source.mmproj else ""
    return key + (f"+draft:{source.draft}" if source.draft else "")

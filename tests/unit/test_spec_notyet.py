"""What a later version does is warned of by name, and nothing else is."""

from __future__ import annotations

import pytest

from orchestrator.core.stackfile.notyet import not_yet, not_yet_words
from tests.stack_text import model, read, source


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("service: login", "service", "`service: login`"),
        ("service: boot", "service", "`service: boot`"),
        ("probe: {on_up: full}", "probe.on_up", "`on_up: full`"),
        ("budget: {gpu: {0: {reserve: 1GiB}}}", "budget.gpu", "`gpu`"),
        ("backends: {vllm: {}}", "backends.vllm", "backend `vllm`"),
        ("backends: {mlx-lm: {engine: {image: x}}}", "backends.mlx-lm.engine.image", "`engine.image`"),
        (model("residency: sleep"), "models.a.residency", "`residency: sleep`"),
        (model("capabilities: [chat, vision]"), "models.a.capabilities.1", "capability `vision`"),
        (model("capabilities: [rerank]"), "models.a.capabilities.0", "capability `rerank`"),
        (model("capabilities: [transcribe]"), "models.a.capabilities.0", "capability `transcribe`"),
        (model("capabilities: [speak]"), "models.a.capabilities.0", "capability `speak`"),
        (model("defaults: {n: 1}"), "models.a.defaults", "`defaults`"),
        (model("strip: [n]"), "models.a.strip", "`strip`"),
        (model("variants: {b: {}}"), "models.a.variants", "`variants`"),
        (model("gpus: [0]"), "models.a.gpus", "`gpus`"),
        (model("tensor_parallel: 1"), "models.a.tensor_parallel", "`tensor_parallel`"),
        (model("memory: {gpu: {0: 1GiB}}"), "models.a.memory.gpu", "`memory.gpu`"),
        (model("memory: {host: 1GiB}"), "models.a.memory.host", "`memory.host`"),
        (source("vllm", "repo: o/n"), "models.a.sources.vllm", "backend `vllm`"),
        (source("ollama", "tag: t"), "models.a.sources.ollama", "backend `ollama`"),
        (source("command", "cmd: [x]"), "models.a.sources.command", "backend `command`"),
        (source("lm-studio", "url: http://h"), "models.a.sources.lm-studio", "backend `lm-studio`"),
        (source("rapid-mlx", "path: a"), "models.a.sources.rapid-mlx", "backend `rapid-mlx`"),
        (source("transformers", "path: a"), "models.a.sources.transformers", "backend `transformers`"),
        (source("apple-foundation", ""), "models.a.sources.apple-foundation", "backend `apple-foundation`"),
        (source("llama-cpp", "path: a, mmproj: m"), "models.a.sources.llama-cpp.mmproj", "`mmproj`"),
        (source("mlx-lm", "path: a, draft: d"), "models.a.sources.mlx-lm.draft", "`draft`"),
        (source("mlx-lm", "path: a, engine: {image: i}"), "models.a.sources.mlx-lm.engine.image", "`engine.image`"),
        (model("sources: [{backend: vllm, path: a}]"), "models.a.sources.0", "backend `vllm`"),
    ],
)
def test_not_yet(text: str, where: str, what: str) -> None:
    (one,) = not_yet(read(text))
    assert (one.where, one.text) == (where, f"not yet: {what} is known, but this version cannot do it")


def test_all_else_works_now() -> None:
    stack = read(
        """
        name: n
        endpoint: {listen: 0.0.0.0:1, hosts: [h], keys: {k: {env: K}}}
        selection: [vllm, mlx-lm]
        budget: {host: {reserve: 1GiB}}
        backends: {mlx-lm: {engine: {version: 1, bin: b}}}
        supervisor: llama-swap
        probe: {on_up: standard, scope: all, tools: warn, budget: 1m, interval: 2h, quiet: 5m}
        models:
          a:
            family: f
            capabilities: [chat, tools, embed]
            context: 8192
            sources: {mlx-lm: {path: p, chat_template: t.jinja, engine: {version: 2}}, openai: {url: http://h/v1}}
            serve: {port: 1024, concurrency: 2, queue: 0, max_tokens: 9, start_timeout: 1m, extra_args: [-x],
                    unchecked_args: [-y], env: {A: b}}
            memory: {kv: 1GiB, kv_dtype: q8, weights: 1GiB}
            residency: on-demand
            ttl: 5m
            preload: true
            parsers: {tool: none, reasoning: x}
            aliases: [b]
            roles: [default]
        """
    )
    assert not_yet(stack) == ()


def test_the_tables_in_words() -> None:
    assert "`vllm`" in not_yet_words()
    assert "`service: boot`" in not_yet_words()

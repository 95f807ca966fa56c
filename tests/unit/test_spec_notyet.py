"""What a later version does is warned of by name, and nothing else is."""

from __future__ import annotations

import pytest

from orchestrator.core.stackfile.notyet import not_yet, not_yet_words
from tests.stack_text import read, source


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (source("apple-foundation", ""), "models.a.sources.apple-foundation", "backend `apple-foundation`"),
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
            capabilities: [chat, tools, vision, embed, rerank, transcribe, speak]
            defaults: {temperature: 0.7}
            strip: [logit_bias]
            variants: {a-exact: {temperature: 0}}
            context: 8192
            sources:
              mlx-lm: {path: p, draft: d, chat_template: t.jinja, engine: {version: 2}}
              llama-cpp: {repo: o/n, file: f.gguf, mmproj: m.gguf}
              openai: {url: http://h/v1}
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
    assert "`apple-foundation`" in not_yet_words()

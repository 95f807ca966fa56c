"""What two keys may not say together."""

from __future__ import annotations

import pytest

from tests.stack_text import model, problems, read, said, source

ONE_NAME = "a name leads to one model: keep it in one place"
TWO = """
models:
  a: {{aliases: {a_aliases}, roles: {a_roles}, variants: {variants}, sources: {{mlx-lm: {{path: a}}}}}}
  b: {{aliases: {b_aliases}, roles: {b_roles}, sources: {{mlx-lm: {{path: b}}}}}}
"""


@pytest.mark.parametrize(
    ("names", "error"),
    [
        ({"a_aliases": "[b]"}, "models.a.aliases.0: alias `b` is the name of a model (choose another name)"),
        ({"a_aliases": "[a]"}, "models.a.aliases.0: alias `a` is the name of a model itself (choose another name)"),
        ({"variants": "{b: {}}"}, "models.a.variants.b: variant `b` is the name of a model (choose another name)"),
        ({"a_roles": "[b]"}, "models.a.roles.0: role `b` is the name of a model (choose another name)"),
        (
            {"a_aliases": "[x]", "b_aliases": "[x]"},
            f"models.b.aliases.0: alias `x` is claimed twice: first by models.a.aliases ({ONE_NAME})",
        ),
        (
            {"a_aliases": "[x, x]"},
            f"models.a.aliases.1: alias `x` is claimed twice: first by models.a.aliases ({ONE_NAME})",
        ),
        (
            {"a_roles": "[default]", "b_roles": "[coding, default]"},
            f"models.b.roles.1: role `default` is claimed twice: first by models.a.roles ({ONE_NAME})",
        ),
        (
            {"a_roles": "[coding]", "b_aliases": "[coding]"},
            f"models.b.aliases.0: alias `coding` is already a role: models.a.roles ({ONE_NAME})",
        ),
        (
            {"a_aliases": "[x]", "variants": "{x: {}}"},
            f"models.a.variants.x: variant `x` is already an alias: models.a.aliases ({ONE_NAME})",
        ),
    ],
)
def test_a_name_leads_to_one_model(names: dict[str, str], error: str) -> None:
    none = {"a_aliases": "[]", "b_aliases": "[]", "a_roles": "[]", "b_roles": "[]", "variants": "{}"}
    assert said(TWO.format(**none | names)) == [error]


@pytest.mark.parametrize("listen", ["0.0.0.0:8484", "192.168.1.2:80", "'[::]:80'", "studio.local:80"])
def test_beyond_loopback_needs_a_key(listen: str) -> None:
    (one,) = problems(f"endpoint: {{listen: {listen}}}")
    assert (one.where, one.text) == ("endpoint.listen", "is reachable from other machines and needs a key")
    assert read(f"endpoint: {{listen: {listen}, keys: {{a: {{env: A}}}}}}").endpoint.keys


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "localhost:1", "127.1.2.3:1", "'[::1]:1'"])
def test_loopback_needs_none(listen: str) -> None:
    assert read(f"endpoint: {{listen: {listen}}}").endpoint.listen


@pytest.mark.parametrize(
    ("backend", "keys", "error"),
    [
        ("mlx-lm", "", ": a source of mlx-lm needs `repo`, or `path` to a folder"),
        ("vllm", "revision: v1", ": a source of vllm needs `repo`, or `path` to a folder"),
        ("vllm-mlx", "path: null", ": a source of vllm-mlx needs `repo`, or `path` to a folder"),
        ("llama-cpp", "", ": a source of llama-cpp needs `path` to a GGUF, or `repo` and `file`"),
        ("llama-cpp", "repo: o/n", ": a source of llama-cpp needs `path` to a GGUF, or `repo` and `file`"),
        ("openai", "model: m", ": a source of openai needs `url`"),
        ("ollama", "", ": a source of ollama needs `tag`"),
        ("command", "check: /health", ": a source of command needs `cmd`"),
        (
            "mlx-lm",
            "path: a, tag: t",
            ".tag: means nothing to a source of mlx-lm (it takes repo, revision, path, chat_template, draft, engine)",
        ),
        (
            "openai",
            "url: http://h/v1, path: a",
            ".path: means nothing to a source of openai (it takes url, model, key)",
        ),
        (
            "mlx-lm",
            "path: a, repo: o/n",
            ".path: a source has `repo` or `path`, not both (make it two entries of a list of sources)",
        ),
        ("mlx-lm", "path: a, revision: main", ".revision: belongs to `repo`, not to `path`"),
        ("llama-cpp", "path: a.gguf, file: b.gguf", ".file: belongs to `repo`, not to `path`"),
        (
            "mlx-lm",
            "path: a.gguf",
            ".path: mlx-lm reads a folder of safetensors, not a GGUF (a GGUF is for llama-cpp)",
        ),
        ("mlx-lm", "path: a, backend: mlx-lm", ".backend: is for lists of sources; here the key names the backend"),
        ("command", "cmd: [x, '${HOME}']", ".cmd.1: knows only ${PORT} of all that begins with ${"),
        ("command", "cmd: [x, '${PORT']", ".cmd.1: knows only ${PORT} of all that begins with ${"),
        ("command", "cmd: [x], env: {A: '${HOME}'}", ".env.A: knows only ${PORT} of all that begins with ${"),
        ("command", "cmd: [x], stop: 'docker stop ${PID}'", ".stop: knows only ${PORT} of all that begins with ${"),
        ("command", "cmd: [x], stop: [kill, '${PID}']", ".stop.1: knows only ${PORT} of all that begins with ${"),
        ("command", "cmd: [x], stop: it's", ".stop: is not a command: No closing quotation (write its argv as a list)"),
        ("command", "cmd: [x], check: health", ".check: must be a path that begins with / (e.g. /health)"),
        ("ollama", "tag: t, model: m", ".model: means nothing to a source of ollama (it takes tag, url, key)"),
    ],
)
def test_what_a_source_needs(backend: str, keys: str, error: str) -> None:
    assert said(source(backend, keys)) == [f"models.a.sources.{backend}{error}"]


def test_port_is_known_in_a_command() -> None:
    assert read(source("command", "cmd: [x, '--port=${PORT}', '$HOME'], stop: 'x ${PORT}', env: {P: '${PORT}'}"))


@pytest.mark.parametrize(("backend", "keys"), [("ollama", "tag: t, url: http://h:1"), ("lm-studio", "")])
def test_what_an_attached_source_can_do_without(backend: str, keys: str) -> None:
    assert read(source(backend, keys))


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("sources: [{path: a}]", "models.a.sources.0: a source in a list needs `backend`"),
        (
            "residency: resident\nttl: 5m",
            "models.a.ttl: `ttl` is for on-demand models: a resident one is always loaded "
            "(take it away, or write `residency: on-demand`)",
        ),
        (
            "residency: resident\npreload: true",
            "models.a.preload: `preload` is for on-demand models: a resident one is always loaded "
            "(take it away, or write `residency: on-demand`)",
        ),
        ("capabilities: [chat, chat]", "models.a.capabilities.1: `chat` is listed twice"),
    ],
)
def test_a_model(keys: str, error: str) -> None:
    assert said(model(keys)) == [error]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("selection: [mlx-lm, mlx-lm]", "selection.1: `mlx-lm` is listed twice"),
        ("endpoint: {listen: ['127.0.0.1:1', '127.0.0.1:1']}", "endpoint.listen.1: is listed twice"),
        (
            """
            models:
              a: {serve: {port: 18500}, sources: {mlx-lm: {path: a}}}
              b: {serve: {port: 18500}, sources: {mlx-lm: {path: b}}}
            """,
            "models.b.serve.port: port 18500 is taken by models.a.serve.port",
        ),
        (
            "models: {a: {serve: {port: 8484}, sources: {mlx-lm: {path: a}}}}",
            "models.a.serve.port: port 8484 is taken by endpoint.listen",
        ),
    ],
)
def test_a_stack(text: str, error: str) -> None:
    assert said(text) == [error]


def test_every_problem_at_once_and_no_echoes() -> None:
    found = said(
        """
        endpoint: {listen: 0.0.0.0:8484, hots: [x], keys: {laptop: 5}}
        models:
          a:
            aliases: [x, "b d", y]
            sources: {llama-cpp: {repo: o/n, fiel: f.gguf}, mlx-lm: {}}
          b:
            aliases: [y, a]
            context: none
            sources: somewhere
        selection: [mlx-lm, mlx-lm]
        """
    )
    assert [one.split(":")[0] for one in found] == [
        "endpoint.hots",
        "endpoint.keys.laptop",
        "models.a.aliases.1",
        "models.a.sources.llama-cpp.fiel",
        "models.a.sources.mlx-lm",
        "models.b.aliases.0",
        "models.b.aliases.1",
        "models.b.context",
        "models.b.sources",
        "selection.1",
    ]
    assert "first by models.a.aliases" in found[5]

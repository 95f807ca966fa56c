"""A value where a secret belongs is an error, and is shown nowhere."""

from __future__ import annotations

import pytest

from tests.stack_text import model, problems, said, source, whole

VALUE = "swordfish-1234"
LITERAL = "a secret itself must not be in stack.yaml"


@pytest.mark.parametrize(
    "text",
    [
        f"endpoint: {{keys: {{laptop: {VALUE}}}}}",
        f"endpoint: {{keys: {VALUE}}}",
        f"endpoint: {{keys: [{VALUE}]}}",
        f"endpoint: {{keys: {{laptop: [{VALUE}, b]}}}}",
        f"endpoint:\n  keys:\n    laptop: |\n      {VALUE}\n    other: {{env: A}}",
        f"endpoint: {{keys: {{laptop: {{env: {VALUE}}}}}}}",
        f"endpoint: {{keys: {{laptop: {{value: {VALUE}}}}}}}",
        f"endpoint: {{keys: {{laptop: {{env: A, file: b, pass: {VALUE}}}}}}}",
        f"endpoint: {{key: {VALUE}}}",
        f"endpoint: {{kyes: {{laptop: {VALUE}}}}}",
        f"endpoint: {{api_key: {VALUE}}}",
        source("openai", f"url: http://h/v1, key: {VALUE}"),
        source("openai", f"url: http://h/v1, key: [{VALUE}]"),
        source("openai", f"url: http://h/v1, kee: {VALUE}"),
        source("openai", f"url: 'http://user:{VALUE}@h/v1'"),
        source("openai", f"url: 'http://h/v1?api_key={VALUE}'"),
        source("openai", f"url: 'http://h/v1', token: {VALUE}"),
        source("command", f"cmd: [x, --api-key, {VALUE}]"),
        source("command", f"cmd: [x, --api-key={VALUE}]"),
        source("command", f"cmd: [x], env: {{API_KEY: {VALUE}}}"),
        model(f"serve: {{extra_args: [--api-key, {VALUE}]}}"),
        model(f"serve: {{unchecked_args: [--hf-token={VALUE}]}}"),
        model(f"serve: {{env: {{HF_TOKEN: {VALUE}}}}}"),
        model(f"serve: {{env: {{A: hf_{VALUE.replace('-', '')}}}}}").replace(
            VALUE.replace("-", ""), VALUE.replace("-", "")
        ),
        f"x-k: &k {VALUE}\nendpoint: {{keys: {{laptop: *k}}}}",
        f"endpoint: {{keys: {{a: {VALUE}, a: {VALUE}}}}}",
        f"endpoint: {{keys: {{laptop: {VALUE}}}",
        f"endpoint:\n  keys:\n    laptop: '{VALUE}\n",
        f"endpoint:\n  keys:\n    laptop: {{value: {VALUE}\n",
        f"models: {{a: {{sources: {{openai: {{url: u, key: '{VALUE}}}}}}}}}",
        f"a: 1\nkey: @{VALUE}",
        f"a: 1\nkey: !secret {VALUE}",
        f"endpoint: {{keys: {{laptop: *{VALUE}}}}}",
    ],
)
def test_a_secret_is_masked(text: str) -> None:
    found = problems(text)
    assert found
    for one in found:
        assert VALUE not in f"{one.where}{one.text}{one.mend}{one.excerpt}", one
        assert VALUE.replace("-", "") not in one.excerpt


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f"endpoint: {{keys: {{laptop: {VALUE}}}}}", "endpoint.keys.laptop"),
        ("endpoint: {keys: {laptop: 12345}}", "endpoint.keys.laptop"),
        (source("openai", f"url: http://h/v1, key: {VALUE}"), "models.a.sources.openai.key"),
    ],
)
def test_where_a_secret_belongs(text: str, where: str) -> None:
    assert said(text) == [f"{where}: {LITERAL} (write {{env: NAME}} or {{file: PATH}})"]


def test_the_names_of_secrets_are_shown() -> None:
    (one,) = problems("endpoint:\n  keys: {a: {env: A_KEY}, b: {fil: ~/b.key}, c: sw0rd}\n  listen: 127.0.0.1:1")[:1]
    assert one.excerpt == "  keys: {a: {env: A_KEY}, b: {fil: ***}, c: ***}"


@pytest.mark.parametrize("service", ["login", "boot"])
def test_with_a_service_secrets_are_files(service: str) -> None:
    text = f"""
        service: {service}
        endpoint: {{keys: {{a: {{env: A}}, b: {{file: b.key}}}}}}
        models:
          m: {{sources: [{{backend: openai, url: http://h/v1, key: {{env: B}}}}]}}
        """
    words = f"with `service: {service}` secrets must be files"
    mend = "a service manager has no shell's environment: write {file: PATH}"
    assert said(text) == [
        f"endpoint.keys.a.env: {words} ({mend})",
        f"models.m.sources.0.key.env: {words} ({mend})",
    ]


@pytest.mark.parametrize(
    ("secret", "error"),
    [
        ("{}", ": must be either {env: NAME} or {file: PATH}"),
        ("{env: A, file: b}", ": must be either {env: NAME} or {file: PATH}"),
        ("{env: 'A B'}", ".env: must be the name of an environment variable, never the secret itself"),
        ("{envv: A}", ".envv: unknown key (did you mean `env`?)"),
    ],
)
def test_the_shape_of_a_secret(secret: str, error: str) -> None:
    assert said(f"endpoint: {{keys: {{a: {secret}}}}}") == [f"endpoint.keys.a{error}"]


def test_a_long_line_and_control_characters_are_made_fit_for_a_terminal() -> None:
    (one,) = problems(whole(f"nme: {'x' * 500}"))
    assert len(one.excerpt) == 160
    assert one.excerpt.endswith(" ...")
    (two,) = problems("a: '\x1b[31m'")
    assert "\x1b" not in two.excerpt

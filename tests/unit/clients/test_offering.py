"""Which models a client is pointed at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.clients.claude_code import CLIENT as CLAUDE
from orchestrator.core.clients.codex import CLIENT as CODEX
from orchestrator.core.clients.continue_dev import CLIENT as CONTINUE
from orchestrator.core.clients.opencode import CLIENT as OPENCODE
from orchestrator.core.offering import Chosen, Refusal, choose
from orchestrator.core.plan import Plan
from tests.plans import fake, plan_of

VERIFIED = {"a": "verified", "b": "verified", "e": "none"}


def made(keys: Any = None, **changes: Any) -> Plan:
    """Models a (Anthropic's and OpenAI's further paths), b (neither), e (embeddings); a has the default role."""
    launches = [
        replace(fake("a", 1), capabilities=("chat", "tools", "vision"), native=("/v1/messages", "/v1/responses")),
        replace(fake("b", 2), capabilities=("chat", "tools")),
        replace(fake("e", 3), capabilities=("embed",)),
    ]
    plan = plan_of(*launches, name="t")
    endpoint = plan.stack.endpoint.model_validate({"keys": keys or {}})
    stack = plan.stack.model_copy(update={"endpoint": endpoint})
    return replace(plan, stack=stack, names={**plan.names, "alias": "b"}, **changes)


def chosen(*args: Any, **options: Any) -> Chosen:
    found = choose(*args, **options)
    assert isinstance(found, Chosen), found
    return found


def refused(*args: Any, **options: Any) -> Refusal:
    found = choose(*args, **options)
    assert isinstance(found, Refusal), found
    return found


def test_the_default_roles_model_comes_first_and_others_that_are_proven_follow() -> None:
    found = chosen(made(), VERIFIED, OPENCODE)
    assert [(one.name, one.tools, one.vision) for one in found.connection.models] == [
        ("a", True, True),
        ("b", True, False),
    ]
    assert found.left == ("e is left out: e is no chat model (embed)",)
    assert (found.connection.url, found.connection.root, found.connection.key) == (
        "http://127.0.0.1:1/v1",
        "http://127.0.0.1:1",
        None,
    )


def test_the_coding_role_comes_before_the_default_one() -> None:
    plan = made()
    assert chosen(plan, VERIFIED, OPENCODE).connection.first.name == "a"
    coding = replace(plan, names={**plan.names, "coding": "b"})
    assert chosen(coding, VERIFIED, OPENCODE).connection.first.name == "b"


def test_an_alias_is_kept_as_the_user_wrote_it() -> None:
    assert chosen(made(), VERIFIED, OPENCODE, model="alias").connection.first.name == "alias"


@pytest.mark.parametrize(
    ("mark", "words"),
    [("untested", "is not proven yet"), ("failed", "failed the probe"), ("none", "calls no tools")],
)
def test_an_unproven_model_is_refused_unless_forced(mark: str, words: str) -> None:
    found = refused(made(), {"a": mark}, OPENCODE)
    assert (found.kind, found.text) == ("probe", f"a {words}")
    assert "--force" in found.mend
    assert chosen(made(), {"a": mark}, OPENCODE, force=True).connection.first.tools


def test_another_unproven_model_is_left_out() -> None:
    found = chosen(made(), {"a": "verified", "b": "failed"}, OPENCODE)
    assert [one.name for one in found.connection.models] == ["a"]
    assert found.left[0] == "b is left out: b failed the probe"


def test_a_degraded_one_passes_with_a_warning() -> None:
    assert chosen(made(), {"a": "degraded"}, OPENCODE).warnings == ("the tool path of a is degraded",)


def test_a_client_that_calls_no_tools_takes_a_model_without() -> None:
    found = chosen(made(), {"a": "none"}, CONTINUE)
    assert [one.name for one in found.connection.models] == ["a"]
    assert refused(made(), {"a": "untested"}, CONTINUE).kind == "probe"


@pytest.mark.parametrize("client", [CLAUDE, CODEX])
def test_an_engine_without_the_clients_api_is_refused_also_by_force(client: Any) -> None:
    found = refused(made(), VERIFIED, client, model="b", force=True)
    assert found.kind == "plan"
    assert client.api in found.text
    assert [one.name for one in chosen(made(), VERIFIED, client).connection.models] == ["a"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "alia"}, "no model is called alia"),
        ({"model": "e"}, "e is no chat model (embed)"),
        ({"key": "x"}, "endpoint.keys has no x"),
    ],
)
def test_names_that_are_not_there(options: dict[str, str], words: str) -> None:
    found = refused(made(), VERIFIED, OPENCODE, **options)
    assert (found.kind, found.text) == ("usage", words)


def test_without_a_role_a_model_must_be_named() -> None:
    assert refused(made(default=None), VERIFIED, OPENCODE).text == "several models, and none has a role"


def test_the_key_is_the_clients_own_or_the_first_and_only_its_place_is_told() -> None:
    plan = made({"one": {"env": "ONE"}, "codex": {"file": "/k"}})
    assert chosen(plan, VERIFIED, CODEX).connection.key == ("file", "/k")
    assert chosen(plan, VERIFIED, OPENCODE).connection.key == ("env", "ONE")
    assert chosen(plan, VERIFIED, OPENCODE, key="codex").connection.key == ("file", "/k")

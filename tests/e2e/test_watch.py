"""The daemon probes its idle models again: a verdict that changes is seen everywhere, and nobody waits for it."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from tests.fake_stack import FakeStack
from tests.gateways import ask

Make = Callable[..., FakeStack]
PING = [{"type": "function", "function": {"name": "ping", "parameters": {"type": "object"}}}]
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}


def until(said: Callable[[], bool]) -> None:
    """Waits for what the watch will do in its own time."""
    end = time.monotonic() + 60
    while not said():
        assert time.monotonic() < end
        time.sleep(0.05)


def get(stack: FakeStack, path: str) -> Any:
    answer = ask(stack.port, "GET", path)
    return answer.body.decode() if path == "/metrics" else answer.json()


def row(stack: FakeStack) -> dict[str, Any]:
    return dict(stack.status()["models"][0])


def become(stack: FakeStack, *options: str) -> None:
    """Another engine in the old one's place, behind the daemon's back: same flags, other behaviour."""
    stack.options = list(options)
    stack.write()
    assert stack.cli("restart", "tiny").returncode == 0


def test_a_verdict_that_changes_is_seen_everywhere(fake_stack: Make) -> None:
    stack = fake_stack(top={"probe": {"on_up": "quick", "interval": "1s", "quiet": 0}})
    assert stack.cli("up").returncode == 0
    first = row(stack)
    assert (first["tools"], first["changed"], first["calls"]["invalid"]) == ("verified", None, 0)
    assert first["probed"] >= 0
    until(lambda: 'stack_background_probes_total{model="tiny",outcome="same"}' in get(stack, "/metrics"))

    become(stack, "--fault", "markup_in_content")
    until(lambda: row(stack)["tools"] == "failed")
    status = stack.status()
    change = status["models"][0]["changed"]
    assert (change["from"], change["to"], status["ready"]) == ("verified", "failed", False)
    assert change["why"].startswith("markup_in_content: ")
    assert get(stack, "/v1/models")["data"][0]["meta"]["stack"]["tools"] == "failed"
    assert get(stack, "/v1/models/tiny")["meta"]["stack"]["tools"] == "failed"
    metrics = get(stack, "/metrics")
    assert 'stack_tools{model="tiny",tools="failed"} 1.0' in metrics
    assert 'stack_tools{model="tiny",tools="verified"} 0.0' in metrics
    assert 'stack_tools_probed_timestamp_seconds{model="tiny"}' in metrics
    assert ask(stack.port, "GET", "/readyz").status == 503
    refused = ask(stack.port, "POST", "/v1/chat/completions", CHAT | {"tools": PING})
    assert (refused.status, refused.json()["error"]["code"]) == (503, "tools_failed")
    assert ask(stack.port, "POST", "/v1/chat/completions", CHAT).status == 200
    shown = stack.cli("status").stdout
    assert "tiny: tools verified -> failed" in shown
    assert "the tools of tiny were verified and are failed now: markup_in_content" in stack.cli("logs").stdout

    become(stack)
    until(lambda: row(stack)["tools"] == "verified")
    assert row(stack)["changed"]["to"] == "verified"
    assert ask(stack.port, "GET", "/readyz").status == 200


def test_a_request_is_not_held_up_and_leaves_the_old_verdict(fake_stack: Make) -> None:
    """One request at a time and no queue: it would be refused if the probe did not give way before."""
    stack = fake_stack(
        "--token-delay",
        "0.05",
        model={"serve": {"concurrency": 1, "queue": 0}},
        top={"probe": {"on_up": "none", "interval": "1s", "quiet": 0}},
    )
    assert stack.cli("up").returncode == 0
    until(lambda: bool(row(stack)["active"]))
    answer = ask(stack.port, "POST", "/v1/chat/completions", CHAT)
    assert answer.status == 200
    until(lambda: 'stack_background_probes_total{model="tiny",outcome="gave_way"} 1.0' in get(stack, "/metrics"))
    assert row(stack)["tools"] == "untested"
    state = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{stack.engine_port}/fake/state").read())
    assert state["cancelled"] >= 1, "the engine was left to work for nobody"


def test_real_calls_are_counted_as_the_client_declared_them(fake_stack: Make) -> None:
    stack = fake_stack()
    assert stack.cli("up").returncode == 0
    for streamed in (False, True):
        body = CHAT | {"tools": PING, "tool_choice": "required", "stream": streamed}
        assert ask(stack.port, "POST", "/v1/chat/completions", body).status == 200
    until(lambda: sum(row(stack)["calls"].values()) >= 2)
    assert row(stack)["calls"] == {"valid": 2, "invalid": 0, "unchecked": 0}
    assert (row(stack)["tools"], row(stack)["probed"]) == ("untested", None)

"""The straight line on a real llama-server, through both supervisors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

from tests.components import REPOSITORY
from tests.homes import Cli
from tests.line import Line, lines
from tests.names import apart

pytestmark = pytest.mark.component("llama-server")
GGUF = REPOSITORY / "models" / "selftest/selftest.gguf"
line = lines("llama-cpp", GGUF)


def test_the_official_client_forty_clean_turns_and_kill_9(line: Line) -> None:
    line.openai_client()
    line.forty_clean_turns()
    line.kill_9_of_the_engine_is_survived()


def test_the_anthropic_client_is_passed_through(line: Line) -> None:
    line.anthropic_client()


def up(cli: Cli, port: int, **models: dict[str, Any]) -> str:
    """The endpoint of models on that GGUF, without a probe."""
    stack = {
        "version": 1,
        "name": apart("line"),
        "endpoint": {"listen": f"127.0.0.1:{port}"},
        "probe": {"on_up": "none"},
    }
    made = {name: {"sources": {"llama-cpp": {"path": str(GGUF)}}} | model for name, model in models.items()}
    (cli.home.work / "stack.yaml").write_text(json.dumps(stack | {"models": made}))
    done = cli("up", timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return f"http://127.0.0.1:{port}/v1"


HELLO: list[Any] = [{"role": "user", "content": "hello"}]


def test_parameters_variants_and_a_draft_model(stack_cli: Cli, free_port: Callable[[], int]) -> None:
    url = up(
        stack_cli,
        free_port(),
        selftest={
            "sources": {"llama-cpp": {"path": str(GGUF), "draft": str(GGUF)}},
            "roles": ["default"],
            "defaults": {"max_tokens": 3, "temperature": 0},
            "strip": ["grammar"],
            "variants": {"selftest-long": {"max_tokens": 6}},
        },
    )
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:

        def length(model: str, **more: Any) -> int:
            usage = client.chat.completions.create(model=model, messages=HELLO, **more).usage
            assert usage is not None
            return usage.completion_tokens

        assert [model.id for model in client.models.list()] == ["selftest", "selftest-long"]
        assert length("selftest") == length("default") == 3
        assert length("selftest", max_completion_tokens=5) == 5
        assert length("selftest-long", max_tokens=1) == 6
        assert length("selftest", extra_body={"grammar": "this is no grammar"}) == 3
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        with pytest.raises(openai.BadRequestError, match="cannot see images"):
            client.chat.completions.create(model="selftest", messages=[{"role": "user", "content": [image]}])  # type: ignore[list-item]


def test_vectors_and_scores(stack_cli: Cli, free_port: Callable[[], int]) -> None:
    """The causal model makes poor ones, but it makes them: readiness asks for the shape of both."""
    url = up(
        stack_cli,
        free_port(),
        vectors={
            "capabilities": ["embed"],
            "residency": "resident",
            "serve": {"extra_args": ["--pooling", "mean"]},
        },
        scores={"capabilities": ["rerank"], "residency": "resident"},
    )
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        two = client.embeddings.create(model="vectors", input=["hello", "a red square"]).data
        assert len(two[0].embedding) == len(two[1].embedding) > 1
        with pytest.raises(openai.BadRequestError, match="its capabilities are embed"):
            client.chat.completions.create(model="vectors", messages=HELLO)
    body = {"model": "scores", "query": "hello", "documents": ["hello", "a red square", "no"]}
    answer = httpx.post(f"{url}/rerank", json=body, trust_env=False, timeout=30)
    assert answer.status_code == 200
    assert sorted(entry["index"] for entry in answer.json()["results"]) == [0, 1, 2]

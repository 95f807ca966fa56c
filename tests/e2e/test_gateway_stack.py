"""Models that see, hear, speak and rank, from stack.yaml to the client, through both supervisors."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

from orchestrator.edge.run.samples import image, sound
from tests.homes import Cli
from tests.line import SUPERVISORS
from tests.names import apart
from tests.plans import ENGINE


def stack(port: int, supervisor: str) -> dict[str, Any]:
    def model(*options: str, can: list[str], **more: Any) -> dict[str, Any]:
        cmd = [sys.executable, str(ENGINE), "--port", "${PORT}", *options]
        return {
            "sources": {"command": {"cmd": cmd, "check": "/health"}},
            "capabilities": can,
            "memory": {"weights": "64MiB"},
            **more,
        }

    return {
        "version": 1,
        "name": apart("every", "eyes", "ears", "voice", "ranks"),
        "endpoint": {"listen": f"127.0.0.1:{port}"},
        "supervisor": supervisor,
        "probe": {"on_up": "none"},
        "models": {
            "eyes": model("--vision", can=["chat", "vision"], roles=["default"]),
            "ears": model(can=["transcribe"], residency="resident", variants={"ears-de": {"language": "de"}}),
            "voice": model("--voice", "af_heart", can=["speak"], residency="resident", defaults={"voice": "af_heart"}),
            "ranks": model(can=["rerank", "embed"], residency="resident", strip=["user"]),
        },
    }


@pytest.mark.parametrize("supervisor", SUPERVISORS)
def test_every_capability(stack_cli: Cli, free_port: Callable[[], int], supervisor: str) -> None:
    port = free_port()
    (stack_cli.home.work / "stack.yaml").write_text(json.dumps(stack(port, supervisor)))
    done = stack_cli("up", timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    url = f"http://127.0.0.1:{port}/v1"
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        listed = [model.id for model in client.models.list()]
        assert listed == ["eyes", "ears", "ears-de", "voice", "ranks"]
        parts: list[Any] = [{"type": "text", "text": "hello"}, {"type": "image_url", "image_url": {"url": image()}}]
        said = client.chat.completions.create(model="default", messages=[{"role": "user", "content": parts}])
        assert said.choices[0].message.content
        for size in (1, 40):  # beyond a mebibyte it is passed on while it comes in
            recording = sound() * size
            text = client.audio.transcriptions.create(model="ears-de", file=("a.wav", recording))
            assert text.text == "1 s"  # what the WAV's own header says
            assert (text.model_extra or {})["fields"]["language"] == "de"
        spoken = client.audio.speech.create(model="voice", input="hello", voice=openai.NOT_GIVEN)  # type: ignore[arg-type]
        assert spoken.content.startswith(b"RIFF")
        with pytest.raises(openai.BadRequestError, match="no such voice"):
            client.audio.speech.create(model="voice", input="hello", voice="alloy")
        vectors = client.embeddings.create(model="ranks", input=["a", "b"], encoding_format="float").data
        assert len(vectors) == 2
        with pytest.raises(openai.BadRequestError, match="voice is not for"):
            client.embeddings.create(model="voice", input="a")
    body = {"model": "ranks", "query": "red square", "documents": ["a dog", "a red square"]}
    results = httpx.post(f"{url}/rerank", json=body, trust_env=False).json()["results"]
    assert [entry["index"] for entry in results] == [1, 0]


def test_an_engine_that_cannot_what_it_should_is_not_ready(stack_cli: Cli, free_port: Callable[[], int]) -> None:
    made = stack(free_port(), "embedded")
    made["models"]["voice"]["defaults"] = {}
    (stack_cli.home.work / "stack.yaml").write_text(json.dumps(made))
    done = stack_cli("up", timeout=240)
    assert done.returncode == 5
    assert "no such voice" in done.stdout + done.stderr
    assert "defaults: {voice: ...}" in done.stdout + done.stderr

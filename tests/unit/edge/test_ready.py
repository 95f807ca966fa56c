"""edge/run/ready.py against the fake engine as a process: each capability right, and wrong in the way that matters."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import struct
import subprocess
import sys
import wave
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from orchestrator.core.launch import Capability, Launch, Serving
from orchestrator.edge.run import samples
from orchestrator.edge.run.api import Upstream
from orchestrator.edge.run.ready import PROOFS, NotReady, prove
from tests.plans import ENGINE, fake

ALL: tuple[Capability, ...] = ("chat", "vision", "embed", "rerank", "transcribe", "speak")


@pytest.fixture
def engine(free_port: Callable[[], int]) -> Iterator[Callable[..., Launch]]:
    """Starts a fake engine, answers its launch."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str, can: tuple[Capability, ...] = ALL, **defaults: Any) -> Launch:
        port = free_port()
        started.append(subprocess.Popen([sys.executable, str(ENGINE), "--port", str(port), *options]))
        launch = fake("m", port, serving=Serving(8192))
        return replace(launch, capabilities=can, defaults=tuple((k, json.dumps(v)) for k, v in defaults.items()))

    yield start
    for process in started:
        process.kill()
        process.wait()


async def alive() -> bool:
    return True


def proven(launch: Launch) -> None:
    asyncio.run(asyncio.wait_for(prove(launch, Upstream(launch.url, "m"), alive), 30))


def test_every_capability(engine: Callable[..., Launch]) -> None:
    launch = engine("--vision", "--strict-model", "--model", "m")
    proven(launch)
    state = httpx.get(f"http://127.0.0.1:{launch.port}/fake/state", trust_env=False).json()
    assert state["images"] == 1
    assert set(PROOFS) == set(ALL)


@pytest.mark.parametrize(
    ("capability", "words"),
    [
        ("vision", "about an image came back without choices"),
        ("embed", "two vectors of one length"),
        ("rerank", "without a score for each"),
        ("transcribe", "without a transcript"),
        ("speak", "and no audio"),
    ],
)
def test_one_that_answers_wrongly(engine: Callable[..., Launch], capability: Capability, words: str) -> None:
    launch = engine("--vision", "--broken", capability)
    with pytest.raises(NotReady, match=words):
        proven(launch)
    rest = tuple(one for one in ALL if one != capability)
    proven(replace(launch, capabilities=rest))


def test_an_engine_without_eyes_is_not_ready_for_vision(engine: Callable[..., Launch]) -> None:
    with pytest.raises(NotReady, match="image input is not supported"):
        proven(engine(can=("chat", "vision")))


def test_the_proof_carries_what_a_clients_request_would(engine: Callable[..., Launch]) -> None:
    voice = engine("--voice", "af_heart", can=("speak",))
    with pytest.raises(NotReady, match=r"no such voice.*`defaults: \{voice"):
        proven(voice)
    proven(replace(voice, defaults=(("voice", '"af_heart"'),)))
    small = engine(can=("embed",), dimensions=4)
    proven(small)
    with pytest.raises(NotReady, match="404"):
        proven(engine("--strict-model", "--model", "other", can=("transcribe",)))


def test_a_vector_of_another_length_than_asked_for(engine: Callable[..., Launch]) -> None:
    launch = engine("--dimensions", "8", can=("embed",), dimensions=0)
    with pytest.raises(NotReady, match="has 8 numbers, and `dimensions` is 0"):
        proven(launch)


def test_samples_are_what_they_say() -> None:
    with wave.open(io.BytesIO(samples.sound())) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getnframes()) == (16_000, 1, 16_000)
    kind, _, text = samples.image().partition(",")
    png = base64.b64decode(text)
    assert kind == "data:image/png;base64"
    assert struct.unpack(">II", png[16:24]) == (64, 64)
    at = png.index(b"IDAT")
    (size,) = struct.unpack(">I", png[at - 4 : at])
    assert zlib.decompress(png[at + 4 : at + 4 + size]).count(b"\xff\0\0") == 64 * 64

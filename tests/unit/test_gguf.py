"""The GGUF header's reader, on files written by hand, and on damage of every kind."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.modelfiles.gguf import BLOCKS, BadGguf, Gguf, Skipped, parse_gguf
from orchestrator.edge.modelfiles.folder import parts
from tests.weights_files import F32, Q8_0, gguf, text

META = {"general.architecture": "qwen3", "qwen3.block_count": 2, "a.flag": True, "a.list": [1, 2, 3], "a.rope": 0.5}
TENSORS = {"token_embd": (Q8_0, (64, 2), 4 * 34), "norm": (F32, (64,), 256)}
GOOD = gguf(META, TENSORS)


def parse(data: bytes, size: int | None = None) -> Gguf:
    return parse_gguf(memoryview(data), len(data) if size is None else size)


@pytest.mark.parametrize("version", [2, 3])
def test_metadata_and_sizes(version: int) -> None:
    found = parse(gguf(META, TENSORS, version=version))
    assert found.metadata == META
    assert (found.tensors, found.size) == (2, 4 * 34 + 256)
    assert found.end == found.data + 160 + 256


def test_alignment_is_the_files_own() -> None:
    assert parse(gguf(META | {"general.alignment": 256}, TENSORS)).data % 256 == 0


def test_a_vocabulary_is_passed_over() -> None:
    words = [f"word{i}" for i in range(5000)]
    found = parse(gguf({"tokenizer.ggml.tokens": words, "tokenizer.ggml.scores": [1.0] * 5000, "z": 7}, {}))
    assert found.metadata == {"tokenizer.ggml.tokens": Skipped(5000), "tokenizer.ggml.scores": Skipped(5000), "z": 7}


def test_a_type_that_is_newer_than_we_are_counts_by_its_place() -> None:
    found = parse(gguf(META, {"new": (max(BLOCKS) + 9, (64,), 96), "norm": (F32, (64,), 256)}))
    assert found.size == 96 + 256


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no GGUF"),
        (b"PK\x03\x04 and so on", "no GGUF"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs pointer"),
        (GOOD[:4] + struct.pack("<I", 1) + GOOD[8:], "version 1"),
        (GOOD[:4] + struct.pack(">I", 3) + GOOD[8:], "big-endian"),
        (GOOD[:8] + struct.pack("<QQ", 2**60, 1) + GOOD[24:], "damaged"),
        (GOOD[:60], "truncated in its header"),
        (GOOD[:-1], "truncated: tensor 'norm' ends at byte"),
        (gguf(META | {"general.alignment": 24}, {}), "power of two"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", 9, 8, 2**60), "truncated"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", 9, 9, 1), "unknown type"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**63) + b"k", "truncated"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text("t") + struct.pack("<I", 2**31), "dimensions"),
    ],
)
def test_damage_is_named(data: bytes, words: str) -> None:
    with pytest.raises(BadGguf) as caught:
        parse(data)
    assert words in str(caught.value)


@given(st.binary(max_size=200).map(lambda tail: b"GGUF\x03\0\0\0" + tail))
def test_no_bytes_break_it(data: bytes) -> None:
    with contextlib.suppress(BadGguf):
        parse(data)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_no_flipped_byte_breaks_it(place: int, byte: int) -> None:
    with contextlib.suppress(BadGguf):
        parse(GOOD[:place] + bytes([byte]) + GOOD[place + 1 :])


@given(st.integers(0, len(GOOD) - 1))
def test_every_truncation_is_found(length: int) -> None:
    with pytest.raises(BadGguf):
        parse(GOOD[:length])


def test_parts_of_a_split_file() -> None:
    names = [path.name for path in parts(Path("/m/x-00002-of-00003.gguf"))]
    assert names == ["x-00001-of-00003.gguf", "x-00002-of-00003.gguf", "x-00003-of-00003.gguf"]
    assert parts(Path("/m/x.gguf")) == [Path("/m/x.gguf")]

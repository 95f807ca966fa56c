from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import memory
from orchestrator.core.memory import Cache
from orchestrator.core.plan import Pool
from orchestrator.core.weights import KvGroup
from tests.planned import GIB, linux, local, mac, stack, weights

ANY = stack({"m": local()})


def test_the_formula_is_the_arithmetic() -> None:
    cache = Cache("slots", 2)
    assert memory.kv_bytes(weights(), 8192, cache) == 5 * 256 * 2 * 8192 * 2 == 40 * 2**20
    text = memory.kv_formula(weights(), 8192, cache)
    assert text == "5 layers x 256 values x 2 B x 8192 tokens x 2 slots = 40.0 MiB"


@pytest.mark.parametrize(
    ("reserves", "contexts", "words"),
    [
        ("slots", 3, "3 slots"),
        ("unbounded", 3, "3 requests"),
        ("cached", 4, "(3 requests + 1 in the prompt cache)"),
        ("paged", 1, "1 full context"),
    ],
)
def test_what_each_kind_of_backend_reserves(reserves: str, contexts: int, words: str) -> None:
    cache = Cache(reserves, 3)  # type: ignore[arg-type]
    assert (cache.contexts, cache.words) == (contexts, words)


def test_windows_and_state_count_as_what_they_hold() -> None:
    hybrid = weights(kv=(KvGroup(1, 100, window=128), KvGroup(2, 100)), state=1000)
    cache = Cache("slots", 1)
    assert memory.kv_bytes(hybrid, 1024, cache) == (100 * 128 + 2 * 100 * 1024) * 2 + 1000
    assert memory.kv_formula(hybrid, 1024, cache) == (
        "(1 layer x 100 values x 2 B x 128 tokens (their window) + 2 layers x 100 values x 2 B x 1024 tokens"
        " + 1000 B state) x 1 slot = 426 KiB"
    )


def test_a_paged_cache_holds_whole_pages_and_a_spare_one() -> None:
    """With less vLLM does not start (seen with 0.32.0: 8192 tokens of a model need 8192 + 128)."""
    cache = Cache("paged", 4)
    assert memory.kv_bytes(weights(), 8192, cache) == 5 * 256 * 2 * (8192 + 128)
    assert memory.kv_bytes(weights(), 8193, cache) == 5 * 256 * 2 * (8320 + 128)
    assert "x 8320 tokens x 1 full context" in memory.kv_formula(weights(), 8192, cache)
    window = weights(kv=(KvGroup(1, 100, window=128),), state=1000)
    batch = memory.PAGED_BATCH
    assert memory.kv_bytes(window, 8192, cache) == 100 * 2 * (128 + batch + 128) + 2 * 1000
    assert memory.kv_bytes(window, 64, cache) == 100 * 2 * (128 + 128) + 2 * 1000


def test_heads_that_are_too_few_for_the_gpus_are_copied() -> None:
    two = weights(kv=(KvGroup(5, 256, heads=2),))
    cache = Cache("paged", 4, gpus=4)
    assert memory.kv_bytes(two, 8192, cache) == 2 * memory.kv_bytes(two, 8192, Cache("paged", 4, gpus=2))
    assert "5 layers x 256 values x 2 copies x 2 B x 8320 tokens" in memory.kv_formula(two, 8192, cache)
    latent = weights(kv=(KvGroup(61, 576, heads=1),))
    assert memory.kv_bytes(latent, 8192, Cache("paged", 1, gpus=8)) == 8 * 61 * 576 * 2 * (8192 + 128)


def test_a_quantized_cache_counts_its_scales() -> None:
    q8 = Cache("slots", 1, memory.KV_BYTES["q8"])
    assert memory.kv_bytes(weights(), 1024, q8) == 5 * 256 * 1024 * 34 // 32


@given(st.integers(0, 2**32), st.integers(1, 200_000), st.integers(1, 8))
def test_the_longest_context_fits_and_the_next_does_not(room: int, most: int, slots: int) -> None:
    cache = Cache("slots", slots)
    found = memory.largest_context(weights(), room, cache, most)
    assert 0 <= found <= most
    if found:
        assert memory.kv_bytes(weights(), found, cache) <= room
    if 0 < found < most:
        assert memory.kv_bytes(weights(), min(found + memory.STEP, most), cache) > room
    if not found:
        assert memory.kv_bytes(weights(), min(memory.LEAST, most), cache) > room or most % memory.STEP


def test_pools() -> None:
    assert memory.main_pool(linux(64 * GIB), ANY)[0] == Pool("host", 64 * GIB, 8 * GIB)
    assert memory.main_pool(linux(4 * GIB), ANY)[0] == Pool("host", 4 * GIB, GIB)
    assert memory.main_pool(mac(), ANY)[0] == Pool("unified", 96 * GIB, 6 * GIB)
    # all of it wired: then the system's share must come out of it
    assert memory.main_pool(mac(64 * GIB, 64 * GIB), ANY)[0] == Pool("unified", 64 * GIB, 8 * GIB)
    declared = stack({"m": local()}, budget={"host": {"reserve": "16GiB"}})
    pool, reason = memory.main_pool(mac(), declared)
    assert pool == Pool("unified", 96 * GIB, 16 * GIB)
    assert reason == "the GPU may wire 96.0 GiB of 128 GiB; 16.0 GiB budget.host.reserve"
    assert memory.main_pool(linux(8 * GIB), declared)[0].reserve == 8 * GIB

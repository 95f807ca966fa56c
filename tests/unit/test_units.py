from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import units


@pytest.mark.parametrize(
    ("written", "count"),
    [
        (0, 0),
        (1024, 1024),
        ("1024", 1024),
        ("16GiB", 16 * 2**30),
        ("16GB", 16 * 10**9),
        ("512 MiB", 512 * 2**20),
        ("1.5GiB", 3 * 2**29),
        ("0.1GB", 10**8),
        ("2tib", 2**41),
        ("7b", 7),
    ],
)
def test_sizes(written: object, count: int) -> None:
    assert units.size(written) == count


@pytest.mark.parametrize(
    "written", [-1, True, 1.5, None, "", "GiB", "1.GiB", "-1GiB", "16Gi", "1e9", "9999999TiB", [1]]
)
def test_what_is_no_size(written: object) -> None:
    with pytest.raises(ValueError, match=r"^must be a size: 16GiB, 512MB or bytes$"):
        units.size(written)


@pytest.mark.parametrize(
    ("written", "seconds"), [(0, 0), (90, 90), ("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("1 d", 86400)]
)
def test_durations(written: object, seconds: int) -> None:
    assert units.duration(written) == seconds


@pytest.mark.parametrize("written", [-1, True, 1.5, None, "", "1.5h", "10min", "1w", "999999999h"])
def test_what_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match=r"^must be a duration: 90s, 10m, 2h or whole seconds$"):
        units.duration(written)


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (840, "840 B"), (12 * 2**20, "12.0 MiB"), (3 * 2**29, "1.5 GiB"), (128 * 2**30, "128 GiB")],
)
def test_sizes_in_words(count: int, shown: str) -> None:
    assert units.show_size(count) == shown


@given(st.integers(0, units.SIZE_MAX))
def test_bytes_are_exact(count: int) -> None:
    assert units.size(count) == units.size(str(count)) == units.size(f"{count}B") == count

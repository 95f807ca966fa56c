"""Which version a Python engine is, from what lies beside its script."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.edge.host.find_engine import distribution_version


@pytest.mark.parametrize(
    ("folder", "version"),
    [
        ("vllm-0.32.0.dist-info", "0.32.0"),
        ("vllm-0.32.0+cpu.dist-info", "0.32.0"),
        ("vllm-0.31.1+cu130.dist-info", "0.31.1"),
        ("vllm_mlx-0.6.0.dist-info", ""),
    ],
)
def test_a_build_of_a_version_is_that_version(tmp_path: Path, folder: str, version: str) -> None:
    """Its flags are those of the version; another engine's distribution does not count."""
    script = tmp_path / "bin" / "vllm"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    (tmp_path / "lib" / "python3.11" / "site-packages" / folder).mkdir(parents=True)
    assert distribution_version(script, "vllm") == version

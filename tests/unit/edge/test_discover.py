from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core import backends, targets
from orchestrator.edge import discover
from tests.components import REPOSITORY


def test_every_file_is_found_and_no_other() -> None:
    for package, found in ((backends, discover.backends()), (targets, discover.targets())):
        files = {path.stem for path in Path(package.__path__[0]).glob("[a-z]*.py")}
        assert {name.replace("-", "_") for name in found} == files
        assert list(found) == sorted(found)


def test_a_users_own_backend_comes_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an installed distribution would offer it; one of our name replaces ours."""
    info = tmp_path / "mine-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[stack.backends]\nmine = mine_stack:BACKEND\n")
    (tmp_path / "mine_stack.py").write_text("class B:\n    name = 'mlx-lm'\n\nBACKEND = B()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = discover.backends()
    assert type(found["mlx-lm"]).__module__ == "mine_stack"
    assert "llama-cpp" in found


def test_templates_lie_beside_the_package() -> None:
    assert (REPOSITORY / "templates").is_dir()

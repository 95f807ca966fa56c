"""`stack engine install` with the real uv and a small engine that is built here: no network."""

from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from pathlib import Path

import pytest

from orchestrator.core.engines import PROGRAMS
from orchestrator.edge import engines
from orchestrator.edge.engines import Recipe
from orchestrator.errors import EngineError, UsageError

WHEEL = "mlx_lm-9.9.9-py3-none-any.whl"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """An engine called mlx-lm 9.9.9, in a folder that uv takes for its only index."""
    wheel = _wheel(tmp_path)
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "UV_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return Recipe("mlx-lm", "9.9.9", f"mlx-lm==9.9.9 --hash=sha256:{digest}\n")


def _wheel(folder: Path) -> Path:
    info = "mlx_lm-9.9.9.dist-info"
    files = {
        "fake_engine.py": "def main():\n    print('  --model MODEL   the model')\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: mlx-lm\nVersion: 9.9.9\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nmlx_lm.server = fake_engine:main\n",
    }
    record = "".join(f"{name},sha256={_record(text)},{len(text)}\n" for name, text in files.items())
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            wheel.writestr(name, text)
    return folder / WHEEL


def _record(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def test_an_engine_is_installed_once(recipe: Recipe) -> None:
    engine = engines.ensure(recipe, quiet=True)
    assert engine.bin == str(recipe.folder / "bin" / "mlx_lm.server")
    assert (engine.version, engine.flags) == ("9.9.9", ("--model",))
    assert engines.environments("mlx-lm") == [("9.9.9", recipe.bin)]
    before = recipe.folder.stat().st_ino
    engines.ensure(recipe, quiet=True)
    assert recipe.folder.stat().st_ino == before


def test_what_was_left_half_done_is_made_anew(recipe: Recipe) -> None:
    recipe.bin.parent.mkdir(parents=True)
    recipe.bin.write_text("half")
    assert engines.environments("mlx-lm") == []
    engines.ensure(recipe, quiet=True)
    assert recipe.bin.read_text() != "half"


def test_another_hash_is_refused_and_leaves_nothing(recipe: Recipe, capfd: pytest.CaptureFixture[str]) -> None:
    wrong = Recipe(recipe.name, recipe.version, f"mlx-lm==9.9.9 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(EngineError, match=r"mlx-lm 9\.9\.9 could not be installed: uv pip exited with"):
        engines.ensure(wrong, quiet=True)
    assert "hash" in capfd.readouterr().err.lower()
    assert not wrong.folder.exists()


def test_two_installs_at_once_make_one(recipe: Recipe) -> None:
    threads = [threading.Thread(target=engines.ensure, args=(recipe,), kwargs={"quiet": True}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recipe.installed()
    assert [path.name for path in recipe.folder.parent.iterdir() if not path.name.startswith(".")] == ["mlx-lm-9.9.9"]


def test_an_engine_that_we_do_not_install_says_what_to_type() -> None:
    with pytest.raises(UsageError, match="does not install ollama") as caught:
        engines.install("ollama")
    assert caught.value.mend in PROGRAMS["ollama"].install.values()
    with pytest.raises(UsageError) as unknown:
        engines.install("olama")
    assert unknown.value.mend == "known are: mlx-lm, vllm-mlx"

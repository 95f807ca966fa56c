"""`stack pull` from a small hub: a real HTTP server in a process of its own, with faults that it makes on purpose."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import homes, hubs
from tests.fakes.hub import COMMIT
from tests.weights_files import gguf, model_folder

SIZE = 4 * 2**20
FOLDER = "version: 1\nmodels:\n  tiny: {sources: {mlx-lm: {repo: org/tiny%s}}}\n"
GGUF = "version: 1\nmodels:\n  tiny: {sources: {llama-cpp: {repo: org/tiny, file: %s}}}\n"


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """What the hub has: a folder of weights, and a GGUF with 4 MiB of tensors."""
    folder = model_folder(tmp_path / "hub/org/tiny", shards=2)
    meta = {"general.architecture": "qwen3", "qwen3.block_count": 1, "n": hashlib.sha256(b"").hexdigest()}
    data = gguf(meta, {"a": (0, (SIZE // 4,), SIZE)})
    noise = b"".join(hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(4096))
    (folder / "m.gguf").write_bytes(data[:-SIZE] + noise * (SIZE // len(noise)))
    (folder / "README.md").write_text("not needed")
    return tmp_path / "hub"


@pytest.fixture
def env(stack_home: homes.Home, tmp_path: Path, require: Callable[[str], Path]) -> dict[str, str]:
    """Both backends count as installed; llama-server is a program that is never started to serve."""
    program = tmp_path / "llama-server"
    program.write_text("#!/bin/sh\necho 'version: 1'\n")
    program.chmod(0o755)
    engine = tmp_path / "bin" / "mlx_lm.server"
    engine.parent.mkdir()
    engine.write_text("#!/bin/sh\nexit 1\n")
    engine.chmod(0o755)
    path = f"{engine.parent}:{stack_home.env['PATH']}"
    return {**stack_home.env, "PATH": path, "STACK_LLAMA_SERVER": str(program)}


def write(tmp_path: Path, text: str) -> Path:
    (tmp_path / "stack.yaml").write_text(text)
    return tmp_path / "stack.yaml"


def test_a_folder_is_pulled_and_then_needs_no_network(
    shelf: Path, env: dict[str, str], tmp_path: Path, free_port: Callable[[], int]
) -> None:
    file = write(tmp_path, FOLDER % "")
    with hubs.hub(shelf, free_port()) as hub:
        env = hubs.environment(env, hub.url, tmp_path / "hf")
        done = hubs.pull(env, file, "--json")
        assert done.returncode == 0, done.stderr
        assert "tiny: org/tiny at c0ffeec0ffee: 6 files" in done.stderr
        (pulled,) = json.loads(done.stdout)
        assert pulled["commit"] == COMMIT
        assert pulled["fetched"] == pulled["size"] > 800
        assert not hub.requests("README.md") + hub.requests("m.gguf")
    again = hubs.pull(env, file)
    assert (again.returncode, again.stderr) == (0, "tiny: org/tiny is here\n")
    for name in ("config.json", "model-00002-of-00002.safetensors"):
        assert (Path(pulled["folder"]) / name).read_bytes() == (shelf / "org/tiny" / name).read_bytes()


def test_the_hubs_own_library_finds_it_offline(
    shelf: Path, env: dict[str, str], tmp_path: Path, free_port: Callable[[], int]
) -> None:
    from huggingface_hub import snapshot_download

    with hubs.hub(shelf, free_port()) as hub:
        env = hubs.environment(env, hub.url, tmp_path / "hf")
        assert hubs.pull(env, write(tmp_path, FOLDER % "")).returncode == 0
    folder = Path(snapshot_download("org/tiny", cache_dir=tmp_path / "hf/hub", local_files_only=True))
    assert (folder / "tokenizer.json").exists()


def test_a_cut_is_resumed_where_it_happened(
    shelf: Path, env: dict[str, str], tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with hubs.hub(shelf, free_port(), "cut") as hub:
        env = hubs.environment(env, hub.url, tmp_path / "hf")
        done = hubs.pull(env, write(tmp_path, GGUF % "m.gguf"))
        assert done.returncode == 0, done.stderr
        size = (shelf / "org/tiny/m.gguf").stat().st_size
        assert hub.requests("m.gguf") == ["HEAD -", "GET -", f"GET bytes={size // 2}-"]
    assert [blob.read_bytes() for blob in hubs.blobs(env)] == [(shelf / "org/tiny/m.gguf").read_bytes()]


def test_a_killed_pull_is_resumed_by_the_next(
    shelf: Path, env: dict[str, str], tmp_path: Path, free_port: Callable[[], int]
) -> None:
    file = write(tmp_path, GGUF % "m.gguf")
    with hubs.hub(shelf, free_port(), "slow") as hub:
        env = hubs.environment(env, hub.url, tmp_path / "hf")
        first = hubs.start_pull(env, file)
        while not any(blob.stat().st_size for blob in hubs.blobs(env)):
            assert first.poll() is None
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
        first.wait()
        (part,) = hubs.blobs(env)
        assert part.name.endswith(".incomplete")
        had = part.stat().st_size
    with hubs.hub(shelf, free_port()) as hub:
        env = hubs.environment(env, hub.url, tmp_path / "hf")
        done = hubs.pull(env, file)
        assert done.returncode == 0, done.stderr
        assert "of it to download" in done.stderr
        assert hub.requests("m.gguf") == ["HEAD -", f"GET bytes={had}-"]
    assert [blob.read_bytes() for blob in hubs.blobs(env)] == [(shelf / "org/tiny/m.gguf").read_bytes()]


def test_a_hub_without_ranges_sends_it_all_again(
    shelf: Path, env: dict[str, str], tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with hubs.hub(shelf, free_port(), "cut", "no-range") as hub:
        env = hubs.environment(env, hub.url, tmp_path / "hf")
        assert hubs.pull(env, write(tmp_path, GGUF % "m.gguf")).returncode == 0
    assert [blob.read_bytes() for blob in hubs.blobs(env)] == [(shelf / "org/tiny/m.gguf").read_bytes()]


def test_a_damaged_part_is_fetched_anew(
    shelf: Path, env: dict[str, str], tmp_path: Path, free_port: Callable[[], int]
) -> None:
    data = (shelf / "org/tiny/m.gguf").read_bytes()
    folder = tmp_path / "hf/hub/models--org--tiny/blobs"
    folder.mkdir(parents=True)
    (folder / f"{hashlib.sha256(data).hexdigest()}.stack.incomplete").write_bytes(b"x" * 1000)
    with hubs.hub(shelf, free_port()) as hub:
        env = hubs.environment(env, hub.url, tmp_path / "hf")
        assert hubs.pull(env, write(tmp_path, GGUF % "m.gguf")).returncode == 0
        assert hub.requests("m.gguf") == ["HEAD -", "GET bytes=1000-", "GET -"]
    assert [blob.read_bytes() for blob in hubs.blobs(env)] == [data]


def test_a_wrong_hash_is_refused_and_nothing_is_left(
    shelf: Path, env: dict[str, str], tmp_path: Path, free_port: Callable[[], int]
) -> None:
    file = write(tmp_path, GGUF % "m.gguf")
    with hubs.hub(shelf, free_port(), "flip") as hub:
        env = hubs.environment(env, hub.url, tmp_path / "hf")
        done = hubs.pull(env, file)
        assert done.returncode == 4
        assert "org/tiny: m.gguf came with another content than the hub states: wrong hash" in done.stderr
    assert sum(blob.stat().st_size for blob in hubs.blobs(env)) == 0
    assert not list(Path(env["HF_HOME"]).glob("hub/*/snapshots/*/*"))
    with hubs.hub(shelf, free_port()) as hub:
        assert hubs.pull(hubs.environment(env, hub.url, tmp_path / "hf"), file).returncode == 0


@pytest.mark.parametrize(
    ("yaml", "faults", "words"),
    [
        (
            FOLDER.replace("org/tiny", "org/none") % "",
            (),
            "tiny: org/none: there is no such repository, or it is private",
        ),
        (FOLDER % ", revision: v9", (), "tiny: org/tiny has no revision v9"),
        (GGUF % "none.gguf", (), "tiny: org/tiny has no file none.gguf"),
        (FOLDER % "", ("gated",), "tiny: org/tiny is gated: this account has no access"),
        (GGUF % "m.gguf", ("gated",), "tiny: org/tiny is gated: this account has no access"),
        (FOLDER % "", ("full",), "the disk is too small: 18"),
    ],
)
def test_what_cannot_be_had_is_said_clearly(
    shelf: Path,
    env: dict[str, str],
    tmp_path: Path,
    free_port: Callable[[], int],
    yaml: str,
    faults: tuple[str, ...],
    words: str,
) -> None:
    with hubs.hub(shelf, free_port(), *faults) as hub:
        done = hubs.pull(hubs.environment(env, hub.url, tmp_path / "hf"), write(tmp_path, yaml))
    assert done.returncode == 4
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_no_hub_at_all(env: dict[str, str], tmp_path: Path, free_port: Callable[[], int]) -> None:
    file = write(tmp_path, FOLDER % "")
    env = hubs.environment(env, f"http://127.0.0.1:{free_port()}", tmp_path / "hf")
    done = hubs.pull(env, file)
    assert done.returncode == 4
    assert "tiny: org/tiny: no answer from the hub" in done.stderr
    offline = hubs.pull({**env, "HF_HUB_OFFLINE": "1"}, file)
    assert offline.returncode == 4
    assert "HF_HUB_OFFLINE forbids the network" in offline.stderr


def test_a_repository_without_safetensors(
    shelf: Path, env: dict[str, str], tmp_path: Path, free_port: Callable[[], int]
) -> None:
    for file in (shelf / "org/tiny").glob("*.safetensors"):
        file.unlink()
    with hubs.hub(shelf, free_port()) as hub:
        done = hubs.pull(hubs.environment(env, hub.url, tmp_path / "hf"), write(tmp_path, FOLDER % ""))
    assert done.returncode == 4
    assert "org/tiny has no safetensors" in done.stderr
    assert "its GGUF files are for llama-cpp: file: m.gguf" in done.stderr


def test_all_parts_of_a_split_gguf_come(
    shelf: Path, env: dict[str, str], tmp_path: Path, free_port: Callable[[], int]
) -> None:
    for i in (1, 2):
        (shelf / f"org/tiny/s-0000{i}-of-00002.gguf").write_bytes(gguf({"i": i}, {}))
    with hubs.hub(shelf, free_port()) as hub:
        env = hubs.environment(env, hub.url, tmp_path / "hf")
        assert hubs.pull(env, write(tmp_path, GGUF % "s-00001-of-00002.gguf")).returncode == 0
    names = {file.name for file in Path(env["HF_HOME"]).glob("hub/*/snapshots/*/*")}
    assert names == {"s-00001-of-00002.gguf", "s-00002-of-00002.gguf"}


def test_a_model_that_the_stack_does_not_have(env: dict[str, str], tmp_path: Path) -> None:
    done = hubs.pull(env, write(tmp_path, FOLDER % ""), "tinny")
    assert done.returncode == 2
    assert "the stack has no model tinny" in done.stderr


def test_ctrl_c_ends_a_pull_at_once_and_keeps_what_came(
    shelf: Path, env: dict[str, str], tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with hubs.hub(shelf, free_port(), "slow") as hub:
        env = hubs.environment(env, hub.url, tmp_path / "hf")
        running = hubs.start_pull(env, write(tmp_path, GGUF % "m.gguf"))
        while not any(blob.stat().st_size for blob in hubs.blobs(env)):
            assert running.poll() is None
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=30) == 130
    (part,) = hubs.blobs(env)
    assert 0 < part.stat().st_size < SIZE


def test_a_disk_that_fills_up_is_said_clearly(
    shelf: Path, env: dict[str, str], tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with hubs.hub(shelf, free_port()) as hub:
        env = hubs.environment(env, hub.url, tmp_path / "hf")
        done = hubs.pull(env, write(tmp_path, GGUF % "m.gguf"), file_limit=2**20)
    assert done.returncode == 4
    assert "org/tiny: m.gguf: File too large" in done.stderr
    assert "what has come is kept" in done.stderr

"""`stack prune` as a whole: real pulls from a small hub, the hub's own library, a running stack, a real docker."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import hubs
from tests.dockers import IMAGE, Dockerd
from tests.fake_stack import Make
from tests.fakes.hub import COMMIT
from tests.homes import STACK, Cli
from tests.weights_files import gguf, model_folder

FOLDER = "version: 1\nname: tiny\nmodels:\n  tiny: {sources: {mlx-lm: {repo: org/tiny}}}\n"
GGUF = "version: 1\nname: tiny\nmodels:\n  tiny: {sources: {llama-cpp: {repo: org/tiny, file: %s}}}\n"
THEIRS = "import sys; from huggingface_hub import hf_hub_download as get; [get(sys.argv[1], n) for n in sys.argv[2:]]"


@pytest.fixture
def hub(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[hubs.FakeHub]:
    """Two repositories of safetensors, and two GGUFs in one of them."""
    for name in ("org/tiny", "org/other"):
        model_folder(tmp_path / "hub" / name, shards=2)
    for name in ("q8", "q4"):
        meta = {"general.architecture": "qwen3", "qwen3.block_count": 1, "n": name}
        (tmp_path / "hub/org/tiny" / f"{name}.gguf").write_bytes(gguf(meta, {"a": (0, (4096,), 16384)}))
    with hubs.hub(tmp_path / "hub", free_port()) as one:
        yield one


@pytest.fixture
def env(stack_cli: Cli, hub: hubs.FakeHub, tmp_path: Path) -> dict[str, str]:
    """Both engines count as installed; docker is not there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("mlx_lm.server", "llama-server"):
        (folder / name).write_text("#!/bin/sh\necho 'version: 1'\n")
        (folder / name).chmod(0o755)
    (folder / "docker").write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2; exit 1\n")
    (folder / "docker").chmod(0o755)
    env = {**stack_cli.home.env, "PATH": f"{folder}:{stack_cli.home.env['PATH']}"}
    return hubs.environment(env, hub.url, tmp_path / "hf")


def prune(env: Mapping[str, str], cwd: Path, *args: str) -> subprocess.CompletedProcess[str]:
    argv = [str(STACK), "prune", *args]
    return subprocess.run(argv, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def told(env: Mapping[str, str], cwd: Path, *args: str) -> dict[str, Any]:
    done = prune(env, cwd, "--json", *args)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def cached(env: Mapping[str, str]) -> dict[str, int]:
    """Repositories and their bytes, by the hub's own library, which finds nothing broken."""
    from huggingface_hub import scan_cache_dir

    found = scan_cache_dir(Path(env["HF_HOME"]) / "hub")
    assert [str(warning) for warning in found.warnings] == []
    return {repo.repo_id: repo.size_on_disk for repo in found.repos}


def test_what_was_pulled_goes_when_its_stack_yaml_is_gone(env: dict[str, str], tmp_path: Path) -> None:
    work = tmp_path / "stack"
    work.mkdir()
    file = work / "stack.yaml"
    file.write_text(FOLDER)
    assert hubs.pull(env, file).returncode == 0
    names = ("config.json", "model-00001-of-00002.safetensors")
    subprocess.run([sys.executable, "-c", THEIRS, "org/other", *names], env=env, check=True, capture_output=True)
    before = cached(env)
    assert {*before} == {"org/tiny", "org/other"}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert told(env, elsewhere, "--dry-run")["remove"] == [], "its stack.yaml is known by the pull"
    file.unlink()
    looked = told(env, elsewhere, "--dry-run")
    kinds = {item["kind"]: item for item in looked["remove"]}
    assert {*kinds} == {"weights", "state"}
    assert kinds["weights"]["name"] == f"org/tiny at {COMMIT[:12]}"
    assert kinds["weights"]["size"] >= before["org/tiny"]
    assert (looked["removed"], cached(env)) == ([], before)
    assert {one["name"]: one["why"] for one in looked["kept"]}[f"org/other at {COMMIT[:12]}"].startswith("another tool")
    done = prune(env, elsewhere)
    assert (done.returncode, "nothing is removed without being asked" in done.stderr) == (2, True)
    assert cached(env) == before
    done = prune(env, elsewhere, "--yes")
    assert (done.returncode, f"removed weights org/tiny at {COMMIT[:12]}" in done.stdout) == (0, True), done.stderr
    assert cached(env) == {"org/other": before["org/other"]}
    assert told(env, elsewhere, "--yes", "--all")["removed"]
    assert cached(env) == {}
    assert prune(env, elsewhere, "--yes").stdout.splitlines()[-1] == "nothing to remove"


def test_another_quantization_leaves_the_old_file_to_prune(env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "stack.yaml"
    for name in ("q8.gguf", "q4.gguf"):
        file.write_text(GGUF % name)
        assert hubs.pull(env, file).returncode == 0
    (item,) = told(env, tmp_path, "--yes")["remove"]
    assert item["files"] == ["q8.gguf"]
    again = hubs.pull({**env, "HF_HUB_OFFLINE": "1"}, file)
    assert (again.returncode, again.stderr) == (0, "tiny: org/tiny is here\n")


def answered(env: Mapping[str, str], cwd: Path, answer: bytes) -> tuple[int, str]:
    """On a terminal: (exit code, what it showed)."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [str(STACK), "prune"], env=dict(env), cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs
    ) as p:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 4096):
                shown += block
                if b"Remove all of this?" in shown and answer:
                    os.write(ours, answer)
                    answer = b""
        except OSError:  # Linux says EIO when the other side is gone
            pass
        code = p.wait()
    os.close(ours)
    return code, shown.decode(errors="replace")


def test_on_a_terminal_it_asks(env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "stack.yaml"
    file.write_text(GGUF % "q8.gguf")
    assert hubs.pull(env, file).returncode == 0
    file.unlink()
    code, shown = answered(env, tmp_path, b"n\n")
    assert (code, "removed" in shown, {*cached(env)}) == (0, False, {"org/tiny"}), shown
    code, shown = answered(env, tmp_path, b"y\n")
    assert (code, "freed " in shown, cached(env)) == (0, True, {}), shown


def test_a_running_stack_keeps_what_it_runs_with(fake_stack: Make, selftest_gguf: Path) -> None:
    data = selftest_gguf.read_bytes()
    stack = fake_stack(model={"sources": {"llama-cpp": {"repo": "org/tiny", "file": "m.gguf"}}})
    home = stack.cli.home
    repo = Path(home.env["HF_HOME"]) / "hub/models--org--tiny"
    blob, link = repo / "blobs" / hashlib.sha256(data).hexdigest(), repo / "snapshots" / COMMIT / "m.gguf"
    for folder in (blob.parent, link.parent, repo / "refs"):
        folder.mkdir(parents=True)
    blob.write_bytes(data)
    link.symlink_to(os.path.relpath(blob, link.parent))
    (repo / "refs/main").write_text(COMMIT)
    (home.path / ".local/share/stack/pulled.jsonl").write_text(
        json.dumps({"repo": "org/tiny", "commit": COMMIT, "files": ["m.gguf"]})
    )
    assert stack.cli("up").returncode == 0
    other = "version: 1\nname: other\nmodels: {m: {sources: {openai: {url: 'http://127.0.0.1:1/v1'}}}}\n"
    (home.work / "stack.yaml").write_text(other)
    assert told(home.env, home.work, "--yes")["remove"] == []
    assert link.exists()
    (home.work / "stack.yaml").unlink()
    kept = {one["name"]: one["why"] for one in told(home.env, home.work, "--yes")["kept"]}
    assert "runs with it" in kept[f"org/tiny at {COMMIT[:12]}"]
    stack.write()
    assert stack.cli("down").returncode == 0
    (home.work / "stack.yaml").unlink()
    assert {item["kind"] for item in told(home.env, home.work, "--yes")["remove"]} == {"weights", "state"}
    assert not repo.exists()


def test_while_another_stack_is_at_work_it_waits_for_nobody(
    env: dict[str, str], tmp_path: Path, stack_cli: Cli
) -> None:
    from orchestrator.edge.lock import held

    file = tmp_path / "stack.yaml"
    file.write_text(GGUF % "q8.gguf")
    assert hubs.pull(env, file).returncode == 0
    file.write_text(GGUF % "q4.gguf")
    with held(stack_cli.home.state / "tiny" / "lock", "stack up"):
        done = prune(env, tmp_path, "--yes")
        assert (done.returncode, f"pid {os.getpid()} (stack up)" in done.stderr) == (7, True)
    assert {*cached(env)} == {"org/tiny"}
    assert told(env, tmp_path, "--yes")["removed"]


@pytest.mark.component("docker")
def test_images(stack_cli: Cli, docker: Dockerd) -> None:
    home = stack_cli.home
    env = {**home.env, "DOCKER_HOST": docker.host}
    state = home.state / "gone"
    state.mkdir(parents=True)
    (state / "file").write_text(f"{home.work}/no-such.yaml\n")
    with docker.client() as client:
        made = client.containers.create(IMAGE, "none", labels={"stack.name": "mine"})
        made.commit("stack-test/labelled", "1")
        client.containers.create("stack-test/labelled:1", "none", name="stack-test-user")
        plain = client.containers.create(IMAGE, "none")
        plain.commit("stack-test/planned", "1", changes="ENV A=1")
        plain.commit("stack-test/foreign", "1", changes="ENV A=2")
    how = {"kind": "container", "image": "stack-test/planned:1"}
    (state / "plan.json").write_text(json.dumps({"launches": [{"how": how}]}))
    looked = told(env, home.work, "--dry-run")
    assert {item["name"] for item in looked["remove"] if item["kind"] == "image"} == {"stack-test/planned:1"}
    kept = {one["name"]: one["why"] for one in looked["kept"]}
    assert kept["stack-test/labelled:1"] == "containers use it: stack-test-user"
    docker.clear()
    assert "stack-test/labelled:1" in {item["name"] for item in told(env, home.work, "--yes")["remove"]}
    with docker.client() as client:
        left = {tag for image in client.images.list() for tag in image.tags}
        client.images.remove("stack-test/foreign:1")
    assert {"stack-test/foreign:1", IMAGE} <= left
    assert not {"stack-test/labelled:1", "stack-test/planned:1"} & left


def test_the_current_folders_file_is_a_reference(env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "stack.yaml"
    file.write_text(FOLDER)
    assert hubs.pull(env, file).returncode == 0
    moved = tmp_path / "new"
    moved.mkdir()
    file.rename(moved / "stack.yaml")
    assert {item["kind"] for item in told(env, moved, "--dry-run")["remove"]} == {"state"}
    assert {item["kind"] for item in told(env, tmp_path, "--dry-run")["remove"]} == {"weights", "state"}

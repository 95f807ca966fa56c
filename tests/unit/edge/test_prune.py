"""What goes and what stays, on folders in the layout of huggingface_hub, which is asked whether it still reads them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.core.pruning import Item, Kept
from orchestrator.edge import paths
from orchestrator.edge.hub import ledger
from orchestrator.edge.lock import held
from orchestrator.edge.prune import engines, states, weights
from orchestrator.edge.prune.prune import find, quiet, remove
from orchestrator.edge.prune.references import references
from orchestrator.edge.run import session
from orchestrator.errors import LockHeld

A, B = "a" * 40, "b" * 40
STACK = "version: 1\nmodels:\n  tiny: {sources: {%s}}\n"


class Hub:
    """A hub cache: `add` puts a revision there as a download does."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def repo(self, repo: str) -> Path:
        return self.root / f"models--{repo.replace('/', '--')}"

    def add(self, repo: str, commit: str, files: dict[str, bytes], ref: str = "", ours: bool = True) -> Path:
        folder = self.repo(repo)
        for name, data in files.items():
            blob = folder / "blobs" / hashlib.sha256(data).hexdigest()
            link = folder / "snapshots" / commit / name
            blob.parent.mkdir(parents=True, exist_ok=True)
            link.parent.mkdir(parents=True, exist_ok=True)
            blob.write_bytes(data)
            link.symlink_to(os.path.relpath(blob, link.parent))
        if ref:
            (folder / "refs" / ref).parent.mkdir(parents=True, exist_ok=True)
            (folder / "refs" / ref).write_text(commit)
        if ours:
            ledger.place().parent.mkdir(parents=True, exist_ok=True)
            with ledger.place().open("a") as stream:
                stream.write(json.dumps({"repo": repo, "commit": commit, "files": list(files)}) + "\n")
        return folder / "snapshots" / commit

    def sound(self) -> dict[str, set[str]]:
        """Repositories and their commits, as the hub's own library reads them; it finds nothing broken."""
        from huggingface_hub import scan_cache_dir

        found = scan_cache_dir(self.root)
        assert [str(warning) for warning in found.warnings] == []
        return {repo.repo_id: {revision.commit_hash for revision in repo.revisions} for repo in found.repos}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A HOME of its own, without docker; its runtime folder is short."""
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "HF_HOME"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return tmp_path


@pytest.fixture
def hub(home: Path) -> Hub:
    paths.hub_cache().mkdir()
    return Hub(paths.hub_cache())


def known(home: Path, name: str, text: str) -> Path:
    """A stack that was up from a file with this text."""
    file = home / f"{name}.yaml"
    file.write_text(text)
    session.remember(paths.StackPaths(name), file)
    return file


def go(everything: bool = False) -> tuple[Item, ...]:
    """Finds and removes."""
    items, _ = find(None, everything=everything)
    assert [why for _, why in remove(items) if why] == []
    return items


def kept() -> dict[str, str]:
    return {one.name: one.why for one in find(None)[1]}


def test_a_revision_that_nothing_refers_to_goes_whole(home: Path, hub: Hub) -> None:
    hub.add("org/old", A, {"config.json": b"{}", "deep/model.safetensors": b"x" * 9000}, ref="main")
    hub.add("org/used", A, {"config.json": b"{}"}, ref="main")
    known(home, "s", STACK % "mlx-lm: {repo: org/used}")
    (item,) = go()
    assert (item.kind, item.name, item.why) == ("weights", f"org/old at {A[:12]}", "no stack.yaml refers to it")
    assert item.files == ("config.json", "deep/model.safetensors")
    assert item.size >= 9000
    assert hub.sound() == {"org/used": {A}}
    assert not hub.repo("org/old").exists()


def test_names_of_other_revisions_stay(home: Path, hub: Hub) -> None:
    """A ref whose snapshot is not here may be of a download that another tool has begun."""
    hub.add("org/m", A, {"config.json": b"{}"}, ref="main")
    hub.add("org/m", B, {"config.json": b"{}"}, ref="v2", ours=False)
    folder = hub.repo("org/m")
    (folder / "refs/begun").write_text("c" * 40)
    for commit in (A, B):
        (folder / ".no_exist" / commit).mkdir(parents=True)
        (folder / ".no_exist" / commit / "tokenizer.model").touch()
    go()
    assert {path.name for path in (folder / "refs").iterdir()} == {"v2", "begun"}
    assert {path.name for path in (folder / ".no_exist").iterdir()} == {B}


def test_an_older_commit_of_a_branch_goes_and_shared_blobs_stay(home: Path, hub: Hub) -> None:
    shared = b"s" * 9000
    hub.add("org/m", A, {"config.json": b"{}", "model.safetensors": shared})
    new = hub.add("org/m", B, {"config.json": b'{"a": 1}', "model.safetensors": shared}, ref="main")
    known(home, "s", STACK % "mlx-lm: {repo: org/m}")
    (item,) = go()
    assert (item.name, item.size < 9000) == (f"org/m at {A[:12]}", True)
    assert hub.sound() == {"org/m": {B}}
    assert (new / "model.safetensors").read_bytes() == shared


def test_of_two_revisions_that_go_together_each_byte_counts_once(home: Path, hub: Hub) -> None:
    data = b"s" * 2**20
    hub.add("org/m", A, {"model.safetensors": data}, ref="v1")
    hub.add("org/m", B, {"model.safetensors": data}, ref="main")
    assert sum(item.size for item in find(None)[0]) == 2**20
    go()
    assert hub.sound() == {}
    assert not list(hub.root.iterdir())


def test_another_quantization_of_the_same_revision_goes_alone(home: Path, hub: Hub) -> None:
    names = ["m-q8-00001-of-00002.gguf", "m-q8-00002-of-00002.gguf", "m-q4.gguf", "mmproj.gguf", "old-mmproj.gguf"]
    snapshot = hub.add("org/m", A, {name: name.encode() * 100 for name in names}, ref="main")
    known(home, "s", STACK % "llama-cpp: {repo: org/m, file: m-q8-00001-of-00002.gguf, mmproj: mmproj.gguf}")
    (item,) = go()
    assert item.files == ("m-q4.gguf", "old-mmproj.gguf")
    assert {path.name for path in snapshot.iterdir()} == set(names) - set(item.files)
    assert hub.sound() == {"org/m": {A}}
    assert len(list((hub.repo("org/m") / "blobs").iterdir())) == 3


@pytest.mark.parametrize(
    "source",
    [
        "mlx-lm: {repo: org/m}",
        f"mlx-lm: {{repo: org/m, revision: {A}}}",
        "mlx-lm: {repo: org/m, revision: v1/rc}",
        "vllm: {repo: org/m}",
        "mlx-lm: {repo: org/big, draft: org/m}",
        "llama-cpp: {path: /m.gguf}, vllm-mlx: {repo: org/m}",
    ],
)
def test_every_way_to_refer_to_a_revision_keeps_it(home: Path, hub: Hub, source: str) -> None:
    hub.add("org/m", A, {"config.json": b"{}"}, ref="main")
    (hub.repo("org/m") / "refs/v1").mkdir()
    (hub.repo("org/m") / "refs/v1/rc").write_text(A)
    known(home, "s", STACK % source)
    assert find(None)[0] == ()
    assert kept()[f"org/m at {A[:12]}"] == "a stack.yaml refers to it"


def test_what_another_tool_brought_stays_unless_all_is_said(home: Path, hub: Hub) -> None:
    hub.add("org/theirs", A, {"config.json": b"{}"}, ref="main", ours=False)
    snapshot = hub.add("org/both", A, {"theirs.json": b"1"}, ref="main", ours=False)
    hub.add("org/both", A, {"ours.json": b"2"})
    (item,) = go()
    assert (item.name, item.files) == (f"org/both at {A[:12]}", ("ours.json",))
    assert [path.name for path in snapshot.iterdir()] == ["theirs.json"]
    assert kept()[f"org/theirs at {A[:12]}"] == "another tool brought it (--all takes it, too)"
    assert len(go(everything=True)) == 2
    assert hub.sound() == {}


def test_nothing_is_followed_out_of_the_cache(home: Path, hub: Hub) -> None:
    outside = home / "outside"
    outside.mkdir()
    (outside / "weights").write_bytes(b"precious")
    snapshot = hub.add("org/m", A, {"config.json": b"{}"}, ref="main")
    (snapshot / "loose.bin").symlink_to(outside / "weights")
    (snapshot / "folder").symlink_to(outside)
    hub.add("org/moved", A, {"config.json": b"{}"}, ref="main")
    shutil.move(hub.repo("org/moved"), home / "elsewhere")
    hub.repo("org/moved").symlink_to(home / "elsewhere")
    go(everything=True)
    assert (outside / "weights").read_bytes() == b"precious"
    assert (home / "elsewhere/snapshots" / A / "config.json").exists()
    assert kept()[str(hub.repo("org/moved"))] == "it is a link"


def test_a_cache_that_is_a_link_is_left_alone(home: Path, hub: Hub) -> None:
    hub.add("org/m", A, {"config.json": b"{}"}, ref="main")
    shutil.move(hub.root, home / "elsewhere")
    hub.root.symlink_to(home / "elsewhere")
    assert [item for item in find(None)[0] if item.kind == "weights"] == []
    assert "HF_HUB_CACHE" in kept()[str(hub.root)]


def test_weights_that_any_process_was_started_with_stay(home: Path, hub: Hub) -> None:
    snapshot = hub.add("org/m", A, {"m.gguf": b"x"}, ref="main")
    wait = "import sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", wait, str(snapshot / "m.gguf")], stdin=subprocess.PIPE) as process:
        try:
            assert find(None)[0] == ()
            assert kept()[f"org/m at {A[:12]}"] == "a process runs with it"
        finally:
            process.kill()
    assert len(go()) == 1


def test_an_unfinished_download_goes_with_its_repository_but_not_under_a_pull(home: Path, hub: Hub) -> None:
    part = hub.repo("org/m") / "blobs" / f"{A}.stack.incomplete"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 5000)
    (part.parent / f"{B}.incomplete").write_bytes(b"another tool's")
    file = known(home, "s", STACK % "mlx-lm: {repo: org/m}")
    assert kept()[f"org/m: {A[:12]}..."] == "a pull may go on from it"
    file.write_text(STACK % "mlx-lm: {repo: org/other}")
    with part.open("ab") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert list(weights.find(references(None), everything=True)) == []
    (item,) = go()
    assert (item.kind, part.exists(), (part.parent / f"{B}.incomplete").exists()) == ("part", False, True)


def test_with_a_broken_stack_yaml_no_download_goes(home: Path, hub: Hub) -> None:
    hub.add("org/old", A, {"config.json": b"{}"}, ref="main")
    file = known(home, "s", "version: 1\nmodels: [")
    assert find(None)[0] == ()
    assert kept()["all downloads, engines and images"] == f"nobody knows what {file} wants"


def test_a_stack_yaml_at_hand_counts(home: Path, hub: Hub) -> None:
    hub.add("org/m", A, {"config.json": b"{}"}, ref="main")
    file = home / "new.yaml"
    file.write_text(STACK % "mlx-lm: {repo: org/m}")
    assert (len(find(None)[0]), find(file)[0]) == (1, ())


def test_what_a_running_stack_uses_stays_whatever_its_file_says(home: Path, hub: Hub) -> None:
    snapshot = hub.add("org/m", A, {"m.gguf": b"x"}, ref="main")
    known(home, "s", STACK % "openai: {url: 'http://127.0.0.1:1/v1'}")
    state = paths.StackPaths("s")
    bin_ = _engine("mlx-lm-0.9.0")
    state.plan.write_text(json.dumps({"launches": [{"how": {"argv": [str(bin_), "-m", str(snapshot / "m.gguf")]}}]}))
    with held(state.state / "daemon.lock", "the daemon of s"):
        assert find(None)[0] == ()
        assert kept()[f"org/m at {A[:12]}"] == "s runs with it"
        assert kept()["mlx-lm-0.9.0"] == "s runs with it"
        state.plan.write_text("{")
        assert find(None)[0] == ()
    assert {item.kind for item in go()} == {"weights", "engine"}


def _engine(name: str, *, complete: bool = True) -> Path:
    """An environment as `stack engine install` leaves it."""
    program = {"mlx-lm": "mlx_lm.server", "vllm-mlx": "vllm-mlx"}[name.rpartition("-")[0]]
    bin_ = paths.engines_home() / name / "bin" / program
    bin_.parent.mkdir(parents=True)
    bin_.write_bytes(b"#!/bin/sh\n" + b"#" * 5000)
    bin_.chmod(0o755)
    if complete:
        (paths.engines_home() / name / engines.MARKER).write_text("{}")
    return bin_


def test_engines_that_no_stack_yaml_uses_go(home: Path) -> None:
    for name in ("mlx-lm-0.9.0", "mlx-lm-0.32.2", "vllm-mlx-0.5.0", "vllm-mlx-0.6.0"):
        _engine(name)
    _engine("mlx-lm-0.40.0", complete=False)
    (paths.engines_home() / "mine").mkdir()
    known(home, "s", STACK % "mlx-lm: {repo: org/m}")
    pinned = STACK % "vllm-mlx: {repo: org/m}" + "backends: {vllm-mlx: {engine: {version: 0.5.0}}}\n"
    known(home, "t", pinned)
    items = {item.name: item.why for item in go()}
    assert items == {
        "mlx-lm-0.9.0": "no stack.yaml uses it",
        "mlx-lm-0.40.0": "an install that did not finish",
        "vllm-mlx-0.6.0": "no stack.yaml uses it",
    }
    assert sorted(path.name for path in paths.engines_home().iterdir()) == ["mine", "mlx-lm-0.32.2", "vllm-mlx-0.5.0"]


def test_an_engine_named_by_its_path_stays(home: Path) -> None:
    bin_ = _engine("mlx-lm-0.9.0")
    known(home, "s", STACK % f"mlx-lm: {{repo: org/m, engine: {{bin: {bin_}}}}}")
    assert find(None)[0] == ()


def test_an_engine_from_which_a_process_runs_stays(home: Path) -> None:
    bin_ = _engine("mlx-lm-0.9.0")
    shutil.copy("/bin/sleep", bin_)
    with subprocess.Popen([str(bin_), "3600"]) as process:
        try:
            assert find(None)[0] == ()
            assert kept()["mlx-lm-0.9.0"] == "a process runs from it"
        finally:
            process.kill()
    assert [item.name for item in find(None)[0]] == ["mlx-lm-0.9.0"]


def test_an_engine_that_is_being_installed_stays(home: Path) -> None:
    _engine("mlx-lm-0.9.0", complete=False)
    with (paths.engines_home() / ".mlx-lm.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert kept()["mlx-lm-0.9.0"] == "it is being installed"


def test_a_link_to_an_engine_and_files_shared_with_others(home: Path) -> None:
    bin_ = _engine("mlx-lm-0.9.0")
    cache = home / "uv-cache"
    cache.mkdir()
    os.link(bin_, cache / "kept")
    (paths.engines_home() / "mlx-lm-0.8.0").symlink_to(home / "uv-cache")
    (item,) = find(None)[0]
    assert (item.name, item.size < 5000) == ("mlx-lm-0.9.0", True)
    go()
    assert (cache / "kept").exists()


def test_the_state_of_a_stack_whose_file_is_gone_goes(home: Path) -> None:
    known(home, "here", STACK % "openai: {url: 'http://127.0.0.1:1/v1'}")
    file = known(home, "gone", "")
    file.unlink()
    (paths.StackPaths("gone").state / "logs").mkdir()
    (paths.StackPaths("gone").state / "logs/daemon.log").write_text("x" * 5000)
    (paths.state_home() / "silent").mkdir()
    with held(paths.StackPaths("gone").state / "daemon.lock", "the daemon of gone"):
        assert find(None)[0] == ()
        assert kept()["gone"].startswith(f"{file} is gone, but engines of it run")
    (item,) = go()
    assert (item.kind, item.name, item.why) == ("state", "gone", f"{file} is gone")
    assert sorted(path.name for path in paths.state_home().iterdir()) == ["here", "silent"]
    assert kept()["silent"] == "it does not say of which stack.yaml it is"


def test_engines_that_still_run_keep_their_state(home: Path) -> None:
    file = known(home, "gone", "")
    file.unlink()
    env = {**os.environ, "STACK_RUN": "gone/tiny/0123456789ab"}
    elsewhere = home / "another home" / "stack" / "gone"
    elsewhere.mkdir(parents=True)
    for folder, stays in ((paths.StackPaths("gone").state, True), (elsewhere, False)):
        with subprocess.Popen(["/bin/sleep", "3600"], env=env, cwd=folder) as process:
            try:
                assert ([item.name for item in find(None)[0]] == []) is stays
            finally:
                process.kill()
    assert [item.name for item in find(None)[0]] == ["gone"]


def test_only_old_texts_of_the_cache_go(home: Path) -> None:
    from orchestrator.edge import keep

    keep.put("engines", "old", "x")
    keep.put("engines", "new", "y")
    (old,) = [file for file in (paths.cache_home() / "engines").iterdir() if file.read_text().endswith("x")]
    (paths.cache_home() / "vllm").mkdir()
    (paths.cache_home() / "vllm" / "kernel.so").write_text("not a kept text")
    long_ago = time.time() - states.OLD - 60
    for file in (old, paths.cache_home() / "vllm" / "kernel.so"):
        os.utime(file, (long_ago, long_ago))
    (item,) = go()
    assert (item.kind, item.files) == ("cache", (f"engines/{old.name}",))
    assert (keep.get("engines", "old"), keep.get("engines", "new")) == (None, "y")
    assert (paths.cache_home() / "vllm" / "kernel.so").exists()


def test_while_another_stack_is_at_work_nothing_is_touched(home: Path) -> None:
    known(home, "s", "")
    with (
        held(paths.StackPaths("s").lock, "stack up"),
        pytest.raises(LockHeld, match=rf"pid {os.getpid()} \(stack up\)"),
        quiet(),
    ):
        raise AssertionError("two at work at once")


def test_what_cannot_be_removed_is_said_and_the_rest_goes(home: Path, hub: Hub) -> None:
    hub.add("org/m", A, {"config.json": b"{}"}, ref="main")
    gone = Item("state", "x", str(home / "no such"), 0, "")
    items, _ = find(None)
    done = list(remove([gone, *items]))
    assert [bool(why) for _, why in done] == [True, False]
    assert hub.sound() == {}


def test_kept_is_never_an_item(home: Path, hub: Hub) -> None:
    hub.add("org/m", A, {"config.json": b"{}"}, ref="main", ours=False)
    items, stays = find(None)
    assert (items, [type(one) for one in stays]) == ((), [Kept])

"""Weights on disk: what is read of them, and what is said of broken ones."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.spec import Stack
from orchestrator.core.weights import KvGroup, Weights
from orchestrator.edge.modelfiles.inspect import inspect
from orchestrator.errors import PlanError
from tests.tool_templates import TEMPLATES
from tests.weights_files import CONFIG, F32, gguf, model_folder

META = {
    "general.architecture": "qwen3",
    "qwen3.block_count": 2,
    "qwen3.context_length": 4096,
    "qwen3.attention.head_count": 4,
    "qwen3.attention.head_count_kv": 2,
    "qwen3.attention.key_length": 8,
    "qwen3.attention.value_length": 8,
    "tokenizer.chat_template": "{{ gguf }}",
}


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


def stack(backend: str = "mlx-lm", **source: Any) -> Stack:
    return Stack.model_validate({"version": 1, "models": {"tiny": {"sources": {backend: source}}}})


def one(backend: str = "mlx-lm", **source: Any) -> Weights:
    (found,) = inspect(stack(backend, **source)).values()
    return found


def broken(backend: str = "mlx-lm", **source: Any) -> tuple[str, str]:
    """(YAML path, words) of the one problem."""
    with pytest.raises(PlanError) as caught:
        inspect(stack(backend, **source))
    assert caught.value.exit_code == 4
    (problem,) = caught.value.problems
    return problem.where, problem.text


def test_a_folder(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")
    found = one(path=str(folder))
    assert (found.path, found.size, found.model_type, found.context) == (str(folder), 420, "qwen3", 4096)
    assert found.kv == (KvGroup(2, 32, heads=2),)
    assert found.template == "{{ messages }}"
    assert found.origin == str(folder / "config.json")


def test_shards(tmp_path: Path) -> None:
    assert one(path=str(model_folder(tmp_path / "m", shards=3))).size == 1200


def test_a_gguf(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(gguf(META, {"a": (F32, (64,), 256)}))
    found = one("llama-cpp", path=str(file))
    assert (found.size, found.kv, found.template) == (256, (KvGroup(2, 32),), "{{ gguf }}")


def test_a_split_gguf_counts_all_parts(tmp_path: Path) -> None:
    for i in (1, 2):
        (tmp_path / f"m-0000{i}-of-00002.gguf").write_bytes(gguf(META if i == 1 else {}, {"a": (F32, (64,), 256)}))
    assert one("llama-cpp", path=str(tmp_path / "m-00001-of-00002.gguf")).size == 512
    (tmp_path / "m-00002-of-00002.gguf").unlink()
    where, text = broken("llama-cpp", path=str(tmp_path / "m-00001-of-00002.gguf"))
    assert (where, text) == ("models.tiny.sources.llama-cpp.path", f"{tmp_path}/m-00002-of-00002.gguf: is not there")


def test_a_projector_and_a_draft_model_take_memory(tmp_path: Path) -> None:
    for name, size in (("m", 256), ("p", 512), ("d", 64)):
        (tmp_path / f"{name}.gguf").write_bytes(gguf(META if name != "p" else {}, {"a": (F32, (size // 4,), size)}))
    found = one("llama-cpp", path=str(tmp_path / "m.gguf"), mmproj="p.gguf", draft=str(tmp_path / "d.gguf"))
    assert (found.size, found.kv) == (256 + 512 + 64, (KvGroup(2, 32), KvGroup(2, 32)))


def test_a_folders_draft_model_takes_memory(tmp_path: Path) -> None:
    draft = model_folder(tmp_path / "d")
    found = one(path=str(model_folder(tmp_path / "m")), draft=str(draft))
    assert (found.size, found.kv) == (840, (KvGroup(2, 32, heads=2), KvGroup(2, 32, heads=2)))


@pytest.mark.parametrize(
    ("files", "template"),
    [
        ({"chat_template.jinja": "jinja"}, "jinja"),
        ({"tokenizer_config.json": '{"chat_template": [{"name": "default", "template": "d"}]}'}, "d"),
        (
            {
                "tokenizer_config.json": '{"chat_template": [{"name": "default", "template": "d"},'
                ' {"name": "tool_use", "template": "t"}]}'
            },
            "t",
        ),
        ({"tokenizer_config.json": "{}", "chat_template.json": '{"chat_template": "p"}'}, "p"),
        ({"tokenizer_config.json": "{}"}, ""),
    ],
)
def test_where_a_template_is(tmp_path: Path, files: dict[str, str], template: str) -> None:
    folder = model_folder(tmp_path / "m")
    for name, text in files.items():
        (folder / name).write_text(text)
    assert one(path=str(folder)).template == template


def test_a_template_of_the_users_own(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")
    (tmp_path / "t.jinja").write_text("mine")
    found = one(path=str(folder), chat_template=str(tmp_path / "t.jinja"))
    assert found.template == "mine"
    assert found.digest != one(path=str(folder)).digest
    (tmp_path / "t.jinja").write_text("{{ bos_token }}" + TEMPLATES["hermes"])
    assert one(path=str(folder), chat_template=str(tmp_path / "t.jinja")).call.startswith("<tool_call>")
    (tmp_path / "t.jinja").write_text("{% broken")
    assert one(path=str(folder), chat_template=str(tmp_path / "t.jinja")).call == ""
    where, text = broken(path=str(folder), chat_template="/no/t.jinja")
    assert (where, text) == ("models.tiny.sources.mlx-lm.chat_template", "/no/t.jinja: No such file or directory")


def test_the_digest_sees_weights_that_were_trained_anew(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")
    before = one(path=str(folder)).digest
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    assert one(path=str(folder)).digest != before


def test_a_change_is_seen_though_the_old_was_kept(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")
    assert one(path=str(folder)) == one(path=str(folder))
    (folder / "config.json").write_text(json.dumps(CONFIG | {"max_position_embeddings": 8}))
    assert one(path=str(folder)).context == 8


def test_a_kept_reading_that_makes_no_sense_is_read_anew(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")
    before = one(path=str(folder))
    (kept,) = (tmp_path / "cache/stack/weights").iterdir()
    kept.write_text(kept.read_text().partition("\n\n")[0] + '\n\n{"size": "huge"}')
    assert one(path=str(folder)) == before


def test_a_source_without_weights_is_no_matter() -> None:
    assert inspect(stack("openai", url="https://x/v1", model="m")) == {}


def test_a_folder_that_is_not_there() -> None:
    where, text = broken(path="/no/such")
    assert (where, text) == ("models.tiny.sources.mlx-lm.path", "/no/such: there is no such file or folder")
    assert inspect(stack(path="/no/such"), missing_ok=True) == {}
    assert inspect(stack(path="/no/such"), known=["/no/such"]) == {}


def _damage(folder: Path, what: str) -> None:
    file = folder / "model.safetensors"
    data = file.read_bytes()
    if what == "cut":
        file.write_bytes(data[:-7])
    elif what == "cut in header":
        file.write_bytes(data[:20])
    elif what == "empty":
        file.write_bytes(b"")
    elif what == "huge header":
        file.write_bytes(struct.pack("<Q", 2**40) + data[8:])
    elif what == "no json":
        file.write_bytes(struct.pack("<Q", 4) + b"abcd")
    elif what == "bad offsets":
        file.write_bytes(struct.pack("<Q", 30) + b'{"a": {"data_offsets":[4, -1]}}'[:30])
    elif what == "pointer":
        file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    elif what == "none":
        file.unlink()
    elif what == "config":
        (folder / "config.json").write_text("{")
    elif what == "config list":
        (folder / "config.json").write_text("[]")
    elif what == "no config":
        (folder / "config.json").unlink()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("cut", "model.safetensors: truncated: its header lists 420 bytes of tensors, the file holds 413"),
        ("cut in header", "model.safetensors: truncated in its header: 20 bytes"),
        ("empty", "model.safetensors: truncated in its header: 0 bytes"),
        ("huge header", "model.safetensors: claims a header of"),
        ("no json", "model.safetensors: its header is not what safetensors has"),
        ("bad offsets", "model.safetensors: its header is not what safetensors has"),
        ("pointer", "model.safetensors: is a git-lfs pointer"),
        ("none", ": holds no safetensors"),
        ("config", "config.json: is not JSON"),
        ("config list", "config.json: is not a JSON object"),
        ("no config", "config.json: is not there"),
    ],
)
def test_a_broken_folder_is_named(tmp_path: Path, what: str, words: str) -> None:
    folder = model_folder(tmp_path / "m")
    _damage(folder, what)
    where, text = broken(path=str(folder))
    assert where == "models.tiny.sources.mlx-lm.path"
    assert text.startswith(str(folder))
    assert words in text


def test_a_folder_of_ggufs_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(gguf(META, {}))
    assert (
        broken(path=str(tmp_path))[1] == f"{tmp_path}: holds no safetensors, but GGUF files: name one of them (x.gguf)"
    )


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m", shards=2)
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "model-00002-of-00002.safetensors: is named in" in broken(path=str(folder))[1]


def test_a_truncated_gguf(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(gguf(META, {"a": (F32, (64,), 256)})[:-100])
    where, text = broken("llama-cpp", path=str(file))
    assert where == "models.tiny.sources.llama-cpp.path"
    assert text.startswith(f"{file}: truncated: tensor 'a' ends at byte")


def test_all_problems_at_once(tmp_path: Path) -> None:
    sources = {"mlx-lm": {"path": "/no/a"}, "llama-cpp": {"path": "/no/b.gguf"}}
    both = Stack.model_validate({"version": 1, "models": {"tiny": {"sources": sources}}})
    with pytest.raises(PlanError) as caught:
        inspect(both)
    assert [problem.where for problem in caught.value.problems] == [
        "models.tiny.sources.mlx-lm.path",
        "models.tiny.sources.llama-cpp.path",
    ]


def _hub_folder(tmp_path: Path, revision: str = "main") -> Path:
    base = tmp_path / "hf/hub/models--org--tiny"
    (base / "refs").mkdir(parents=True)
    (base / "refs" / revision).write_text("a" * 40)
    return base / "snapshots" / ("a" * 40)


def test_the_hub_cache(tmp_path: Path) -> None:
    folder = model_folder(_hub_folder(tmp_path), shards=2)
    assert set(inspect(stack(repo="org/tiny"))) == {"org/tiny@main"}
    assert one(repo="org/tiny").path == str(folder)
    assert one(repo="org/tiny", revision="a" * 40).path == str(folder)
    assert inspect(stack(repo="org/tiny", revision="v2")) == {}
    assert inspect(stack(repo="org/other")) == {}


@pytest.mark.parametrize(
    "missing", ["model-00002-of-00002.safetensors", "config.json", "tokenizer.json", "model.safetensors.index.json"]
)
def test_a_download_that_did_not_end_is_not_here_yet(tmp_path: Path, missing: str) -> None:
    folder = model_folder(_hub_folder(tmp_path), shards=2)
    os.unlink(folder / missing)
    if missing == "tokenizer.json":
        os.unlink(folder / "tokenizer_config.json")
    if missing == "model.safetensors.index.json":
        os.unlink(folder / "model-00002-of-00002.safetensors")
    assert inspect(stack(repo="org/tiny")) == {}


def test_a_gguf_of_the_hub(tmp_path: Path) -> None:
    folder = _hub_folder(tmp_path)
    folder.mkdir(parents=True)
    assert inspect(stack("llama-cpp", repo="org/tiny", file="m.gguf")) == {}
    (folder / "m.gguf").write_bytes(gguf(META, {}))
    assert set(inspect(stack("llama-cpp", repo="org/tiny", file="m.gguf"))) == {"org/tiny@main:m.gguf"}

"""The file on disk: its name, its paths, its places, and what is no file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from orchestrator.core.stackfile.notyet import not_yet
from orchestrator.edge.stackfile.load import default_name, load, placed, warnings
from orchestrator.errors import Problem, SpecError

GOOD = """\
version: 1
endpoint:
  keys: {a: {file: a.key}, b: {file: ~/b.key}, c: {env: C}}
backends:
  llama-cpp: {engine: {bin: ./bin/llama-server}}
models:
  qwen2.5:
    aliases: [q, qwen2.5-coder]
    sources:
      mlx-lm: {path: ./models/../models/q, chat_template: t.jinja}
      llama-cpp: {repo: o/n, file: q.gguf, mmproj: mm.gguf, draft: ../d.gguf, engine: {bin: /opt/llama-server}}
      openai: {url: "http://127.0.0.1:1/v1/", key: {file: /run/o.key}}
  qwen2:
    sources:
      - {backend: mlx-lm, path: ~/q}
      - {backend: llama-cpp, path: q.gguf}
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "stack.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/u")
    write(tmp_path, GOOD)
    monkeypatch.chdir(tmp_path)
    loaded = load(Path("stack.yaml"))
    here = str(tmp_path.resolve())
    assert loaded.file == tmp_path.resolve() / "stack.yaml"
    assert [key.file for key in loaded.stack.endpoint.keys.values()] == [f"{here}/a.key", "/home/u/b.key", None]
    assert loaded.stack.backends["llama-cpp"].engine.bin == f"{here}/bin/llama-server"
    mlx, llama, openai = (source for _, _, source in loaded.stack.models["qwen2.5"].ordered_sources())
    assert (mlx.path, mlx.chat_template) == (f"{here}/models/q", f"{here}/t.jinja")
    assert (llama.file, llama.mmproj, llama.draft) == ("q.gguf", "mm.gguf", f"{tmp_path.resolve().parent}/d.gguf")
    assert llama.engine is not None
    assert llama.engine.bin == "/opt/llama-server"
    assert openai.key is not None
    assert (openai.url, openai.key.file) == ("http://127.0.0.1:1/v1", "/run/o.key")
    assert [s.path for _, _, s in loaded.stack.models["qwen2"].ordered_sources()] == ["/home/u/q", f"{here}/q.gguf"]


@pytest.mark.parametrize(
    ("folder", "stem"),
    [
        ("models", "models"),
        ("My Models_2", "my-models-2"),
        ("--", "stack"),
        ("日本", "stack"),
        ("a" * 40, "a" * 25),
        ("a" * 24 + "-b", "a" * 24),
    ],
)
def test_the_name_defaults_to_the_folder(folder: str, stem: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    name = load(write(tmp_path / folder, GOOD)).name
    assert name == f"{stem}-{hashlib.sha256(os.fsencode((tmp_path / folder).resolve())).hexdigest()[:6]}"
    assert len(name) <= 32


def test_two_checkouts_do_not_meet_and_a_link_is_the_same(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "s").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "one" / "s")
    one, two = (load(write(tmp_path / name / "s", GOOD)).name for name in ("one", "two"))
    assert one != two
    assert load(tmp_path / "link" / "stack.yaml").name == one
    assert default_name(Path("/")).startswith("stack-")


def test_a_given_name_stays(tmp_path: Path) -> None:
    assert load(write(tmp_path, f"name: 007\n{GOOD}")).name == "007"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("version", 1),
        ("endpoint.keys.b", 3),
        ("models", 6),
        ("models.qwen2.5", 7),
        ("models.qwen2.5.aliases.1", 8),
        ("models.qwen2.5.sources.llama-cpp.file", 11),
        ("models.qwen2.5.sources.vllm", 9),
        ("models.qwen2.5.serve.port", 7),
        ("models.qwen2", 13),
        ("models.qwen2.sources.1", 16),
        ("models.qwen2.sources.1.path", 16),
        ("models.other", 6),
        ("probe.on_up", 1),
        ("", 1),
    ],
)
def test_where_a_path_stands(path: str, line: int, tmp_path: Path) -> None:
    assert load(write(tmp_path, GOOD)).source.where(path) == (line, GOOD.splitlines()[line - 1])


def test_problems_of_later_stages_get_their_places(tmp_path: Path) -> None:
    source = load(write(tmp_path, GOOD)).source
    without, within, nowhere = placed(
        source, [Problem("models.qwen2", "no"), Problem("models.qwen2", "no", line=3), Problem("", "no")]
    )
    assert (without.line, without.excerpt) == (13, "  qwen2:")
    assert (within.line, nowhere.line) == (3, None)


def test_warnings_name_what_is_not_yet_there(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, GOOD + "  afm: {sources: {apple-foundation: {}}}\n"))
    found = [(one.where, one.line) for one in warnings(loaded)]
    assert found == [("models.afm.sources.apple-foundation", len(GOOD.splitlines()) + 1)]
    assert len(found) == len(not_yet(loaded.stack))


def refused(file: Path) -> Problem:
    with pytest.raises(SpecError) as caught:
        load(file)
    (one,) = caught.value.problems
    assert caught.value.file == str(file)
    assert caught.value.exit_code == 3
    return one


def test_no_such_file(tmp_path: Path) -> None:
    one = refused(tmp_path / "stack.yaml")
    assert (one.text, one.mend) == ("there is no such file", "`stack init` writes one, `--file` names another")


def test_a_folder(tmp_path: Path) -> None:
    assert refused(tmp_path).text == "is a folder, not a file"


def test_a_file_without_end() -> None:
    assert refused(Path("/dev/zero")).text == "is larger than 1 MiB"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "stack.yaml").write_bytes(b"version: 1\nname: \xff\n")
    one = refused(tmp_path / "stack.yaml")
    assert (one.text, one.line) == ("is not UTF-8 text", 2)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD)
    file.chmod(0)
    assert refused(file).text == "cannot be read: Permission denied"

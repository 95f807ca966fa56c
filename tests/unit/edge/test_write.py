from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from orchestrator.core.target import Artifact
from orchestrator.edge import write as writing
from orchestrator.edge.write import Written, replace_file, write
from orchestrator.errors import Drift

A = Artifact("x/a.conf", "one\n")
B = Artifact("b.sh", "two\n", 0o755)


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "out", tmp_path / "manifest.json"


def test_files_are_written_with_their_mode_and_nothing_else_is_left(place: tuple[Path, Path]) -> None:
    out, manifest = place
    assert write([A, B], out, manifest) == Written(changed=("b.sh", "x/a.conf"))
    assert (out / "x/a.conf").read_text() == "one\n"
    assert (out / "b.sh").stat().st_mode & 0o777 == 0o755
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*")) == ["b.sh", "x", "x/a.conf"]


def test_a_second_time_changes_nothing(place: tuple[Path, Path]) -> None:
    out, manifest = place
    write([A, B], out, manifest)
    before = (out / "b.sh").stat().st_mtime_ns
    assert write([A, B], out, manifest) == Written(unchanged=("b.sh", "x/a.conf"))
    assert (out / "b.sh").stat().st_mtime_ns == before


def test_what_is_no_longer_rendered_goes_with_its_folder(place: tuple[Path, Path]) -> None:
    out, manifest = place
    write([A, B], out, manifest)
    assert write([B], out, manifest) == Written(removed=("x/a.conf",), unchanged=("b.sh",))
    assert not (out / "x").exists()


@pytest.mark.parametrize("after", [[A, B], [B]], ids=["still rendered", "stale"])
def test_a_file_edited_by_hand_is_drift_and_nothing_is_touched(place: tuple[Path, Path], after: list[Artifact]) -> None:
    out, manifest = place
    write([A, B], out, manifest)
    (out / "x/a.conf").write_text("mine\n")
    with pytest.raises(Drift) as caught:
        write([Artifact("b.sh", "new\n"), *after[:-1]], out, manifest)
    assert caught.value.exit_code == 8
    assert caught.value.details == (f"{out / 'x/a.conf'}: edited by hand",)
    assert (out / "b.sh").read_text() == "two\n"
    write(after, out, manifest, force=True)
    assert not (out / "x/a.conf").exists() or (out / "x/a.conf").read_text() == "one\n"


def test_a_strangers_file_in_the_way_is_drift(place: tuple[Path, Path]) -> None:
    out, manifest = place
    out.mkdir()
    (out / "b.sh").write_text("somebody's")
    with pytest.raises(Drift, match="1 file would be overwritten") as caught:
        write([B], out, manifest)
    assert caught.value.details == (f"{out / 'b.sh'}: not written by us",)
    # but not when it says the same already: after a lost manifest
    (out / "b.sh").write_text("two\n")
    assert write([B], out, manifest).changed == ("b.sh",)


def test_a_file_that_was_removed_by_hand_comes_back(place: tuple[Path, Path]) -> None:
    out, manifest = place
    write([A, B], out, manifest)
    (out / "b.sh").unlink()
    assert write([A, B], out, manifest).changed == ("b.sh",)


def test_a_crash_while_writing_is_no_drift(place: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    out, manifest = place
    write([A, B], out, manifest)
    new = [Artifact("x/a.conf", "uno\n"), Artifact("b.sh", "due\n", 0o755)]

    def once(file: Path, content: bytes, mode: int = 0o644) -> None:
        if file.name == "a.conf":
            raise OSError(28, "No space left on device")
        replace_file(file, content, mode)

    monkeypatch.setattr(writing, "replace_file", once)
    with pytest.raises(OSError, match="No space"):
        write(new, out, manifest)
    monkeypatch.undo()
    assert (out / "b.sh").read_text() == "due\n"
    assert write(new, out, manifest) == Written(changed=("x/a.conf",), unchanged=("b.sh",))
    assert all(len(hashes) == 1 for hashes in json.loads(manifest.read_text())["files"].values())


def test_a_broken_manifest_counts_as_none(place: tuple[Path, Path]) -> None:
    out, manifest = place
    write([B], out, manifest)
    manifest.write_text("{")
    assert write([B], out, manifest).unchanged == ("b.sh",)
    manifest.write_text("[]")
    with pytest.raises(Drift):
        write([Artifact("b.sh", "new")], out, manifest)


def test_nothing_is_written_outside(place: tuple[Path, Path]) -> None:
    for path in ("/etc/x", "../x", "a/../../x", ""):
        with pytest.raises(ValueError, match="may not be written"):
            write([Artifact(path, "")], *place)


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    file = tmp_path / "f"
    replace_file(file, b"old")
    with file.open() as reader:
        replace_file(file, b"new")
        assert reader.read() == "old"
    assert file.read_text() == "new"
    assert os.listdir(tmp_path) == ["f"]

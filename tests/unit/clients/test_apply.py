"""The change of a client's file: what it shows, what it keeps."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from orchestrator.core.client import Put, Settings
from orchestrator.edge.clients import apply
from orchestrator.errors import UsageError

NOW = datetime(2026, 11, 21, 10, 30, 5)
SETTINGS = Settings("yaml", (Put(("model",), "tiny"), Put(("api-key",), "unused")))


def test_a_backup_with_the_time_in_its_name_and_the_files_mode(tmp_path: Path) -> None:
    file = tmp_path / "c.yml"
    file.write_text("model: old\n")
    file.chmod(0o640)
    backup = apply.write(apply.change(file, SETTINGS), NOW)
    assert backup == tmp_path / "c.yml.20261121-103005.bak"
    assert (backup.read_text(), file.read_text()) == ("model: old\n", "model: tiny\napi-key: unused\n")
    assert (file.stat().st_mode & 0o777, backup.stat().st_mode & 0o777) == (0o640, 0o640)


def test_a_file_that_is_not_there_is_made_for_this_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "c.yml"
    assert apply.write(apply.change(file, SETTINGS), NOW) is None
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles.yml", tmp_path / "c.yml"
    real.write_text("a: 1\n")
    link.symlink_to(real)
    apply.write(apply.change(link, SETTINGS), NOW)
    assert link.is_symlink()
    assert real.read_text() == "a: 1\nmodel: tiny\napi-key: unused\n"


def test_the_diff_hides_the_users_secrets_and_shows_our_values(tmp_path: Path) -> None:
    file = tmp_path / "c.yml"
    file.write_text("password: hunter2\napi-key: mine\nother: hf_0123456789\nmax_tokens: 5\n")
    diff = apply.change(file, SETTINGS).diff().splitlines()
    assert diff[3:] == [
        " password: ***",
        "-api-key: ***",
        "+api-key: unused",
        " other: ***",
        " max_tokens: 5",
        "+model: tiny",
    ]


@pytest.mark.parametrize("content", [b"- a\n", b"\xff\xfe"])
def test_a_file_that_is_not_what_it_should_be_is_refused_and_left(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "c.yml"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"c\.yml"):
        apply.change(file, SETTINGS)
    assert file.read_bytes() == content


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError):
        apply.write(apply.change(tmp_path / "file" / "c.yml", SETTINGS), NOW)

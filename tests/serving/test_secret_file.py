"""A secret that is made at the first start, and kept."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving import secret_file
from serving.server import StartError


def test_a_secret_is_made_once_however_many_processes_start(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: secret_file.read_or_create(file, "WEB_SECRET"), range(32)))
    assert secrets == {file.read_bytes()}
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    secret_file.read_or_create(tmp_path / "secret", "WEB_SECRET")
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0


def test_a_file_that_was_cut_off_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(StartError, match="不完整，请删除它，或设置 WEB_SECRET"):
        secret_file.read_or_create(tmp_path / "secret", "WEB_SECRET")


def test_a_folder_that_cannot_be_written_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="请设置 WEB_SECRET"):
        secret_file.read_or_create(tmp_path / "file" / "secret", "WEB_SECRET")

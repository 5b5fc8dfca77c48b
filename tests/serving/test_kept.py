"""What is kept of sign-ins, beside what their own tests show."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from serving.errors import CodedError
from serving.kept import Kept
from tests.support.processes import ROOT


def test_what_is_kept_for_a_time_is_over_then_and_is_taken_once(tmp_path: Path) -> None:
    kept, another = Kept(tmp_path / "made" / "file"), Kept(tmp_path / "made" / "file")
    kept.put("over", "1", seconds=-1)
    kept.put("waits", "2", seconds=600)
    assert kept.take("over") is None
    assert (another.take("waits"), kept.take("waits")) == ("2", None)


@pytest.mark.parametrize("in_memory", [False, True])
def test_of_several_one_holds_a_key(tmp_path: Path, in_memory: bool) -> None:
    kept = Kept(None if in_memory else tmp_path / "file")
    another = kept if in_memory else Kept(tmp_path / "file")
    release = kept.hold("renewing")
    assert release is not None
    assert another.hold("renewing") is None
    assert another.hold("beginning") is not None
    release()
    assert another.hold("renewing")


OTHER = """import sqlite3, sys
from pathlib import Path
from serving.kept import Kept
other = sqlite3.connect("file", timeout=0, isolation_level=None)
for line in sys.stdin:
    try:
        done = other.execute(line).fetchall() if line != "hold\\n" else Kept(Path("file")).hold("key")
        print("done", flush=True)
    except sqlite3.OperationalError as error:
        print(error, flush=True)
"""


class Other:
    """Another process, which does to the file what it is told."""

    def __init__(self, folder: Path) -> None:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        pipes: Any = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
        command = [sys.executable, "-c", OTHER]
        self.process = subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)

    def does(self, what: str) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return str(self.process.stdout.readline().strip())


@contextmanager
def others(folder: Path, number: int) -> Iterator[list[Other]]:
    made = [Other(folder) for _ in range(number)]
    yield made
    for other in made:
        with other.process:
            other.process.kill()


def test_what_a_process_holds_ends_with_it(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "file")
    with others(tmp_path, 1) as (other,):
        assert other.does("hold") == "done"
        assert kept.hold("key") is None
    assert kept.hold("key")


def test_looking_for_changes_takes_no_lock_from_a_thread_that_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To close a file, however it was opened, ends all locks that the process has on it (POSIX)."""
    monkeypatch.setattr("serving.kept.LOCKED_SECONDS", 60.0)
    kept = Kept(tmp_path / "file")
    kept.put("key", "before")
    before = kept.version()
    with others(tmp_path, 2) as (reads, writes):
        assert (reads.does("BEGIN"), reads.does("SELECT * FROM kept")) == ("done", "done")
        writing = Thread(target=kept.put, args=("key", "after"))
        writing.start()  # and waits for the reader, with the right to write
        while writes.does("BEGIN IMMEDIATE") == "done":
            writes.does("ROLLBACK")
        assert kept.version() == before
        assert writes.does("BEGIN IMMEDIATE") == "database is locked"
        reads.does("ROLLBACK")
        writing.join()
        assert (kept.get("key"), kept.version() == before) == ("after", False)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kept = Kept(tmp_path / "file" / "sign-ins")
    assert kept.get("key") is None
    with pytest.raises(CodedError, match="state_unwritable"):
        kept.put("key", "value")


def test_what_is_kept_in_memory_may_be_given_up_by_another_thread() -> None:
    held = [Kept()]
    other = Thread(target=held.clear)
    other.start()
    other.join()  # what fails where it is closed is raised nowhere: pytest makes it a failure of this test
    assert not held

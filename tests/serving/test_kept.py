"""What is kept of sign-ins, beside what their own tests show."""

import multiprocessing
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from serving.errors import CodedError
from serving.kept import Kept


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


def obey(folder: Path, orders: Connection) -> None:
    """Do what another process says, and tell what came of it."""
    other = sqlite3.connect(folder / "file", timeout=0, isolation_level=None)
    held = list[object]()
    while True:
        order = orders.recv()
        try:
            held.append(
                Kept(folder / "file").hold(order[1:]) if order[0] == "=" else other.execute(order).fetchall()
            )
            orders.send("done")
        except sqlite3.OperationalError as error:
            orders.send(str(error))


@contextmanager
def others(folder: Path, number: int) -> Iterator[list[Callable[[str], str]]]:
    """Give other processes, which do to the file what they are told; at the end they are killed."""
    spawn = multiprocessing.get_context("spawn")
    pipes = [spawn.Pipe() for _ in range(number)]
    processes = [spawn.Process(target=obey, args=(folder, theirs), daemon=True) for _, theirs in pipes]
    for process in processes:
        process.start()

    def told(ours: Any, order: str) -> str:
        ours.send(order)
        assert ours.poll(60)
        return str(ours.recv())

    yield [partial(told, ours) for ours, _ in pipes]
    for process in processes:
        process.kill()
        process.join()


def test_what_a_process_holds_ends_with_it(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "file")
    with others(tmp_path, 1) as (other,):
        assert other("=key") == "done"
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
        assert (reads("BEGIN"), reads("SELECT * FROM kept")) == ("done", "done")
        writing = Thread(target=kept.put, args=("key", "after"))
        writing.start()  # and waits for the reader, with the right to write
        while writes("BEGIN IMMEDIATE") == "done":
            writes("ROLLBACK")
        assert kept.version() == before
        assert writes("BEGIN IMMEDIATE") == "database is locked"
        reads("ROLLBACK")
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

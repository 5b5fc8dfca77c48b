"""The files of a SQLite database and the connections to them: what SQLite does not notice is noticed here."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from shop.errors import StoreUnavailableError

T = TypeVar("T")

DRIVER_ERRORS = (sqlite3.Error, sqlite3.Warning, OSError, MemoryError)  # the last for SQLITE_NOMEM


def file_of(url: str) -> Path | None:
    """Return the file that `sqlite:///file` names; None where it names none, or is another engine's."""
    name = unquote(url.removeprefix("sqlite:///"))
    return Path(name) if url.startswith("sqlite:///") and name and "\0" not in name else None


class Files:
    """The database's files, as this process has them open: records, log and shared memory.

    SQLite would go on writing into files that were deleted, and acknowledged orders would be lost with them.
    """

    def __init__(self, path: Path, busy_seconds: float) -> None:
        self._names = [f"{path}{end}" for end in ("", "-wal", "-shm")]
        # Opens all three and stays, since SQLite deletes the log with the last connection.
        with failing(path):
            self._holder = connect(path, busy_seconds)  # another process may be closing its last one
            self._holder.execute("PRAGMA user_version").fetchone()
        self._inodes = self._found()

    def check(self) -> None:
        """Raise `StoreUnavailableError` where a file is missing or another one."""
        found = self._found()
        if found != self._inodes:
            if found[0] == self._inodes[0]:
                # Move what the deleted log holds into the records, or it would end with this process.
                # Where the disk is full, say, what is wrong stays that the file is another one.
                with suppress(*DRIVER_ERRORS):
                    self._holder.execute("PRAGMA wal_checkpoint")
            other = next(at for at, inode in enumerate(found) if inode != self._inodes[at])
            raise StoreUnavailableError("database_replaced", database=self._names[other])

    def close(self) -> None:
        """Close the last connection."""
        self._holder.close()

    def _found(self) -> list[int]:
        return [_inode(name) for name in self._names]


def _inode(name: str) -> int:
    try:
        return os.stat(name).st_ino
    except OSError:
        return 0


class Connections:
    """Open connections to one file, each used by one thread at a time."""

    def __init__(self, path: Path, busy_seconds: float, check: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._idle: list[sqlite3.Connection] = []
        self._check = check

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Call `work` with a connection. After a failure the connection is closed, which rolls back."""
        try:
            self._check()
            connection = self._take()
            try:
                result = work(connection)
            except BaseException:
                connection.close()
                raise
        except DRIVER_ERRORS as error:
            raise failed(self._path, error) from error
        self._idle.append(connection)
        return result

    def close(self) -> None:
        """Close all that are idle."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> sqlite3.Connection:
        with suppress(IndexError):
            return self._idle.pop()
        return connect(self._path, self._busy_seconds)


def connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """Open a connection, which any one thread at a time may use."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(
        uri, uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )
    with ExitStack() as unless_open:
        unless_open.callback(connection.close)  # what is no database, for one
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        unless_open.pop_all()
    return connection


@contextmanager
def failing(path: Path) -> Iterator[None]:
    """Raise what SQLite or the system raises as `failed` returns it."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise failed(path, error) from error


def failed(path: Path, error: BaseException) -> StoreUnavailableError:
    """Return what SQLite or the system has raised as the shop's failure."""
    reason = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
    return StoreUnavailableError("database_failed", database=str(path), reason=reason)

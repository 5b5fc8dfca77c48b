"""Texts by key in one private file, which the replicas of a machine share."""

import hashlib
import json
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any

from serving.errors import CodedError

log = logging.getLogger(__name__)

TABLE = "CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value TEXT NOT NULL, until REAL NOT NULL)"
DAMAGED = "%s 已损坏，里面的内容没有了，从空的开始"
HEAD = 100  # bytes of a file of SQLite: https://www.sqlite.org/fileformat.html#the_database_header
LOCKED_SECONDS = 1.0  # for which another process is waited for


class Kept:
    """A file of SQLite, made when something is written, whole after every crash; without one, memory.

    One that is damaged is begun anew, which `was_damaged` says. Writing raises CodedError `state_unwritable`,
    and may wait for another process: that is for a thread.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._memory = None
        self._running = threading.Lock()
        self._version: object = ""
        self._held: set[str] = set()  # in memory
        if file is None:
            self._memory = sqlite3.connect(":memory:", check_same_thread=False)
            weakref.finalize(self, self._memory.close)  # from Python 3.13 on sqlite3 warns where nobody does
        self.was_damaged = False

    def get(self, key: str) -> str | None:
        """Return what is kept under a key."""
        return self._one("SELECT value FROM kept WHERE key = ? AND until > ?", key, time.time())

    def items(self) -> dict[str, str]:
        """Return all that is kept."""
        pairs = "SELECT json_group_object(key, value) FROM kept WHERE until > ?"
        found: dict[str, str] = json.loads(self._one(pairs, time.time()) or "{}")
        return found

    def version(self) -> object:
        """Return what is another one after each change of the file, whichever process made it."""
        if self._file is None:
            return None
        # Not while a thread of this process writes, whose lock would go with this opening (fcntl(2), Advisory
        # record locking): what it writes counts when it is written.
        if self._running.acquire(blocking=False):
            self._version = ""
            with suppress(OSError), self._file.open("rb") as file:
                # SQLite counts in the file's head: of two changes in a moment the times may be the same.
                self._version = os.fstat(file.fileno()).st_mtime_ns, file.read(HEAD)
            self._running.release()
        return self._version

    def drop(self, key: str) -> None:
        """Keep it no longer."""
        self._one("DELETE FROM kept WHERE key = ?", key, writes=True)

    def take(self, key: str) -> str | None:
        """Return it once: of several who ask at once, one gets it."""
        return self._one("DELETE FROM kept WHERE key = ? AND until > ? RETURNING value", key, time.time())

    def hold(self, key: str) -> Callable[[], object] | None:
        """Hold a key until the returned function is called, or this process ends; None: another one does."""
        if self._file is None:
            is_free = key not in self._held
            self._held.add(key)
            return (lambda: self._held.discard(key)) if is_free else None
        name = hashlib.sha256(key.encode()).hexdigest()[:16]
        held = None
        try:
            held = _opened(self._file.with_name(f"{self._file.name}-{name}"), 0)
            held.execute("BEGIN EXCLUSIVE")  # the system ends it with the process
        except (OSError, sqlite3.Error) as error:
            if held is not None:
                held.close()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                return None
            raise _unwritable(error) from error
        return held.close

    def put(self, key: str, value: str, seconds: float = float("inf")) -> None:
        """Keep it for so long; what is over is forgotten."""
        self._one("DELETE FROM kept WHERE until <= ?", time.time(), writes=True)
        until = time.time() + seconds
        self._one("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", key, value, until, writes=True)
        self.was_damaged = False

    def _one(self, statement: str, *values: Any, writes: bool = False) -> str | None:
        if self._file is None or writes or self._file.exists():
            try:
                return self._run(statement, values)
            except (OSError, sqlite3.OperationalError) as error:
                raise _unwritable(error) from error
            except sqlite3.DatabaseError:
                assert self._file is not None
                self.was_damaged = True
                log.warning(DAMAGED, self._file)
                self._file.unlink(missing_ok=True)
                return self._run(statement, values) if writes else None
        return None

    def _run(self, statement: str, values: Any) -> str | None:
        if self._memory is not None:
            with self._running:
                return _answer(self._memory, statement, values)
        assert self._file is not None
        only_reads = statement.startswith("SELECT")  # which waits for no thread that writes
        with (
            nullcontext() if only_reads else self._running,
            closing(_opened(self._file, LOCKED_SECONDS)) as opened,
        ):
            opened.execute("PRAGMA secure_delete = ON")
            return _answer(opened, statement, values)


def _opened(file: Path, seconds: float) -> sqlite3.Connection:
    """Open a private file, and wait so long for others. It is made once: see `Kept.version`."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    return sqlite3.connect(file, timeout=seconds, check_same_thread=False)


def _unwritable(error: Exception) -> CodedError:
    return CodedError("state_unwritable", reason=getattr(error, "strerror", None) or str(error))


def _answer(opened: sqlite3.Connection, statement: str, values: Any) -> str | None:
    with opened:
        opened.execute(TABLE)
        row = opened.execute(statement, values).fetchone()
    return row[0] if row else None

"""Texts by key in one private file, which the replicas of a machine share."""

import json
import logging
import os
import sqlite3
import time
import weakref
from contextlib import closing, suppress
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

    One that is damaged is begun anew, which `was_damaged` says. Writing raises CodedError `state_unwritable`.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._memory = None
        if file is None:
            # Used by one thread; but what is no longer needed may be closed by any.
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
        with suppress(OSError), self._file.open("rb") as file:
            # SQLite counts in the file's head: of two changes in a moment the times may be the same.
            return os.fstat(file.fileno()).st_mtime_ns, file.read(HEAD)
        return ""

    def drop(self, key: str) -> None:
        """Keep it no longer."""
        self._one("DELETE FROM kept WHERE key = ?", key, writes=True)

    def take(self, key: str) -> str | None:
        """Return it once: of several who ask at once, one gets it."""
        return self._one("DELETE FROM kept WHERE key = ? AND until > ? RETURNING value", key, time.time())

    def claim(self, key: str, seconds: float) -> bool:
        """Keep a key for so long, and say whether nobody did: of several who ask at once, one does."""
        now = time.time()
        self._one("DELETE FROM kept WHERE until <= ?", now, writes=True)
        claimed = "INSERT OR IGNORE INTO kept VALUES (?, '', ?) RETURNING key"
        return self._one(claimed, key, now + seconds, writes=True) is not None

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
                raise CodedError(
                    "state_unwritable", reason=getattr(error, "strerror", None) or str(error)
                ) from error
            except sqlite3.DatabaseError:
                assert self._file is not None
                self.was_damaged = True
                log.warning(DAMAGED, self._file)
                self._file.unlink(missing_ok=True)
                return self._run(statement, values) if writes else None
        return None

    def _run(self, statement: str, values: Any) -> str | None:
        if self._memory is not None:
            return _answer(self._memory, statement, values)
        assert self._file is not None
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(self._file, timeout=LOCKED_SECONDS)) as opened:
            opened.execute("PRAGMA secure_delete = ON")
            return _answer(opened, statement, values)


def _answer(opened: sqlite3.Connection, statement: str, values: Any) -> str | None:
    with opened:
        opened.execute(TABLE)
        row = opened.execute(statement, values).fetchone()
    return row[0] if row else None

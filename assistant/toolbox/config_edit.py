"""`mcp.json` edited from the page: at the entry's place, written whole or not at all."""

import errno
import hashlib
import json
import os
import sqlite3
import stat
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, NamedTuple

from dotenv import dotenv_values

from assistant.toolbox.config import (
    SHOWN,
    place_of_servers,
    read_config,
    read_document,
    watch_config,
    well_formed,
    without_servers,
)
from assistant.toolbox.dialects import in_dialect
from assistant.toolbox.entries import ON, is_command, server_of, switch, variables
from assistant.toolbox.entry_secrets import hosts, masked, unmasked
from assistant.toolbox.json_faults import fault_of
from assistant.toolbox.jsonc import Document, Member
from assistant.toolbox.server import ConfigError, Server
from assistant.toolbox.toolbox import Toolbox
from serving.errors import CodedError

MAX_SERVERS = 1_000
MAX_NAME = 100  # characters
LOCKED_SECONDS = 5.0  # for which another edit is waited for
NEW_FILE = '{\n  "mcpServers": {}\n}\n'
# What may be wrong with an entry that is written all the same: meant so, or to be mended elsewhere.
BEARABLE = ("switched_off", "variable_not_set", "variable_asks")

Environment = Callable[[], Mapping[str, str | None]]


def surroundings() -> Mapping[str, str | None]:
    """Return the variables that entries may name: those of `.env`, and stronger ones."""
    return {**dotenv_values(".env"), **os.environ}


class Entry(NamedTuple):
    """An entry as it is written, its secrets masked; `version` is another one after each edit of it."""

    text: str
    version: str


class _Place(NamedTuple):
    """A document, and where in it the entries stand."""

    document: Document
    path: list[str]

    @property
    def begin(self) -> int:
        return self.document.find(self.path)

    @property
    def entries(self) -> dict[str, Any]:
        entries: dict[str, Any] = reduce(getitem, self.path, self.document.root)
        return entries

    def member(self, name: str) -> Member:
        """Return an entry's place. Raises CodedError: it has none any more."""
        for member in reversed(self.document.members(self.begin)):
            if well_formed(member.key) == name:
                return member
        raise CodedError("entry_changed", server=name)


# What an edit makes of the file, and which entries are other ones after it; None: they are gone.
Edited = tuple[Document, dict[str, Any]]


class ConfigFile:
    """One `mcp.json`; edits of all processes that share the folder `state` come one after another.

    Edits raise ConfigError and CodedError: the file cannot be read, written or edited; it, or the entry, has
    changed meanwhile. Blocking: a file may be slow, and another edit is waited for.
    """

    def __init__(
        self,
        path: Path,
        state: Path,
        environment: Environment = surroundings,
        *,
        may_be_missing: bool = False,
    ) -> None:
        self.path = path
        self.environment = environment
        self._lock = state / "edits"
        self._may_be_missing = may_be_missing

    def servers(self) -> list[Server]:
        """Return what the file says now."""
        if self._may_be_missing and not self.path.exists():
            return []
        return read_config(self.path, self.environment())

    def checked(self, name: str, entry: Any, *, local: bool, known: Collection[str] = ()) -> Server:
        """Return what an entry means that is to be written. Raises ConfigError, CodedError: it cannot be.

        Only who is `local` may have commands started, and variables sent that are not `known` to be.
        """
        if is_command(entry) and not local:
            raise CodedError("command_not_local")
        if not local and (named := variables(entry).difference(known)):
            raise CodedError("variable_not_local", names=sorted(named))
        server = server_of(name, well_formed(entry), self.environment())
        if server.error and server.error.code not in BEARABLE:
            raise server.error
        return server

    def edited(self, name: str, text: str) -> tuple[Any, Collection[str]]:
        """Return what an edited entry says, with the secrets still masked in it, and its known variables."""
        place = self._place(self._data() or b"")
        return _edited_entry(text, place.document.value_text(place.member(name)))[1:]

    async def follow(self, toolbox: Toolbox) -> None:
        """Let a toolbox have the servers of the file, at every edit of it."""
        async for servers in watch_config(self.path, self.environment):
            await toolbox.update(servers)

    def entry(self, name: str) -> Entry:
        """Return an entry to be edited."""
        place = self._place(self._data() or b"")
        text = place.document.value_text(place.member(name))
        return Entry(masked(text)[0], _version(text))

    def add(self, entries: Mapping[str, Any], *, local: bool) -> None:
        """Write new entries at the end, in the file's dialect."""

        def change(place: _Place) -> Edited:
            others = place.entries
            if len(others) + len(entries) > MAX_SERVERS:
                raise CodedError("too_many_servers", max=MAX_SERVERS)
            taken = set(map(_folded, others))
            for name, entry in entries.items():
                _refuse_name(name, taken)
                taken.add(_folded(name))
                self.checked(name, entry, local=local)
            values = list(others.values())
            written = {name: in_dialect(entry, place.path, values) for name, entry in entries.items()}
            return place.document.with_members(place.begin, written), written

        self._edit(change)

    def change(self, name: str, version: str, text: str, new_name: str, *, local: bool) -> None:
        """Write an entry anew, perhaps under another name; secrets still masked stay what they are."""

        def change(place: _Place) -> Edited:
            member = place.member(name)
            before = place.document.value_text(member)
            if version != _version(before):
                raise CodedError("entry_changed", server=name)
            if new_name != name:
                _refuse_name(new_name, set(map(_folded, place.entries)))
            after, entry, known = _edited_entry(text, before)
            self.checked(new_name, entry, local=local, known=known)
            key = new_name if new_name != name else None
            return place.document.with_value(member, after, key), {name: None, new_name: entry}

        self._edit(change)

    def switch(self, name: str, *, on: bool) -> None:
        """Switch a server on or off, by the word that its entry uses."""

        def change(place: _Place) -> Edited:
            document, entry = place.document, place.member(name)
            if document.text[entry.value] != "{":
                raise ConfigError("entry_not_object")
            switches = [each for each in document.members(entry.value) if switch(each.key)]
            for each in reversed(switches):  # so that the others stay where they are
                is_disabling = switch(each.key) is ON
                if on and is_disabling:
                    document = document.without(entry.value, each)
                else:
                    document = document.with_value(each, str(on is not is_disabling).lower())
            if not on and not switches:
                document = document.with_members(entry.value, {"disabled": True})
            return document, {name: _Place(document, place.path).entries[entry.key]}

        self._edit(change)

    def remove(self, name: str) -> None:
        """Take an entry out, and every other one of its name, which would count in its place."""

        def change(place: _Place) -> Edited:
            document, key = place.document, place.member(name).key
            while found := [each for each in document.members(document.find(place.path)) if each.key == key]:
                document = document.without(document.find(place.path), found[-1])
            return document, {key: None}

        self._edit(change)

    def _edit(self, change: Callable[[_Place], Edited]) -> None:
        with self._alone():
            data = self._data()
            place = self._place(data or b"")
            document, changed = change(place)
            entries = {name: entry for name, entry in (place.entries | changed).items() if entry is not None}
            try:
                after = self._place(document.data())
                is_right = (after.path, after.entries) == (place.path, entries)
                is_right = is_right and _around(after) == _around(place)
            except (ConfigError, LookupError):
                is_right = False
            if not is_right:
                raise CodedError("config_not_editable", path=str(self.path))
            self._write(data, document.data())

    def _data(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError("file_unreadable", path=str(self.path), reason=error.strerror) from error

    def _place(self, data: bytes) -> _Place:
        document = read_document(self.path, data if data.strip() else NEW_FILE.encode())
        path = place_of_servers(document.root)
        if path is None:
            if (error := without_servers(self.path, document)).code != "file_without_servers":
                raise error
            document = document.with_members(document.find([]), {"mcpServers": {}})
            path = ["mcpServers"]
        return _Place(document, path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self._lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._lock, timeout=LOCKED_SECONDS, isolation_level=None)) as lock:
                lock.execute("BEGIN EXCLUSIVE")  # nothing is written: an end of the process ends it
                yield
        except (sqlite3.Error, OSError) as error:
            raise CodedError("state_unwritable", reason=str(error)) from error

    def _write(self, before: bytes | None, after: bytes) -> None:
        """Put other bytes in the place of those before, if they are still there."""
        target = Path(os.path.realpath(self.path))  # a link stays one
        try:
            status = None if before is None else target.stat()
            if status and not (status.st_mode & 0o222 and os.access(target, os.W_OK)):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
            try:
                with open(handle, "wb") as file:
                    file.write(after)
                    file.flush()
                    os.fsync(handle)
                if status:
                    os.chmod(name, stat.S_IMODE(status.st_mode))
                    if sys.platform != "win32":
                        with suppress(PermissionError):  # its owner, where that is allowed
                            os.chown(name, status.st_uid, status.st_gid)
                if self._data() != before:
                    raise CodedError("config_changed", path=str(self.path))
                os.replace(name, target)
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            raise CodedError("config_unwritable", path=str(self.path), reason=error.strerror) from error


def _edited_entry(text: str, before: str) -> tuple[str, Any, Collection[str]]:
    """Return an edited entry as text and as value, and the variables that were sent to its hosts before.

    Raises CodedError: it is not JSON; see `unmasked`.
    """
    try:
        after = before if text == masked(before)[0] else unmasked(text.strip(), before)
        old, new = Document(before), Document(after)
        known = variables(well_formed(old.root)) if hosts(old) == hosts(new) else ()
        return after, well_formed(new.root), known
    except json.JSONDecodeError as error:
        raise CodedError("entry_not_json", **fault_of(error, SHOWN)) from error


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _refuse_name(name: str, taken: Collection[str]) -> None:
    is_usable = 0 < len(name) <= MAX_NAME and name.isprintable() and name == name.strip()
    if not is_usable:
        raise CodedError("server_name_odd", max=MAX_NAME)
    if _folded(name) in taken:
        raise CodedError("server_exists", server=name)


def _around(place: _Place) -> Any:
    """Return what stands in a file beside its entries."""

    def without(value: Any, path: list[str]) -> Any:
        return {**value, path[0]: without(value[path[0]], path[1:])} if path else None

    return without(place.document.root, place.path)


def _version(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]

"""The file `mcp.json`: read as people save and paste it, and followed while it is edited."""

import asyncio
import json
import logging
import os
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from assistant.toolbox.entries import SIMILAR, WORDS, is_entry, known_key, server_of
from assistant.toolbox.json_faults import fault_at, fault_of, line_of
from assistant.toolbox.jsonc import Document
from assistant.toolbox.sentences import sentence_of
from assistant.toolbox.server import ConfigError, Server
from serving.errors import CodedError

log = logging.getLogger(__name__)

# Claude's, Cursor's and most others'; VS Code's, whose settings have it in `mcp`; Zed's; OpenCode's.
ROOTS = ("mcpservers", "servers", "contextservers", "mcp")
SHOWN = {*WORDS, *ROOTS}  # the words of a broken line that are shown wherever they stand
POLL_SECONDS = 1.0  # between two looks at the file
_WORD = re.compile(r"[^\W\d][\w-]*")
MAX_DEPTH = 3  # of an entry's objects, in which keys are looked at: itself, its `env`, and one more
_KEY = re.compile(r"([\w-]+)(?:\[(\d+)\]|\.(.+))?", re.DOTALL)  # as in the errors of entries: args[1], env.A


def read_config(path: Path, environment: Mapping[str, str | None] = os.environ) -> list[Server]:
    """Read a config file of any client: its encoding, its comments, its outermost key.

    Raises ConfigError: the file is missing, is not a JSON object, or names no servers.
    """
    try:
        document = read_document(path, path.read_bytes())
    except OSError as error:
        raise ConfigError("file_unreadable", path=str(path), reason=error.strerror) from error
    where = place_of_servers(document.root)
    if where is None:
        raise without_servers(path, document)
    try:
        entries = well_formed(reduce(getitem, where, document.root))
        placed = Placed(document, where)
    except RecursionError as error:
        fault = fault_at(document.strict, 0, "json_too_deep", SHOWN)
        raise ConfigError("file_broken", path=str(path), **fault) from error
    found = [server_of(name, entry, environment) for name, entry in entries.items()]
    return [placed(server) for server in found]


def read_document(path: Path, data: bytes) -> Document:
    """Return what the file says. Raises ConfigError: it is not JSON."""
    try:
        return Document.of(data)
    except json.JSONDecodeError as error:
        raise ConfigError("file_broken", path=str(path), **fault_of(error, SHOWN)) from error


def without_servers(path: Path, document: Document) -> ConfigError:
    """Return why a file names no servers: what stands in the place of the object that does."""
    begin = document.find([])
    code, params = "json_not_object", {}
    if isinstance(document.root, dict):
        keys = {re.sub(r"[\W_]", "", key).lower(): key for key in document.root}
        near = [close for root in ROOTS for close in get_close_matches(root, keys, 1, SIMILAR)]
        if not near:
            return ConfigError("file_without_servers", path=str(path))
        key = keys[near[0]]
        is_misspelt = near[0] not in ROOTS
        code, params = ("json_key_misspelt" if is_misspelt else code), {"key": key, "meant": "mcpServers"}
        member = next(each for each in document.members(begin) if each.key == key)
        begin = member.begin if is_misspelt else member.value
    fault = fault_at(document.strict, begin, code, SHOWN, **params)
    return ConfigError("file_broken", path=str(path), **fault)


def well_formed(value: Any) -> Any:
    """Return a value without lone surrogates, which JSON can hold and nothing can send: they become "?"."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def place_of_servers(root: Any) -> list[str] | None:
    """Return the keys that lead to the entries, whatever stands around them; None where there are none."""
    if not isinstance(root, dict):
        return None
    spelt = {re.sub(r"[\W_]", "", key).lower(): key for key in root}
    found = [spelt[name] for name in ROOTS if isinstance(root.get(spelt.get(name)), dict)]
    if not found:
        return [] if root and all(map(is_entry, root.values())) else None
    chosen = next((key for key in found if root[key]), found[0])
    inner = None
    if chosen == spelt.get("mcp") and not any(map(is_entry, root[chosen].values())):
        inner = place_of_servers(root[chosen])
    return [chosen, *(inner or [])]


async def watch_config(
    path: Path, environment: Callable[[], Mapping[str, str | None]], poll_seconds: float = POLL_SECONDS
) -> AsyncGenerator[list[Server] | ConfigError]:
    """Yield what the file says each time it is edited; or, and in the log, why that cannot be read."""
    before = _stamp(path)
    while True:
        await asyncio.sleep(poll_seconds)
        now = _stamp(path)
        if now == before:
            continue
        before = now
        try:
            yield read_config(path, environment())
        except ConfigError as error:
            log.warning("%s；仍使用之前的配置", sentence_of(error.code, error.params))
            yield error


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None  # editors replace a file by another: for a moment there is none
    return status.st_mtime_ns, status.st_size


class Placed:
    """Gives the servers of a file the places of their errors, and notes of what is written twice."""

    def __init__(self, document: Document, where: Sequence[str]) -> None:
        self._document, self._where = document, list(where)
        self._twice = list(self._doubled([], document.find([])))

    def __call__(self, server: Server) -> Server:
        """Return the server with its place in the file."""
        own = [*self._where, server.name]
        # An object around all servers, the server itself, or something in it.
        if doubled := [_written(path) for path in self._twice if path[: len(own)] == own[: len(path)]]:
            note = CodedError("keys_twice", keys=sorted(set(doubled)))
            server = replace(server, notes=(*server.notes, note))
        if (error := server.error) is None or error.code == "switched_off":
            return server
        place, line = self._place(server.name, *_keys(error))
        return replace(server, error=ConfigError(error.code, **error.params, place=place, line=line))

    def _place(self, *keys: str) -> tuple[str, int]:
        """Return where in the servers' object these keys lead, as far as they do."""
        path, at, text = self._where, self._document.find(self._where), self._document.strict
        begin = at
        for key in keys:
            members = self._document.members(at) if text[at] in "{[" else []
            found = {
                name: member
                for number, member in enumerate(members)
                for name in ([str(number)] if text[at] == "[" else [known_key(member.key), member.key])
            }
            if key not in found:
                break
            begin, at = found[key].begin, found[key].value
            path = [*path, key if found[key].key == "*" else found[key].key]
        return _written(path), line_of(text, begin)

    def _doubled(self, path: list[str], begin: int) -> Iterator[list[str]]:
        if self._document.strict[begin] != "{" or len(path) >= len(self._where) + 1 + MAX_DEPTH:
            return
        members = self._document.members(begin)
        yield from ([*path, key] for key, n in Counter(each.key for each in members).items() if n > 1)
        for member in members:
            yield from self._doubled([*path, member.key], member.value)


def _keys(error: ConfigError) -> list[str]:
    """Return the keys within an entry that an error is about."""
    kind, _, rest = error.code.partition("_")
    key = error.params.get("key") or {"url": "url", "unknown": rest}.get(kind, "")
    found = _KEY.match(key)
    named = [error.params["name"]] if error.code == "not_sendable" else []
    return [each for each in (found.groups() if found else ()) if each] + named


def _written(path: Sequence[str]) -> str:
    """Return keys as a program writes them: `mcpServers.shop.args[1]`."""
    written = ""
    for key in path:
        quoted = key if key.isdigit() else json.dumps(key, ensure_ascii=False)
        written += f".{key}" if _WORD.fullmatch(key) else f"[{quoted}]"
    return written.removeprefix(".")

"""Where in `mcp.json` something stands: the keys that lead there as they are written, and the line."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from assistant.toolbox.entries import known_key
from assistant.toolbox.json_faults import line_of
from assistant.toolbox.jsonc import Document
from assistant.toolbox.server import ConfigError, Server
from serving.errors import CodedError

MAX_DEPTH = 3  # of an entry's objects, in which keys are looked at: itself, its `env`, and one more
_KEY = re.compile(r"([\w-]+)(?:\[(\d+)\]|\.(.+))?", re.DOTALL)  # as in the errors of entries: args[1], env.A


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
    parts = (f".{key}" if re.fullmatch(r"[^\W\d][\w-]*", key) else f"[{_quoted(key)}]" for key in path)
    return "".join(parts).removeprefix(".")


def _quoted(key: str) -> str:
    return key if key.isdigit() else json.dumps(key, ensure_ascii=False)

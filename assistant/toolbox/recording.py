"""The last messages to and from a server, for a person who wants to see what is said."""

import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from mcp_types import JSONRPCError, JSONRPCMessage, RequestId

from serving.answer_bounds import MIB
from serving.redaction import redacted

MAX_MESSAGES = 500
MAX_CHARS = 2 * MIB  # of what is kept of all ...
MAX_ONE = 16 * 1024  # ... and of one


class Recorded(NamedTuple):
    """One message: `way` is in, out, failed (an outcome of ours), stderr or state."""

    number: int
    at: float  # seconds since 1970
    way: str
    text: str
    size: int  # characters, before it was cut
    id: RequestId | None
    method: str | None
    is_error: bool


class Recording:
    """What was said over a server's connections, bounded; nothing is looked into before somebody asks."""

    def __init__(self, max_messages: int = MAX_MESSAGES, max_chars: int = MAX_CHARS) -> None:
        self._max, self._max_chars = max_messages, max_chars
        self._kept: deque[Recorded] = deque()
        self._chars = 0
        self.number = 0  # of the last one

    def add(
        self,
        way: str,
        text: str,
        *,
        id: RequestId | None = None,
        method: str | None = None,
        bad: bool = False,
    ) -> None:
        """Keep a text, or its beginning."""
        self.number += 1
        kept = text if len(text) <= MAX_ONE else text[:MAX_ONE]
        self._kept.append(Recorded(self.number, time.time(), way, kept, len(text), id, method, bad))
        self._chars += len(kept)
        while self._chars > self._max_chars or len(self._kept) > self._max:
            self._chars -= len(self._kept.popleft().text)

    def heard(self, text: str, message: JSONRPCMessage | None = None) -> None:
        """Keep what a server sent; without a message it is none."""
        method, id = getattr(message, "method", None), getattr(message, "id", None)
        bad = message is None or isinstance(message, JSONRPCError)
        self.add("in", text, id=id, method=method, bad=bad)

    def said(self, message: JSONRPCMessage) -> None:
        """Keep what is sent to a server."""
        with suppress(ValueError):  # what cannot be written is not sent
            text = message.model_dump_json(by_alias=True, exclude_unset=True)
            method, id = getattr(message, "method", None), getattr(message, "id", None)
            self.add("out", text, id=id, method=method, bad=isinstance(message, JSONRPCError))

    def failed(self, id: RequestId | None, **why: Any) -> None:
        """Keep why a request has no answer."""
        self.add("failed", json.dumps(why, ensure_ascii=False), id=id, bad=True)

    def since(self, number: int) -> Iterator[dict[str, Any]]:
        """Yield what came after that number, without secrets; answers with their request's method."""
        asked: dict[tuple[str, RequestId], Recorded] = {}
        for each in self._kept:
            method, ms = each.method, None
            if each.id is not None and method is not None:
                asked[each.way, each.id] = each
            elif each.id is not None:
                request = asked.pop(("in" if each.way == "out" else "out", each.id), None)
                if request:
                    method, ms = request.method, round((each.at - request.at) * 1000, 1)
            if each.number > number:
                yield {
                    **each._asdict(),
                    "text": redacted(each.text),
                    "method": method,
                    "ms": ms,
                    "isAnswer": each.method is None,
                }

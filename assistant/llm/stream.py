"""The events of a provider's answer: a stream, or one JSON document from a provider that does not stream.

Unlike the SDK's decoder, it bounds an event, and takes one without a blank line after it: the last, or JSON.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing

from assistant.chat.interfaces import ModelError
from serving.answer_bounds import MIB

MARK = b"\xef\xbb\xbf"  # a byte order mark
# Of an event; `error` is llama.cpp's, the last a comment's.
FIELDS = (b"data", b"error", b"event", b"id", b"retry", b"")
DOCUMENT = "\n"  # the name of what is no event: none can have this one


async def events(pieces: AsyncIterable[bytes], max_event: int) -> AsyncGenerator[tuple[str, bytes]]:
    """Yield name and data of each event; a JSON document, or whatever else is no stream, is one `DOCUMENT`.

    Raises ModelError: an event, or the document, is longer than `max_event` bytes.
    """
    name, data, size, is_stream = "", list[bytes](), 0, False
    async with aclosing(_lines(pieces, max_event)) as lines:
        async for read in lines:
            line = read.removeprefix(MARK)  # streams that were put together have one within, too
            field, _, value = line.partition(b":")
            field = field.strip().lower()
            while field == b"data" and value.lstrip().startswith(b"data:"):  # a gateway said it once more
                value = value.lstrip().removeprefix(b"data:")
            is_object = line.lstrip().startswith(b"{")
            is_other = not is_stream and bool(line.strip()) and field not in FIELDS
            if (field == b"data" or is_object) and len(data) == 1 and _is_whole(data[0]):
                yield name, data.pop()  # nothing stands between this event and the next
                size = 0
            if name == DOCUMENT or (is_object and not data) or is_other:
                name = DOCUMENT
                data += [line] if line.strip() else []
            elif field in (b"data", b"error"):
                name = "error" if field == b"error" else name
                data.append(value.removeprefix(b" "))
            elif field == b"event":
                name = value.strip().decode(errors="replace")
            elif not line:
                if data:
                    yield name, b"\n".join(data)
                name, data, size = "", [], 0
            is_stream = is_stream or bool(line.strip())
            size += len(line) if data else 0
            if size > max_event:
                raise ModelError("answer_too_large", mib=max_event // MIB)
    if data:
        yield name, b"\n".join(data)


def _is_whole(data: bytes) -> bool:
    if not data.lstrip().startswith(b"{") or not data.rstrip().endswith(b"}"):
        return False
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


async def _lines(pieces: AsyncIterable[bytes], max_line: int) -> AsyncGenerator[bytes]:
    parts: list[bytes] = []
    size = 0
    was_return = False
    async for piece in pieces:
        for part in piece.removeprefix(b"\n" if was_return else b"").splitlines(keepends=True):
            size += len(part)
            if size > max_line:
                raise ModelError("answer_too_large", mib=max_line // MIB)
            parts.append(part)
            if part.endswith((b"\n", b"\r")):
                yield b"".join(parts).rstrip(b"\r\n")
                parts, size = [], 0
        was_return = piece.endswith(b"\r")
    if parts:
        yield b"".join(parts)

"""The events of a provider's answer: a stream, or one JSON document from a provider that does not stream.

Unlike the SDK's decoder, it bounds an event, and takes a last one without the blank line after it.
"""

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing

from assistant.chat.interfaces import ModelError
from serving.answer_bounds import MIB

BLANKS = b" \t\xef\xbb\xbf"  # before a document; the last three are a byte order mark


async def events(pieces: AsyncIterable[bytes], max_event: int) -> AsyncGenerator[tuple[str, bytes]]:
    """Yield name and data of each event; a JSON document is one without a name.

    Raises ModelError: an event, or the document, is longer than `max_event` bytes.
    """
    name, data, size, is_document = "", list[bytes](), 0, False
    async with aclosing(_lines(pieces, max_event)) as lines:
        async for line in lines:
            if not data and line.lstrip(BLANKS).startswith(b"{"):
                is_document = True
            field, _, value = line.partition(b":")
            if is_document or field == b"data":
                data.append(line if is_document else value.removeprefix(b" "))
                size += len(line)
            elif field == b"event":
                name = value.strip().decode(errors="replace")
            elif not line:
                if data:
                    yield name, b"\n".join(data)
                name, data, size = "", [], 0
            if size > max_event:
                raise ModelError("answer_too_large", mib=max_event // MIB)
    if data:
        yield name, b"\n".join(data)


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

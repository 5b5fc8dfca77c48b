"""A command's pipes: lines within bounds, in whatever encoding, and what the command says when it ends."""

import json
import logging
import re
import subprocess
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import anyio
from mcp.client._transport import TransportStreams
from mcp.client.stdio import (
    _create_platform_compatible_process,
    _get_executable_command,
    _stop_server_process,
    get_default_environment,
)
from mcp.os.win32.utilities import ServerProcess

from assistant.toolbox.raw_results import Note
from assistant.toolbox.recording import Recording
from assistant.toolbox.server import Server
from assistant.toolbox.wire import Channel, decoded, too_large
from serving.answer_bounds import MAX_BODY, MIB
from serving.errors import CodedError
from serving.logs import printable
from serving.redaction import redacted

log = logging.getLogger(__name__)

MAX_LINE = 500  # characters of a line of stderr that are shown
LAST_LINES = 5  # that say why a command ended
END_SECONDS = 2.0  # for an ended command's status and last words

MAX_UNENDED = 64 * 1024  # bytes of an answer that is read although its line has no end
_HEAD = re.compile(rb'\{\s*"(?:jsonrpc|id|result|error)"\s*:')
_MESSAGE = re.compile(r"[\ufeff\s]*\[?\s*\{")
# In no JSON one object follows another without a comma, and in its texts a quote has a backslash.
_JOINT = re.compile(rb'(?<=\})\s*(?=\{\s*"(?:jsonrpc|id|method|params|result|error)"\s*:)')
_OUTCOME = re.compile(rb'"(?:result|error)"\s*:')  # no request: some print what they were asked

GONE = (anyio.ClosedResourceError, anyio.BrokenResourceError, OSError)


@asynccontextmanager
async def pipes(server: Server, note: Note, recording: Recording) -> AsyncIterator[TransportStreams]:
    """Start a command and speak with it; `note` is told what was odd about its lines.

    Raises CodedError: it ended. The SDK's parts start and stop the process, with all that it has started.
    """
    process = await _create_platform_compatible_process(
        await _get_executable_command(server.command),
        list(server.args),
        get_default_environment() | dict(server.env),
        cast("Any", subprocess.PIPE),
        server.cwd,
    )
    said: deque[str] = deque(maxlen=LAST_LINES)

    async def read() -> None:
        async with anyio.create_task_group() as listeners:
            listeners.start_soon(_read_errors, server, process, said, recording)
            await ends.take(_messages(process.stdout, note, said, recording))
            with anyio.move_on_after(END_SECONDS):
                await process.wait()
            listeners.cancel_scope.deadline = anyio.current_time() + END_SECONDS
        shown = {"command": server.address, "status": process.returncode, "said": "\n".join(said)}
        raise CodedError("command_ended", **shown)

    async with Channel(note, recording) as ends, anyio.create_task_group() as group:
        group.start_soon(read)
        group.start_soon(_write_messages, process, ends)
        try:
            yield ends.streams
        finally:
            with anyio.CancelScope(shield=True):
                ends.outgoing.close()
                await _stop_server_process(process)
            group.cancel_scope.cancel()


async def _messages(stream: Any, note: Note, said: deque[str], recording: Recording) -> AsyncIterator[str]:
    """Yield what may be a message, and keep the last of all else: some say on stdout why they end."""
    async for line in _lines(stream):
        is_joined = line.count(b'"jsonrpc"') > 1  # by threads that write at once
        for part in _JOINT.split(line) if is_joined else [line]:
            text = decoded(_answer(part), note)
            if _MESSAGE.match(text):
                yield text
            elif words := _words(text):
                said.append(words)
                recording.heard(words)


async def _lines(stream: Any) -> AsyncIterator[bytes]:
    """Yield a stream's lines, the last one too. Raises CodedError: one is beyond the bound.

    What is a whole answer is a line, whether its end comes or not.
    """
    parts: list[bytes] = []
    if stream is None:
        return  # the platform gives none
    with suppress(*GONE):
        async for chunk in stream:
            *lines, rest = chunk.split(b"\n")
            for line in lines:
                yield b"".join([*parts, line])
                parts.clear()
            parts.append(rest)
            size = sum(map(len, parts))
            if size > MAX_BODY:
                raise too_large()
            if rest.endswith(b"}") and size <= MAX_UNENDED and _is_json(line := b"".join(parts)):
                yield line
                parts.clear()
    yield b"".join(parts)


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(_answer(line)), dict)
    except (ValueError, RecursionError):
        return False


def _answer(line: bytes) -> bytes:
    """Return a line without words before the answer in it, which some print without an end."""
    found = _HEAD.search(line)
    if not found or not _OUTCOME.search(line, found.start()):
        return line
    before = line[: found.start()].rstrip()
    is_batch = before.endswith(b"[") and line.rstrip().endswith(b"]")
    return line[len(before) - 1 if is_batch else found.start() :]


async def _read_errors(
    server: Server, process: ServerProcess, said: deque[str], recording: Recording
) -> None:
    """Log what the command writes to stderr, and keep its last lines."""
    try:
        async for line in _lines(getattr(process, "stderr", None)):
            if text := _words(decoded(line, lambda _: None)):
                said.append(text)
                recording.add("stderr", text)
                log.info("%s: %s", server.name, text)
    except CodedError:  # nothing of a line without an end is kept, but it has to be taken
        await _read_errors(server, process, said, recording)


def _words(line: str) -> str:
    """Return a line that is no message as it is shown."""
    return printable(redacted(line[:MIB].rstrip()))[:MAX_LINE]


async def _write_messages(process: ServerProcess, ends: Channel) -> None:
    with suppress(*GONE):
        async for message in ends.from_client:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            await cast("Any", process.stdin).send(f"{text}\n".encode())

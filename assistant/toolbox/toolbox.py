"""The tools of every server in `mcp.json`: listed under one name each, called through live connections."""

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from mcp_types import PromptArgument
from mcp_types import Tool as McpTool

from assistant.chat.interfaces import Progress, Tool, ToolResult, UnknownServerError
from assistant.toolbox.config import Server
from assistant.toolbox.connection import READY_TIMEOUT, Connection

MAX_OFFERED = 64  # characters of a tool's name: OpenAI's limit, and the others'


class Toolbox:
    """The servers of one `mcp.json`: `async with Toolbox(servers) as box: await box.call(…)`."""

    def __init__(self, servers: Iterable[Server]) -> None:
        self.connections = {server.name: Connection(server) for server in servers}

    async def __aenter__(self) -> "Toolbox":
        for connection in self.connections.values():
            connection.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; a call that is under way says that its answer did not come."""
        await asyncio.gather(*(connection.stop() for connection in self.connections.values()))

    async def update(self, servers: Iterable[Server]) -> None:
        """Take over an edited configuration; a server whose entry is the same keeps its connection."""
        before, self.connections = self.connections, {}
        for server in servers:
            old = before.get(server.name)
            if old is not None and old.server == server:
                self.connections[server.name] = before.pop(server.name)
            else:
                self.connections[server.name] = Connection(server)
                self.connections[server.name].start()
        await asyncio.gather(*(connection.stop() for connection in before.values()))

    async def settled(self) -> None:
        """Wait, for a moment, until every server has answered once or has been found down."""
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_TIMEOUT):
                await asyncio.gather(*(connection.settled() for connection in self.connections.values()))

    def tools(self) -> list[Tool]:
        """Return every tool that is known, also those of a server that is down for the moment."""
        pairs = [(c.server.name, tool) for c in self.connections.values() for tool in c.listed]
        names = offered_names([(server, tool.name) for server, tool in pairs])
        return [_tool(server, tool, names[server, tool.name]) for server, tool in pairs]

    def prompts(self) -> list[dict[str, Any]]:
        """Return the servers' prompts, the arguments of each as a schema like a tool's."""
        return [
            {
                "server": name,
                "name": prompt.name,
                "title": prompt.title or prompt.name,
                "description": prompt.description or "",
                "input_schema": _schema(prompt.arguments or ()),
            }
            for name, connection in self.connections.items()
            for prompt in connection.prompts
        ]

    async def call(
        self,
        server: str,
        name: str,
        args: dict[str, Any],
        *,
        key: str | None = None,
        on_progress: Progress | None = None,
    ) -> ToolResult:
        """Call a tool; `key` travels as `_meta["idempotency-key"]`.

        A failure of any kind is a result, never an exception, but for one.

        Raises:
            UnknownServerError: No server has this name.
        """
        return await self.connection(server).call(name, args, key, on_progress)

    def connection(self, server: str) -> "Connection":
        """Return a server's connection.

        Raises:
            UnknownServerError: No server has this name.
        """
        try:
            return self.connections[server]
        except KeyError:
            raise UnknownServerError(server) from None


def offered_names(pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Give each (server, tool) a name that every provider accepts: `[a-zA-Z0-9_-]`, at most 64 characters.

    Names that are too long or would collide end in a hash of the pair: the same from run to run.
    """
    names = {pair: re.sub(r"[^a-zA-Z0-9_-]", "_", "_".join(pair)) for pair in pairs}
    for digits in (8, 16, 32):  # more than once: a tool may be called like another's hash
        counts = Counter(names.values())
        wrong = [pair for pair, name in names.items() if len(name) > MAX_OFFERED or counts[name] > 1]
        names |= {pair: _hashed(pair, names[pair], digits) for pair in wrong}
    return names


def _hashed(pair: tuple[str, str], name: str, digits: int) -> str:
    digest = hashlib.sha256("\0".join(pair).encode(errors="surrogatepass")).hexdigest()[:digits]
    return f"{name[: MAX_OFFERED - digits - 1]}_{digest}"


def _schema(arguments: Sequence[PromptArgument]) -> dict[str, Any]:
    properties = {
        argument.name: {"type": "string", "description": argument.description or ""} for argument in arguments
    }
    required = [argument.name for argument in arguments if argument.required]
    return {"type": "object", "properties": properties, "required": required}


def _tool(server: str, tool: McpTool, offered: str) -> Tool:
    annotations = tool.annotations.model_dump(by_alias=True, exclude_none=True) if tool.annotations else {}
    return Tool(
        server=server,
        name=tool.name,
        offered=offered,
        title=tool.title or annotations.get("title") or tool.name,
        description=tool.description or "无描述",
        input_schema=tool.input_schema or {"type": "object", "properties": {}},
        output_schema=tool.output_schema,
        annotations=annotations,
    )

"""MCP clients of the three kinds at their barest: the server's cost is to be seen, not the client's."""

from typing import Any, Protocol

from benchmarks.wire import Address, BadAnswerError, Connection, Headers, request

MODERN = "2026-07-28"
HANDSHAKE = "2025-11-25"
BOTH = "application/json, text/event-stream"
CLIENT = {"name": "benchmarks", "version": "1"}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}
Arguments = dict[str, Any]
NONE: Arguments = {}
INITIALIZE = {"protocolVersion": HANDSHAKE, "clientInfo": CLIENT, "capabilities": {}}


class McpClient(Protocol):
    """A client that is connected."""

    async def call(self) -> bytes:
        """Call the tool, and return the answer as it came. Raises BadAnswerError when that fails."""
        ...

    async def keep(self) -> None:
        """Connect again where the server has closed an idle connection."""
        ...

    async def close(self) -> None:
        """Go away as a client does that is ended properly."""
        ...


def _message(method: str, params: dict[str, Any], number: int | None = 1) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return message if number is None else message | {"id": number}


def _checked(body: bytes) -> bytes:
    if b'"result"' not in body or b'"isError":true' in body:
        raise BadAnswerError(body[:300].decode(errors="replace"))
    return body


def _authorized(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"} if token else {}


class ModernClient:
    """2026-07-28: no session; a request by itself, over a connection that is kept, JSON as answer."""

    def __init__(
        self, connection: Connection, path: str, tool: str, arguments: Arguments, token: str
    ) -> None:
        self._connection = connection
        headers = _authorized(token) | {
            "Accept": BOTH,
            "MCP-Protocol-Version": MODERN,
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        }
        params = {"name": tool, "arguments": arguments, "_meta": ENVELOPE}
        self._call = request(connection.address, "POST", path, _message("tools/call", params), headers)

    @classmethod
    async def open(
        cls, address: Address, tool: str, arguments: Arguments = NONE, path: str = "/mcp", token: str = ""
    ) -> "ModernClient":
        """Connect; there is nothing to shake hands about."""
        return cls(await Connection.open(address), path, tool, arguments, token)

    async def call(self) -> bytes:
        """Call the tool, and return the answer as it came. Raises BadAnswerError."""
        return _checked((await self._connection.send(self._call)).body)

    async def keep(self) -> None:
        """Connect again where the server has closed an idle connection."""
        await self._connection.keep()

    async def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class HandshakeClient:
    """2025-11-25: a session with its own event stream, and an event stream as the answer to each request."""

    def __init__(
        self,
        connection: Connection,
        listening: Connection,
        path: str,
        headers: Headers,
        call: dict[str, Any],
    ) -> None:
        self._connection, self._listening = connection, listening
        self._path, self._headers = path, headers
        self._call = request(connection.address, "POST", path, _message("tools/call", call, 2), headers)

    @classmethod
    async def open(
        cls, address: Address, tool: str, arguments: Arguments = NONE, path: str = "/mcp", token: str = ""
    ) -> "HandshakeClient":
        """Shake hands, and listen as every SDK's client does."""
        connection = await Connection.open(address)
        headers = _authorized(token) | {"Accept": BOTH}
        answer = await connection.ask("POST", path, _message("initialize", INITIALIZE), headers)
        _checked(answer.body)
        headers |= {"MCP-Protocol-Version": HANDSHAKE, "Mcp-Session-Id": answer.headers["mcp-session-id"]}
        await connection.ask("POST", path, _message("notifications/initialized", {}, None), headers)
        listening = await Connection.open(address)
        await listening.start("GET", path, headers=headers)
        return cls(connection, listening, path, headers, {"name": tool, "arguments": arguments})

    async def call(self) -> bytes:
        """Call the tool, and return the answer as it came. Raises BadAnswerError."""
        return _checked((await self._connection.send(self._call)).body)

    async def keep(self) -> None:
        """Connect again where the server has closed an idle connection."""
        await self._connection.keep()

    async def close(self) -> None:
        """End the session."""
        await self._connection.ask("DELETE", self._path, headers=self._headers)
        self._connection.close()
        self._listening.close()


class SseClient:
    """HTTP+SSE (2024-11-05): one stream for all answers, a POST for each request."""

    def __init__(
        self, posting: Connection, listening: Connection, path: str, tool: str, headers: Headers
    ) -> None:
        self._posting, self._listening, self._path = posting, listening, path
        self._tool, self._headers = tool, headers
        self._number = 1

    @classmethod
    async def open(cls, address: Address, tool: str, path: str = "/sse", token: str = "") -> "SseClient":
        """Open the stream, learn where to post, and shake hands."""
        listening = await Connection.open(address)
        headers = _authorized(token)
        await listening.start("GET", path, headers=headers | {"Accept": "text/event-stream"})
        told = await listening.until(b"\r\n\r\n")
        endpoint = told.partition(b"data: ")[2].split()[0].decode()
        client = cls(await Connection.open(address), listening, endpoint, tool, headers)
        await client._ask("initialize", INITIALIZE)
        await client._posting.ask("POST", endpoint, _message("notifications/initialized", {}, None), headers)
        return client

    async def _ask(self, method: str, params: dict[str, Any]) -> bytes:
        self._number += 1
        seen = len(self._listening.body)
        await self._posting.ask("POST", self._path, _message(method, params, self._number), self._headers)
        answer = await self._listening.until(b"\r\n\r\n", seen)
        while f'"id":{self._number}'.encode() not in answer[seen:]:  # a notification or a ping came first
            seen = len(answer)
            answer = await self._listening.until(b"\r\n\r\n", seen)
        self._listening.body = b""
        return _checked(answer[seen:])

    async def call(self) -> bytes:
        """Call the tool, and return the answer as it came. Raises BadAnswerError."""
        return await self._ask("tools/call", {"name": self._tool, "arguments": {}})

    async def keep(self) -> None:
        """Connect again where the server has closed an idle connection."""
        await self._posting.keep()

    async def close(self) -> None:
        """Close the stream."""
        self._posting.close()
        self._listening.close()

"""What a person who looks into a server sees of it beside its messages: what it says of itself, its log."""

from contextlib import suppress
from typing import Any

from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    SERVER_INFO_META_KEY,
    EmptyResult,
    LoggingLevel,
    SetLevelRequest,
    SetLevelRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from assistant.toolbox.raw_results import MAX_VERSION, raw_of
from serving.redaction import redacted

MAX_INSTRUCTIONS = 4_000  # characters of what a server says on the use of its tools


def instructions_of(client: Client) -> str:
    """Return what a server says on the use of its tools."""
    return redacted(client.instructions or "")[:MAX_INSTRUCTIONS]


def about(client: Client) -> dict[str, Any]:
    """Return name, version and capabilities as the server says them."""
    hello, can = client.session.discover_result, client.server_capabilities
    told = raw_of(hello.meta, None) if hello else None  # without a handshake: beside the answer
    given = told.get(SERVER_INFO_META_KEY) if isinstance(told, dict) else None
    info = client.server_info
    if info:
        given = {"name": info.name, "version": info.version}
    named = given if isinstance(given, dict) else {}
    return {
        "server": {key: str(named.get(key) or "")[:MAX_VERSION] for key in ("name", "version")},
        "capabilities": can.model_dump(mode="json", by_alias=True, exclude_none=True),
        "isModern": client.protocol_version in MODERN_PROTOCOL_VERSIONS,
    }


async def ask_for_log(client: Client, level: LoggingLevel | None) -> bool:
    """Ask for a server's log from this level on; without a handshake, each request has to say it instead."""
    if client.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return False
    if level:
        request = SetLevelRequest(params=SetLevelRequestParams(level=level))
        with suppress(MCPError):
            await client.session.send_request(request, EmptyResult)
    return True

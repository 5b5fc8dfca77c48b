"""What servers are asked to tell of themselves: changes of what is subscribed to, their log."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from contextlib import suppress

from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    EmptyResult,
    LoggingLevel,
    SetLevelRequest,
    SetLevelRequestParams,
    SubscribeRequest,
    SubscribeRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from assistant.toolbox.listing import entries_of
from assistant.toolbox.raw_results import text_of
from assistant.toolbox.server import Server


class News:
    """Whatever changes in a toolbox rings; of watched addresses it is known when each has last changed."""

    def __init__(self) -> None:
        self.bell = asyncio.Event()  # set, and replaced by another, at every change
        self.number = 0  # of the last change of a watched address
        self._touched: dict[tuple[str, str], int] = {}

    def ring(self) -> None:
        """Tell all who wait that something has changed."""
        self.bell.set()
        self.bell = asyncio.Event()

    def touch(self, server: str, uris: Iterable[str]) -> None:
        """Tell that these addresses of a server have changed."""
        self.number += 1
        self._touched |= dict.fromkeys([(server, uri) for uri in uris], self.number)
        self.ring()

    def since(self, number: int) -> dict[str, list[str]]:
        """Return by server the addresses that have changed since then."""
        found: dict[str, list[str]] = defaultdict(list)
        for (server, uri), changed in self._touched.items():
            if changed > number:
                found[server].append(uri)
        return found


async def watchable(client: Client, server: Server, wanted: Collection[str]) -> list[str]:
    """Return which of the wanted addresses a server lists, if it says that it can be subscribed to."""
    resources = client.server_capabilities.resources
    if not wanted or resources is None or not resources.subscribe:
        return []
    try:
        entries = await entries_of(client, server, [], "resources")
    except MCPError:
        return []  # if the server is gone, listing its tools will tell
    listed = {text_of(entry, "uri") for entry in entries if isinstance(entry, dict)}
    return [uri for uri in wanted if uri in listed]


async def subscribed(client: Client, uris: Iterable[str]) -> list[str]:
    """Subscribe in the handshake protocol, and return to which."""
    taken = []
    for uri in uris:
        try:
            request = SubscribeRequest(params=SubscribeRequestParams(uri=uri))
            await client.session.send_request(request, EmptyResult)
        except MCPError:
            continue
        taken.append(uri)
    return taken


async def ask_for_log(client: Client, level: LoggingLevel | None) -> bool:
    """Ask for a server's log from this level on; without a handshake, each request has to say it instead."""
    if client.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return False
    if level:
        request = SetLevelRequest(params=SetLevelRequestParams(level=level))
        with suppress(MCPError):
            await client.session.send_request(request, EmptyResult)
    return True

"""What hosts with MCP Apps are told of the shop's apps, and the documents that they read."""

import re
from typing import Any

import pytest
from mcp.types import TextResourceContents

from tests.mcp_server.stand_ins import NAMES, RestService, connect

pytestmark = pytest.mark.anyio
NOTHING: dict[str, Any] = {
    field: [] for field in ("connectDomains", "resourceDomains", "frameDomains", "baseUriDomains")
}

NEEDS_MORE = re.compile(r"\b(?:src|href)=|\bimport\b|^export |https?://|innerHTML", re.MULTILINE)


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_each_of_the_four_tools_has_an_app_that_needs_nothing_else(era: str) -> None:
    async with connect(RestService(), era) as client:
        if era == "auto":  # the handshake has no place for it: its hosts look at the tools alone
            assert "io.modelcontextprotocol/ui" in (client.server_capabilities.extensions or {})
        uris = {
            tool.name: (tool.meta or {})["ui"]["resourceUri"] for tool in (await client.list_tools()).tools
        }
        assert [*uris] == NAMES
        assert len(set(uris.values())) == len(NAMES)
        for uri in uris.values():
            (read,) = (await client.read_resource(uri)).contents
            assert isinstance(read, TextResourceContents)
            assert (read.uri, read.mime_type) == (uri, "text/html;profile=mcp-app")
            assert (read.meta or {})["ui"] == {"csp": NOTHING, "prefersBorder": True}
            assert read.text.startswith("<!doctype html>")
            assert NEEDS_MORE.findall(read.text) == []


async def test_the_owners_tools_have_none() -> None:
    async with connect(RestService(), owner=True) as client:
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools if "ui" in (tool.meta or {})] == NAMES


async def test_other_addresses_are_still_the_shops_or_none() -> None:
    async with connect(RestService()) as client:
        for uri in ("ui://product-mcp/nothing.html", "ui://product-mcp/", "ui://product-mcp/../bridge.js"):
            with pytest.raises(Exception, match=re.escape(uri)):
                await client.read_resource(uri)

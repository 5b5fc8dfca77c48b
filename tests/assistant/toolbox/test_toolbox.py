from typing import Any

import pytest
from mcp.server.lowlevel import Server as LowLevelServer
from mcp.server.mcpserver import MCPServer
from mcp_types import (
    ListToolsResult,
    PaginatedRequestParams,
)
from mcp_types import Tool as McpTool

from assistant.chat.interfaces import UnknownServerError
from assistant.toolbox import Toolbox
from tests.support.asgi import serve
from tests.support.mcp_servers import STDIO, HandshakeOnly, at, becomes, both, boxed, calculator

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
async def test_tools_are_listed_and_called_over_http(path: str) -> None:
    async with serve(both(calculator())) as url, boxed(at(url, path=path)) as box:
        add = box.tools()[0]
        assert (add.offered, add.title, add.read_only) == ("s_add", "Add", True)
        assert (await box.call("s", "add", {"a": 1, "b": 2})).text == "3"


async def test_tools_are_listed_and_called_over_stdio() -> None:
    async with boxed(STDIO) as box:
        assert (await box.call("s", "add", {"a": 1, "b": 2})).text == "3"


async def test_a_handshake_server_works_too() -> None:
    async with serve(HandshakeOnly(both(calculator()))) as url, boxed(at(url)) as box:
        assert box.link("s").protocol_version == "2025-11-25"
        assert (await box.call("s", "add", {"a": 1, "b": 2})).text == "3"


async def test_an_unknown_server_is_named() -> None:
    async with Toolbox([]) as box:
        with pytest.raises(UnknownServerError, match="unknown_server"):
            await box.call("x", "add", {})


async def test_two_servers_with_tools_of_one_name_are_told_apart() -> None:
    async with (
        serve(both(calculator())) as one,
        serve(both(calculator())) as two,
        boxed(at(one, "one"), at(two, "two")) as box,
    ):
        assert {"one_add", "two_add"} <= {tool.offered for tool in box.tools()}


async def test_every_page_of_the_list_is_read() -> None:
    async def list_tools(_: Any, params: PaginatedRequestParams | None) -> ListToolsResult:
        page = int(params.cursor or 0) if params else 0
        tool = McpTool(name=f"tool{page}", input_schema={"type": "object"})
        return ListToolsResult(tools=[tool], next_cursor=str(page + 1) if page < 4 else None)

    server: LowLevelServer[Any] = LowLevelServer("paged", on_list_tools=list_tools)
    async with serve(server.streamable_http_app()) as url, boxed(at(url)) as box:
        assert [tool.name for tool in box.tools()] == [f"tool{page}" for page in range(5)]


async def test_a_tool_that_is_listed_twice_is_offered_once() -> None:
    async def list_tools(_: Any, params: PaginatedRequestParams | None) -> ListToolsResult:
        again = McpTool(name="same", input_schema={"type": "object"})
        return ListToolsResult(tools=[again], next_cursor=None if params and params.cursor else "more")

    server: LowLevelServer[Any] = LowLevelServer("twice", on_list_tools=list_tools)
    async with serve(server.streamable_http_app()) as url, boxed(at(url)) as box:
        assert [tool.offered for tool in box.tools()] == ["s_same"]


async def test_an_edited_file_is_taken_in_and_untouched_servers_keep_their_connection() -> None:
    async with (
        serve(both(calculator())) as one,
        serve(both(calculator())) as two,
        boxed(at(one, "one")) as box,
    ):
        kept = box.link("one")
        await box.update([at(one, "one"), at(two, "two")])
        await becomes(box, "two", "ready")
        assert box.link("one") is kept
        await box.update([at(two, "two")])
        assert [tool.server for tool in box.tools()] == ["two"] * 4
        with pytest.raises(UnknownServerError):
            await box.call("one", "add", {})


async def test_a_prompt_carries_its_arguments_as_a_schema_like_a_tools() -> None:
    server: MCPServer = MCPServer("greeter")

    @server.prompt(title="Greet")
    def greet(whom: str, how: str = "kindly") -> str:
        return f"greet {whom} {how}"

    async with serve(server.streamable_http_app()) as url, boxed(at(url)) as box:
        (prompt,) = box.prompts()
    assert (prompt["server"], prompt["name"], prompt["title"]) == ("s", "greet", "Greet")
    schema = prompt["input_schema"]
    assert (list(schema["properties"]), schema["required"]) == (["whom", "how"], ["whom"])
    assert schema["properties"]["whom"] == {"type": "string", "description": ""}

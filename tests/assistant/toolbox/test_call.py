import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from mcp.server.mcpserver import MCPServer
from mcp_types import (
    CallToolResult,
    ImageContent,
    TextContent,
    ToolAnnotations,
)
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from assistant.chat.interfaces import Media
from assistant.toolbox import Toolbox
from assistant.toolbox.limits import Limits
from tests.support.asgi import serve
from tests.support.clock import put_forward
from tests.support.mcp_servers import (
    READ_ONLY,
    HandshakeOnly,
    at,
    both,
    boxed,
    calculator,
)
from tests.support.processes import free_port

pytestmark = pytest.mark.anyio


async def test_the_key_travels_with_the_call() -> None:
    async with serve(both(calculator())) as url, boxed(at(url)) as box:
        assert (await box.call("s", "key", {}, key="k-1")).text == "k-1"


async def test_progress_is_passed_on() -> None:
    seen: list[tuple[float, float | None, str | None]] = []
    async with serve(both(calculator())) as url, boxed(at(url)) as box:
        await box.call("s", "count", {}, on_progress=lambda *told: seen.append(told))
    assert seen == [(1, 2, "half")]


async def test_a_tool_that_fails_and_one_that_is_not_there_are_results() -> None:
    async with serve(both(calculator())) as url, boxed(at(url)) as box:
        for name in ("fail", "fly"):
            assert (await box.call("s", name, {})).is_error


@pytest.mark.parametrize(
    "wrap", [both, lambda server: HandshakeOnly(both(server))], ids=["2026", "handshake"]
)
async def test_a_call_goes_on_after_a_restart_of_the_server(wrap: Callable[[MCPServer], ASGIApp]) -> None:
    port = free_port()
    async with Toolbox([at(f"http://127.0.0.1:{port}")]) as box:
        for _ in range(2):
            async with serve(wrap(calculator()), port):
                assert (await box.call("s", "add", {"a": 1, "b": 2})).text == "3"


@pytest.mark.parametrize(
    "wrap", [both, lambda server: HandshakeOnly(both(server))], ids=["2026", "handshake"]
)
async def test_a_prompt_is_filled_in_after_a_restart_of_the_server(
    wrap: Callable[[MCPServer], ASGIApp],
) -> None:
    server: MCPServer = MCPServer("greeter")

    @server.prompt()
    def greet(name: str) -> str:
        return f"greet {name}"

    port = free_port()
    async with Toolbox([at(f"http://127.0.0.1:{port}")]) as box:
        for _ in range(2):
            async with serve(wrap(server), port):
                assert await box.prompt("s", "greet", {"name": "me"}) == ("greet me", None)


class TornServer:
    """The answer to its first call is lost after the work: the process is killed, or a proxy gives up."""

    def __init__(
        self, annotations: ToolAnnotations | None, meta: dict[str, Any] | None, at: str = "http.response.body"
    ) -> None:
        self.calls = 0
        self.is_torn = False
        self.at = at
        server: MCPServer = MCPServer("torn")

        @server.tool(annotations=annotations, meta=meta)
        async def work() -> str:
            self.calls += 1
            return "done"

        self.app = both(server)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def torn(message: Any) -> None:
            if self.calls and not self.is_torn and message["type"] == self.at:
                self.is_torn = True
                raise ConnectionResetError  # after the work, before the answer
            await send(message)

        await self.app(scope, receive, torn)


@pytest.mark.parametrize("at_message", ["http.response.start", "http.response.body"], ids=["500", "torn"])
@pytest.mark.parametrize(
    ("annotations", "meta"),
    [
        (READ_ONLY, None),
        (ToolAnnotations(idempotent_hint=True), None),
        (None, {"product-mcp/honours-key": True}),
    ],
    ids=["read-only", "idempotent", "keyed"],
)
async def test_a_call_that_may_be_repeated_is_sent_again_when_its_answer_is_lost(
    annotations: ToolAnnotations | None, meta: dict[str, Any] | None, at_message: str
) -> None:
    torn = TornServer(annotations, meta, at_message)
    async with serve(torn) as url, boxed(at(url)) as box:
        assert (await box.call("s", "work", {}, key="k")).text == "done"
    assert torn.calls == 2


async def test_a_keyed_tool_that_was_called_without_a_key_is_not_sent_again() -> None:
    torn = TornServer(None, {"product-mcp/honours-key": True})
    async with serve(torn) as url, boxed(at(url)) as box:
        assert (await box.call("s", "work", {})).unknown
    assert torn.calls == 1


class GarblingServer(TornServer):
    """A proxy replaces the answer to its first call by nonsense."""

    def __init__(self, meta: dict[str, Any] | None, nonsense: Response) -> None:
        super().__init__(None, meta)
        self.nonsense = nonsense

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def withheld(_: Any) -> None:
            return

        name = Headers(scope=scope).get("mcp-name") if scope["type"] == "http" else None
        if name != "work" or self.calls:
            await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, withheld)
            await self.nonsense(scope, receive, send)


@pytest.mark.parametrize("meta", [None, {"product-mcp/honours-key": True}], ids=["plain", "keyed"])
@pytest.mark.parametrize(
    "nonsense",
    [
        HTMLResponse("<html>"),
        Response("not JSON", media_type="application/json"),
        Response("data: not JSON\n\n", media_type="text/event-stream"),
        Response(status_code=202),
        Response(status_code=204),
    ],
    ids=["html", "no json", "no json in a stream", "202", "204"],
)
async def test_a_call_whose_answer_is_nonsense_may_have_run(
    nonsense: Response, meta: dict[str, Any] | None
) -> None:
    server = GarblingServer(meta, nonsense)
    async with serve(server) as url, boxed(at(url)) as box:
        result = await box.call("s", "work", {}, key="k")
    if meta is None:
        assert result.unknown
        assert "无法读懂" in result.text
    assert (server.calls, result.text == "done") == ((1, False) if meta is None else (2, True))


class GoneSession(TornServer):
    """A handshake server that is killed after the work; restarted, it answers the resumption with 404."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.is_torn and scope["type"] == "http":
            await JSONResponse({}, 404)(scope, receive, send)
            return

        async def primed(message: Any) -> None:
            if self.calls and message["type"] == "http.response.body":
                self.is_torn = True
                await send({**message, "body": b"id: 1\ndata:\n\n", "more_body": True})
                raise ConnectionResetError
            await send(message)

        await HandshakeOnly(self.app)(scope, receive, primed)


async def test_a_404_to_the_resumption_of_a_torn_call_does_not_make_it_run_again() -> None:
    torn = GoneSession(None, None)
    async with serve(torn) as url, boxed(at(url)) as box:
        assert (await box.call("s", "work", {})).unknown
        assert torn.calls == 1


async def test_a_502_of_one_call_leaves_the_calls_beside_it_alone() -> None:
    may_end = asyncio.Event()
    server: MCPServer = MCPServer("s")

    @server.tool()
    async def slow() -> str:
        await may_end.wait()
        return "done"

    app = both(server)

    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        name = Headers(scope=scope).get("mcp-name") if scope["type"] == "http" else None
        await (JSONResponse({}, 502) if name == "broken" else app)(scope, receive, send)

    async with serve(gateway) as url, boxed(at(url)) as box:
        running = asyncio.ensure_future(box.call("s", "slow", {}))
        assert (await box.call("s", "broken", {})).unknown
        may_end.set()
        assert (await running).text == "done"


async def test_any_other_call_is_not_sent_again_and_its_outcome_is_called_unknown() -> None:
    torn = TornServer(None, None)
    async with serve(torn) as url, boxed(at(url)) as box:
        result = await box.call("s", "work", {}, key="k")
    assert (torn.calls, result.unknown, result.is_error) == (1, True, True)


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    server: MCPServer = MCPServer("slow")

    @server.tool()
    async def wait() -> str:
        put_forward(Limits().call_seconds)
        await asyncio.Event().wait()
        return "late"

    async with serve(both(server)) as url, boxed(at(url)) as box:
        result = await box.call("s", "wait", {})
    assert (result.is_error, result.unknown) == (True, True)


async def test_images_are_described_and_empty_results_are_said() -> None:
    server: MCPServer = MCPServer("media")

    @server.tool()
    def picture() -> CallToolResult:
        blocks = [TextContent(text="a cat"), ImageContent(data="AAAA", mime_type="image/png")]
        return CallToolResult(content=list(blocks))

    @server.tool()
    def nothing() -> CallToolResult:
        return CallToolResult(content=[])

    async with serve(both(server)) as url, boxed(at(url)) as box:
        cat = await box.call("s", "picture", {})
        assert (cat.text, cat.media) == ("a cat\n[image/png，3 字节]", (Media("image/png", "AAAA"),))
        assert (await box.call("s", "nothing", {})).text == "✅ 操作完成，但没有返回文本内容"


async def test_ten_calls_at_once_share_one_connection() -> None:
    async with serve(both(calculator())) as url, boxed(at(url)) as box:
        results = await asyncio.gather(*(box.call("s", "add", {"a": n, "b": 0}) for n in range(10)))
    assert [result.text for result in results] == [str(n) for n in range(10)]


async def test_a_late_call_is_not_sent_again_even_where_it_may_be_repeated() -> None:
    calls = 0
    server: MCPServer = MCPServer("slow")

    @server.tool(annotations=READ_ONLY)
    async def wait() -> None:
        nonlocal calls
        calls += 1
        put_forward(Limits().call_seconds)
        await asyncio.Event().wait()

    async with serve(both(server)) as url, boxed(at(url)) as box:
        result = await box.call("s", "wait", {})
    assert (result.code, calls) == ("late", 1)


class DeadServer(TornServer):
    """Its first call is done, its answer is lost, and it does not come back."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.is_torn and scope["type"] == "http":
            await JSONResponse({}, 503)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


@pytest.mark.parametrize(
    ("annotations", "meta", "outcome"),
    [(None, {"product-mcp/honours-key": True}, "lost"), (READ_ONLY, None, "server_down")],
    ids=["writes", "reads"],
)
async def test_a_writing_call_whose_repetition_finds_no_server_may_have_run(
    annotations: ToolAnnotations | None, meta: dict[str, Any] | None, outcome: str
) -> None:
    dead, limits = DeadServer(annotations, meta), Limits(ready_seconds=0.5)
    async with serve(dead) as url, boxed(at(url), limits=limits) as box:
        result = await box.call("s", "work", {}, key="k")
    assert (dead.calls, result.code) == (1, outcome)
    assert (result.unknown, result.unreachable) == (outcome == "lost", outcome != "lost")


OUT_OF_STOCK = {"code": "out_of_stock", "params": {"productId": 1, "available": 0}}


@pytest.mark.parametrize(
    ("told", "code", "params"),
    [
        (OUT_OF_STOCK, "out_of_stock", OUT_OF_STOCK["params"]),
        (None, "tool_failed", {}),
        ({"code": 1, "params": {}}, "tool_failed", {}),
        ({"code": "x", "params": []}, "tool_failed", {}),
    ],
)
async def test_a_failure_carries_the_code_that_its_server_sent(told: Any, code: str, params: Any) -> None:
    server: MCPServer = MCPServer("s")

    @server.tool()
    def fail() -> CallToolResult:
        meta = {"product-mcp/error": told} if told else None
        return CallToolResult(content=[TextContent(text="no")], is_error=True, _meta=meta)

    async with serve(both(server)) as url, boxed(at(url)) as box:
        result = await box.call("s", "fail", {})
    assert (result.text, result.code, result.params) == ("no", code, params)

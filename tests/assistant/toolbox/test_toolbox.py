import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.lowlevel import Server as LowLevelServer
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import (
    CallToolResult,
    ImageContent,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp_types import Tool as McpTool
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from assistant.chat.interfaces import Media, UnknownServerError
from assistant.toolbox import Toolbox
from assistant.toolbox.config import ConfigError, Server
from assistant.toolbox.limits import Limits
from assistant.toolbox.names import offered_names
from assistant.toolbox.sentences import sentence_of
from tests.support.asgi import serve
from tests.support.processes import ROOT, free_port

pytestmark = pytest.mark.anyio
READ_ONLY = ToolAnnotations(read_only_hint=True)


def calculator() -> MCPServer:
    server: MCPServer = MCPServer("calculator")

    @server.tool(title="Add", annotations=READ_ONLY)
    def add(a: int, b: int) -> int:
        return a + b

    @server.tool()
    async def key(ctx: Context[Any, Any]) -> str:
        return str((ctx.request_context.meta or {}).get("idempotency-key"))

    @server.tool()
    async def count(ctx: Context[Any, Any]) -> str:
        await ctx.report_progress(1, 2, "half")
        return "counted"

    @server.tool()
    def fail() -> str:
        raise ValueError("private")

    return server


def both(server: MCPServer) -> ASGIApp:
    """Streamable HTTP at /mcp and SSE at /sse, as main.py has them."""
    app = server.streamable_http_app()
    app.routes.extend(server.sse_app().routes)
    return app


class HandshakeOnly:
    """A server of before 2026: it does not know `server/discover`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and Headers(scope=scope).get("mcp-protocol-version") == "2026-07-28":
            await JSONResponse({"detail": "Bad Request"}, 400)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


@asynccontextmanager
async def boxed(*servers: Server, limits: Limits | None = None) -> AsyncIterator[Toolbox]:
    async with Toolbox(servers, limits) as box:
        for server in servers:
            await becomes(box, server.name, "ready")
        yield box


async def becomes(box: Toolbox, name: str, *statuses: str) -> None:
    async with asyncio.timeout(20):
        while box.link(name).status not in statuses:  # noqa: ASYNC110  as the page polls
            await asyncio.sleep(0.01)


def why(box: Toolbox, name: str) -> str:
    error = box.link(name).error
    return sentence_of(error.code, error.params) if error else ""


def at(url: str, name: str = "s", path: str = "/mcp") -> Server:
    return Server(name, "sse" if path == "/sse" else "streamable-http", url=f"{url}{path}")


STDIO = Server(
    "s", "stdio", command=sys.executable, args=(str(ROOT / "tests" / "support" / "stdio_server.py"),)
)


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


async def test_dead_and_wrong_entries_disable_only_themselves() -> None:
    dead = Server("dead", url=f"http://127.0.0.1:{free_port()}/mcp")
    wrong = Server("wrong", error=ConfigError("address_missing"))
    missing = Server("missing", "stdio", command="no-such-command")
    async with serve(both(calculator())) as url, Toolbox([dead, wrong, missing, at(url)]) as box:
        await becomes(box, "s", "ready")
        await becomes(box, "dead", "down")
        await becomes(box, "missing", "down")
        assert box.link("wrong").status == "disabled"
        assert "no-such-command" in why(box, "missing")
        assert (await box.call("s", "add", {"a": 1, "b": 2})).text == "3"
        for name in ("wrong", "dead"):
            assert (await box.call(name, "add", {})).unreachable


async def test_every_page_of_the_list_is_read() -> None:
    async def list_tools(_: Any, params: PaginatedRequestParams | None) -> ListToolsResult:
        page = int(params.cursor or 0) if params else 0
        tool = McpTool(name=f"tool{page}", input_schema={"type": "object"})
        return ListToolsResult(tools=[tool], next_cursor=str(page + 1) if page < 4 else None)

    server: LowLevelServer[Any] = LowLevelServer("paged", on_list_tools=list_tools)
    async with serve(server.streamable_http_app()) as url, boxed(at(url)) as box:
        assert [tool.name for tool in box.tools()] == [f"tool{page}" for page in range(5)]


async def test_a_tool_that_is_added_while_connected_is_seen() -> None:
    server = calculator()

    @server.tool()
    async def grow(ctx: Context[Any, Any]) -> str:
        server.add_tool(lambda: "new", name="grown", description="a new tool")
        await ctx.notify_tools_changed()
        return "ok"

    async with serve(both(server)) as url, boxed(at(url)) as box:
        await box.call("s", "grow", {})
        async with asyncio.timeout(10):
            while "grown" not in {tool.name for tool in box.tools()}:  # noqa: ASYNC110  the same
                await asyncio.sleep(0.01)


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
                assert await box.prompt("s", "greet", {"name": "me"}) == "greet me"


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
async def test_user_and_password_of_a_url_are_sent_as_a_header(path: str) -> None:
    seen: set[str | None] = set()
    app = both(calculator())

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            seen.add(Headers(scope=scope).get("authorization"))
        await app(scope, receive, send)

    async with serve(noting) as url, boxed(at(url.replace("//", "//me:pw@"), path=path)) as box:
        assert (await box.call("s", "add", {"a": 1, "b": 2})).text == "3"
    assert seen == {"Basic bWU6cHc="}


async def test_a_server_that_goes_away_is_seen_without_a_call() -> None:
    port = free_port()
    async with Toolbox([at(f"http://127.0.0.1:{port}")]) as box:
        async with serve(both(calculator()), port):
            await becomes(box, "s", "ready")
        await becomes(box, "s", "down")
        assert str(port) in why(box, "s")
        assert [tool.name for tool in box.tools()], "its tools are still known: it may be back at once"


class TornServer:
    """Its first call is done, and its answer is lost: as with a killed process, or told by a proxy."""

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
    [(READ_ONLY, None), (ToolAnnotations(idempotent_hint=True), None), (None, {"idempotency-key": True})],
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
    torn = TornServer(None, {"idempotency-key": True})
    async with serve(torn) as url, boxed(at(url)) as box:
        assert (await box.call("s", "work", {})).unknown
    assert torn.calls == 1


class GarblingServer(TornServer):
    """Its first call is done, and what stands between puts nonsense in the place of its answer."""

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


@pytest.mark.parametrize("meta", [None, {"idempotency-key": True}], ids=["plain", "keyed"])
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


async def test_a_busy_handshake_server_is_not_given_up_while_it_works() -> None:
    limits = Limits(poll_seconds=0.05, connect_seconds=0.5, first_delay_seconds=0.05)
    working, asked_twice, may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()
    server: MCPServer = MCPServer("busy")

    @server.tool()
    async def work() -> str:
        working.set()
        await may_end.wait()
        return "done"

    lists = 0
    app = HandshakeOnly(both(server))

    async def one_at_a_time(scope: Scope, receive: Receive, send: Send) -> None:
        async def heard() -> Any:
            nonlocal lists
            message = await receive()
            if working.is_set() and b"tools/list" in message.get("body", b""):
                lists += 1
                if lists == 2:
                    asked_twice.set()  # so the first was given up, and with it not the call
                await may_end.wait()
            return message

        await app(scope, heard, send)

    async with serve(one_at_a_time) as url, boxed(at(url), limits=limits) as box:
        running = asyncio.ensure_future(box.call("s", "work", {}))
        await working.wait()
        async with asyncio.timeout(10):
            await asked_twice.wait()
        may_end.set()
        assert (await running).text == "done"


async def test_a_server_that_never_answers_the_goodbye_does_not_hold_us() -> None:
    app = HandshakeOnly(both(calculator()))

    async def rude(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "DELETE":
            await asyncio.sleep(60)
        await app(scope, receive, send)

    async with serve(rude) as url, asyncio.timeout(10), boxed(at(url)) as box:
        await box.call("s", "add", {"a": 1, "b": 2})


async def test_a_handshake_server_tells_of_changed_tools_even_within_a_call() -> None:
    server, may_end = calculator(), asyncio.Event()

    @server.tool()
    async def grow(ctx: Context[Any, Any]) -> str:
        server.add_tool(lambda: "new", name="grown", description="a new tool")
        await ctx.session.send_tool_list_changed()
        await may_end.wait()
        return "ok"

    async with serve(HandshakeOnly(both(server))) as url, boxed(at(url)) as box:
        running = asyncio.ensure_future(box.call("s", "grow", {}))
        async with asyncio.timeout(5):  # sooner than the poll
            while "grown" not in {tool.name for tool in box.tools()}:  # noqa: ASYNC110  as the page polls
                await asyncio.sleep(0.01)
        may_end.set()
        assert (await running).text == "ok"


async def test_a_tool_that_is_listed_twice_is_offered_once() -> None:
    async def list_tools(_: Any, params: PaginatedRequestParams | None) -> ListToolsResult:
        again = McpTool(name="same", input_schema={"type": "object"})
        return ListToolsResult(tools=[again], next_cursor=None if params and params.cursor else "more")

    server: LowLevelServer[Any] = LowLevelServer("twice", on_list_tools=list_tools)
    async with serve(server.streamable_http_app()) as url, boxed(at(url)) as box:
        assert [tool.offered for tool in box.tools()] == ["s_same"]


def test_a_tool_that_is_named_like_the_hash_of_another_cannot_take_its_place() -> None:
    victim = ("s", "x" * 80)
    hashed = offered_names([victim])[victim]
    offered = offered_names([victim, ("s", hashed.removeprefix("s_"))])
    assert len(set(offered.values())) == 2


async def test_any_other_call_is_not_sent_again_and_its_outcome_is_called_unknown() -> None:
    torn = TornServer(None, None)
    async with serve(torn) as url, boxed(at(url)) as box:
        result = await box.call("s", "work", {}, key="k")
    assert (torn.calls, result.unknown, result.is_error) == (1, True, True)


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    server: MCPServer = MCPServer("slow")

    @server.tool()
    async def wait() -> str:
        await asyncio.sleep(60)
        return "late"

    async with serve(both(server)) as url, boxed(at(url), limits=Limits(call_seconds=0.3)) as box:
        result = await box.call("s", "wait", {})
    assert (result.is_error, result.unknown) == (True, True)


@pytest.mark.parametrize(("status", "advice"), [(401, "Authorization"), (421, "MCP_ALLOWED_HOSTS")])
async def test_a_refusal_is_explained(status: int, advice: str) -> None:
    async with serve(JSONResponse({}, status)) as url, Toolbox([at(url)]) as box:
        await becomes(box, "s", "down")
        assert advice in why(box, "s")


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


async def test_closing_leaves_no_task_and_no_socket_behind() -> None:
    before, sockets = asyncio.all_tasks(), open_sockets()
    async with serve(both(calculator())) as url:
        serving = asyncio.all_tasks()
        dead = Server("dead", url=f"http://127.0.0.1:{free_port()}/mcp")
        async with Toolbox([at(url), dead]) as box:
            await becomes(box, "s", "ready")
        ours = {task for task in asyncio.all_tasks() - serving if (task.get_name() or "").startswith("mcp ")}
        assert not ours
    assert asyncio.all_tasks() == before
    assert open_sockets() <= sockets


def open_sockets() -> set[str]:
    """This process's sockets, where Linux tells them."""
    links = [link for link in Path("/proc/self/fd").glob("*") if link.is_symlink()]
    return {target for target in map(os.path.realpath, links) if "socket:" in target}


async def test_ten_calls_at_once_share_one_connection() -> None:
    async with serve(both(calculator())) as url, boxed(at(url)) as box:
        results = await asyncio.gather(*(box.call("s", "add", {"a": n, "b": 0}) for n in range(10)))
    assert [result.text for result in results] == [str(n) for n in range(10)]


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


async def test_a_server_that_is_down_says_when_it_is_tried_again() -> None:
    async with Toolbox([Server("dead", url=f"http://127.0.0.1:{free_port()}/mcp")]) as box:
        await becomes(box, "dead", "down")
        assert 0 <= (box.link("dead").retry_in or 0) <= Limits().max_delay_seconds


names = st.text(min_size=1, max_size=130)


@given(st.sets(st.tuples(names, names), max_size=30))
def test_offered_names_fit_every_provider_and_never_collide(pairs: set[tuple[str, str]]) -> None:
    offered = offered_names(sorted(pairs))
    assert len(set(offered.values())) == len(pairs)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in offered.values())


def test_the_same_parts_split_differently_get_different_names() -> None:
    offered = offered_names([("a", "b_c"), ("a_b", "c")])
    assert len(set(offered.values())) == 2
    assert offered == offered_names([("a_b", "c"), ("a", "b_c")])


def test_waiting_for_a_server_is_bounded() -> None:
    async def wait() -> float:
        async with Toolbox([Server("dead", url=f"http://127.0.0.1:{free_port()}/mcp")]) as box:
            began = time.monotonic()
            assert (await box.call("dead", "add", {})).unreachable
            return time.monotonic() - began

    assert asyncio.run(wait()) < Limits().ready_seconds * 10


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

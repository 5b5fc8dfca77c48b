import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from assistant.toolbox import Toolbox
from assistant.toolbox.limits import Limits
from assistant.toolbox.listing import Listing
from assistant.toolbox.server import ConfigError, Server
from tests.support.asgi import serve
from tests.support.clock import put_forward
from tests.support.mcp_servers import (
    HandshakeOnly,
    Torn,
    at,
    becomes,
    both,
    boxed,
    calculator,
    code_of,
    trusting,
    why,
)
from tests.support.processes import free_port
from tests.support.raw_server import READS, WRITES, RawServer, says
from tests.support.socks import socks_proxy

pytestmark = pytest.mark.anyio


async def test_dead_and_wrong_entries_disable_only_themselves() -> None:
    dead = Server("dead", url=f"http://127.0.0.1:{free_port()}/mcp")
    wrong = Server("wrong", error=ConfigError("address_missing"))
    missing = Server("missing", "stdio", command="no-such-command")
    async with serve(both(calculator())) as url, trusting([dead, wrong, missing, at(url)]) as box:
        await becomes(box, "s", "ready")
        await becomes(box, "dead", "down")
        await becomes(box, "missing", "down")
        assert box.link("wrong").status == "disabled"
        assert "no-such-command" in why(box, "missing")
        assert (await box.call("s", "add", {"a": 1, "b": 2})).text == "3"
        for name in ("wrong", "dead"):
            assert (await box.call(name, "add", {})).unreachable


async def test_a_tool_that_is_added_while_connected_is_seen() -> None:
    server = calculator()

    @server.tool()
    async def grow(ctx: Context[Any, Any]) -> str:
        server.add_tool(lambda: "new", name="grown", description="a new tool")
        await ctx.notify_tools_changed()
        return "ok"

    async with serve(both(server)) as url, boxed(at(url)) as box:
        await box.call("s", "grow", {})
        async with asyncio.timeout(60):
            while "grown" not in {tool.name for tool in box.tools()}:  # noqa: ASYNC110  the same
                await asyncio.sleep(0.01)


async def test_a_tool_that_is_added_before_its_changes_are_subscribed_to_is_seen() -> None:
    server = calculator()
    app = both(server)

    async def changed_between(scope: Scope, receive: Receive, send: Send) -> None:
        if (b"mcp-method", b"subscriptions/listen") in scope.get("headers", ()):
            server.add_tool(lambda: "new", name="grown", description="a new tool")  # and nobody is told
        await app(scope, receive, send)

    async with serve(changed_between) as url, boxed(at(url)) as box:
        async with asyncio.timeout(60):
            while "grown" not in {tool.name for tool in box.tools()}:  # noqa: ASYNC110  the same
                await asyncio.sleep(0.01)


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


async def test_a_busy_handshake_server_is_not_given_up_while_it_works() -> None:
    limits = Limits(call_seconds=3600)
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
        while not asked_twice.is_set():
            put_forward(1)  # by which the list is due, late, and due again
            await asyncio.sleep(0.01)
        may_end.set()
        assert (await running).text == "done"


@pytest.mark.parametrize(
    "answer", [Torn(), Response(status_code=503), JSONResponse({"code": 500, "msg": "x"})]
)
@pytest.mark.parametrize("by_call", [False, True])
@pytest.mark.parametrize("modern", [False, True])
async def test_a_call_under_way_outlives_another_request_that_fails(
    answer: Response, *, by_call: bool, modern: bool
) -> None:
    began, failed = asyncio.Event(), asyncio.Event()

    async def events(id: int) -> AsyncIterator[str]:
        began.set()
        yield ": it has begun\n\n"
        await failed.wait()
        yield f"data: {json.dumps({'jsonrpc': '2.0', 'id': id, 'result': says('done')})}\n\n"

    def call(message: Any) -> Response:
        if message["params"]["name"] == "t":
            return answer
        return StreamingResponse(events(message["id"]), media_type="text/event-stream")

    lists_since = 0

    def lists(_: Any) -> Any:
        nonlocal lists_since
        lists_since += began.is_set()
        if lists_since == 2:  # so the first has failed, and it is known what for
            failed.set()
        return answer if lists_since == 1 and not by_call else {"tools": [READS, WRITES]}

    server = RawServer({"tools/call": call, "tools/list": lists}, modern=modern)
    limits = Limits(poll_seconds=0.05, max_poll_seconds=0.05, first_delay_seconds=0.05)
    async with serve(server.app) as url, boxed(at(url), limits=limits) as box:
        running = asyncio.ensure_future(box.call("s", "w", {}))
        await began.wait()
        if by_call:
            assert (await box.call("s", "t", {})).is_error
            failed.set()
        assert (await running).text == "done"


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
@pytest.mark.parametrize(
    "wrap", [both, lambda server: HandshakeOnly(both(server))], ids=["2026", "handshake"]
)
async def test_a_call_under_way_outlives_requests_that_find_no_listener_which_never_ran(
    path: str, wrap: Callable[[MCPServer], ASGIApp]
) -> None:
    server: MCPServer = MCPServer("draining")
    began, may_end = asyncio.Event(), asyncio.Event()

    @server.tool()
    async def work() -> str:
        assert not began.is_set(), "it runs once"
        began.set()
        await may_end.wait()
        return "done"

    limits = Limits(ready_seconds=0.1, keep_alive_seconds=0)  # each request opens a connection
    async with serve(wrap(server)) as url, gate(url) as listener:
        address = "http://127.0.0.1:{1}".format(*listener.sockets[0].getsockname())
        async with boxed(at(address, path=path), limits=limits) as box:
            running = asyncio.ensure_future(box.call("s", "work", {}))
            await began.wait()
            listener.close()
            told = await box.call("s", "work", {})
            may_end.set()
            assert (await running).text == "done"
            assert (told.is_error, told.unknown) == (True, False)
            await becomes(box, "s", "down")
            assert code_of(box, "s") == "connect_refused"


@asynccontextmanager
async def gate(url: str) -> AsyncIterator[asyncio.Server]:
    """Pass connections on to a server."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        await asyncio.gather(copy(reader, back), copy(there, writer))

    async with await asyncio.start_server(pass_on, "127.0.0.1", 0) as listener:
        yield listener


async def test_a_server_that_never_answers_the_closing_request_does_not_block_us() -> None:
    app = HandshakeOnly(both(calculator()))

    async def rude(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "DELETE":
            await asyncio.sleep(3600)
        await app(scope, receive, send)

    async with serve(rude) as url, asyncio.timeout(60), boxed(at(url)) as box:
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
        async with asyncio.timeout(60):  # sooner than the poll
            while "grown" not in {tool.name for tool in box.tools()}:  # noqa: ASYNC110  as the page polls
                await asyncio.sleep(0.01)
        may_end.set()
        assert (await running).text == "ok"


@pytest.mark.parametrize(("status", "advice"), [(401, "Authorization"), (421, "MCP_ALLOWED_HOSTS")])
async def test_a_refusal_is_explained(status: int, advice: str) -> None:
    async with serve(JSONResponse({}, status)) as url, Toolbox([at(url)]) as box:
        await becomes(box, "s", "down")
        assert advice in why(box, "s")


async def test_closing_leaves_no_task_and_no_socket_behind() -> None:
    dead = Server("dead", url=f"http://127.0.0.1:{free_port()}/mcp")  # the first holds a socket of its own
    before, sockets = asyncio.all_tasks(), open_sockets()
    async with serve(both(calculator())) as url:
        serving = asyncio.all_tasks()
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


async def test_a_server_that_is_down_says_when_it_is_tried_again() -> None:
    async with Toolbox([Server("dead", url=f"http://127.0.0.1:{free_port()}/mcp")]) as box:
        await becomes(box, "dead", "down")
        assert 0 <= (box.link("dead").retry_in or 0) <= Limits().max_delay_seconds


async def test_a_server_of_this_machine_that_starts_beside_us_is_tried_again_sooner_than_others() -> None:
    port = free_port()
    late = Server("late", url=f"http://127.0.0.1:{port}/mcp")
    async with asyncio.timeout(60), Toolbox([late], Limits(first_delay_seconds=1000)) as box:
        await becomes(box, "late", "down")
        async with serve(both(calculator()), port):
            await becomes(box, "late", "ready")


async def test_waiting_for_a_server_is_bounded() -> None:
    dead = Server("dead", url=f"http://127.0.0.1:{free_port()}/mcp")
    async with Toolbox([dead], Limits(ready_seconds=0.2)) as box, asyncio.timeout(60):
        await becomes(box, "dead", "down")
        result = await box.call("dead", "add", {})
    assert (result.unreachable, result.code) == (True, "server_down")
    assert result.params["reason"]["code"] == "connect_refused"


class NotingProtocol(H11Protocol):
    """Uvicorn's protocol; `closed` is set when a client closes its connection first."""

    closed: asyncio.Event

    def eof_received(self) -> None:
        type(self).closed.set()


async def test_an_idle_connection_is_closed_by_us_and_the_next_call_that_writes_is_not_lost() -> None:
    NotingProtocol.closed = closed = asyncio.Event()
    app = calculator().streamable_http_app(json_response=True)
    quick = Limits(keep_alive_seconds=0.2)
    async with serve(app, http=NotingProtocol) as url, boxed(at(url), limits=quick) as box:
        for _ in range(2):
            closed.clear()
            assert (await box.call("s", "key", {}, key="k")).text == "k"
            async with asyncio.timeout(60):
                await closed.wait()


def test_idle_connections_are_closed_before_servers_close_them() -> None:
    nodes = 5  # seconds: server.keepAliveTimeout of Node
    assert Limits().keep_alive_seconds < min(
        nodes, uvicorn.Config(calculator, log_config=None).timeout_keep_alive
    )


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    return lambda url: monkeypatch.setenv("HTTP_PROXY", url)


async def test_a_server_elsewhere_is_reached_through_the_proxy_of_the_environment(
    proxy: Callable[[str], None],
) -> None:
    async with serve(calculator().streamable_http_app(host="shop.example.com")) as url:
        proxy(url)
        async with boxed(at("http://shop.example.com")) as box:
            assert (await box.call("s", "add", {"a": 1, "b": 2})).text == "3"


@pytest.mark.parametrize("scheme", ["socks5", "socks"])
async def test_a_server_elsewhere_is_reached_through_a_socks_proxy(
    proxy: Callable[[str], None], scheme: str
) -> None:
    app = calculator().streamable_http_app(host="shop.example.com")
    async with serve(app) as url, socks_proxy(int(url.rpartition(":")[2])) as (port, hosts):
        proxy(f"{scheme}://127.0.0.1:{port}")
        async with boxed(at("http://shop.example.com")) as box:
            assert (await box.call("s", "add", {"a": 1, "b": 2})).text == "3"
    assert set(hosts) == {"shop.example.com"}


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://127.0.0.1:{port}", "proxy_failed"),
        ("socks5://127.0.0.1:{port}", "proxy_failed"),
        ("socks://127.0.0.1:{port}", "proxy_failed"),
        ("gopher://127.0.0.1:{port}", "proxy_wrong"),
    ],
)
async def test_a_proxy_that_does_not_work_is_named_by_its_variable(
    proxy: Callable[[str], None], address: str, code: str
) -> None:
    proxy(address.format(port=free_port()))
    async with Toolbox([at("http://shop.example.com")]) as box:
        await becomes(box, "s", "down")
        assert code_of(box, "s") == code
        assert "HTTP_PROXY" in why(box, "s")


async def test_a_server_of_this_machine_is_reached_without_the_proxy(proxy: Callable[[str], None]) -> None:
    proxy(f"http://127.0.0.1:{free_port()}")
    async with serve(both(calculator())) as url, boxed(at(url)) as box:
        assert (await box.call("s", "add", {"a": 1, "b": 2})).text == "3"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Response(status_code=500), "http_status"),
        (Response(status_code=429), "http_status"),
        (Response(status_code=429, headers={"Retry-After": "7"}), "http_busy"),
        (RedirectResponse("https://b.example/mcp", 307), "redirected"),
        (HTMLResponse("<html>"), "not_mcp"),
        (Torn(), "closed_by_server"),
    ],
    ids=["500", "429", "429 in 7 s", "elsewhere", "html", "torn"],
)
async def test_why_a_link_does_not_open_is_a_code(answer: Response, code: str) -> None:
    async with serve(answer) as url, Toolbox([at(url)]) as box:
        await becomes(box, "s", "down")
        assert code_of(box, "s") == code


async def test_a_server_without_tls_behind_an_https_url_is_named() -> None:
    async with serve(both(calculator())) as url, Toolbox([at(url.replace("http:", "https:"))]) as box:
        await becomes(box, "s", "down")
        assert code_of(box, "s") == "tls_failed"


async def test_a_host_that_lets_nobody_connect_is_told_from_one_that_hangs_up() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with suppress(BlockingIOError), socket.socket() as first, socket.socket() as second:
            for waiting in (first, second):  # nobody takes them: whoever comes next is not answered
                waiting.setblocking(False)
                waiting.connect_ex(address)
            async with Toolbox([at("http://{}:{}".format(*address))], Limits(connect_seconds=0.5)) as box:
                await becomes(box, "s", "down")
                assert code_of(box, "s") == "timeout"


async def test_a_server_that_hangs_up_is_told_from_one_that_does_not_listen() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as listener:
        host, port = listener.sockets[0].getsockname()
        servers = [at(f"http://{host}:{port}"), at(f"http://{host}:{free_port()}", "none")]
        async with Toolbox(servers) as box:
            for server in servers:
                await becomes(box, server.name, "down")
            assert (code_of(box, "s"), code_of(box, "none")) == ("broken", "connect_refused")


async def test_a_list_that_is_read_again_and_is_the_same_stays_the_same_object() -> None:
    server = RawServer()
    limits = Limits(poll_seconds=0.01, max_poll_seconds=0.01, first_delay_seconds=0.01)
    async with serve(server.app) as url, boxed(at(url), limits=limits) as box:
        listings: list[Listing] = []
        for times in (2, 4, 6):
            while server.times("tools/list") < times:  # noqa: ASYNC110  it has no event for it
                await asyncio.sleep(0.01)
            listings.append(box.link("s").listing)
        assert listings[1] is listings[2]
        server.answers["tools/list"] = {"tools": [READS]}
        while len(box.tools()) != 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_request_without_parameters_has_no_null_for_them_which_servers_refuse() -> None:
    server = RawServer()
    async with serve(server.app) as url, boxed(at(url)):
        listed = next(each for each in server.asked if each.get("method") == "tools/list")
    assert "params" not in listed


async def test_a_connection_that_is_to_be_opened_anew_is_although_its_log_is_asked_for_meanwhile() -> None:
    server = RawServer({"logging/setLevel": {}})
    async with serve(server.app) as url, boxed(at(url)) as box:
        link = box.link("s")
        client = await link.ready()
        with link.request():  # which may still be answered
            link.lost(client, is_session=False)
            await link.set_level("debug")
        async with asyncio.timeout(60):
            while server.times("initialize") < 2:  # noqa: ASYNC110  it has no event for it
                await asyncio.sleep(0.01)

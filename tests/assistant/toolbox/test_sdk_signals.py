"""What the client raises for each way in which a request can go without its answer."""

import asyncio
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from assistant.toolbox.over_http import streamable_http
from assistant.toolbox.recording import Recording
from assistant.toolbox.sdk_signals import NoAnswerError, filled_in, request_failure
from assistant.toolbox.wire import FilledInError
from tests.support.asgi import serve
from tests.support.clock import put_forward
from tests.support.mcp_servers import Silent, Torn, at
from tests.support.raw_server import RawServer, error

pytestmark = pytest.mark.anyio


class Late(Silent):
    """Does not begin in 40 seconds by the loop's clock."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        put_forward(40)
        await super().__call__(scope, receive, send)


async def failure(answer: Any, *, session: bool = False) -> MCPError:
    """What a call over our transport raises."""
    server = RawServer({"tools/call": answer}, session=session)
    async with (
        serve(server.app) as url,
        asyncio.timeout(60),
        httpx2.AsyncClient(timeout=60) as http,
        Client(streamable_http(f"{url}/", http, lambda _: None, Recording()), cache=None) as client,
    ):
        with pytest.raises(MCPError) as caught:
            await client.call_tool("t", {}, read_timeout_seconds=30)
    return caught.value


def sign(error: MCPError) -> str | None:
    said = filled_in(error)
    return said.code if said else None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Response(status_code=500), "status"),
        (Response(status_code=403), "status"),
        (Response(status_code=404), "status"),
        (Response(status_code=202), "garbled"),
        (HTMLResponse("<html>"), "garbled"),
        (Response("no JSON", media_type="application/json"), "garbled"),
        (Response("data: no JSON\n\n", media_type="text/event-stream"), "garbled"),
        (Response("", media_type="text/event-stream"), "lost"),
        (Torn(), "lost"),
        (Late(), "late"),
    ],
    ids=["500", "403", "404", "202", "html", "no json", "no json in a stream", "ends", "torn", "silent"],
)
async def test_an_answer_that_the_client_filled_in_is_marked(answer: Response, expected: str) -> None:
    assert sign(await failure(answer)) == expected


async def test_it_marks_the_end_of_a_session_too() -> None:
    assert sign(await failure(Response(status_code=404), session=True)) == "status"


@pytest.mark.parametrize("status", [200, 400, 404, 500])
@pytest.mark.parametrize("number", [-32000, -32001, -32602, -32603, -32700, 7])
async def test_an_error_that_the_server_sent_is_its_own(number: int, status: int) -> None:
    sent = {"jsonrpc": "2.0", "id": 2, "error": {"code": number, "message": "no rights"}}
    raised = await failure(JSONResponse(sent, status))
    assert (sign(raised), raised.message) == (None, "no rights")


@pytest.mark.parametrize("message", ["Not Found", "Session terminated", "Unexpected content type: x"])
async def test_an_error_in_the_clients_own_words_is_the_servers_all_the_same(message: str) -> None:
    assert sign(await failure(error(-32600, message))) is None


@pytest.mark.parametrize("code", ["status", "garbled"])
def test_where_the_http_status_is_not_known_a_call_may_have_run(code: str) -> None:
    raised = MCPError(-32603, "", FilledInError(code))
    failed = request_failure(raised, at("http://localhost"), handshake=False)
    assert isinstance(failed, NoAnswerError)
    assert not failed.never_ran

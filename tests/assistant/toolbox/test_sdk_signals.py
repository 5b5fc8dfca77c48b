"""What the SDK's own client raises for each way in which a request can go without its answer."""

import asyncio
from typing import Any

import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from assistant.toolbox.sdk_signals import NoAnswerError, filled_in, request_failure
from tests.support.asgi import serve
from tests.support.mcp_servers import Silent, Torn, at

pytestmark = pytest.mark.anyio
INITIALIZED = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "serverInfo": {"name": "s", "version": "1"},
}


def raw(answer: Response, *, session: bool = False) -> Starlette:
    """A server by hand, so that nothing of the SDK stands on its side; `answer` is that of each tool call."""

    async def handle(request: Request) -> Response:
        message = await request.json() if request.method == "POST" else {}
        if message.get("method") == "tools/call":
            return answer
        if message.get("method") == "initialize":
            body = {"jsonrpc": "2.0", "id": message["id"], "result": INITIALIZED}
            return JSONResponse(body, headers={"mcp-session-id": "1"} if session else None)
        return Response(status_code=202 if "id" not in message else 405)

    return Starlette(routes=[Route("/", handle, methods=["GET", "POST"])])


async def failure(answer: Response, *, session: bool = False) -> MCPError:
    async with (
        serve(raw(answer, session=session)) as url,
        asyncio.timeout(20),
        Client(streamable_http_client(f"{url}/", terminate_on_close=False), cache=None) as client,
    ):
        with pytest.raises(MCPError) as caught:
            await client.call_tool("t", {}, read_timeout_seconds=0.5)
    return caught.value


@pytest.mark.parametrize(
    ("answer", "sign"),
    [
        (Response(status_code=500), "status"),
        (Response(status_code=403), "status"),
        (Response(status_code=404), "status"),
        (Response(status_code=202), "body"),
        (HTMLResponse("<html>"), "body"),
        (Response("no JSON", media_type="application/json"), "body"),
        (Response("data: no JSON\n\n", media_type="text/event-stream"), "body"),
        (Response("", media_type="text/event-stream"), "closed"),
        (Torn(), "closed"),
        (Silent(), "late"),
    ],
    ids=["500", "403", "404", "202", "html", "no json", "no json in a stream", "ends", "torn", "silent"],
)
async def test_the_sdks_client_marks_an_answer_that_it_filled_in(answer: Response, sign: str) -> None:
    assert filled_in(await failure(answer)) == sign


async def test_it_marks_the_end_of_a_session_too() -> None:
    assert filled_in(await failure(Response(status_code=404), session=True)) == "status"


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_an_error_that_the_server_sent_is_its_own(status: int) -> None:
    sent: dict[str, Any] = {"code": -32602, "message": "Unknown tool: t"}
    error = await failure(JSONResponse({"jsonrpc": "2.0", "id": 1, "error": sent}, status))
    assert (filled_in(error), error.message) == (None, "Unknown tool: t")


@pytest.mark.parametrize("message", ["Server returned an error response", "Unexpected content type: x"])
def test_where_the_http_status_is_not_known_a_call_may_have_run(message: str) -> None:
    failed = request_failure(MCPError(-32603, message), [], at("http://localhost"), handshake=False)
    assert isinstance(failed, NoAnswerError)
    assert not failed.never_ran

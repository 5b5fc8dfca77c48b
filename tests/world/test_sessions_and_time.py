"""A session that a server has lost, and calls that take their time."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from assistant.toolbox.limits import Limits
from tests.support import world
from tests.support.asgi import serve
from tests.support.clock import put_forward
from tests.support.mcp_servers import at, both, boxed, calculator
from tests.support.raw_server import RawServer, error, says

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def session(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[world.Started]:
    """A server that has sessions."""
    server = RawServer(session=True)
    async with world.raw(tmp_path_factory.mktemp("sessions"), server) as web:
        yield world.Started(server, web)


def once(refusal: Response) -> Any:
    """An answer that refuses the first call, then works."""
    refusals = [refusal]
    return lambda _: refusals.pop() if refusals else says("done")


def refused(message: str, number: int = -32000, status: int = 400) -> Response:
    return JSONResponse({"jsonrpc": "2.0", "id": None, **error(number, message)}, status)


@pytest.mark.parametrize(
    "refusal",
    [
        refused("Bad Request: No valid session ID provided"),
        refused("Bad Request: Server not initialized"),
        refused("Bad Request: Mcp-Session-Id header is required"),
        refused("Session not found", -32001),
        refused("Invalid session ID", -32600),
        refused("session expired"),
        refused("Unknown session"),
        refused("Bad Request: Invalid or expired session ID", -32600),
        refused("Session not found: 0d3b-1", -32603),
        refused("The session has expired, please initialize again"),
        refused("Session has been closed"),
        refused("No active session"),
        refused("Bad Request: A new session can only be created by an initialize request. Include its id."),
        refused("Missing session ID", -32600),
        refused("Session ID abc-1 does not exist"),
        refused("Session terminated", -32600, 404),
        Response(status_code=404),
        Response(status_code=410),
        PlainTextResponse("Invalid session ID\n", 400),  # mcp-go
        PlainTextResponse("Invalid or missing session ID", 400),  # many after the TypeScript SDK's example
        PlainTextResponse("Unauthorized: Session not found", 401),  # rmcp
        PlainTextResponse("Unexpected message, expect initialize request", 422),  # rmcp
        PlainTextResponse("Could not find session", 404),
        JSONResponse({"error": "Invalid or missing session ID"}, 400),
        JSONResponse({"detail": "Session not found"}, 422),
        JSONResponse({"jsonRpcError": {"code": -32603, "message": "Session not found: a-1"}}, 400),  # Java
        JSONResponse({"message": "Session ID missing", "status": 400}, 400),
        refused("Not Found: Unknown Mcp-Session-Id header", -32000, 404),
        refused("Session ID required in mcp-session-id header", -32600),
        refused("No transport found for sessionId"),
        refused("Session with ID 'a-1' not found"),
        refused("Invalid request: unknown session_id a-1"),
        refused("No session found with id a-1"),
        refused("Session is invalid or expired"),
        refused("会话已过期"),
        refused("No such session"),
        refused("Session not found in session manager"),
        refused("Session does not exist or has expired"),
        Response("\ufeff" + json.dumps(error(-32600, "Session not found") | {"jsonrpc": "2.0"}), 400),
    ],
)
@pytest.mark.parametrize("name", ["t", "w"])
async def test_a_call_that_met_a_lost_session_never_ran_and_is_sent_again(
    session: world.Started, refusal: Response, name: str
) -> None:
    session.server.answer({"tools/call": once(refusal)})
    assert (await session.web.call(name)).get("result") == "done"
    assert session.server.times("tools/call") == 2


@pytest.mark.parametrize(
    "refusal",
    [
        refused("Missing customer name"),
        refused("Your session of training is over: no rights", -32602),
        refused("Unknown product"),
        refused("Your login session expired"),
        refused("The training session 7 does not exist"),
        refused("Payment gateway not initialized"),
        refused("Invalid session type"),
        refused("No session found in the schedule"),
        refused("Session 5 not found in the calendar"),
        refused("No transport found for the parcel"),
        refused("Session of payment not found"),
        refused("Missing session for customer 7", -32602),
        refused("no", 400),
        Response(status_code=400),
        PlainTextResponse("Your login session expired", 400),
        PlainTextResponse("Session not found", 500),
        JSONResponse({"error": {"message": "Session of payment not found"}}, 422),
        JSONResponse({"title": "Session not found", "detail": "the training session of May"}, 400),
        JSONResponse({"jsonRpcError": {"code": -32603, "message": "Your login session expired"}}, 400),
        PlainTextResponse("unprocessable", 422),
    ],
)
async def test_any_other_refusal_is_an_answer(session: world.Started, refusal: Response) -> None:
    session.server.answer({"tools/call": once(refusal)})
    assert "done" not in str(await session.web.call("w"))
    assert session.server.times("tools/call") == 1


class Refusing:
    """HTTP+SSE that refuses the first call with this answer."""

    def __init__(self, answer: Response) -> None:
        self.app = both(calculator())
        self.answer: Response | None = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") != "POST":
            await self.app(scope, receive, send)
            return
        message = await receive()
        refusal = self.answer if b"tools/call" in message["body"] else None
        self.answer = None if refusal else self.answer
        await (refusal or self.app)(scope, replayed(message), send)


def replayed(message: Message) -> Receive:
    async def receive() -> Message:
        return message

    return receive


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (PlainTextResponse("Could not find session", 404), None),
        (PlainTextResponse("Session ID missing", 400), None),
        (PlainTextResponse("no rights", 403), "http_status"),
        (PlainTextResponse("Session not found", 502), "refused"),
    ],
)
async def test_a_refusal_over_sse_is_told_as_over_http(refusal: Response, code: str | None) -> None:
    async with serve(Refusing(refusal)) as url, boxed(at(url, path="/sse")) as box:
        assert (await box.call("s", "count", {})).code == code


def slow(steps: int, heard: asyncio.Event) -> Any:
    """An answer after so many words of progress, 40 s apart by the loop's clock; each is `heard` first."""

    def answer(message: Any) -> Response:
        async def events() -> Any:
            token = message["params"]["_meta"]["progressToken"]
            for step in range(steps):
                heard.clear()
                told = {"progressToken": token, "progress": step}
                yield event({"method": "notifications/progress", "params": told})
                await heard.wait()
                put_forward(40)
            yield event({"id": message["id"], "result": says("done")})

        return StreamingResponse(events(), media_type="text/event-stream")

    return answer


def event(message: dict[str, Any]) -> str:
    return f"data: {json.dumps({'jsonrpc': '2.0', **message})}\n\n"


@pytest.mark.parametrize(
    ("steps", "limits", "code"),
    [
        (4, Limits(call_seconds=60), None),
        (10**9, Limits(call_seconds=60, longest_call_seconds=100), "late"),
    ],
)
@pytest.mark.parametrize("modern", [False, True])
async def test_progress_renews_the_clock_up_to_the_longest_total(
    steps: int, limits: Limits, code: str | None, *, modern: bool
) -> None:
    heard = asyncio.Event()
    server = RawServer({"tools/call": slow(steps, heard)}, modern=modern)
    async with serve(server.app) as url, boxed(at(url), limits=limits) as box:
        told = await box.call("s", "w", {}, on_progress=lambda *_: heard.set())
    assert (told.code, told.unknown, server.times("tools/call")) == (code, code == "late", 1)


async def test_a_subscription_that_is_never_acknowledged_ends_no_call() -> None:
    heard, asked, end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def silence() -> AsyncIterator[str]:
        asked.set()
        await end.wait()
        yield ""

    hangs = {"subscriptions/listen": StreamingResponse(silence(), media_type="text/event-stream")}
    server = RawServer({**hangs, "tools/call": slow(4, heard)}, modern=True)
    async with serve(server.app) as url, boxed(at(url), limits=Limits(call_seconds=60)) as box:
        await asked.wait()
        told = await box.call("s", "w", {}, on_progress=lambda *_: heard.set())
        assert (told.text, box.link("s").status) == ("done", "ready")
        end.set()


@pytest.mark.parametrize(("name", "unknown"), [("t", False), ("w", True)])
async def test_an_entrys_timeout_ends_a_call_and_a_late_reading_is_not_perhaps_executed(
    tmp_path: Path, name: str, unknown: bool
) -> None:
    def wait(_: Any) -> Response:
        return StreamingResponse(silent(), media_type="text/event-stream")

    server = RawServer({"tools/call": wait})
    async with world.raw(tmp_path, server, timeout=1) as web:
        told = await web.call(name)
    assert (told["code"], told.get("unknown", False)) == ("late", unknown)
    assert ("可能已经执行" in json.dumps(told, ensure_ascii=False)) == unknown


async def silent() -> Any:
    yield ": nothing yet\n\n"
    await asyncio.Event().wait()

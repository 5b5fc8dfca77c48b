"""A session that a server has lost, and calls that take their time."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse

from assistant.toolbox.limits import Limits
from tests.support import world
from tests.support.asgi import serve
from tests.support.mcp_servers import at, boxed
from tests.support.raw_server import RawServer, error, says

pytestmark = pytest.mark.anyio


class Forgetful(RawServer):
    """Refuses the first call as of a session that it does not know, then works."""

    def __init__(self, refusal: Response) -> None:
        super().__init__({"tools/call": self._once}, session=True)
        self.refusal: Response | None = refusal

    def _once(self, _: Any) -> Any:
        refusal, self.refusal = self.refusal, None
        return refusal or says("done")


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
    ],
)
@pytest.mark.parametrize("name", ["t", "w"])
async def test_a_call_that_met_a_lost_session_never_ran_and_is_sent_again(
    tmp_path: Path, refusal: Response, name: str
) -> None:
    server = Forgetful(refusal)
    async with world.raw(tmp_path, server) as web:
        assert (await web.call(name)).get("result") == "done"
    assert server.times("tools/call") == 2


@pytest.mark.parametrize(
    "refusal",
    [
        refused("Missing customer name"),
        refused("Your session of training is over: no rights", -32602),
        refused("Unknown product"),
        refused("Your login session expired"),
        refused("The training session 7 does not exist"),
        refused("Payment gateway not initialized"),
        refused("Session of payment not found"),
        refused("Missing session for customer 7", -32602),
        refused("no", 400),
        Response(status_code=400),
    ],
)
async def test_any_other_400_is_an_answer(tmp_path: Path, refusal: Response) -> None:
    server = Forgetful(refusal)
    async with world.raw(tmp_path, server) as web:
        told = await web.call("w")
    assert (told["isError"], server.times("tools/call")) == (True, 1)


def slow(steps: int) -> Any:
    """An answer after so many words of progress, a tenth of a second apart."""

    def answer(message: Any) -> Response:
        async def events() -> Any:
            token = message["params"]["_meta"]["progressToken"]
            for step in range(steps):
                told = {"progressToken": token, "progress": step}
                yield event({"method": "notifications/progress", "params": told})
                await asyncio.sleep(0.1)
            yield event({"id": message["id"], "result": says("done")})

        return StreamingResponse(events(), media_type="text/event-stream")

    return answer


def event(message: dict[str, Any]) -> str:
    return f"data: {json.dumps({'jsonrpc': '2.0', **message})}\n\n"


@pytest.mark.parametrize(
    ("limits", "code"),
    [(Limits(call_seconds=0.4), None), (Limits(call_seconds=0.4, longest_call_seconds=0.6), "late")],
)
async def test_progress_renews_the_clock_up_to_the_longest_total(limits: Limits, code: str | None) -> None:
    async with serve(RawServer({"tools/call": slow(9)}).app) as url, boxed(at(url), limits=limits) as box:
        assert (await box.call("s", "t", {})).code == code


@pytest.mark.parametrize(("name", "unknown"), [("t", False), ("w", True)])
async def test_an_entrys_timeout_ends_a_call_and_a_late_reading_is_not_perhaps_executed(
    tmp_path: Path, name: str, unknown: bool
) -> None:
    def wait(_: Any) -> Response:
        return StreamingResponse(silent(), media_type="text/event-stream")

    server = RawServer({"tools/call": wait})
    async with world.raw(tmp_path, server, timeout=0.2) as web:
        told = await web.call(name)
    assert (told["code"], told.get("unknown", False)) == ("late", unknown)
    assert ("可能已经执行" in json.dumps(told, ensure_ascii=False)) == unknown


async def silent() -> Any:
    yield ": nothing yet\n\n"
    await asyncio.Event().wait()

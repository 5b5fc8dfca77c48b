"""Which message of a stream or body is the answer to a call, whatever status, redirection or id it has."""

import json
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response

from tests.support import world
from tests.support.asgi import serve
from tests.support.raw_server import DISCOVERED, NONE, RawServer, error, says

pytestmark = pytest.mark.anyio
Answer = Callable[[Any], Response]


def answered(message: Any, text: str = "done", id: Any = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message["id"] if id is None else id, "result": says(text)}


def refused(message: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message["id"], **error(-32000, "no stock")}


def progress(message: Any) -> dict[str, Any]:
    told = {"progressToken": message["params"]["_meta"]["progressToken"], "progress": 1}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": told}


def stream(*makes: Callable[[Any], Any], status: int = 200, kind: str = "text/event-stream") -> Answer:
    def answer(message: Any) -> Response:
        events = "".join(f"data: {json.dumps(make(message))}\n\n" for make in makes)
        return Response(events, status, media_type=kind)

    return answer


def other(message: Any) -> dict[str, Any]:
    return answered(message, "another's", "another")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 503])
@pytest.mark.parametrize("makes", [(answered,), (progress, answered)])
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
async def test_a_result_in_a_stream_is_one_whatever_the_status_above_it(
    shared: world.Started, status: int, makes: Any, kind: str
) -> None:
    shared.server.answers["tools/call"] = stream(*makes, status=status, kind=kind)
    assert (await shared.web.call("w")).get("result") == "done"
    assert shared.server.times("tools/call") == 1


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_an_error_in_a_stream_is_the_servers_whatever_the_status(
    shared: world.Started, status: int
) -> None:
    shared.server.answers["tools/call"] = stream(refused, status=status)
    assert (await shared.web.call("w"))["result"] == "no stock"
    assert shared.server.times("tools/call") == 1


@pytest.mark.parametrize("is_date", [False, True], ids=["seconds", "a date"])
async def test_how_long_a_server_wants_to_be_left_alone_is_told(shared: world.Started, is_date: bool) -> None:
    after = formatdate(time.time() + 3600, usegmt=True) if is_date else "7"
    shared.server.answers["tools/call"] = Response("busy", 429, {"Retry-After": after})
    told = await shared.web.call("w")
    assert (told["code"], told.get("unknown", False)) == ("http_busy", False)
    assert 3000 < told["params"]["seconds"] <= 3600 if is_date else told["params"]["seconds"] == 7


async def test_a_redirection_to_another_host_is_told_and_not_followed(shared: world.Started) -> None:
    shared.server.answers["tools/call"] = RedirectResponse("https://b.example/mcp?key=secret", 307)
    told = await shared.web.call("w")
    assert (told["code"], told["params"]["target"]) == ("redirected", "https://b.example/mcp")
    assert not told.get("unknown", False)


async def test_a_stream_that_ends_at_once_is_not_asked_for_without_a_pause(tmp_path: Path) -> None:
    server, opened, is_third = RawServer(session=True), list[float](), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("method") != "GET":
            return await server.app(scope, receive, send)
        opened.append(time.monotonic())
        if len(opened) == 3:
            is_third.set()
        await Response("retry: 0\n\n", media_type="text/event-stream")(scope, receive, send)

    async with serve(app) as url, world.entry(tmp_path, {"url": f"{url}/mcp"}):
        await is_third.wait()
    assert opened[2] - opened[0] > 1.5


async def test_the_head_of_an_answer_may_be_large(shared: world.Started) -> None:
    body = {"jsonrpc": "2.0", "result": says("done")}
    shared.server.answers["tools/call"] = lambda message: JSONResponse(
        body | {"id": message["id"]}, headers={"X-Large": "x" * 20_000}
    )
    assert (await shared.web.call("w"))["result"] == "done"


@pytest.mark.parametrize(("status", "code"), [(401, "http_status"), (429, "http_status"), (503, "refused")])
async def test_a_stream_with_nothing_in_it_is_what_its_status_says(
    shared: world.Started, status: int, code: str
) -> None:
    shared.server.answers["tools/call"] = stream(status=status)
    told = await shared.web.call("w")
    assert (told["code"], told.get("unknown", False)) == (code, status == 503)


@pytest.mark.parametrize("makes", [(other, answered), (progress, other, answered), (answered, other)])
async def test_an_answer_to_another_request_is_not_taken_for_the_answer(
    shared: world.Started, makes: Any
) -> None:
    shared.server.answers["tools/call"] = stream(*makes)
    assert (await shared.web.call("w"))["result"] == "done"


async def test_the_only_answer_of_a_stream_answers_its_request_under_whatever_id(
    shared: world.Started,
) -> None:
    shared.server.answers["tools/call"] = stream(other)
    assert (await shared.web.call("w"))["result"] == "another's"


async def test_the_only_answer_of_a_stream_is_not_waited_for_again_where_the_stream_could_go_on(
    shared: world.Started,
) -> None:
    def answer(message: Any) -> Response:
        return Response(f"id: 7\ndata: {json.dumps(other(message))}\n\n", media_type="text/event-stream")

    shared.server.answers["tools/call"] = answer
    assert (await shared.web.call("w"))["result"] == "another's"
    assert {} not in shared.server.asked  # by GET, which some servers hold


@pytest.mark.parametrize("given", [None, [], "no token", {}])
@pytest.mark.parametrize("status", [401, 500])
async def test_a_refusal_with_a_result_that_is_none_is_not_told_as_done(
    shared: world.Started, given: Any, status: int
) -> None:
    more = {"error": ""} if given == {} else {}
    shared.server.answers["tools/call"] = lambda message: JSONResponse(
        {"jsonrpc": "2.0", "id": message["id"], "result": given, **more}, status
    )
    told = await shared.web.call("w")
    assert (told["code"], told.get("unknown", False)) == (
        ("http_status", False) if status == 401 else ("refused", True)
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda message: {"jsonrpc": "2.0", "id": message["id"]},
        lambda message: {"jsonrpc": "2.0", "id": message["id"], "error": None},
        lambda message: message,
    ],
    ids=["neither result nor error", "no error", "our request"],
)
@pytest.mark.parametrize("name", ["t", "w"])
async def test_what_is_neither_result_nor_error_leaves_a_call_unknown(
    shared: world.Started, make: Callable[[Any], Any], name: str
) -> None:
    shared.server.answers["tools/call"] = lambda message: JSONResponse(make(message))
    told = await shared.web.call(name)
    assert (told["code"], told.get("unknown", False)) == ("garbled", name == "w")


@pytest.mark.parametrize("name", ["t", "w"])
async def test_an_answer_is_whole_although_its_connection_is_not_ended_well(
    shared: world.Started, name: str
) -> None:
    def answer(message: Any) -> Response:
        return JSONResponse(answered(message), headers={"Content-Length": "4000"})

    shared.server.answers["tools/call"] = answer
    assert (await shared.web.call(name)).get("result") == "done"
    assert shared.server.times("tools/call") == 1


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (lambda message: JSONResponse(answered(message), 500), "done"),
        (stream(answered, status=404), "done"),
        (lambda message: JSONResponse(refused(message), 400), "no stock"),
        (lambda _: Response("<html>", media_type="text/html"), None),
        (lambda _: Response(status_code=503), None),
    ],
)
async def test_behind_a_redirection_the_last_answer_counts(
    shared: world.Started, last: Answer, told: str | None
) -> None:
    answers: list[Answer] = [lambda _: RedirectResponse("/there", 307), last]

    def answer(message: Any) -> Response:
        return answers.pop(0)(message)

    shared.server.answers["tools/call"] = answer
    outcome = await shared.web.call("w")
    assert (outcome.get("result"), outcome.get("unknown", False)) == (told, told is None)


OLD, NEW = {"server/discover": NONE}, {"initialize": NONE, "server/discover": DISCOVERED}


def no_version(status: int = 400, number: int = -32022, said: str = "Unsupported protocol version") -> Answer:
    return lambda _: JSONResponse({"jsonrpc": "2.0", "id": None, **error(number, said)}, status)


@pytest.mark.parametrize(
    ("modern", "refusal"),
    [
        (True, no_version()),
        (True, no_version(number=-32000, said="Bad Request: Unsupported protocol version (supported …)")),
        (True, no_version(number=-32600, said="Bad Request: Unsupported protocol version: 2026-07-28.")),
        (True, no_version(number=-32000, said="Bad Request: Server not initialized")),
        (True, no_version(number=-32000, said="Bad Request: No valid session ID provided")),
        (True, no_version(number=-32600, said="Bad Request: Missing session ID")),
        (True, lambda _: Response("Bad Request: Mcp-Session-Id header is required", 400)),
        (True, lambda _: Response("Unexpected message, expect initialize request", 422)),
        (False, no_version()),
        (False, no_version(number=-32020, said="Header mismatch")),
        (False, no_version(number=-32000, said="Unsupported protocol version: 2025-11-25")),
    ],
)
@pytest.mark.parametrize("name", ["t", "w"])
async def test_a_server_that_came_back_in_the_other_era_is_called_in_that(
    tmp_path: Any, modern: bool, refusal: Answer, name: str
) -> None:
    server = RawServer(modern=modern)

    def call(message: Any) -> Any:
        is_modern = "io.modelcontextprotocol/protocolVersion" in message["params"]["_meta"]
        return refusal(message) if is_modern == modern else says("done")

    async with world.raw(tmp_path, server) as web:
        server.modern = not modern
        server.answer((OLD if modern else NEW) | {"tools/call": call})
        assert (await web.call(name)).get("result") == "done"
        assert server.times("tools/call") == 2  # refused before any work, then done


@pytest.mark.parametrize(
    "refusal",
    [
        no_version(status=200),
        no_version(status=500),
        no_version(number=-32000, said="Unsupported version of the order form"),
        no_version(number=-32000, said="Session not found"),
    ],
)
async def test_any_other_refusal_in_the_new_era_is_an_answer(tmp_path: Any, refusal: Answer) -> None:
    server = RawServer({"tools/call": refusal}, modern=True)
    async with world.raw(tmp_path, server) as web:
        told = await web.call("w")
        assert (told["code"], server.times("tools/call")) == ("mcp_error", 1)

"""Streams that break: handshake clients catch up, sessions stay apart, and replicas share the work."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from mcp.client import Client
from mcp.server.streamable_http import GET_STREAM_KEY, EventMessage
from mcp.types import JSONRPCNotification, JSONRPCResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from mcp_server import sessions
from tests.mcp_server.stand_ins import (
    BOTH,
    CALL,
    TWO_BUDS,
    Person,
    RestService,
    SlowRestService,
    app_for,
    events_of,
    keyed,
    open_session,
    serving,
    talking,
    text_of,
)
from tests.support.processes import Spawn, free_port

pytestmark = pytest.mark.anyio


async def read_until_progress(http: httpx.AsyncClient, session: dict[str, str]) -> str:
    """Begin a purchase, read up to its first step, and break off; return the last event's id."""
    async with http.stream("POST", "/mcp", json=CALL, headers=session) as response:
        async for number, message in events_of(response):
            if message and message.get("method") == "notifications/progress":
                return number
    raise AssertionError("no progress came")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_client_cut_off_in_the_middle_of_a_call_gets_the_rest(when: str) -> None:
    shop = SlowRestService()
    async with talking(app_for(shop), Accept=BOTH) as http:
        session = await open_session(http)
        with anyio.fail_after(60):
            last = await read_until_progress(http, session)
            await shop.started.wait()
            if when == "after":
                shop.go_on.set()
                await shop.done.wait()
            resume = session | {"Last-Event-ID": last}
            async with http.stream("GET", "/mcp", headers=resume) as response:
                shop.go_on.set()
                missed = [message async for _, message in events_of(response)]
    assert [message.get("method") for message in missed] == ["notifications/progress", None]
    assert missed[-1]["id"] == CALL["id"]
    assert missed[-1]["result"]["structuredContent"]["id"] == 7
    assert len(shop.purchases()) == 1


async def test_another_session_cannot_read_what_was_missed() -> None:
    shop = SlowRestService()
    async with talking(app_for(shop), Accept=BOTH) as http:
        session = await open_session(http)
        with anyio.fail_after(60):
            last = await read_until_progress(http, session)
            shop.go_on.set()
            await shop.done.wait()
            stranger = await open_session(http)
            answer = await http.get("/mcp", headers=stranger | {"Last-Event-ID": last})
    assert "data:" not in answer.text


@pytest.mark.parametrize("last", ["0", "999999", "-1", "x", "²"])
async def test_an_unknown_event_is_answered_with_an_empty_stream(last: str) -> None:
    async with talking(app_for(RestService()), Accept=BOTH) as http:
        session = await open_session(http)
        resume = {key.encode(): value.encode() for key, value in (session | {"Last-Event-ID": last}).items()}
        answer = await http.get("/mcp", headers=resume)
    assert answer.status_code == 200
    assert "data:" not in answer.text


@pytest.mark.parametrize(("sdk_version", "kept"), [("2.3.0", True), ("2.3.9", True), ("2.4.0", False)])
def test_events_are_kept_only_under_the_sdk_whose_inside_is_known(sdk_version: str, kept: bool) -> None:
    assert (sessions.event_store(sdk_version) is not None) is kept


def test_the_stream_outside_of_any_request_is_called_as_in_the_sdk() -> None:
    assert sessions.GET_STREAM_KEY == GET_STREAM_KEY


async def in_session(session: str | None = "s") -> None:
    """Enter a session, as the middleware does for a request that names one."""
    headers = [(b"mcp-session-id", session.encode())] if session else []

    async def nothing(*_: Any) -> Any: ...

    await sessions.Sessions(nothing)({"type": "http", "method": "POST", "headers": headers}, nothing, nothing)


def step(number: int) -> JSONRPCNotification:
    return JSONRPCNotification(jsonrpc="2.0", method="notifications/progress", params={"progress": number})


async def replayed(store: sessions.SessionEvents, last: str) -> list[EventMessage]:
    got: list[EventMessage] = []

    async def keep(event: EventMessage) -> None:
        got.append(event)

    await store.replay_events_after(last, keep)
    return got


@pytest.mark.parametrize("limits", [{"max_events": 3}, {"max_bytes": 200}])
async def test_the_oldest_events_make_room(limits: dict[str, Any]) -> None:
    store = sessions.SessionEvents(**limits)
    await in_session()
    first = await store.store_event("2", None)
    await store.store_event("2", step(1))
    kept = await store.store_event("2", step(2))
    await store.store_event("2", step(3))
    await store.store_event("2", JSONRPCResponse(jsonrpc="2.0", id=2, result={}))
    assert await replayed(store, first) == []
    assert len(await replayed(store, kept)) == 2


async def test_events_are_bounded_in_bytes_not_in_characters() -> None:
    store = sessions.SessionEvents(max_bytes=1000)
    await in_session()
    first = await store.store_event("2", None)
    await store.store_event("2", step(1))
    await store.store_event("2", JSONRPCResponse(jsonrpc="2.0", id=2, result={"text": "长" * 350}))
    assert await replayed(store, first) == []


async def test_events_are_forgotten_in_time() -> None:
    now = 0.0
    store = sessions.SessionEvents(max_age_seconds=60, clock=lambda: now)
    await in_session()
    first = await store.store_event("2", None)
    await store.store_event("2", JSONRPCResponse(jsonrpc="2.0", id=2, result={}))
    assert len(await replayed(store, first)) == 1
    now = 61.0
    assert await replayed(store, first) == []


async def test_streams_of_one_session_stay_apart() -> None:
    store = sessions.SessionEvents()
    await in_session()
    first = await store.store_event("2", None)
    await store.store_event("3", step(1))
    await store.store_event("2", JSONRPCResponse(jsonrpc="2.0", id=2, result={}))
    assert [event.message for event in await replayed(store, first)] == [
        JSONRPCResponse(jsonrpc="2.0", id=2, result={})
    ]


async def test_the_sdks_client_catches_up_by_itself_when_its_stream_breaks() -> None:
    shop = SlowRestService()
    app = app_for(shop)
    steps: list[float] = []
    cut = anyio.Event()

    async def breaking(scope: Any, receive: Any, send: Any) -> None:
        """Break the first stream that carries progress, as a proxy does that has had enough."""

        async def forward(message: Any) -> None:
            await send(message)
            if b"notifications/progress" in message.get("body", b"") and not cut.is_set():
                cut.set()
                await send({"type": "http.response.body", "body": b""})
                raise OSError("cut")

        await app(scope, receive, forward)

    async def note(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)
        shop.go_on.set()

    async with serving(breaking) as url, Client(f"{url}/mcp", mode="legacy") as client:
        with anyio.fail_after(60):
            result = await client.call_tool("create_purchase", TWO_BUDS, progress_callback=note)
    assert cut.is_set()
    assert steps == [2, 3]
    assert not result.is_error
    assert len(shop.purchases()) == 1


@asynccontextmanager
async def round_robin(*urls: str) -> AsyncIterator[str]:
    """Put one port in front of several servers, request by request, as a load balancer does."""
    turns = itertools.cycle(urls)

    async def forward(request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        onward = http.build_request(
            request.method, next(turns) + request.url.path, headers=headers, content=await request.body()
        )
        answer = await http.send(onward, stream=True)
        kept = {
            name: answer.headers[name]
            for name in ("content-type", "mcp-session-id")
            if name in answer.headers
        }
        return StreamingResponse(answer.aiter_raw(), answer.status_code, kept)

    app = Starlette(routes=[Route("/mcp", forward, methods=["GET", "POST", "DELETE"])])
    async with httpx.AsyncClient(timeout=60) as http, serving(app) as url:
        yield url


async def two_replicas(spawn: Spawn, api_url: str, *args: str) -> list[str]:
    ports = [free_port(), free_port()]
    env = {"API_URL": f"{api_url}/api"}
    services = [spawn("main.py", "--port", str(port), *args, env=env) for port in ports]
    for port, service in zip(ports, services, strict=True):
        await anyio.to_thread.run_sync(service.wait_until_up, f"http://127.0.0.1:{port}/healthz")
    return [f"http://127.0.0.1:{port}" for port in ports]


@asynccontextmanager
async def http_shop(api: RestService) -> AsyncIterator[str]:
    """Serve the shop made by hand over real HTTP."""

    async def answer(request: Request) -> Response:
        asked = httpx.Request(
            request.method, str(request.url), headers=request.headers.raw, content=await request.body()
        )
        given = await api.answer(asked)
        return Response(given.content, given.status_code, media_type="application/json")

    app = Starlette(routes=[Route("/api/{rest:path}", answer, methods=["GET", "POST"])])
    async with serving(app) as url:
        yield url


@pytest.mark.parametrize(("mode", "args"), [("auto", []), ("legacy", ["--stateless"])])
async def test_two_replicas_behind_one_port_serve_one_client(
    spawn: Spawn, mode: str, args: list[str]
) -> None:
    api = RestService()
    async with http_shop(api) as api_url:
        replicas = await two_replicas(spawn, api_url, *args)
        async with round_robin(*replicas) as url, Client(f"{url}/mcp", mode=mode) as client:
            for number in range(4):
                result = await client.call_tool("create_purchase", TWO_BUDS, meta=keyed(f"k{number}"))
                assert not result.is_error, text_of(result)
    assert [request.headers["idempotency-key"] for request in api.purchases()] == ["k0", "k1", "k2", "k3"]


async def test_replicas_with_one_token_ask_and_are_answered_across_each_other() -> None:
    api, person = RestService(), Person("accept")
    with_token = {"Authorization": "Bearer shared"}
    async with (
        serving(app_for(api, mcp_token="shared")) as one,
        serving(app_for(api, mcp_token="shared")) as two,
        round_robin(one, two) as url,
    ):
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        async with httpx2.AsyncClient(headers=with_token, timeout=60) as http:
            transport = streamable_http_client(f"{url}/mcp", http_client=http)
            async with Client(transport, elicitation_callback=person) as client:
                result = await client.call_tool("create_purchase", TWO_BUDS)
    assert not result.is_error
    assert len(person.asked) == 1
    assert len(api.purchases()) == 1

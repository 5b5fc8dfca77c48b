"""What outlasts the stop of one replica ends with its word, and goes on at the other."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager

import httpx
import pytest
from mcp import Client

from tests.mcp_server.stand_ins import BOTH, HELLO, open_session
from tests.support.asgi import ScriptedProvider, Silence, chunk, serve, text_stream
from tests.support.balancer import Balancer, Replicas, replicated
from tests.support.suite import Browser, Suite, until

pytestmark = pytest.mark.anyio
STOPPING = {"DRAIN_SECONDS": "0.2", "STOP_TIMEOUT": "0.5"}


@asynccontextmanager
async def page(balancer: Balancer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://localhost:{balancer.port}", timeout=60) as http:
        yield http


@contextmanager
def locked(suite: Suite) -> Iterator[None]:
    with closing(sqlite3.connect(suite.folder / "shop.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@asynccontextmanager
async def chatting(suite: Suite, **settings: str) -> AsyncIterator[tuple[Replicas, Balancer, Browser]]:
    async with (
        replicated(suite, "web", **STOPPING, **settings) as (replicas, balancer),
        suite.browser(balancer.port, may_fail=True) as browser,
    ):
        yield replicas, balancer, browser


async def test_a_turn_whose_model_is_slow_ends_as_restarting_and_is_carried_on(suite: Suite) -> None:
    provider = ScriptedProvider(Silence(chunk(content="我想想")), text_stream("好了"))
    async with serve(provider.app) as url:
        model = {"OPENAI_API_KEY": "k", "OPENAI_API_BASE": f"{url}/v1", "LLM_MODEL": "m"}
        async with chatting(suite, **model) as (replicas, balancer, browser):
            turn = asyncio.create_task(browser.ask("有哪些商品？"))
            await until(lambda: asked(provider))
            first = balancer.last()
            replicas.terminate(first)
            assert (await turn, browser.failure) == ("我想想", "restarting")
            await balancer.until(first, False)
            assert browser.history[-1]["error"] == {"code": "restarting", "params": {}}
            assert (await browser.ask("请接着说"), browser.failure) == ("好了", "")
            assert balancer.last() != first
            await replicas.ended(first)


async def asked(provider: ScriptedProvider) -> bool:
    return bool(provider.requests)


async def test_a_purchase_that_one_replica_gave_up_is_tried_again_at_the_other_and_is_one_order(
    suite: Suite,
) -> None:
    suite.start("api", "main")
    async with chatting(suite) as (replicas, balancer, browser):
        await browser.until("ready")
        await browser.ask("帮客户A买 2 个耳机")
        (call,) = browser.waiting
        first = balancer.last()
        with locked(suite):
            buying = asyncio.create_task(browser.confirm())
            await until(lambda: is_buying(browser))
            replicas.terminate(first)
            await buying
        await balancer.until(first, False)
        assert browser.failure == "restarting"
        assert "outcome_unknown" in browser.seen
        place = next(n for n, m in enumerate(browser.history) if call in json.dumps(m.get("tool_calls")))
        browser.history, browser.waiting = browser.history[: place + 1], [call]
        await browser.until("ready")
        await browser.confirm()
        assert (browser.failure, balancer.last() != first) == ("", True)
        assert [order["customerName"] for order in suite.orders()] == ["客户A"], browser.seen
        await replicas.ended(first)


async def is_buying(browser: Browser) -> bool:
    return "tool_progress" in browser.names


@pytest.mark.parametrize(("name", "path"), [("api", "/api/changes"), ("web", "/api/watch"), ("main", "/sse")])
async def test_a_stream_that_watches_ends_whole_and_is_opened_at_the_other(
    suite: Suite, name: str, path: str
) -> None:
    async with replicated(suite, name, **STOPPING) as (replicas, balancer):
        seen = []
        for _ in range(2):
            async with (
                page(
                    balancer
                ) as http,  # with a connection of its own: the last one may be about to be closed
                http.stream("GET", path, headers={"Accept": "text/event-stream"}) as stream,
            ):
                lines = stream.aiter_lines()
                assert (await anext(lines)).startswith("event: ")
                seen.append(balancer.last())
                replicas.terminate(seen[-1])
                [_ async for _ in lines]  # raises where the stream does not end by the protocol
            await balancer.until(seen[-1], False)
        assert set(seen) == set(replicas.ports)


async def test_a_session_of_a_replica_that_stops_ends_its_stream_and_is_opened_anew(suite: Suite) -> None:
    async with replicated(suite, "main", **STOPPING) as (replicas, balancer), page(balancer) as http:
        http.headers["Accept"] = BOTH
        session = await open_session(http)
        first = balancer.last()
        async with http.stream("GET", "/mcp", headers=session) as stream:
            replicas.terminate(first)
            [_ async for _ in stream.aiter_lines()]
        await balancer.until(first, False)
        ping = {"jsonrpc": "2.0", "id": 3, "method": "ping"}
        async with page(balancer) as other:
            other.headers["Accept"] = BOTH
            assert (await other.post("/mcp", json=ping, headers=session)).status_code == 404
            assert (await other.post("/mcp", json=HELLO)).status_code == 200
        assert balancer.last() != first


async def test_a_subscription_ends_by_itself_and_its_client_goes_on(suite: Suite) -> None:
    async with (
        replicated(suite, "main", **STOPPING) as (replicas, balancer),
        Client(f"http://localhost:{balancer.port}/mcp") as client,
    ):
        for _ in range(2):
            async with client.listen(tools_list_changed=True) as changes:
                first = balancer.last()
                replicas.terminate(first)
                assert [change async for change in changes] == []
            await replicas.ended(first)
            replicas.start(first)
            await balancer.until(first, True)
            assert len((await client.list_tools()).tools) == 4

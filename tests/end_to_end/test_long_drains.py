"""What lasts while a replica behind the real nginx or HAProxy drains ends with its word, and is done once."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import httpx
import httpx2
import pytest
from mcp.client import Client, ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitRequestParams, ElicitResult
from starlette.responses import StreamingResponse

from tests.mcp_server.stand_ins import BOTH
from tests.support.asgi import ScriptedProvider, chunk, serve, text_stream
from tests.support.buyers import order
from tests.support.site import Site, site
from tests.support.suite import Browser, until

pytestmark = [pytest.mark.anyio, pytest.mark.heavy, pytest.mark.timeout(600)]
lasting = pytest.mark.parametrize("lasts", [False, True], ids=["in-time", "too-long"])
PATIENT = {"DRAIN_SECONDS": "10", "STOP_TIMEOUT": "3"}  # a busy machine needs its time


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the shop's rows, as another process might."""
    with closing(sqlite3.connect(folder / "shop.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


async def drains(made: Site, name: str, number: int) -> None:
    """Let a replica begin to stop, and wait until the proxy may know of it."""
    replicas, port = made.replicas[name], made.replicas[name].ports[number]
    replicas.terminate(port)

    async def is_told() -> bool:
        async with httpx.AsyncClient(timeout=60) as http:
            if (await http.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200:
                return False
            seen = (await http.get(made.statistics)).text if made.statistics else ""
        return not seen or re.search(rf",{name}{number + 1},.*,DOWN,", seen) is not None

    await until(is_told)


async def holder(made: Site, name: str, path: str, sign: str) -> int:
    """Return which replica says this of itself, as soon as one does."""
    found: list[int] = []

    async def is_found() -> bool:
        async with httpx.AsyncClient(timeout=60) as http:
            for number, port in enumerate(made.replicas[name].ports):
                if re.search(sign, (await http.get(f"http://127.0.0.1:{port}{path}")).text):
                    found.append(number)
        return bool(found)

    await until(is_found)
    return found[0]


class Slow(StreamingResponse):
    """An answer of a model that goes on when it is told."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        super().__init__(self.words(), media_type="text/event-stream")

    async def words(self) -> AsyncIterator[str]:
        yield chunk(content="我想想，")
        await self.go_on.wait()
        yield text_stream("好了")


@pytest.fixture(params=["nginx", "haproxy"])
def proxy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@lasting
async def test_a_purchase_that_lasts_is_done_once_and_other_requests_do_not_wait(
    tmp_path: Path, proxy: str, lasts: bool
) -> None:
    async with site(tmp_path, proxy, **PATIENT) as made, made.client("api") as http:

        async def buy(key: str) -> httpx.Response:
            return await http.post("/api/purchase", json=order(key), headers={"Idempotency-Key": key})

        with locked(tmp_path):
            buying = [asyncio.create_task(buy(key)) for key in "abcdef"]
            await drains(made, "api", 0)
            assert (await http.get("/api/products")).is_success
            if lasts:
                await made.replicas["api"].ended(made.replicas["api"].ports[0])
        for answer in await asyncio.gather(*buying):
            assert answer.status_code == 200 or answer.json()["code"]
        assert [(await buy(key)).status_code for key in "abcdef"] == [200] * 6
        assert (await http.get("/api/orders")).headers["X-Total-Count"] == "6"


@asynccontextmanager
async def chatting(folder: Path, proxy: str, slow: Slow) -> AsyncIterator[tuple[Site, Browser]]:
    provider = ScriptedProvider(slow, text_stream("这里"))
    async with serve(provider.app) as url:
        model = {"OPENAI_API_KEY": "k", "OPENAI_API_BASE": f"{url}/v1", "LLM_MODEL": "m"}
        async with site(folder, proxy, **PATIENT, **model) as made, made.client("web") as http:
            yield made, Browser(http, may_fail=True)


@lasting
async def test_an_answer_is_ended_whole_or_says_that_the_service_restarts(
    tmp_path: Path, proxy: str, lasts: bool
) -> None:
    slow = Slow()
    async with chatting(tmp_path, proxy, slow) as (made, browser):
        turn = asyncio.create_task(browser.ask("有哪些商品？"))
        number = await holder(made, "web", "/metrics", r'chat_turns\{state="running"\} [1-9]')
        await drains(made, "web", number)
        if not lasts:
            slow.go_on.set()
        said = await turn
        assert (said, browser.failure) == (("我想想，", "restarting") if lasts else ("我想想，好了", ""))
        assert (await browser.ask("在哪里？"), browser.failure) == ("这里", "")


@lasting
async def test_a_question_of_before_2026_is_answered_at_a_replica_that_drains(
    tmp_path: Path, proxy: str, lasts: bool
) -> None:
    asked, agreed = asyncio.Event(), asyncio.Event()

    async def person(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        asked.set()
        await agreed.wait()
        return ElicitResult(action="accept", content={})

    sessions: list[str] = []

    async def note(answer: httpx2.Response) -> None:
        sessions.extend(answer.headers.get_list("mcp-session-id"))

    async with (
        site(tmp_path, proxy, **PATIENT | {"MCP_CONFIRM": "auto"}) as made,
        httpx2.AsyncClient(verify=made.trusted, timeout=60, event_hooks={"response": [note]}) as http,
        Client(
            streamable_http_client(f"{made.public}/mcp", http_client=http),
            mode="legacy",
            elicitation_callback=person,
            read_timeout_seconds=60,
        ) as client,
    ):
        purchase = {"input_data": order("a") | {"idempotencyKey": "a"}}
        buying = asyncio.create_task(client.call_tool("create_purchase", purchase))
        async with asyncio.timeout(60):
            await asked.wait()
        number = await of_session(made, sessions[0])
        await drains(made, "main", number)
        if not lasts:
            agreed.set()
        result = await buying
        if lasts:
            assert (result.meta or {})["product-mcp/error"]["code"] == "restarting"
        else:
            assert not result.is_error, result
        await made.replicas["main"].ended(made.replicas["main"].ports[number])
        gone = await http.post(f"{made.public}/mcp", json=PING, headers=of(sessions[0]))
        assert (gone.status_code, "请重新连接" in gone.text) == (404, True), gone.text


PING = {"jsonrpc": "2.0", "id": 99, "method": "ping"}


def of(session: str) -> dict[str, str]:
    return {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25", "Accept": BOTH}


async def of_session(made: Site, session: str) -> int:
    """Return which replica has a session."""
    async with httpx.AsyncClient(headers=of(session), timeout=60) as http:
        urls = [f"http://127.0.0.1:{port}/mcp" for port in made.replicas["main"].ports]
        return [(await http.post(url, json=PING)).status_code for url in urls].index(200)

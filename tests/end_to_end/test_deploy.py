"""What `deploy/` holds, with the real nginx and HAProxy: two of each service, TLS, restarts in turn."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from tests.mcp_server.stand_ins import NAMES
from tests.support.buyers import by_hand, by_mcp, by_rest
from tests.support.engines import ask, audit, postgres
from tests.support.pooler import pooled
from tests.support.processes import Spawn, free_port
from tests.support.proxies import certificate
from tests.support.site import PROXIES, site
from tests.support.suite import until

pytestmark = [pytest.mark.anyio, pytest.mark.heavy, pytest.mark.timeout(600)]
BUYERS: dict[str, Any] = {"api": by_rest, "main": by_mcp, "web": by_hand}
Replica = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
each_proxy = pytest.mark.parametrize("proxy", ["nginx", "haproxy"])


@each_proxy
async def test_the_page_and_every_client_work_over_tls(tmp_path: Path, proxy: str) -> None:
    async with site(tmp_path, proxy) as made:
        async with httpx.AsyncClient(base_url=made.public, verify=made.trusted, timeout=60) as http:
            assert "text/html" in (await http.get("/")).headers["content-type"]
            asked = {"messages": [{"role": "user", "content": "你好"}]}
            own = await http.post("/api/chat/stream", json=asked, headers={"Origin": made.public})
            assert '"reason": "stop"' in own.text
            foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
            assert (await http.post("/api/chat/stream", json=asked, headers=foreign)).status_code == 403
            described = await http.get("/.well-known/oauth-protected-resource/mcp")
            assert (described.status_code, described.text[:1]) == (404, "N")  # main.py's: there is no issuer
            made_up = {"Forwarded": "for=1.2.3.4", "X-Forwarded-Host": "evil.example"}
            assert (await http.get("/api/tools", headers=made_up)).is_success
            async with http.stream("GET", "/api/watch") as watching:
                assert await anext(watching.aiter_lines()) == "event: state"
        for number in range(4):  # more clients than replicas: their sessions stay where they were opened
            async with httpx2.AsyncClient(verify=made.trusted, timeout=60) as http2:
                transport = streamable_http_client(f"{made.public}/mcp", http_client=http2)
                async with Client(transport, mode="legacy" if number % 2 else "auto") as client:
                    for _ in range(3):
                        assert [tool.name for tool in (await client.list_tools()).tools] == NAMES
        async with Client(sse_client(f"{made.internal['main']}/sse")) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == NAMES


@each_proxy
@pytest.mark.parametrize("name", BUYERS)
async def test_restarts_one_after_another_fail_no_request_and_lose_no_order(
    tmp_path: Path, proxy: str, name: str
) -> None:
    bought: list[str] = []
    failed: list[str] = []
    is_over = asyncio.Event()
    async with site(tmp_path, proxy) as made:

        async def buyer(who: str) -> None:
            base = made.internal[name]
            for (
                number
            ) in itertools.count():  # a client of its own: a new connection each time, as of many people
                key = f"{who}-{number}"
                said: list[str] = []

                async def note(answer: httpx.Response, said: list[str] = said) -> None:
                    said.append(f"{answer.status_code} {(await answer.aread()).decode()[-300:]}")

                hooks = {"response": [note]}
                async with httpx.AsyncClient(
                    base_url=base, verify=made.trusted, timeout=60, event_hooks=hooks
                ) as http:
                    is_bought = await BUYERS[name](http, key)
                (bought if is_bought else failed).append(key if is_bought else f"{key}: {said}")
                if is_over.is_set():
                    return

        async with asyncio.TaskGroup() as tasks:
            for who in "abcd":
                tasks.create_task(buyer(who))
            for number in (0, 1):
                await made.restart(name, number)
            is_over.set()
        async with httpx.AsyncClient(base_url=made.internal["api"], timeout=60) as http:
            orders = await http.get("/api/orders?limit=1")
    assert failed == []
    assert int(orders.headers["X-Total-Count"]) == len(bought) > 4


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A replica that is well, and ends each other request without an answer."""
    if b"/healthz" in await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


def logs(folder: Path) -> str:
    return "".join(log.read_text() for log in folder.glob("*.log"))


async def answer_of(url: str) -> httpx.Response:
    """Return what comes of a purchase on a connection of its own, once the proxy listens."""
    async with httpx.AsyncClient(verify=False) as http, asyncio.timeout(60):
        while True:
            with suppress(httpx.ConnectError):
                return await http.post(f"{url}?name-of-a-customer", content=b"{}")
            await asyncio.sleep(0.05)


@asynccontextmanager
async def before(folder: Path, spawn: Spawn, proxy: str, replica: Replica) -> AsyncIterator[str]:
    """Run a proxy before replicas by hand, and give the address of the shop there."""
    await asyncio.to_thread(certificate, folder)
    server = await asyncio.start_server(replica, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ports = {name: free_port() for name in ("plain", "public", "main", "api", "seen")}
    PROXIES[proxy](spawn, ports, dict.fromkeys(("api", "main", "web"), (port, port)))
    url = f"http://127.0.0.1:{ports['api']}"
    async with server:
        await until(lambda: is_well(url))
        yield url


async def is_well(url: str) -> bool:
    with suppress(httpx.TransportError):
        async with httpx.AsyncClient(timeout=60) as http:
            return (await http.get(f"{url}/healthz")).is_success
    return False


WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@each_proxy
async def test_no_request_meets_a_connection_that_a_service_is_just_closing(
    tmp_path: Path, spawn: Spawn, proxy: str
) -> None:
    async def answers_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(WELL)
        with suppress(ConnectionError):
            await reader.read(1)
        writer.close()

    async with before(tmp_path, spawn, proxy, answers_once) as url, httpx.AsyncClient(timeout=60) as kept:
        for _ in range(3):
            assert (await kept.post(f"{url}/api/purchase")).status_code == 200


@each_proxy
async def test_a_purchase_that_a_replica_took_is_sent_to_no_other(
    tmp_path: Path, spawn: Spawn, proxy: str
) -> None:
    heard: list[bytes] = []

    async def cuts_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (head := await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /healthz"):
            writer.write(WELL)
        else:
            heard.append(head)
        writer.close()

    async with before(tmp_path, spawn, proxy, cuts_off) as url, httpx.AsyncClient(timeout=60) as kept:
        assert (await kept.get(f"{url}/healthz")).is_success
        with suppress(httpx.RemoteProtocolError):  # HAProxy closes where nginx says so
            assert (await kept.post(f"{url}/api/purchase")).json()["code"] == "outcome_unknown"
        assert len(heard) == 1


@each_proxy
@pytest.mark.parametrize("is_sent", [False, True])
async def test_what_the_proxy_says_itself_has_the_form_of_the_services(
    tmp_path: Path, spawn: Spawn, proxy: str, is_sent: bool
) -> None:
    await asyncio.to_thread(certificate, tmp_path)
    replica = await asyncio.start_server(closes, "127.0.0.1", 0)
    port = replica.sockets[0].getsockname()[1] if is_sent else free_port()
    ports = {name: free_port() for name in ("plain", "public", "main", "api", "seen")}
    PROXIES[proxy](spawn, ports, dict.fromkeys(("api", "main", "web"), (port, port)))
    public = f"https://127.0.0.1:{ports['public']}"
    inner = [f"http://127.0.0.1:{ports[name]}/api/purchase" for name in ("api", "main")]
    async with replica:
        for url in (*inner, f"{public}/api/chat", f"{public}/mcp"):
            answer = await answer_of(url)
            code, again = ("outcome_unknown", None) if is_sent else ("restarting", "1")
            assert answer.status_code in ((502, 503) if is_sent else (503,))
            assert (answer.headers["Content-Type"], answer.headers.get("Retry-After")) == (
                "application/json",
                again,
            )
            said = answer.json()
            assert (said["code"], said["params"], said.get("unknown", False)) == (code, {}, is_sent)
            assert said["detail"]
    assert "name-of-a-customer" not in logs(tmp_path)


async def test_behind_pgbouncer_replicas_that_are_killed_lose_and_double_no_order(
    tmp_path: Path, spawn: Spawn
) -> None:
    direct, bought = postgres().whole_database(), Counter[str]()
    is_over = asyncio.Event()
    url = pooled(direct, spawn, connections=4)
    async with site(tmp_path, "haproxy", DATABASE_URL=url, DATABASE_LISTEN_URL=direct) as made:

        async def buyer(name: str, who: int) -> None:
            for key in (f"{name}-{who}-{number}" for number in itertools.count()):
                while not bought[key]:  # a purchase that was not acknowledged is sent again with its key
                    with suppress(httpx.TransportError):
                        async with made.client(name) as http:
                            bought[key] = int(await BUYERS[name](http, key))
                    await asyncio.sleep(0.05)
                if is_over.is_set():
                    return

        async with asyncio.TaskGroup() as tasks:
            for name, who in itertools.product(BUYERS, range(3)):
                tasks.create_task(buyer(name, who))
            for _, name, number in itertools.product(range(2), BUYERS, (0, 1)):
                so_far = bought.total()
                while bought.total() < so_far + 20:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                await made.kill(name, number)
            is_over.set()
    found = dict(ask(direct, "SELECT customer, count(*) FROM orders GROUP BY customer"))
    assert found == dict(bought)
    audit(direct, {1: 1_000_000})

"""Each client has so many turns at once; who waits is served by turns, whoever asks most."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import HTTPConnection

from assistant.chat.interfaces import Piece
from assistant.page.chat_requests import ChatRequest, StreamRequest
from assistant.page.shares import Clients, Shares
from serving.errors import CodedError
from tests.support.chat_service import client
from tests.support.scripted import says

pytestmark = pytest.mark.anyio


class Queue:
    """Clients that ask and leave, and the order in which they were served."""

    def __init__(self, **how: int) -> None:
        self.shares = Shares(**how)
        self.places: dict[str, tuple[ExitStack, asyncio.Future[None]]] = {}
        self.served: list[str] = []

    def ask(self, *names: str) -> None:
        """Ask; the first letter of a name is the client's."""
        for name in names:
            leaving = ExitStack()
            self.places[name] = leaving, leaving.enter_context(self.shares.place(name[0]))
            self.look()

    def leave(self, name: str) -> None:
        self.places.pop(name)[0].close()
        self.look()

    def look(self) -> None:
        for name, (_, place) in self.places.items():
            if place.done() and name not in self.served:
                self.served.append(name)


async def test_a_client_has_so_many_turns_at_once() -> None:
    queue = Queue(each=2)
    queue.ask("a1", "a2", "a3", "b1")
    assert queue.served == ["a1", "a2", "b1"]
    queue.leave("a1")
    assert queue.served[-1] == "a3"


async def test_whoever_waits_is_served_by_turns() -> None:
    queue = Queue(at_once=1, each=1)
    queue.ask("x1", "a1", "a2", "a3", "b1", "b2", "c1")
    for name in ("x1", "a1", "b1", "c1", "a2", "b2"):
        queue.leave(name)
    assert queue.served == ["x1", "a1", "b1", "c1", "a2", "b2", "a3"]


async def test_a_turn_that_waits_can_be_given_up() -> None:
    queue = Queue(each=1)
    queue.ask("a1", "a2", "a3")
    queue.leave("a2")
    assert queue.served == ["a1"]
    queue.leave("a1")
    assert queue.served == ["a1", "a3"]
    queue.leave("a3")
    queue.ask("a4")
    assert queue.served[-1] == "a4"


async def test_a_queue_is_bounded_for_each_client() -> None:
    queue = Queue(each=1, max_waiting=2)
    queue.ask("a1", "a2", "a3")
    with pytest.raises(CodedError, match="too_busy"):
        queue.ask("a4")
    queue.ask("b1")
    assert queue.served == ["a1", "b1"]


class HeldModel:
    """Answers when it may; `asked` has the questions in the order in which they came."""

    name, demo = "held", False
    window: int | None = None

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go_on = asyncio.Event()

    async def reply(self, messages: list[dict[str, Any]], _: Any) -> AsyncGenerator[Piece]:
        self.asked.append(messages[-1]["content"])
        await self.go_on.wait()
        yield says("done")

    async def has(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.asked) < count:  # noqa: ASYNC110  the model is polled as the test's clock
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", ["/api/chat", "/api/chat/stream"])
async def test_one_clients_flood_leaves_a_neighbour_its_turn(tmp_path: Path, path: str) -> None:
    model = HeldModel()

    def body(text: str) -> dict[str, Any]:
        question = {"role": "user", "content": text}
        return {"message": text} if path == "/api/chat" else {"messages": [question]}

    async with client(tmp_path, model=model) as http:
        page = await http.get("/")
        cookie = page.headers["set-cookie"]
        assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Path=/"))
        assert "set-cookie" not in (await http.get("/")).headers
        flood = {asyncio.create_task(http.post(path, json=body("flood"))) for _ in range(67)}
        done, flood = await asyncio.wait(flood, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        refused = done.pop().result()
        assert (refused.status_code, refused.json()["code"]) == (429, "too_busy")
        http.cookies.clear()
        forged = http.post(path, json=body("neighbour"), headers={"Cookie": "client=forged.mac"})
        neighbour = asyncio.create_task(forged)
        await model.has(3)
        assert model.asked == ["flood", "flood", "neighbour"]
        model.go_on.set()
        answers = await asyncio.gather(neighbour, *flood)
        assert {answer.status_code for answer in answers} == {200}
        assert len(model.asked) == 67


async def test_a_browser_whose_cookie_is_of_another_secret_gets_a_new_one(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        page = await http.get("/", headers={"Cookie": "client=forged.mac"})
        assert page.headers["set-cookie"].startswith("client=")


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),  # one household has a network of 64 bits
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
    ],
)
def test_without_a_cookie_a_client_is_its_network(one: str, other: str, *, is_same: bool) -> None:
    scopes = [{"type": "http", "headers": [], "client": (host, 1)} for host in (one, other)]
    names = {Clients(b"secret").name(HTTPConnection(scope)) for scope in scopes}
    assert len(names) == (1 if is_same else 2)


@pytest.mark.parametrize("path", ["/api/chat", "/api/chat/stream"])
async def test_a_turn_that_was_left_while_it_waited_never_begins(tmp_path: Path, path: str) -> None:
    model = HeldModel()

    def body(text: str) -> dict[str, Any]:
        return {"message": text, "messages": [{"role": "user", "content": text}]}

    async with client(tmp_path, model=model) as http:
        fields = ChatRequest.model_fields if path == "/api/chat" else StreamRequest.model_fields

        def ask(text: str) -> asyncio.Task[httpx.Response]:
            sent = {name: value for name, value in body(text).items() if name in fields}
            return asyncio.create_task(http.post(path, json=sent))

        held = [ask("held"), ask("held")]
        await model.has(2)
        left, last = ask("left"), ask("last")
        for _ in range(100):
            await http.get("/healthz")  # by now both have arrived
        left.cancel()
        await asyncio.wait([left])
        model.go_on.set()
        await asyncio.gather(*held, last)
        assert "left" not in model.asked

"""How the MCP server calls the REST service: reads asked for at the same time are shared, and never stale."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest

from mcp_server.rest_client import PRODUCTS, Answer, Shop, ShopError
from tests.support.rest_transport import through

pytestmark = pytest.mark.anyio


class Service:
    """Answers each read with how many it has begun; holds back those that the test holds."""

    def __init__(self) -> None:
        self.begun = 0
        self.held: dict[int, anyio.Event] = {}
        self.status = 200

    async def __call__(self, _: httpx.Request) -> httpx.Response:
        self.begun += 1
        number = self.begun
        await self.held.get(number, _set()).wait()
        return httpx.Response(self.status, json=[number])

    def hold(self, number: int) -> anyio.Event:
        return self.held.setdefault(number, anyio.Event())


def _set() -> anyio.Event:
    event = anyio.Event()
    event.set()
    return event


@pytest.fixture
def service() -> Service:
    return Service()


@asynccontextmanager
async def opened(service: Service) -> AsyncIterator[Shop]:
    with anyio.fail_after(10):
        async with Shop("http://shop/api", send=through(httpx.MockTransport(service))).opened() as shop:
            yield shop


async def read(shop: Shop, kept: list[Answer | str], query: str = "") -> None:
    try:
        kept.append(await shop.get(PRODUCTS, "/products", {"query": query}))
    except ShopError as error:
        kept.append(str(error))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await anyio.lowlevel.checkpoint()


async def test_many_who_ask_the_same_at_once_are_answered_by_one_read(service: Service) -> None:
    answers: list[Answer | str] = []
    async with opened(service) as shop, anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(read, shop, answers)
    assert len(answers) == 50
    assert service.begun == 1


async def test_who_asks_something_else_is_answered_by_itself(service: Service) -> None:
    answers: list[Answer | str] = []
    async with opened(service) as shop, anyio.create_task_group() as group:
        for query in ("a", "b", "a"):
            group.start_soon(read, shop, answers, query)
    assert service.begun == 2


async def test_nobody_is_answered_by_a_read_that_began_before_they_asked(service: Service) -> None:
    first, later = service.hold(1), list[Answer | str]()
    async with opened(service) as shop, anyio.create_task_group() as group:
        group.start_soon(read, shop, [])
        await until(lambda: service.begun == 1)
        for _ in range(5):
            group.start_soon(read, shop, later)
        await anyio.wait_all_tasks_blocked()
        first.set()
    assert [answer.data for answer in later if isinstance(answer, Answer)] == [[2]] * 5
    assert service.begun == 2


async def test_a_read_that_hangs_does_not_hold_up_the_next(service: Service) -> None:
    service.hold(1)
    later: list[Answer | str] = []
    async with opened(service) as shop, anyio.create_task_group() as group:
        group.start_soon(read, shop, [])
        await until(lambda: service.begun == 1)
        await read(shop, later)
        group.cancel_scope.cancel()
    assert len(later) == 1


async def test_one_who_goes_away_takes_nothing_from_the_others(service: Service) -> None:
    held, answers = service.hold(1), list[Answer | str]()
    async with opened(service) as shop, anyio.create_task_group() as group:
        async with anyio.create_task_group() as leaving:
            leaving.start_soon(read, shop, [])
            group.start_soon(read, shop, answers)
            await until(lambda: service.begun == 1)
            leaving.cancel_scope.cancel()
        held.set()
    assert len(answers) == 1


async def test_a_failure_reaches_all_who_share_it(service: Service) -> None:
    service.status = 404
    answers: list[Answer | str] = []
    async with opened(service) as shop, anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(read, shop, answers)
    assert answers == ["调用产品服务失败 (404): Not Found"] * 3


async def test_closing_ends_the_reads_that_nobody_waits_for(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.hold(1)
    with caplog.at_level(logging.ERROR):
        async with opened(service) as shop, anyio.create_task_group() as group:
            group.start_soon(read, shop, [])
            await until(lambda: service.begun == 1)
            group.cancel_scope.cancel()
    assert not caplog.text


async def test_a_shop_that_is_opened_twice_stays_open_until_both_are_done(service: Service) -> None:
    answers: list[Answer | str] = []
    async with opened(service) as shop:
        async with shop.opened():
            await read(shop, answers)
        await read(shop, answers)
    assert len(answers) == 2

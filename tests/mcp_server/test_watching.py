"""Changes of the shop, told to those who have subscribed: in both eras, on every transport."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.server.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp.types import ResourceUpdatedNotification

import api
import main
from mcp_server.rest_client import RestClient
from tests.mcp_server.stand_ins import TWO_BUDS, ShopOfChanges, serving, until
from tests.support.asgi import serve

# Before 2026-07-28 there is no other way to watch.
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]
LISTS = ["shop://products", "shop://inventory", "shop://orders/latest"]
ONES = ["shop://products/2", "shop://products/2/moves", "shop://orders/1"]
WIRES = ["memory auto", "memory legacy", "mcp auto", "mcp legacy", "sse legacy", "sse auto"]


class Watcher:
    """A client that subscribes, and what it has been told."""

    def __init__(self, server: Any, mode: str) -> None:
        self.told: list[str] = []
        self.client = Client(server, mode=mode, message_handler=self._hear)
        self._tasks: list[asyncio.Task[None]] = []

    async def _hear(self, message: Any) -> None:
        if (
            isinstance(message, ResourceUpdatedNotification) and not self._tasks
        ):  # else `_listen` is told, too
            self.told.append(str(message.params.uri))

    async def watch(self, *uris: str) -> None:
        if self.client.protocol_version < "2026":
            for uri in uris:
                await self.client.subscribe_resource(uri)
            return
        acknowledged = asyncio.Event()
        self._tasks.append(asyncio.create_task(self._listen(uris, acknowledged)))
        await acknowledged.wait()

    async def _listen(self, uris: tuple[str, ...], acknowledged: asyncio.Event) -> None:
        async with self.client.listen(resource_subscriptions=uris) as events:
            acknowledged.set()
            async for event in events:
                assert isinstance(event, ResourceUpdated)
                self.told.append(event.uri)

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def hears(self, *uris: str) -> None:
        await until(lambda: set(self.told) == set(uris))
        self.told.clear()


@asynccontextmanager
async def a_server(shop: ShopOfChanges, wire: str, **settings: Any) -> AsyncIterator[Callable[[], Watcher]]:
    kind, mode = wire.split()
    async with serve(shop.app, lifespan="auto") as url:
        rest, chosen = RestClient(f"{url}/api"), main.Settings(owner=True, **settings)
        if kind == "memory":
            server = main.create_server(chosen, rest)
            yield lambda: Watcher(server, mode)
            return
        async with serving(main.create_app(chosen, rest)) as own:
            yield lambda: Watcher(sse_client(f"{own}/sse") if kind == "sse" else f"{own}/mcp", mode)


@asynccontextmanager
async def watching(new: Callable[[], Watcher], *uris: str) -> AsyncIterator[Watcher]:
    watcher = new()
    async with watcher.client:
        await watcher.watch(*uris)
        yield watcher
        await watcher.leave()


@pytest.mark.parametrize("wire", WIRES)
async def test_each_kind_of_change_is_told_to_those_whom_it_concerns(wire: str) -> None:
    shop = ShopOfChanges()
    async with a_server(shop, wire) as new, watching(new, *LISTS, *ONES) as watcher:
        await shop.is_heard_by(1)
        for kind, uris in {
            "products": [*LISTS[:2], ONES[0]],
            "stock": [LISTS[1], *ONES[:2]],
            "orders": [LISTS[2], ONES[2]],
        }.items():
            shop.tell(kind)
            await watcher.hears(*uris)
        async with watching(new, "shop://products") as other:
            shop.tell("products")
            await other.hears("shop://products")
        assert shop.connections == 1


@pytest.mark.parametrize("wire", WIRES)
async def test_the_shop_is_listened_to_only_while_somebody_watches(wire: str) -> None:
    shop = ShopOfChanges()
    async with a_server(shop, wire) as new:
        for _ in range(2):
            async with watching(new, "shop://products") as watcher:
                await shop.is_heard_by(1)
                if wire.endswith("auto"):
                    await watcher.leave()
                    await shop.is_heard_by(0)
            await shop.is_heard_by(0)
    assert shop.connections == 2


@pytest.mark.parametrize("wire", WIRES[:2])
async def test_after_a_lost_connection_everything_watched_is_told_once(wire: str) -> None:
    shop = ShopOfChanges()
    async with a_server(shop, wire) as new, watching(new, *LISTS) as watcher:
        await shop.is_heard_by(1)
        shop.tell()
        await until(lambda: len(watcher.told) >= 3)
        assert sorted(watcher.told) == sorted(LISTS)
        assert shop.connections == 2


async def test_who_has_unsubscribed_is_told_no_more() -> None:
    shop = ShopOfChanges()
    async with a_server(shop, "memory legacy") as new, watching(new, *LISTS) as watcher:
        await shop.is_heard_by(1)
        await watcher.client.unsubscribe_resource(LISTS[0])
        shop.tell("products")
        await watcher.hears(LISTS[1])
        for uri in LISTS:
            await watcher.client.unsubscribe_resource(uri)
        await shop.is_heard_by(0)


@pytest.mark.parametrize("wire", WIRES[:2])
async def test_one_client_watches_so_many_and_what_exists(wire: str) -> None:
    async with a_server(ShopOfChanges(), wire) as new, new().client as client:
        many = [f"shop://products/{number}" for number in range(1, 102)]
        is_modern = wire == "memory auto"

        async def watch_all() -> None:
            if is_modern:
                async with client.listen(resource_subscriptions=many):
                    return
            for uri in many:
                await client.subscribe_resource(uri)

        with pytest.raises(MCPError) as refused:
            await watch_all()
        error = refused.value.error
        assert error.data == {"product-mcp/error": {"code": "too_many_watched", "params": {"max": 100}}}
        if not is_modern:
            with pytest.raises(MCPError):
                await client.subscribe_resource("shop://nothing")


@pytest.mark.parametrize(("wire", "promised"), [("mcp auto", True), ("mcp legacy", False)])
async def test_without_sessions_only_2026_is_promised_to_be_told(wire: str, promised: bool) -> None:
    async with a_server(ShopOfChanges(), wire, mcp_stateless=True) as new, new().client as client:
        assert client.server_capabilities.resources is not None
        assert bool(client.server_capabilities.resources.subscribe) is promised


@pytest.mark.parametrize("wire", ["memory auto", "mcp legacy"])
async def test_a_purchase_at_the_shop_itself_is_told(tmp_path: Path, wire: str) -> None:
    shop = ShopOfChanges()
    shop.app = api.create_app(api.Settings(database_url=f"sqlite:///{tmp_path}/shop.db"))
    async with a_server(shop, wire) as new, watching(new, *LISTS) as watcher:
        await until(lambda: LISTS[0] in watcher.told)  # the connection is new: anything may have changed
        watcher.told.clear()
        await watcher.client.call_tool("create_purchase", TWO_BUDS)
        await until(lambda: {*LISTS[1:]} <= {*watcher.told})

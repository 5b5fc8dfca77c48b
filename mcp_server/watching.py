"""Tells subscribers, in both eras, what has changed in the shop; listens to it only while there are any."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from typing import Any

from mcp import types
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated, ServerEvent

from mcp_server.failures import protocol_failure
from mcp_server.resources import Resources
from mcp_server.rest_client import RestClient, RestError
from serving.errors import CodedError

MAX_WATCHED = 100  # addresses that one client watches
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.25, 1.0  # before the shop is listened to again
TELL_SECONDS = 0.2  # after which handshake clients are told: each message is kept for their reconnecting
STATE = "product-mcp/watched"  # of a connection: what is undone when an address is watched no more

log = logging.getLogger(__name__)
Call = ServerRequestContext[Any, Any]


class Watching:
    """Who watches what. A change is told by its address alone: whoever cares reads anew."""

    def __init__(self, rest: RestClient, resources: Resources) -> None:
        self._bus = InMemorySubscriptionBus()
        self._serve = ListenHandler(self._bus)
        self._rest = rest
        self._resources = resources
        self._watched: Counter[str] = Counter()
        self._listening: asyncio.Task[None] | None = None

    async def listen(
        self, ctx: Call, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Serve `subscriptions/listen` of 2026-07-28. What does not exist is never told of."""
        wanted = params.notifications.resource_subscriptions or ()
        self._check_number(len(wanted))
        with self._watch(wanted):
            return await self._serve(ctx, params)

    async def subscribe(self, ctx: Call, params: types.SubscribeRequestParams) -> types.EmptyResult:
        """Serve `resources/subscribe` of before 2026-07-28. Raises MCPError."""
        uri, connection = str(params.uri), _connection(ctx)
        self._resources.find(uri, ctx.protocol_version)
        if STATE not in connection.state:
            connection.state[STATE] = {}
            connection.exit_stack.callback(_close_all, connection.state[STATE])
        watched: dict[str, ExitStack] = connection.state[STATE]
        if uri not in watched:
            self._check_number(len(watched) + 1)
            watched[uri] = ending = ExitStack()
            ending.enter_context(self._watch([uri]))
            teller = Teller(connection, uri)
            ending.callback(teller.close)
            ending.callback(self._bus.subscribe(teller.hear))
        return types.EmptyResult()

    async def unsubscribe(self, ctx: Call, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        """Serve `resources/unsubscribe`."""
        ending = _connection(ctx).state.get(STATE, {}).pop(str(params.uri), None)
        if ending is not None:
            ending.close()
        return types.EmptyResult()

    def _check_number(self, count: int) -> None:
        if count > MAX_WATCHED:
            raise protocol_failure(CodedError("too_many_watched", max=MAX_WATCHED))

    @contextmanager
    def _watch(self, uris: Iterable[str]) -> Iterator[None]:
        """Listen to the shop, so that changes of these are told."""
        added = Counter(uris)
        self._watched += added
        if self._watched and self._listening is None:
            self._listening = asyncio.create_task(self._listen_to_the_shop())
        try:
            yield
        finally:
            self._watched -= added
            if not self._watched and self._listening is not None:
                self._listening.cancel()
                self._listening = None

    async def _listen_to_the_shop(self) -> None:
        """Tell what changes. The shop names every kind on a new connection, so that nothing is missed."""
        pause, is_lost = FIRST_PAUSE_SECONDS, False
        async with self._rest.opened():
            while True:
                try:
                    async with aclosing(self._rest.changes()) as changes:
                        async for kinds in changes:
                            pause, is_lost = FIRST_PAUSE_SECONDS, False
                            for uri in self._resources.touched(list(self._watched), kinds):
                                await self._bus.publish(ResourceUpdated(uri))
                except RestError as error:
                    if not is_lost:
                        log.warning("商店的变更听不到了（%s），会再试", error.code)
                    is_lost = True
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_PAUSE_SECONDS)


class Teller:
    """Tells a handshake connection of one address, in a task: who does not read holds up nobody else."""

    def __init__(self, connection: Connection, uri: str) -> None:
        self._connection = connection
        self._uri = uri
        self._telling: asyncio.Task[None] | None = None

    def hear(self, event: ServerEvent) -> None:
        """Tell soon; what is not yet told says it of later changes, too."""
        if event == ResourceUpdated(self._uri) and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell())

    def close(self) -> None:
        """End with the subscription."""
        if self._telling is not None:
            self._telling.cancel()

    async def _tell(self) -> None:
        await asyncio.sleep(TELL_SECONDS)
        await self._connection.send_resource_updated(self._uri)


def _close_all(watched: dict[str, ExitStack]) -> None:
    for ending in watched.values():
        ending.close()


def _connection(ctx: Call) -> Connection:
    # mcp 2.3 has no public way from a request to its connection, which alone knows when it ends.
    return ctx.session._connection

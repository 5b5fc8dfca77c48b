"""Tells subscribers, in both eras, what has changed in the shop; listens to it only while there are any."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from typing import Any

from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated, ServerEvent
from mcp.shared.exceptions import MCPError
from mcp.types import (
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from mcp_server.failures import protocol_failure
from mcp_server.resources import Resources
from mcp_server.rest_client import RestClient, RestError
from serving.errors import CodedError

MAX_WATCHED = 100  # addresses that one client watches
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 15.0  # before the shop is listened to again
TELL_SECONDS = 0.3  # between two rounds to one handshake client: each message is kept for its reconnecting
STATE = "product-mcp/watched"  # of a connection

log = logging.getLogger(__name__)


class Watching:
    """Who watches what. A change is told by its address alone: whoever cares reads anew."""

    def __init__(self, rest: RestClient, resources: Resources, max_watched: int = MAX_WATCHED) -> None:
        self.bus = InMemorySubscriptionBus()
        self._serve = ListenHandler(self.bus)
        self._rest = rest
        self._resources = resources
        self._max_watched = max_watched
        self._watched: Counter[str] = Counter()
        self._listening: asyncio.Task[None] | None = None

    @contextmanager
    def watched(self, uris: Iterable[str]) -> Iterator[None]:
        """Listen to the shop, so that changes of these are told."""
        added = Counter(set(uris))
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

    async def listen(
        self, ctx: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Serve `subscriptions/listen` of 2026-07-28. What does not exist is never told of."""
        wanted = set(params.notifications.resource_subscriptions or ())
        self.check_number(len(wanted))
        known = []
        for uri in wanted:
            try:
                self._resources.find(uri, None)
            except MCPError:
                continue
            known.append(uri)
        with self.watched(known):
            return await self._serve(ctx, params)

    async def subscribe(
        self, ctx: ServerRequestContext[Any, Any], params: SubscribeRequestParams
    ) -> EmptyResult:
        """Serve `resources/subscribe` of before 2026-07-28. Raises MCPError."""
        self._resources.find(str(params.uri), ctx.protocol_version)
        connection = _connection(ctx)
        subscriber = connection.state.get(STATE)
        if subscriber is None:
            subscriber = connection.state[STATE] = Subscriber(self, connection)
            connection.exit_stack.callback(subscriber.close)
        subscriber.add(str(params.uri))
        return EmptyResult()

    async def unsubscribe(
        self, ctx: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams
    ) -> EmptyResult:
        """Serve `resources/unsubscribe`."""
        subscriber = _connection(ctx).state.get(STATE)
        if subscriber is not None:
            subscriber.remove(str(params.uri))
        return EmptyResult()

    def check_number(self, count: int) -> None:
        """Raise MCPError for more addresses than one client may watch."""
        if count > self._max_watched:
            raise protocol_failure(CodedError("too_many_watched", max=self._max_watched))

    async def _listen_to_the_shop(self) -> None:
        """Tell what changes. The shop names every kind on a new connection, so that nothing is missed."""
        pause = FIRST_PAUSE_SECONDS
        async with self._rest.opened():
            while True:
                try:
                    async with aclosing(self._rest.changes()) as changes:
                        async for kinds in changes:
                            pause = FIRST_PAUSE_SECONDS
                            for uri in self._resources.touched(list(self._watched), kinds):
                                await self.bus.publish(ResourceUpdated(uri))
                except RestError as error:
                    if pause == FIRST_PAUSE_SECONDS:
                        log.warning("商店的变更听不到了（%s），会再试", error.code)
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_PAUSE_SECONDS)


class Subscriber:
    """A handshake connection that watches. It has a task of its own: who does not read holds nobody up."""

    def __init__(self, watching: Watching, connection: Connection) -> None:
        self._watching = watching
        self._connection = connection
        self._watched: dict[str, ExitStack] = {}
        self._changed: dict[str, None] = {}
        self._news = asyncio.Event()
        self._unsubscribe = watching.bus.subscribe(self._hear)
        self._telling = asyncio.create_task(self._tell())

    def add(self, uri: str) -> None:
        """Watch an address."""
        if uri in self._watched:
            return
        self._watching.check_number(len(self._watched) + 1)
        self._watched[uri] = stack = ExitStack()
        stack.enter_context(self._watching.watched([uri]))

    def remove(self, uri: str) -> None:
        """Watch an address no more."""
        if (stack := self._watched.pop(uri, None)) is not None:
            stack.close()

    def close(self) -> None:
        """End with the connection."""
        self._unsubscribe()
        self._telling.cancel()
        for uri in list(self._watched):
            self.remove(uri)

    def _hear(self, event: ServerEvent) -> None:
        if isinstance(event, ResourceUpdated) and event.uri in self._watched:
            self._changed[event.uri] = None
            self._news.set()

    async def _tell(self) -> None:
        while await self._news.wait():
            self._news.clear()
            while self._changed:
                uri = next(iter(self._changed))
                del self._changed[uri]
                await self._connection.send_resource_updated(uri)
            await asyncio.sleep(TELL_SECONDS)


def _connection(ctx: ServerRequestContext[Any, Any]) -> Connection:
    # mcp 2.3 has no public way from a request to its connection, which alone knows when it ends.
    return ctx.session._connection

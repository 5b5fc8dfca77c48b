"""How a service runs and how it ends, the same for all three: uvicorn, with a sentence for a failed start.

Written for uvicorn 0.54: `Service` overrides `Server.startup` and `Server.shutdown`. Should a later version
not call them, the start message is missing, and open streams end after SHUTDOWN_SECONDS instead of at once.
"""

import asyncio
import logging
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http_protocol import http_protocol
from serving.logs import announce, printable

uvicorn_log = logging.getLogger("uvicorn.error")

SHUTDOWN_SECONDS = 2  # for answers under way when the service stops; honcho kills after 5


class StartError(Exception):
    """Raised in a lifespan: the service cannot start; the message is a sentence for the operator."""


class Service(uvicorn.Server):
    """Uvicorn's server; a failed start is one sentence, and open streams end at once when it stops."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        port: int,
        greeting: str | Callable[[], Awaitable[str]] = "",
        on_stop: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Make a service. The lifespan of `app` may raise `StartError`.

        `greeting` is printed once it listens; a function is awaited beside the service, which may stop it.
        `on_stop` is called before open answers are waited for.
        """
        self.failure: StartError | None = None
        self._app = app
        self._greeting = greeting
        self._greeter: asyncio.Task[None] | None = None
        self._on_stop = on_stop
        super().__init__(
            uvicorn.Config(
                self._explained,
                interface="asgi3",  # uvicorn takes a bound method for ASGI 2
                host=host,
                port=port,
                http=http_protocol(),
                lifespan="on",  # a failure at the start must not go unseen
                log_config=None,  # the services' own, see logs.py
                access_log=False,  # it names customers and session ids
                server_header=False,
                proxy_headers=False,  # nothing here asks who the client is
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and say so."""
        try:
            await super().startup(sockets)
        except SystemExit:
            if self.failure is None and not self.lifespan.should_exit:  # the lifespan has started
                address = f"{self.config.host}:{self.config.port}"
                self.failure = StartError(f"{address} 不能监听，可能已被别的程序占用，请换一个端口")
            raise
        finally:
            uvicorn_log.disabled = False
        if self.started and self._greeting:
            self._greeter = asyncio.create_task(self._greet())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what is open, then wait for the answers under way."""
        if self._greeter is not None:
            self._greeter.cancel()
        if self._on_stop is not None:
            await self._on_stop()
        await super().shutdown(sockets)

    async def _greet(self) -> None:
        announce(self._greeting if isinstance(self._greeting, str) else await self._greeting())

    async def _explained(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application. A `StartError` of its lifespan is kept; uvicorn logs no traceback of it."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        failed: list[Message] = []

        async def hold_back(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                failed.append(message)
            else:
                await send(message)

        try:
            await self._app(scope, receive, hold_back)
        except StartError as error:
            self.failure = error
            uvicorn_log.disabled = True  # "Application startup failed": `run` says why
            await send({"type": "lifespan.startup.failed", "message": ""})
        finally:
            if self.failure is None:
                for message in failed:
                    await send(message)


def run(service: Service) -> None:
    """Serve until Ctrl+C or SIGTERM. A failed start ends with a sentence and status 1, or with status 3."""
    with suppress(KeyboardInterrupt):  # uvicorn raises it once more, when all has ended well
        try:
            service.run()
        except SystemExit:
            if service.failure is None:
                raise
    if service.failure is not None:
        sys.exit(printable(f"无法启动：{service.failure}"))
    if not service.started:
        sys.exit(3)  # as uvicorn.run does

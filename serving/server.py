"""How a service runs and how it ends, the same for all three: uvicorn, with a sentence for a failed start.

The end, from the first signal on; a second one changes nothing:

1. For `drain_seconds` the service goes on; its probe answers 503, and every answer closes its connection.
2. The listener closes, and the streams that only watch end. What else is under way gets `stop_seconds`.
3. `finish` gives up what is left, which ends in its own words; what does not, gets the answer `given_up`.

Written for uvicorn 0.54: `Service` overrides four methods of `Server`. Should a later version not call them,
the start message is missing, and open answers are cut off after SHUTDOWN_SECONDS.
"""

import asyncio
import ctypes
import errno
import gc
import logging
import os
import select
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import tracing
from serving.addresses import bracketed
from serving.http_protocol import Bounds, http_protocol
from serving.logs import announce, printable_lines
from serving.metrics import CONNECTIONS
from serving.streams import LOOK_SECONDS, Streams, restarting

log = logging.getLogger(__name__)
uvicorn_log = logging.getLogger("uvicorn.error")
# `run` tells of a port in use, `http_protocol` of what is no HTTP; an upgrade is not offered (RFC 9110, 7.8).
UNTOLD = ("Invalid HTTP request received", "Unsupported upgrade request", "No supported WebSocket library")
uvicorn_log.addFilter(
    lambda record: not (isinstance(record.msg, OSError) or str(record.msg).startswith(UNTOLD))
)

# After which an idle connection is closed: later than clients close theirs (httpx after 5, aiohttp after 15),
# or a request that is just being sent is lost, and its client cannot know whether it was done.
KEEP_ALIVE_SECONDS = 20
SHUTDOWN_SECONDS = 1  # after which uvicorn gives up what then is still open; nothing should be
# Why a service cannot listen, and the setting that is to be changed.
CANNOT_LISTEN = {
    errno.EADDRINUSE: (
        "可能已被别的程序占用，也许是上次启动的还没有停：请停下它，或者换一个端口，例如 {setting}_PORT={next}"
    ),
    errno.EACCES: "没有权限，请用 1024 以上的端口，例如 {setting}_PORT={next}",
    errno.EADDRNOTAVAIL: "这台机器没有这个地址，请改正 {setting}_HOST",
    socket.EAI_NONAME: "没有这个主机名，请改正 {setting}_HOST",
}
SO_ATTACH_FILTER = 26  # Linux's, socket(7); Python does not name it
# Classic BPF over a TCP header: drop what has SYN among its flags (byte 13), take all else.
NO_NEWCOMERS = [(0x30, 0, 0, 13), (0x45, 0, 1, 2), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)]
HANDSHAKE_SECONDS = 0.1  # in which a handshake that has begun ends
# In which what was given up says so: 0.4 s, with which after the usual 4 honcho's 5 suffice. Looks, no time:
# a busy machine may let the loop run once in that.
LAST_LOOKS = 20


class StartError(Exception):
    """Raised in a lifespan: the service cannot start; the message is a sentence for the operator."""


@dataclass(frozen=True)
class Ending:
    """How a service ends."""

    drain_seconds: float = 0
    stop_seconds: float = 4
    end_watching: Callable[[], object] = bool  # ends what waits for news without a GET
    # Awaited when all was answered or the time is over, with the seconds that are left for what nobody waits
    # for any more; then it gives up what is under way.
    finish: Callable[[float], Awaitable[None]] | None = None
    given_up: Callable[[Scope], Response] = restarting  # the answer to what ends in no words of its own
    first_request_seconds: float = 1  # in which who has just connected sends a request


class Service(uvicorn.Server):
    """Uvicorn's server; a failed start is one sentence, and at its end every answer is whole."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        port: int,
        setting: str = "",
        shared: str = "",
        greeting: str | Callable[[], AsyncIterator[str]] = "",
        bounds: Bounds | None = None,
        ending: Ending | None = None,
    ) -> None:
        """Make a service. The lifespan of `app` may raise `StartError`.

        `setting` is how the settings of host and port begin, such as API; `shared` says for the log what
        several of this service share.
        `greeting` is printed once it listens; what a function yields, as it comes, until the service stops.
        """
        self.failure: StartError | None = None
        self.drained_at: float | None = None  # when the listener closes, on the event loop's clock
        self._app = app
        self._setting = setting
        self._shared = shared
        self._greeting = greeting
        self._greeter: asyncio.Task[None] | None = None
        self._lifespan: asyncio.Task[None] | None = None  # while it starts
        self._ending = ending or Ending()
        self._streams = Streams(app, self._ending.given_up)
        super().__init__(
            uvicorn.Config(
                self._explained,
                interface="asgi3",  # uvicorn takes a bound method for ASGI 2
                host=host,
                port=port,
                http=http_protocol(bounds),
                ws="none",
                lifespan="on",  # a failure at the start must not go unseen
                log_config=None,  # the services' own, see logs.py
                access_log=False,  # it names customers and session ids
                server_header=False,
                proxy_headers=False,  # the application believes TRUSTED_PROXIES: see forwarding.py
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
        )

    def open_connections(self) -> dict[tuple[str, ...], float]:
        """Return how many connections are open."""
        return {(): len(self.server_state.connections)}

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and say so."""
        try:
            await super().startup(sockets)
        except SystemExit as ended:
            if self.failure is None and self.should_exit:
                return  # uvicorn ends as at any signal
            if self.failure is None and not self.lifespan.should_exit:  # the lifespan has started
                self.failure = self._cannot_listen(ended.__context__)
            raise
        finally:
            uvicorn_log.disabled = False
        if self.started and self._greeting:
            self._greeter = asyncio.create_task(self._greet())

    def _cannot_listen(self, error: BaseException | None) -> StartError:
        host, port = self.config.host, self.config.port
        why = CANNOT_LISTEN.get(
            getattr(error, "errno", None) or 0, f"{error}，请检查 {{setting}}_HOST 和 {{setting}}_PORT"
        )
        following = port + 1 if 1024 <= port < 65535 else port % 1000 + 8000
        return StartError(
            f"{bracketed(host)}:{port} 不能监听，{why.format(setting=self._setting, next=following)}"
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop at the first signal; uvicorn would drop what is under way at the second."""
        if not self.should_exit:
            super().handle_exit(sig, frame)
            if self._lifespan is not None:  # its start may wait long, for a database
                self._lifespan.cancel()

    async def on_tick(self, counter: int) -> bool:
        """Return whether to close the listener: after a signal, when balancers have learned of it."""
        if not await super().on_tick(counter):
            return False
        now = asyncio.get_running_loop().time()
        if self.drained_at is None:
            self.drained_at = now + self._ending.drain_seconds
            self._streams.is_draining = True
        return now >= self.drained_at

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what watches, wait for what else is under way, and give up the rest."""
        if self._greeter is not None:
            self._greeter.cancel()
        self._streams.is_draining = True  # a signal during the start leads here without a tick
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._ending.stop_seconds
        await self._let_in_who_has_come()
        self._ending.end_watching()
        await self._answered(until=give_up_at)
        for connection in self.server_state.connections:
            if cycle := getattr(connection, "cycle", None):
                cycle.keep_alive = False  # who is given up is told so, and asks at another replica
        if self._ending.finish is not None:
            await self._ending.finish(max(0, give_up_at - loop.time()))
            await self._answered(LAST_LOOKS)
        self._streams.end_all()
        await self._answered(LAST_LOOKS // 4)
        for connection in list(self.server_state.connections):  # who reads no more
            connection.transport.abort()
        await super().shutdown(sockets)
        tracing.end()

    async def _let_in_who_has_come(self) -> None:
        """Close the listener and what is idle; who has just connected still gets one answer."""
        loop, connections = asyncio.get_running_loop(), self.server_state.connections
        deadline = loop.time() + self._ending.first_request_seconds
        listeners = [listener for server in self.servers for listener in server.sockets]
        if listeners and all(map(refuses_newcomers, listeners)):
            await asyncio.sleep(HANDSHAKE_SECONDS)
            while select.select(listeners, (), (), 0)[0] and loop.time() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0)  # in each turn uvloop lets in one of those who wait
        for server in self.servers:
            server.close()
        while new := {each for each in connections if getattr(each, "cycle", None) is None}:
            for connection in connections - new:
                connection.shutdown()
            if loop.time() >= deadline:
                break
            await asyncio.sleep(LOOK_SECONDS)
        for connection in list(connections):
            connection.shutdown()

    async def _answered(self, looks: int = 1, until: float = 0) -> None:
        """Wait until every answer was given and read, at most for so many looks and until then."""
        loop = asyncio.get_running_loop()
        while self._streams.end_watching() or self.server_state.connections:
            await asyncio.sleep(LOOK_SECONDS)
            looks -= 1
            if looks <= 0 and loop.time() >= until:
                return

    async def _greet(self) -> None:
        # Who sits before it, at a terminal or through honcho, runs one of each, and looks for where to go on.
        is_watched = sys.stderr.isatty() or "HONCHO_PROCESS_NAME" in os.environ
        if self._shared and not is_watched:
            log.info("%s", self._shared)
        if isinstance(self._greeting, str):
            announce(self._greeting)  # last: where to go on is what is looked for
            return
        async for greeting in self._greeting():
            announce(greeting)

    def _explained(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Call the application."""
        return (self._live if scope["type"] == "lifespan" else self._streams)(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call its lifespan. A `StartError` of it is kept; uvicorn logs no traceback of it."""
        self._lifespan = asyncio.current_task()
        failed: list[Message] = []

        async def hold_back(message: Message) -> None:
            if message["type"].endswith(".failed"):
                failed.append(message)
                return
            self._lifespan = None  # it has started
            await send(message)

        try:
            await self._app(scope, receive, hold_back)
        except (StartError, asyncio.CancelledError) as error:
            if isinstance(error, StartError):
                self.failure = error
            elif not self.should_exit:
                raise
            failed.clear()
            if self._lifespan is not None:
                uvicorn_log.disabled = True  # "Application startup failed": `run` says why
                failed.append({"type": "lifespan.startup.failed", "message": ""})
        finally:
            for message in failed:
                await send(message)


def refuses_newcomers(listener: socket.socket) -> bool:
    """Let nobody begin to connect any more, and say whether the system can do that.

    Closing a listener resets whoever is in its queue, perhaps with a request on the way, which a balancer
    without probes (nginx) may not send again. Whose SYN is dropped sends another one a second later, and is
    refused.
    """
    if sys.platform != "linux":
        return False
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in NO_NEWCOMERS))
    program = struct.pack("HL", len(NO_NEWCOMERS), ctypes.addressof(code))
    with suppress(OSError), socket.fromfd(listener.fileno(), listener.family, listener.type) as same:
        same.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        return True
    return False


def run(service: Service) -> None:
    """Serve until Ctrl+C or SIGTERM. A failed start ends with a sentence and status 1, or with status 3."""
    gc.freeze()  # what was imported stays: to look through it for garbage would hold all up for 50 to 100 ms
    with (
        CONNECTIONS.told_by(service.open_connections),
        suppress(KeyboardInterrupt),
    ):  # uvicorn raises it once more, when all has ended well
        try:
            service.run()
        except SystemExit:
            if service.failure is None:
                raise
    if service.failure is not None:
        sys.exit(printable_lines(f"无法启动：{service.failure}"))
    if not service.started and not service.should_exit:
        sys.exit(3)  # as uvicorn.run does

"""Fair shares of the chat: each client has so many turns at once, and whoever waits is served by turns."""

import asyncio
import hmac
import secrets
import sys
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import HTTPConnection
from starlette.responses import Response

from assistant.chat.call_ids import mac
from serving.addresses import client_of
from serving.errors import CodedError
from serving.metrics import Gauge

TURNS = Gauge("chat_turns", "Turns of conversations.", ("state",))
COOKIE = "client"
COOKIE_SECONDS = 365 * 24 * 3600


class Shares:
    """Who may take a turn; a client is any text."""

    def __init__(self, *, at_once: int = 64, each: int = 2, max_waiting: int = 64) -> None:
        """Allow `at_once` turns in all and `each` of a client, of which `max_waiting` more may wait."""
        self._at_once, self._each, self._max_waiting = at_once, each, max_waiting
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # whoever comes next comes first

    @contextmanager
    def place(self, client: str) -> Iterator[asyncio.Future[None]]:
        """Give what is done when it is the client's turn, which lasts as long as the context.

        Raises CodedError `too_busy` for a client with too many that wait.
        """
        queue = self._waiting.setdefault(client, deque())
        if len(queue) >= self._max_waiting:
            raise CodedError("too_busy", waiting=len(queue))
        place = asyncio.get_running_loop().create_future()
        queue.append(place)
        self._serve()
        try:
            yield place
        finally:
            if place in self._waiting.get(client, ()):
                self._waiting[client].remove(place)
            else:
                self._running[client] -= 1
            self._serve()

    def counts(self) -> dict[tuple[str, ...], float]:
        """Return how many turns run and how many wait."""
        waiting = sum(map(len, self._waiting.values()))
        return {("running",): self._running.total(), ("waiting",): waiting}

    def release(self) -> None:
        """Let everybody in: the service stops, and their turns end at once."""
        self._at_once = self._each = sys.maxsize
        self._serve()

    def _serve(self) -> None:
        self._running += Counter()  # forgets who has none
        self._waiting = {client: queue for client, queue in self._waiting.items() if queue}
        while self._running.total() < self._at_once:
            client = next((one for one in self._waiting if self._running[one] < self._each), None)
            if client is None:
                return
            queue = self._waiting.pop(client)
            place = queue.popleft()
            if queue:
                self._waiting[client] = queue  # behind the others
            self._running[client] += 1
            if not place.done():  # it may have been cancelled
                place.set_result(None)


class Clients:
    """Knows a browser by a cookie that it was given, and anybody else by the address or its network."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def name(self, request: HTTPConnection) -> str:
        """Return who asks."""
        return self._known(request) or client_of(request.scope)

    def welcome(self, request: HTTPConnection, response: Response) -> None:
        """Give a browser a cookie that has none of ours."""
        if not self._known(request):
            cookie = self._signed(secrets.token_urlsafe(12))
            path = request.scope.get("root_path", "") + "/"  # another service may stand beside this one
            # Lax: whoever comes back from an authorization server is to be known.
            response.set_cookie(COOKIE, cookie, COOKIE_SECONDS, path=path, httponly=True, samesite="lax")

    def _known(self, request: HTTPConnection) -> str:
        given = request.cookies.get(COOKIE, "")
        id = given.partition(".")[0]
        return id if hmac.compare_digest(self._signed(id).encode(), given.encode("utf-8", "replace")) else ""

    def _signed(self, id: str) -> str:
        return f"{id}.{mac(self._secret, 'client', id).hex()}"

"""How many requests a client may send in a minute, where a setting says so."""

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from time import monotonic

from starlette._utils import get_route_path  # the router's own reading: the guard's must not differ
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.access import OPEN_PATH, Refusal
from serving.addresses import client_of

MINUTE_SECONDS = 60.0
MAX_CLIENTS = 100_000  # that are remembered; each costs about 200 bytes
FREE = ("/static/",)  # a page takes thirty files at once


@dataclass
class RateLimit:
    """Middleware that lets a client's requests through at an even rate, and as many as fit a minute at once.

    The generic cell rate algorithm: of each client only the moment is kept at which all that it has sent
    would have been due.
    """

    app: ASGIApp
    _: KW_ONLY
    per_minute: int
    refuse: Callable[[Refusal], Response]
    clock: Callable[[], float] = monotonic
    _due: dict[str, float] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or say when the next one is served (429)."""
        app = self.app
        if scope["type"] == "http" and self._counts(get_route_path(scope)):
            wait = self._wait(client_of(scope))
            if wait > 0:
                params = {"limit": self.per_minute, "seconds": math.ceil(wait)}
                headers = {"Retry-After": str(params["seconds"])}
                app = self.refuse(Refusal(429, "rate_limited", params, headers))
        await app(scope, receive, send)

    @staticmethod
    def _counts(path: str) -> bool:
        return path != OPEN_PATH and not path.startswith(FREE)

    def _wait(self, client: str) -> float:
        """Return the seconds after which a request is served; 0 counts it as served."""
        now = self.clock()
        due = max(self._due.pop(client, now), now)
        wait = due + MINUTE_SECONDS / self.per_minute - now - MINUTE_SECONDS
        self._due[client] = due if wait > 0 else due + MINUTE_SECONDS / self.per_minute
        if len(self._due) > MAX_CLIENTS:  # the one that has come least recently
            del self._due[next(iter(self._due))]
        return wait

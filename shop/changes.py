"""What has changed in the shop, whichever process changed it, for all who listen."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress

from shop.errors import StoreUnavailableError
from shop.queries import Row, Statement

LOOK_SECONDS = 0.2  # between two looks at the counters, which the commits themselves keep
COUNTS = Statement("SELECT kind, n FROM changes", [], quick=True)


class Changes:
    """Looks at the counters of changes while somebody listens: once for all, however many they are."""

    def __init__(
        self,
        fetch: Callable[[Statement], Awaitable[Sequence[Row]]],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._fetch = fetch
        self._pause = pause
        self._look_seconds = look_seconds
        self._counts: dict[str, int] = {}
        self._news = asyncio.Event()
        self._listeners = 0
        self._looking: asyncio.Task[None] | None = None

    async def listen(self) -> AsyncGenerator[list[str], None]:
        """Yield every kind at once, then those that have changed; what comes quickly comes together."""
        self._listeners += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        seen: dict[str, int] = {}
        try:
            while True:
                news = self._news
                changed = [kind for kind, count in self._counts.items() if seen.get(kind) != count]
                if changed:
                    seen = self._counts
                    yield changed
                else:
                    await news.wait()
        finally:
            self._listeners -= 1

    async def _look(self) -> None:
        while self._listeners:
            with suppress(StoreUnavailableError):  # told by /healthz; what changes meanwhile is told after it
                counts = {row[0]: row[1] for row in await self._fetch(COUNTS)}
                if counts != self._counts:
                    self._counts = counts
                    self._news.set()
                    self._news = asyncio.Event()
            await self._pause(self._look_seconds)
        self._looking = None

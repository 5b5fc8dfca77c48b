"""News from process to process: who has committed in PostgreSQL says so on a connection that may LISTEN."""

import asyncio
import logging
from contextlib import suppress

import asyncpg  # type: ignore[import-untyped]  # it ships no types

CHANNEL = "shop_changes"
GAP_SECONDS = 0.1  # between two pieces of news
LOOK_SECONDS = 1.0  # between two looks meanwhile, for what was written past this program
AGAIN_SECONDS = 5.0  # until a connection that broke is opened again

log = logging.getLogger(__name__)


class News:
    """A connection to `DATABASE_LISTEN_URL`; while there is none, looks go on as often as without news.

    A purchase itself says nothing: PostgreSQL lets commits with a NOTIFY go one at a time, each with its own
    sync, a quarter of the purchases a second. So it is said after the commit, once for many.
    """

    def __init__(
        self,
        url: str,
        errors: tuple[type[Exception], ...],
        look_seconds: float = LOOK_SECONDS,
        again_seconds: float = AGAIN_SECONDS,
    ) -> None:
        self.listens = False
        self._url = url
        self._errors = errors
        self._look_seconds = look_seconds
        self._again_seconds = again_seconds
        self._done = asyncio.Event()  # something was committed here
        self._heard = asyncio.Event()  # ... here or elsewhere
        self._task = asyncio.create_task(self._run())

    def tell(self) -> None:
        """Let all know that something was committed."""
        self._done.set()
        self._heard.set()

    async def pause(self, seconds: float) -> None:
        """Return when there is news; while nothing can be heard, after `seconds`."""
        if not self.listens:
            await asyncio.sleep(seconds)
            return
        await asyncio.sleep(GAP_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._heard.wait(), self._look_seconds)
        self._heard.clear()

    async def close(self) -> None:
        """End the connection."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        is_known = False  # one line a fault
        while True:
            try:
                connection = await asyncpg.connect(self._url, statement_cache_size=0)
                is_known = False
                await self._serve(connection)
            except self._errors as error:
                if not is_known:
                    log.warning("DATABASE_LISTEN_URL 连不上或断开了，改为定时查看变更：%s", error)
                is_known = True
            await asyncio.sleep(self._again_seconds)

    async def _serve(self, connection: asyncpg.Connection) -> None:
        connection.add_termination_listener(lambda _: self._done.set())
        try:
            await connection.add_listener(CHANNEL, lambda *_: self._heard.set())
            self.listens = True
            while True:
                await self._done.wait()
                self._done.clear()
                await connection.execute(f"NOTIFY {CHANNEL}")
                await asyncio.sleep(GAP_SECONDS)
        finally:
            self.listens = False
            connection.terminate()

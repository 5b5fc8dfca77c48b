"""One back end with one raw server, in each era, for all rows of a table."""

from collections.abc import AsyncIterator

import pytest

from tests.support import world
from tests.support.raw_server import RawServer


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for a module: what its tests share lives there."""
    return "asyncio"


@pytest.fixture(scope="module", params=["handshake", "2026-07-28"])
async def started(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[world.Started]:
    server = RawServer(modern=request.param != "handshake")
    async with world.raw(tmp_path_factory.mktemp("world"), server) as web:
        yield world.Started(server, web)


@pytest.fixture
def shared(started: world.Started) -> world.Started:
    """A raw server that answers as a new one, and the back end that is connected to it."""
    started.server.answer()
    return started

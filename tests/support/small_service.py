"""A service of a few lines, run as the three are: `small_service.py PORT [drain, or a trouble]`."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from serving.server import Ending, Service, StartError, run

stopping = asyncio.Event()


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    if "no database" in sys.argv:
        raise StartError("没有数据库")
    if "a bug" in sys.argv:
        raise RuntimeError("a bug")
    yield


async def words(_: Request) -> StreamingResponse:
    """Say a word at once, and the last one when the service stops."""

    async def body() -> AsyncIterator[str]:
        yield "first "
        await stopping.wait()
        yield "last"

    return StreamingResponse(body())


if __name__ == "__main__":
    app = Starlette(routes=[Route("/", words)], lifespan=lifespan)
    port = int(sys.argv[1])
    if "shares" in sys.argv:
        logging.basicConfig(stream=sys.stdout, level=logging.INFO)
    drain_seconds = 1 if "drain" in sys.argv else 0
    run(
        Service(
            app,
            host="127.0.0.1",
            port=port,
            greeting="已启动",
            shared="shares nothing" if "shares" in sys.argv else "",
            ending=Ending(drain_seconds, end_watching=stopping.set),
        )
    )

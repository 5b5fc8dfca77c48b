"""How the contenders are served: on the port of the command line, the tutorial's with uvicorn as it comes."""

import os
import sys
from typing import Any

import uvicorn


def argument(number: int) -> str:
    """Return an argument of the command line: 1 is the port, 2 the address of what stands behind."""
    return sys.argv[number]


def serve(app: Any, *, plain: bool) -> None:
    """Serve on the port that the command line names.

    `plain` is the tutorial's `uvicorn.run(app, host=…, port=…)`: without the extra packages, as `pip install
    uvicorn` brings it, and with a line in the log for every request, unless the environment says otherwise.
    """
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(argument(1)),
        log_level="info" if plain else "warning",
        access_log=plain and os.environ.get("ACCESS_LOG") != "off",
        loop="asyncio" if plain else "auto",
        http="h11" if plain else "auto",
    )

"""The event loop's clock, which a test puts forward: what is to last a minute by it lasts none."""

import asyncio


def put_forward(seconds: float) -> None:
    """Let so much time pass for all timers of this loop, those of what it serves among them.

    It stays so: a clock that went back would make what comes after wait.
    """
    loop = asyncio.get_running_loop()
    time = loop.time
    loop.time = lambda: time() + seconds  # type: ignore[method-assign]  # a loop has no other way to it

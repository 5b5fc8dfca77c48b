"""Makes as many calls as a line of the standard input says, and answers with a line of what they took."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable


async def pace(call: Callable[[], Awaitable[str]]) -> None:
    """Call until the input ends. Times in seconds; `cpu` is all that this process has spent."""
    assert "智能手表" in await call()
    print("{}", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        each = []
        cpu = time.process_time()
        began = time.perf_counter()
        for _ in range(int(line)):
            start = time.perf_counter()
            await call()
            each.append(time.perf_counter() - start)
        elapsed = time.perf_counter() - began
        print(
            json.dumps({"each": each, "elapsed": elapsed, "cpu": time.process_time() - cpu}),
            flush=True,
        )

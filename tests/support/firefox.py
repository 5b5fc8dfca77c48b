"""A real Firefox, as the system installs it, driven by Playwright over WebDriver BiDi.

Run as a program, this module is that Firefox with one command more: Playwright sets the colour scheme of each
context, which releases before `emulation.setMediaFeaturesOverride` refuse, and then gives up.
"""

import asyncio
import json
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from tests.support.processes import ROOT

LISTENS = "WebDriver BiDi listening on "
NOT_KNOWN = "emulation.setMediaFeaturesOverride"


@contextmanager
def firefox(path: str) -> Iterator[Browser]:
    """Start it without a window."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        program = Path(folder) / "firefox"
        command = shlex.join([sys.executable, "-m", "tests.support.firefox", path])
        program.write_text(f'#!/bin/sh\ncd {shlex.quote(str(ROOT))}\nexec {command} "$@"\n')
        program.chmod(0o700)
        browser = playwright.firefox.launch(executable_path=program, channel="moz-firefox")
        try:
            yield browser
        finally:
            browser.close()


async def _to_browser(client: ServerConnection, browser: ClientConnection) -> None:
    async for text in client:
        command = json.loads(text)
        if command["method"] == NOT_KNOWN:
            await client.send(json.dumps({"type": "success", "id": command["id"], "result": {}}))
        else:
            await browser.send(text)


async def _serve(program: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(program, *arguments, stderr=asyncio.subprocess.PIPE)
    assert process.stderr
    while LISTENS not in (line := (await process.stderr.readline()).decode()):
        assert line, "Firefox has ended"
    address = line.split(LISTENS)[1].strip()

    async def session(client: ServerConnection) -> None:
        assert client.request
        async with connect(address + client.request.path, max_size=None) as browser:
            there = asyncio.create_task(_to_browser(client, browser))
            async for text in browser:
                await client.send(text)
            there.cancel()

    async with serve(session, "127.0.0.1", 0, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(f"{LISTENS}ws://127.0.0.1:{port}", file=sys.stderr, flush=True)
        async for _ in process.stderr:
            pass
    await process.wait()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))

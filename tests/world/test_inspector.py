"""MCP Inspector at the real main.py: its page and its command line, by token and by signing in."""

import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from playwright.sync_api import expect

from tests.mcp_server.stand_ins import NAMES, TWO_BUDS
from tests.support.asgi import serve
from tests.support.jwt_issuer import JwtIssuer
from tests.support.page_browser import chromium
from tests.support.processes import Spawn, free_port
from tests.support.sign_in_service import Late
from tests.support.suite import Suite
from tests.world.clients.installed import node, npm_package

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]
TOKEN = "a-token-of-the-service"
WAYS = {"token": ["--header", f"Authorization: Bearer {TOKEN}"], "sign-in": []}
each_way = pytest.mark.parametrize("way", WAYS)


@asynccontextmanager
async def authority(issuer: JwtIssuer) -> AsyncIterator[str]:
    late = Late()
    async with serve(late, lifespan="off") as address:
        late.app = issuer.app(address)
        yield address


@dataclass
class Inspector:
    """Inspector in a home of its own, and the shop that it looks at."""

    suite: Suite
    url: str
    command: list[str]
    env: dict[str, str]
    port: int


@pytest.fixture
def inspector(tmp_path: Path) -> Iterator[Inspector]:
    port, suite = free_port(), Suite(tmp_path)
    url = f"http://127.0.0.1:{suite.mcp}/mcp"
    launcher = npm_package("@modelcontextprotocol/inspector") / "clients" / "launcher" / "build" / "index.js"
    own = {
        **dict.fromkeys(("HOME", "MCP_STORAGE_DIR"), str(tmp_path)),
        "MCP_AUTO_OPEN_ENABLED": "false",
        "MCP_INSPECTOR_SECRET_STORE": "file",
        "DANGEROUSLY_OMIT_AUTH": "true",
        "CLIENT_PORT": str(port),
        "MCP_SANDBOX_PORT": str(free_port()),
        "MCP_OAUTH_CALLBACK_URL": f"http://127.0.0.1:{free_port()}/oauth/callback",
    }
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(authority(JwtIssuer())) as issuer,
    ):
        signing = {"MCP_TOKEN": TOKEN, "MCP_AUTH_ISSUER": issuer, "MCP_PUBLIC_URL": url}
        with suite:
            suite.start("api", "main", MCP_ALLOWED_ORIGINS=f"http://localhost:{port}", **signing)
            yield Inspector(suite, url, [str(node()), str(launcher)], own, port)


def by_command(inspector: Inspector, *args: str) -> dict[str, Any]:
    """Run the command line; where it asks to be signed in, do as a browser does."""
    no_browser = {"MCP_AUTO_OPEN_ENABLED": "true", "BROWSER": "true"}
    is_signed_in = False
    with Spawn(inspector.suite.folder) as spawn:
        patient = ("--connect-timeout", "100000")  # ms
        command = [*inspector.command, "--cli", inspector.url, *args, *patient]
        ran = spawn.program(*command, env=inspector.env | no_browser)
        while ran.process.poll() is None:
            if not is_signed_in and (
                at := re.search(r"http://\S+/authorize\?\S+(?=\s)", ran.log.read_text())
            ):
                httpx.get(at[0], follow_redirects=True, timeout=60).raise_for_status()
                is_signed_in = True
            time.sleep(0.05)
    said = ran.log.read_text()
    begun = re.search(r"^\{", said, re.MULTILINE)
    assert ran.process.returncode == 0, said
    assert begun, said
    answer: dict[str, Any] = json.JSONDecoder().raw_decode(said, begun.start())[0]
    return answer


@each_way
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_its_command_line_lists_and_buys(inspector: Inspector, way: str, era: str) -> None:
    given = ("--protocol-era", era, *WAYS[way], "--method")
    listed = by_command(inspector, *given, "tools/list")
    assert [tool["name"] for tool in listed["tools"]] == NAMES
    call = ("tools/call", "--tool-name", "create_purchase", "--tool-args-json", json.dumps(TWO_BUDS))
    assert by_command(inspector, *given, *call)["structuredContent"]["totalAmount"] == 1798
    assert len(inspector.suite.orders()) == 1


@contextmanager
def opened(inspector: Inspector, args: list[str]) -> Iterator[Any]:
    command = [*inspector.command, "--web", "--transport", "http", "--server-url", inspector.url, *args]
    at = f"http://localhost:{inspector.port}/"
    with Spawn(inspector.suite.folder) as spawn, chromium() as browser:
        spawn.program(*command, env=inspector.env).wait_until_up(at)
        page = browser.new_page(locale="en", viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(60_000)
        page.goto(at)
        yield page


@each_way
def test_its_page_lists_and_buys(inspector: Inspector, way: str) -> None:
    with opened(inspector, WAYS[way]) as page:
        page.get_by_role("switch").first.click(force=True)  # connect, and sign in where there is no token
        expect(page.get_by_text("Connected", exact=True)).to_be_visible(timeout=60_000)
        page.get_by_text("Tools", exact=True).first.click()
        expect(page.get_by_text("Tools (4)")).to_be_visible()
        page.get_by_text("create_purchase", exact=True).click()
        page.get_by_role("switch").last.click(force=True)  # edit as JSON
        page.locator(".ace_editor, .cm-editor").first.click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(json.dumps(TWO_BUDS))
        page.get_by_role("button", name="Execute Tool").click()
        page.get_by_role("dialog").get_by_role("button", name="Submit").click()
        expect(page.get_by_text("1798").first).to_be_visible()
    assert len(inspector.suite.orders()) == 1

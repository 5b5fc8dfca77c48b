"""A command of `mcp.json` starts only after somebody on this machine has allowed it."""

import asyncio
import dataclasses
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import api
import main
import web
from assistant.demo.model import DemoModel
from assistant.page import terminal
from assistant.page.doctor import examine, report
from assistant.toolbox import Toolbox, Trust
from assistant.toolbox.entries import OWN_SECRETS, server_of
from assistant.toolbox.server import Server
from serving.errors import CodedError
from tests.support.asgi import serve
from tests.support.mcp_servers import STDIO, becomes, code_of

pytestmark = pytest.mark.anyio


def marking(tmp_path: Path) -> tuple[Server, Path]:
    """A command that leaves a file behind when it is started."""
    mark = tmp_path / "started"
    return Server("s", "stdio", command=sys.executable, args=("-c", f"open({str(mark)!r}, 'w')")), mark


async def test_a_command_that_nobody_has_allowed_is_not_started(tmp_path: Path) -> None:
    server, mark = marking(tmp_path)
    async with Toolbox([server], trust=Trust(tmp_path / "state")) as box:
        await box.settled()
        assert (box.link("s").status, code_of(box, "s")) == ("untrusted", "command_untrusted")
        result = await box.call("s", "any", {})
        assert (result.unreachable, result.params["reason"]["code"]) == (True, "command_untrusted")
        box.link("s").reconnect()
        await box.update([server, dataclasses.replace(server, name="t")])
        assert not mark.exists()


async def test_an_allowed_command_starts_now_and_at_later_starts(tmp_path: Path) -> None:
    async with Toolbox([STDIO], trust=Trust(tmp_path / "state")) as box:
        box.link("s").allow(STDIO.fingerprint)
        await becomes(box, "s", "ready")
    async with Toolbox([STDIO], trust=Trust(tmp_path / "state")) as box:
        await becomes(box, "s", "ready")
    assert (tmp_path / "state" / STDIO.fingerprint).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "change", [{"command": "other"}, {"args": ("x",)}, {"env": {"A": "1"}}, {"env": {"A": "2"}}, {"cwd": "/"}]
)
async def test_a_command_that_changed_in_anything_waits_again(tmp_path: Path, change: Any) -> None:
    server, mark = marking(tmp_path)
    trust = Trust(tmp_path / "state")
    trust.allow(dataclasses.replace(server, env={"A": "1"} if change == {"env": {"A": "2"}} else {}))
    changed = dataclasses.replace(server, **change)
    async with Toolbox([changed], trust=trust) as box:
        assert await box.link("s").settled() == "untrusted"
        with pytest.raises(CodedError, match="command_changed"):
            box.link("s").allow(server.fingerprint)
        assert not mark.exists()


async def test_the_same_words_in_another_folder_are_another_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = STDIO.fingerprint
    monkeypatch.chdir(tmp_path)
    assert STDIO.fingerprint != here


async def test_a_line_at_the_terminal_allows_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    async with Toolbox([STDIO]) as box:
        for line in ("trust nobody\n", "distrust s\n", "s\n"):
            terminal.obey(box, line)
        assert await box.link("s").settled() == "untrusted"
        terminal.obey(box, f"trust s {STDIO.mark}\n")
        await becomes(box, "s", "ready")
    assert "nobody" in capsys.readouterr().out


async def test_a_line_at_the_terminal_allows_what_was_shown_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server, mark = marking(tmp_path)
    async with Toolbox([server]) as box:
        await box.update([dataclasses.replace(server, args=("-c", "other"))])
        terminal.obey(box, f"trust s {server.mark}\n")  # as it was shown before
        terminal.obey(box, "trust s\n")
        assert await box.link("s").settled() == "untrusted"
        assert "-c other（工作目录 " in capsys.readouterr().out
    assert not mark.exists()


def test_the_services_own_secrets_are_sent_to_no_address() -> None:
    secrets = {
        name.upper()
        for door in (api, main, web)
        for name, field in door.Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    assert secrets | {"DATABASE_URL", "DATABASE_LISTEN_URL"} == OWN_SECRETS | {"MCP_TOKEN"}
    environment = dict.fromkeys([*OWN_SECRETS, "openai_api_key", "MCP_TOKEN"], "secret")
    for variable in (*environment,):
        entry = {"url": "https://x/", "headers": {"X-A": f"a ${{env:{variable}:-b}}"}}
        refused = server_of("a", entry, environment).error
        assert (refused is None) == (variable == "MCP_TOKEN")
        both = server_of("a", {"command": " ", **entry}, environment)
        assert both.error is not None or not both.url or variable == "MCP_TOKEN"
        command = {"command": "x", "env": {"A": f"${{{variable}}}"}}
        assert server_of("a", command, environment).env["A"] == "secret"  # it waits for a click of its own


VARIABLES = {"GITHUB_TOKEN": "t", "OTHER": "o", "EMPTY": ""}
AWAY = "https://away.invalid/mcp"


@pytest.mark.parametrize(
    ("entry", "asks"),
    [
        ({"url": f"{AWAY}?k=${{GITHUB_TOKEN}}"}, ["GITHUB_TOKEN"]),
        ({"url": "https://${OTHER}.away.invalid/"}, ["OTHER"]),
        ({"httpUrl": AWAY, "Headers": {"X-A": "a ${env:GITHUB_TOKEN:-b}"}}, ["GITHUB_TOKEN"]),
        ({"url": AWAY, "oauth": {"clientId": "a", "clientSecret": "${OTHER}"}}, ["OTHER"]),
        ({"url": AWAY, "headers": {"X-A": "${UNSET:-b}${EMPTY:-c}"}}, []),
        ({"url": AWAY, "x-note": "${GITHUB_TOKEN}"}, []),
        ({"url": AWAY}, []),
        ({"url": "http://localhost:1/mcp", "headers": {"X-A": "${GITHUB_TOKEN}"}}, []),
        ({"url": "http://localhost:1/mcp", "auth": {"clientId": "a", "clientSecret": "${OTHER}"}}, ["OTHER"]),
    ],
)
async def test_a_variable_is_sent_to_another_machine_only_with_consent(entry: Any, asks: list[str]) -> None:
    server = server_of("s", entry, VARIABLES)
    trust = Trust()
    assert (server.error, trust.covers(server)) == (None, not asks)
    assert Trust(everything=True).covers(server)
    trust.allow(server)
    assert trust.covers(server_of("s", entry, VARIABLES))
    if not asks:
        return
    assert not trust.covers(dataclasses.replace(server, url="https://other.invalid/"))
    assert not trust.covers(dataclasses.replace(server, variables=(*asks, "MORE")))
    async with Toolbox([server]) as box:
        assert await box.link("s").settled() == "untrusted"
        said = box.link("s").error
    assert said is not None
    assert (said.code, said.params["names"]) == ("variables_untrusted", asks)
    assert said.params["host"].startswith(("https://", "http://localhost:1"))


async def test_nothing_is_sent_to_another_machine_before_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = asyncio.Queue[str | None]()

    async def away(request: Request) -> JSONResponse:
        heard.put_nowait(request.headers.get("x-a"))
        return JSONResponse({}, 500)

    app = Starlette(routes=[Route("/{path:path}", away, methods=["GET", "POST"])])
    entry = {"url": "http://away.invalid/mcp", "allowInsecure": True, "headers": {"X-A": "${GITHUB_TOKEN}"}}
    server = server_of("s", entry, VARIABLES)
    async with serve(app) as proxy, Toolbox([server]) as box:
        monkeypatch.setenv("http_proxy", proxy)
        link = box.link("s")
        await box.settled()
        link.reconnect()
        await box.call("s", "any", {})
        said = io.StringIO()
        report(await examine(box, DemoModel()), said)
        assert heard.empty()
        assert "把这台机器的变量 GITHUB_TOKEN 发给 http://away.invalid 要先获准" in said.getvalue()
        link.allow(server.fingerprint)
        assert await heard.get() == "t"

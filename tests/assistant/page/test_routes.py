"""What the page watches, and the routes beyond the chat."""

import asyncio
import base64
import gzip
import hashlib
import json
import os
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from assistant.page import state
from assistant.page.page_files import PUBLIC, PageFiles
from assistant.page.state import Overview
from assistant.toolbox import Toolbox
from assistant.toolbox.limits import Limits
from assistant.toolbox.server import Server
from tests.mcp_server.stand_ins import TODAY, RestService, app_for
from tests.support import world
from tests.support.asgi import serve
from tests.support.chat_service import client, shop_server
from tests.support.processes import Spawn, free_port, replace_text
from tests.support.raw_server import RawServer
from tests.support.scripted import ScriptedModel, models_of

pytestmark = pytest.mark.anyio

IMPORTED = re.compile(r'^import .*"\./([\w-]+\.js)"', re.MULTILINE)
STYLES = re.compile(r'stylesheet" href="static/([\w.-]+)"')
BLOCKING = re.compile(r'<script src="static/([\w.-]+)"')
PRELOADED = re.compile(r'modulepreload" href="static/([\w.-]+)"')


async def test_status_names_model_and_servers(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        status = (await http.get("/api/status")).json()
    assert status["model"] == {"name": "scripted", "demo": False}
    server = status["servers"][0]
    assert (server["name"], server["status"], server["tools"]) == ("shop", "ready", 3)
    assert server["protocolVersion"] == "2026-07-28"


def source_of(inline: str) -> str:
    """What a policy calls a script or style that stands in its document."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"


async def test_script_and_style_stay_small_compressed_as_sent(tmp_path: Path) -> None:
    at_once = {"app.js", "first-paint.js"}
    while (
        more := {name for one in at_once for name in IMPORTED.findall((PUBLIC / one).read_text())} - at_once
    ):
        at_once |= more
    async with client(tmp_path) as http:
        weights = {
            file.name: len(gzip.compress((await http.get(f"/static/{file.name}")).content))
            for file in PUBLIC.iterdir()
            if file.suffix in (".js", ".css")
        }
    at_first = {*at_once, *STYLES.findall((PUBLIC / "index.html").read_text())}
    later = weights.keys() - at_first
    assert 20_000 < sum(weights[name] for name in weights.keys() - later) < 45_000
    assert {name: weights[name] for name in later if weights[name] > 5_000} == {}
    preloaded = set(PRELOADED.findall((PUBLIC / "index.html").read_text()))
    assert preloaded == at_once - {"app.js", "first-paint.js"}


async def test_nothing_is_asked_for_before_the_page_can_be_painted(tmp_path: Path) -> None:
    """Its style sheets and its script stand in it, and the policy lets in no others."""
    written = (PUBLIC / "index.html").read_text()
    async with client(tmp_path) as http:
        answer = await http.get("/")
        files = [
            [(await http.get(f"/static/{name}")).text for name in found.findall(written)]
            for found in (BLOCKING, STYLES)
        ]
        again = await http.get("/", headers={"If-None-Match": answer.headers["etag"]})
    page = answer.text
    assert not [*BLOCKING.findall(page), *STYLES.findall(page)]
    inline = [re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL) for tag in ("script", "style")]
    assert inline == files
    assert [len(each) for each in inline] == [1, 3]
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    allowed = [" ".join(["'self'", *map(source_of, each)]) for each in inline]
    assert [policy["script-src"], policy["style-src"]] == allowed
    assert again.status_code == 304


async def test_text_is_packed_for_who_reads_gzip(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        answers = [
            await http.get("/static/app.js", headers={"Accept-Encoding": asked})
            for asked in ("gzip, br", "br", "gzip;q=0, br", "identity;q=1, gzip; q=0.5")
        ]
        again = await http.get("/static/app.js", headers={"If-None-Match": answers[0].headers["etag"]})
    assert [answer.headers.get("content-encoding") for answer in answers] == ["gzip", None, None, "gzip"]
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["etag"] for answer in answers}) == 2
    assert {answer.headers["vary"] for answer in answers} == {"Accept-Encoding"}
    assert again.status_code == 304


async def test_of_comments_and_indentation_only_the_lines_are_sent(tmp_path: Path) -> None:
    files = [file for file in PUBLIC.iterdir() if file.suffix == ".js"]
    texts = [line for file in files for line in file.read_text().split("\n")]
    assert all(line.count("`") % 2 == 0 for line in texts), "no text of several lines, whose blanks count"
    async with client(tmp_path) as http:
        for file in files:
            written = file.read_text().split("\n")
            sent = (await http.get(f"/static/{file.name}")).text.split("\n")
            both = list(zip(written, sent, strict=True))
            assert all(line.strip().startswith(kept) for line, kept in both)
            rests = [line.strip().removeprefix(kept).strip() for line, kept in both]
            left_out = [rest for rest in rests if rest]
            assert all(line.startswith(("//", "/**", "* ", "*/")) for line in left_out)
            assert left_out


async def test_a_file_is_known_by_its_content_whenever_it_was_written(tmp_path: Path) -> None:
    tags = []
    for content, moment in (("one", 1), ("one", 2), ("two", 2)):
        (tmp_path / "a.js").write_text(content)
        os.utime(tmp_path / "a.js", (moment, moment))
        transport = httpx.ASGITransport(PageFiles(directory=tmp_path))
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as http:
            tags.append((await http.get("/a.js")).headers["etag"])
    assert tags[0] == tags[1] != tags[2]


async def test_prompts_are_listed_and_filled_in(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        listed = (await http.get("/api/tools")).json()["prompts"]
        wish, greet = [prompt.pop("input_schema") for prompt in listed]
        assert (wish["required"], greet["required"]) == (["whom"], [])
        assert greet["properties"] == {"name": {"type": "string", "description": ""}}
        assert listed == [
            {"server": "shop", "name": "wish", "title": "wish", "description": ""},
            {"server": "shop", "name": "greet", "title": "Greet", "description": "greets"},
        ]
        wanted = {"server": "shop", "name": "greet", "args": {"name": "me"}}
        assert (await http.post("/api/get-prompt", json=wanted)).json() == {
            "text": "greet me",
            "wording": None,
        }
        for wrong, status in (({"server": "x"}, 404), ({"name": "x"}, 502)):
            assert (await http.post("/api/get-prompt", json=wanted | wrong)).status_code == status


async def test_a_server_that_is_down_is_told_with_a_code(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/mcp"
    async with (
        asyncio.timeout(60),
        Toolbox([Server("dead", url=url)]) as toolbox,
        aclosing(Overview(models_of(ScriptedModel()), toolbox).changes()) as states,
    ):
        while (server := (await anext(states))[1]["servers"][0])["status"] != "down":
            pass
    assert (server["code"], server["params"]) == ("connect_refused", {"address": url})
    assert url in server["error"]


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc"])
async def test_no_address_of_a_page_begins_at_the_root_so_that_a_path_may_stand_in_front(
    tmp_path: Path, path: str
) -> None:
    async with client(tmp_path) as http:
        html = (await http.get(path)).text
    assert "static/icon.svg" in html
    assert not re.search(r"""(href|src|url)\s*[=:]\s*["']/""", html)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_documents_may_load_their_package_and_nothing_else(tmp_path: Path, path: str) -> None:
    async with client(tmp_path) as http:
        page = await http.get(path)
        document = (await http.get("/openapi.json")).json()
    assert document["paths"].keys() >= {"/api/chat", "/api/call-tool"}
    assert document["components"]["schemas"].keys() >= {"ChatRequest", "Problem", "FieldError"}
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    (package,) = [source for source in policy["script-src"].split() if source.startswith("https://")]
    assert all(url.startswith(package) for url in re.findall('https://[^"]+', page.text))
    for script in re.findall("<script>(.*?)</script>", page.text, re.DOTALL):
        assert source_of(script) in policy["script-src"]
    assert (policy["default-src"], policy["connect-src"]) == ("'none'", "'self'")


async def test_a_connection_can_be_made_anew(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        assert (await http.post("/api/servers/shop/reconnect")).status_code == 204
        assert (await http.post("/api/servers/x/reconnect")).status_code == 404


@pytest.mark.parametrize("name", ["s", "github.com/org/server", "a b?c#d%2F"])
async def test_a_command_is_allowed_as_it_was_shown_and_not_otherwise(tmp_path: Path, name: str) -> None:
    route = f"/api/servers/{quote(name, safe='')}/trust"
    async with client(tmp_path) as http:
        (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {name: {"command": "nonesuch"}}}))
        while (server := (await http.get("/api/status")).json()["servers"][0])["status"] != "untrusted":
            pass
        assert server["code"] == "command_untrusted"
        assert server["params"]["command"] == "nonesuch"
        other = await http.post(route, json={"fingerprint": "0"})
        assert (other.status_code, other.json()["code"]) == (409, "command_changed")
        shown = {"fingerprint": server["fingerprint"]}
        elsewhere = await http.post(route, json=shown, headers={"Sec-Fetch-Site": "cross-site"})
        assert (elsewhere.status_code, elsewhere.json()["code"]) == (403, "origin_not_allowed")
        assert (await http.post("/api/servers/x/trust", json=shown)).status_code == 404
        assert (await http.post(route, json=shown)).status_code == 204
        while (server := (await http.get("/api/status")).json()["servers"][0])["status"] != "down":
            pass
        assert server["code"] == "command_failed"


async def test_half_characters_in_mcp_json_leave_the_state_readable(tmp_path: Path) -> None:
    entry = {"command": "x\ud800", "args": ["\udfff"], "cwd": "\ud800", "env": {"\ud800": "1"}}
    servers = {"\ud800": entry, "b": {"url": "http://127.0.0.1:9/\ud800"}, "c": {"type": "\ud800"}}
    async with client(tmp_path) as http:
        (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
        while len((status := await http.get("/api/status")).json()["servers"]) != len(servers):
            pass
    assert status.json()["servers"][0]["name"] == "?"


async def watched(http: httpx.AsyncClient) -> AsyncGenerator[dict[str, Any]]:
    """What a page hears that follows the state."""
    async with http.stream("GET", "/api/watch") as response:
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


async def test_a_page_that_watches_is_told_of_every_change(tmp_path: Path) -> None:
    async with client(tmp_path) as http, aclosing(watched(http)) as states:
        first = await anext(states)
        assert [server["status"] for server in first["servers"]] == ["ready"]
        assert [tool["name"] for tool in first["tools"]] == ["look", "buy", "pay"]
        config = json.loads((tmp_path / "mcp.json").read_text())
        config["mcpServers"]["wrong"] = {}
        replace_text(tmp_path / "mcp.json", json.dumps(config))
        changed = await anext(states)
        assert [server["status"] for server in changed["servers"]] == ["ready", "disabled"]
        assert changed["servers"][1]["params"] == {"place": "mcpServers.wrong", "line": 1}
        mended = (tmp_path / "mcp.json").read_text()
        replace_text(tmp_path / "mcp.json", '{"mcpServers": {"shop" {"url": "SECRET"}}}')
        broken = await anext(states)
        assert "第 1 行第 23 列：这里少一个冒号" in broken["config"]["text"]
        assert broken["config"]["params"]["excerpt"] == '{"mcpServers": {"***" {"url": "***"}}}'
        assert broken["tools"] == changed["tools"]
        replace_text(tmp_path / "mcp.json", mended)
        assert (await anext(states))["config"] is None


async def test_a_server_of_this_machine_that_comes_up_while_a_page_watches_is_found_at_once() -> None:
    hours = Limits(
        first_local_delay_seconds=1000, max_local_delay_seconds=1000
    )  # by itself it would not be back
    port = free_port()
    here = Server("shop", url=f"http://127.0.0.1:{port}/mcp")
    async with (
        asyncio.timeout(60),
        Toolbox([here], hours) as toolbox,
        aclosing(Overview(models_of(ScriptedModel()), toolbox).changes()) as states,
    ):
        while (await anext(states))[1]["servers"][0]["status"] != "down":
            pass
        async with serve(shop_server().streamable_http_app(), port):
            while (await anext(states))[1]["servers"][0]["status"] != "ready":
                pass


async def test_a_server_that_restarts_keeps_the_zone_of_its_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "SHOP_SECONDS", 0.01)
    stays, port = RestService(), free_port()
    here = f"http://127.0.0.1:{port}/mcp"
    async with (
        asyncio.timeout(60),
        serve(app_for(stays)) as url,
        Toolbox([Server("restarts", url=here), Server("stays", url=f"{url}/mcp")]) as toolbox,
        aclosing(Overview(models_of(ScriptedModel()), toolbox).changes()) as states,
    ):

        async def until(true: Callable[[Any, Any], bool]) -> Any:
            while not true(*(servers := (await anext(states))[1]["servers"])):
                pass
            return servers[0]

        async with serve(app_for(RestService()), port):
            await until(lambda one, other: one["timezone"] == other["timezone"] == TODAY["timezone"])
        await until(lambda one, _: one["status"] != "ready")
        stays.answers["/api/today"] = lambda _: httpx.Response(500)  # by which the next look is known
        one = await until(lambda _, other: other["shopAway"])
    assert one["timezone"] == TODAY["timezone"]


def test_a_page_that_watches_does_not_hold_up_the_end(tmp_path: Path, spawn: Spawn) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {}}')
    port = free_port()
    service = spawn("web.py", "--port", str(port))
    service.wait_until_up(f"http://127.0.0.1:{port}/healthz")
    with httpx.stream("GET", f"http://127.0.0.1:{port}/api/watch", timeout=60) as response:
        lines = response.iter_lines()
        assert next(lines) == "event: state"
        service.process.terminate()
        assert not [line for line in lines if line.startswith("event")]
    service.stop()
    assert "ERROR" not in service.log.read_text()


async def test_a_servers_number_that_json_does_not_know_is_null_in_events_too(tmp_path: Path) -> None:
    odd = b'{"name": "t", "inputSchema": {"type": "object", "maximum": 1e999, "minimum": -1e999}}'
    body = b'{"jsonrpc": "2.0", "id": "ID", "result": {"tools": [' + odd + b"]}}"
    async with (
        world.raw(tmp_path, RawServer({"tools/list": body})) as web,
        web.http.stream("GET", "/api/watch") as watched,
    ):
        data = await anext(line async for line in watched.aiter_lines() if line.startswith("data: "))
    [tool] = json.loads(data.removeprefix("data: "), parse_constant=pytest.fail)["tools"]
    assert tool["input_schema"]["maximum"] is None

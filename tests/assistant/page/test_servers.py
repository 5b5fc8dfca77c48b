"""Servers added, tried, edited, switched and removed in the page, over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.asgi import serve
from tests.support.chat_service import client, settings, shop_server
from tests.support.scripted import ScriptedModel
from web import create_app

pytestmark = pytest.mark.anyio
OWN = {"Sec-Fetch-Site": "same-origin"}


@asynccontextmanager
async def two_shops(folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A back end with one server, and the address of another."""
    async with serve(shop_server().streamable_http_app()) as url, client(folder) as http:
        yield http, f"{url}/mcp"


async def state_of(http: httpx.AsyncClient, name: str, *statuses: str) -> dict[str, Any]:
    """A server's state as soon as it is one of these."""
    async with asyncio.timeout(60):
        while True:
            servers = {each["name"]: each for each in (await http.get("/api/status")).json()["servers"]}
            if name in servers and servers[name]["status"] in statuses:
                found: dict[str, Any] = servers[name]
                return found
            await asyncio.sleep(0.02)


async def test_a_pasted_address_is_looked_at_tried_and_added_and_its_tools_are_there(tmp_path: Path) -> None:
    async with two_shops(tmp_path) as (http, url):
        [found] = (await http.post("/api/servers/preview", json={"text": url})).json()["servers"]
        assert (found["transport"], found["url"], found["exists"]) == ("streamable-http", url, False)
        [tried] = (await http.post("/api/servers/test", json={"text": url})).json()["servers"]
        assert (tried["status"], tried["tools"]) == ("ready", 3)
        assert [each["name"] for each in (await http.get("/api/status")).json()["servers"]] == ["shop"]
        added = await http.post("/api/servers", json={"text": url, "names": {found["name"]: " 手表/二 "}})
        assert (added.status_code, added.json()) == (201, {"names": ["手表/二"]})
        await state_of(http, "手表/二", "ready")
        call = {"server": "手表/二", "name": "look"}
        assert (await http.post("/api/call-tool", json=call)).json()["result"] == "[1]"
    assert json.loads((tmp_path / "mcp.json").read_text())["mcpServers"]["手表/二"] == {"url": url}


async def test_a_command_that_the_page_added_waits_for_its_click(tmp_path: Path) -> None:
    line = f"touch {tmp_path / 'started'}"
    async with client(tmp_path) as http:
        [found] = (await http.post("/api/servers/preview", json={"text": line})).json()["servers"]
        [tried] = (await http.post("/api/servers/test", json={"text": line})).json()["servers"]
        assert [found["status"], tried["status"]] == ["untrusted", "untrusted"]
        await http.post("/api/servers", json={"text": line})
        state = await state_of(http, "touch", "untrusted")
        assert not (tmp_path / "started").exists()
        allowed = await http.post(
            "/api/servers/touch/trust", json={"fingerprint": state["fingerprint"]}, headers=OWN
        )
        assert allowed.status_code == 204
        await state_of(http, "touch", "down")
        assert (tmp_path / "started").exists()


async def test_an_entry_is_edited_and_the_server_follows(tmp_path: Path) -> None:
    async with two_shops(tmp_path) as (http, url):
        path = "/api/servers/shop/entry"
        entry = (await http.get(path)).json()
        text = json.dumps({"url": url, "headers": {"X-Key": "a-secret-key"}})
        wrong = await http.put(
            path, json={"version": entry["version"], "name": "shop", "text": '{\n"url" 1}'}
        )
        assert (wrong.status_code, wrong.json()["params"]["line"]) == (422, 2)
        [tried] = [(await http.post("/api/servers/shop/test", json={"text": text})).json()]
        assert tried["status"] == "ready"
        edited = {"version": entry["version"], "name": "second", "text": text}
        assert (await http.put(path, json=edited)).status_code == 204
        assert (await state_of(http, "second", "ready"))["url"] == url
        shown = await http.get("/api/servers/second/entry")
        assert "a-secret-key" not in shown.text
        stale = await http.put("/api/servers/second/entry", json=edited | {"name": "second"})
        assert (stale.status_code, stale.json()["code"]) == (409, "entry_changed")
        assert (await http.get(path)).status_code == 404


async def test_a_server_is_switched_off_on_and_removed(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        text = (tmp_path / "mcp.json").read_text()
        for is_on, status in ((False, "disabled"), (True, "ready")):
            assert (await http.post("/api/servers/shop/switch", json={"on": is_on})).status_code == 204
            await state_of(http, "shop", status)
        assert (tmp_path / "mcp.json").read_text() == text
        assert (await http.delete("/api/servers/shop/entry")).status_code == 204
        assert (await http.get("/api/status")).json()["servers"] == []
        assert (await http.delete("/api/servers/shop/entry")).json()["code"] == "entry_changed"


async def test_what_another_replica_wrote_is_there_in_a_moment(tmp_path: Path) -> None:
    async with two_shops(tmp_path) as (http, url):
        other = create_app(settings(tmp_path), ScriptedModel())
        async with serve(other) as base, httpx.AsyncClient(base_url=base, timeout=60) as second:
            await second.post("/api/servers", json={"text": json.dumps({"there": {"url": url}})})
            await http.post("/api/servers", json={"text": json.dumps({"here": {"url": url}})})
            for each in (http, second):
                for name in ("here", "there"):
                    await state_of(each, name, "ready")


@pytest.mark.parametrize(
    ("text", "names", "status", "code"),
    [
        ("", None, 422, "paste_empty"),
        ("what?", None, 422, "paste_not_understood"),
        ('{"a": {"url": "ftp://x"}}', None, 422, "url_scheme"),
        ('{"shop": {"url": "https://x/"}}', None, 409, "server_exists"),
        ('{"a": {"url": "https://x/"}}', {}, 422, "names_not_apart"),
        ('{"a": {"url": "https://x/"}, "b": {"command": "c"}}', {"a": "c", "b": "c"}, 422, "names_not_apart"),
        ('{"a": {"url": "https://x/"}}', {"z": "c"}, 422, "names_not_apart"),
        ('{"a": {"url": "https://x/"}}', {"a": ""}, 422, "server_name_odd"),
        (json.dumps({f"s{i}": {"url": "https://x/"} for i in range(1001)}), None, 409, "too_many_servers"),
    ],
)
async def test_what_cannot_be_added_says_why(
    tmp_path: Path, text: str, names: dict[str, str] | None, status: int, code: str
) -> None:
    app = create_app(settings(tmp_path), ScriptedModel())
    before = '{"mcpServers": {"shop": {"url": "http://localhost:9/mcp", "disabled": true}}}'
    (tmp_path / "mcp.json").write_text(before)
    async with serve(app) as base, httpx.AsyncClient(base_url=base, timeout=60) as http:
        answer = await http.post("/api/servers", json={"text": text, "names": names})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (tmp_path / "mcp.json").read_text() == before


async def test_what_passes_is_seen_by_whoever_looks(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        await http.post("/api/call-tool", json={"server": "shop", "name": "buy", "args": {"n": 41}})
        seen = (await http.get("/api/servers/shop/wire")).json()
        asked, answer = [each for each in seen["messages"] if each["method"] == "tools/call"]
        assert ("41" in asked["text"], "bought 41" in answer["text"]) == (True, True)
        assert (seen["status"], seen["about"]["isModern"]) == ("ready", True)
        newer = (await http.get(f"/api/servers/shop/wire?since={answer['number']}")).json()["messages"]
        assert [each for each in newer if each["number"] <= answer["number"]] == []
        assert (await http.post("/api/servers/shop/refresh")).json()["ms"] > 0
        assert (await http.post("/api/servers/shop/log-level", json={"level": "loud"})).status_code == 422
        assert (await http.post("/api/servers/shop/log-level", json={"level": "debug"})).status_code == 204
        await state_of(http, "shop", "ready")
        assert (await http.get("/api/servers/nobody/wire")).status_code == 404


ROUTES = [
    ("POST", "", {"text": "https://x/mcp"}),
    ("POST", "/preview", {"text": "https://x/mcp"}),
    ("POST", "/test", {"text": "https://x/mcp"}),
    ("POST", "/shop/test", {"text": "{}"}),
    ("POST", "/shop/switch", {"on": False}),
    ("GET", "/shop/entry", None),
    ("GET", "/shop/wire", None),
    ("POST", "/shop/refresh", None),
    ("POST", "/shop/log-level", {"level": "info"}),
    ("PUT", "/shop/entry", {"text": "{}", "version": "", "name": "x"}),
    ("DELETE", "/shop/entry", None),
]


async def test_no_other_page_edits_servers_even_one_that_may_use_the_back_end(tmp_path: Path) -> None:
    async with client(tmp_path, cors_origins="https://friend.example.com") as http:
        for method, path, body in ROUTES:
            for site in ("cross-site", "same-site"):
                headers = {"Sec-Fetch-Site": site, "Origin": "https://friend.example.com"}
                answer = await http.request(method, f"/api/servers{path}", json=body, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
        assert len((await http.get("/api/status")).json()["servers"]) == 1


async def test_variables_of_this_machine_are_named_in_entries_on_it_only(tmp_path: Path) -> None:
    remote = {"X-Forwarded-For": "203.0.113.9"}
    entry = {"url": "http://127.0.0.1:1/mcp", "headers": {"X-Key": "${PATH}"}}
    async with client(tmp_path) as http:
        for text in (entry, {"url": "http://127.0.0.1:1/\\u0024{env:PATH}"}):
            pasted = {"text": json.dumps({"a": text}).replace("\\\\u", "\\u")}
            answers = [await http.post("/api/servers", json=pasted, headers=remote)]
            tried = (await http.post("/api/servers/test", json=pasted, headers=remote)).json()["servers"]
            assert [answers[0].json()["code"], tried[0]["code"]] == ["variable_not_local"] * 2
            assert answers[0].status_code == 403
        assert (await http.post("/api/servers", json={"text": json.dumps({"a": entry})})).status_code == 201
        for change, status in (
            ({"timeout": 5}, 204),
            ({"headers": {"X-Key": "${HOME}"}}, 403),
            ({"url": "http://127.0.0.1:2/mcp"}, 403),
        ):
            version = (await http.get("/api/servers/a/entry")).json()["version"]
            edited = {"text": json.dumps(entry | change), "version": version, "name": "a"}
            answer = await http.put("/api/servers/a/entry", json=edited, headers=remote)
            assert answer.status_code == status
            if status == 403:
                tried = (await http.post("/api/servers/a/test", json=edited, headers=remote)).json()
                assert tried["code"] == "variable_not_local"


@pytest.mark.parametrize("headers", [{"X-Forwarded-For": "203.0.113.9"}, {"Via": "1.1 proxy"}, {}])
async def test_commands_are_added_on_this_machine_only(tmp_path: Path, headers: dict[str, str]) -> None:
    async with client(tmp_path, root_path="" if headers else "/shop") as http:
        entry = {"command": "touch", "args": ["x"]}
        [found] = (await http.post("/api/servers/preview", json={"text": "touch x"}, headers=headers)).json()[
            "servers"
        ]
        assert found["code"] == "command_not_local"
        version = (await http.get("/api/servers/shop/entry")).json()["version"]
        edited = {"text": json.dumps(entry), "version": version, "name": "shop"}
        off = {"c": entry | {"disabled": True}}
        for answer in (
            await http.post("/api/servers", json={"text": "touch x"}, headers=headers),
            await http.post("/api/servers", json={"text": json.dumps(off)}, headers=headers),
            await http.put("/api/servers/shop/entry", json=edited, headers=headers),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "command_not_local")
    assert "touch" not in (tmp_path / "mcp.json").read_text()

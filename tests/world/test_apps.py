"""What servers say of their MCP Apps, and what of a result an app is shown."""

import json
from typing import Any

import pytest
from mcp_types import SERVER_INFO_META_KEY

from tests.support import world
from tests.support.raw_server import listing, says, tool

pytestmark = pytest.mark.anyio
ITEMS = {"result": [{"id": 1}]}
OTHER = {"a": 1}
TEXT = {"type": "text", "text": json.dumps(ITEMS)}
LIST = {"type": "text", "text": json.dumps(ITEMS["result"])}
APP = {"ui": {"resourceUri": "ui://s/app.html"}}


def ui(**said: Any) -> dict[str, Any]:
    return {"_meta": {"ui": said}}


async def listed(shared: world.Started, *tools: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    await shared.connect({"tools/list": listing(*tools), "tools/call": says("done")})
    state = (await shared.web.http.get("/api/tools")).json()
    of_apps = {each["name"]: each for each in state["appTools"]}
    return {each["name"]: each for each in state["tools"]}, of_apps


async def test_tools_of_apps_alone_are_listed_apart_and_called_by_them(shared: world.Started) -> None:
    tools, of_apps = await listed(
        shared, tool("t", **ui(resourceUri="ui://s/a")), tool("a", **ui(visibility=["app"])),
        tool("m", **ui(visibility=["model"])), tool("o", _meta={"ui/resourceUri": "ui://s/b"}),
        tool("w", **ui(resourceUri="https://evil.example/")), tool("n", **ui(resourceUri=7)),
    )  # fmt: skip
    assert {name: (each["app"], each["appsMay"]) for name, each in tools.items()} == {
        "t": ("ui://s/a", True), "m": ("", False), "o": ("ui://s/b", True), "w": ("", True), "n": ("", True)
    }  # fmt: skip
    assert [*of_apps] == ["a"]
    assert (await shared.web.call("a"))["isError"] is False


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"content": [TEXT], "structuredContent": ITEMS}, {"structuredContent": True}),
        ({"content": [LIST], "structuredContent": ITEMS}, {"structuredContent": True}),
        ({"content": [TEXT], "structuredContent": OTHER}, {"structuredContent": OTHER, "content": [TEXT]}),
        ({"content": [TEXT], "_meta": {"x": 1}}, {"_meta": {"x": 1}}),
        ({"content": [TEXT], "_meta": {SERVER_INFO_META_KEY: {"name": "s"}, "x": 1}}, {"_meta": {"x": 1}}),
        ({"content": [TEXT, TEXT]}, {"content": [TEXT, TEXT]}),
    ],
)  # fmt: skip
async def test_an_app_is_shown_all_that_its_server_answered(
    shared: world.Started, given: Any, shown: Any
) -> None:
    await shared.connect({"tools/list": listing(tool("t", _meta=APP)), "tools/call": given})
    call = {"server": "s", "name": "t", "args": {}, "app": True}
    assert (await shared.web.http.post("/api/call-tool", json=call)).json()["app"] == shown


async def test_an_app_calls_only_the_tool_that_was_listed(shared: world.Started) -> None:
    tools, _ = await listed(shared, tool("t", _meta=APP))
    call = {"server": "s", "name": "t", "args": {}, "app": True}
    same = await shared.web.http.post(
        "/api/call-tool", json=call | {"fingerprint": tools["t"]["fingerprint"]}
    )
    other = await shared.web.http.post("/api/call-tool", json=call | {"fingerprint": "another"})
    assert (same.status_code, other.json()["code"]) == (200, "tool_changed")


async def test_what_an_app_asks_of_its_host_comes_with_its_document(shared: world.Started) -> None:
    said = {"csp": {"connectDomains": ["https://a.example.com"]}, "prefersBorder": False}
    content = {
        "uri": "ui://s/a",
        "mimeType": "text/html;profile=mcp-app",
        "text": "<p>",
        "_meta": {"ui": said},
    }
    await shared.connect({"resources/read": {"contents": [content]}})
    read = await shared.web.http.post("/api/read-resource", json={"server": "s", "uri": "ui://s/a"})
    assert read.json()["contents"][0]["ui"] == said

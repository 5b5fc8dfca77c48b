"""What servers list: each part for itself, what is wrong by name and reason."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.responses import HTMLResponse, Response, StreamingResponse

from assistant.chat.schemas import plain
from assistant.toolbox.limits import Limits
from tests.support import world
from tests.support.raw_server import HELLO, READS, RawServer, error, listing, says, tool

pytestmark = pytest.mark.anyio
FINE = tool("fine")


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels else {}


@pytest.mark.parametrize(
    "odd",
    [
        {"name": "odd"},
        tool("odd", inputSchema=None),
        tool("odd", inputSchema={}),
        tool("odd", inputSchema={"properties": {"a": {"type": "string", "required": True}}}),
        tool("odd", inputSchema={"type": "object", "required": "a"}),
        tool("odd", inputSchema={"type": "object", "required": None}),
        tool("odd", description=None, title=7),
        tool("odd", description=["a"], outputSchema="none"),
        tool("odd", annotations={"readOnlyHint": "yes", "title": 3}),
        tool("odd", annotations=[]),
        tool("odd", _meta="none", icons=3),
        tool("odd", outputSchema={"type": "array"}),
        tool("odd", inputSchema={"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}),
    ],
)
async def test_an_odd_tool_is_used_as_far_as_it_can_be(shared: world.Started, odd: Any) -> None:
    assert (await shared.connect({"tools/list": listing(odd, FINE)}))["status"] == "ready"
    tools = await shared.web.tools()
    assert tools.keys() == {"odd", "fine"}
    assert tools["odd"]["input_schema"]["type"] == "object"
    assert tools["odd"]["readOnly"] is False


@pytest.mark.parametrize(
    ("wrong", "name", "reason"),
    [
        (None, "#1", "entry_not_object"),
        ("tool", "#1", "entry_not_object"),
        ({"inputSchema": {}}, "#1", "name_not_text"),
        (tool(7), "7", "name_not_text"),
        (tool(""), "", "name_not_text"),
        (tool("x" * 300), "x" * 64, "name_too_long"),
        (tool("list", inputSchema=[]), None, None),
        (tool("text", inputSchema="object"), "text", "schema_not_object"),
        (tool("none", inputSchema=False), "none", "schema_not_object"),
        (tool("any", inputSchema=True), None, None),
        (FINE | {"description": "another"}, "fine", "name_twice"),
        (FINE, None, None),
        (tool("deep", inputSchema=nested(150)), "deep", "nested_too_deep"),
        (tool("deep", inputSchema=nested(300)), "deep", "nested_too_deep"),
    ],
)
async def test_a_wrong_tool_disables_itself_alone(
    shared: world.Started, wrong: Any, name: str | None, reason: str | None
) -> None:
    server = await shared.connect({"tools/list": listing(wrong, FINE)})
    assert "fine" in await shared.web.tools()
    told = [(each["params"]["name"], each["params"]["reason"]["code"]) for each in server["skipped"]]
    assert (server["status"], told) == ("ready", [(name, reason)] if reason else [])


async def test_several_wrong_tools_are_all_named(shared: world.Started) -> None:
    listed = listing(None, tool(7), tool("a", inputSchema=1), FINE)
    skipped = (await shared.connect({"tools/list": listed}))["skipped"]
    assert [each["params"]["name"] for each in skipped] == ["#1", "7", "a"]
    assert "7" in skipped[1]["text"]


ARGS = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/definitions/A", "definitions": {"A": ARGS}},
        {"$ref": "#/$defs/A~1B%20", "$defs": {"A/B ": ARGS}, "properties": {}},
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": ARGS}},
        {"allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": ARGS}},
    ],
)
async def test_arguments_are_found_where_the_top_of_a_schema_points_to(
    shared: world.Started, schema: dict[str, Any]
) -> None:
    await shared.connect({"tools/list": listing(tool("t", inputSchema=schema))})
    tools = await shared.web.tools()
    given = plain(tools["t"]["input_schema"])
    assert (given["properties"], given["required"]) == ({"a": {"type": "string"}}, ["a"])


async def test_a_tool_is_read_in_the_names_of_pythons_fields(shared: world.Started) -> None:
    hints = {"read_only_hint": True, "destructive_hint": False}
    snake = {"name": "snake", "input_schema": ARGS, "output_schema": {"type": "object"}, "annotations": hints}
    await shared.connect({"tools/list": {"tools": [snake], "next_cursor": None}})
    told = (await shared.web.tools())["snake"]
    assert (told["input_schema"], told["readOnly"], "output_schema" in told) == (ARGS, True, True)


NONE = error(-32601, "Method not found")
ODD_PROMPT = {"name": "p", "arguments": None}
PROMPTS: dict[str, Any] = {"capabilities": {"prompts": {}, "tools": {}}}


def can(capabilities: Any) -> dict[str, Any]:
    return {"capabilities": capabilities}


BROKEN = [
    *(error(number, "boom") for number in (-32603, -32000)),
    *(Response("oops", status) for status in (401, 404, 429, 500)),
    *(HTMLResponse("<p>"), Response("")),
]
ALL = can({"tools": {}, "prompts": {}, "resources": {}})
OTHERS = {"prompts/list": {"prompts": [{"name": "p"}]}, "resources/list": {"resources": []}}


@pytest.mark.parametrize(
    ("hello", "answers", "tools", "prompts", "told"),
    [
        (can({"resources": {}}), {"tools/list": NONE}, 0, 0, []),
        (can({}), {"tools/list": error(-32000, "none here")}, 0, 0, []),
        ({}, {"tools/list": NONE}, 0, 0, ["list_refused"]),
        (PROMPTS, {"prompts/list": NONE}, 2, 0, ["list_refused"]),
        *((PROMPTS, {"prompts/list": answer}, 2, 0, ["list_refused"]) for answer in BROKEN),
        *((ALL, {"tools/list": answer} | OTHERS, 0, 1, ["list_refused"]) for answer in BROKEN),
        (
            can({"tools": {}, "resources": {}}),
            {"tools/list": error(-32000, "boom")} | OTHERS,
            0,
            0,
            ["list_refused"],
        ),
        (PROMPTS, {"prompts/list": {"prompts": None}}, 2, 0, ["list_odd"]),
        (PROMPTS, {"prompts/list": {}}, 2, 0, ["list_odd"]),
        (PROMPTS, {"prompts/list": {"prompts": {"a": 1}}}, 2, 0, ["list_odd"]),
        (PROMPTS, {"prompts/list": {"prompts": [ODD_PROMPT]}}, 2, 1, []),
        (PROMPTS, {"prompts/list": {"prompts": [None, {"name": "p"}]}}, 2, 1, ["prompt_skipped"]),
        ({}, {"tools/list": {"tools": None}}, 0, 0, ["list_odd"]),
        ({}, {"tools/list": {"tools": {}}}, 0, 0, ["list_odd"]),
        ({}, {"tools/list": [READS]}, 0, 0, ["list_odd"]),
        ({}, {"tools/list": {"tools": [READS], "nextCursor": "same"}}, 1, 0, ["list_cut"]),
        ({}, {"tools/list": {"tools": [], "nextCursor": 7}}, 0, 0, []),
        ({"serverInfo": {"name": "s"}}, {}, 2, 0, []),
        ({"serverInfo": None, "instructions": 7}, {}, 2, 0, []),
        ({"supportedVersions": ["2026-07-28"]}, {}, 2, 0, []),  # beside its protocolVersion
        ({"serverInfo": [], "instructions": ["a"]}, {}, 2, 0, []),
        ({"_meta": "none", "ttlMs": "x", "cacheScope": 7, "resultType": None}, {}, 2, 0, []),
        (can(None), {}, 2, 0, []),
        (can({"tools": None, "prompts": False}), {}, 2, 0, []),
        (can({"tools": {"listChanged": [1]}, "x": 7}), {}, 2, 0, []),
        (can(["tools"]), {}, 2, 0, ["capabilities_odd"]),
        (can({"prompts": True}), {"prompts/list": {"prompts": [{"name": "p"}]}}, 2, 1, ["capabilities_odd"]),
        (can({"prompts": "yes", "tools": []}), {"prompts/list": {}}, 2, 0, ["capabilities_odd", "list_odd"]),
        ({}, {"tools/list": {"tools": [READS], "ttlMs": "x", "resultType": 7, "cacheScope": None}}, 1, 0, []),
    ],
)
async def test_a_server_is_used_as_far_as_it_goes(
    shared: world.Started, *, hello: Any, answers: Any, tools: int, prompts: int, told: list[str]
) -> None:
    server = await shared.connect({"tools/call": says("done"), **answers}, hello)
    listed = (await shared.web.http.get("/api/tools")).json()
    assert server["status"] == "ready", server["error"]
    assert not tools or (await shared.web.call())["result"] == "done"
    assert server["protocolVersion"] == ("2026-07-28" if shared.server.modern else "2025-11-25")
    assert (len(listed["tools"]), len(listed["prompts"])) == (tools, prompts)
    assert [each["code"] for each in server["skipped"] + server["notes"]] == told


async def never() -> AsyncIterator[bytes]:
    await anyio.sleep_forever()
    yield b""


async def test_prompts_that_never_come_keep_no_tool_away(tmp_path: Path) -> None:
    def wait(_: Any) -> Response:
        return StreamingResponse(never(), media_type="text/event-stream")

    async with world.raw(
        tmp_path,
        RawServer({"prompts/list": wait, "initialize": HELLO | PROMPTS}),
        Limits(connect_seconds=0.5),
    ) as web:
        server = await web.server()
        assert (server["status"], server["tools"]) == ("ready", 2)
        assert [each["params"]["reason"]["code"] for each in server["skipped"]] == ["timeout"]


async def test_a_server_whose_only_list_fails_is_down(tmp_path: Path) -> None:
    async with world.raw(tmp_path, RawServer({"tools/list": error(-32603, "boom")})) as web:
        server = await web.server()
    assert (server["status"], server["error"]) == ("down", "boom")


@pytest.mark.parametrize("version", ["2031-01-01", None, 7])
async def test_a_version_that_is_not_known_is_noted(tmp_path: Path, version: Any) -> None:
    async with world.raw(tmp_path, RawServer({"initialize": HELLO | {"protocolVersion": version}})) as web:
        server = await web.server()
    assert (server["tools"], [each["code"] for each in server["notes"]]) == (2, ["version_unknown"])


async def test_a_list_beyond_the_bound_is_cut_and_says_so(shared: world.Started) -> None:
    many = [tool(f"t{number}") for number in range(20_000)]
    server = await shared.connect({"tools/list": {"tools": many}})
    assert server["tools"] == 5_000
    assert [each["code"] for each in server["skipped"]] == ["list_cut"]


@pytest.mark.parametrize("second", [error(-32602, "bad cursor"), {"tools": 7}, {}])
async def test_the_pages_before_one_that_is_refused_are_used(shared: world.Started, second: Any) -> None:
    def page(message: Any) -> Any:
        return second if "cursor" in message.get("params", {}) else {"tools": [FINE], "nextCursor": "b"}

    server = await shared.connect({"tools/list": page})
    assert (server["status"], list(await shared.web.tools())) == ("ready", ["fine"])


async def test_a_list_without_an_end_ends(shared: world.Started) -> None:
    def page(message: Any) -> Any:
        number = int(message.get("params", {}).get("cursor", 0))
        return {"tools": [tool(f"t{number}")], "nextCursor": str(number + 1)}

    state = await shared.connect({"tools/list": page})
    assert (state["tools"], [each["code"] for each in state["skipped"]]) == (100, ["list_cut"])


async def test_a_tool_that_once_wrote_does_not_become_one_that_only_reads(tmp_path: Path) -> None:
    server = RawServer({"tools/list": listing(tool("t"))})
    async with world.raw(tmp_path, server) as web:
        before = (await web.tools())["t"]
        server.answers["tools/list"] = listing(tool("t", annotations={"readOnlyHint": True}))
        await web.http.post("/api/servers/s/reconnect")
        while (after := (await web.tools())["t"])["fingerprint"] == before["fingerprint"]:
            pass
    assert (before["readOnly"], after["readOnly"]) == (False, False)

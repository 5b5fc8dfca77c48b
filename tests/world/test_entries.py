"""Entries of `mcp.json` as others spell them: honoured, or named in the server's notes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from assistant.toolbox.limits import Limits
from tests.support import world
from tests.support.asgi import serve
from tests.support.raw_server import RawServer, listing, tool

pytestmark = pytest.mark.anyio
Read = dict[str, tuple[dict[str, Any], set[str]]]  # state and tools, by server

OFFERED: list[tuple[dict[str, Any], set[str]]] = [
    ({"disabledTools": ["buy"]}, {"look", "sell"}),
    ({"excludeTools": ["buy", "sell"]}, {"look"}),
    ({"disabled_tools": ["buy", 7, "unknown"]}, {"look", "sell"}),
    ({"enabledTools": ["buy"]}, {"buy"}),
    ({"includeTools": ["b*"]}, {"buy"}),
    ({"allowedTools": ["look", "buy"], "disabledTools": ["buy"]}, {"look"}),
    ({"tools": ["*"]}, {"look", "buy", "sell"}),
    ({"tools": {"look": True, "buy": False}}, {"look"}),
    ({"enabledTools": []}, {"look", "buy", "sell"}),
    ({"disabledTools": "buy, sell"}, {"look"}),
    ({"exclude_tools": ["buy"]}, {"look", "sell"}),
    ({"Disabled-Tools": ["buy"]}, {"look", "sell"}),
    ({"blocked_tools": ["buy"]}, {"look", "sell"}),
    ({"disabledTools": {"buy": False, "sell": True}}, {"look", "buy"}),
    ({"tools": {"buy": {"enabled": False}}}, {"look", "sell"}),
    ({"tools": {"buy": "false"}}, {"look", "sell"}),
    ({"tools": {"include": ["buy"]}}, {"buy"}),
    ({"tools": {"allowed": ["buy", "look"], "disabled": ["look"]}}, {"buy"}),
    ({"allowedTools": ["mcp__NAME__buy"]}, {"buy"}),
    ({"allowedTools": ["NAME/buy", "NAME.look"]}, {"buy", "look"}),
    ({"allowedTools": ["NAME:buy", "NAME__look", "mcp_NAME_sell"]}, {"buy", "look", "sell"}),
    ({"allowedTools": ["NAME_buy"]}, {"buy"}),
    ({"allowedTools": ["mcp__NAME__*"]}, {"look", "buy", "sell"}),
    ({"allowedTools": ["mcp__NAME"], "disabledTools": ["mcp__NAME__buy"]}, {"look", "sell"}),
    ({"allowedTools": ["mcp__*__b*", "other/*"]}, {"buy"}),
    ({"allowedTools": ["s*"]}, {"sell"}),
    ({"enabledTools": [{"name": "buy"}, {"name": "look", "enabled": False}]}, {"buy"}),
    ({"tools": [{"name": "buy", "enabled": False}]}, {"look", "sell"}),
    ({"enabledTools": " buy , look"}, {"buy", "look"}),
]
TOLD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"name": "Shop", "description": "mine", "disabled": False, "isActive": True}, {}),
    ({"alwaysAllow": ["buy"]}, {"no_consent": {"key": "alwaysAllow", "tools": ["buy"]}}),
    ({"autoApprove": ["buy", "look"]}, {"no_consent": {"key": "autoApprove", "tools": ["buy", "look"]}}),
    ({"trust": "true"}, {"no_consent": {"key": "trust", "tools": ["*"]}}),
    ({"always_allow": ["buy"]}, {"no_consent": {"key": "alwaysAllow", "tools": ["buy"]}}),
    ({"trust": True}, {"no_consent": {"key": "trust", "tools": ["*"]}}),
    ({"autoApprove": [], "trust": False}, {}),
    ({"oauth": {}, "envFile": ".env"}, {"keys_unknown": {"keys": ["envFile"]}}),
    ({"auth": 7}, {"keys_odd": {"keys": ["auth"]}}),
    ({"oauth": {"clientId": "c", "callbackPort": 1}}, {"keys_odd": {"keys": ["oauth.callbackPort"]}}),
    ({"timeout": 90}, {"timeout_read": {"seconds": 90}}),
    ({"timeout": 3600}, {"timeout_read": {"seconds": 3600}}),
    ({"timeout": 30_000}, {"timeout_read": {"seconds": 30}}),
    ({"timeout": "90"}, {"timeout_read": {"seconds": 90}}),
    ({"timeout": 1e12}, {"timeout_read": {"seconds": 3600}}),
    ({"timeout": 0}, {"timeout_odd": {}}),
    ({"timeout": -1}, {"timeout_odd": {}}),
    ({"timeout": True}, {"timeout_odd": {}}),
    ({"timeout": "soon"}, {"timeout_odd": {}}),
    ({"disabledTools": ["buy"]}, {"tools_chosen": {"only": ["*"], "without": ["buy"]}}),
    (
        {"enabledTools": [7, None], "disabledTools": 3},
        {"keys_odd": {"keys": ["disabledTools", "enabledTools"]}},
    ),
    (
        {"enabledTools": [{"id": "buy"}], "enabled": "maybe"},
        {"keys_odd": {"keys": ["enabled", "enabledTools"]}},
    ),
    (
        {"command": "npx", "env": {"A": "1"}, "args": [], "type": "http"},
        {"address_twice": {"keys": ["command"]}, "keys_unused": {"keys": ["env"]}},
    ),
    ({"baseUrl": "http://127.0.0.1:9"}, {"keys_unused": {"keys": ["baseUrl"]}}),
    (
        {"blockedTools": ["other/buy"]},
        {
            "tools_chosen": {"only": ["*"], "without": ["other/buy"]},
            "tools_unmatched": {"names": ["other/buy"]},
        },
    ),
]


@pytest.fixture(scope="module")
async def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    """What came of all these entries of one file, each with NAME for its own name."""
    server = RawServer({"tools/list": listing(tool("look"), tool("buy"), tool("sell"))})
    async with serve(server.app) as url:
        entries = {f"e{number}": {"url": url} | more for number, (more, _) in enumerate((*OFFERED, *TOLD))}
        named = {name: json.loads(json.dumps(more).replace("NAME", name)) for name, more in entries.items()}
        async with world.entries(tmp_path_factory.mktemp("entries"), named) as web:
            # All at once on a busy machine, one may be late: then it is tried again.
            while {"connecting", "down"} & {one["status"] for one in await web.servers()}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            states = await web.servers()
            tools = (await web.http.get("/api/tools")).json()["tools"]
    return {
        one["name"]: (one, {each["name"] for each in tools if each["server"] == one["name"]})
        for one in states
    }


@pytest.mark.parametrize("row", range(len(OFFERED)))
async def test_the_tools_that_an_entry_chooses_are_offered(read: Read, row: int) -> None:
    assert read[f"e{row}"][1] == OFFERED[row][1]


@pytest.mark.parametrize("row", range(len(TOLD)))
async def test_what_is_read_in_its_own_way_or_not_at_all_is_noted(read: Read, row: int) -> None:
    server, _ = read[f"e{len(OFFERED) + row}"]
    assert {note["code"]: note["params"] for note in server["notes"] + server["skipped"]} == TOLD[row][1]
    assert server["status"] == "ready"


@pytest.mark.parametrize(
    "off",
    [
        ("disabled", True),
        ("disabled", "true"),
        ("disabled", "True"),
        ("enabled", False),
        ("enabled", "false"),
        ("disabled", "yes"),
        ("disabled", 1),
        ("isActive", "false"),
        ("is_active", "off"),
        ("enable", False),
        ("disable", True),
    ],
)
async def test_an_entry_is_switched_off_by_word_and_by_truth(tmp_path: Path, off: tuple[str, Any]) -> None:
    async with world.entry(tmp_path, {"command": "nonesuch", off[0]: off[1]}) as web:
        assert (await web.server())["code"] == "switched_off"


def test_a_longest_time_is_named() -> None:
    assert Limits().longest_call_seconds == 3600

"""Entries of `mcp.json` as others spell them: honoured, or named in the server's notes."""

from pathlib import Path
from typing import Any

import pytest

from assistant.toolbox.limits import Limits
from tests.support import world
from tests.support.raw_server import RawServer, listing, tool

pytestmark = pytest.mark.anyio
TOOLS = {"tools/list": listing(tool("look"), tool("buy"), tool("sell"))}


@pytest.mark.parametrize(
    ("more", "offered"),
    [
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
    ],
)
async def test_the_tools_that_an_entry_chooses_are_offered(
    tmp_path: Path, more: dict[str, Any], offered: set[str]
) -> None:
    async with world.raw(tmp_path, RawServer(TOOLS), **more) as web:
        assert set(await web.tools()) == offered


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, {}),
        ({"name": "Shop", "description": "mine", "disabled": False, "isActive": True}, {}),
        ({"alwaysAllow": ["buy"]}, {"no_consent": {"key": "alwaysAllow", "tools": ["buy"]}}),
        ({"autoApprove": ["buy", "look"]}, {"no_consent": {"key": "autoApprove", "tools": ["buy", "look"]}}),
        ({"trust": "true"}, {"no_consent": {"key": "trust", "tools": ["*"]}}),
        ({"always_allow": ["buy"]}, {"no_consent": {"key": "alwaysAllow", "tools": ["buy"]}}),
        ({"trust": True}, {"no_consent": {"key": "trust", "tools": ["*"]}}),
        ({"autoApprove": [], "trust": False}, {}),
        ({"oauth": {}, "envFile": ".env"}, {"keys_unknown": {"keys": ["envFile", "oauth"]}}),
        ({"timeout": 90}, {"timeout_read": {"seconds": 90}}),
        ({"timeout": 3600}, {"timeout_read": {"seconds": 3600}}),
        ({"timeout": 30_000}, {"timeout_read": {"seconds": 30}}),
        ({"timeout": "90"}, {"timeout_read": {"seconds": 90}}),
        ({"timeout": 1e12}, {"timeout_read": {"seconds": 3600}}),
        ({"timeout": 0}, {"timeout_odd": {}}),
        ({"timeout": -1}, {"timeout_odd": {}}),
        ({"timeout": True}, {"timeout_odd": {}}),
        ({"timeout": "soon"}, {"timeout_odd": {}}),
        ({"disabledTools": ["a"]}, {"tools_chosen": {"only": ["*"], "without": ["a"]}}),
    ],
)
async def test_what_is_read_in_its_own_way_or_not_at_all_is_noted(
    tmp_path: Path, more: dict[str, Any], told: dict[str, Any]
) -> None:
    async with world.raw(tmp_path, RawServer(TOOLS), **more) as web:
        server = await web.server()
    assert {note["code"]: note["params"] for note in server["notes"]} == told
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

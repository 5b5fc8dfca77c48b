import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.toolbox.listing import describe_tool, offered_names
from assistant.toolbox.server import Server


def test_a_tool_that_is_named_like_the_hash_of_another_cannot_take_its_place() -> None:
    victim = ("s", "x" * 80)
    hashed = offered_names([victim])[victim]
    offered = offered_names([victim, ("s", hashed.removeprefix("s_"))])
    assert len(set(offered.values())) == 2


names = st.text(min_size=1, max_size=130)


@given(st.sets(st.tuples(names, names), max_size=30))
def test_offered_names_fit_every_provider_and_never_collide(pairs: set[tuple[str, str]]) -> None:
    offered = offered_names(sorted(pairs))
    assert len(set(offered.values())) == len(pairs)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in offered.values())


def test_the_same_parts_split_differently_get_different_names() -> None:
    offered = offered_names([("a", "b_c"), ("a_b", "c")])
    assert len(set(offered.values())) == 2
    assert offered == offered_names([("a_b", "c"), ("a", "b_c")])


LISTED = {"name": "t", "description": "d", "inputSchema": {"type": "object"}}
HERE = Server("s", url="http://localhost:1/mcp")
COMMAND = Server("s", "stdio", command="c", args=("a",), env={"A": "1"})


@pytest.mark.parametrize(
    "change",
    [
        {"description": "e"},
        {"title": "T"},
        {"inputSchema": {"type": "object", "properties": {"a": {}}}},
        {"outputSchema": {"type": "object"}},
        {"annotations": {"readOnlyHint": True}},
        {"icons": [{"src": "x"}]},
        {"_meta": {"a": 1}},
        {"execution": {"taskSupport": "optional"}},
        {"anything": "else"},
    ],
)
def test_a_tool_that_changes_in_anything_is_another_tool(change: dict[str, object]) -> None:
    assert describe_tool(HERE, LISTED).fingerprint != describe_tool(HERE, LISTED | change).fingerprint


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (HERE, replace(HERE, url="http://localhost:2/mcp"), False),
        (HERE, replace(HERE, headers={"Authorization": "new"}), True),
        (COMMAND, replace(COMMAND, command="d"), False),
        (COMMAND, replace(COMMAND, args=("b",)), False),
        (COMMAND, replace(COMMAND, env={"B": "1"}), False),
        (COMMAND, replace(COMMAND, env={"A": "2"}), True),
        (COMMAND, replace(COMMAND, cwd="/"), False),
    ],
)
def test_a_tool_of_another_server_is_another_tool(one: Server, other: Server, is_same: bool) -> None:
    assert (describe_tool(one, LISTED).fingerprint == describe_tool(other, LISTED).fingerprint) == is_same

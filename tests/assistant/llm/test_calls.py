"""A tool call is one call, however often and in whatever pieces it is said."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.chat.interfaces import ModelError, ToolRequest
from assistant.llm.calls import CallsBuilder
from tests.support.asgi import ScriptedProvider, chunk, piece
from tests.support.provider import TOOL, ask

LOOK, BUY = ToolRequest("look", '{"a": 1}'), ToolRequest("buy", '{"b": 2}')
WHOLE = piece(0, "x", "look", '{"a": 1}')
BEGIN, END = piece(0, "x", "look", '{"a"'), piece(0, args=": 1}")

SAID_TWICE: dict[str, list[list[dict[str, Any]]]] = {
    "one id at two indexes": [[WHOLE], [WHOLE | {"index": 1}]],
    "one id at two indexes of a chunk": [[WHOLE, WHOLE | {"index": 1}]],
    "one id at two indexes, in pieces": [[BEGIN], [END], [BEGIN | {"index": 1}], [END | {"index": 1}]],
    "one id at two indexes, entangled": [[BEGIN, BEGIN | {"index": 1}], [END | {"index": 1}, END]],
    "the whole chunk again": [[WHOLE], [WHOLE]],
    "the whole chunk again without a name": [[WHOLE], [piece(0, "x", None, '{"a": 1}')]],
    "each chunk again": [[BEGIN], [BEGIN], [END], [END]],
    "all chunks again": [[BEGIN], [END], [BEGIN], [END]],
    "the first chunk again": [[BEGIN], [BEGIN], [END]],
    "without an index": [[piece(None, "x", "look", '{"a": 1}')] * 2],
    "without an index, chunk by chunk": [[piece(None, "x", "look", '{"a": 1}')]] * 3,
    "with other arguments later": [[WHOLE], [piece(1, "x", "look", '{"a": 2}')]],
    "nothing, then the arguments": [[piece(0, "x", "look", "{}")], [piece(0, "x", "look", '{"a": 1}')]],
    "null, then the arguments": [[piece(0, "x", "look", "null")], [piece(1, "x", "look", '{"a": 1}')]],
    "broken, then whole": [[BEGIN], [WHOLE | {"index": 1}]],
    "without arguments": [[WHOLE], [piece(1, "x", "look")]],
    "without arguments and id": [[WHOLE], [piece(1, None, "look")]],
    "without arguments under another id": [[WHOLE], [piece(1, "y", "look")]],
    "without a name": [[WHOLE], [piece(1, "x", None, '{"a": 1}')]],
}


def put_together(chunks: list[list[Any]]) -> tuple[ToolRequest, ...]:
    builder = CallsBuilder(["look", "buy"])
    for pieces in chunks:
        for position, each in enumerate(pieces):
            builder.add(each, position)
    return builder.calls()


GROWN = [piece(0, "x", "look", args) for args in ('{"a"', '{"a": 1', '{"a": 1}')]
OTHERWISE: dict[str, list[list[Any]]] = {
    "its name in pieces": [[piece(0, "x", "lo")], [piece(0, None, "ok", '{"a": 1}')]],
    "its name in pieces, without an id": [[piece(0, None, "lo")], [piece(0, None, "ok", '{"a": 1}')]],
    "its name growing": [[piece(0, "x", "lo")], [piece(0, "x", "look", '{"a": 1}')]],
    "its name growing, without an id": [[piece(0, None, "lo")], [piece(0, None, "look", '{"a": 1}')]],
    "its arguments growing": [[each] for each in GROWN],
    "its index in words": [[BEGIN | {"index": "0"}], [END | {"index": "0"}]],
    "no function around it": [[{"index": 0, "id": "x", "name": "look", "arguments": '{"a": 1}'}]],
    "parameters": [[{"index": 0, "id": "x", "function": {"name": "look", "parameters": {"a": 1}}}]],
    "an input": [[{"index": 0, "id": "x", "function": {"name": "look", "input": {"a": 1}}}]],
    "a custom tool": [[{"index": 0, "id": "x", "custom": {"name": "look", "input": '{"a": 1}'}}]],
}


@pytest.mark.parametrize("way", OTHERWISE)
def test_a_call_that_is_said_otherwise_is_one(way: str) -> None:
    assert put_together([*OTHERWISE[way], [piece(2, "z", "buy", '{"b": 2}')]]) == (LOOK, BUY)


@pytest.mark.parametrize("way", SAID_TWICE)
def test_a_call_said_twice_is_one_call(way: str) -> None:
    assert put_together(SAID_TWICE[way]) == (LOOK,)


@pytest.mark.parametrize("way", SAID_TWICE)
def test_another_call_after_it_is_another(way: str) -> None:
    assert put_together([*SAID_TWICE[way], [piece(2, "z", "buy", '{"b": 2}')]]) == (LOOK, BUY)


@pytest.mark.anyio
async def test_it_is_one_call_over_the_wire() -> None:
    stream = chunk(tool_calls=[WHOLE]) + chunk(tool_calls=[WHOLE | {"index": 1}])
    _, reply = await ask(ScriptedProvider(stream + chunk(finish="tool_calls")), tools=[TOOL])
    assert reply.calls == (LOOK,)


TWO = {
    "two ids": [[WHOLE], [piece(1, "y", "look", '{"a": 1}')]],
    "no ids": [[piece(0, None, "look", '{"a": 1}')], [piece(1, None, "look", '{"a": 1}')]],
    "no ids, one index": [[piece(0, None, "look", '{"a": 1}')], [piece(0, None, "look", '{"a": 1}')]],
}


@pytest.mark.parametrize("way", TWO)
def test_equal_calls_that_no_id_joins_are_two(way: str) -> None:
    assert put_together(TWO[way]) == (LOOK, LOOK)


def test_later_pieces_without_an_index_find_their_call_by_its_id() -> None:
    begun = [[piece(None, "x", "look", '{"a"'), piece(None, "y", "buy", '{"b"')]]
    assert put_together([*begun, [piece(None, "y", None, ": 2}")], [piece(None, "x", None, ": 1}")]]) == (
        LOOK,
        BUY,
    )


@pytest.mark.parametrize(
    "odd", [None, 7, "call", [], {"function": None}, {"function": 7, "index": "0"}, {"id": 5}]
)
def test_pieces_that_are_none_break_nothing(odd: Any) -> None:
    assert put_together([[WHOLE], [odd]])[0] == LOOK


def test_calls_without_end_are_ended() -> None:
    builder = CallsBuilder(max_calls=1)
    builder.add(piece(0, "x", "look", "{}"), 0)
    with pytest.raises(ModelError) as caught:
        builder.add(piece(1, "y", "look", "{}"), 0)
    assert (caught.value.code, caught.value.params) == ("too_many_calls", {"max": 1})


arguments = st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers(), min_size=1, max_size=3)


@given(st.lists(arguments, min_size=1, max_size=3), st.data())
def test_whatever_the_split_and_the_repetition_each_call_is_itself(
    wanted: list[dict[str, Any]], data: st.DataObject
) -> None:
    chunks: list[list[Any]] = []
    for number, args in enumerate(wanted):
        text = json.dumps(args)
        cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=4)))
        parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        said = [piece(number, f"id{number}", "look", parts[0])]
        said += [piece(number, args=part) for part in parts[1:]]
        again = [{**each, "index": number + 10} for each in said]
        chunks += [[each] for each in data.draw(st.sampled_from([said, said + said, said + again]))]
    assert [json.loads(call.arguments) for call in put_together(chunks)] == wanted

"""Streams whose every piece repeats all before it are said once, and no other stream is mistaken for one."""

from itertools import accumulate
from typing import Any

import pytest

from assistant.chat.interfaces import Thought
from assistant.llm.answer import ReplyBuilder
from tests.support.asgi import ScriptedProvider, chunk, piece, text_stream
from tests.support.provider import TOOL, ask

pytestmark = pytest.mark.anyio
END = chunk(finish="stop") + "data: [DONE]\n\n"
WORDS = ("Hel", "lo", " wor", "ld, how are", " you", "?")


def growing(*pieces: str, key: str = "content") -> str:
    deltas: list[dict[str, Any]] = [{key: text} for text in accumulate(pieces)]
    return "".join(chunk(**delta) for delta in deltas)


CUMULATIVE = {
    "words": (growing(*WORDS), "".join(WORDS)),
    "characters": (
        growing(*"这是一个很长的回答，里面有很多很多的字。"),
        "这是一个很长的回答，里面有很多很多的字。",
    ),
    "with its role before and all of it once more": (
        chunk(role="assistant", content="") + growing(*WORDS, "", ""),
        "".join(WORDS),
    ),
    "one that ends without its last blank": (
        growing(*WORDS, " ") + chunk(content="".join(WORDS)),
        "".join(WORDS) + " ",
    ),
}


@pytest.mark.parametrize("kind", CUMULATIVE)
async def test_what_is_repeated_in_every_piece_is_said_once(kind: str) -> None:
    stream, text = CUMULATIVE[kind]
    assert (await ask(ScriptedProvider(stream + END)))[1].text == text


@pytest.mark.parametrize(
    "pieces",
    [
        ("ha", "haha", "haha!"),
        ("ha", "haha", "hahaha", "hahahaha", "hahahahaha", "hahahahahaha"),
        ("哈", "哈哈", "哈哈哈", "哈哈哈哈，太好了"),
        ("-", "--", "---", "----", "--------", "----------------"),
        ("1", "10", "100", "1000", "10000"),
        ("Good", "Good day to you, my friend, and welcome"),
        ("I", "\nI like", "\nI like the", "\nI like the first"),
        ("a", "ab", "abc", "def, and then some more of it"),
        ("no ", "no ", "no ", "no ", "end"),
    ],
)
async def test_pieces_that_only_look_like_it_are_all_said(pieces: tuple[str, ...]) -> None:
    assert (await ask(ScriptedProvider(text_stream(*pieces))))[1].text == "".join(pieces)


async def test_an_ordinary_piece_is_not_held_back() -> None:
    pieces, _ = await ask(ScriptedProvider(text_stream("Go", "Good", "day")))
    assert pieces[0] == "Go"
    assert (await ask(ScriptedProvider(text_stream("good ", "day"))))[0] == ["good ", "day"]


async def test_a_call_behind_repeated_text_is_made() -> None:
    called = chunk(tool_calls=[piece(0, "x", "look", '{"a": 1}')]) + chunk(finish="tool_calls")
    _, reply = await ask(ScriptedProvider(growing(*WORDS) + called), tools=[TOOL])
    assert (reply.text, len(reply.calls)) == ("".join(WORDS), 1)


async def test_thoughts_that_are_repeated_are_thought_once() -> None:
    stream = growing(*WORDS, key="reasoning_content") + growing("The ", "answer ", "is: ", "twenty-seven.")
    _, reply = await ask(ScriptedProvider(stream + END))
    assert (reply.text, reply.extra["reasoning_content"]) == ("The answer is: twenty-seven.", "".join(WORDS))


def test_few_thoughts_that_begin_alike_are_shown_before_the_text() -> None:
    builder = ReplyBuilder("m")
    deltas = [{"reasoning": "a"}, {"reasoning": "ab"}, {"content": "yes"}]
    shown = [part for delta in deltas for part in builder.add({"choices": [{"delta": delta}]})]
    assert shown == [Thought("a"), Thought("ab"), "yes"]

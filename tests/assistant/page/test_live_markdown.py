"""An answer that is still coming: its last block is sent again, the rest stays."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.chat.events import DoneEvent, Event, MessageEvent, TextEvent, ThinkingEvent
from assistant.page.markdown import LiveHtml, to_html, with_html

pytestmark = pytest.mark.anyio
ANSWERS = {
    "paragraphs": "第一段。\n\n" * 100,
    "a long paragraph": "库存不足，" * 1_000,
    "a table": "| 商品 | 价格 |\n|---|---|\n" + "| 手表 | 1299 |\n" * 200,
    "a list": "1. 手表\n\n" * 400,
    "code": "```python\n" + "print(1)\n" * 500 + "```\n",
    "formulas": r"其中 $x_1^2$ 与 \(\frac{a}{b}\)。" * 100 + "\n\n" + "$$\n" + "x + y\n" * 200 + "$$\n",
    "code without colours": "```\n" + "一行\n" * 2_000 + "```\n",
    "all of it": "# 标题\n\n段落[a]😀\n\n- 一\n\n- 二\n\n[a]: https://a.b\n\n> 引\n\n注[^1]\n\n"
    "[^1]: 脚注\n\n---\n\n完",
}


async def shown(events: AsyncGenerator[Event]) -> tuple[str, int]:
    """Put the HTML together as the page does; return it, and how many characters of events that took."""
    html, size = "", 0
    async with aclosing(with_html(events)) as told:
        async for name, data in told:
            if name == "html":
                units = html.encode("utf-16-le")[: data["keep"] * 2]
                html = units.decode("utf-16-le") + data["html"]
                size += len(json.dumps(data))
    return html, size


async def said(*deltas: str) -> AsyncGenerator[Event]:
    for delta in deltas:
        yield TextEvent(delta)
        yield ThinkingEvent("hm")
    yield MessageEvent({"role": "assistant"})
    yield DoneEvent("stop")


@pytest.mark.parametrize("kind", ANSWERS)
async def test_what_is_put_together_is_the_whole(kind: str) -> None:
    html, _ = await shown(said(*ANSWERS[kind]))
    assert html == to_html(ANSWERS[kind])


async def each_time(text: str, size: int) -> list[dict[str, Any]]:
    """Return the events of a message that comes slowly, whenever one is due but for the time."""
    live, told = LiveHtml(seconds=0.0), list[dict[str, Any]]()
    for begin in range(0, len(text), size):
        live.add(text[begin : begin + size])
        if live.is_due:
            told.append(await live.rendered())
    return told


@pytest.mark.parametrize("kind", ["paragraphs", "a long paragraph", "a table", "code", "formulas"])
async def test_what_an_answer_costs_grows_with_its_length(kind: str) -> None:
    whole = ANSWERS[kind]
    sizes = [
        sum(len(event["html"]) for event in await each_time(text, 2))
        for text in (whole[: len(whole) // 4], whole)
    ]
    assert sizes[1] < sizes[0] * 8  # the square would be 16
    assert sizes[1] < len(to_html(whole)) * 40


@given(
    st.lists(
        st.sampled_from(
            [
                *"*`|-#>1. \n",
                "\n\n",
                "- ",
                "1. ",
                "```\n",
                "a|b\n-|-\n",
                "词",
                "😀",
                "$",
                "$$",
                "\\(",
                "\\)",
                "x_1",
                "[a]",
                "\n\n[a]: b\n\n",
            ]
        ),
        max_size=40,
    )
)
async def test_whatever_comes_it_ends_as_the_whole(parts: list[str]) -> None:
    whole = "".join(parts)
    assert (await shown(said(*parts)))[0] == (await shown(said(whole)))[0] == to_html(whole)


async def test_pieces_that_nobody_sees_before_the_next_html_are_told_as_one_with_it() -> None:
    async def turn() -> AsyncGenerator[Event]:
        for delta in ("店里", "有**四", "种**商品", "。"):
            yield TextEvent(delta)
        yield DoneEvent("stop")

    told = [(name, data.get("delta")) async for name, data in with_html(turn())]
    first, rest = ("text", "店里"), ("text", "有**四种**商品。")
    assert told == [("html", None), first, rest, ("html", None), ("done", None)]


async def test_what_is_taken_back_is_not_shown() -> None:
    async def turn() -> AsyncGenerator[Event]:
        yield TextEvent("I look. " * 9)
        yield TextEvent("", restart=True)
        yield TextEvent("**好**")
        yield DoneEvent("stop")

    assert (await shown(turn()))[0] == to_html("**好**")

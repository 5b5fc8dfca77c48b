"""The model's markdown as HTML that is safe to show: rendered, then sanitised, for it is hostile."""

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from assistant.chat import events
from assistant.page.sentences import explain

QUICK = 2_000  # characters that are rendered sooner than a thread is asked to
HTML_INTERVAL = 0.05  # seconds between two renderings of an answer that is still coming

_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
_markdown.disable("image")  # a remote image tells its host who reads; the alternative text stays readable

_TEXT = {"p", "br", "hr", "strong", "em", "s", "a", "code", "pre", "blockquote", "ul", "ol", "li"}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_TABLES = {"div", "table", "thead", "tbody", "tr", "th", "td"}


NUMBER = re.compile(r"[-+]?[¥$€]?\s?\d[\d,.]*\s?(元|件|个|台|%)?")


def _frame_tables(state: StateCore) -> None:
    """Let a wide table scroll in a frame of its own, and mark its columns of numbers.

    Alignment comes as an inline style, which the page's policy forbids: right is said as a class, too.
    """
    framed: list[Token] = []
    columns: dict[int, list[tuple[Token, str]]] = {}
    column = 0
    for token, following in pairwise([*state.tokens, Token("end", "", 0)]):
        if token.type == "table_open":
            columns = defaultdict(list)
            framed.append(Token("frame_open", "div", 1))
        elif token.type == "tr_open":
            column = 0
        elif token.type in ("th_open", "td_open"):
            columns[column].append((token, following.content))
            column += 1
        framed.append(token)
        if token.type == "table_close":
            framed.append(Token("frame_close", "div", -1))
            for cells in columns.values():
                _mark(cells)
    state.tokens = framed


def _mark(cells: list[tuple[Token, str]]) -> None:
    values = [text.strip("*`~ ") for _, text in cells[1:]]
    numeric = values and all(map(NUMBER.fullmatch, values))
    for token, _ in cells:
        style = token.attrs.pop("style", "")
        if numeric or style == "text-align:right":
            token.attrs["class"] = "num"


_markdown.core.ruler.push("frame_tables", _frame_tables)


def to_html(markdown: str) -> str:
    """Render CommonMark with tables; links open elsewhere, and nothing in it runs or is fetched."""
    return nh3.clean(
        _markdown.render(markdown),
        tags=_TEXT | _HEADINGS | _TABLES,
        attributes={
            "a": {"href", "title"},
            "ol": {"start"},
            "code": {"class"},
            "th": {"class"},
            "td": {"class"},
        },
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={
            "a": {"target": "_blank"},
            "div": {"class": "wide", "tabindex": "0"},  # what scrolls can be scrolled by keyboard
            "pre": {"tabindex": "0"},
        },
    )


async def with_html(turn: AsyncGenerator[events.Event]) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
    """Name each event, and add the rendered answer: as it comes, not too often, and when it is whole."""
    text = ""
    next_rendering = 0.0
    async with aclosing(turn) as told:
        async for event in told:
            if isinstance(event, events.TextEvent):
                text += event.delta
                due = time.monotonic() >= next_rendering
            else:
                due = bool(text)
            if due:
                began = time.monotonic()
                html = to_html(text) if len(text) < QUICK else await asyncio.to_thread(to_html, text)
                yield "html", {"html": html}
                # a long answer takes long to render: never more than a fifth of the time
                next_rendering = began + max(HTML_INTERVAL, 5 * (time.monotonic() - began))
            if not isinstance(event, events.TextEvent):
                text = ""
            yield event.event, _data(event)


def _data(event: events.Event) -> dict[str, Any]:
    data = asdict(event)
    if isinstance(event, events.ErrorEvent):
        data["detail"] = explain(event.code, event.params)
    return data

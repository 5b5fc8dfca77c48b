"""The model's markdown as HTML that is safe to show: rendered, then sanitised, for it may be hostile."""

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

MAX_INLINE = 2_000  # characters that are rendered at once; a thread takes the longer ones
RENDER_SECONDS = 0.05  # between two renderings of an answer that is still coming
MAX_SHARE = 0.2  # of the time that goes into rendering one answer

NUMERIC_CELL = re.compile(r"[-+]?[¥$€]?\s?\d[\d,.]*\s?(元|件|个|台|%)?")

TEXT_TAGS = {"p", "br", "hr", "strong", "em", "s", "a", "code", "pre", "blockquote", "ul", "ol", "li"}
HEADING_TAGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
TABLE_TAGS = {"div", "table", "thead", "tbody", "tr", "th", "td"}


def to_html(markdown: str) -> str:
    """Return HTML of CommonMark with tables; nothing in it runs or is fetched."""
    return sanitise(render(markdown))


def render(markdown: str) -> str:
    """Render CommonMark with tables; HTML and links to scripts stay text, of images the text is kept."""
    html: str = _markdown.render(markdown)
    return html


def sanitise(html: str) -> str:
    """Keep the elements, attributes and links of `render` only, whatever the HTML; links open elsewhere."""
    return nh3.clean(
        html,
        tags=TEXT_TAGS | HEADING_TAGS | TABLE_TAGS,
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
            "div": {"class": "wide", "tabindex": "0"},  # the keyboard scrolls what has the focus
            "pre": {"tabindex": "0"},
        },
    )


def _frame_tables(state: StateCore) -> None:
    """Put each table into a frame that scrolls, and mark its columns of numbers.

    markdown-it aligns by inline styles, which the page's policy forbids: right becomes a class, too.
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
                _mark_numbers(cells)
    state.tokens = framed


def _mark_numbers(cells: list[tuple[Token, str]]) -> None:
    values = [text.strip("*`~ ") for _, text in cells[1:]]
    is_numeric = values and all(map(NUMERIC_CELL.fullmatch, values))
    for token, _ in cells:
        style = token.attrs.pop("style", "")
        if is_numeric or style == "text-align:right":
            token.attrs["class"] = "num"


_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
_markdown.disable("image")  # a remote image tells its host who reads; the alternative text stays readable
_markdown.core.ruler.push("frame_tables", _frame_tables)


async def with_html(turn: AsyncGenerator[events.Event]) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
    """Yield name and data of each event, and `html` events: the answer so far, and the whole one."""
    text = ""
    next_rendering = 0.0  # time.monotonic()
    async with aclosing(turn) as told:
        async for event in told:
            if isinstance(event, events.TextEvent):
                text = event.delta if event.restart else text + event.delta
                is_due = time.monotonic() >= next_rendering
            else:
                is_due = bool(text)
            if is_due:
                began = time.monotonic()
                html = to_html(text) if len(text) < MAX_INLINE else await asyncio.to_thread(to_html, text)
                yield "html", {"html": html}
                next_rendering = began + max(RENDER_SECONDS, (time.monotonic() - began) / MAX_SHARE)
            if not isinstance(event, (events.TextEvent, events.ThinkingEvent)):
                text = ""
            yield event.event, _data(event)


def _data(event: events.Event) -> dict[str, Any]:
    data = asdict(event)
    if isinstance(event, events.ErrorEvent):
        data["detail"] = explain(event.code, event.params)
    return data

"""The model's markdown as HTML that is safe to show: rendered, then sanitised, for it is hostile."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore

import events

QUICK = 2_000  # characters that are rendered sooner than a thread is asked to
HTML_INTERVAL = 0.05  # seconds between two renderings of an answer that is still coming

_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
_markdown.disable("image")  # a remote image tells its host who reads; the alternative text stays readable

_TEXT = {"p", "br", "hr", "strong", "em", "s", "a", "code", "pre", "blockquote", "ul", "ol", "li"}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_TABLES = {"table", "thead", "tbody", "tr", "th", "td"}


def _align(state: StateCore) -> None:
    """Say the alignment of a cell as an attribute: the page's policy allows no inline style."""
    for token in state.tokens:
        if token.type in ("th_open", "td_open"):
            style = str(token.attrs.pop("style", ""))
            if style:
                token.attrs["align"] = style.removeprefix("text-align:")


_markdown.core.ruler.push("align", _align)


def to_html(markdown: str) -> str:
    """Render CommonMark with tables; links open elsewhere, and nothing in it runs or is fetched."""
    return nh3.clean(
        _markdown.render(markdown),
        tags=_TEXT | _HEADINGS | _TABLES,
        attributes={
            "a": {"href", "title"},
            "ol": {"start"},
            "code": {"class"},
            "th": {"align"},
            "td": {"align"},
        },
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


async def with_html(turn: AsyncGenerator[events.Event]) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
    """Name each event, and add the rendered answer: as it comes, not too often, and when it is whole."""
    text = ""
    next_rendering = 0.0
    async with aclosing(turn) as told:
        async for event in told:
            if isinstance(event, events.Text):
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
            if not isinstance(event, events.Text):
                text = ""
            yield event.event, asdict(event)

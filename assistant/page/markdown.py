"""The model's markdown as HTML that is safe to show: rendered, then sanitised, for it may be hostile."""

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from html import escape
from itertools import pairwise
from typing import Any, TypeVar

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from assistant.chat import events
from assistant.page import code_blocks, formulas, markdown_rules
from assistant.page.allowed_html import is_shown, sanitise
from assistant.page.formulas import LIVE
from assistant.page.sentences import explain

MAX_INLINE = 2_000  # characters that are rendered at once; a thread takes the longer ones, and formulas
RENDER_SECONDS = 0.05  # between two renderings of an answer that is still coming
MAX_SHARE = 0.2  # of the time that goes into rendering one answer
STEPS = 16  # renderings of a block until it has doubled its length, about
UNSETTLED = re.compile(r"\]:|[`~]")  # a reference from another block, or code: shown otherwise while it comes

T = TypeVar("T")

NUMERIC_CELL = re.compile(r"[-+]?[¥$€]?\s?\d[\d,.]*\s?(元|件|个|台|%)?")


def to_html(markdown: str, image_hosts: frozenset[str] = frozenset(), *, live: bool = False) -> str:
    """Return HTML of CommonMark with tables, formulas and coloured code; nothing in it runs.

    Nothing is fetched but pictures of `image_hosts`. `live`: more of the text is coming, so that half of a
    formula at its end is not shown.
    """
    return sanitise(render(markdown, image_hosts, live=live), image_hosts)


def render(markdown: str, image_hosts: frozenset[str] = frozenset(), *, live: bool = False) -> str:
    """Render; HTML and links to scripts stay text, a picture of another host is a link to it."""
    html: str = _markdown.render(markdown, {"image_hosts": image_hosts} | ({LIVE: markdown} if live else {}))
    return html


def _image(_: object, tokens: Sequence[Token], index: int, __: object, env: Mapping[str, Any]) -> str:
    """A picture tells its host who reads, and what the model wrote into its address: see docs/security.md."""
    token = tokens[index]
    address, text = escape(str(token.attrs["src"])), escape(token.content)
    if is_shown(str(token.attrs["src"]), env["image_hosts"]):
        return f'<img src="{address}" alt="{text}">'
    around = (tokens[at] for at in range(index - 1, max(index - 50, -1), -1))
    is_in_link = token.level and next((t.nesting for t in around if t.tag == "a"), 0) > 0
    is_web = re.match("https?:", address, re.IGNORECASE) and not is_in_link
    return f'<a href="{address}">{text or address}</a>' if is_web else text


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
            framed.append(Token("frame_open", "div", 1, attrs={"class": "wide"}))
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
markdown_rules.install(_markdown)
formulas.install(_markdown)
code_blocks.install(_markdown)
_markdown.add_render_rule("image", _image)
_markdown.core.ruler.push("frame_tables", _frame_tables)


class LiveHtml:
    """The HTML of a message that is still coming: only its last block is rendered and sent again.

    What that costs grows with the message's length: the longer the block, the more must be new.
    """

    def __init__(
        self,
        seconds: float = RENDER_SECONDS,
        image_hosts: frozenset[str] = frozenset(),
        *,
        restart: bool = False,
    ) -> None:
        """Make one; `seconds` pass at least between two renderings, `restart` takes back another message."""
        self._seconds = seconds
        self._hosts = image_hosts
        self._restart = restart
        self._all: list[str] = []
        self._told = 0  # of these pieces
        self._new: list[str] = []  # not rendered yet
        self._new_length = 0
        self._last = ""  # the last block
        self._done = ""  # the HTML of the blocks before it
        self._html = ""  # all that was sent
        self._next = 0.0  # time.monotonic()

    def add(self, delta: str) -> None:
        """Add a piece of the message."""
        self._all.append(delta)
        self._new.append(delta)
        self._new_length += len(delta)

    def told(self) -> dict[str, Any]:
        """Return the data of a `text` event with the pieces that were not told yet."""
        pieces, is_first = self._all[self._told :], not self._told
        self._told += len(pieces)
        return {"delta": "".join(pieces), "restart": self._restart and is_first}

    @property
    def is_due(self) -> bool:
        """Whether enough has come since the last rendering, and enough time passed."""
        return self._new_length * STEPS >= len(self._last) and time.monotonic() >= self._next

    async def rendered(self) -> dict[str, Any]:
        """Return an event's data: how much of the HTML stays, as JavaScript counts, and what follows."""
        began = time.monotonic()
        text, self._new, self._new_length = self._last + "".join(self._new), [], 0
        self._last, finished_html, last_html = await _aside(_render_blocks, text, self._hosts)
        keep = self._done
        self._done += finished_html
        self._html = self._done + last_html
        now = time.monotonic()
        self._next = now + max(self._seconds, (now - began) / MAX_SHARE) if self._seconds else 0.0
        return _change(keep, self._html)

    async def ended(self) -> dict[str, Any] | None:
        """Return the data of the last event, if one is needed: blocks may refer to each other."""
        text = "".join(self._all)
        if not (self._new or UNSETTLED.search(text) or formulas.may_be_in(text)):
            return None  # what was rendered last is the whole
        whole = await _aside(to_html, text, self._hosts)
        kept = self._done if whole.startswith(self._done) else ""
        return None if whole == self._html else _change(kept, whole)


async def with_html(
    turn: AsyncGenerator[events.Event], image_hosts: frozenset[str] = frozenset()
) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
    """Yield name and data of each event, and `html` events: the message so far, and the whole one.

    Pieces of text are told as one with the next HTML: until then nobody sees them.
    """
    live: LiveHtml | None = None
    async with aclosing(turn) as told:
        async for event in told:
            if isinstance(event, events.TextEvent):
                if live is None or event.restart:
                    live = LiveHtml(image_hosts=image_hosts, restart=event.restart)
                live.add(event.delta)
                if live.is_due:
                    yield "html", await live.rendered()
                    yield "text", live.told()
                continue
            if live and (text := live.told())["delta"]:
                yield "text", text
            if live and not isinstance(event, events.ThinkingEvent):
                if data := await live.ended():
                    yield "html", data
                live = None
            yield event.event, _data(event)


async def _aside(work: Callable[[str, frozenset[str]], T], text: str, hosts: frozenset[str]) -> T:
    is_quick = len(text) < MAX_INLINE and not formulas.may_be_in(text)
    return work(text, hosts) if is_quick else await asyncio.to_thread(work, text, hosts)


def _render_blocks(text: str, image_hosts: frozenset[str]) -> tuple[str, str, str]:
    """Return the last block of a text, the HTML of those before it, and its own.

    The block before is the last one while the first line of the next is not complete: it may be a part of it.
    """
    tokens: list[Token] = []
    _markdown.block.parse(text, _markdown, {LIVE: text}, tokens)
    lines = text.split("\n")
    begins = [token.map[0] for token in tokens if token.level == 0 and token.map]
    begin = max((line for line in begins if line < len(lines) - 1), default=0)
    finished, last = "\n".join(lines[:begin]), "\n".join(lines[begin:])
    return last, finished and to_html(finished, image_hosts), to_html(last, image_hosts, live=True)


def _change(kept: str, html: str) -> dict[str, Any]:
    return {"html": html[len(kept) :], "keep": len(kept.encode("utf-16-le")) // 2}


def _data(event: events.Event) -> dict[str, Any]:
    data = {**vars(event)}  # not by `asdict`, which copies every dict and text within
    if isinstance(event, events.ToolResultEvent):
        data["media"] = [*map(vars, event.media)]
    if isinstance(event, events.ErrorEvent):
        data["detail"] = explain(event.code, event.params)
    return data

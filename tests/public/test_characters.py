"""No character ends an event or breaks the page, whichever way it comes in."""

import re
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.page_backend import ORDER, STOCK, Backend, call, done, prompt, result, says, server, tool
from tests.support.page_browser import Open

CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x61C, 0x180E, 0xFEFF, 0xFFF9, 0xFFFA, 0xFFFB]
SEPARATORS = [
    0xA0,
    0x1680,
    *range(0x2000, 0x2010),
    *range(0x2028, 0x2030),
    *range(0x205F, 0x2070),
    0x3000,
    0x3164,
]
TAGS = [*range(0xE0000, 0xE0080), *range(0xFE00, 0xFE10), 0xE000, 0xF0000]
NONCHARACTERS = [
    *range(0xFDD0, 0xFDF0),
    *(plane << 16 | low for plane in range(17) for low in (0xFFFE, 0xFFFF)),
]
HALVES = [0xD800, 0xDFFF]
END = "末尾"
BAD = "".join(f"a{chr(code)}" for code in CONTROLS + SEPARATORS + TAGS + NONCHARACTERS + HALVES) + END

Way = Callable[[Backend], list[Any]]


def _always(value: Any, _: Any) -> Any:
    return value


def shop(backend: Backend, **tools: Any) -> list[Any]:
    """The shop answers so."""
    backend.run.update({name: partial(_always, value) for name, value in tools.items()})
    return []


def listed(backend: Backend, **entry: Any) -> list[Any]:
    """The back end lists a tool so."""
    backend.tools.append(tool("get_more") | entry)
    return []


def serves(backend: Backend, **entry: Any) -> list[Any]:
    """The back end lists a server so."""
    backend.servers.append(server("more") | entry)
    return []


def prompts(backend: Backend) -> list[Any]:
    backend.prompts.append(prompt(BAD))
    return []


FAILED = {"code": "out_of_stock", "params": {"name": BAD, "available": BAD}}
CALL = call("c1", "send", {}, read_only=False)
WAYS: dict[str, Way] = {
    "the model's text": lambda _: says(BAD),
    "the model's HTML": lambda _: says("x", f"<p>{BAD}</p><pre>{BAD}</pre>"),
    "a result": lambda _: [*CALL, *result("c1", BAD)],
    "rows of a result": lambda _: [*CALL, *result("c1", [{BAD: BAD, "n": 1}])],
    "a failure": lambda _: [*CALL, *result("c1", BAD, failed=True)],
    "a failure's parameters": lambda _: [*CALL, *result("c1", "x", failed=True, **FAILED)],
    "arguments": lambda _: [*call("c1", "send", {BAD: BAD}, read_only=False), ("approval", {"id": "c1"})],
    "a call's names": lambda _: call("c1", BAD, {}, server=BAD, title=BAD),
    "a progress": lambda _: [
        *CALL,
        ("tool_progress", {"id": "c1", "progress": 1, "total": 2, "message": BAD}),
        *result("c1", END),
    ],
    "an error": lambda _: [("error", {"code": BAD, "params": {BAD: BAD}, "detail": BAD})],
    "a customer's name": lambda backend: shop(
        backend, get_orders=[{**ORDER, "customerName": BAD, "label": BAD}]
    ),
    "a product's name": lambda backend: shop(
        backend, get_inventory=[{**STOCK[0], "product": {"id": 1, "name": BAD, "price": 1}}]
    ),
    "a tool's name": lambda backend: listed(backend, name=BAD, title=BAD),
    "a tool's description": lambda backend: listed(
        backend, description=BAD, input_schema={"properties": {BAD: BAD}}
    ),
    "a server's name": lambda backend: serves(backend, name=BAD),
    "a server's failure": lambda backend: serves(backend, status="down", error=BAD),
    "a command": lambda backend: serves(
        backend, status="untrusted", transport="stdio", params={"command": BAD, "args": [BAD]}
    ),
    "what is sent elsewhere": lambda backend: serves(
        backend, status="untrusted", params={"names": BAD, "host": BAD}
    ),
    "a prompt": prompts,
}


# Each takes seconds: fonts are looked through for a glyph of each character.
OFTEN = ["a result", "rows of a result", "the model's HTML", "a server's failure", "a prompt"]


@pytest.mark.parametrize(
    "way", [way if way in OFTEN else pytest.param(way, marks=pytest.mark.heavy) for way in WAYS]
)
def test_the_page_goes_on_whatever_character_comes_in(backend: Backend, open_page: Open, way: str) -> None:
    steps = WAYS[way](backend)
    shown = open_page(backend.url)
    shown.page.get_by_text("工具", exact=True).click()
    cards = shown.page.locator(".server .card > summary")
    expect(cards).to_have_count(len(backend.tools))
    for summary in cards.all():
        summary.click()
    shown.page.get_by_text("商店", exact=True).click()
    backend.say(steps, done())
    shown.ask("一")
    if shown.page.locator(".tool").count():
        shown.card.locator("summary").first.evaluate("summary => { summary.parentElement.open = true; }")
    expect(shown.page.locator("body")).to_contain_text(END)
    shown.page.reload()
    expect(shown.page.locator(".mine")).to_have_text(["一"])
    backend.say(says("好"), done())
    shown.ask(f"二 {BAD}")
    expect(shown.answer).to_contain_text("好")
    assert not re.search(r"[\ud800-\udfff]", str(backend.asked[-1]["messages"]))


def test_what_turns_words_around_is_spelt_out_beside_the_pages_own_and_what_is_long_is_cut(
    backend: Backend, open_page: Open
) -> None:
    turned = "shop\u202e"
    backend.prompts.append(prompt(turned) | {"description": turned + "长" * 1000})
    backend.servers.append(server("more", "down", turned))
    backend.tools.append(tool("send", description=turned))
    backend.run["get_inventory"] = lambda _: [{**STOCK[0], "product": {"id": 1, "name": turned, "price": 1}}]
    shown = open_page(backend.url)
    spelt = "shop⟨U+202E⟩"
    expect(shown.page.locator(".starter").last).to_have_text(f"{spelt} · shop{spelt}{'长' * 195}…")
    expect(shown.page.locator(".banner")).to_contain_text(spelt)
    expect(shown.page.locator("#stock bdi")).to_have_text(spelt)
    shown.page.locator("#health").click()
    shown.page.locator(".server .card > summary", has_text="send").click()
    expect(shown.page.locator(".about").last).to_have_text(spelt)
    said = ("tool_progress", {"id": "c1", "progress": 1, "total": 2, "message": turned + "长" * 1000})
    backend.say(CALL, [said, threading.Event()])
    shown.begin("一")
    expect(shown.page.locator(".progress bdi")).to_have_text(f"{spelt}{'长' * 295}…")

"""What the page looks like: scales, contrasts, what moves while it loads, and that it can be installed."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.public.icons import PUBLIC
from tests.public.screenshots import Studio
from tests.support.asgi import in_a_thread
from tests.support.page_backend import PRODUCTS, Backend, buys, call, done, result, says
from tests.support.page_browser import PHONE, Open
from tests.support.suite import Suite

STYLES = sorted(PUBLIC.glob("*.css"))
ON_SCALES = re.compile(
    r"^\s*((?:padding|margin|gap|row-gap|column-gap|font-size|border-radius)[-\w]*): (.*);"
)
TOKEN = re.compile(r"--(\w[-\w]*): light-dark\((#\w+), (#\w+)\)")
SURFACES = ["bg", "side", "raised"]
INKS = [("text", SURFACES), ("quiet", SURFACES), ("accent", [*SURFACES, "soft"]), ("on-accent", ["accent"])]
INKS += [
    ("bad", [*SURFACES, "bad-soft"]),
    ("warn", [*SURFACES, "warn-soft"]),
    ("text", ["bad-soft", "warn-soft", "soft"]),
]
MAX_PICTURE = 250_000  # bytes of one that README.md shows
MIN_CONTRAST = 4.5  # WCAG 2.2, 1.4.3


def off_the_scales() -> Iterator[str]:
    for style in STYLES:
        for number, line in enumerate(style.read_text().splitlines(), 1):
            if (
                (found := ON_SCALES.match(line))
                and re.search(r"\d(rem|px)\b", found[2])
                and "clamp" not in line
            ):
                yield f"{style.name}:{number}: {line.strip()}"


def test_gaps_type_and_corners_are_steps_of_the_scales() -> None:
    assert list(off_the_scales()) == []


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    pairs = [each * 2 for each in digits] if len(digits) == 3 else re.findall("..", digits)
    channels = [int(pair, 16) / 255 for pair in pairs]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_every_ink_can_be_read_on_every_ground_in_both_schemes() -> None:
    tokens = {name: schemes for name, *schemes in TOKEN.findall((PUBLIC / "base.css").read_text())}
    for (ink, grounds), scheme in itertools.product(INKS, (0, 1)):
        for ground in grounds:
            dark, light = sorted(luminance(tokens[name][scheme]) for name in (ink, ground))
            contrast = (light + 0.05) / (dark + 0.05)
            assert contrast >= MIN_CONTRAST, f"{ink} on {ground}, scheme {scheme}: {contrast:.2f}"


def test_the_page_can_be_installed_also_below_a_path(backend: Backend, open_page: Open) -> None:
    with in_a_thread(Starlette(routes=[Mount("/shop", backend.app())])) as url:
        page = open_page(f"{url}/shop/").page
        devtools = page.context.new_cdp_session(page)
        found = devtools.send("Page.getAppManifest")
        assert (found["errors"], found["manifest"]["startUrl"]) == ([], f"{url}/shop/")
        errors = {
            error["errorId"]
            for error in devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
        }
        assert errors <= {"in-incognito"}  # as every context of a test is
    icons = json.loads((PUBLIC / "manifest.webmanifest").read_text())["icons"]
    assert all((PUBLIC / icon["src"]).is_file() for icon in icons)


def test_the_screenshots_command_writes_small_pictures(
    browser: Browser, shop: Suite, backend: Backend, tmp_path: Path
) -> None:
    studio = Studio(browser, tmp_path)
    studio.readme(shop)
    studio.cards(backend, "390-zh", viewport=PHONE)
    names = {"page.en", "page.zh-CN", "full-390-zh", "long-390-zh", "price-390-zh"}
    assert {path.stem for path in tmp_path.glob("*.png") if path.stat().st_size < MAX_PICTURE} == names


SHIFTS = """window.moved = [];
new PerformanceObserver(list => moved.push(...list.getEntries().flatMap(({value, sources}) =>
    sources.filter(({node}) => node?.parentElement?.closest("main")).map(() => value)))
).observe({type: "layout-shift", buffered: true});"""


def test_nothing_in_the_middle_moves_while_the_page_loads(shop: Suite, open_page: Open) -> None:
    """What is not known yet keeps its place; the greeting does not stand where a conversation will."""
    page = open_page(shop.url, script=SHIFTS).page
    expect(page.locator("#stock .bar-row").first).to_be_visible()
    expect(page.locator("#demo")).to_be_visible()
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate("moved.reduce((sum, value) => sum + value, 0)") < 0.01  # 0.1 is called good


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_no_comment_of_a_style_is_longer_than_its_line(path: Path) -> None:
    """The service leaves comments out line by line: the rest of a longer one would take rules with it."""
    assert all(line.count("/*") == line.count("*/") for line in path.read_text().splitlines())


def test_the_browsers_bar_has_the_colour_of_the_theme_that_was_chosen(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url, color_scheme="light")
    dark = shown.page.locator("meta[data-scheme=dark]")
    expect(dark).to_have_attribute("media", "(prefers-color-scheme: dark)")
    shown.button("设置").click()
    shown.page.get_by_text("深色", exact=True).click()
    expect(dark).to_have_attribute("media", "all")
    shown.page.reload()
    expect(shown.page.locator("meta[data-scheme=light]")).to_have_attribute("media", "not all")


def test_long_names_push_nothing_away(backend: Backend, open_page: Open) -> None:
    long = "Ununterbrochenerdatensatz" * 8
    backend.model["name"] = long
    found = [{"id": 1, "name": long, "price": 9.0}, {"id": 2, "name": "b", "price": 9.0}]
    backend.run["get_inventory"] = lambda _: [
        {"productId": 2, "quantity": 9, "product": {**PRODUCTS[1], "name": long}}
    ]
    for locale, buy in (("zh-TW", "購買"), ("en-GB", "Buy")):
        shown = open_page(backend.url, viewport=PHONE, has_touch=True, is_mobile=True, locale=locale)
        backend.say(call("a", "get_products", {}), result("a", found), says("x"), done())
        shown.ask("x")
        press = shown.page.locator(".product .buy").first
        expect(press).to_have_text(buy)
        assert press.evaluate("press => press.scrollHeight < 50")  # one line
        backend.say(buys("b"))
        shown.ask("y")
        assert shown.page.locator("#model").evaluate("chip => chip.offsetWidth < innerWidth / 2")
        bill = shown.page.locator(".slot.waiting .bill")
        amount = bill.locator("b.num")
        ends = [each.evaluate("each => each.getBoundingClientRect().right") for each in (bill, amount)]
        assert abs(ends[0] - ends[1]) < 1

"""The page of the real services speaks one language: data aside, nothing of another is seen in it."""

import pytest
from playwright.sync_api import expect

from tests.support.big5 import in_big5
from tests.support.page_browser import Open, Shown
from tests.support.suite import Suite

# What is seen, but for what a model says, exact JSON and the names of languages.
TEXTS = """() => {
    const own = e => e.checkVisibility() && !e.closest("pre, .choice, textarea, .prose, .sr");
    const names = ["title", "aria-label", "placeholder", "alt"];
    return [...document.body.querySelectorAll("*")].filter(own).flatMap(e => [
        ...[...e.childNodes].filter(node => node.nodeType === 3).map(node => node.data),
        ...names.map(name => e.getAttribute(name) ?? ""),
    ]);
}"""
DATA = (
    *("智能手表Galaxy", "无线蓝牙耳机Pro", "便携式移动电源", "华为MateBook X Pro", "降噪耳机", "王先生"),
    *("健康监测，运动追踪，支持多种应用", "主动降噪，30小时续航，IPX7防水"),
    *("20000mAh大容量，支持快充，轻薄设计", "14.2英寸全面屏，3:2比例，100% sRGB色域", "智", "无", "便", "华"),
)


def foreign(shown: Shown, locale: str) -> list[str]:
    """The texts with a character that the language has not, once the data is taken out."""
    found: list[str] = []
    for text in shown.page.evaluate(TEXTS):
        rest = text
        for data in DATA:
            rest = rest.replace(data, "")
        strange = [char for char in rest if "\u3400" <= char <= "\u9fff"]
        if any(locale == "en-GB" or not in_big5(char) for char in strange):
            found.append(text)
    return found


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("locale", "questions", "tools"),
    [
        (
            "en-GB",
            ["What do you sell?", "Do you have a piano?", "Buy 1 of product 3 for customer A"],
            "Tools",
        ),
        ("zh-TW", ["有哪些商品？", "有鋼琴嗎？", "幫客戶A買 1 個 3 號商品"], "工具"),
    ],
)
def test_nothing_of_another_language_is_seen(
    shop: Suite, open_page: Open, locale: str, questions: list[str], tools: str
) -> None:
    shown = open_page(shop.url, locale=locale)
    page = shown.page
    expect(page.locator("#stock .bar-row")).to_have_count(4)
    found = foreign(shown, locale)
    for question in questions:
        shown.ask(question)
        found += foreign(shown, locale)
    page.locator(".slot.waiting .primary").click()
    expect(page.locator(".slot.receipt")).to_be_visible()
    shown.settle()
    found += foreign(shown, locale)
    page.get_by_text(tools, exact=True).click()
    for number in range(4):
        page.locator("#tools .card > summary").nth(number).click()
        expect(page.locator("#tools .card form.try")).to_have_count(number + 1)
    assert [*found, *foreign(shown, locale)] == []

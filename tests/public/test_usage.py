"""What an answer took stands under it, with the conversation's total and how full the model's window is."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.support.page_backend import Backend, Step, call, done, result, says
from tests.support.page_browser import Open


def took(input: int, output: int, cost: float | None = None, window: int | None = None) -> list[Step]:
    counted: dict[str, Any] = {"input": input, "output": output, "cached": 0, "cost": cost, "window": window}
    return [("usage", counted)]


def ask(page: Page, question: str) -> None:
    page.locator("#input").fill(question)
    page.keyboard.press("Enter")


def test_the_rounds_of_an_answer_and_all_answers_are_added_up_and_kept(
    backend: Backend, open_page: Open
) -> None:
    page = open_page(backend.url, locale="en").page
    rounds = [*took(1000, 10, 0.0012, 128_000), *call("c1", "get_orders", {}), *result("c1", [])]
    backend.say(rounds, took(1200, 300, 0.0009, 128_000), says("ONE"), done())
    ask(page, "one")
    line, total = page.locator(".answer .acts > span"), page.locator(".answer > .quiet")
    expect(line).to_have_text("2200 in · 310 out · $0.0021")
    expect(total).to_have_text("Conversation: 2510 tokens · $0.0021 · window 1% full")
    backend.say(took(62_000, 2_000, 1.5, 128_000), says("TWO"), done())
    ask(page, "two")
    expect(line).to_have_text(["2200 in · 310 out · $0.0021", "62,000 in · 2000 out · $1.50"])
    expect(total).to_have_text("Conversation: 66,510 tokens · $1.50 · window 50% full")
    page.reload()
    expect(line).to_have_text(["2200 in · 310 out · $0.0021", "62,000 in · 2000 out · $1.50"])
    expect(total).to_have_text("Conversation: 66,510 tokens · $1.50 · window 50% full")


def test_what_nobody_counted_is_not_shown_and_what_nobody_priced_has_no_price(
    backend: Backend, open_page: Open
) -> None:
    page = open_page(backend.url, locale="en").page
    backend.say(says("ONE"), done())
    ask(page, "one")
    line, total = page.locator(".answer .acts > span"), page.locator(".answer > .quiet")
    expect(page.locator(".answer")).to_contain_text("ONE")
    expect(page.locator(".answer .acts")).to_be_attached()
    expect(line).to_have_text("")
    backend.say(took(1200, 300, 0.5), says("TWO"), took(1, 1), done())
    ask(page, "two")
    expect(line).to_have_text(["", "1201 in · 301 out"])
    expect(total).to_have_text("Conversation: 1502 tokens")

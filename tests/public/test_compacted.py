"""A summary stands for the older turns: they are folded, stay in the page, and are not sent again."""

import threading

from playwright.sync_api import Page, expect

from tests.support.page_backend import Backend, Step, call, done, result, says
from tests.support.page_browser import Open

SUMMARY = {"role": "user", "content": "what was said", "compacted": []}


def compacted(questions: int) -> list[Step]:
    return [("compacted", {"message": SUMMARY, "questions": questions})]


def ask(page: Page, backend: Backend, question: str, *before: list[Step]) -> list[str]:
    """Return what was sent."""
    backend.say(*before, says(question.upper()), done())
    page.locator("#input").fill(question)
    page.keyboard.press("Enter")
    expect(page.locator("#chat > .scroll > .log > .answer").last).to_contain_text(question.upper())
    expect(page.locator("#send.stop")).to_have_count(0)
    return [message["content"] for message in backend.asked[-1]["messages"]]


def test_older_turns_are_folded_and_opened_by_a_click(backend: Backend, open_page: Open) -> None:
    page = open_page(backend.url, locale="en").page
    ask(page, backend, "one", call("c1", "get_orders", {}), result("c1", []))
    ask(page, backend, "two")
    held = threading.Event()
    backend.say(compacted(2), [held], says("THREE"), done())
    page.locator("#input").fill("three")
    page.keyboard.press("Enter")
    fold, bubbles = page.locator(".fold"), page.locator(".bubble:visible")
    expect(bubbles).to_have_text(["two", "three"])
    expect(page.locator(".dots")).to_be_visible()
    held.set()
    expect(page.locator(".answer").last).to_contain_text("THREE")
    fold.get_by_text("Earlier messages were summarised").click()
    expect(bubbles).to_have_text(["one", "two", "three"])
    expect(fold.locator(".answer")).to_contain_text("get_orders")
    fold.get_by_text("What the model is given of them").click()
    expect(fold.locator("pre").first).to_have_text("what was said")
    page.reload()
    expect(bubbles).to_have_text(["two", "three"])


def test_what_is_folded_is_not_sent_again_unless_it_is_edited(backend: Backend, open_page: Open) -> None:
    page = open_page(backend.url, locale="en").page
    ask(page, backend, "one")
    ask(page, backend, "two", compacted(1))
    assert ask(page, backend, "three") == ["what was said", "two", "TWO", "three"]
    assert ask(page, backend, "four", compacted(1)) == [
        "what was said",
        "two",
        "TWO",
        "three",
        "THREE",
        "four",
    ]
    assert ask(page, backend, "five") == ["what was said", "four", "FOUR", "five"]
    page.locator(".fold > details > summary").click()
    backend.say(says("AGAIN"), done())
    page.locator(".fold .mine", has_text="two").locator(".edit").click()
    expect(page.locator(".fold textarea")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".answer").last).to_contain_text("AGAIN")
    assert [message["content"] for message in backend.asked[-1]["messages"]] == ["what was said", "two"]
    expect(page.locator(".bubble:visible")).to_have_text(["two"])

"""Tools, prompts and servers are switched off in the page, and the browser remembers it."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.page_backend import Backend, call, done, prompt, result, says, server, tool
from tests.support.page_browser import Open


@pytest.fixture
def lists(backend: Backend, open_page: Open) -> Page:
    backend.servers.append(server("files"))
    backend.tools.append(tool("read", server="files"))
    backend.prompts = [prompt("Restock"), prompt("Tidy up") | {"server": "files"}]
    page = open_page(backend.url, locale="en").page
    page.locator("#health").click()
    return page


def switch(page: Page, name: str) -> None:
    """The switch has the focus, and a key turns it."""
    page.get_by_role("switch", name=f"Offer {name} to the model").press("Space")


def ask(page: Page, backend: Backend, question: str) -> object:
    backend.say(says(question.upper()), done())
    page.locator("#input").fill(question)
    page.keyboard.press("Enter")
    expect(page.locator(".answer").last).to_contain_text(question.upper())
    expect(page.locator("#send.stop")).to_have_count(0)
    return backend.asked[-1]["off"]


def test_what_is_switched_off_goes_along_with_every_question(backend: Backend, lists: Page) -> None:
    assert ask(lists, backend, "one") == []
    switch(lists, "files")
    switch(lists, "get_orders")
    assert ask(lists, backend, "two") == [{"server": "files"}, {"server": "shop", "tool": "get_orders"}]
    lists.reload()
    expect(lists.locator("main:not([aria-busy])")).to_be_visible()
    expect(lists.get_by_role("switch", name="Offer files to the model")).not_to_be_checked()
    switch(lists, "files")
    assert ask(lists, backend, "three") == [{"server": "shop", "tool": "get_orders"}]


def test_the_header_counts_no_server_of_which_all_is_off(backend: Backend, lists: Page) -> None:
    health = lists.locator("#health")
    expect(health).to_have_text("2 of 2 servers")
    switch(lists, "read")
    expect(health).to_have_text("1 of 1 server")
    switch(lists, "shop")
    expect(health).to_have_text("0 of 0 servers")
    expect(health).to_have_attribute("data-status", "none")
    backend.model = backend.model | {"name": "another"}  # which has the list drawn anew
    expect(lists.locator("#model")).to_have_text("another")
    expect(health).to_have_text("0 of 0 servers")


def test_a_prompt_that_is_off_or_of_a_server_that_is_off_is_no_starter(lists: Page) -> None:
    starters = lists.locator(".starter", has_text="·")
    expect(starters).to_contain_text(["Restock", "Tidy up"])
    switch(lists, "files")
    expect(starters).to_contain_text(["Restock"])
    switch(lists, "Restock")
    expect(starters).to_have_count(0)


def test_the_list_says_what_it_takes_of_the_models_window(backend: Backend, lists: Page) -> None:
    line = lists.locator("#tools > p").first
    expect(line).to_have_text("The model’s list of tools takes about 250 tokens (estimated).")
    backend.model = backend.model | {"window": 128_000}
    expect(line).to_contain_text("about 250 of 128,000 tokens")
    switch(lists, "get_orders")
    expect(line).to_contain_text("about 200 of")
    backend.model = backend.model | {"window": 400}
    expect(line).to_contain_text("The model searches these tools")


def test_the_search_of_tools_is_named_in_the_readers_language_and_says_what_it_found(
    backend: Backend, lists: Page
) -> None:
    found = [{"name": "shop_buy", "description": "[shop] 下单", "parameters": {"type": "object" * 30}}]
    asked = call("c1", "searchTools", {"query": "buy 购买"}, server="", title="查找工具")
    backend.say(asked, result("c1", found), says("FOUND"), done())
    lists.locator("#input").fill("find")
    lists.keyboard.press("Enter")
    card = lists.locator(".answer .card")
    expect(card.locator("summary").first).to_contain_text("Search the toolsbuy 购买Done")
    card.locator("summary").first.click()
    expect(card.locator("td")).to_have_text(["shop_buy", "[shop] 下单", re.compile("^.{81}$")])

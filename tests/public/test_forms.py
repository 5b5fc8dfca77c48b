"""Forms made from JSON schemas, in Chromium: rows, groups within rows, and what is wrong, said beside it."""

import threading
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.support.page_backend import Backend, server, tool
from tests.support.page_browser import MOST_MS, Open

TAG = {"type": "string", "minLength": 2}
STOP = {
    "type": "object",
    "required": ["city"],
    "properties": {
        "city": {"type": "string"},
        "nights": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": TAG, "maxItems": 2},
    },
}
PROPERTIES: dict[str, Any] = {
    "trip": {
        "type": "object",
        "required": ["stops"],
        "properties": {
            "stops": {"type": "array", "items": STOP, "minItems": 2},
            "day": {"type": "string", "format": "date"},
        },
    },
    "contact": {
        "type": "object",
        "required": ["mail"],
        "properties": {
            "mail": {"type": "string", "format": "email"},
            "kind": {"type": "string", "default": "work"},
        },
    },
    "class": {"oneOf": [{"const": 1, "title": "First"}, {"const": 2, "title": "Second"}]},
    "code": {"type": "string", "pattern": "^[A-Z]{3}$"},
    "free": {"type": "object"},
}


@dataclass
class Opened:
    """The form of a tool, and what the tool was run with."""

    form: Locator
    ran: list[Any]

    def run(self) -> None:
        self.form.get_by_role("button", name="运行").click()

    def press(self, name: str) -> None:
        self.form.get_by_role("button", name=name, exact=True).last.click()


@pytest.fixture
def opened(backend: Backend, open_page: Open) -> Opened:
    ran: list[Any] = []
    backend.tools = [tool("plan", properties=PROPERTIES)]
    backend.tools[0]["input_schema"]["required"] = ["trip"]

    def record(args: dict[str, Any]) -> list[Any]:
        ran.append(args)
        return []

    backend.run["plan"] = record
    shown = open_page(backend.url)
    shown.page.get_by_text("工具", exact=True).click()
    shown.page.locator(".server .card summary").first.click()
    return Opened(shown.page.locator("form.try"), ran)


def group(within: Locator, name: str) -> Locator:
    return within.get_by_role("group", name=name, exact=True)


def test_rows_hold_groups_and_rows_again(opened: Opened) -> None:
    stops = group(opened.form, "stops *")
    first, second = group(stops, "第 1 项"), group(stops, "第 2 项")
    first.get_by_label("city").fill("上海")
    first.get_by_label("nights").fill("2")
    first.get_by_role("button", name="添加一项").click()
    expect(first.get_by_label("第 1 项", exact=True)).to_be_focused()
    first.get_by_label("第 1 项", exact=True).fill("外滩")
    second.get_by_label("city").fill("杭州")
    opened.press("添加一项")
    group(stops, "第 3 项").get_by_label("city").fill("南京")
    opened.press("移除第 2 项")
    expect(second.get_by_label("city")).to_have_value("南京")
    opened.form.get_by_label("day").fill("2026-12-24")
    opened.form.get_by_label("class").select_option("Second")
    opened.run()
    expect(opened.form.locator(".output")).not_to_be_empty()
    went = [{"city": "上海", "nights": 2, "tags": ["外滩"]}, {"city": "南京"}]
    assert opened.ran == [{"trip": {"stops": went, "day": "2026-12-24"}, "class": 2}]


def test_what_is_wrong_is_said_beside_it_and_gets_the_focus(opened: Opened) -> None:
    form = opened.form
    opened.run()
    city = form.get_by_label("city").first
    expect(city).to_be_focused()
    expect(city).to_have_accessible_description("请填写")
    form.get_by_label("nights").first.fill("0")
    form.get_by_label("code").fill("abc")
    form.get_by_label("mail").fill("nobody")
    form.get_by_label("free").fill("{")
    city.fill("上海")
    opened.press("移除第 2 项")
    opened.run()
    for said in ("不能小于 1", "格式应当是 ^[A-Z]{3}$", "应当是邮箱地址", "不是有效的 JSON", "至少要 2 项"):
        expect(form).to_contain_text(said)
    assert opened.ran == []


def test_a_group_that_is_begun_wants_all_it_needs(opened: Opened) -> None:
    form = opened.form
    for row in range(2):
        form.get_by_label("city").nth(row).fill("上海")
    form.get_by_label("kind").fill("home")
    opened.run()
    expect(form.get_by_label("mail")).to_be_focused()
    form.get_by_label("mail").fill("a@example.com")
    opened.run()
    expect(form.locator(".output")).not_to_be_empty()
    assert opened.ran[0]["contact"] == {"mail": "a@example.com", "kind": "home"}


def test_what_is_written_stays_while_servers_come_and_go(backend: Backend, opened: Opened) -> None:
    code = opened.form.get_by_label("code")
    code.fill("ABC")
    for servers in (
        [server("shop"), server("other")],
        [server("shop", "connecting"), server("other", "down")],
    ):
        backend.servers = servers
        boxes = opened.form.page.locator("#tools section.server")
        expect(boxes.nth(1)).to_have_attribute("data-status", servers[1]["status"])
        expect(code).to_have_value("ABC")


@pytest.mark.parametrize("way", ["a double click", "Enter held down"])
def test_a_tool_runs_once_however_it_is_pressed(backend: Backend, open_page: Open, way: str) -> None:
    go_on = threading.Event()
    backend.tools.append(tool("note", read_only=False, properties={"text": {"type": "string"}}))
    backend.run["note"] = lambda args: f"{args['text']} {go_on.wait(MOST_MS / 1000)}"
    shown = open_page(backend.url)
    shown.page.get_by_text("工具", exact=True).click()
    shown.page.locator(".server .card summary", has_text="note").click()
    form = shown.page.locator(".server form.try")
    run = form.get_by_role("button", name="运行")
    field = form.get_by_label("text")
    field.fill("a")
    if way == "a double click":
        run.dblclick()
    else:
        shown.page.keyboard.down("Enter")
    go_on.set()
    expect(form.get_by_role("status")).to_contain_text("a True")
    if way != "a double click":
        shown.page.keyboard.down("Enter")  # again: that it repeats
        shown.page.keyboard.up("Enter")
    field.fill("b")
    run.click()
    expect(form.get_by_role("status")).to_contain_text("b True")
    assert backend.ran.count("note") == 2

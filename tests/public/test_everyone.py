"""The page for everyone: what axe finds in each state and theme, what is read aloud, colours, motion."""

import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from assistant.page.markdown import to_html
from tests.support import page_states
from tests.support.page_backend import Backend, buys, call, done, result, says
from tests.support.page_browser import PHONE, Open, Shown
from tests.support.processes import require

ALL_RULES: dict[str, Any] = {}
OF_COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}  # no other rule reads colours
THEMES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"color_scheme": "light", "forced_colors": "none"}, ALL_RULES),
    ({"color_scheme": "dark", "forced_colors": "none"}, OF_COLOURS),
    ({"color_scheme": "dark", "forced_colors": "active"}, OF_COLOURS),
]
MIN_TARGET = 44
HAND: dict[str, Any] = {"viewport": PHONE, "has_touch": True}


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from npm: asked for where CI runs, used where it can be had."""
    npm, here = require("npm"), Path(__file__).parent
    installed = here / "node_modules/axe-core/axe.min.js"  # by check-js
    if installed.exists():
        return installed.read_text()
    folder = tmp_path_factory.mktemp("axe")
    version = json.loads((here / "package.json").read_text())["devDependencies"]["axe-core"]
    command = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--silent", f"axe-core@{version}"]
    got = subprocess.run(command, cwd=folder, timeout=150, check=False, capture_output=True)
    script = folder / "node_modules/axe-core/axe.min.js"
    if got.returncode or not script.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"axe-core cannot be installed: {got.stderr.decode()}")
        pytest.skip("axe-core cannot be installed here")
    return script.read_text()


def audit(shown: Shown, state: str) -> Iterator[str]:
    """What axe finds in the page as it is now, in all themes."""
    for theme, rules in THEMES:
        shown.page.emulate_media(reduced_motion="reduce", **theme)
        for fault in shown.page.evaluate("rules => axe.run(rules).then(report => report.violations)", rules):
            for node in fault["nodes"]:
                yield f"{state}, {theme}: {fault['id']}: {node['html']} {node['failureSummary']}"


@pytest.mark.parametrize(
    ("states", "context"),
    [
        (page_states.conversation, {}),
        (page_states.cards, {}),
        (page_states.panel, {}),
        (page_states.dialogs, {}),
        (page_states.phone, HAND),
    ],
    ids=["conversation", "cards", "panel", "dialogs", "phone"],
)
def test_axe_finds_nothing_in_any_state_and_theme(
    backend: Backend,
    open_page: Open,
    axe: str,
    states: Callable[[Backend, Shown], Iterator[str]],
    context: dict[str, Any],
) -> None:
    shown = page_states.opened(backend, open_page, **context)
    shown.page.evaluate(axe)
    found = [fault for state in states(backend, shown) for fault in audit(shown, state)]
    assert found == []


TOLD = """
- list:
  - listitem "你":
    - text: 买 2 个耳机
    - button "编辑后重新提问"
    - button "复制"
  - listitem "助手":
    - group:
      - text: create_purchase
      - code: shop · create_purchase
      - text: 等待确认
    - group "确认购买":
      - strong: 确认购买
      - text: 确认之前不会下单
      - list:
        - listitem: 无线蓝牙耳机Pro ¥1798.00 2 × ¥899.00 购买后剩余 48
      - term: 客户
      - definition: 客户A
      - term: 合计
      - definition: ¥1798.00
      - checkbox "以后总是允许此工具（可在设置中收回）"
      - text: 以后总是允许此工具（可在设置中收回）
      - button "确认购买"
      - button "修改"
      - button "取消"
    - button "复制"
    - button "重新回答"
"""


def test_a_screen_reader_reads_a_question_its_bill_and_then_the_buttons(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个耳机")
    expect(shown.page.locator("#scroll")).to_match_aria_snapshot(TOLD)


def test_forced_colours_show_what_is_on_chosen_and_first(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url, forced_colors="active")
    page = shown.page
    backend.say(buys())
    shown.ask("买 2 个耳机")
    ground = "element => getComputedStyle(element).backgroundColor"
    assert shown.button("确认购买").evaluate(ground) != shown.button("修改").evaluate(ground)
    expect(page.locator(".chats li:has([aria-current])")).to_have_css("outline-style", "solid")
    expect(page.locator(".choice :checked + span").first).to_have_css("outline-style", "solid")
    page.get_by_text("工具", exact=True).click()
    expect(page.locator(".switch input").first).to_have_css("appearance", "auto")


MOVING = """document.getAnimations().filter(each => each.playState === "running").length
    + document.querySelectorAll("*").values().filter(
        each => getComputedStyle(each).scrollBehavior === "smooth").toArray().length"""


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves_where_that_is_asked_for(backend: Backend, open_page: Open, motion: str) -> None:
    shown = open_page(backend.url, reduced_motion=motion)
    backend.say([threading.Event()])
    shown.begin("一")
    expect(shown.page.locator(".dots")).to_be_visible()
    assert (shown.page.evaluate(MOVING) > 0) == (motion == "no-preference")


def test_on_a_touch_screen_code_is_copied_by_a_button_of_44_pixels(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url, **HAND)
    backend.say(says("x", to_html("```python\nx = 1\n```")), done())
    shown.ask("一")
    box = shown.answer.locator("figure > button").bounding_box()
    assert box
    assert min(box["width"], box["height"]) >= MIN_TARGET


def test_the_focus_goes_back_to_where_an_edit_began(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(call("c1", "run", {}, read_only=False), [("approval", {"id": "c1"})], done("approval"))
    shown.ask("一")
    edit, change = shown.button("编辑后重新提问"), shown.button("修改")
    edit.press("Enter")
    shown.page.locator(".mine textarea").press("Escape")
    expect(edit).to_be_focused()
    change.press("Enter")
    shown.button("不改").press("Enter")
    expect(change).to_be_focused()
    shown.page.get_by_label(re.compile("以后总是允许")).check()
    backend.say(result("c1", "好"), says("好"), done())
    shown.button("确认执行").click()
    shown.settle()
    shown.button("设置").press("Enter")
    shown.button("恢复询问").press("Enter")
    expect(shown.button("Markdown")).to_be_focused()

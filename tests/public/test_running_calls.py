"""A call while it runs: its progress, its Stop, and what becomes of it when the page is reloaded or cut."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.asgi import in_a_thread
from tests.support.chat_service import settings
from tests.support.mill import Mill
from tests.support.page_apps import app, replace_app
from tests.support.page_backend import Backend, call, done, result, says
from tests.support.page_browser import Open, Shown
from tests.support.scripted import ScriptedModel, calls
from tests.support.scripted import says as answer
from web import create_app

# A tab that is opened waits for the one that answers.
ONE_WAITS = "async () => (await navigator.locks.query()).pending.length === 1"
RUNNING = '.tool[data-state="running"]'


def progress(id: str, **news: Any) -> list[Any]:
    return [("tool_progress", {"id": id, "total": None, "message": None} | news)]


@pytest.fixture
def mill() -> Mill:
    return Mill()


@pytest.fixture
def page_of(mill: Mill, open_page: Open, tmp_path: Path) -> Iterator[Callable[[str], Shown]]:
    """The page of a real back end whose model calls this tool of the mill."""
    with ExitStack() as stack:

        def open_(tool: str) -> Shown:
            url = stack.enter_context(in_a_thread(mill.server.streamable_http_app()))
            (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"mill": {"url": f"{url}/mcp"}}}))
            model = ScriptedModel(calls((f"mill_{tool}", "{}")), answer("好了"), answer("好了"))
            shown = open_page(stack.enter_context(in_a_thread(create_app(settings(tmp_path), model))))
            expect(shown.page.locator("#health")).to_have_attribute("data-status", "ready")
            return shown

        yield open_


@pytest.mark.parametrize("tool", ["read", "write"])
def test_a_reload_in_the_middle_of_a_call_shows_its_result(
    mill: Mill, page_of: Callable[[str], Shown], tool: str
) -> None:
    shown = page_of(tool)
    shown.begin("磨")
    if tool == "write":
        shown.button("确认执行").click()
    expect(shown.page.locator(f"{RUNNING} progress")).to_have_js_property("value", 1)
    shown.page.reload()
    expect(shown.page.locator(f"{RUNNING} progress")).to_have_js_property("value", 1)
    mill.end()
    expect(shown.answer).to_contain_text("好了")
    expect(shown.card).to_have_attribute("data-state", "done")
    assert len(mill.runs) == 1


@pytest.mark.parametrize(("tool", "state"), [("read", "halted"), ("write", "unknown")])
def test_a_running_call_is_stopped_on_its_card(
    page_of: Callable[[str], Shown], tool: str, state: str
) -> None:
    shown = page_of(tool)
    shown.begin("磨")
    if tool == "write":
        shown.button("确认执行").click()
    shown.button("停止这次调用").click()
    expect(shown.answer).to_contain_text("好了")
    expect(shown.card).to_have_attribute("data-state", state)


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (lambda mill, shown: mill.end(), 'tool-result {"content":[{"type":"text","text":"ground"}]'),
        (lambda mill, shown: shown.button("停止这次调用").click(), 'tool-cancelled {"reason":"halted"}'),
    ],
)
def test_an_app_is_shown_while_its_call_runs_and_told_how_it_ended(
    mill: Mill, page_of: Callable[[str], Shown], end: Callable[[Mill, Shown], None], told: str
) -> None:
    shown = page_of("show")
    replace_app(shown, "").append(
        "addEventListener('message', ({data: {method = '', params}}) =>"
        " method.includes('/tool-') && say(method.split('/').at(-1), JSON.stringify(params)))"
    )
    shown.begin("磨")
    shown.button("显示界面").click()
    expect(app(shown).locator("body")).to_have_text('tool-input {"arguments":{}} ')
    end(mill, shown)
    expect(app(shown).locator("body")).to_contain_text(told)
    assert app(shown).locator("body").inner_text().count("tool-") == 2


def test_an_answer_that_is_cut_off_in_the_middle_of_a_call_is_asked_for_again(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    asked = call("a", "get_products", {})
    backend.say(asked, progress("a", progress=1))  # here the connection ends
    backend.say(asked[1:], progress("a", progress=2))  # and here again
    backend.say(asked[1:], result("a", "[]"), says("没有"), done())
    shown.ask("一")
    expect(shown.answer).to_contain_text("没有")
    assert [each["messages"][-1].get("tool_calls", [{}])[0].get("id") for each in backend.asked] == [
        None,
        "a",
        "a",
    ]


def test_what_was_stopped_is_not_asked_for_again_after_a_reload(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(call("a", "get_products", {}), [threading.Event()])
    shown.begin("一")
    expect(shown.page.locator(RUNNING)).to_be_visible()
    with shown.page.expect_response("**/api/calls/a/stop"):
        shown.button("停止").click()
    shown.settle()
    shown.page.reload()
    expect(shown.page.get_by_role("button", name="继续")).to_be_visible()
    assert (len(backend.asked), backend.stopped) == (1, ["a"])


@pytest.mark.parametrize("is_closed", [False, True])
def test_another_tab_asks_for_what_this_one_waits_for_only_if_this_one_is_closed(
    backend: Backend, open_page: Open, is_closed: bool
) -> None:
    shown = open_page(backend.url)
    wait = threading.Event()
    asked = call("a", "get_products", {})
    backend.say(asked, [wait], result("a", "[]"), says("没有"), done())
    backend.say(asked[1:], result("a", "[]"), says("没有"), done())
    shown.begin("一")
    expect(shown.page.locator(RUNNING)).to_be_visible()
    other = Shown(shown.page.context.new_page())
    other.page.add_init_script("AbortSignal.timeout = () => AbortSignal.abort()")  # however long it takes
    other.page.goto(backend.url)
    expect(other.card).to_have_attribute("data-state", "halted")
    other.wait_until(ONE_WAITS)
    if is_closed:
        shown.page.close()
    else:
        wait.set()
    expect(other.answer).to_contain_text("没有")
    assert len(backend.asked) == 1 + is_closed


def test_progress_is_told_in_numbers_and_words(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    told: list[tuple[dict[str, Any], str]] = [
        ({"progress": 3, "total": 4}, "3 / 4"),
        ({"progress": 12_345, "message": "读取"}, "12,345读取"),
        ({"progress": 3, "total": 4, "message": "第 3 步"}, "第 3 步"),
    ]
    goes_on = [threading.Event() for _ in told]
    parts = [[*progress("a", **news), event] for (news, _), event in zip(told, goes_on, strict=True)]
    backend.say(call("a", "get_products", {}), *parts)
    shown.begin("一")
    for (news, text), event in zip(told, goes_on, strict=True):
        expect(shown.card.locator(".progress")).to_have_text(text)
        bar = shown.card.locator("progress")
        assert bar.evaluate("bar => bar.position") == (0.75 if "total" in news else -1)
        expect(shown.card.get_by_role("timer")).to_contain_text("秒")
        event.set()

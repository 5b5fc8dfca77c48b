"""Conversations as files and on paper, and their list: by day, pinned, searched, led to by keys."""

import base64
import json
import re
import threading
from pathlib import Path

from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from tests.support.asgi import in_a_thread
from tests.support.page_backend import ORDER, PRODUCTS, Backend, buys, call, done, result, says
from tests.support.page_browser import PHONE, Open, Shown
from tests.support.page_media import MEDIA

PIXEL = base64.b64decode(MEDIA[0]["data"])
MUG = {"id": 3, "name": "Mug", "price": 9.5, "description": "", "image": "shop://products/3/image"}
LONG = "很长。" * 600 + "末尾"
CUT = """[...document.querySelectorAll(".prose :is(.wide, pre)")]
    .filter(box => box.scrollHeight > box.clientHeight + 1 || box.scrollWidth > box.clientWidth + 1).length"""
TABLE = "<table><tr><th>列</th></tr><tr><td>格</td></tr></table>"


def asked(backend: Backend, open_page: Open) -> Shown:
    """A long question, a call whose result is folded, and an answer."""
    shown = open_page(backend.url, accept_downloads=True)
    backend.say(
        call("a", "get_products", {"query": "表"}), result("a", PRODUCTS), says("**两**件", TABLE), done()
    )
    shown.ask(LONG)
    return shown


def saved(shown: Shown, button: str) -> Path:
    shown.button("设置").click()
    with shown.page.expect_download() as download:
        shown.button(button).click()
    shown.page.keyboard.press("Escape")
    return download.value.path()


def test_a_page_saved_as_html_shows_all_of_it_without_scripts(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page)
    html = saved(shown, "HTML").read_text()
    assert "<script" not in html
    assert not re.search(r"<(button|textarea|form)\b", html)
    page = shown.page.context.new_page()
    page.set_content(html)
    expect(page.locator("h1")).to_contain_text("很长")
    expect(page.locator(".bubble")).to_contain_text("末尾", use_inner_text=True)
    expect(page.locator(".prose td")).to_have_text("格")
    page.locator(".card summary").first.click()
    expect(page.locator(".card-body")).to_contain_text("智能手表Galaxy", use_inner_text=True)
    assert page.evaluate("getComputedStyle(document.querySelector('.bubble')).borderRadius") != "0px"


def test_on_paper_everything_is_unfolded_and_folded_again_after(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page)
    shown.page.wait_for_function("document.querySelector('link[media=print]')?.sheet")
    note = """window.folded = [];
      for (const kind of ["beforeprint", "afterprint"]) addEventListener(kind, () =>
        window.folded.push(document.querySelectorAll("#scroll details:not([open])").length));"""
    shown.page.evaluate(note)
    assert len(shown.page.pdf()) > 10_000
    unfolded, folded = shown.page.evaluate("window.folded")
    assert (unfolded, folded > 0) == (0, True)
    expect(shown.page.locator(".bubble")).not_to_contain_text("末尾", use_inner_text=True)


def test_on_paper_nothing_of_what_is_long_or_wide_is_cut(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url, accept_downloads=True)
    row = "<tr>" + "<td>一格文字</td>" * 14 + "</tr>"
    wide = f'<div class="wide"><table><tbody>{row * 60}</tbody></table></div>'
    backend.say(says("表", f"{wide}<figure><pre>{'y' * 400}</pre></figure>"), done())
    shown.ask("表")
    shown.page.wait_for_function("document.querySelector('link[media=print]')?.sheet")
    page = shown.page.context.new_page()
    page.set_content(saved(shown, "HTML").read_text())
    for each in (shown.page, page):
        expect(each.locator(".prose :is(.wide, pre)")).to_have_count(2)
        each.emulate_media(media="print")
        assert each.evaluate(CUT) == 0


def test_all_conversations_go_into_a_file_and_come_back_where_nothing_can_be_run(
    backend: Backend, open_page: Open
) -> None:
    shown = asked(backend, open_page)
    shown.button("新对话").click()
    backend.say(buys())
    shown.ask("买两个")
    expect(shown.button("确认购买")).to_be_visible()
    path = saved(shown, "导出（JSON）")
    assert len(json.loads(path.read_text())["conversations"]) == 2
    other = open_page(backend.url)
    other.page.locator("#import-file").set_input_files(path)
    expect(other.page.locator("#toast")).to_contain_text("已导入 2 个对话")
    expect(other.page.locator("#title")).to_have_text("买两个")
    expect(other.button("确认购买")).to_have_count(0)
    expect(other.card).to_have_attribute("data-state", "halted")
    other.page.reload()
    other.page.locator("#chats .open", has_text="很长").click()
    expect(other.answer.locator(".prose td")).to_have_text("格")
    other.page.locator("#import-file").set_input_files(
        {"name": "坏.json", "mimeType": "", "buffer": b'{"entries": 1}'}
    )
    expect(other.page.locator("#toast")).to_contain_text("坏.json 里没有本页的对话")
    assert len(backend.asked) == 2


def test_the_list_is_by_day_and_what_is_pinned_stands_first(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    shown.ask("一")
    shown.page.clock.install()
    shown.page.clock.fast_forward("48:00:00")
    shown.button("新对话").click()
    shown.ask("二")
    heads = shown.page.locator("#chats h3")
    expect(heads).to_have_text(["今天", "7 天内"])
    shown.button("置顶 一").click()
    expect(heads).to_have_text(["置顶", "今天"])
    shown.page.reload()
    expect(shown.page.locator("#chats .open").first).to_have_text("一")
    shown.button("取消置顶 一").click()
    expect(shown.page.locator("#chats .open").first).to_have_text("二")


def test_a_search_shows_what_it_found_and_leads_there(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    for n in range(3):
        backend.say(says(f"答{n}。" + "长。" * 400), done())
        shown.ask(f"问{n}")
    backend.say(call("a", "get_products", {}), result("a", ORDER), done())
    shown.ask("单")
    search = shown.page.locator("#search")
    search.fill("答0。长")
    expect(shown.page.locator("#chats mark")).to_have_text("答0。长")
    shown.page.locator("#chats .open").click()
    expect(shown.page.locator(".prose", has_text="答0")).to_be_in_viewport()
    assert shown.page.evaluate("[...CSS.highlights.get('found')].map(String)") == ["答0。长"]
    search.fill("客户A")
    expect(shown.page.locator("#chats mark")).to_have_text("客户A")
    shown.page.locator("#chats .open").click()
    expect(shown.card.locator("summary").first).to_be_focused()


def test_a_search_shows_text_without_its_marks(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(
        says("## 结果\n| 商品 | 价格 |\n|---|---:|\n| **手表** `G1` | ~~1399~~ 1299 |\n共一件"), done()
    )
    shown.ask("有吗")
    shown.page.locator("#search").fill("手表")
    expect(shown.page.locator("#chats small")).to_have_text("结果 商品 价格 手表 G1 1399 1299 共一件")


def test_a_row_of_the_list_stays_the_same_element_while_others_change(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    shown.ask("一")
    shown.button("新对话").click()
    shown.ask("二")
    row = shown.page.locator("#chats .open", has_text="一").element_handle()
    shown.ask("三")
    assert row.evaluate("element => element.isConnected")


def test_what_is_done_in_the_list_keeps_the_focus_also_while_an_answer_ends(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    for question in ("一", "二", "三"):
        shown.button("新对话").click()
        shown.ask(question)
    shown.button("置顶 二").press("Enter")
    expect(shown.button("取消置顶 二")).to_be_focused()
    shown.button("删除 三").press("Enter")
    expect(shown.page.locator("#chats .open", has_text="一")).to_be_focused()
    end = threading.Event()
    backend.say([("text", {"delta": "慢"}), end], says("慢慢说"), done())
    shown.begin("四")
    shown.button("重命名 一").press("Enter")
    shown.page.keyboard.type("改")
    end.set()
    shown.settle()
    shown.page.keyboard.type("名")
    shown.page.keyboard.press("Enter")
    expect(shown.page.locator("#chats .open", has_text="改名")).to_be_focused()


def test_keys_do_what_their_list_says(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    press = shown.page.keyboard.press
    shown.page.evaluate("import('./static/shortcuts.js')")  # which is loaded after the page
    shown.ask("一")
    press("ArrowUp")
    expect(shown.page.locator(".mine textarea")).to_be_focused()
    press("Escape")
    press("Control+Shift+O")
    expect(shown.page.locator("#empty")).to_be_visible()
    press("Alt+ArrowDown")
    expect(shown.page.locator("#title")).to_have_text("一")
    press("Control+k")
    expect(shown.page.locator("#search")).to_be_focused()
    press("?")
    expect(shown.page.locator("#search")).to_have_value("?")
    shown.page.locator("#title").click()
    press("?")
    expect(shown.page.get_by_role("dialog", name="键盘快捷键")).to_be_visible()
    press("Escape")
    press("/")
    expect(shown.input).to_be_focused()
    press("/")
    expect(shown.input).to_have_value("/")


def test_a_phones_list_shows_what_can_be_done_once_it_is_asked_for(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url, viewport=PHONE, has_touch=True, is_mobile=True)
    shown.ask("一")
    shown.button("对话").tap()
    expect(shown.button("删除 一")).not_to_be_visible()
    shown.button("更多操作 一").tap()
    expect(shown.button("删除 一")).to_be_visible()
    box = shown.button("删除 一").bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 44
    shown.button("删除 一").tap()
    expect(shown.page.locator("#chats .open")).to_have_count(0)


INSTALLED = """async () => {
    const {href} = document.querySelector("link[rel=manifest]");
    const manifest = await (await fetch(href)).json();
    const icons = [...document.querySelectorAll("link[rel$=icon]")].map(({href}) => href);
    for (const {src} of manifest.icons) icons.push(new URL(src, href).href);
    return {
        places: [manifest.start_url, manifest.scope].map(url => new URL(url, href).pathname),
        kinds: await Promise.all(icons.map(async url => (await fetch(url)).headers.get("content-type"))),
    };
}"""
PICTURES = "all => all.map(({src}) => src.slice(0, 22))"


async def picture(_: Request) -> Response:
    return Response(PIXEL, media_type="image/png")


def test_addresses_icons_pictures_and_files_stay_below_the_pages_path(
    backend: Backend, open_page: Open
) -> None:
    app = backend.app()
    app.router.routes.append(Route("/api/picture", picture))
    with in_a_thread(Starlette(routes=[Mount("/shop", app)])) as url:
        shown = open_page(f"{url}/shop/", accept_downloads=True)
        asked: list[str] = []
        shown.page.context.on("request", lambda request: asked.append(request.url))
        shown.page.locator("#files").set_input_files(
            {"name": "cat.png", "mimeType": "image/png", "buffer": PIXEL}
        )
        expect(shown.page.locator("#attached li")).to_contain_text("cat.png")
        backend.say(call("c1", "goods", {}), result("c1", [MUG]), says("好"), done())
        shown.ask("一")
        expect(shown.page.locator(".product img")).to_have_js_property("complete", True)
        shown.page.reload()
        assert shown.page.url.startswith(f"{url}/shop/#/")
        expect(shown.page.locator(".product img")).to_have_js_property("complete", True)
        installed = shown.page.evaluate(INSTALLED)
        assert installed["places"] == ["/shop/", "/shop/"]
        assert {kind.split("/")[0] for kind in installed["kinds"]} == {"image"}
        alone = shown.page.context.new_page()
        alone.set_content(saved(shown, "HTML").read_text())
        expect(alone.locator("img")).to_have_count(2)  # the product's and the one that was attached
        assert alone.locator("img").evaluate_all(PICTURES) == ["data:image/png;base64,"] * 2
        other = open_page(f"{url}/shop/")
        other.page.locator("#import-file").set_input_files(path := saved(shown, "导出（JSON）"))
        expect(other.page.locator("#title")).to_have_text("一")
        assert len(json.loads(path.read_text())["conversations"]) == 1
    outside = [each for each in asked if not each.startswith((f"{url}/shop/", "data:", "blob:"))]
    assert outside == []

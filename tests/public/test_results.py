"""What the page shows of others' servers and models: media, links, remarks, thoughts, parts of answers."""

from typing import Any

import pytest
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.support.asgi import in_a_thread
from tests.support.page_backend import PRODUCTS, Backend, call, done, result, says, server, tool
from tests.support.page_browser import Open, Shown
from tests.support.page_media import MEDIA


def expect_all(shown: Shown, box: str) -> None:
    """The picture is decoded, the sound can be played, links lead where they may."""
    picture = shown.page.locator(f"{box} img")
    expect(picture).to_have_count(1)
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1
    sound = shown.page.locator(f"{box} audio")
    assert sound.evaluate(
        "sound => new Promise(done => sound.readyState ? done(1) : sound.onloadedmetadata = done)"
    )
    expect(shown.page.locator(f"{box} a[href]", has_text="a report")).to_have_attribute(
        "href", MEDIA[2]["uri"]
    )
    assert shown.page.locator(f"{box} a", has_text="bait").get_attribute("href") is None
    expect(shown.page.locator(box)).to_contain_text("javascript:alert(1)")
    with shown.page.expect_download() as loaded:
        shown.page.locator(f"{box} a", has_text="b.pdf").click()
    assert loaded.value.path().read_bytes() == b"%PDF"


def test_whatever_a_result_holds_is_shown(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(call("c1", "picture", {}), result("c1", "a cat", media=MEDIA), says("好"), done())
    shown.ask("图")
    expect_all(shown, ".tool .card-body")


def test_a_tool_run_by_hand_shows_it_too(backend: Backend, open_page: Open) -> None:
    backend.tools = [tool("picture")]
    backend.media = MEDIA
    backend.run["picture"] = lambda _: "a cat"
    shown = open_page(backend.url)
    shown.page.get_by_text("工具", exact=True).click()
    shown.page.locator(".server .card summary").first.click()
    shown.button("运行").click()
    expect_all(shown, ".output")


def test_all_of_a_long_result_is_shown_on_demand(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(call("c1", "count", {}), result("c1", list(range(150_000))), says("好"), done())
    shown.ask("数")
    shown.card.locator("summary").first.click()
    shown.button("全部显示").click()
    expect(shown.card.locator("pre").last).to_contain_text("149999\n]")
    expect(shown.button("全部显示")).to_have_count(0)


def test_a_list_with_a_note_behind_it_is_a_table_with_a_note(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    text = '[{"id": 1, "name": "手表"}]\n还有 40 个商品'
    backend.say(call("c1", "get_products", {}), result("c1", text), done())
    shown.ask("有什么")
    shown.card.locator("summary").first.click()
    expect(shown.card.locator("tbody tr")).to_have_count(1)
    expect(shown.card.locator(".quiet").last).to_have_text("还有 40 个商品")


def test_thoughts_are_folded_kept_and_apart_from_the_answer(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    taken_back: Any = [("text", {"delta": "先想"}), ("html", {"html": "<p>先想</p>"})]
    thinks: Any = [
        ("text", {"delta": "", "restart": True}),
        *(("thinking", {"delta": f"想{i}"}) for i in range(3)),
    ]
    backend.say(taken_back, thinks, says("答"), done())
    shown.ask("一")
    for _ in range(2):
        expect(shown.answer.locator(".prose")).to_have_text("答")
        thoughts = shown.answer.locator(".thoughts")
        expect(thoughts).not_to_contain_text("想0想1想2", use_inner_text=True)
        thoughts.locator("summary").click()
        expect(thoughts).to_contain_text("想0想1想2", use_inner_text=True)
        shown.page.reload()
    expect(shown.answer.locator(".prose")).to_have_text("答")
    shown.ask("二")
    assert "想" not in str(backend.asked[-1]["messages"])


def test_a_part_of_an_answer_is_marked_as_one_and_says_why(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    why = {"code": "content_filtered", "params": {}}
    message = {"role": "assistant", "content": "半", "error": why}
    part: Any = [
        ("text", {"delta": "半"}),
        ("message", {"message": message}),
        ("error", {**why, "detail": "…"}),
    ]
    backend.say(part, done("error"))
    shown.ask("一")
    expect(shown.page.get_by_role("alert")).to_contain_text("内容审查")
    shown.page.reload()
    expect(shown.answer).to_contain_text("回答不完整：模型服务的内容审查拦下了这个回答")
    expect(shown.answer.locator(".prose")).to_have_text("半")


def test_trying_again_replaces_what_was_read_of_a_broken_answer(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(
        [("text", {"delta": "半"}), ("error", {"code": "model_broke_off", "params": {}})], done("error")
    )
    shown.ask("一")
    backend.say(says("整句"), done())
    shown.button("重试").click()
    expect(shown.page.locator(".prose")).to_have_text(["整句"])


def test_a_servers_remarks_and_last_lines_are_shown(backend: Backend, open_page: Open) -> None:
    skipped = {"code": "unheard_of", "params": {}, "text": "工具 \u202enote 不能用"}
    reason = {"code": "only_for_apps", "params": {}}
    app = {"code": "tool_skipped", "params": {"name": "open_ui", "reason": reason}, "text": "…"}
    chosen = {"code": "tools_chosen", "params": {"only": ["a", "b"], "without": ["c"]}, "text": "…"}
    ended = {"code": "command_ended", "params": {"command": "uvx", "status": 1, "said": "no module\nnamed x"}}
    backend.servers += [
        server("odd") | {"skipped": [skipped, app], "notes": [chosen]},
        server("gone", "down", "…") | ended,
    ]
    shown = open_page(backend.url, locale="en-GB")
    shown.page.get_by_text("Tools", exact=True).click()
    notes = shown.page.locator(".notes li")
    expect(notes).to_have_count(3)
    expect(notes.nth(0)).to_contain_text("a, b")
    expect(notes.nth(1)).to_have_text("工具 ⟨U+202E⟩note 不能用")
    expect(notes.nth(2)).to_contain_text("open_ui")
    assert "no module\nnamed x" in shown.page.locator(".server .bad").last.inner_text()


@pytest.mark.parametrize("named", [["note", "gone"], ["*"]])
def test_what_an_entry_calls_allowed_is_allowed_by_a_click_as_it_is_now(
    backend: Backend, open_page: Open, named: list[str]
) -> None:
    params = {"key": "alwaysAllow", "tools": named}
    backend.servers = [server("shop") | {"notes": [{"code": "no_consent", "params": params, "text": "…"}]}]
    backend.tools = [tool("look"), tool("note", read_only=False), tool("note", server="x", read_only=False)]
    shown = open_page(backend.url)
    shown.page.get_by_text("工具", exact=True).click()
    shown.ask("一")
    assert backend.asked[-1]["autoApprove"] == []
    shown.button("现在允许这些工具").click()
    shown.ask("二")
    assert backend.asked[-1]["autoApprove"] == [{"server": "shop", "tool": "note", "fingerprint": "f1"}]


@pytest.mark.parametrize("prefix", ["/shop", "/a/b"])
def test_the_page_works_behind_a_path(backend: Backend, open_page: Open, prefix: str) -> None:
    with in_a_thread(Starlette(routes=[Mount(prefix, backend.app())])) as url:
        shown = open_page(f"{url}{prefix}/")
        backend.say(call("c1", "get_products", {}), result("c1", PRODUCTS), says("好"), done())
        shown.ask("一")
        expect(shown.answer).to_contain_text("好")
        expect(shown.page.locator(".order")).to_be_visible()

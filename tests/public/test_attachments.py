"""What people attach to a question: pasted, dropped, chosen; what goes out, and what stays of it."""

from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.support.page_backend import Backend, done, says
from tests.support.page_browser import Open, Shown

GIVE = """async ([how, files]) => {
    const data = new DataTransfer();
    for (const [name, type, bytes, edge] of files) {
        const canvas = Object.assign(document.createElement("canvas"), {width: edge, height: edge / 2});
        canvas.getContext("2d")?.fillRect(0, 0, 9, 9);
        const drawn = edge && (await new Promise(done => canvas.toBlob(done, type)));
        data.items.add(new File([drawn || new Uint8Array(bytes)], name, {type}));
    }
    const about = {clipboardData: data, dataTransfer: data, bubbles: true, cancelable: true};
    const Kind = how === "paste" ? ClipboardEvent : DragEvent;
    return !document.querySelector("#input").dispatchEvent(new Kind(how, about));
}"""


def file(name: str, content: bytes = b"", kind: str = "", edge: int = 0) -> list[Any]:
    return [name, kind, list(content), edge]


def give(page: Page, how: str, *files: list[Any]) -> bool:
    """Paste or drop, and return whether the page has taken it."""
    taken: bool = page.evaluate(GIVE, [how, files])
    return taken


@pytest.fixture
def shown(backend: Backend, open_page: Open) -> Shown:
    return open_page(backend.url)


def chips(shown: Shown) -> Any:
    return shown.page.locator("#attached li")


def sent(backend: Backend, at: int = -1) -> list[Any]:
    content: list[Any] = backend.asked[-1]["messages"][at]["content"]
    return content


def test_a_pasted_picture_goes_out_small_enough_and_stays_in_the_conversation(
    backend: Backend, shown: Shown
) -> None:
    assert give(shown.page, "paste", file("cat.png", kind="image/png", edge=3000))
    expect(chips(shown)).to_contain_text("cat.png1568 × 784 (已缩小)")
    backend.say(says("猫"), done())
    shown.ask("这是什么")
    asked, picture = sent(backend)
    assert (asked["text"], picture["name"], picture["type"]) == ("这是什么", "cat.png", "image_url")
    edge = "url => new Promise(d => Object.assign(new Image(), {src: url, onload() { d(this.width) }}))"
    assert shown.page.evaluate(edge, picture["image_url"]["url"]) == 1568
    expect(chips(shown)).to_have_count(0)
    shown.page.reload()
    expect(shown.page.locator(".mine img")).to_have_count(1)
    shown.button("cat.png").click()
    expect(shown.page.get_by_role("dialog", name="cat.png").locator("img")).to_be_visible()


def test_a_dropped_text_goes_out_as_a_file(backend: Backend, shown: Shown) -> None:
    assert give(shown.page, "drop", file("a.csv", "手表".encode("gb18030")))
    expect(chips(shown)).to_contain_text("a.csv")
    shown.ask("总结")
    assert sent(backend) == [
        {"type": "text", "text": "总结"},
        {"type": "text", "name": "a.csv", "text": "手表"},
    ]
    shown.page.locator(".mine summary").click()
    expect(shown.page.locator(".mine pre")).to_contain_text("手表")


def test_what_is_removed_does_not_go_out(backend: Backend, shown: Shown) -> None:
    files = [FilePayload(name=f"{n}.txt", mimeType="text/plain", buffer=b"x") for n in "ab"]
    shown.page.set_input_files("#files", files)
    expect(chips(shown)).to_have_count(2)
    shown.button("移除 a.txt").click()
    expect(shown.input).to_be_focused()
    shown.ask("读")
    assert [part.get("name") for part in sent(backend)] == [None, "b.txt"]


def test_a_question_may_be_a_file_alone_and_keeps_it_when_it_is_edited(
    backend: Backend, shown: Shown
) -> None:
    give(shown.page, "paste", file("a.txt", b"x"))
    expect(shown.button("发送")).to_be_enabled()
    shown.input.press("Enter")
    expect(shown.page.locator("#title")).to_have_text("a.txt")
    shown.settle()
    shown.ask("二")
    shown.page.locator(".mine").last.hover()
    shown.button("编辑后重新提问").last.click()
    shown.page.locator(".mine textarea").fill("三")
    shown.page.locator(".mine textarea").press("Enter")
    shown.settle()
    assert [part["text"] for part in sent(backend, 0)] == ["", "x"]
    shown.page.locator("#search").fill("a.t")
    expect(shown.page.locator("#chats .open")).to_have_text(["a.txt"])


REFUSED = {
    "a.zip 既不是图片，也不是文本文件": [file("a.zip", b"PK\x03\x04\xff\xfe\x00")],
    "a.png 不是浏览器看得懂的图片": [file("a.png", b"no picture", "image/png")],
    "a.txt 是空的": [file("a.txt", b" ")],
    "一个问题最多附 8 个文件": [file(f"{n}.txt", b"x") for n in range(9)],
}


def test_what_cannot_be_attached_is_said(shown: Shown) -> None:
    for why, files in REFUSED.items():
        assert give(shown.page, "drop", *files)
        expect(shown.page.locator(".toast")).to_contain_text(why)
        expect(chips(shown)).to_have_count(len(files) - 1)


def test_a_text_too_long_for_the_input_is_attached_and_a_short_one_is_pasted(shown: Shown) -> None:
    paste = """text => {
        const data = new DataTransfer();
        data.setData("text/plain", text);
        const event = new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
        return !document.querySelector("#input").dispatchEvent(event);
    }"""
    assert [shown.page.evaluate(paste, "x" * length) for length in (5, 20_001)] == [False, True]
    expect(chips(shown)).to_contain_text("粘贴的文字.txt20,001 个字符 · 20 KB")


def test_the_composer_shows_that_files_can_be_dropped(shown: Shown) -> None:
    give(shown.page, "dragover", file("a.txt", b"x"))
    expect(shown.page.locator(".composer.drop")).to_be_visible()
    give(shown.page, "dragleave", file("a.txt", b"x"))
    expect(shown.page.locator(".composer.drop")).to_have_count(0)


def test_a_question_whose_file_is_still_read_takes_nothing_from_a_conversation_opened_meanwhile(
    backend: Backend, shown: Shown
) -> None:
    backend.say(says("好"), done())
    shown.ask("一")
    shown.button("新对话").click()
    shown.input.fill("草稿")
    shown.page.locator("#chats .open").click()
    slow = """() => {
        const reading = new Promise(read => { window.read = read; });
        File.prototype.arrayBuffer = () => reading.then(() => new TextEncoder().encode("字").buffer);
    }"""
    shown.page.evaluate(slow)
    give(shown.page, "drop", file("a.txt", b"a"))
    shown.input.fill("二")
    shown.input.press("Enter")
    shown.button("新对话").click()
    shown.page.evaluate("window.read()")
    expect(chips(shown)).to_have_count(1)
    expect(shown.input).to_have_value("草稿")
    assert len(backend.asked) == 1
    shown.page.locator("#chats .open").click()
    expect(shown.input).to_have_value("二")

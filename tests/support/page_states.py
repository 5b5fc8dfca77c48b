"""The states that the page can be in, one after another in one page: for those who look at all of them."""

import base64
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

from playwright.sync_api import Route, expect

from assistant.page.markdown import to_html
from tests.support.page_backend import (
    ORDER,
    PRODUCTS,
    STOCK,
    Backend,
    Step,
    buys,
    call,
    done,
    prompt,
    result,
    says,
    server,
    tool,
)
from tests.support.page_browser import Open, Shown
from tests.support.page_media import MEDIA, PIXEL
from tests.support.page_questions import asks, goes_on, question

MARKDOWN = """# 推荐

看 [这里](https://example.com/a)，`x` 和 $a^2 + b^2$：

| 商品 | 价格 |
|---|---|
| 耳机 | ¥899 |

## 代码

```python
def total(x: int) -> int:  # 合计
    return x * 2
```

> 引用

- [x] 有
- 没有

$$\\sum_{i=1}^n i$$

![猫](https://pictures.example/cat.png)
"""
HOSTS = frozenset({"pictures.example"})
PURCHASE = {"input_data": {"customerName": "客户A", "items": [{"productId": 2, "quantity": 80}]}}
OWNERS = ("restock", "change_product", "cancel_order")
ENTRY = {"text": '{"command": "uvx", "env": {"TOKEN": "***1***"}}', "version": "1"}
MODEL = {"name": "m1", "window": 64_000}
OFFERED = {
    "id": "deepseek",
    "name": {"zh": "深度求索", "en": "DeepSeek"},
    "base": "https://a.example/v1",
    "key": "https://a.example/key",
}
KEPT = {"id": "deepseek", "base": OFFERED["base"], "key": "1234", "models": [MODEL, {"name": "m2"}]}
MODELS = {"locked": False, "damaged": False, "held": {}, "catalogue": [OFFERED], "kept": [KEPT]}
COMMAND = {"code": "command_untrusted", "params": {"line": "uvx a"}}
PREVIEW = {"servers": [server("files", "untrusted") | COMMAND, server("二店")]}
ABOUT = {"server": {"name": "shop", "version": "1"}, "capabilities": {"tools": {}}, "isModern": True}
SENT = {"number": 1, "at": 1.0, "way": "out", "text": "{}", "size": 2, "id": 1, "method": "tools/list"}
MESSAGE = SENT | {"ms": 3, "is_error": False, "isAnswer": False}
SEEN = {"about": ABOUT, "versions": {}, "instructions": "Ask.\nThen buy.", "logLevel": "info"}
WIRE = server("shop") | SEEN | {"messages": [MESSAGE]}
ROUTES = {
    "api/models": MODELS,
    "api/models/local": {"servers": []},
    "api/models/list": {"base": "https://a.example/v1", "models": [MODEL]},
    "api/servers/preview": PREVIEW,
    "api/servers/shop/entry": ENTRY,
    "api/servers/shop/wire": WIRE | {"messages": []},
    r"api/servers/shop/wire\?since=0": WIRE,
}


def opened(backend: Backend, open_page: Open, **context: Any) -> Shown:
    """The page of an owner, with servers in every condition, a prompt, and a model that is the demo."""
    backend.model["demo"] = True
    no_consent = {"code": "no_consent", "params": {"key": "alwaysAllow", "tools": ["note"]}, "text": "…"}
    params = {"server": "files", "command": "uvx", "args": ["a"]}
    backend.servers += [
        server("weather", "down", "连接被拒绝"),
        server("notes") | {"notes": [no_consent]},
        server("files", "untrusted") | {"code": "command_untrusted", "params": params},
        server("remote", "sign_in") | {"signIn": "needed"},
        server("known") | {"signIn": "done"},
    ]
    backend.prompts = [prompt("推荐", "preference", preference="喜好")]
    backend.tools += [tool(name, read_only=False, honoursKey=True) for name in OWNERS]
    takes = {
        "text": {"type": "string"},
        "n": {"type": "integer", "description": "how many"},
        "all": {"type": "boolean"},
    }
    backend.tools.append(tool("note", server="notes", read_only=False, properties=takes))
    listed = {"title": "商品", "description": "all", "mimeType": "", "size": 2000, "uri": "shop://products"}
    arguments = [{"name": "id", "required": True}]
    one = listed | {"uri": "shop://products/{id}", "title": "一个", "arguments": arguments}
    known = {"resources": [listed], "templates": [one], "skipped": []}
    nothing: dict[str, Any] = {"resources": [], "templates": [], "skipped": []}
    backend.lists = {"shop": known, "notes": nothing, "known": nothing}
    backend.resources |= {"shop://products": PRODUCTS, "shop://products/2/moves": []}
    shown = open_page(backend.url, bypass_csp=True, **context)
    for path, answer in ROUTES.items():
        shown.page.route(re.compile(rf"/{path}(\?|&|$)"), _answers(answer))
    shown.page.route("https://pictures.example/**", lambda route: route.fulfill(body=_bytes(PIXEL)))
    return shown


def _answers(answer: object) -> Callable[[Route], None]:
    return lambda route: route.fulfill(json=answer)


def waits(call_id: str, name: str, args: dict[str, Any]) -> list[Step]:
    """A call that waits for the user."""
    return [*call(call_id, name, args, read_only=False), ("approval", {"id": call_id}), *done("approval")]


def _bytes(data: str) -> bytes:
    return base64.b64decode(data)


def conversation(backend: Backend, shown: Shown) -> Iterator[str]:
    """From the empty page to a receipt."""
    page = shown.page
    expect(page.locator("#shop .order").first).to_be_visible()
    yield "empty"
    go_on = threading.Event()
    running = ("tool_progress", {"id": "r1", "progress": 6, "total": 10, "message": "…"})
    backend.say(call("r1", "get_orders", {}), [running, go_on], result("r1", "[]"), says("一"), done())
    shown.begin("慢")
    expect(shown.card.locator("progress")).to_be_visible()
    yield "streaming"
    go_on.set()
    shown.settle()
    looked = [*call("a", "get_products", {}), *result("a", PRODUCTS)]
    stocked = [*call("b", "get_inventory", {}), *result("b", STOCK)]
    backend.say(
        [("thinking", {"delta": "想"})], looked, stocked, says(MARKDOWN, to_html(MARKDOWN, HOSTS)), done()
    )
    shown.ask("有什么？")
    expect(shown.answer.locator(".product")).to_have_count(2)
    expect(shown.answer.locator(".calls > summary")).to_contain_text("2 次调用")
    for summary in (".thoughts summary", ".calls summary", ".calls .card summary"):
        shown.answer.locator(summary).first.click()
    yield "answer"
    backend.say(call("m1", "picture", {}), result("m1", "a cat", media=MEDIA), says("猫"), done())
    shown.ask("猫？")
    yield "media"
    backend.say(
        call("p0", "create_purchase", PURCHASE, read_only=False),
        [("approval", {"id": "p0"})],
        done("approval"),
    )
    shown.ask("买 80 个")
    expect(shown.button("买剩下的 50 件")).to_be_visible()
    yield "cannot-be-bought"
    backend.say(result("p0", "no", failed=True, code="refused"), says("好"), done())
    page.locator("#scroll .slot.waiting").get_by_role("button", name="取消").click()
    shown.settle()
    backend.say(buys("p1"))
    shown.ask("买 2 个")
    expect(page.locator(".slot.waiting .bill")).to_contain_text("购买后剩余 48")
    yield "confirmation"
    shown.button("修改").click()
    expect(page.locator(".bill input").first).to_be_visible()
    yield "changed"
    shown.button("不改").click()
    backend.say(result("p1", ORDER), says("买好了"), done())
    shown.button("确认购买").click()
    expect(page.locator(".slot.receipt")).to_be_visible()
    shown.settle()
    yield "receipt"


def cards(backend: Backend, shown: Shown) -> Iterator[str]:
    """What else is asked in the conversation, and what goes wrong there."""
    page = shown.page
    backend.say(
        call("w1", "note", {"text": "x"}, read_only=False), [("approval", {"id": "w1"})], done("approval")
    )
    shown.ask("记下")
    expect(page.locator("#scroll .slot.waiting .primary")).to_be_visible()
    yield "tool"
    backend.say(result("w1", "lost", failed=True, unknown=True), done())
    page.locator("#scroll .slot.waiting .primary").click()
    expect(page.locator(".slot.unknown")).to_be_visible()
    shown.settle()
    yield "unknown"
    backend.say(asks(question(), question("q2", schema={}, url="https://example.com/a")))
    shown.ask("订位")
    expect(page.locator("form.asks")).to_have_count(2)
    page.locator("form.asks").first.get_by_label("seats").fill("0")
    page.locator("form.asks").first.get_by_role("button", name="回答").click()
    expect(page.locator("form.asks [aria-invalid=true]").first).to_be_focused()
    yield "question"
    backend.say(goes_on(*result("c1", "booked")), says("好"), done())
    for left in (1, 0):
        page.locator("form.asks").first.get_by_role("button", name="拒绝").click()
        expect(page.locator("form.asks")).to_have_count(left)
    shown.settle()
    backend.failure = (500, "坏了")
    shown.ask("再来")
    expect(page.locator(".note.error")).to_be_visible()
    yield "error"
    backend.failure = None


def phone(backend: Backend, shown: Shown) -> Iterator[str]:
    """A conversation, and the drawers over it."""
    page = shown.page
    looked = [*call("a", "get_products", {}), *result("a", PRODUCTS)]
    backend.say(looked, says(MARKDOWN, to_html(MARKDOWN, HOSTS)), buys("p1"))
    shown.ask("买 2 个")
    expect(shown.button("确认购买")).to_be_visible()
    yield "phone"
    page.locator("#side-toggle").click()
    expect(page.locator("#chats .open")).to_have_count(1)
    yield "phone-conversations"
    page.keyboard.press("Escape")
    page.locator("#panel-toggle").click()
    yield "phone-shop"
    page.get_by_text("工具", exact=True).click()
    expect(page.locator("#tools .card").first).to_be_visible()
    yield "phone-servers"


def dialogs(_: Backend, shown: Shown) -> Iterator[str]:
    """What opens above the page."""
    page, dialog = shown.page, shown.page.locator("dialog")
    shown.button("设置").click()
    yield "settings"
    shown.button("键盘快捷键").click()
    expect(dialog).to_be_visible()
    yield "keys"
    page.keyboard.press("Escape")
    page.locator("#model").click()
    expect(dialog.locator("[type=radio]").first).to_be_visible()
    yield "models"
    dialog.get_by_role("button", name="添加模型服务").click()
    expect(dialog.get_by_label("密钥")).to_be_visible()
    yield "provider"
    page.keyboard.press("Escape")
    shown.button("服务器的资源").click()
    expect(dialog.locator(".starter")).to_have_count(2)
    yield "resources"
    dialog.locator(".starter").last.click()
    expect(dialog.locator("table")).to_be_visible()
    yield "resource"
    page.keyboard.press("Escape")


def panel(_: Backend, shown: Shown) -> Iterator[str]:
    """The owner's desk, and the servers."""
    page, dialog = shown.page, shown.page.locator("dialog")
    expect(page.locator("#desk summary")).to_be_visible()
    expect(page.locator("#shop .order").first).to_be_visible()
    for unfolding in (".bar-row", ".order", "form summary", ".below .more summary", "#desk summary"):
        page.locator(f"#shop {unfolding}").first.click()
    yield "desk"
    page.get_by_text("工具", exact=True).click()
    note = page.locator(".server", has=page.get_by_role("heading", name="notes"))
    note.locator(".card summary").click()
    expect(note.get_by_label("text")).to_be_visible()
    yield "servers"
    page.get_by_role("button", name="添加服务器").click()
    dialog.get_by_role("textbox", name="粘贴").fill("x")
    expect(dialog.locator(".server")).to_have_count(2)
    yield "add-server"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="管理 shop").click()
    expect(dialog.locator(".wire")).to_have_count(1)
    dialog.locator(".wire summary").click()
    yield "server"
    dialog.get_by_role("button", name="编辑").click()
    expect(dialog.locator("textarea")).to_have_value(ENTRY["text"])
    yield "entry"
    page.keyboard.press("Escape")

"""The page, the three real services, and a model provider that follows a script over real HTTP."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.sync_api import expect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tests.support.asgi import ScriptedProvider, call_stream, chunk, in_a_thread, refusal, text_stream
from tests.support.page_backend import HELD_SECONDS, PURCHASE_ARGS
from tests.support.page_browser import Open, Shown
from tests.support.suite import Suite

TABLE = "| 商品 | 单价 |\n| --- | ---: |\n| 无线蓝牙耳机Pro | 899 |\n\n"
BREAK_SECONDS = 0.1
CODE = "```python\nprint('你好')\n```\n"


class Held(StreamingResponse):
    """A stream that goes on, after its first half, once `go_on` is set; `left` is set when it has ended.

    Until then it sends line breaks, because what has come is rendered when the next part comes.
    """

    def __init__(self, first: str, second: str) -> None:
        self.go_on = threading.Event()
        self.left = threading.Event()

        async def body() -> AsyncIterator[str]:
            yield first
            async with asyncio.timeout(HELD_SECONDS):
                while not await asyncio.to_thread(self.go_on.wait, BREAK_SECONDS):
                    yield chunk(content="\n")
            yield second

        super().__init__(body(), media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:  # not the body's: one that waits to be collected has not ended yet
            self.left.set()


@pytest.fixture(scope="module")
def _real(shop: Suite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Suite, ScriptedProvider]]:
    provider = ScriptedProvider()
    folder = tmp_path_factory.mktemp("provided")
    with in_a_thread(provider.app) as url, Suite(folder, api=shop.api, mcp=shop.mcp) as suite:
        model = {"OPENAI_API_KEY": "k", "OPENAI_API_BASE": f"{url}/v1", "LLM_MODEL": "script-1"}
        suite.start("web", **model)
        yield suite, provider


@pytest.fixture
def suite(_real: tuple[Suite, ScriptedProvider]) -> Suite:
    """The shop of all page tests, with a `web.py` of its own that asks the provider."""
    return _real[0]


@pytest.fixture
def provider(_real: tuple[Suite, ScriptedProvider]) -> ScriptedProvider:
    """The provider, with nothing to say yet."""
    _real[1].steps.clear()
    _real[1].requests.clear()
    return _real[1]


def opened(suite: Suite, open_page: Open) -> Shown:
    shown = open_page(suite.url)
    expect(shown.page.locator("#health")).to_have_attribute("data-status", "ready")
    return shown


def test_a_table_and_code_are_rendered_while_they_come(
    suite: Suite, provider: ScriptedProvider, open_page: Open
) -> None:
    words = [chunk(content=word) for word in TABLE]
    held = Held("".join(words), text_stream(CODE, "完。"))
    provider.steps = [held]
    shown = opened(suite, open_page)
    expect(shown.page.locator("#model")).to_have_text("script-1")
    shown.begin("耳机多少钱")
    row = shown.answer.locator("tbody tr")
    expect(row).to_contain_text("899")
    table = row.element_handle()
    held.go_on.set()
    expect(shown.answer.locator("pre code")).to_have_text("print('你好')\n")
    shown.settle()
    expect(shown.answer).to_contain_text("完。")
    assert table.evaluate("row => row.isConnected")


def test_a_tool_that_the_model_asks_for_runs_once_it_is_approved(
    suite: Suite, provider: ScriptedProvider, open_page: Open
) -> None:
    provider.steps = [
        call_stream("product-mcp_get_products", {"query": "耳机"}),
        call_stream("product-mcp_create_purchase", PURCHASE_ARGS),
        text_stream("买好了"),
    ]
    shown = opened(suite, open_page)
    shown.ask("买 2 个耳机")
    expect(shown.page.locator('.tool[data-state="done"]')).to_contain_text("get_products")
    expect(shown.page.get_by_role("group", name="确认购买")).to_contain_text("¥1798.00")
    before = len(suite.orders())
    shown.button("确认购买").click()
    expect(shown.answer).to_contain_text("买好了")
    assert len(suite.orders()) == before + 1
    assert [message["role"] for message in provider.requests[-1]["messages"]][-2:] == ["assistant", "tool"]


def test_a_refusal_of_the_provider_is_explained_and_can_be_tried_again(
    suite: Suite, provider: ScriptedProvider, open_page: Open
) -> None:
    provider.steps = [refusal(401, "bad key"), text_stream("好了")]
    shown = opened(suite, open_page)
    shown.ask("你好")
    expect(shown.page.get_by_role("alert")).to_contain_text("OPENAI_API_KEY")
    shown.button("重试").click()
    expect(shown.answer).to_contain_text("好了")
    expect(shown.page.get_by_role("alert")).to_have_count(0)
    assert provider.requests[0]["messages"] == provider.requests[1]["messages"]


def test_stop_reaches_the_provider(suite: Suite, provider: ScriptedProvider, open_page: Open) -> None:
    held = Held(chunk(content="半句"), text_stream("没人听"))
    provider.steps = [held]
    shown = opened(suite, open_page)
    shown.begin("说很久")
    expect(shown.answer).to_contain_text("半句")
    shown.button("停止").click()
    shown.settle()
    assert held.left.wait(HELD_SECONDS / 2)
    held.go_on.set()
    expect(shown.page.locator(".note")).to_contain_text("已停止")


def test_what_is_to_be_known_of_an_answer_stands_below_it_also_when_the_page_is_loaded_again(
    suite: Suite, provider: ScriptedProvider, open_page: Open
) -> None:
    # The last test of this file: that the model takes no tools is remembered.
    provider.steps = [
        refusal(400, "script-1 does not support tools"),
        chunk(content="半句") + chunk(finish="length") + "data: [DONE]\n\n",
    ]
    shown = opened(suite, open_page)
    shown.begin("耳机多少钱")
    shown.settle()
    marks = shown.answer.locator(".warned")
    expect(marks).to_have_count(2)
    shown.page.reload()
    expect(marks.first).to_contain_text("回答不完整")
    expect(marks.last).to_contain_text("script-1 不支持工具调用")

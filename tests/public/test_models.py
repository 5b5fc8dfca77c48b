"""The dialog of models, in front of the real back end and two providers."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Locator, expect

from tests.support.asgi import in_a_thread
from tests.support.model_service import KEY, FakeProvider
from tests.support.page_browser import Open, Shown
from tests.support.processes import state_of
from tests.support.suite import Suite


@pytest.fixture(scope="module")
def _services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Suite, str]]:
    """A back end without a model, a provider with a key, and a model server of this machine."""
    near = FakeProvider("qwen3", key="")
    near.lists = {"/v1/models": {"data": [{"id": "qwen3", "owned_by": "vllm"}]}}
    folder = tmp_path_factory.mktemp("models")
    with in_a_thread(FakeProvider()) as far, in_a_thread(near) as here, Suite(folder) as suite:
        suite.configure({})
        suite.start("web", LLM_LOCAL_PORTS=f"{urlsplit(here).port}")
        yield suite, f"{far}/v1"


@pytest.fixture
def suite(_services: tuple[Suite, str]) -> Suite:
    """The back end, in which nothing is kept."""
    for id in ("deepseek", "vllm"):
        httpx.delete(f"{_services[0].url}/api/models/{id}", timeout=60).raise_for_status()
    return _services[0]


@pytest.fixture
def base(_services: tuple[Suite, str]) -> str:
    """Where the provider is."""
    return _services[1]


@pytest.fixture
def kept(suite: Suite, base: str) -> Suite:
    """The back end, in which the provider is kept."""
    body = {"base": base, "key": KEY, "models": [{"name": "m1"}]}
    httpx.put(f"{suite.url}/api/models/deepseek", json=body, timeout=60).raise_for_status()
    return suite


def opened(suite: Suite, open_page: Open) -> Shown:
    return open_page(suite.url)


def dialog(shown: Shown) -> Locator:
    shown.page.locator("#model").click()
    box = shown.page.get_by_role("dialog", name="模型")
    expect(box).to_be_visible()
    return box


def test_from_no_key_to_an_answer(suite: Suite, base: str, open_page: Open) -> None:
    shown = opened(suite, open_page)
    shown.page.get_by_role("button", name="接入自己的模型").click()
    box = shown.page.get_by_role("dialog", name="模型")
    expect(box).to_contain_text("vLLM（本机） 正在运行，有 1 个模型")
    box.get_by_role("button", name="添加模型服务").click()
    box.get_by_label("模型服务").select_option("DeepSeek 深度求索")
    expect(box.get_by_role("textbox", name="地址")).to_have_value("https://api.deepseek.com")
    box.get_by_role("textbox", name="地址").fill(base)
    box.get_by_label("密钥").fill("a-wrong-key")
    box.get_by_role("combobox", name="模型", exact=True).fill("m1")
    box.get_by_role("button", name="测试").click()
    expect(box.get_by_role("status")).to_contain_text("密钥不对")
    box.get_by_label("密钥").fill(KEY)
    box.get_by_label("密钥").press("Tab")
    expect(box.get_by_role("status")).to_contain_text("有 1 个模型")
    box.get_by_role("button", name="测试").click()
    expect(box.get_by_role("status")).to_contain_text("会调用工具")
    box.get_by_role("button", name="使用").click()
    expect(box.get_by_role("group", name="DeepSeek 深度求索")).to_contain_text(f"密钥 …{KEY[-4:]}")
    expect(box.get_by_role("radio", name="m1")).to_be_checked()
    shown.page.keyboard.press("Escape")
    shown.ask("你是谁")
    expect(shown.answer).to_contain_text("I am m1")
    assert KEY not in shown.page.content() + shown.page.evaluate("JSON.stringify(localStorage)")


def test_a_conversation_keeps_the_model_that_it_is_switched_to(kept: Suite, open_page: Open) -> None:
    shown = opened(kept, open_page)
    shown.ask("你是谁")
    expect(shown.answer).to_contain_text("I am m1")
    box = dialog(shown)
    box.get_by_role("button", name="使用").click()
    expect(box.get_by_role("combobox", name="模型", exact=True)).to_have_value("qwen3")
    box.get_by_role("button", name="使用").click()
    expect(box.get_by_role("radio", name="qwen3")).to_be_checked()
    shown.page.keyboard.press("Escape")
    shown.ask("现在呢")
    expect(shown.answer).to_contain_text("I am qwen3")
    dialog(shown).get_by_role("radio", name="m1").check()
    shown.page.keyboard.press("Escape")
    shown.ask("又是谁")
    expect(shown.answer).to_contain_text("I am m1")
    shown.page.reload()
    expect(shown.page.locator("#model")).to_have_text("m1")
    shown.page.get_by_role("button", name="新对话").click()
    expect(shown.page.locator("#model")).to_have_text("qwen3")


def test_a_provider_is_removed_with_its_key(kept: Suite, open_page: Open) -> None:
    shown = opened(kept, open_page)
    box = dialog(shown)
    group = box.get_by_role("group", name="DeepSeek 深度求索")
    group.get_by_role("button", name="删除").click()
    expect(group).to_be_visible()  # the key is gone for good: it is asked once more
    group.get_by_role("button", name="连同密钥删除").click()
    expect(group).to_have_count(0)
    shown.page.keyboard.press("Escape")
    expect(shown.page.locator("#model")).to_have_text("演示模型")
    assert KEY.encode() not in (state_of(kept.folder) / "models").read_bytes()

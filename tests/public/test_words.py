"""The page's words: every code that reaches it is said in all three languages."""

import json
import re
from collections.abc import Iterator
from string import Formatter
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from assistant.chat import sentences as chat
from assistant.llm import sentences as llm
from assistant.page import sentences as page
from assistant.toolbox import sentences as toolbox
from assistant.toolbox.listing import NO_DESCRIPTION
from main import Settings, create_server
from mcp_server import sentences as mcp_server
from serving.settings import load
from shop import sentences as shop
from shop.queries import IN_TOTAL
from tests.support.big5 import in_big5
from tests.support.processes import ROOT

TABLES = [
    *(chat.SENTENCES, llm.SENTENCES, toolbox.SENTENCES, page.OWN, shop.REFUSALS),
    *(mcp_server.SENTENCES, mcp_server.HTTP),
    {"invalid_arguments": "{problems}"},
]
CODES = sorted({code for table in TABLES for code in table})
ADDED = {"advice"}  # parameters that only a sentence of the back end has


def parameters(code: str) -> set[str]:
    """The parameters of a code in whatever table has it."""
    texts = [table[code] for table in TABLES if code in table]
    return {name for text in texts for _, name, *_ in Formatter().parse(text) if name} - ADDED


def words_of(language: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / f"public/{language}.json").read_text())
    return found


@pytest.fixture(scope="module", params=["zh", "zh-TW", "en"])
def words(request: pytest.FixtureRequest) -> dict[str, Any]:
    return words_of(request.param)


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_sentence_with_parameters_that_come_with_it(
    code: str, words: dict[str, Any]
) -> None:
    assert set(re.findall(r"\{(\w+)\}", words[f"error.{code}"])) <= parameters(code)


def test_every_advice_on_a_status_has_a_sentence(words: dict[str, Any]) -> None:
    assert all(f"error.http_status.{status}" in words for status in toolbox.ADVICE)


def test_no_sentence_is_left_of_a_code_that_is_gone(words: dict[str, Any]) -> None:
    said = {key.split(".")[1] for key in words if key.startswith("error.")}
    assert said == set(CODES)


async def listed(server: Any) -> list[Any]:
    parts: list[Any] = [*await server.list_tools(), *await server.list_prompts()]
    return [*parts, *await server.list_resources(), *await server.list_resource_templates()]


@pytest.mark.parametrize("language", ["zh-TW", "en"])
def test_what_the_shops_server_says_of_its_tools_is_known_word_for_word(language: str) -> None:
    server = create_server(load(Settings, ["--owner"]))
    with start_blocking_portal() as portal:  # a browser may hold this thread's loop
        parts: list[Any] = portal.call(listed, server)
    texts = {text for part in parts for text in texts_of(part.model_dump(by_alias=True))}
    steps = {mcp_server.CHECKING, mcp_server.ORDERING, mcp_server.ORDERED, mcp_server.ORDERED_BEFORE}
    notes = {mcp_server.NOT_FOUND, NO_DESCRIPTION, IN_TOTAL}
    problems = {mcp_server.NEEDS_NAME_AND_PRICE, mcp_server.ONLY_BY_RESTOCK, mcp_server.NOTHING_GIVEN}
    texts |= steps | notes | problems | {mcp_server.CLEARED_OR_GIVEN}
    assert set(words_of(language)["said"]) == texts


def has_chinese(text: object) -> bool:
    return isinstance(text, str) and not text.isascii()


def texts_of(value: Any) -> Iterator[str]:
    """Titles and descriptions, of arguments, too."""
    if isinstance(value, dict):
        yield from (value[key] for key in ("title", "description") if has_chinese(value.get(key)))
        kept = {key: part for key, part in value.items() if key not in ("outputSchema", "annotations")}
        yield from (text for part in kept.values() for text in texts_of(part))
    elif isinstance(value, list):
        yield from (text for part in value for text in texts_of(part))


def test_what_it_asks_and_its_prompts_are_known_by_their_codes(words: dict[str, Any]) -> None:
    said = {code: set(re.findall(r"\{(\w+)\}", text)) for code, text in words["texts"].items()}
    meant = {
        code: {name for _, name, *_ in Formatter().parse(text) if name}
        for code, text in mcp_server.TEXTS.items()
    }
    assert said == meant


@pytest.mark.parametrize("language", ["zh-TW", "en"])
def test_every_word_is_there_in_every_language(language: str) -> None:
    chinese, words = words_of("zh"), words_of(language)
    lacking = [key for key in chinese if key not in words]
    assert not lacking, f"please add to public/{language}.json: {', '.join(lacking)}"
    assert list(words) == list(chinese), "keys stand in the same order"
    assert list(words["columns"]) == list(chinese["columns"])


def test_no_word_is_said_twice_in_a_row(words: dict[str, Any]) -> None:
    twice = re.compile(r"\b([A-Za-z]{2,})[ ,，]+\1\b")
    assert [key for key, text in words.items() if isinstance(text, str) and twice.search(text)] == []


MAINLAND = (
    "之后 稍后 以后 后面 里面 這里 服務器 數據 默認 文件 信息 網絡 軟件 用戶 程序 打印 地址 配置 訪問 搜索 "
    "視頻 鏈接 令牌 演示 引數 “"
)


def test_taiwans_words_are_taiwans() -> None:
    words = words_of("zh-TW")
    words["said"] = list(words["said"].values())
    text = json.dumps(words, ensure_ascii=False).replace("用戶端", "")
    strange = [char for char in text if "\u4e00" <= char <= "\u9fff" and not in_big5(char)]
    assert strange == []
    assert [word for word in MAINLAND.split() if word in text] == []

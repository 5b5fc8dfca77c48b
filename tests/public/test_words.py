"""The page's words: every code that reaches it is said in both languages."""

import json
import re
from string import Formatter
from typing import Any

import pytest

from assistant.chat import sentences as chat
from assistant.llm import sentences as llm
from assistant.page import sentences as page
from assistant.toolbox import sentences as toolbox
from mcp_server import sentences as mcp_server
from shop import sentences as shop
from tests.support.processes import ROOT

TABLES = [
    *(chat.SENTENCES, llm.SENTENCES, toolbox.SENTENCES, page.OWN, shop.REFUSALS),
    *(mcp_server.SENTENCES, mcp_server.HTTP),
]
CODES = sorted({code for table in TABLES for code in table})
ADDED = {"advice"}  # parameters that only a sentence of the back end has


def parameters(code: str) -> set[str]:
    """The parameters of a code in whatever table has it."""
    texts = [table[code] for table in TABLES if code in table]
    return {name for text in texts for _, name, *_ in Formatter().parse(text) if name} - ADDED


@pytest.fixture(scope="module", params=["zh", "en"])
def words(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / f"public/{request.param}.json").read_text())
    return found


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

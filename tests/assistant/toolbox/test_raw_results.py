"""Whatever a server answers is taken by the SDK's models, read as a result, and never breaks the link."""

import json
from contextlib import suppress
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import methods

from assistant.toolbox.listing import describe_prompt, describe_tool
from assistant.toolbox.raw_results import acceptable
from assistant.toolbox.results import read_result
from assistant.toolbox.server import Server
from assistant.toolbox.wire import parse
from serving.errors import CodedError

SERVER = Server("s", url="http://localhost:1/mcp")
NAMES = """
name inputSchema properties annotations readOnlyHint title type text data uri mimeType resource blob content
image structuredContent isError _meta tools prompts messages arguments required capabilities serverInfo
message ui protocolVersion nextCursor code error result id jsonrpc x-mcp-header visibility
"""
WORDS = st.sampled_from(NAMES.split())
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9) | WORDS
INNER = st.lists(LEAVES, max_size=4) | st.dictionaries(WORDS, LEAVES, max_size=5)
VALUES = st.recursive(LEAVES | INNER, lambda inner: st.dictionaries(WORDS, inner, max_size=5), max_leaves=20)
OBJECTS = st.dictionaries(WORDS, VALUES, max_size=6)
METHODS = ["initialize", "tools/list", "prompts/list", "tools/call", "prompts/get"]


@pytest.mark.parametrize("method", METHODS)
@given(result=OBJECTS)
def test_any_result_is_made_acceptable(method: str, result: dict[str, Any]) -> None:
    mended = acceptable(method, result, lambda _: None)
    for version in ("2025-11-25", "2026-07-28") if method != "initialize" else ("2025-11-25",):
        methods.validate_server_result(method, version, mended)


@given(OBJECTS)
def test_any_result_of_a_tool_is_text(result: dict[str, Any]) -> None:
    assert anyio.run(read_result, result).text


@given(OBJECTS.map(lambda listed: {"name": "t", **listed}))
def test_any_entry_is_a_tool_or_a_reason(listed: dict[str, Any]) -> None:
    assert describe_prompt("s", listed)["input_schema"]["type"] == "object"
    with suppress(CodedError):
        tool = describe_tool(SERVER, listed)
        assert json.dumps([tool.input_schema, tool.annotations])


@given(VALUES.map(json.dumps) | st.text(max_size=50))
def test_any_text_is_a_message_or_none(text: str) -> None:
    with suppress(ValueError):
        anyio.run(parse, text)

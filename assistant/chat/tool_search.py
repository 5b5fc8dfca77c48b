"""More tools than a model is offered one by one: it searches them by words, and calls what it found by name.

A call through the second becomes the found tool's call before anything else sees it; only a provider is sent
it as it was offered. Both functions are the same whatever the tools are, so that prompts stay cached.
"""

import asyncio
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from math import inf, log
from typing import Any

from assistant.chat.arguments import ArgumentsError, read
from assistant.chat.history import MAX_RESULT, Message, truncated
from assistant.chat.interfaces import Tool, ToolRequest, ToolResult
from assistant.chat.schemas import plain
from assistant.chat.sentences import NO_NAME, NOTHING_FOUND

MAX_TOOL_TOKENS = 16_000  # estimated, of the tools that are offered one by one: an eighth of a usual window
MAX_SHARE = 0.25  # of a window that is known, for them
MIN_TOOL_TOKENS = 125  # that a tool counts for at least: OpenAI and others refuse more than 128 functions
MAX_FOUND = 8  # tools that a search returns
MAX_FOUND_TEXT = MAX_RESULT - 1_000  # characters of them, but for the first
MAX_INDEXED = 2_000  # characters of a description
MAX_DESCRIPTION = 1_024
MAX_DEPTH = 8  # of a schema, for the names of its properties

_EAST = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # scripts without spaces between words
_RUN = re.compile(rf"[{_EAST}]+|\d+|[^\W\d_{_EAST}]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ENDING = re.compile(r"(?<=\w{3})(?:ies|ing|ed|es|s|y|e)$")
_GAP = re.compile(r"[\s:,]*")
_JSON = json.JSONDecoder()


SEARCH_TOOLS, CALL_TOOL = "searchTools", "callTool"


def _own(offered: str, title: str, description: str, /, **properties: dict[str, Any]) -> Tool:
    schema = {"type": "object", "properties": properties, "required": [*properties][:1]}
    # The names of servers' tools hold a "_" as they are offered, so that none is the same.
    return Tool("", offered, offered, title, description, schema, None, {"readOnlyHint": True}, offered)


SEARCH = _own(
    SEARCH_TOOLS,
    "查找工具",
    f"在所有服务器的工具里查找，返回最合适的几个，带名称、说明和参数；用 {CALL_TOOL} 调用它们。",
    query={
        "type": "string",
        "description": "几个词：要做什么、对什么做、哪个服务器。中文和英文都写上，更容易找到。",
    },
)
CALL = _own(
    CALL_TOOL,
    "调用工具",
    f"调用一个工具，包括会修改数据的工具。不知道有哪些工具时先用 {SEARCH_TOOLS} 查找。",
    name={"type": "string", "description": f"工具的名称，照 {SEARCH_TOOLS} 返回的写"},
    arguments={"type": "object", "properties": {}, "description": "参数，照这个工具的 parameters 写"},
)
OWN = (SEARCH, CALL)


class Offer:
    """What a model is offered of the tools: all, or above a budget of estimated tokens the two functions.

    A conversation that has searched keeps the two, whatever becomes of the tools; `tools` are those that are
    not switched off.
    """

    def __init__(self, max_tokens: float) -> None:
        self._max_tokens = max_tokens
        self._index = ToolIndex(())

    def functions(self, tools: Sequence[Tool], history: Sequence[Message]) -> list[dict[str, Any]]:
        """Return the functions that go to the provider."""
        one_by_one = () if self.is_over_budget(tools) else tools
        return [function_of(tool) for tool in (*self.own(tools, history), *one_by_one)]

    def own(self, tools: Sequence[Tool], history: Sequence[Message]) -> Sequence[Tool]:
        """Return the two, if the model has them."""
        called = [call for message in history for call in message.get("tool_calls") or ()]
        has_searched = any(call["function"]["name"] == SEARCH_TOOLS for call in called)
        return OWN if has_searched or self.is_over_budget(tools) else ()

    def is_over_budget(self, tools: Sequence[Tool]) -> bool:
        """Whether the tools are too many to be offered one by one."""
        counted = accumulate(max(tool.tokens, MIN_TOOL_TOKENS) for tool in tools)  # not of thousands
        return self._max_tokens < inf and any(tokens > self._max_tokens for tokens in counted)

    async def run(self, own: Tool, args: dict[str, Any], tools: Sequence[Tool]) -> ToolResult:
        """Answer a call of one of the two: a search, or a call that names no tool."""
        if own.name != SEARCH_TOOLS:
            return ToolResult(NO_NAME.format(call=CALL_TOOL, search=SEARCH_TOOLS), True)
        if list(tools) != self._index.tools:  # quick: they are the same objects until a server lists others
            self._index = await asyncio.to_thread(ToolIndex, tools)  # 0.1 ms a tool
        return ToolResult(_described(self._index.best(str(args.get("query", args))), tools))


def function_of(tool: Tool) -> dict[str, Any]:
    """Return a tool as a provider is offered it."""
    # The two are of no server; to compare whole tools takes longer than all else here.
    description = f"[{tool.server}] {tool.description}" if tool.server else tool.description
    function = {"name": tool.offered, "description": description, "parameters": tool.input_schema}
    return {"type": "function", "function": function}


# --- the call ----------------------------------------------------------------------------------------------


def unwrapped(request: ToolRequest) -> ToolRequest:
    """Return the call that a call through `CALL` stands for, or itself where it names none.

    The arguments are an object, or JSON text, or what stands beside the name; they stay as they were written.
    """
    try:
        members, is_mended = _members(request.arguments.strip()), False
    except (ValueError, RecursionError):
        try:
            text, is_mended = read(request.arguments, {})
        except ArgumentsError:
            return request
        members = _members(text)
    name = json.loads(members.pop("name", "null"))
    if not isinstance(name, str):
        return request
    is_mended = is_mended or ("arguments" not in members and bool(members))
    beside = ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {value}" for key, value in members.items())
    arguments = members.get("arguments", f"{{{beside}}}")
    if arguments.startswith('"'):
        arguments = json.loads(arguments)
    arguments = "{}" if arguments == "null" else arguments
    name, arguments = (text.encode(errors="replace").decode() for text in (name, arguments))
    return replace(request, name=name, arguments=arguments, is_mended=is_mended)


def _members(text: str) -> dict[str, str]:
    """Return the members of a JSON object, each value as it is written. Raises ValueError, RecursionError."""
    members: dict[str, str] = {}
    at = _gap(text, 1)
    while not text.startswith("}", at):
        name, at = _JSON.raw_decode(text, at)
        begin = _gap(text, at)
        _, at = _JSON.raw_decode(text, begin)
        if not isinstance(name, str) or name in members:
            raise ValueError(name)
        members[name] = text[begin:at]
        at = _gap(text, at)
    if text[:1] != "{" or text[at + 1 :]:
        raise ValueError(text)
    return members


def _gap(text: str, at: int) -> int:
    found = _GAP.match(text, at)
    return found.end() if found else at


def wrapped(history: Sequence[Message], functions: Sequence[dict[str, Any]]) -> list[Message]:
    """Return a history, whose calls are valid, as it goes to a provider that is offered these functions."""
    offered = {function["function"]["name"] for function in functions}
    if CALL_TOOL not in offered:
        return list(history)
    return [
        {**message, "tool_calls": [_wrapped(call, offered) for call in message["tool_calls"]]}
        if message.get("tool_calls")
        else message
        for message in history
    ]


def _wrapped(call: dict[str, Any], offered: set[str]) -> dict[str, Any]:
    name, arguments = call["function"]["name"], call["function"]["arguments"].strip() or "{}"
    if name in offered:
        return call
    written = f'{{"name": {json.dumps(name)}, "arguments": {arguments}}}'
    return {**call, "function": {"name": CALL_TOOL, "arguments": written}}


# --- the search --------------------------------------------------------------------------------------------


class ToolIndex:
    """The words of tools, Chinese ones as characters and pairs of them, each with its weight in a tool."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self.tools = list(tools)
        self._weights: dict[str, dict[int, float]] = {}
        for number, tool in enumerate(tools):
            for weight, text in _fields(tool):
                for word in set(_words(text)):
                    weights = self._weights.setdefault(word, {})
                    weights[number] = max(weight, weights.get(number, 0))

    def best(self, query: str) -> list[Tool]:
        """Return the tools that fit best, the best first; rare words say more than those of many tools."""
        scores: dict[int, float] = {}
        for word in dict.fromkeys(_words(query[:MAX_INDEXED])):
            for number, weight in self._fitting(word).items():
                scores[number] = scores.get(number, 0) + weight
        numbers = sorted(scores, key=lambda number: (-scores[number], number))
        return [self.tools[number] for number in numbers[:MAX_FOUND]]

    def _fitting(self, word: str) -> dict[int, float]:
        """Return the tools with a word, or with one that it is a part of, which counts for less."""
        like = [each for each in self._weights if word in each and each != word] if len(word) > 3 else []
        fitting: dict[int, float] = {}
        for each, share in [(word, 1.0 if len(word) > 1 else 0.3), *((each, 0.5) for each in like)]:
            weights = self._weights.get(each, {})
            rarity = share * log(1 + len(self.tools) / max(len(weights), 1))
            for number, weight in weights.items():
                fitting[number] = max(fitting.get(number, 0), weight * rarity)
        return fitting


def _fields(tool: Tool) -> Iterator[tuple[float, str]]:
    yield 4, tool.name
    yield 3, f"{tool.server} {tool.title}"
    yield 1, f"{tool.description[:MAX_INDEXED]} {' '.join(_properties(tool.input_schema))}"


def _properties(schema: Any, depth: int = MAX_DEPTH) -> Iterator[str]:
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
        yield from schema["properties"]
    for each in inner if depth else ():
        yield from _properties(each, depth - 1)


def _words(text: str) -> Iterator[str]:
    text = _CAMEL.sub(" ", unicodedata.normalize("NFKC", text)).casefold()
    for run in _RUN.findall(text):
        if re.match(rf"[{_EAST}]", run):
            yield from run
            yield from (run[at : at + 2] for at in range(len(run) - 1))
        else:
            yield _ENDING.sub("", run)


def _described(found: Sequence[Tool], tools: Sequence[Tool]) -> str:
    """Describe tools as a provider would be offered them, in a JSON list."""
    if not found:
        servers = "、".join(dict.fromkeys(tool.server for tool in tools))
        return NOTHING_FOUND.format(servers=truncated(servers, MAX_DESCRIPTION))
    lines: list[str] = []
    for tool in found:
        function = function_of(tool)["function"]
        function |= {
            "description": truncated(function["description"], MAX_DESCRIPTION),
            "parameters": plain(tool.input_schema),
        }
        line = json.dumps(function, ensure_ascii=False)
        if not lines or len(line) + sum(map(len, lines)) < MAX_FOUND_TEXT:
            lines.append(line)
    return f"[{', '.join(lines)}]".encode(errors="replace").decode()

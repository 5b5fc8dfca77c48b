"""Tool calls out of the markup that a model wrote in the place of calls, in the forms of many models."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from assistant.chat.interfaces import ToolRequest
from assistant.llm.calls import list_of

# What stands around calls: when these are gone, too, nothing may be left of an answer that is calls.
_FRAME = re.compile(
    r"</?(?:[a-z]+:|longcat_)?(?:tool_?calls?|TOOLCALL|function_calls?)>|</?[|｜]DSML[|｜]\w+>|\[/?TOOL_CALLS\]|</s>"
    r"|<[|｜]/?(?:tool[▁_]calls?(?:[▁_]section)?(?:[▁_](?:begin|end))?|python_tag|(?:START|END)_ACTION"
    r"|action_start|action_end|plugin"
    r"|start|end|call|eom_id|eot_id|im_end|end[▁_]of[▁_]sentence)[|｜]>(?:assistant)?"
)
_BETWEEN = re.compile(
    rf"\A(?:{_FRAME.pattern}|```(?:json)?|[\s;,}}\]])*+"
)  # the calls, when their JSON is read
_NAME = r"(?P<name>[^\s<>{}\[\]|｜:\"]+)(?::\d+)?"  # Kimi's `functions.look:0`
_SEP, _TOOL_CALL = "<[|｜]tool[▁_]sep[|｜]>", "<[|｜]tool[▁_]call[▁_]"
_FORMS = (  # no two quantifiers of one of them can share a text: reading takes no more than its square
    # Anthropic, MiniMax, DeepSeek's DSML
    r'<(?:[|｜]DSML[|｜])?invoke name="(?P<name>[^"]+)">(?P<body>.*?)</(?:[|｜]DSML[|｜])?invoke>',
    # Qwen-Coder, Llama
    r"<function=(?P<name>[^>\s]+)>(?P<body>.*?)(?:</function>|$)",
    # GLM
    rf"<tool_call>\s*+{_NAME}\s*+(?P<body>(?:<arg_key>.*?)?)</tool_call>",
    # DeepSeek, Kimi
    rf"{_TOOL_CALL}begin[|｜]>\s*+(?:function{_SEP})?{_NAME}\s*+(?:{_SEP}|{_TOOL_CALL}argument[▁_]begin[|｜]>)?\s*+"
    rf"(?:```json)?(?P<body>.*?)(?:```\s*+)?{_TOOL_CALL}end[|｜]>",
    # Mistral
    r"\[TOOL_CALLS\]\s*+(?P<name>[A-Za-z_][\w.-]*+)\s*+(?:\[CALL_ID\]\w++)?(?:\[ARGS\])?"
    r"(?P<body>\{.*?\})\s*+(?=\[TOOL_CALLS\]|</s>|$)",
    # harmony
    rf"(?:<\|start\|>assistant)?(?:<\|channel\|>(?:commentary|analysis))? to={_NAME}[^{{]*?<\|message\|>"
    r"(?P<body>.*?)(?:<\|call\|>|$)",
    # Llama, in Python
    r"[\[,]\s*+(?P<name>[A-Za-z_][\w.-]*+)\((?P<python>[^()]*)\)\s*+\]?",
)
_FORM = [re.compile(form, re.DOTALL) for form in _FORMS]
_PARAMETER = re.compile(
    r'<(?:[|｜]DSML[|｜])?parameter name="(?P<a>[^"]+)"(?: string="(?P<text>true|false)")?>'
    r"(?P<x>.*?)</(?:[|｜]DSML[|｜])?parameter>"
    r"|<parameter=(?P<b>[^>]+)>\n?(?P<y>.*?)\n?</parameter>"
    r"|<arg_key>(?P<c>.*?)</arg_key>\s*<arg_value>(?P<z>.*?)</arg_value>",
    re.DOTALL,
)
_ARGUMENT = re.compile(r"\s*(\w+)\s*=\s*(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^,]+)\s*(?:,|$)")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input", "action_input")
_PYTHON = {"True": True, "False": False, "None": None}

MAX_MARKUP = 50_000  # characters

Schemas = Mapping[str, Mapping[str, Any]]  # of the tools that were offered, by name


def calls_in(markup: str, tools: Schemas) -> list[ToolRequest]:
    """Return the calls that a markup is; none where it is, or holds, anything else."""
    if len(markup) > MAX_MARKUP:
        return []
    readers: list[Callable[[str, Schemas], list[ToolRequest] | None]] = [_by_form, _by_json]
    return next((calls for read in readers if (calls := read(markup, tools))), [])


def _by_form(markup: str, tools: Schemas) -> list[ToolRequest] | None:
    for form in _FORM:
        calls = [_call(found, tools) for found in form.finditer(markup)]
        if calls and not _FRAME.sub("", form.sub("", markup)).strip():
            return calls
    return None


def _call(found: re.Match[str], tools: Schemas) -> ToolRequest:
    name, parts = found["name"], found.groupdict()
    if (python := parts.get("python")) is not None:
        values = {key: _python(value.strip()) for key, value in _ARGUMENT.findall(python)}
        return _request(name, json.dumps(values, ensure_ascii=False))
    parameters = list(_PARAMETER.finditer(found["body"]))
    if _PARAMETER.sub("", found["body"]).strip() or not parameters:  # as it is: JSON, or broken
        return _request(name, found["body"].strip())
    properties = tools.get(name, {}).get("properties") or {}
    args = {}
    for each in parameters:
        key = next(key for key in each.group("a", "b", "c") if key is not None).strip()
        text = next(value for value in each.group("x", "y", "z") if value is not None)
        schema = properties.get(key)
        is_text = each["text"] == "true" or (isinstance(schema, dict) and schema.get("type") == "string")
        args[key] = text if is_text else _value(text)
    return _request(name, json.dumps(args, ensure_ascii=False))


def _by_json(markup: str, tools: Schemas) -> list[ToolRequest] | None:
    """Read calls as JSON: any in a frame, bare ones only of tools that were offered."""
    is_bare = not _FRAME.search(markup)
    calls: list[ToolRequest] = []
    decoder = json.JSONDecoder(strict=False)  # models write raw newlines into strings
    text = _BETWEEN.sub("", markup)
    while text:
        try:
            value, end = decoder.raw_decode(text)
        except (ValueError, RecursionError):
            return None
        found = list(_calls_of(value))
        if not found or (is_bare and any(call.name not in tools for call in found)):
            return None
        calls += found
        text = _BETWEEN.sub("", text[end:])
    return calls


def _calls_of(value: Any) -> Iterator[ToolRequest]:
    if isinstance(value, list):
        for each in value:
            yield from _calls_of(each)
    if not isinstance(value, dict):
        return
    if calls := list_of(value.get("tool_calls")):
        yield from _calls_of(calls)
    inner = value["function"] if isinstance(value.get("function"), dict) else value
    name = next(
        (inner[key] for key in ("name", "tool_name", "tool", "function", "action") if key in inner), None
    )
    args = next((inner[key] or {} for key in _ARGUMENTS if key in inner), {} if len(inner) == 1 else None)
    if isinstance(name, str) and isinstance(args, dict | str):
        yield _request(name, args if isinstance(args, str) else json.dumps(args, ensure_ascii=False))


def _request(name: str, arguments: str) -> ToolRequest:
    return ToolRequest(name, arguments, from_prose=True)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _python(text: str) -> Any:
    if text[:1] in ("'", '"') and text[-1:] == text[:1]:
        return text[1:-1].replace(f"\\{text[0]}", text[0])
    return _PYTHON[text] if text in _PYTHON else _value(text)

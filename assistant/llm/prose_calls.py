"""Tool calls out of the markup that a model wrote in the place of calls, in the forms of many models.

All are read in one way. Frames say nothing. A name stands in an element, behind `to=`, or alone; arguments
are a JSON object, elements of parameters, or Python's. A JSON object by itself holds name and arguments.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from assistant.chat.arguments import STRING, ArgumentsError, closed_at, value_at
from assistant.chat.interfaces import ToolRequest
from assistant.llm.calls import is_json

MAX_MARKUP = 20_000  # characters that are read

# No two quantifiers of a pattern can share a text: reading takes no more than its square.
_PREFIX = r"(?:[|｜]DSML[|｜])?(?:\w{1,20}:)?"  # DeepSeek's; the namespaces of MiniMax and others
_FRAME = re.compile(
    r"<[|｜]/?[^<>|｜\s]{1,40}[|｜]?>|<tool_call\|>|<server_name>[^<>]*+</server_name>"  # special tokens
    rf"|</?{_PREFIX}(?:\w{{1,20}}_)?(?:tools?|toolcalls?|(?:tool|function)_\w++|functions?|invoke|action|calls?"
    r"|args|arguments|parameters|input|name)>|</s>"
    r"|\[/?[A-Z_]{3,20}\](?:(?<=\[CALL_ID\])\w++)?|(?:```|~~~)\w*+|[\s;,)\]}]|\[(?=\s*+[\w.]+\()|print\((?=[\w.]+\()"
    r"|>>>|(?:\*\*)?(?:(?:Action|Tool)(?: Input)?|Input|✿\w+✿) ?[:：](?:\*\*)?|`(?=[\w.-]++`)|(?<=\w)`"
    r"|Observation ?[:：].*|functools(?=\[)"
    r"|(?:function|assistant|commentary|analysis|json|code)(?=\s*+[<{]|\s++to=|commentary)",
    re.DOTALL | re.IGNORECASE,
)
_NAMED = re.compile(
    rf"<{_PREFIX}(?!param|arg)\w{{1,40}}(?: name=|=)[\"']?([^\"'<>\s]++)[\"']?[^<>]*>"
    r"|to=([\w.-]++)|(?:call:)?([A-Za-z_][\w.-]*+)|<(?P<element>[A-Za-z_][\w.-]*+)>"
)
_PARAMETER = re.compile(
    rf"\s*<{_PREFIX}(?:parameter|arg)(?: name=|=)[\"']?(?P<a>[^\"'<>]++)[\"']?"
    r"(?: string=\"(?P<text>true|false)\")?>"
    rf"(?P<x>.*?)</{_PREFIX}(?:parameter|arg)>"
    r"|\s*<arg_key>(?P<b>.*?)</arg_key>\s*<arg_value>(?P<y>.*?)</arg_value>"
    r"|\s*<(?P<c>[A-Za-z_][\w.-]*+)>(?P<z>.*?)</(?P=c)>",  # Cline's
    re.DOTALL,
)
_KEYWORD = re.compile(rf"{STRING}|\b(\w++)\s*+=", re.DOTALL)  # of Python's arguments
_TAG = re.compile(r"<[^<>]*\Z|<[^<>]{0,30}(?:parameter|arg_)")  # that goes on, or is none of the known ones
_OPEN = re.compile(r"\s*+(?:<\w|\Z)")  # behind elements of arguments: more of them, or nothing at all
_CLOSED = re.compile(r"/|end|call[|｜]>|Input")  # among frames
_BROKEN = re.compile(r"(?=</|<[|｜]|\[/|```)|\Z")  # where arguments that cannot be read end
_NAMES = ("name", "tool_name", "tool", "function", "action", "recipient_name")
_WRAPS = ("tool_calls", "tool_uses", "tool_call", "function_call")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input", "action_input")

Schemas = Mapping[str, Mapping[str, Any]]  # of the tools that were offered, by name


class MarkupReader:
    """Reads the calls of a markup; `at` is how far it has come."""

    def __init__(self, markup: str, tools: Schemas) -> None:
        self.at = 0
        self._text = markup
        self._tools = tools

    def calls(self, at: int = 0) -> list[ToolRequest]:
        """Return the calls from a place on, up to what is no part of any."""
        calls: list[ToolRequest] = []
        self.at = at
        while True:
            begun = self._skip_frames()
            try:
                more = self._calls()
            except (ValueError, RecursionError, ArgumentsError):
                more = []
            if not more:
                self.at = begun
                return calls
            calls += more

    def is_torn(self) -> bool:
        """Whether a call begins where the reader has stopped, and cannot be read to its end."""
        rest, found = self._text[self.at :], self._named()
        if found is None:
            return bool(_TAG.match(rest)) or (self.at > 0 and rest[:1] in ("", "{", "[", "<"))
        return not found[3] or is_known(found[3], self._tools)

    def _skip_frames(self) -> int:
        while found := _FRAME.match(self._text, self.at):
            self.at = found.end()
        return self.at

    def _named(self) -> re.Match[str] | None:
        found = _NAMED.match(self._text, self.at)
        is_other = found and found["element"] and not is_known(found["element"], self._tools)
        return None if is_other else found

    def _calls(self) -> list[ToolRequest]:
        found = self._named()
        if found is None:
            value = self._value()
            return list(_calls_of(value, self._tools))
        name, self.at = found[found.lastindex or 0].removesuffix(".call"), found.end()  # Llama's
        is_sure = not found[3] or is_known(name, self._tools)
        arguments = self._arguments(name, is_sure)
        if found["element"] and self._text.startswith(end := f"</{name}>", self._skip_frames()):
            self.at += len(end)
        is_closed = is_sure and _CLOSED.search(self._text[found.end() : self.at])  # without any arguments
        return [ToolRequest(name, arguments or "{}", from_prose=True)] if arguments or is_closed else []

    def _arguments(self, name: str, is_sure: bool) -> str:
        """Return the arguments that follow a name, as JSON where they can be read."""
        if self._text.startswith("(", self.at):
            return self._python()
        if number := re.compile(r":\d+").match(self._text, self.at):  # Kimi's `functions.look:0`
            self.at = number.end()
        begun = self._skip_frames()
        properties = self._tools.get(name, {}).get("properties")
        if args := dict(self._parameters(properties if isinstance(properties, dict) else {})):
            return json.dumps(args, ensure_ascii=False)
        if not self._text.startswith("{", begun):
            return ""
        try:
            value = self._value()
        except (ValueError, RecursionError):
            if not is_sure:
                raise
            broken = _BROKEN.search(self._text, begun)
            self.at = broken.end() if broken else len(self._text)
            return self._text[begun : self.at]
        text = self._text[begun : self.at]
        return text if is_json(text) else json.dumps(value, ensure_ascii=False)

    def _value(self) -> Any:
        if self._text[self.at : self.at + 1] not in ("{", "["):
            raise ValueError("no object")
        value, self.at = value_at(self._text, self.at)
        return value

    def _parameters(self, properties: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        begun = self.at
        while found := _PARAMETER.match(self._text, self.at):
            if found["c"] and found["c"] not in properties:
                break
            self.at = found.end()
            name = (found["a"] or found["b"] or found["c"] or "").strip()
            text, schema = found["x"] or found["y"] or found["z"] or "", properties.get(name)
            is_text = found["text"] == "true" or (isinstance(schema, dict) and schema.get("type") == "string")
            yield name, text.removeprefix("\n").removesuffix("\n") if is_text else _value_of(text)
        if self.at > begun and _OPEN.match(self._text, self.at):
            raise ValueError("an element is torn")

    def _python(self) -> str:
        """Return the arguments of a call in Python as an object."""
        end, begun = closed_at(self._text, self.at), self.at + 1
        made = _KEYWORD.sub(
            lambda found: f'"{found[1]}":' if found[1] else found[0], self._text[begun : end - 1]
        )
        value, self.at = value_at(made if made.lstrip().startswith("{") else f"{{{made}}}", 0)[0], end
        return json.dumps(value, ensure_ascii=False)


def calls_in(markup: str, tools: Schemas) -> list[ToolRequest]:
    """Return the calls that a markup is; none where it is, or holds, anything else."""
    reader = MarkupReader(markup, tools)
    calls = reader.calls() if len(markup) <= MAX_MARKUP else []
    return calls if reader.at == len(markup) else []


def is_known(name: str, tools: Schemas) -> bool:
    """Whether a name is one of the tools', perhaps with a namespace in front or without its server's."""
    name = name.removesuffix(".call").rpartition(".")[2]
    return name in tools or (bool(name) and any(tool.endswith(f"_{name}") for tool in tools))


def _calls_of(value: Any, tools: Schemas) -> Iterator[ToolRequest]:
    if isinstance(value, list):
        for each in value:
            yield from _calls_of(each, tools)
    if not isinstance(value, dict):
        return
    for inner in (value[key] for key in _WRAPS if key in value):
        yield from _calls_of(inner, tools)
    match [*value.items()]:
        case [(str(key), dict(given))] if is_known(key, tools):
            value = {"name": key, "arguments": given}
    inner = value["function"] if isinstance(value.get("function"), dict) else value
    name = next((inner[key] for key in _NAMES if key in inner), None)
    args = next((inner[key] or {} for key in _ARGUMENTS if key in inner), {} if len(inner) == 1 else None)
    if isinstance(name, str) and isinstance(args, dict | str):
        text = args if isinstance(args, str) else json.dumps(args, ensure_ascii=False)
        yield ToolRequest(name, text, from_prose=True)


def _value_of(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.removeprefix("\n").removesuffix("\n")

"""What the messages and tools hold: past calls with their results, and the shop's tools."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import AliasPath, BaseModel, Field, ValidationError

from assistant.chat.history import HistoryCall, HistoryError, HistoryMessage
from assistant.chat.interfaces import ToolRequest
from assistant.chat.sentences import ERROR
from assistant.demo.words import DATA

M = TypeVar("M", bound=BaseModel)

MAX_REASON = 300  # characters of a failure that are shown
MAX_BROKEN = 50  # brackets in a result that begin no JSON
OFFERED = re.compile(rf"(?P<server>^|.*[_-])(?P<kind>{'|'.join(DATA['tools'])})(?:_[0-9a-f]{{8}})?$")


def valid(model: type[M], values: Iterable[object]) -> list[M]:
    """Return those of the values that have the shape of a model."""
    found: list[M] = []
    for value in values:
        with suppress(ValidationError):
            found.append(model.model_validate(value))
    return found


def objects_in(text: str) -> tuple[list[dict[str, Any]], bool]:
    """Return the objects of the JSON in a text, in a list or not, and whether none was cut off."""
    found: list[Any] = []
    at, broken = text.find("{"), 0
    while at >= 0 and broken < MAX_BROKEN:
        try:
            value, end = json.JSONDecoder().raw_decode(text, at)
            found += value["result"] if isinstance(value.get("result"), list) else [value]
        except (ValueError, RecursionError):
            broken, end = broken + 1, at + 1
        at = text.find("{", end)
    return [one for one in found if isinstance(one, dict)], not broken


class PastCall:
    """A call of one of the shop's tools: its `kind`, and the objects of its result or a failure's code."""

    def __init__(self, call: HistoryCall, result: HistoryMessage | None) -> None:
        offered, text = OFFERED.match(call.function.name), str(result.content) if result else ""
        error = result.error if result else HistoryError(code="interrupted")
        self.kind = offered["kind"] if offered else ""
        self.arguments = next(iter(objects_in(call.function.arguments)[0]), {})
        self.objects, self.whole = objects_in(text)
        if not (error or self.objects or re.search(r"\[\s*\]", text)):
            error = HistoryError(code="unreadable")
        self.code, self.params = (error.code, error.params) if error else ("", {})
        self.outcome: str = self.code and DATA["outcomes"].get(self.code, "failed")  # of one that writes
        marked = len(ERROR.format("")) if result and result.error else 0
        self.reason = re.sub(r"</?tool_result[^>]*>", "", text).strip()[marked:][:MAX_REASON]


def past_calls(messages: Sequence[HistoryMessage]) -> list[PastCall]:
    """Return the calls with their results; one without a result was interrupted."""
    results = {message.tool_call_id: message for message in messages if message.role == "tool"}
    made: list[PastCall] = []
    for message in messages:
        replaced = [at for at, call in enumerate(made) if call.code == "replaced"]
        for call in message.tool_calls or ():  # what the user has changed stands in the place of what it was
            at = replaced.pop(0) if replaced else len(made)
            made[at : at + 1] = [PastCall(call, results.get(call.id))]
    return made


class Tool(BaseModel):
    """A tool that is offered, with the arguments that it takes and needs."""

    name: str = Field(validation_alias=AliasPath("function", "name"))
    takes: dict[str, Any] = Field({}, validation_alias=AliasPath("function", "parameters", "properties"))
    needs: set[str] = Field(set(), validation_alias=AliasPath("function", "parameters", "required"))

    def call(self, arguments: Mapping[str, Any]) -> tuple[ToolRequest, dict[str, Any]]:
        """Return a call of the tool and its arguments: those that the schema has and that are not None."""
        known = {"input_data": arguments} if "input_data" in self.takes else arguments
        given = {key: value for key, value in known.items() if key in self.takes and value is not None}
        return ToolRequest(self.name, json.dumps(given, ensure_ascii=False)), given


def _is_named_so(offered: object) -> bool:
    match offered:
        case {"function": {"name": str(name)}}:
            return bool(OFFERED.match(name))  # before the others, maybe thousands, are read
    return False


def shop_tools(offered: Iterable[object]) -> dict[str, Tool]:
    """Return the shop's tools by kind: those of the one server that offers most of them."""
    servers: dict[str, dict[str, Tool]] = defaultdict(dict)
    for tool in valid(Tool, filter(_is_named_so, offered)):
        known = OFFERED.match(tool.name)
        shapes = map(set, DATA["tools"][known["kind"]] if known else ())
        if known and any(tool.needs <= shape <= tool.takes.keys() for shape in shapes):
            servers[known["server"]][known["kind"]] = tool
    return max(servers.values(), key=len, default={})

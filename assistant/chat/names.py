"""Which tool a model means: it may write the name in another way than it was offered."""

import re
from collections.abc import Sequence

from assistant.chat.interfaces import Tool
from serving.errors import CodedError

MAX_LISTED = 40  # tools that an answer names

# OpenAI's and Gemini's words in front of a name, and Kimi's number behind it.
_AROUND = re.compile(r"^(?:functions?|tools?|default_api)[.:/_]|[:_]\d+$")


class UnknownToolError(CodedError):
    """No tool fits the name, or several do."""


def find_tool(written: str, tools: Sequence[Tool]) -> Tool:
    """Return the one tool that a name fits: as it was offered, with other separators, or without its server.

    Raises UnknownToolError.
    """
    fitting = _fitting(written, tools)
    if len(fitting) != 1:
        raise no_tool(written, tools)
    return fitting[0]


def no_tool(written: str, tools: Sequence[Tool]) -> UnknownToolError:
    """Say that no tool fits a name, or that several do, and which there are."""
    fitting = _fitting(written, tools)
    listed = "、".join(tool.offered for tool in (fitting or tools)[:MAX_LISTED])
    return UnknownToolError("ambiguous_tool" if fitting else "unknown_tool", tool=written, tools=listed)


def _fitting(written: str, tools: Sequence[Tool]) -> list[Tool]:
    for tool in tools:
        if tool.offered == written:
            return [tool]
    names = {_folded(written), _folded(_AROUND.sub("", written.strip()))}
    fitting = [
        tool for tool in tools if {_folded(tool.offered), _folded(f"{tool.server} {tool.name}")} & names
    ]
    return fitting or [tool for tool in tools if _folded(tool.name) in names]


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")

"""Which tool a model means: it may write the name in another way than it was offered."""

import re
from collections.abc import Sequence

from assistant.chat.interfaces import Tool
from serving.errors import CodedError

MAX_LISTED = 40  # tools that an answer names

# OpenAI's and Gemini's words in front of a name; Kimi's number, which some write like a part of the name, and
# gpt-oss's channel behind it.
_BEFORE = re.compile(r"^(?:.*\bto=)?(?:(?:assistant|functions?|tools?|call|default_api|mcp)[.:/_]+)*")
_BEHIND, _NUMBER = re.compile(r":\d+$|<\|.*$"), re.compile(r"_\d+$")


def find_tool(written: str, tools: Sequence[Tool]) -> Tool | CodedError:
    """Return the one tool that a name fits: as it was offered, with other separators, or without its server.

    Where none fits, or several, return an error that lists them.
    """
    exact = next((tool for tool in tools if tool.offered == written), None)
    if exact is not None:
        return exact
    whole = _BEHIND.sub("", written.strip())
    bare = _BEFORE.sub("", whole)
    # The nearest to what was written come first; `call_center` is a name of its own, also with a number.
    names = map(_folded, (whole, bare, _NUMBER.sub("", whole), _NUMBER.sub("", bare)))
    fitting = next(filter(None, (_called(name, tools) for name in names)), [])
    if len(fitting) == 1:
        return fitting[0]
    listed = "、".join(tool.offered for tool in (fitting or tools)[:MAX_LISTED])
    return CodedError("ambiguous_tool" if fitting else "unknown_tool", tool=written, tools=listed)


def _called(name: str, tools: Sequence[Tool]) -> list[Tool]:
    """Return the tools of a folded name, with their servers' or else without."""
    whole = [tool for tool in tools if name in (_folded(tool.offered), _folded(f"{tool.server} {tool.name}"))]
    return whole or [tool for tool in tools if _folded(tool.name) == name]


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())

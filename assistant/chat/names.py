"""Which tool a model means: it may write the name in another way than it was offered."""

import re
from collections.abc import Sequence

from assistant.chat.interfaces import Tool
from serving.errors import CodedError

MAX_LISTED = 40  # tools that an answer names

# OpenAI's and Gemini's words in front of a name; Kimi's number and gpt-oss's channel behind it.
_AROUND = re.compile(r"^(?:.*\bto=)?(?:(?:functions?|tools?|default_api|mcp)[.:/_]+)?|[:_]\d+$|<\|.*$")


def find_tool(written: str, tools: Sequence[Tool]) -> Tool | CodedError:
    """Return the one tool that a name fits: as it was offered, with other separators, or without its server.

    Where none fits, or several, return an error that lists them.
    """
    exact = next((tool for tool in tools if tool.offered == written), None)
    if exact is not None:
        return exact
    names = {_folded(written), _folded(_AROUND.sub("", written.strip()))}
    fitting = [t for t in tools if {_folded(t.offered), _folded(f"{t.server} {t.name}")} & names]
    fitting = fitting or [tool for tool in tools if _folded(tool.name) in names]
    if len(fitting) == 1:
        return fitting[0]
    listed = "、".join(tool.offered for tool in (fitting or tools)[:MAX_LISTED])
    return CodedError("ambiguous_tool" if fitting else "unknown_tool", tool=written, tools=listed)


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())

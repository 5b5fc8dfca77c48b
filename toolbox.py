"""`mcp.json`, live MCP connections, listing and calling tools, results as text."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tool:
    """A tool of one server, as the model and the page see it."""

    server: str
    name: str
    offered: str
    title: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    annotations: dict[str, Any]

    @property
    def read_only(self) -> bool:
        """Whether the server says that the tool changes nothing; a hint from a stranger."""
        return self.annotations.get("readOnlyHint") is True


@dataclass(frozen=True)
class ToolResult:
    """A call's outcome as text; `unknown` when it may or may not have happened."""

    text: str
    is_error: bool = False
    unknown: bool = False

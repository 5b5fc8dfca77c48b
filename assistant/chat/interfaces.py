"""What the loop's neighbours are to it: a model, a toolbox, and the values that pass between them."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from assistant.chat.history import Message
from serving.errors import CodedError

Progress = Callable[[float, float | None, str | None], None]  # how far a call is: progress, total, message


@dataclass(frozen=True)
class Tool:
    """A tool of one server; `offered` is the name under which a model gets to know it."""

    server: str
    name: str
    offered: str
    title: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    annotations: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """A hash of all that a user goes by who allows the tool for good: it changes when the tool does."""
        seen = [self.description, self.input_schema, self.annotations]
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def read_only(self) -> bool:
        """Whether the server says that the tool changes nothing; a hint from a stranger."""
        return self.annotations.get("readOnlyHint") is True


@dataclass(frozen=True)
class Media:
    """An image or a sound of a result, in base64."""

    mime_type: str
    data: str


@dataclass(frozen=True)
class ToolResult:
    """A call's outcome as text; `unknown` if it may have happened or not, `unreachable` if it did not.

    Of an error, `code` names the kind and `params` (plain JSON) the particulars; `text` says it in words.
    """

    text: str
    is_error: bool = False
    unknown: bool = False
    unreachable: bool = False
    media: tuple[Media, ...] = ()
    code: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ToolRequest:
    """What the model wants called: the offered name, and the arguments as the JSON text it wrote.

    `signed` is what its provider wants back with the call (Gemini's `extra_content`).
    """

    name: str
    arguments: str
    signed: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Reply:
    """The end of a model's answer; `extra` (such as `reasoning_content`) goes back to it unchanged."""

    text: str
    calls: Sequence[ToolRequest] = ()
    finish: Literal["stop", "tool_calls", "length"] = "stop"
    extra: Mapping[str, Any] = field(default_factory=dict)


class ModelError(CodedError):
    """The model gave no answer."""


class ContextOverflowError(ModelError):
    """The conversation is longer than the model can read."""


class Model(Protocol):
    """What stands in front of a language model."""

    name: str
    demo: bool

    def reply(self, messages: list[Message], tools: list[dict[str, Any]]) -> AsyncIterator[str | Reply]:
        """Yield the answer's text piece by piece, then exactly one Reply.

        Raises:
            ModelError: There is no answer, or no more of it.
        """


class UnknownServerError(CodedError):
    """There is no server of this name in `mcp.json`."""

    def __init__(self, server: str) -> None:
        super().__init__("unknown_server", server=server)


class Tools(Protocol):
    """What the loop wants of a toolbox."""

    async def settled(self) -> None:
        """Wait, for a moment, until the tools are listed."""

    def tools(self) -> list[Tool]:
        """Return the tools that can be called now or soon."""

    async def call(
        self,
        server: str,
        name: str,
        args: dict[str, Any],
        *,
        key: str | None = None,
        on_progress: Progress | None = None,
    ) -> ToolResult:
        """Call a tool; a failure is a result, not an exception, but for `UnknownServerError`."""

"""The events of a turn; `event` is the name on the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from assistant.chat.history import Message
from assistant.chat.interfaces import Media


@dataclass(frozen=True)
class TextEvent:
    """A piece of the answer."""

    event: ClassVar = "text"

    delta: str


@dataclass(frozen=True)
class ToolCallEvent:
    """The model wants this call."""

    event: ClassVar = "tool_call"

    id: str
    server: str
    tool: str
    title: str
    args: Any
    readOnly: bool
    fingerprint: str


@dataclass(frozen=True)
class ApprovalEvent:
    """This call waits for the user."""

    event: ClassVar = "approval"

    id: str


@dataclass(frozen=True)
class ToolProgressEvent:
    """A running call reports its progress."""

    event: ClassVar = "tool_progress"

    id: str
    progress: float
    total: float | None
    message: str | None


@dataclass(frozen=True)
class ToolResultEvent:
    """The outcome of a call, `ms` milliseconds after it began; `unknown` if it may have happened or not.

    An error has a code with parameters.
    """

    event: ClassVar = "tool_result"

    id: str
    result: str
    isError: bool
    ms: int
    unknown: bool
    media: Sequence[Media] = ()
    code: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MessageEvent:
    """Append this message to the history."""

    event: ClassVar = "message"

    message: Message


@dataclass(frozen=True)
class ErrorEvent:
    """The turn failed."""

    event: ClassVar = "error"

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DoneEvent:
    """The end of the turn."""

    event: ClassVar = "done"

    reason: Literal["stop", "approval", "rounds", "error"]


Event = (
    TextEvent
    | ToolCallEvent
    | ApprovalEvent
    | ToolProgressEvent
    | ToolResultEvent
    | MessageEvent
    | ErrorEvent
    | DoneEvent
)

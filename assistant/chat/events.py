"""What a turn of the conversation tells, as typed events; `event` is the name on the wire."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from assistant.chat.history import Message
from assistant.chat.interfaces import Media


@dataclass(frozen=True)
class Text:
    """A piece of the answer."""

    event: ClassVar = "text"

    delta: str


@dataclass(frozen=True)
class ToolCall:
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
class Approval:
    """This call waits for the user."""

    event: ClassVar = "approval"

    id: str


@dataclass(frozen=True)
class ToolProgress:
    """A running call says how far it is."""

    event: ClassVar = "tool_progress"

    id: str
    progress: float
    total: float | None
    message: str | None


@dataclass(frozen=True)
class Result:
    """What came of a call, `ms` milliseconds after it began; `unknown` when nobody can say."""

    event: ClassVar = "tool_result"

    id: str
    result: str
    isError: bool
    ms: int
    unknown: bool
    media: Sequence[Media] = ()


@dataclass(frozen=True)
class Appended:
    """Append this message to the history."""

    event: ClassVar = "message"

    message: Message


@dataclass(frozen=True)
class Failed:
    """The turn broke; `detail` is a sentence for the user."""

    event: ClassVar = "error"

    detail: str


@dataclass(frozen=True)
class Done:
    """The end of the turn."""

    event: ClassVar = "done"

    reason: Literal["stop", "approval", "rounds", "error"]


Event = Text | ToolCall | Approval | ToolProgress | Result | Appended | Failed | Done

"""The events of a turn, and how they are told."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from assistant.chat.history import Message
from assistant.chat.interfaces import Media


@dataclass(frozen=True)
class Event:
    """What a turn tells; `event` is its name on the wire."""

    event: ClassVar[str]


@dataclass(frozen=True)
class TextEvent(Event):
    """A piece of the answer; `restart`: it begins anew, what was told of it so far is taken back."""

    event = "text"
    delta: str
    restart: bool = False


@dataclass(frozen=True)
class ThinkingEvent(Event):
    """A piece of what the model thinks before it answers."""

    event = "thinking"
    delta: str


@dataclass(frozen=True)
class ToolCallEvent(Event):
    """The model wants this call.

    `raw` is the text of its arguments as it will be executed; `mended`: the model wrote it otherwise.
    """

    event = "tool_call"
    id: str
    server: str
    tool: str
    title: str
    args: Any
    raw: str
    mended: bool
    readOnly: bool
    fingerprint: str
    honoursKey: bool


@dataclass(frozen=True)
class ApprovalEvent(Event):
    """This call waits for the user; a code with parameters says why it does so again."""

    event = "approval"
    id: str
    code: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class QuestionEvent(Event):
    """A server asks in the middle of a call; a code with parameters says why an answer was not taken."""

    event = "question"
    id: str
    call: str
    server: str
    message: str
    schema: Mapping[str, Any]
    url: str
    state: str
    code: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    wording: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ToolProgressEvent(Event):
    """A running call reports its progress."""

    event = "tool_progress"
    id: str
    progress: float
    total: float | None
    message: str | None


@dataclass(frozen=True)
class ToolResultEvent(Event):
    """The outcome of a call, `ms` milliseconds after it began; `unknown` if it may have happened or not.

    `replayed`: it had happened before, under the same key. An error has a code with parameters. `app` is the
    `uri` of the MCP App that shows the call, and what that is shown beside the text.
    """

    event = "tool_result"
    id: str
    result: str
    isError: bool
    ms: int
    unknown: bool
    media: Sequence[Media] = ()
    code: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    replayed: bool = False
    app: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class MessageEvent(Event):
    """Append this message to the history."""

    event = "message"
    message: Message


@dataclass(frozen=True)
class UsageEvent(Event):
    """What one answer of the model took, as its provider counts; `window` is how much it reads at most."""

    event = "usage"
    input: int
    output: int
    cached: int
    cost: float | None
    window: int | None


@dataclass(frozen=True)
class CompactedEvent(Event):
    """This message stands for the history before the last `questions` questions, from the next request on."""

    event = "compacted"
    message: Message
    questions: int


@dataclass(frozen=True)
class ErrorEvent(Event):
    """The turn failed."""

    event = "error"
    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DoneEvent(Event):
    """The end of the turn."""

    event = "done"
    reason: Literal["stop", "approval", "question", "rounds", "error"]


class Transcript:
    """A turn as it is told, for one reader: its events, and the history that its messages add to."""

    def __init__(self, history: list[Message]) -> None:
        self.history = history
        self._unread: list[Event] = []
        self._is_over = False
        self._news = asyncio.Event()

    def emit(self, event: Event) -> None:
        """Tell an event."""
        self._unread.append(event)
        self._news.set()

    def append(self, message: Message, **more: Any) -> None:
        """Tell a message, and add it to the history, with what only the model is sent in this turn."""
        self.history.append(message | more)
        self.emit(MessageEvent(message))

    def end(self) -> None:
        """Tell nothing any more."""
        self._is_over = True
        self._news.set()

    async def news(self) -> list[Event]:
        """Return the events since the last look, once there are some; none at the end."""
        while not self._unread and not self._is_over:
            self._news.clear()
            await self._news.wait()
        unread, self._unread = self._unread, []
        return unread

"""A turn as it is told: its events, and the history that its messages add to."""

import asyncio
from typing import Any

from assistant.chat.events import Event, MessageEvent
from assistant.chat.history import Message


class Transcript:
    """What a turn has told; `events` ends with None."""

    def __init__(self, history: list[Message]) -> None:
        self.history = history
        self.events: asyncio.Queue[Event | None] = asyncio.Queue()

    def emit(self, event: Event) -> None:
        """Tell an event."""
        self.events.put_nowait(event)

    def append(self, message: Message, **more: Any) -> None:
        """Tell a message, and add it to the history, with what only the model is sent in this turn."""
        self.history.append(message | more)
        self.emit(MessageEvent(message))

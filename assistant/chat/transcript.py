"""A turn as it is told: its events, and the history that its messages add to."""

import asyncio
from typing import Any

from assistant.chat.events import Event, MessageEvent
from assistant.chat.history import Message


class Transcript:
    """What a turn has told, for one reader."""

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

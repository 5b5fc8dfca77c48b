"""An answer in parts, which closes what it reads from.

Starlette and FastAPI do not: when a client leaves, a generator that waits at its `yield` is left to the
garbage collector, and what it reads from, such as a model paid by the word, goes on unheard.
"""

from collections.abc import AsyncGenerator, Mapping

from anyio import CancelScope
from starlette.responses import StreamingResponse
from starlette.types import Send


class ClosedStream(StreamingResponse):
    """Sends what a generator yields, and closes it, whoever ends first."""

    # The type is not the class's: FastAPI would document failures with it. The status it reads here.
    def __init__(
        self,
        parts: AsyncGenerator[bytes],
        media_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        status_code: int = 200,
    ) -> None:
        super().__init__(parts, status_code, headers, media_type)
        self._parts = parts

    async def stream_response(self, send: Send) -> None:
        """Send all there is."""
        try:
            await super().stream_response(send)
        finally:
            with CancelScope(shield=True):  # what it closes may have to wait for others
                await self._parts.aclose()

"""Uvicorn's HTTP protocol, except that head and body of a short response leave in one write.

Relies on a detail of uvicorn 0.54: `HttpToolsProtocol.connection_made` keeps the transport that it is given.
If the class has moved, uvicorn's own protocol is used: everything works, at 0.75 times the rate of short
responses (benchmarks/README.md).
"""

import asyncio
import logging
from typing import Any, Literal, cast

log = logging.getLogger(__name__)


class Gathering:
    """A transport that joins all writes of one iteration of the event loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._gathered: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write at the end of this iteration, together with what else is written in it."""
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._flush)
        self._gathered.append(data)

    def close(self) -> None:
        """Write what is pending, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._gathered and not self._transport.is_closing():
            self._transport.write(b"".join(self._gathered))
        self._gathered.clear()


def http_protocol() -> type[asyncio.Protocol] | Literal["auto"]:
    """Return the value for `uvicorn.Config(http=…)`: the protocol with joined writes, or uvicorn's own."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415  uvicorn may move it
    except ImportError:
        log.warning("uvicorn 的内部结构已变，改用它自己的 HTTP 协议")
        return "auto"

    class GatheringProtocol(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
            super().connection_made(cast("asyncio.Transport", Gathering(transport)))

    return GatheringProtocol

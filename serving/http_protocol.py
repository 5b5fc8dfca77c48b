"""Uvicorn's HTTP protocol with one addition: the head and body of a short answer leave in one write.

Written for uvicorn 0.54, on whose inside it stands: `HttpToolsProtocol.connection_made` keeps the transport
that it is given. Where that is not so any more, uvicorn's own protocol serves, and only speed is lost: short
answers come at 0.75 times the rate (benchmarks/README.md).
"""

import asyncio
import logging
from typing import Any, Literal, cast

log = logging.getLogger(__name__)


class Gathering:
    """A transport that gathers what is written in one round of the event loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._gathered: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write soon, together with what else is written by then."""
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._flush)
        self._gathered.append(data)

    def close(self) -> None:
        """Write what was gathered, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._gathered and not self._transport.is_closing():
            self._transport.write(b"".join(self._gathered))
        self._gathered.clear()


def http_protocol() -> type[asyncio.Protocol] | Literal["auto"]:
    """Return what `uvicorn.Config(http=…)` takes: the protocol with gathered writes, or uvicorn's own."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415  may be gone
    except ImportError:
        log.warning("uvicorn 的内部结构已变，改用它自己的 HTTP 协议")
        return "auto"

    class GatheringProtocol(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
            super().connection_made(cast("asyncio.Transport", Gathering(transport)))

    return GatheringProtocol

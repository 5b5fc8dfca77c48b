"""A REST service in this process, in the place of the network between `shop.py` and `api.py`."""

import aiohttp
import httpx
from aiohttp.client_reqrep import ConnectionKey

from mcp_server.rest_client import Request, Response, Send


def through(transport: httpx.AsyncBaseTransport) -> Send:
    """Send through one of httpx's transports; its failures become those of a real connection."""

    async def send(request: Request) -> Response:
        asked = httpx.Request(request.method, request.url, headers=request.headers, content=request.body)
        try:
            answer = await transport.handle_async_request(asked)
            body = await answer.aread()
        except httpx.ConnectError as error:
            nowhere = ConnectionKey("shop", 80, False, True, None, None, None)
            raise aiohttp.ClientConnectorError(nowhere, OSError(str(error))) from error
        except httpx.TransportError as error:
            raise aiohttp.ServerDisconnectedError(str(error)) from error
        return Response(answer.status_code, answer.reason_phrase, answer.headers, body)

    return send

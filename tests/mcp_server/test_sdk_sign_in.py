"""The SDK's own OAuth client signs in to the shop, from a 401 to a tool of a further scope."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

import main
from serving.streams import Streams
from tests.mcp_server.stand_ins import a_real_shop
from tests.support.asgi import serve
from tests.support.jwt_issuer import JwtIssuer
from tests.support.processes import free_port
from tests.support.sign_in_service import METADATA, Late

pytestmark = pytest.mark.anyio

BACK = "http://127.0.0.1:9/callback"


class Person:
    """Says yes in a browser, and keeps what the client is given."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.registered: OAuthClientInformationFull | None = None
        self.asked: list[dict[str, str]] = []
        self.answer: dict[str, str] = {}

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.registered

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.registered = client_info

    async def visit(self, url: str) -> None:
        self.asked.append({name: said[0] for name, said in parse_qs(urlsplit(url).query).items()})
        async with httpx2.AsyncClient(timeout=60) as browser:
            led = (await browser.get(url)).headers["location"]
        self.answer = {name: said[0] for name, said in parse_qs(urlsplit(led).query).items()}

    async def come_back(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**self.answer)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_sdks_client_signs_in_and_asks_for_a_further_scope_when_a_tool_wants_it(
    mode: str, tmp_path: Path
) -> None:
    issuer, authorizing, person, port = JwtIssuer(), Late(), Person(), free_port()
    public = f"http://127.0.0.1:{port}/mcp"
    about = OAuthClientMetadata(redirect_uris=[AnyUrl(BACK)], client_name="test")
    auth = OAuthClientProvider(public, about, person, person.visit, person.come_back)
    async with serve(authorizing, lifespan="off") as address, a_real_shop(tmp_path) as shop:
        authorizing.app = issuer.app(address)
        settings = main.Settings(mcp_auth_issuer=address, mcp_public_url=public, owner=True)
        async with (
            serve(Streams(main.create_app(settings, shop)), port, lifespan="on", timeout_graceful_shutdown=2),
            httpx2.AsyncClient(auth=auth, timeout=60) as http,
            Client(streamable_http_client(public, http_client=http), mode=mode) as client,
        ):
            assert "restock" in [tool.name for tool in (await client.list_tools()).tools]
            asked = person.asked[0]
            assert (asked["scope"], asked["resource"]) == ("shop:read shop:buy", public)
            assert (asked["code_challenge_method"], len(person.asked)) == ("S256", 1)
            assert issuer.requests.index(METADATA) < issuer.requests.index("/register")
            booked = await client.call_tool("restock", {"productId": 1, "change": 5})
            assert person.asked[1]["scope"].split() == ["shop:read", "shop:buy", "shop:own"]
            assert (len(person.asked), issuer.requests.count("/register")) == (2, 1)
            assert booked.structured_content
            assert booked.structured_content["quantity"] == 105

"""An MCP server with an app that wants tokens, and the authority that gives them for a few seconds."""

import secrets
import time

from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from pydantic import AnyHttpUrl
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.contenders.serving import argument, serve

CLIENT = {"grantType": "client_credentials", "clientId": "soak", "clientSecret": "secret-of-the-soak"}
APP = "ui://board/app.html"
LIFETIME_SECONDS = 5
RECALLED = 0.1  # of all tokens: they are not good for even as long as they say


class Authority:
    """Gives tokens and knows them, as long as they are good."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ends: dict[str, float] = {}
        self._given = 0

    async def metadata(self, _: Request) -> JSONResponse:
        """Answer as RFC 8414 says."""
        return JSONResponse(
            {
                "issuer": f"{self._url}/",
                "authorization_endpoint": f"{self._url}/authorize",
                "token_endpoint": f"{self._url}/token",
                "response_types_supported": ["code"],
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            }
        )

    async def given(self, _: Request) -> JSONResponse:
        """Tell how many tokens were given."""
        return JSONResponse({"given": self._given})

    async def token(self, _: Request) -> JSONResponse:
        """Give a token to whoever asks."""
        self._given += 1
        now, token = time.monotonic(), secrets.token_urlsafe(16)
        self._ends = {each: end for each, end in self._ends.items() if end > now}
        self._ends[token] = now + LIFETIME_SECONDS * (
            0.2 if secrets.SystemRandom().random() < RECALLED else 1
        )
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME_SECONDS})

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return what a token is good for, as the SDK's `TokenVerifier`."""
        is_good = self._ends.get(token, 0) > time.monotonic()
        return AccessToken(token=token, client_id="soak", scopes=[]) if is_good else None


def main() -> None:
    """Serve on the port that the command line names."""
    url = f"http://127.0.0.1:{argument(1)}"
    authority = Authority(url)
    about = AuthSettings(
        issuer_url=AnyHttpUrl(url),
        resource_server_url=AnyHttpUrl(f"{url}/mcp"),
        required_scopes=[],
        validate_token_resource=False,
    )
    server = MCPServer("board", auth=about, token_verifier=authority)

    @server.tool(meta={"ui": {"resourceUri": APP}})
    def show_board() -> str:
        return "shown"

    @server.resource(APP, mime_type="text/html;profile=mcp-app")
    def app() -> str:
        return "<!doctype html><title>Board</title>"

    served = server.streamable_http_app()
    served.routes[:0] = [
        Route("/.well-known/oauth-authorization-server", authority.metadata),
        Route("/token", authority.token, methods=["POST"]),
        Route("/token", authority.given, methods=["GET"]),
    ]
    serve(served, plain=False)


if __name__ == "__main__":
    main()

"""An authorization server of the SDK's own routes, and an MCP server that wants its tokens."""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    RefreshToken,
    RegistrationError,
    TokenError,
    construct_redirect_uri,
)
from mcp.server.auth.routes import build_metadata, create_auth_routes
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions, RevocationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.toolbox.limits import Limits
from tests.support.asgi import serve
from tests.support.chat_service import settings
from tests.support.processes import free_port
from tests.support.scripted import ScriptedModel
from web import create_app

LIMITS = Limits(first_delay_seconds=0.01, max_local_delay_seconds=0.05, ready_seconds=60)
METADATA = "/.well-known/oauth-authorization-server"
SUPPORTED = ClientRegistrationOptions(enabled=True), RevocationOptions(enabled=True)
MACHINE = ("machine", "secret-of-the-machine")


@dataclass
class AuthorizationServer:
    """Says yes to everybody, unless a test sets it otherwise."""

    issuer: str = ""
    lifetime: int = 3600  # seconds of an access token, as it says
    refuses_registration: bool = False
    answer: dict[str, str] = field(default_factory=dict)  # to an authorization request, in place of a code
    named: str | None = None  # the issuer that its answers name
    metadata_issuer: str | None = None  # ... and its metadata
    is_down: bool = False
    over_at_once: int = 0  # of the next access tokens
    reads_documents: bool = False  # a client's id may be the address of what it says of itself
    hides: str = ""  # the MCP server's "challenge", or its "resource" metadata with it
    clients: dict[str, OAuthClientInformationFull] = field(default_factory=dict)
    codes: dict[str, AuthorizationCode] = field(default_factory=dict)
    tokens: dict[str, AccessToken] = field(default_factory=dict)
    refreshing: dict[str, RefreshToken] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)  # their paths
    held_tokens: int = 0  # how many answers with a token are given, and do not arrive until ...
    may_arrive: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self, issuer: str) -> ASGIApp:
        self.issuer = issuer
        own = Starlette(
            routes=create_auth_routes(
                self,
                AnyHttpUrl(self.metadata_issuer or issuer),
                client_registration_options=SUPPORTED[0],
                revocation_options=SUPPORTED[1],
            )
        )

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                self.requests.append(scope["path"])
                request = Request(scope, receive)
                if self.is_down:
                    return await JSONResponse({}, 503)(scope, receive, send)
                if self.reads_documents and scope["path"] == METADATA:
                    document = build_metadata(AnyHttpUrl(issuer), None, *SUPPORTED).model_copy(
                        update={"client_id_metadata_document_supported": True}
                    )
                    told_of_itself = document.model_dump(mode="json", exclude_none=True)
                    return await JSONResponse(told_of_itself)(scope, receive, send)
                if self.held_tokens and scope["path"] == "/token":
                    self.held_tokens -= 1
                    send = self._held(send)
                given = request.headers.get("authorization", "")
                told = base64.b64decode(given.removeprefix("Basic ")).decode("latin-1").partition(":")
                if scope["path"] == "/token" and given.startswith("Basic ") and told[0] not in self.clients:
                    is_known = (told[0], told[2]) == MACHINE
                    body = self.issued(MACHINE[0], []).model_dump(
                        exclude={"refresh_token"}, exclude_none=True
                    )
                    said = JSONResponse(body) if is_known else JSONResponse({"error": "invalid_client"}, 401)
                    return await said(scope, receive, send)
            return await own(scope, receive, send)

        return answer

    def _held(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            await self.may_arrive.wait()
            await send(message)

        return sent

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        if self.refuses_registration:
            raise RegistrationError("invalid_client_metadata", "not you")
        self.clients[client_info.client_id] = client_info.model_copy(update={"scope": "shop admin"})

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        code = secrets.token_urlsafe(16)
        self.codes[code] = AuthorizationCode(
            code=code,
            client_id=client.client_id,
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            **params.model_dump(exclude={"state", "scopes"}),
        )
        more = self.answer or {"code": code}
        named = {"iss": self.named} if self.named else {}
        return construct_redirect_uri(str(params.redirect_uri), **more, **named, state=params.state)

    async def load_authorization_code(self, _: Any, authorization_code: str) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    def issued(self, client_id: str, scopes: list[str], resource: str | None = None) -> OAuthToken:
        access, refresh = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        about: dict[str, Any] = {"client_id": client_id, "scopes": scopes, "resource": resource}
        lasts = 0 if self.over_at_once else 3600
        self.over_at_once = max(0, self.over_at_once - 1)
        self.tokens[access] = AccessToken(token=access, expires_at=int(time.time()) + lasts, **about)
        self.refreshing[refresh] = RefreshToken(token=refresh, **about)
        return OAuthToken(
            access_token=access, refresh_token=refresh, expires_in=self.lifetime, scope=" ".join(scopes)
        )

    async def exchange_authorization_code(
        self, client: Any, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        code = self.codes.pop(authorization_code.code)
        return self.issued(client.client_id, code.scopes, code.resource)

    async def load_refresh_token(self, _: Any, refresh_token: str) -> RefreshToken | None:
        return self.refreshing.get(refresh_token)

    async def exchange_refresh_token(
        self, client: Any, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        if self.refreshing.pop(refresh_token.token, None) is None:
            raise TokenError("invalid_grant")
        return self.issued(client.client_id, scopes, refresh_token.resource)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.tokens.get(token)

    async def revoke_token(self, token: Any) -> None:
        self.tokens.pop(token.token, None)
        self.refreshing.pop(token.token, None)

    async def exchange_identity_assertion(self, *_: Any) -> OAuthToken:
        raise NotImplementedError

    async def verify_token(self, token: str) -> AccessToken | None:
        """As the MCP server's `TokenVerifier`."""
        known = self.tokens.get(token)
        return known if known and (known.expires_at or 0) > time.time() else None

    def revoke_all(self) -> None:
        """Forget every token."""
        self.tokens.clear()
        self.refreshing.clear()

    def expire_all(self) -> None:
        """Forget the access tokens."""
        self.tokens.clear()


def protected(authority: AuthorizationServer, url: str, *, sse: bool) -> ASGIApp:
    """An MCP server of two tools, of which `rule` wants a scope that nobody asked for at first."""
    settings = AuthSettings(
        issuer_url=AnyHttpUrl(authority.issuer),
        resource_server_url=AnyHttpUrl(f"{url}/sse" if sse else f"{url}/mcp"),
        required_scopes=[],
        validate_token_resource=False,
    )
    server = MCPServer("remote", auth=settings, token_verifier=authority)

    @server.tool()
    def work() -> str:
        return "done"

    @server.tool()
    def rule() -> str:
        return "ruled"

    app = server.sse_app() if sse else server.streamable_http_app()
    fallback = authority.app(authority.issuer)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if authority.hides == "resource" and scope["type"] == "http" and scope["path"] != "/mcp":
            is_resource = "protected-resource" in scope["path"]
            missing = JSONResponse({}, 404)
            return await (missing if is_resource else fallback)(scope, receive, send)
        if scope["type"] == "http" and scope["method"] == "POST":
            request = Request(scope, receive)
            body = await request.body()
            token = authority.tokens.get(request.headers.get("authorization", "")[7:])
            if b'"rule"' in body and b"tools/call" in body and token and "admin" not in token.scopes:
                challenge = 'Bearer error="insufficient_scope", scope="admin"'
                return await JSONResponse({}, 403, {"WWW-Authenticate": challenge})(scope, receive, send)
            chunks = [{"type": "http.request", "body": body, "more_body": False}]

            async def again() -> Any:
                return chunks.pop() if chunks else await receive()

            return await app(scope, again, send)
        return await app(scope, receive, send)

    async def hiding(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if authority.hides and message["type"] == "http.response.start":
                message["headers"] = [each for each in message["headers"] if each[0] != b"www-authenticate"]
            await send(message)

        await answer(scope, receive, sent)

    return hiding


class Late:
    """An app that is made when its address is known."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@asynccontextmanager
async def protected_server(authority: AuthorizationServer, path: str = "/mcp") -> AsyncIterator[str]:
    """The address of an MCP server that wants tokens of this authorization server."""
    authorizing, guarded = Late(), Late()
    async with serve(authorizing, lifespan="off") as issuer:
        authorizing.app = authority.app(issuer)
        port = free_port()
        guarded.app = protected(authority, f"http://127.0.0.1:{port}", sse=path == "/sse")
        if authority.hides == "resource":  # then the server is its own authority
            authority.issuer = f"http://127.0.0.1:{port}"
            guarded.app = protected(authority, authority.issuer, sse=False)
        async with serve(guarded, port) as url:
            yield f"{url}{path}"


def write_config(folder: Path, entries: dict[str, Any]) -> None:
    """Write `mcp.json`."""
    (folder / "mcp.json").write_text(json.dumps({"mcpServers": entries}))


async def server_state(http: httpx.AsyncClient, name: str = "remote") -> dict[str, Any]:
    """What `/api/status` says of a server."""
    servers = (await http.get("/api/status")).json()["servers"]
    return next(server for server in servers if server["name"] == name)


@asynccontextmanager
async def page(folder: Path, **given: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at web.py."""
    async with (
        serve(create_app(settings(folder, **given), ScriptedModel(), LIMITS)) as base,
        httpx.AsyncClient(base_url=base, timeout=60) as http,
    ):
        await http.get("/")  # gives the cookie
        yield http


@asynccontextmanager
async def service(
    folder: Path, authority: AuthorizationServer, entry: dict[str, Any] | None = None, path: str = "/mcp"
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at web.py, whose `mcp.json` names one server that wants tokens."""
    async with protected_server(authority, path) as url:
        write_config(folder, {"remote": {"url": url, **(entry or {})}})
        async with page(folder) as http:
            yield http

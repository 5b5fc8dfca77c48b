"""Who may do what with a token of an authorization server: the resource server's side of OAuth 2.1.

RFC 9728 (what clients find), RFC 6750 (401 and 403 with their challenges), MCP specification, Authorization.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from starlette._utils import get_route_path  # the router's own reading: the guard's must not differ
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_server.access_tokens import Issuer
from mcp_server.messages import BUY, OWN, READ, check_granted
from mcp_server.server import ShopServer
from serving.access import OPEN_PATH, BearerToken, Refusal
from serving.errors import CodedError
from serving.metrics import METRICS_PATH

WELL_KNOWN = "/.well-known/oauth-protected-resource"
RETRY_SECONDS = "5"  # as Retry-After


@dataclass(frozen=True)
class Place:
    """Where the service is for its clients: its public address, and the paths at which it speaks MCP."""

    base: str
    paths: Sequence[str]

    @classmethod
    def of(cls, public_url: str, paths: Sequence[str]) -> "Place":
        """Read a setting that names the service with or without the path of its first transport."""
        return cls(public_url.rstrip("/").removesuffix(paths[0].rstrip("/")), paths)

    @property
    def resources(self) -> list[str]:
        """The addresses that tokens are made for."""
        return [self.base + path for path in self.paths]

    def metadata_of(self, path: str) -> str:
        """Return where the metadata of what answers at a path is."""
        own = next((each for each in self.paths if path.startswith(each)), self.paths[-1])  # /messages: /sse
        return f"{self.base}{WELL_KNOWN}{own}"


@dataclass
class Admission:
    """Lets in who carries a token of the issuer, or the service's own; answers 401, 403 or 503.

    What wants a scope that is missing is answered with 403, so that a client can ask for more (MCP
    specification, Step-Up Authorization); `Messages`, which reads what is asked, says which one that is.
    """

    app: ASGIApp
    issuer: Issuer
    place: Place
    refuse: Callable[[Refusal], Response]
    secret: BearerToken | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        path = get_route_path(scope) if scope["type"] == "http" else OPEN_PATH
        if path == OPEN_PATH or path.startswith(WELL_KNOWN):
            return await self.app(scope, receive, send)
        given = Headers(scope=scope).get("authorization", "")
        if self.secret and self.secret.is_given(given):
            return await self.app(scope, receive, send)
        granted: list[str] = []
        try:
            scope["user"] = user = AuthenticatedUser(await self.issuer.verified(_bearer(given)))
            granted = user.scopes
            if path.startswith(METRICS_PATH):  # a route is found with a line end behind it, too
                check_granted(OWN, granted)
            await self.app(scope, receive, send)
        except CodedError as error:
            await self._refused(error, path, granted)(scope, receive, send)

    def _refused(self, error: CodedError, path: str, granted: Sequence[str]) -> Response:
        if error.code == "issuer_unreachable":
            return self.refuse(Refusal(503, error.code, error.params, {"Retry-After": RETRY_SECONDS}))
        says = {"resource_metadata": self.place.metadata_of(path)}
        is_known = error.code == "insufficient_scope"
        if error.code != "sign_in_needed":
            says["error"] = error.code
        # One who signs in may read and buy; who lacks a scope keeps those that were given before.
        says["scope"] = " ".join([*granted, error.params["scope"]] if is_known else [READ, BUY])
        challenge = ", ".join(f'{name}="{value}"' for name, value in says.items())
        headers = {"WWW-Authenticate": f"Bearer {challenge}"}
        return self.refuse(Refusal(403 if is_known else 401, error.code, error.params, headers))


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if not authorization:
        raise CodedError("sign_in_needed")
    return token.strip() if scheme.lower() == "bearer" else ""


def install(app: Starlette, issuer: str, place: Place, server: ShopServer, **given: Any) -> None:
    """Add the metadata of a protected resource (RFC 9728), one for each path, and ask for tokens.

    `given` goes to `Admission`: how it refuses, and the service's own token.
    """
    about = {
        "authorization_servers": [issuer],
        "scopes_supported": [READ, BUY, *([OWN] if server.is_owners else [])],
        "bearer_methods_supported": ["header"],
        "resource_name": server.name,
    }
    first = ("", place.resources[0])  # where clients look that know no path
    for path, resource in [*zip(place.paths, place.resources, strict=True), first]:
        answer = JSONResponse({"resource": resource, **about})
        app.router.routes.append(Route(WELL_KNOWN + path, answer))
    app.add_middleware(Admission, issuer=Issuer(issuer, place.resources), place=place, **given)

"""Who may talk to the MCP server over HTTP: known hosts and origins, with the token where one is set."""

import hmac
import logging
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATH = "/healthz"  # a container's probe knows neither the token nor the name
LOOPBACK = ("127.0.0.1", "localhost", "::1")  # as clients name it
REMEMBERED = 100  # refused hosts that were logged once; more may be someone who makes them up

logger = logging.getLogger(__name__)


class Allowed:
    """The hosts and origins that are let in.

    An entry is a name or address (any port), `name:port` (that port), or a whole origin such as
    `https://shop.example.com` (as an origin just this one, and its host). Loopback is always let in.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._hosts = {bracketed(name) for name in LOOPBACK}
        self._pages = set(self._hosts)
        self._origins: set[str] = set()
        for entry in filter(None, (entry.strip().rstrip("/").lower() for entry in entries)):
            scheme, _, host = entry.rpartition("://")
            self._hosts.add(bracketed(host))
            if scheme:
                self._origins.add(entry)
            else:
                self._pages.add(bracketed(host))

    def host(self, value: str) -> bool:
        """Tell whether a Host header names this server (with DNS rebinding it names another)."""
        return not {value.lower(), _without_port(value.lower())}.isdisjoint(self._hosts)

    def origin(self, value: str) -> bool:
        """Tell whether a page of this origin may call the server."""
        scheme, _, host = value.lower().partition("://")
        page = not {host, _without_port(host)}.isdisjoint(self._pages)
        return value.lower() in self._origins or (page and scheme in {"http", "https"})


def bracketed(host: str) -> str:
    """Return a host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


class Guard:
    """Refuses requests for other hosts (421), from other pages (403) and without the token (401).

    MCP specification 2025-11-25, Transports, Security Warning: Origin must be validated.
    """

    def __init__(self, app: ASGIApp, allowed: Allowed, token: str) -> None:
        self._allowed = allowed
        self._token = token.encode()
        self._app = self._authorized(app)
        self._pages = _Cors(self._app, allowed)
        self._logged: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http" or scope["path"] == OPEN_PATH:
            await self._app(scope, receive, send)
            return
        scope["headers"] = [(name, value.strip(b" \t")) for name, value in scope["headers"]]  # RFC 9110 5.5
        headers = dict(scope["headers"])
        host, origin = headers.get(b"host", b"").decode("latin-1"), headers.get(b"origin")
        if not self._allowed.host(host):
            await self._refuse_host(host)(scope, receive, send)
        elif origin is None:
            await self._app(scope, receive, send)
        elif not self._allowed.origin(origin.decode("latin-1")):
            await self._refuse_origin(origin.decode("latin-1"))(scope, receive, send)
        else:
            await self._pages(scope, receive, send)

    def _refuse_host(self, host: str) -> PlainTextResponse:
        name = _shown(_without_port(host))
        advice = f"MCP_ALLOWED_HOSTS={name}"
        if host not in self._logged and len(self._logged) < REMEMBERED:
            self._logged.add(host)
            logger.warning("refused a request for host %s; if that is this server, set %s", name, advice)
        return PlainTextResponse(
            f"不认识的主机名 {name}。如果它就是这台服务器（反向代理、容器网络），请设置 {advice}\n", 421
        )

    def _refuse_origin(self, origin: str) -> PlainTextResponse:
        advice = f"MCP_ALLOWED_HOSTS={_shown(origin)}"
        return PlainTextResponse(f"不接受来自 {_shown(origin)} 的网页。若是您自己的，请设置 {advice}\n", 403)

    def _authorized(self, app: ASGIApp) -> ASGIApp:
        async def authorized(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] == OPEN_PATH or self._is_known(scope):
                await app(scope, receive, send)
                return
            response = PlainTextResponse(
                "需要令牌：请在请求头中加入 Authorization: Bearer <MCP_TOKEN 的值>\n",
                401,
                {"WWW-Authenticate": 'Bearer realm="product-mcp"'},  # RFC 6750 section 3
            )
            await response(scope, receive, send)

        return authorized if self._token else app

    def _is_known(self, scope: Scope) -> bool:
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode("latin-1"), self._token
        )


class _Cors(CORSMiddleware):
    """CORS for pages of the allowed origins, such as Inspector's; preflights carry no token."""

    def __init__(self, app: ASGIApp, allowed: Allowed) -> None:
        super().__init__(
            app,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=("*",),  # Mcp-Param-* cannot be listed
            expose_headers=("Mcp-Session-Id", "WWW-Authenticate"),
        )
        self._allowed = allowed

    def is_allowed_origin(self, origin: str) -> bool:
        """Ask the same list as the guard."""
        return self._allowed.origin(origin)


def _shown(value: str) -> str:
    """Return a header's value as it may stand in a log line or an answer."""
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in value)[:200]

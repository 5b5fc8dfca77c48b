"""Who is let in, the same for all three services: the Host, the web page's origin, the token or password."""

import base64
import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import lru_cache
from typing import Any

from starlette._utils import get_route_path  # the router's own reading: the guard's must not differ
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.addresses import bracketed, is_loopback, is_own_name

OPEN_PATH = "/healthz"  # a container's probe knows neither the token nor the name
CLIENT_PATH = "/oauth/client.json"  # nor does a service that asks who web.py is as its client
HOST = re.compile(r"[\w.-]{1,253}|\[[\da-f:.]+\]", re.ASCII | re.IGNORECASE)  # one that a setting can hold
PORTS = {"http": ":80", "https": ":443"}
MAX_SHOWN = 200  # characters of a header that are repeated in an answer or in the log
FORWARDING = {b"forwarded", b"x-real-ip", b"via"}
# What a page of another origin may read of an answer, beside what every page may.
EXPOSED = (
    "Mcp-Session-Id",
    "WWW-Authenticate",
    "Retry-After",
    "X-Total-Count",
    "Idempotent-Replayed",
    "Content-Disposition",
)
# Headers of which one can be meant only (RFC 9110, 5.3): who takes the first and who takes the last would do
# different things. Of Origin that is seen by its value; MCP's other ones are looked at by the SDK.
ONCE = {b"host", b"authorization", b"content-type", b"idempotency-key", b"last-event-id", b"mcp-session-id"}
FORWARDED_HOST = "forwarded_host"  # in a scope: the Host that a trusted proxy was asked for


def sentences(hosts: str, origins: str, secret: str) -> dict[str, str]:
    """Return what a service says of the refusals that a setting would lift, by their codes."""
    return {
        "host_not_allowed": (
            f"不认识的主机名 {{host}}。如果它就是这台服务器（反向代理、容器网络），请设置 {hosts}={{host}}"
            "（已有别的就加在后面，用逗号分隔）"
        ),
        "host_odd": "请求头 Host 不是主机名：{host}",
        "header_twice": "请求头 {header} 只能有一个",
        "origin_not_allowed": (
            f"不接受来自 {{origin}} 的网页。若是您自己的，请设置 {origins}={{origin}}；"
            "若是本服务自己的网页，请让代理转发 Host，或者也这样设置"
        ),
        "rate_limited": "请求太多：每个客户端每分钟最多 {limit} 次，请 {seconds} 秒后再试",
        "no_secret": f"没有设置 {secret}，所以只接受从本机来的连接；要从别的机器访问，请先设置 {secret}",
    }


@dataclass(frozen=True)
class Refusal:
    """Why a request is not let in: a status, and a code with parameters for the service's own sentence."""

    status: int
    code: str
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class Allowed:
    """The hosts and origins that are let in beside this machine's own names and the service's own pages.

    An entry of `hosts` is a name or address (any port), `name:port` (that port), or a whole origin such as
    `https://shop.example.com` (its host, and the pages of just this origin). An entry of `origins` is a whole
    origin whose pages are let in, and no host.
    """

    def __init__(self, hosts: Iterable[str] = (), *, origins: Iterable[str] = ()) -> None:
        entries = [*_entries(hosts)]
        self._hosts = {bracketed(entry.rpartition("://")[2]) for entry in entries}
        self._hosts |= {without_port(entry.rpartition("://")[2]) for entry in entries if "://" in entry}
        self._origins = {_usual(entry) for entry in (*_entries(origins), *entries) if "://" in entry}

    def host(self, header: str) -> bool:
        """Whether a Host header names this service; with DNS rebinding it names another."""
        known = {header.lower(), without_port(header.lower())}
        return is_own_name(header) or not known.isdisjoint(self._hosts)

    def origin(self, origin: str, host: str) -> bool:
        """Whether a page of this origin may call a service that is called by this Host."""
        origin = _usual(origin.lower())
        return origin in self._origins or origin in {_usual(f"{scheme}://{host.lower()}") for scheme in PORTS}


def is_forwarded(scope: Scope) -> bool:
    """Whether a request has come by way of a proxy: by what well-known ones add, or by nginx's HTTP/1.0."""
    return scope.get("http_version") == "1.0" or any(
        name in FORWARDING or name.startswith(b"x-forwarded-") for name, _ in scope["headers"]
    )


def _entries(given: Iterable[str]) -> Iterable[str]:
    return filter(None, (entry.strip().rstrip("/").lower() for entry in given))


def _usual(origin: str) -> str:
    """Return an origin without its scheme's own port, which a browser leaves out."""
    return origin.removesuffix(PORTS.get(origin.partition("://")[0], ""))


def without_port(host: str) -> str:
    """Return a Host header's name or address."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


@dataclass(frozen=True)
class BearerToken:
    """`Authorization: Bearer …` (RFC 6750)."""

    token: str
    another: str = ""  # that may do the same
    challenge = 'Bearer realm="product-mcp"'

    def is_given(self, authorization: str) -> bool:
        """Whether a header carries the token."""
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and any(
            _same(given.strip().encode("latin-1"), token) for token in (self.token, self.another) if token
        )


@dataclass(frozen=True)
class Password:
    """`Authorization: Basic …` (RFC 7617) with any user name, as a browser asks for it."""

    password: str
    challenge = 'Basic realm="product-mcp", charset="UTF-8"'

    def is_given(self, authorization: str) -> bool:
        """Whether a header carries the password."""
        scheme, _, credentials = authorization.partition(" ")
        try:
            given = base64.b64decode(credentials, validate=True).partition(b":")[2]
        except ValueError:
            return False
        return scheme.lower() == "basic" and _same(given, self.password)


def _same(given: bytes, expected: str) -> bool:
    return hmac.compare_digest(given, expected.encode())


@dataclass(eq=False)
class Access:
    """Lets a request in, or answers 421 (Host), 403 (Origin), 401 (token, password), 400 (a header twice).

    MCP specification 2025-11-25, Transports, Security Warning: Origin must be validated. A page of an
    allowed origin gets the CORS headers that it needs; its preflight carries no secret, and changes nothing.
    """

    app: ASGIApp
    _: KW_ONLY
    allowed: Allowed
    refuse: Callable[[Refusal], Response]  # says a refusal in the service's own words
    secret: BearerToken | Password | None = None  # what a request to a guarded path must carry
    admits: bool = False  # what stands behind this asks for a token itself
    guarded: str | tuple[str, ...] = "/"  # how the guarded paths begin
    any_host: bool = False  # no Host is refused: a secret guards the service
    only_direct: str = ""  # the code by which what a proxy has forwarded is refused
    headers: Mapping[str, str] = field(default_factory=dict)  # of every answer that does not set them itself

    def __post_init__(self) -> None:
        self._pages = _Cors(self._authorized)
        self._headers = Headers(self.headers).raw

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            return self.app(scope, receive, send)
        return self._answer(scope)(scope, receive, self._with_headers(send) if self.headers else send)

    def _with_headers(self, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                message["headers"].extend(header for header in self._headers if header[0] not in given)
            await send(message)

        return send_with_headers

    def _answer(self, scope: Scope) -> ASGIApp:
        if get_route_path(scope) in (OPEN_PATH, CLIENT_PATH):
            return self.app
        scope["headers"] = [(name, value.strip(b" \t")) for name, value in scope["headers"]]  # RFC 9110 5.5
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:  # one that stands twice is the list of both, and no allowed one
            if name in headers and name in ONCE:
                return self.refuse(Refusal(400, "header_twice", {"header": name.decode()}))
            headers[name] = headers[name] + b", " + value if name in headers else value
        host, forwarded = headers.get(b"host", b"").decode("latin-1"), scope.get(FORWARDED_HOST)
        hosts = [host, forwarded] if forwarded else [host]
        for each in () if self.any_host else hosts:
            if not self.allowed.host(each):
                name = without_port(each)
                code = "host_not_allowed" if HOST.fullmatch(name) else "host_odd"
                return self.refuse(Refusal(421, code, {"host": printable(name)}))
        if self.secret is None and not self.admits and _is_elsewhere((scope.get("server") or ("",))[0]):
            return self.refuse(Refusal(403, "no_secret"))
        if self.only_direct and is_forwarded(scope):
            return self.refuse(Refusal(403, self.only_direct))
        if b"origin" not in headers:
            return self._authorized
        origin = headers[b"origin"].decode("latin-1")
        # A browser says this to https and this machine only, and no page can: behind a proxy with TLS it
        # tells the service's own page by whatever Host, port and prefix the proxy passes on.
        is_own = headers.get(b"sec-fetch-site") == b"same-origin"
        if not is_own and not any(self.allowed.origin(origin, each) for each in hosts):
            return self.refuse(Refusal(403, "origin_not_allowed", {"origin": printable(origin)}))
        return self._pages

    def _authorized(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        app = self.app
        if self.secret and get_route_path(scope).startswith(self.guarded):
            given = Headers(scope=scope).get("authorization", "")
            if not self.secret.is_given(given):
                challenge = {"WWW-Authenticate": self.secret.challenge}
                app = self.refuse(Refusal(401, "unauthorized", headers=challenge))
        return app(scope, receive, send)


@lru_cache  # a service has few addresses, and looks at one with each request
def _is_elsewhere(host: str) -> bool:
    """Whether an address is the network's, as under `uvicorn web:app --host 0.0.0.0`."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a name, or the path of a socket
        return False
    return not is_loopback(str(getattr(address, "ipv4_mapped", None) or address))


class _Cors(CORSMiddleware):
    """CORS for pages of the allowed origins, such as Inspector's."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            app,
            allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=("*",),  # Mcp-Param-* cannot be listed
            expose_headers=EXPOSED,
        )

    def is_allowed_origin(self, origin: str) -> bool:  # noqa: ARG002  Starlette's
        """Let every origin through: `Access` has let in the allowed ones only."""
        return True


def printable(header: str) -> str:
    """Return a header's value as it may stand in a log line or an answer."""
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in header)[:MAX_SHOWN]

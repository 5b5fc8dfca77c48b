"""Who may talk to the browser's back end: its own page on this machine, or whoever knows the password."""

import base64
import hmac
from collections.abc import Collection, Mapping
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.addresses import is_own_name

OPEN_PATHS = frozenset({"/healthz"})
SAFE_METHODS = frozenset({"GET", "HEAD"})


class Gate:
    """Check Host, Origin and password before anything else, and put fixed headers on every answer.

    A page of another origin cannot use the visitor's browser to buy (Origin), nor can one that points its own
    name at this machine (Host, DNS rebinding).
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        local: bool,
        password: str = "",
        origins: Collection[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Guard `app`; with `local` only this machine's own names are a Host."""
        self.app = app
        self.local = local
        self.password = password
        self.origins = frozenset(origins)
        self.headers = dict(headers or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self.app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self.local and not is_own_name(host):
            return JSONResponse({"detail": f"不接受的 Host：{host}"}, 421)
        origin = headers.get("origin")
        if origin and scope["method"] not in SAFE_METHODS and not self._is_ours(origin, host):
            return JSONResponse({"detail": f"不接受的 Origin：{origin}"}, 403)
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            return None  # a preflight carries no password, and changes nothing
        if self.password and scope["path"] not in OPEN_PATHS and not self._knows_password(headers):
            challenge = {"WWW-Authenticate": 'Basic realm="product-mcp", charset="UTF-8"'}
            return JSONResponse({"detail": "需要密码"}, 401, challenge)
        return None

    def _is_ours(self, origin: str, host: str) -> bool:
        return _split(origin).netloc == host or origin in self.origins

    def _knows_password(self, headers: Headers) -> bool:
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(credentials, validate=True).partition(b":")[2]
        except ValueError:
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, self.password.encode())


def _split(url: str) -> SplitResult:
    """Split what a header claims to be a URL; nonsense is nobody's."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")

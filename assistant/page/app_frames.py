"""The frames of MCP Apps: one document on an origin of its own, under the policy that a server declares.

The specification calls it the sandbox proxy (2026-01-26, Sandbox proxy). The document that the app itself is
stands in a frame within, without any origin, and inherits the policy. Stricter than the specification's own:
no `'self'`, so that nothing of ours can be asked for, and addresses of the open web with TLS only.
"""

import html
import re
from collections.abc import Awaitable
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.access import without_port

PATH = "/app-frame"
SCRIPT = Path(__file__).parents[2] / "public" / "app-frame.js"
OTHER_NAME = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}
LISTS = ("connect", "resource", "frame", "base")  # of `_meta.ui.csp`, each with Domains behind it
MAX_SOURCES = 100
SOURCE = re.compile(r"(https|wss)://(\*\.)?([a-z0-9-]+\.)+[a-z][a-z0-9-]*(:\d{1,5})?", re.IGNORECASE)
POLICY = (
    # What an app runs is its own text wherever that stands: inline, data: or blob:, as PDF.js has its worker.
    "default-src 'none'; script-src 'unsafe-inline' data: blob: {resource}; worker-src blob:; "
    "style-src 'unsafe-inline' {resource}; "
    "img-src data: blob: {resource}; media-src data: blob: {resource}; font-src data: {resource}; "
    "connect-src {connect}; frame-src {frame}; base-uri {base}; object-src 'none'; form-action 'none'; "
    "frame-ancestors {page}"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Permissions-Policy": ", ".join(
        f"{name}=()"
        for name in ("camera", "microphone", "geolocation", "display-capture", "usb", "serial", "hid")
    ),
}


def origin_for(host: str, configured: str) -> str:
    """Return the origin of the frames in a page at this Host; empty where there is none."""
    name = without_port(host)
    return configured or (f"http://{OTHER_NAME[name]}{host[len(name) :]}" if name in OTHER_NAME else "")


class AppFrames:
    """Answers for the frames, before anybody is asked for a password; it reads and sets no cookie.

    `origin` is theirs, and serves nothing else; `page` is that of the page. Where none is set, they are at
    the other loopback name.
    """

    def __init__(self, app: ASGIApp, origin: str, page: str) -> None:
        self._app = app
        self._origin, self._page = origin, page

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a frame; all else goes on, but at the frames' own origin."""
        app = self._answer(scope) if scope["type"] == "http" else None
        return (app or self._app)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        if scope["path"] != PATH and not self._origin:
            return None
        headers = Headers(scope=scope)
        hosts = {headers.get("host", ""), headers.get("x-forwarded-host", "")}
        own = self._origin.partition("://")[2]
        is_own = bool(own) and any(own in (host.lower(), without_port(host.lower())) for host in hosts)
        if scope["path"] != PATH or scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("", 404) if is_own else None
        page = self._page if is_own else "" if own else origin_for(headers.get("host", ""), "")
        sources = _sources(scope["query_string"].decode("latin-1"))
        if not page or sources is None:
            return PlainTextResponse("", 400)
        named = {name: " ".join(sources.get(name, [])) for name in LISTS}
        policy = POLICY.format(
            resource=named["resource"],
            connect=named["connect"] or "'none'",
            frame=named["frame"] or "'none'",
            base=named["base"] or "about:",  # that of the document within, which public/app-frame.js sets
            page=page,
        )
        return HTMLResponse(_document(page), headers=HEADERS | {"Content-Security-Policy": policy})


def _sources(query: str) -> dict[str, list[str]] | None:
    """Return what may be reached, by the lists; None if it is not that."""
    try:
        given = parse_qs(query, max_num_fields=MAX_SOURCES)
    except ValueError:
        return None
    are_sources = all(SOURCE.fullmatch(each) for sources in given.values() for each in sources)
    return given if are_sources and given.keys() <= {*LISTS} else None


@cache
def _script() -> str:
    return SCRIPT.read_text(encoding="utf-8")


def _document(page: str) -> str:
    return (
        # Where page and app agree on light or dark, what is transparent stays so.
        '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><style>'
        "*{margin:0;border:0}iframe{display:block;width:100%;height:100vh}</style><body>"
        f'<script type="module" data-page="{html.escape(page)}" id="page">'
        f"{_script()}</script>"
    )

"""An MCP server and its authorization server by hand, so that a test may change whatever they say."""

import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from tests.support.asgi import serve
from tests.support.raw_server import HELLO, NONE, READS
from tests.support.sign_in_service import page, write_config

RESOURCE = "/.well-known/oauth-protected-resource"
ISSUER = "/.well-known/oauth-authorization-server"
# What is changed of an answer: `...` takes a member out; a Response takes its place.
Changed = Mapping[str, Any] | Callable[["ByHand"], Mapping[str, Any] | Response]


@dataclass
class ByHand:
    """Both servers; `changes` are by path, or by "refresh" and "challenge"."""

    changes: Mapping[str, Changed | str] = field(default_factory=dict)
    is_open: bool = False  # to all but calls of tools
    server: str = ""
    issuer: str = ""
    tokens: set[str] = field(default_factory=set)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def answer(self, path: str, usual: dict[str, Any], status: int = 200) -> Response:
        changed = self.changes.get(path, {})
        given = changed(self) if callable(changed) else changed
        if isinstance(given, Response):
            return given
        assert not isinstance(given, str)
        members = {**usual, **given}
        return JSONResponse({name: value for name, value in members.items() if value is not ...}, status)

    def token(self, path: str) -> Response:
        token = secrets.token_urlsafe(12)
        self.tokens.add(token)
        usual = {"access_token": token, "refresh_token": secrets.token_urlsafe(12), "token_type": "Bearer"}
        return self.answer(path, usual)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        await self.said(request, body)(scope, receive, send)

    def said(self, request: Request, body: bytes) -> Response:
        path = request.url.path
        given = body.decode() if "form" in request.headers.get("content-type", "") else request.url.query
        form = {name: values[0] for name, values in parse_qs(given).items()}
        self.asked.append((path, form))
        match path:
            case "/mcp":
                return self.mcp(request, json.loads(body)) if body else Response(status_code=405)
            case _ if path == f"{RESOURCE}/mcp":
                usual = {"resource": f"{self.server}/mcp", "authorization_servers": [self.issuer]}
                return self.answer(RESOURCE, usual)
            case _ if path == ISSUER:
                names = {"authorization": "authorize", "token": "token", "registration": "register"}
                ends = {f"{name}_endpoint": f"{self.issuer}/{end}" for name, end in names.items()}
                return self.answer(ISSUER, {"issuer": self.issuer, **ends})
            case "/register":
                return self.answer(path, {**json.loads(body), "client_id": "c"}, 201)
            case "/authorize":
                back = {"code": "of-this-sign-in", "state": form["state"], "iss": self.issuer}
                return RedirectResponse(f"{form['redirect_uri']}?{urlencode(back)}")
            case "/token":
                return self.token("refresh" if form["grant_type"] == "refresh_token" else path)
        return JSONResponse({}, 404)

    def mcp(self, request: Request, message: dict[str, Any]) -> Response:
        is_call = message["method"] == "tools/call"
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens and (is_call or not self.is_open):
            challenge = str(self.changes.get("challenge", "Bearer"))
            said = challenge.format(server=self.server, issuer=self.issuer)
            return JSONResponse({}, 401, {"WWW-Authenticate": said})
        if "id" not in message:
            return Response(status_code=202)
        results = {"initialize": HELLO, "tools/list": {"tools": [READS]}, "tools/call": {"content": []}}
        result = results.get(message["method"])
        answer = {"result": result} if result is not None else NONE
        return JSONResponse({"jsonrpc": "2.0", "id": message["id"], **answer})


@asynccontextmanager
async def by_hand(
    folder: Path, servers: ByHand, entry: Mapping[str, Any] | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at web.py, whose `mcp.json` names this MCP server as `remote`."""
    async with serve(servers, lifespan="off") as servers.server, serve(servers, lifespan="off") as issuer:
        servers.issuer = issuer
        write_config(folder, {"remote": {"url": f"{servers.server}/mcp", **(entry or {})}})
        async with page(folder) as http:
            yield http


async def come_back(http: httpx.AsyncClient) -> httpx.Response:
    """Sign in at `remote` as a person does: the page's answer to what the browser brings back, or before."""
    clicked = await http.post("/api/servers/remote/sign-in")
    if clicked.is_error:
        return clicked
    async with httpx.AsyncClient(timeout=60) as browser:
        back = urlsplit((await browser.get(clicked.json()["url"])).headers["location"])
    return await http.get(f"{back.path}?{back.query}")

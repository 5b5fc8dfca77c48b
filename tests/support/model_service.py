"""A provider with a key and a list of models, and a page's back end beside it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tests.support.asgi import call_stream, refusal, serve, text_stream
from tests.support.chat_service import settings
from web import create_app

KEY = "sk-of-the-tests-1234wxyz"


class FakeProvider:
    """Answers questions in words, calls a tool that it is offered, and lists its models."""

    def __init__(self, name: str = "m1", key: str = KEY, *, calls: bool = True) -> None:
        self.lists: dict[str, Any] = {"/v1/models": {"data": [{"id": name, "context_length": 64_000}]}}
        self.key, self.calls = key, calls
        self.names = [name]
        self.redirect = ""  # where every request is sent on to
        self.sent: list[tuple[str, str]] = []  # path and key of each request
        self.asked: list[dict[str, Any]] = []  # bodies of questions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive)
            await (await self._answer(request))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path, key = request.url.path, request.headers.get("authorization", "").removeprefix("Bearer ")
        self.sent.append((path, key))
        if self.redirect:
            return RedirectResponse(self.redirect + path)
        if self.key and key != self.key:
            return refusal(401, f"Incorrect API key provided: {key}")
        if request.method == "GET":
            listed = self.lists.get(path, refusal(404))
            return listed if isinstance(listed, Response) else JSONResponse(listed)
        if path != "/v1/chat/completions":
            return refusal(404)
        body = await request.json()
        self.asked.append(body)
        if body["model"] not in self.names:
            return refusal(404, f"The model {body['model']} does not exist")
        tools = body.get("tools", []) if self.calls and body["messages"][-1]["role"] == "user" else []
        name = tools[0]["function"]["name"] if tools else ""
        said = call_stream(name, {}) if name == "check" else text_stream(f"I am {body['model']}")
        return StreamingResponse(iter([said]), media_type="text/event-stream")


@asynccontextmanager
async def back_end(folder: Path, **given: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The page's back end, with no server of tools and without a model of its settings."""
    (folder / "mcp.json").write_text(json.dumps({"mcpServers": {}}))
    ports = {"llm_local_ports": ""}
    async with (
        serve(create_app(settings(folder, **{**ports, **given}))) as base,
        httpx.AsyncClient(base_url=base, timeout=60) as http,
    ):
        if "web_password" in given:
            http.auth = ("", given["web_password"])
        yield http


async def keep(http: httpx.AsyncClient, base: str, id: str = "deepseek", **body: Any) -> httpx.Response:
    """Keep a provider as the page does."""
    whole = {"base": base, "key": KEY, "models": [{"name": "m1"}], **body}
    return await http.put(f"/api/models/{id}", json=whole)


async def answer(http: httpx.AsyncClient, **body: Any) -> str:
    """Ask as a program, and return the answer or the code of why there is none."""
    said = (await http.post("/api/chat", json={"message": "hi", **body})).json()
    return str(said.get("code") or said["response"])

"""The browser's back end: settings, lifespan, routes, streaming, the page."""

import asyncio
import json
import logging
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from dotenv import dotenv_values
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, CliImplicitFlag, SettingsConfigDict

from assistant.chat import events
from assistant.chat.history import History, as_messages, is_writable_json
from assistant.chat.interfaces import Model, UnknownServerError
from assistant.chat.loop import Chat
from assistant.llm.model import OpenAIModel
from assistant.page import doctor, files
from assistant.page.markdown import with_html
from assistant.page.sentences import explain
from assistant.page.state import Overview
from assistant.toolbox import Toolbox, read_config
from assistant.toolbox.config import ConfigError, watch_config
from serving import secret_file
from serving.addresses import ListenHost, address_shown, is_loopback
from serving.errors import CodedError
from serving.gate import Gate
from serving.http_protocol import http_protocol

log = logging.getLogger(__name__)

MAX_BODY = 16 * 1024 * 1024  # bytes of a request: a conversation comes whole
FINISH_TIMEOUT = 2  # seconds for purchases in flight when the service stops ...
SHUTDOWN_TIMEOUT = 2  # ... and for the answers that tell how it ended; honcho kills after 5
GREETING_TIMEOUT = 15  # seconds until the greeting comes without the tools

# Everything the page needs is its own; what a model or a tool wrote can run, fetch and send nothing.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
# The SDK logs a traceback when a server goes away; the connection says so in one line.
QUIET = {"mcp": logging.CRITICAL, "httpx2": logging.WARNING, "httpx": logging.WARNING}


class Settings(BaseSettings):
    """Where to listen, which servers, which model: flag, environment, `.env`, default, in this order."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        cli_kebab_case=True,
        cli_shortcuts={"web-host": "host", "web-port": "port"},
    )

    web_host: ListenHost = "127.0.0.1"
    web_port: int = Field(default=8002, ge=1, le=65535)
    web_password: SecretStr | None = None
    web_secret: SecretStr | None = None
    cors_origins: str = ""
    mcp_config_path: Path = Path("mcp.json")
    openai_api_key: SecretStr | None = None
    openai_api_base: str | None = None
    llm_model: str = "deepseek-chat"
    # Only a flag: look at everything, then end.
    check: CliImplicitFlag[bool] = Field(default=False, exclude=True)


@dataclass(frozen=True)
class Services:
    """What lives as long as the application."""

    toolbox: Toolbox
    chat: Chat
    overview: Overview


class Body(BaseModel):
    """A request's JSON, which may hold nothing that could not be written out again."""

    @model_validator(mode="before")
    @classmethod
    def _is_writable_json(cls, data: Any) -> Any:
        if not is_writable_json(data):
            raise ValueError("half characters, numbers beyond 64 bits and very deep nesting are not accepted")
        return data


class ChatRequest(Body):
    """The tutorial's: a question, and what was said before."""

    message: str = Field(min_length=1)
    history: History = []


class StreamRequest(Body):
    """A conversation to carry on, and what the user lets run: see `Chat.turn`."""

    messages: History
    approvals: dict[str, bool] = {}
    autoApprove: list[str] = []
    askFirst: list[str] = []


class CallToolRequest(Body):
    """A tool to call by hand."""

    server: str
    name: str
    args: dict[str, Any] = {}


class GetPromptRequest(Body):
    """A prompt to fill in."""

    server: str
    name: str
    args: dict[str, str] = {}


def create_app(settings: Settings, model: Model | None = None) -> FastAPI:
    """Build the application; `model` stands in for the one that the settings name.

    Raises:
        ConfigError: `mcp.json` cannot be read.
    """
    configured = read_config(settings.mcp_config_path, _environment())
    secret = settings.web_secret.get_secret_value().encode() if settings.web_secret else secret_file.kept()
    stopping = asyncio.Event()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        brain = model or _model(settings)
        async with Toolbox(configured) as toolbox:
            overview = Overview(brain, toolbox, stopping)
            services = Services(toolbox, Chat(brain, toolbox, secret), overview)
            background = [
                asyncio.create_task(_greet(toolbox, address_shown(settings.web_host, settings.web_port))),
                asyncio.create_task(_follow_config(toolbox, settings.mcp_config_path)),
            ]
            ending = asyncio.create_task(_end(services, stopping))
            yield {"services": services}
            stopping.set()
            await ending
            for task in background:
                task.cancel()
        if isinstance(brain, OpenAIModel):
            await brain.aclose()

    app = FastAPI(
        title="product-mcp", lifespan=lifespan, max_body_size=MAX_BODY, docs_url=None, redoc_url=None
    )
    app.state.stopping = stopping
    origins = [origin.strip().rstrip("/") for origin in settings.cors_origins.split(",") if origin.strip()]
    app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(
        Gate,
        local=is_loopback(settings.web_host),
        password=settings.web_password.get_secret_value() if settings.web_password else "",
        origins=origins,
        headers=HEADERS,
    )
    app.add_exception_handler(RequestValidationError, _name_what_is_wrong)
    app.include_router(router)
    app.include_router(files.router)
    return app


async def _end(services: Services, stopping: asyncio.Event) -> None:
    """End what runs while its answers can still be told: turns first, then the calls made by hand."""
    await stopping.wait()
    await services.chat.finish(FINISH_TIMEOUT)
    await services.toolbox.close()


async def _services(request: Request) -> Services:  # not `def`: that would cost a thread hop
    services: Services = request.state.services
    return services


Injected = Annotated[Services, Depends(_services)]
router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that this service answers; a server of `mcp.json` that is down is no fault of it."""
    return {"status": "ok"}


@router.get("/api/status")
async def status(services: Injected) -> dict[str, Any]:
    """Say which model answers and how each server is."""
    return services.overview.status()


@router.get("/api/tools")
async def tools(services: Injected) -> dict[str, Any]:
    """List the tools of every server, the tutorial's fields first, and prompts to begin with."""
    return services.overview.tools()


@router.get("/api/watch", response_class=EventSourceResponse)
async def watch(services: Injected) -> AsyncIterator[ServerSentEvent]:
    """Tell what `/api/status` and `/api/tools` say, at once and at every change: the page need not ask."""
    async for state in services.overview.changes():
        yield ServerSentEvent(event="state", raw_data=json.dumps(state, ensure_ascii=False))


@router.post("/api/get-prompt")
async def get_prompt(request: GetPromptRequest, services: Injected) -> dict[str, str]:
    """Return a prompt's text, filled in by its server."""
    try:
        return {"text": await services.toolbox.prompt(request.server, request.name, request.args)}
    except UnknownServerError as error:
        raise HTTPException(404, explain(error.code, error.params)) from error
    except CodedError as error:
        raise HTTPException(502, explain(error.code, error.params)) from error


@router.post("/api/call-tool")
async def call_tool(request: CallToolRequest, services: Injected) -> dict[str, Any]:
    """Call a tool by hand, once: a broken connection does not make it twice."""
    try:
        key = secrets.token_urlsafe(16)
        result = await services.toolbox.call(request.server, request.name, request.args, key=key)
    except UnknownServerError as error:
        raise HTTPException(404, explain(error.code, error.params)) from error
    if result.unreachable or result.unknown:
        raise HTTPException(502, result.text)
    return {"result": result.text, "isError": result.is_error}


@router.post("/api/servers/{name}/reconnect", status_code=204)
async def reconnect(name: str, services: Injected) -> None:
    """Connect to a server anew, without waiting for its next try."""
    try:
        services.toolbox.link(name).reconnect()
    except UnknownServerError as error:
        raise HTTPException(404, explain(error.code, error.params)) from error


@router.post("/api/chat")
async def answer(request: ChatRequest, services: Injected) -> Any:
    """Answer in one piece, as in the tutorial; the caller is a program, so tools run without asking."""
    messages = [*as_messages(request.history), {"role": "user", "content": request.message}]
    response = ""
    names: dict[str, str] = {}
    calls: list[dict[str, str]] = []
    async for event in services.chat.turn(messages, ask=False):
        match event:
            case events.ToolCallEvent():
                names[event.id] = event.tool
            case events.ToolResultEvent():
                outcome = "error" if event.isError else "result"
                calls.append({"name": names[event.id], outcome: event.result, "tool_call_id": event.id})
            case events.MessageEvent(message={"role": "assistant", "content": text}):
                response = text
            case events.ErrorEvent(
                code, params
            ):  # what was done by then is told, for a caller that tries again
                detail = f"LLM/对话处理失败: {explain(code, params)}"
                return JSONResponse(
                    {"detail": detail, "code": code, "params": dict(params), "toolCalls": calls}, 502
                )
    return {"response": response, "toolCalls": calls}


@router.post("/api/chat/stream", response_class=EventSourceResponse)
async def stream(request: StreamRequest, services: Injected) -> AsyncIterator[ServerSentEvent]:
    """Answer as a stream of events; a call that writes waits for the user's word."""
    turn = services.chat.turn(
        as_messages(request.messages),
        approvals=request.approvals,
        auto_approve=request.autoApprove,
        ask_first=request.askFirst,
    )
    async with aclosing(with_html(turn)) as named:
        async for name, data in named:
            yield ServerSentEvent(event=name, raw_data=json.dumps(data, ensure_ascii=False))


async def _name_what_is_wrong(_: Request, error: Exception) -> Response:
    """Answer 422 with field and reason, not the input: it may hold what cannot be encoded, or be long."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    detail = [{"loc": fault["loc"], "msg": fault["msg"], "type": fault["type"]} for fault in faults]
    return Response(json.dumps({"detail": detail}), 422, media_type="application/json")


def _model(settings: Settings) -> Model:
    if not settings.openai_api_key and not settings.openai_api_base:
        from assistant.demo.model import DemoModel  # noqa: PLC0415  it takes 0.15 s, which those with a model save

        return DemoModel()
    # Ollama wants no key, and the SDK wants one.
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else "none"
    return OpenAIModel(settings.llm_model, key, settings.openai_api_base)


def _environment() -> dict[str, str | None]:
    return {**dotenv_values(".env"), **os.environ}


async def _follow_config(toolbox: Toolbox, path: Path) -> None:
    async for configured in watch_config(path, _environment):
        await toolbox.update(configured)


async def _greet(toolbox: Toolbox, address: str) -> None:
    """Say where the page is once the tools are there, or after a while without them."""
    enabled = [c for c in toolbox.links.values() if c.status != "disabled"]
    with suppress(TimeoutError):
        async with asyncio.timeout(GREETING_TIMEOUT):
            await asyncio.gather(*(link.until_ready() for link in enabled))
    down = "".join(
        f"，{link.server.name}：{explain(link.error.code, link.error.params) if link.error else None}"
        for link in toolbox.links.values()
        if link.status != "ready"
    )
    tools = f"{len(toolbox.tools())} 个工具{down}"
    print(f"🛍️ 智能商城助手：请打开 {address}（{tools}）", flush=True)  # noqa: T201


async def _check(settings: Settings) -> int:
    brain = _model(settings)
    async with Toolbox(read_config(settings.mcp_config_path, _environment())) as toolbox:
        findings = await doctor.examine(toolbox, brain)
    if isinstance(brain, OpenAIModel):
        await brain.aclose()
    return doctor.report(findings)


class _Server(uvicorn.Server):
    """Uvicorn, which has all streams and calls end before it waits for them."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self._stopping: asyncio.Event = app.state.stopping
        config = uvicorn.Config(
            app,
            host=settings.web_host,
            port=settings.web_port,
            http=http_protocol(),
            access_log=False,  # the page reads the shop every second
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
            lifespan="on",  # a failure at the start must not go unseen
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)


def run() -> None:
    """Serve, with settings from the command line, the environment and `.env`."""
    try:
        settings = Settings(_cli_parse_args=True)
        if not is_loopback(settings.web_host) and not settings.web_password:
            sys.exit(f"在 {settings.web_host} 上监听需要设置 WEB_PASSWORD")
        for name, level in QUIET.items():
            logging.getLogger(name).setLevel(level)
        if settings.check:
            sys.exit(asyncio.run(_check(settings)))
        app = create_app(settings)
    except ValidationError as error:
        sys.exit(
            "\n".join(f"设置有误 {'_'.join(map(str, e['loc'])).upper()}：{e['msg']}" for e in error.errors())
        )
    except ConfigError as error:
        sys.exit(f"加载 MCP 配置失败: {explain(error.code, error.params)}")
    except secret_file.KeyFileError as error:
        sys.exit(str(error))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s:     %(message)s")
    server = _Server(app, settings)
    with suppress(KeyboardInterrupt):  # uvicorn raises it once more, when all has ended well
        server.run()
    if not server.started:
        sys.exit(3)  # as uvicorn.run does


if __name__ == "__main__":
    run()

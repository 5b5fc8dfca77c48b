"""The browser chat: a model answers by calling the tools of every MCP server in `mcp.json`."""

import serving.late_fastapi
import serving.late_mcp  # noqa: F401
from serving.importing import all_imported

import sys

import httpx2

# One httpx instead of two: httpx-aiohttp imports the other, 60 ms, for its half that is not used here.
if __name__ == "__main__" and "httpx" not in sys.modules:  # whoever imports web.py may use the other
    httpx2.alias_httpx()

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self

from dotenv import dotenv_values
from fastapi import APIRouter, FastAPI, Header, Request, Response
from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from assistant.chat import Chat, events
from assistant.chat.calls import under_key
from assistant.chat.history import HistoryMessage, as_messages
from assistant.chat.interfaces import Model
from assistant.llm.model import OPENAI, OpenAIModel
from assistant.llm.registry import Models
from assistant.llm.settings import ModelSettings
from assistant.page import app_frames, doctor, model_routes, resources, routes, servers, sign_in, terminal
from assistant.page.chat_requests import ChatRequest, StreamRequest
from assistant.page.event_stream import EVENTS, EventStream
from assistant.page.routes import ANSWERS, AppServices, Place, Services, page_headers, refusals
from assistant.page.sentences import APART, CHAT_FAILED, CONFIG_FAILED, SHARED, explain, model_source, pointed
from assistant.page.shares import TURNS, Clients
from assistant.page.state import WATCHED, Overview
from assistant.toolbox import Toolbox, Trust
from assistant.toolbox.config_edit import ConfigFile
from assistant.toolbox.limits import Limits
from assistant.toolbox.server import ConfigError
from assistant.toolbox.sign_in import SignIns
from serving import gate, secret_file, server
from serving.access import Password
from serving.addresses import ListenHost, address_shown, is_loopback
from serving.error_answers import problem
from serving.http_protocol import Bounds
from serving.kept import Kept
from serving.logs import printable_lines
from serving.settings import OF_FILE, Hosts, ImageHosts, Key, Origin, Origins, PublicUrl, Rate, load
from serving.settings import Password as TypedPassword
from serving.state_folder import NOT_A_CLONES, state_folder
from serving.telemetry import FASTAPIS_OWN

all_imported()

MAX_BODY = 16 * 1024 * 1024  # bytes of a request, which holds a whole conversation

DESCRIPTION = """Any OpenAI-compatible model, and the tools of every MCP server in `mcp.json`.

The page uses `/api/chat/stream`, where a call that writes waits for the user. The caller of `/api/chat` is a
program: its calls run without asking."""


# --- settings ---------------------------------------------------------------------------------------------


class Settings(ModelSettings):
    """聊天服务的设置：命令行参数优先于环境变量，其次是 .env，最后是默认值。"""

    model_config = SettingsConfigDict(
        cli_shortcuts={f"web-{flag}": flag for flag in ("host", "port", "trust-commands", "check")}
    )
    host_field = "web_host"
    secret_field = "web_password"  # noqa: S105  the name of a setting
    hosts_field, origins_field = "web_allowed_hosts", "cors_origins"
    rate_field = "web_rate_limit"

    web_host: ListenHost = Field("127.0.0.1", description="监听地址；不是本机地址时必须设置 WEB_PASSWORD")
    web_port: int = Field(8002, ge=1, le=65535, description="监听端口")
    web_password: TypedPassword | None = Field(None, description="浏览器询问的密码")
    web_secret: Key | None = Field(None, description="把用户的确认绑定到调用的密钥，各副本相同")
    web_state_dir: Path | None = Field(None, description="记住密钥和获准命令的文件夹，不能在项目里")
    web_public_url: PublicUrl = Field("", description="浏览器里本页的地址，登录 MCP 服务器时从那里回来")
    web_apps_origin: Origin = Field("", description="MCP Apps 的框架所在的来源，须与 WEB_PUBLIC_URL 不同")
    web_allowed_hosts: Hosts = Field("", description="代理或容器网络里的主机名，用逗号分隔")
    web_trust_commands: bool = Field(False, description="mcp.json 里的命令和发往别处的变量不必先获准")
    cors_origins: Origins = Field("", description="可以使用后端的其他网页来源，用逗号分隔")
    web_rate_limit: Rate = Field(0, description="每个客户端每分钟最多几次请求；0 为不限")
    web_image_hosts: ImageHosts = Field(
        "", description="回答里的图片可以从哪些主机（https）加载，用逗号分隔；其他的只是链接"
    )
    mcp_config_path: Path = Field(Path("mcp.json"), description="列出 MCP 服务器的文件")
    web_check: bool = Field(False, exclude=True, description="检查各服务器和模型，然后结束")  # only a flag

    @property
    def image_hosts(self) -> frozenset[str]:
        """The hosts whose pictures are shown."""
        return frozenset(filter(None, (each.strip().lower() for each in self.web_image_hosts.split(","))))

    @model_validator(mode="after")
    def _keeps_apps_apart(self) -> Self:
        if (apps := self.web_apps_origin) and f"{self.web_public_url or apps}/".startswith(f"{apps}/"):
            raise ValueError("WEB_APPS_ORIGIN 要和 WEB_PUBLIC_URL 一起设置，而且不能是同一个来源")
        return self

    @model_validator(mode="after")
    def _is_not_allowed_by_a_clone(self) -> Self:
        for given, value in dotenv_values(".env").items():
            name = given.upper().removesuffix(OF_FILE)  # the settings are read in any case
            is_set = (value or "").lower() not in ("", "false", "0")
            if is_set and name in NOT_A_CLONES:
                raise ValueError(f"{name} 不能写在 .env 里（别人的项目会带来它），请用环境变量或命令行参数")
        return self


# --- the chat's routes ------------------------------------------------------------------------------------

router = APIRouter(responses=refusals(422))

IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", pattern=r"^[!-~]{1,200}$", description="this call, however often sent"),
]


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", tags=["service"])
async def healthz() -> dict[str, str]:
    """Return 200 while this service answers, whatever the state of the MCP servers."""
    return {"status": "ok"}


@router.get("/api/tools", tags=["tools"])
async def tools(services: AppServices) -> dict[str, Any]:
    """List the tools and the prompts of every server."""
    return services.overview.tools()


@router.post("/api/call-tool", tags=["tools"], responses=refusals(404, 502))
async def call_tool(
    request: routes.CallToolRequest, services: AppServices, idempotency_key: IdempotencyKey = None
) -> Any:
    """Call a tool by hand: `{"result", "isError"}`, `code`, `params` of an error, `media` if there is some.

    The call is made once, also over a connection that breaks; with an `Idempotency-Key` also if it is sent
    again, where the tool honours keys: then the answer says `"replayed": true`. What a person has `confirmed`
    is passed on to such a tool, which then asks nobody.
    """
    key = idempotency_key or secrets.token_urlsafe(16)
    result = await services.toolbox.call(
        *(request.server, request.name, request.args),
        key=key,
        confirmed=request.confirmed,
        fingerprint=request.fingerprint,
    )
    link = services.toolbox.links.get(request.server)
    result = under_key(result, link.tool(request.name) if link else None, request.args, key)
    if result.unreachable or result.unknown:
        code = result.code or "outcome_unknown"
        return ANSWERS.answer(502, code, result.params, detail=result.text, unknown=result.unknown)
    answer: dict[str, Any] = {"result": result.text, "isError": result.is_error}
    if result.media:
        answer["media"] = [asdict(medium) for medium in result.media]
    if result.replayed:
        answer["replayed"] = True
    answer |= {"app": result.app} if request.app else {}
    return answer | {"code": result.code, "params": result.params} if result.is_error else answer


@router.post(
    "/api/chat",
    tags=["chat"],
    responses=refusals(429) | {502: problem("No answer; what was said and done by then")},
)
async def chat(request: ChatRequest, http: Request, services: AppServices, place: Place) -> Any:
    """Answer in one piece: `{"response", "toolCalls": [{"name", "result" or "error", "tool_call_id"}]}`.

    As in the tutorial, tools run without asking. `notes`, if there are some, say what is to be known of the
    answer: `{code, params, detail}`.
    """
    await place
    if await http.is_disconnected():  # whoever gave up waiting may have asked again
        return Response(status_code=499)
    question = HistoryMessage(role="user", content=request.message)
    response = ""
    names: dict[str, str] = {}
    calls: list[dict[str, str]] = []
    notes: list[dict[str, Any]] = []
    messages = as_messages([*(request.history or []), question])
    async for event in services.turn(messages, request.model, place, ask=False):
        match event:
            case events.ToolCallEvent():
                names[event.id] = event.tool
            case events.ToolResultEvent():
                outcome = "error" if event.isError else "result"
                calls.append({"name": names[event.id], outcome: event.result, "tool_call_id": event.id})
            case events.MessageEvent(message={"role": "assistant", "content": text} as message):
                response = text
                marks = [*message.get("notes", []), *filter(None, [message.get("error")])]
                notes += [mark | {"detail": explain(**mark)} for mark in marks]
            case events.ErrorEvent(code, params):
                detail = CHAT_FAILED.format(explain(code, params))
                return ANSWERS.answer(502, code, params, detail=detail, response=response, toolCalls=calls)
    return {"response": response, "toolCalls": calls} | ({"notes": notes} if notes else {})


@router.post("/api/chat/stream", response_class=EventStream, tags=["chat"], responses=EVENTS | refusals(429))
async def stream(request: StreamRequest, services: AppServices, place: Place) -> EventStream:
    """Answer as server-sent events; a call that writes waits for the user's approval.

    | event | data |
    |---|---|
    | `text` | `{delta, restart}`; `restart`: what was told of this answer so far is taken back |
    | `thinking` | `{delta}` |
    | `html` | `{html, keep}`: of the message's HTML so far, `keep` UTF-16 units stay and `html` follows |
    | `tool_call` | `{id, server, tool, title, args, raw, mended, readOnly, fingerprint, honoursKey}` |
    | `approval` | `{id, code, params}`: the call waits; send the history again with `approvals: {id: true}` |
    | `question` | `{id, call, server, message, schema, url, state, code, params, wording}`: a server asks |
    | `tool_progress` | `{id, progress, total, message}` |
    | `tool_result` | `{id, result, isError, ms, unknown, media, code, params, replayed, app}` |
    | `message` | `{message}`: append this to the history; `error` in it says why it is a part of an answer |
    | `usage` | `{input, output, cached, cost, window}`: tokens of one answer, by its provider; dollars |
    | `compacted` | `{message, questions}`: send it in the place of all before so many last questions |
    | `error` | `{code, params, detail}` |
    | `done` | `{reason}`: `stop`, `approval`, `question`, `rounds` or `error` |

    `code` says why: of an error, or of a call that waits once more (`approval_expired`, `tool_changed`).
    A server that asks wants a form of `schema` filled in, or a person at `url`: send the history again, with
    `answers: {id: {action, content, state}}`, one to each question of the call, and the approvals of before.
    `edits: {id: args}` change calls that wait: each result is `replaced`, and a `message` with the new call
    and all that waited beside it follows, which wait under new ids. An edit counts before a decision on the
    same id. An `error` refuses it: `edit_unknown`, `edit_invalid` `{field}`, or, behind the call's result if
    it ran or runs here, `edit_too_late`. While a call beside it asks a question, send it with the answer.
    `notes` of a message are what else is to be known of the answer: `[{code, params}]`.
    An element of `media` is `{mime_type, data, uri, name}`, its data in base64. To try a call with `unknown`
    and `honoursKey` again, send the history up to the message with the call, without what came of it, with
    `approvals: {id: true}`: it has the same key.
    """
    from assistant.page.markdown import with_html  # noqa: PLC0415  25 ms, with the first question

    turn = services.turn(as_messages(request.messages), request.model, place, **request.decisions())
    return EventStream(with_html(turn, services.image_hosts))


# --- the application --------------------------------------------------------------------------------------


def create_app(settings: Settings, model: Model | None = None, limits: Limits | None = None) -> FastAPI:
    """Build the application; `model` stands in for the one that the settings name.

    Its lifespan raises `StartError` if `mcp.json` or the secret cannot be read.
    """
    # Not by `include_router`, which builds every route anew with the first request, and matches each twice.
    of_models = (model_routes.router, model_routes.unlocked)
    rooms = (router, resources.router, sign_in.router, servers.router, routes.router, *of_models)
    app = FastAPI(
        title="product-mcp",
        description=DESCRIPTION,
        routes=[route for room in rooms for route in room.routes],
        lifespan=partial(_lifespan, settings, model, limits),
        max_body_size=MAX_BODY,
        telemetry=FASTAPIS_OWN,
        docs_url=None,  # these two with a policy of their own: see routes
        redoc_url=None,
    )
    routes.install(app)
    secret = Password(settings.web_password.get_secret_value()) if settings.web_password else None
    own = re.findall("^https?://[^/]+", settings.web_public_url)
    any_host = not is_loopback(settings.web_host)
    headers = page_headers(settings.image_hosts)
    gate.install(app, settings, ANSWERS.refuse, secret, own=own, any_host=any_host, headers=headers)
    app.add_middleware(app_frames.AppFrames, origin=settings.web_apps_origin, page="".join(own))
    return app


@asynccontextmanager
async def _lifespan(
    settings: Settings, stand_in: Model | None, limits: Limits | None, app: FastAPI
) -> AsyncIterator[None]:
    given = settings.web_secret.get_secret_value().encode() if settings.web_secret else b""
    secret = given or secret_file.read_or_create(_state(settings) / "web-secret", "WEB_SECRET")
    is_local = is_loopback(settings.web_host) and not (settings.root_path or settings.trusted_proxies)
    config = _config(settings)
    async with aclosing(_models(settings, stand_in)) as models, _toolbox(settings, limits) as toolbox:
        overview, chat = Overview(models, toolbox, settings.web_apps_origin), Chat(None, toolbox, secret)
        app.state.services = services = Services(
            toolbox,
            chat,
            models,
            overview,
            Clients(secret),
            config,
            is_local=is_local,
            image_hosts=settings.image_hosts,
            apps_origin=settings.web_apps_origin,
            settings=settings,
        )
        following = [
            asyncio.create_task(config.follow(toolbox)),
            asyncio.create_task(models.follow(toolbox.news.ring)),
        ]
        with TURNS.told_by(services.shares.counts):
            yield
        await services.end(settings.stop_timeout)
        for task in following:
            task.cancel()


def _state(settings: Settings) -> Path:
    return state_folder(settings.web_state_dir, (Path.cwd(), settings.mcp_config_path.parent))


def _config(settings: Settings) -> ConfigFile:
    # Whoever names a file means one that is there; the usual one may be begun in the page.
    is_usual = settings.mcp_config_path == Settings.model_fields["mcp_config_path"].default
    return ConfigFile(settings.mcp_config_path, _state(settings), may_be_missing=is_usual)


def _toolbox(settings: Settings, limits: Limits | None = None) -> Toolbox:
    try:
        found = _config(settings).servers()
    except ConfigError as error:
        raise server.StartError(CONFIG_FAILED.format(pointed(error))) from error
    folder = _state(settings)
    trust = Trust(folder / "commands", everything=settings.web_trust_commands)
    return Toolbox(found, limits, trust, WATCHED, SignIns(folder, settings.web_public_url))


def _models(settings: Settings, stand_in: Model | None = None) -> Models:
    return settings.models(Kept(_state(settings) / "models"), _demo_model, stand_in)


def _demo_model() -> Model:
    from assistant.demo.model import DemoModel  # noqa: PLC0415  0.15 s, not at the start

    return DemoModel()


# --- the start --------------------------------------------------------------------------------------------


def run() -> None:
    """Serve, with settings from the command line, the environment and `.env`."""
    settings = load(Settings)
    if settings.web_check:
        try:
            sys.exit(asyncio.run(_check(settings)))
        except server.StartError as error:
            sys.exit(printable_lines(str(error)))
    app = create_app(settings)

    async def finish(seconds: float) -> None:
        await app.state.services.end(seconds)

    def greet() -> AsyncIterator[str]:
        overview: Overview = app.state.services.overview
        terminal.listen(app.state.services.toolbox)
        return overview.greetings(address_shown(settings.web_host, settings.web_port))

    server.run(
        server.Service(
            app,
            host=settings.web_host,
            port=settings.web_port,
            setting="WEB",
            shared=SHARED[bool(settings.web_secret)] + APART,
            greeting=greet,
            bounds=Bounds(max_body=MAX_BODY),
            ending=server.Ending(
                settings.drain_seconds, settings.stop_timeout, bool, finish, routes.restarting
            ),
        )
    )


async def _check(settings: Settings) -> int:
    async with aclosing(_models(settings)) as models, _toolbox(settings) as toolbox:
        source, model = model_source(models.source, settings.held()), models.usual
        called = [model.base_url or OPENAI] if isinstance(model, OpenAIModel) else []
        return doctor.report(await doctor.examine(toolbox, model, called, source))


def __getattr__(name: str) -> FastAPI:
    """Make `app` for `uvicorn web:app`, with settings from the environment and `.env`."""
    if name == "app":
        return create_app(load(Settings, args=[]))
    raise AttributeError(name)


if __name__ == "__main__":
    run()

"""One MCP server: a task of its own opens the connection, keeps it, and opens it again; calls go through."""

import asyncio
import logging
import random
import ssl
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import ContextVar
from functools import cache
from typing import Any, Literal, TypeVar, cast

import anyio
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.session import IncomingMessage
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types import (
    REQUEST_TIMEOUT,
    CallToolResult,
    Implementation,
    Prompt,
    RequestParamsMeta,
    ToolAnnotations,
    ToolListChangedNotification,
)
from mcp_types import Tool as McpTool
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from assistant.chat.interfaces import Progress, ToolResult
from assistant.toolbox.carrier import AiohttpTransport
from assistant.toolbox.config import Server
from assistant.toolbox.results import NoAnswerError, explain, is_refused, read_result, unanswered
from serving.addresses import is_loopback

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0  # seconds for a server to answer a list or a handshake
START_TIMEOUT = 60.0  # the same for a command: its first start may install it
CALL_TIMEOUT = 60.0  # seconds for one tool call
READY_TIMEOUT = 3.0  # seconds that a call waits for a server that is down
FIRST_DELAY, LAST_DELAY = 0.5, 30.0  # seconds between two attempts to connect
LAST_LOCAL_DELAY = 2.0  # the same on this machine, where a refused connection costs nothing
POLL_INTERVAL = 10.0  # seconds between two looks at a server that cannot tell us of changes
KEEPALIVE = 4.0  # seconds; servers close idle connections after 5 (uvicorn, Node), and we must be first
MAX_PAGES = 100  # of one server's list of tools
MAX_SENDS = 3  # of one call that may be sent again

CLIENT_INFO = Implementation(name="product-mcp-web", version="1.0.0")
# The HTTP statuses of one call's requests, in order: the SDK sends in tasks that copy the caller's context.
_statuses: ContextVar[list[int]] = ContextVar("statuses")

R = TypeVar("R")
Status = Literal["connecting", "ready", "down", "disabled"]


class ServerDownError(Exception):
    """A server did not come up in time; the message says why."""


class Connection:
    """One server: a task of its own opens the connection, keeps it, and opens it again."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.status: Status = "disabled" if server.error else "connecting"
        self.error = server.error
        self.listed: list[McpTool] = []
        self.prompts: list[Prompt] = []
        self.protocol_version: str | None = None
        self.refused = False  # while down: nothing listens there
        self.retry_at: float | None = None  # time.monotonic() of the next attempt, while down
        self._client: Client | None = None
        self._changed = asyncio.Event()  # set, and replaced, at every change of status
        self._wake = asyncio.Event()  # ends the pause before the next attempt, or the connection
        self._status = 0  # of the last HTTP answer: the SDK's errors do not carry it
        self._stopping = False
        self._in_flight = 0  # calls
        self._stale = asyncio.Event()  # set when the server says that its tools have changed
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect, in the background."""
        if self.status != "disabled":
            self._task = asyncio.create_task(self._own(), name=f"mcp {self.server.name}")

    async def stop(self) -> None:
        """Close the connection and end the task."""
        self._stopping = True  # a cancellation alone may be lost where the transport is breaking just now
        self._wake.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def retry_in(self) -> float | None:
        """Seconds until the next attempt, while the server is down."""
        return None if self.retry_at is None else max(0.0, round(self.retry_at - time.monotonic(), 1))

    async def until_ready(self) -> Client:
        """Wait until the server is connected; for ever, if it never is."""
        while self._client is None:
            await self._changed.wait()
        return self._client

    async def settled(self) -> Status:
        """Wait until the first attempt to connect has succeeded or failed, and return which."""
        while self.status == "connecting":
            await self._changed.wait()
        return self.status

    def reconnect(self) -> None:
        """Connect anew at once, whatever the state."""
        self._wake.set()

    async def call(
        self, name: str, args: dict[str, Any], key: str | None, on_progress: Progress | None
    ) -> ToolResult:
        """Call a tool, again after a broken connection where that is safe."""
        for attempt in range(1, MAX_SENDS + 1):
            try:
                client = await self._ready()
            except ServerDownError as error:
                text = f"服务器 {self.server.name} 现在不可用：{error}"
                return ToolResult(text, is_error=True, unreachable=True)
            repeatable = self._is_repeatable(name, key)
            try:
                return read_result(await self._send(client, name, args, key, on_progress))
            except NoAnswerError as error:
                if error.what == "lost":
                    self._lost(client)
                may_repeat = error.never_ran or (repeatable and error.what != "late")
                if attempt == MAX_SENDS or not may_repeat:
                    return self._no_answer(error, may_repeat)
            except MCPError as error:
                return ToolResult(explain(error, self.server, self._status), is_error=True)
            except (ValueError, RuntimeError) as error:  # it ran, and what it answered breaks the protocol
                log.info("%s: %s: %s", self.server.name, name, error)
                text = "服务器的回答不合规范，这次操作可能已经执行。"
                return ToolResult(text, is_error=True, unknown=not repeatable)
        raise AssertionError("the last attempt returns")

    async def prompt(self, name: str, args: dict[str, str]) -> str:
        """Return a prompt's text.

        Raises:
            ServerDownError: The server is down, or refuses; the message says why.
        """
        for attempt in range(1, MAX_SENDS + 1):
            client = await self._ready()
            try:
                prompt = await self._answer(client, client.get_prompt(name, args))
            except NoAnswerError as error:
                if error.what == "lost":
                    self._lost(client)
                if error.what == "late" or attempt == MAX_SENDS:
                    raise ServerDownError(f"服务器 {self.server.name} {error}") from error
            except (MCPError, ValueError) as error:
                raise ServerDownError(explain(error, self.server, self._status)) from error
            else:
                texts = [m.content.text for m in prompt.messages if m.content.type == "text"]
                return "\n\n".join(texts)
        raise AssertionError("the last attempt returns or raises")

    async def _send(
        self,
        client: Client,
        name: str,
        args: dict[str, Any],
        key: str | None,
        on_progress: Progress | None,
    ) -> CallToolResult:
        async def report(progress: float, total: float | None, message: str | None) -> None:
            if on_progress is not None:
                on_progress(progress, total, message)

        call = client.call_tool(
            name,
            args,
            read_timeout_seconds=CALL_TIMEOUT,
            progress_callback=report if on_progress is not None else None,
            meta=cast("RequestParamsMeta", {"idempotency-key": key}) if key else None,
        )
        return await self._answer(client, call)

    async def _answer(self, client: Client, request: Awaitable[R]) -> R:
        """Await what a request of the SDK returns, and tell an answer that says no from none at all."""
        statuses: list[int] = []
        _statuses.set(statuses)
        self._in_flight += 1
        try:
            return await request
        except (MCPError, anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            handshake = client.protocol_version not in MODERN_PROTOCOL_VERSIONS
            if (none := unanswered(error, statuses, handshake=handshake)) is not None:
                raise none from error
            raise
        finally:
            self._in_flight -= 1

    def _is_repeatable(self, name: str, key: str | None) -> bool:
        """Whether a call may be sent twice: it changes nothing, is idempotent, or honours its key."""
        tool = next((tool for tool in self.listed if tool.name == name), None)
        hints = (tool and tool.annotations) or ToolAnnotations()
        keyed = key is not None and tool is not None and bool((tool.meta or {}).get("idempotency-key"))
        return bool(hints.read_only_hint or hints.idempotent_hint or keyed)

    def _no_answer(self, error: NoAnswerError, was_repeated: bool) -> ToolResult:
        text = f"服务器 {self.server.name} {error}"
        if was_repeated:
            return ToolResult(f"{text}，重试也没有成功", is_error=True, unknown=not error.never_ran)
        text = f"{text}，这次操作可能已经执行，也可能没有。请先查询再决定是否重试。"
        return ToolResult(text, is_error=True, unknown=True)

    async def _ready(self) -> Client:
        if self.status == "disabled":
            raise ServerDownError(self.error or "已停用")
        if self._stopping:
            raise ServerDownError("连接已关闭")
        if self._client is None:
            self._wake.set()  # somebody waits: no need to sit out the pause
        try:
            async with asyncio.timeout(READY_TIMEOUT):
                return await self.until_ready()
        except TimeoutError:
            raise ServerDownError(self.error or "还没有连上") from None

    def _lost(self, client: Client) -> None:
        if self._client is client:
            self._set("connecting")
            self._wake.set()

    def _set(self, status: Status, error: str | None = None, client: Client | None = None) -> None:
        if (status, error) != (self.status, self.error) and status != "connecting":
            log.info("%s: %s", self.server.name, error or f"已连接，{len(self.listed)} 个工具")
        self.status, self.error, self._client = status, error, client
        self._changed.set()
        self._changed = asyncio.Event()

    async def _own(self) -> None:
        delay = FIRST_DELAY
        while not self._stopping:
            self._wake.clear()
            try:
                async with self._open() as client:
                    self.listed = await _list_tools(client)
                    self.prompts = await _list_prompts(client)
                    self.protocol_version = client.protocol_version
                    self._set("ready", client=client)
                    delay = FIRST_DELAY
                    await self._watch(client)
                self._set("connecting")
            except Exception as error:  # noqa: BLE001  the task's outer edge: only this server is down
                self.refused = is_refused(error)
                self._set("down", explain(error, self.server, self._status))
                longest = LAST_LOCAL_DELAY if self.is_local() else LAST_DELAY
                delay = FIRST_DELAY if await self._pause(delay) else min(delay * 2, longest)

    async def _pause(self, seconds: float) -> bool:
        """Wait about so long, with jitter, and say whether somebody ended it."""
        seconds *= random.uniform(0.5, 1)  # noqa: S311  no secret
        self.retry_at = time.monotonic() + seconds
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            self.retry_at = None
        return True

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Client]:
        server, self._status = self.server, 0
        async with AsyncExitStack() as stack:
            if server.transport == "stdio":
                transport: Any = StdioServerParameters(
                    command=server.command, args=list(server.args), env=dict(server.env), cwd=server.cwd
                )
            elif server.transport == "sse":
                transport = sse_client(server.url, dict(server.headers), httpx_client_factory=self._http)
            else:
                http = await stack.enter_async_context(self._http(dict(server.headers)))
                # A server that never answers the closing DELETE would hold us; a session ends by itself.
                transport = streamable_http_client(server.url, http_client=http, terminate_on_close=False)
            patience = START_TIMEOUT if server.transport == "stdio" else CONNECT_TIMEOUT
            client = Client(
                transport,
                read_timeout_seconds=patience,
                cache=None,
                client_info=CLIENT_INFO,
                message_handler=self._hear,
            )
            yield await stack.enter_async_context(client)

    def _http(
        self,
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        local = self.is_local()
        plain = local and self.server.url.startswith("http:")
        return httpx2.AsyncClient(
            headers=headers,
            auth=auth,
            timeout=timeout or httpx2.Timeout(CALL_TIMEOUT, connect=CONNECT_TIMEOUT, read=None),
            limits=httpx2.Limits(keepalive_expiry=KEEPALIVE),
            trust_env=not local,  # a proxy of the machine cannot reach the machine's own servers
            verify=True if plain else _authorities(),
            transport=AiohttpTransport(KEEPALIVE) if plain else None,
            event_hooks={"response": [self._note_status]},
        )

    def is_local(self) -> bool:
        """Whether the server is reached over this machine's own network."""
        return self.server.transport != "stdio" and is_loopback(self.server.host)

    async def _note_status(self, response: httpx2.Response) -> None:
        self._status = response.status_code
        if (statuses := _statuses.get(None)) is not None:
            statuses.append(response.status_code)

    async def _hear(self, message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._stale.set()

    async def _watch(self, client: Client) -> None:
        """Return, or raise, when the connection has to be opened anew."""
        if not self._stopping:
            self._wake.clear()  # whoever waited for the connection has it
        async with anyio.create_task_group() as group:
            group.start_soon(self._follow, client)
            await self._wake.wait()
            group.cancel_scope.cancel()

    async def _follow(self, client: Client) -> None:
        """Keep the list of tools true; a server that is gone makes the refresh raise."""
        subscribes = client.protocol_version in MODERN_PROTOCOL_VERSIONS
        while True:
            if subscribes:
                try:
                    async with client.listen(tools_list_changed=True) as changes:
                        async for _ in changes:
                            self.listed = await _list_tools(client)
                except SubscriptionLost:
                    pass  # gone, or restarted: the refresh tells
                except MCPError:
                    subscribes = False
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stale.wait(), POLL_INTERVAL)
                self._stale.clear()
            try:
                self.listed = await _list_tools(client)
            except MCPError as error:
                if error.code != REQUEST_TIMEOUT or not self._in_flight:
                    raise  # but a server that is busy with a call is not dead because it is slow to list
            await asyncio.sleep(FIRST_DELAY)


async def _list_tools(client: Client) -> list[McpTool]:
    tools: dict[str, McpTool] = {}  # by name: one that is listed twice must not be offered twice
    cursor = None
    for _ in range(MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools |= {tool.name: tool for tool in page.tools}
        cursor = page.next_cursor
        if not cursor:
            break
    return list(tools.values())


async def _list_prompts(client: Client) -> list[Prompt]:
    if not client.server_capabilities.prompts:
        return []
    return (await client.list_prompts()).prompts  # one page: they are offered to people, who do not read more


@cache
def _authorities() -> ssl.SSLContext:
    return ssl.create_default_context()  # some 40 ms: once, not for each connection

"""The link to one server: a task of its own opens it, watches it, and opens it again when it breaks."""

import asyncio
import logging
import os
import random
import shlex
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal

import anyio
from mcp import Client
from mcp.client.session import IncomingMessage
from mcp.client.subscriptions import ResourceUpdated, SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types import LoggingLevel, ResourceUpdatedNotification, ToolListChangedNotification
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from assistant.chat.interfaces import Tool
from assistant.toolbox.limits import Limits
from assistant.toolbox.listing import Listing, read_listing
from assistant.toolbox.questions import Questions
from assistant.toolbox.raw_results import about, instructions_of, suite_versions
from assistant.toolbox.recording import Recording
from assistant.toolbox.sdk_signals import filled_in, link_failure
from assistant.toolbox.sentences import sentence_of
from assistant.toolbox.server import Server, Trust
from assistant.toolbox.sign_in import SignIn, SignIns
from assistant.toolbox.transports import open_client
from assistant.toolbox.watching import News, ask_for_log, subscribed, watchable
from assistant.toolbox.wire import StreamEnded
from serving.errors import CodedError
from serving.redaction import redacted

log = logging.getLogger(__name__)

Status = Literal["connecting", "ready", "down", "disabled", "untrusted", "sign_in"]


class ServerDownError(CodedError):
    """A server did not come up in time; its `reason` says why."""


def _untrusted(server: Server) -> CodedError:
    if server.transport != "stdio":
        names, host = list(server.variables), redacted(server.origin)
        return CodedError("variables_untrusted", server=server.name, mark=server.mark, names=names, host=host)
    what: dict[str, Any] = {"command": redacted(server.command), "args": [*map(redacted, server.args)]}
    cwd = os.path.abspath(server.cwd or ".").encode(errors="replace").decode()
    shown = {"line": shlex.join([what["command"], *what["args"]]), "cwd": cwd, "env": sorted(server.env)}
    return CodedError("command_untrusted", server=server.name, mark=server.mark, **what, **shown)


class Link:
    """One server's connection, and what is known of the server while there is none."""

    def __init__(
        self,
        server: Server,
        limits: Limits,
        trust: Trust,
        news: News,
        *,
        sign_ins: SignIns,
        watch: Collection[str] = (),
    ) -> None:
        self.server = server
        self.limits = limits
        self._trust = trust
        self._news = news
        self._watch_for = watch
        self.auth = SignIn(server, limits, sign_ins, self._needs_person) if server.can_sign_in else None
        self.questions = Questions(limits.answer_seconds)
        self.watched: Sequence[str] = ()  # of those, what the server tells the changes of
        self.followed = Counter[str]()  # resources that are open somewhere, beside those
        self._is_deaf = False  # the stream on which it would tell has ended
        self.status: Status = "disabled" if server.error else "connecting"
        self.error: CodedError | None = server.error
        self.listing = Listing()
        self.recording = Recording()
        self.log_level: LoggingLevel | None = None
        self.about: dict[str, Any] = {}  # what the server says of itself
        self.protocol_version: str | None = None
        self.notes = list(server.notes)  # what is odd about the server, and did not stop it
        self.instructions = ""
        self.versions: Mapping[str, str] = {}  # of the suite's services, as this project's own server says
        self._writing: set[str] = set()  # tools that were once listed as writing
        self._client: Client | None = None
        self._changed = asyncio.Event()  # set, and replaced, at every change of status
        self._wake = asyncio.Event()  # ends the pause before the next attempt, or the connection
        self._retry_at: float | None = None  # time.monotonic() of the next attempt, while down
        self._stopping = False
        self._requests = 0  # under way
        self._is_stale = False  # the connection is to be opened anew when it rests
        self._tools_changed = asyncio.Event()  # the server has said so
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect, in the background; a command that nobody has allowed waits for `allow`."""
        self.look()
        if self.status == "connecting":
            self._task = asyncio.create_task(self._own(), name=f"mcp {self.server.name}")

    def look(self) -> None:
        """Find out whether it is a command that nobody has allowed."""
        if self.status == "connecting" and not self._trust.covers(self.server):
            self._set("untrusted", _untrusted(self.server))

    def allow(self, fingerprint: str) -> None:
        """Allow the command of this fingerprint, now and later, and start it.

        Raises CodedError: the entry has changed; OSError: it cannot be remembered.
        """
        if fingerprint != self.server.fingerprint:
            raise CodedError("command_changed", server=self.server.name)
        self._trust.allow(self.server)
        if self.status == "untrusted":
            self._set("connecting")
            self.start()

    async def stop(self) -> None:
        """Close the connection and end the task."""
        await self.questions.close()
        self._stopping = True  # a cancellation alone may be lost while the transport is breaking
        self._wake.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def retry_in(self) -> float | None:
        """Seconds until the next attempt, while the server is down."""
        return None if self._retry_at is None else max(0.0, round(self._retry_at - time.monotonic(), 1))

    async def until_ready(self) -> Client:
        """Wait, without end, until the server is connected."""
        while self._client is None:
            await self._changed.wait()
        return self._client

    def has(self, client: Client) -> bool:
        """Whether this client is connected still."""
        return self._client is client

    async def left(self, client: Client) -> None:
        """Wait until this client is connected no more."""
        while self._client is client:
            await self._changed.wait()

    async def settled(self, *unsettled: Status) -> Status:
        """Wait until the status is none of these, or the first attempt is over, and return it."""
        while self.status in (*unsettled, "connecting"):
            await self._changed.wait()
        return self.status

    async def ready(self) -> Client:
        """Return the connected client; try at once, and wait a moment, where there is none.

        Raises ServerDownError: there is none in time.
        """
        if self._client is not None and not self._stopping:
            return self._client
        is_hopeless = self._stopping or self.status in ("disabled", "untrusted") or self._waits_for_person()
        if not is_hopeless:
            self._wake.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.limits.ready_seconds):
                    while not self._waits_for_person():
                        if self._client is not None:
                            return self._client
                        await self._changed.wait()
        if self.error and self._waits_for_person():
            raise ServerDownError(self.error.code, **self.error.params)
        reason = CodedError("closing") if self._stopping else self.error or CodedError("not_connected")
        why = {"code": reason.code, "params": reason.params}
        raise ServerDownError("server_down", server=self.server.name, reason=why)

    def _waits_for_person(self) -> bool:
        """Whether nobody is signed in, so that another attempt would be in vain."""
        return self.status == "sign_in" and bool(self.auth and not self.auth.record().tokens)

    @property
    def sign_in(self) -> Literal["needed", "done"] | None:
        """Whether a person has to sign in, or has done so."""
        if self.auth is None or self.auth.is_machine:
            return None
        is_needed = self.status == "sign_in" or self.auth.lacks is not None
        return "needed" if is_needed else "done" if self.auth.is_signed_in else None

    def _needs_person(self, is_refused: bool) -> None:
        self._news.ring()
        if self.status == "ready" and is_refused:  # a scope that is missing ends nothing else
            self._is_stale = True
            self._leave()

    def _leave(self) -> None:
        """Connect anew as soon as no other request is under way, which may still be answered."""
        if self._is_stale and not self._requests:
            self._wake.set()

    def reconnect(self) -> None:
        """Close the connection, if there is one, and connect at once."""
        self._wake.set()

    def lost(self, client: Client, *, is_session: bool) -> None:
        """Reconnect, unless this client has been replaced, or others wait for answers and have a session."""
        if self._client is client and (is_session or not self._is_awaited()):
            self._set("connecting")
            self._wake.set()

    def _is_awaited(self) -> bool:
        """Whether others may still be answered, over connections of their own; it is left when they are."""
        is_awaited = self._requests > 0 and self.server.transport != "stdio"
        self._is_stale |= is_awaited
        return is_awaited

    @contextmanager
    def request(self) -> Iterator[None]:
        """Mark a request as under way: a server that is busy with one may be slow to list its tools."""
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1
            self._leave()

    def _set(self, status: Status, error: CodedError | None = None, client: Client | None = None) -> None:
        if (status, error) != (self.status, self.error) and status != "connecting":
            connected = f"已连接，{len(self.listing.tools)} 个工具"
            said = sentence_of(error.code, error.params) if error else connected
            log.info("%s: %s", self.server.name, said)
        self.recording.add("state", f"{status} {error.code}" if error else status, bad=error is not None)
        self.status, self.error, self._client, self.watched = status, error, client, ()
        self._changed.set()
        self._changed = asyncio.Event()
        self._news.ring()

    async def _own(self) -> None:
        """Connect, watch, and connect again, until the link is stopped."""
        limits = self.limits
        first, longest = limits.first_delay_seconds, limits.max_delay_seconds
        if self.server.is_local:
            first, longest = limits.first_local_delay_seconds, limits.max_local_delay_seconds
        delay = first
        mode: Literal["auto", "legacy"] = "auto"
        while not self._stopping:
            self._wake.clear()
            self.notes = list(self.server.notes)
            self._is_deaf = self._is_stale = False
            try:
                async with open_client(
                    *(self.server, limits, (self._on_message, self.questions.on_question), self._note, mode),
                    recording=self.recording,
                    log_level=self.log_level,
                    auth=self.auth,
                ) as client:
                    await ask_for_log(client, self.log_level)
                    await self._list(client)
                    self.protocol_version = client.protocol_version
                    self.versions = suite_versions(client)
                    self.instructions = instructions_of(client)
                    self.about = about(client)
                    self._set("ready", client=client)
                    delay = first
                    try:
                        await self._watch(client)
                    finally:
                        self._set("connecting")  # nobody is to be given a client that is being closed
            except Exception as error:  # noqa: BLE001  the task's outer edge: only this server is down
                failure = link_failure(error, self.server)
                if failure.code == "command_ended" and self.protocol_version is None and mode == "auto":
                    mode = "legacy"  # perhaps it ended because it was asked which protocol it speaks
                    continue
                self._set("sign_in" if failure.code == "sign_in_needed" else "down", failure)
                was_woken = await self._pause(delay)
                delay = first if was_woken else min(delay * 2, longest)

    async def set_level(self, level: LoggingLevel) -> None:
        """Ask the server to tell its log from this level on. Raises CodedError: it does not."""
        client, self.log_level = await self.ready(), level
        if not await ask_for_log(client, level):
            self._is_stale = True
        self._leave()

    async def refresh(self) -> float:
        """List what the server offers anew, and return how many ms that took. Raises CodedError."""
        client, began = await self.ready(), time.monotonic()
        try:
            await self._list(client)
        except MCPError as error:
            raise link_failure(error, self.server) from error
        return round((time.monotonic() - began) * 1000, 1)

    async def _pause(self, seconds: float) -> bool:
        """Wait about so long, with jitter, and say whether somebody ended it."""
        seconds *= random.uniform(0.5, 1)  # noqa: S311  no secret
        self._retry_at = time.monotonic() + seconds
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            self._retry_at = None
        return True

    def _note(self, note: CodedError) -> None:
        if note not in self.notes:
            self.notes.append(note)
            self._news.ring()

    async def _on_message(self, message: IncomingMessage) -> None:
        match message:
            case ToolListChangedNotification():
                self._tools_changed.set()
            case ResourceUpdatedNotification():
                self.touched(message.params.uri)
            case StreamEnded():
                self._is_deaf = True
                self._watches(())

    def _watches(self, uris: Sequence[str]) -> None:
        """Take over what is subscribed to; what changed before that was not told."""
        self.watched = () if self._is_deaf else tuple(uris)
        self._news.touch(self.server.name, self.watched)

    def touched(self, uri: str) -> None:
        """Tell that a resource has changed, where somebody watches or follows it."""
        wanted = {*self.watched, *+self.followed}
        whole = [each for each in wanted if uri == each or uri.startswith(f"{each}/")]
        if whole:
            self._news.touch(self.server.name, whole)

    async def _watch(self, client: Client) -> None:
        """Return, or raise, when the connection has to be opened again."""
        if not self._stopping:
            self._wake.clear()  # whoever waited for the connection has it
        async with anyio.create_task_group() as group:
            group.start_soon(self._follow, client)
            await self._wake.wait()
            group.cancel_scope.cancel()

    def tool(self, name: str) -> Tool | None:
        """Return a tool as it is listed now."""
        return self.listing.by_name.get(name)

    async def _list(self, client: Client) -> None:
        listing = await read_listing(client, self.server, self._writing, self.listing)
        is_new, self.listing = listing != self.listing, listing
        if is_new:
            self._news.ring()
        self._writing |= {tool.name for tool in self.listing.tools if not tool.read_only}

    async def _follow(self, client: Client) -> None:
        """Keep the list of tools current, and watch; if the server has gone away, listing raises."""
        subscribes = client.protocol_version in MODERN_PROTOCOL_VERSIONS
        uris: Sequence[str] = await watchable(client, self.server, self._watch_for)
        if uris and not subscribes:
            self._watches(await subscribed(client, uris))
        pause = self.limits.poll_seconds
        while True:
            before = self.listing
            if subscribes:
                subscribes, uris = await self._subscribe(client, uris)
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._tools_changed.wait(), pause)
                self._tools_changed.clear()
            try:
                await self._list(client)
            except MCPError as error:
                code = said.code if (said := filled_in(error)) else ""
                is_busy = self._requests and code in ("late", "sign_in_needed")  # not dead because it is slow
                if not is_busy and not self._is_awaited():
                    raise
            longest = max(self.limits.max_poll_seconds, self.limits.poll_seconds)
            pause = min(pause * 2, longest) if self.listing is before else self.limits.poll_seconds
            await asyncio.sleep(self.limits.first_delay_seconds)

    async def _subscribe(self, client: Client, uris: Sequence[str]) -> tuple[bool, Sequence[str]]:
        """List the tools at each change, until the subscription ends; return what to subscribe to then."""
        try:
            async with client.listen(tools_list_changed=True, resource_subscriptions=uris) as changes:
                self._watches(changes.honored.resource_subscriptions or ())
                await self._list(client)  # of what changed before nobody has told
                async for change in changes:
                    if isinstance(change, ResourceUpdated):
                        self.touched(change.uri)
                    else:
                        await self._list(client)
        except SubscriptionLost:
            pass  # the server has stopped or restarted; the next listing shows which
        except (MCPError, TimeoutError):  # refused, or not acknowledged in time
            self._watches(())
            return bool(uris), ()  # without addresses it may take the subscription
        return True, uris

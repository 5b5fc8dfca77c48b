"""The tools of every server in `mcp.json`: listed under one name each, called through live links."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Unpack, overload

from assistant.chat.interfaces import Answers, Asked, Tool, ToolResult, UnknownServerError
from assistant.toolbox.call import How, call_tool, fill_prompt
from assistant.toolbox.limits import Limits
from assistant.toolbox.link import Link
from assistant.toolbox.listing import offered_names
from assistant.toolbox.server import ConfigError, Server, Trust
from assistant.toolbox.sign_in import SignIn, SignIns
from assistant.toolbox.watching import News
from serving.errors import CodedError
from serving.metrics import Histogram

CALLS = Histogram("toolbox_call_duration_seconds", "Calls of the tools of each server.", ("server",))


class Toolbox:
    """The servers of one `mcp.json`: `async with Toolbox(servers) as box: await box.call(…)`.

    Without `trust`, commands wait until `link(name).allow(fingerprint)`. Resources of the addresses in
    `watch` are subscribed to; `news` tells of every change.
    """

    def __init__(
        self,
        servers: Iterable[Server],
        limits: Limits | None = None,
        trust: Trust | None = None,
        watch: Collection[str] = (),
        sign_ins: SignIns | None = None,
    ) -> None:
        self.news = News()
        self.fault: ConfigError | None = None  # why an edited file cannot be read: these are of another
        self._watch = watch
        self.sign_ins = sign_ins or SignIns()
        self._limits = limits or Limits()
        self._trust = trust or Trust()
        self._lists: list[Sequence[Tool]] = []  # from which these were made:
        self._tools: list[Tool] = []
        self.links = {server.name: self._link(server) for server in servers}

    def _link(self, server: Server) -> Link:
        return Link(server, self._limits, self._trust, self.news, sign_ins=self.sign_ins, watch=self._watch)

    def trial(self, server: Server) -> Link:
        """Return a link to a server that is not one of these: whoever starts it stops it."""
        return Link(server, self._limits, self._trust, News(), sign_ins=self.sign_ins)

    async def __aenter__(self) -> "Toolbox":
        for link in self.links.values():
            link.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all links; a call that is under way says that its answer did not come."""
        await asyncio.gather(*(link.stop() for link in self.links.values()))

    async def update(self, servers: Iterable[Server] | ConfigError) -> None:
        """Take over an edited configuration; a server whose entry is the same keeps its link.

        If it cannot be read, all servers stay, and `fault` says why.
        """
        self.fault = servers if isinstance(servers, ConfigError) else None
        if isinstance(servers, ConfigError):
            self.news.ring()
            return
        before, self.links = self.links, {}
        for server in servers:
            old = before.get(server.name)
            if old is not None and old.server == server:
                self.links[server.name] = before.pop(server.name)
            else:
                self.links[server.name] = self._link(server)
                self.links[server.name].start()
        self.news.ring()
        await asyncio.gather(*(link.stop() for link in before.values()))

    async def settled(self) -> None:
        """Wait, for a moment, until every server has answered once or has been found down."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.ready_seconds):
                await asyncio.gather(*(link.settled() for link in self.links.values()))

    def tools(self) -> list[Tool]:
        """Return every tool that is known, also those of a server that is down for the moment."""
        lists = [link.listing.tools for link in self.links.values()]
        if [*map(id, lists)] != [*map(id, self._lists)]:
            self._lists, tools = lists, [tool for listed in lists for tool in listed]
            names = offered_names([(tool.server, tool.name) for tool in tools])
            self._tools = [replace(tool, offered=names[tool.server, tool.name]) for tool in tools]
        return self._tools

    def app_tools(self) -> list[Tool]:
        """Return the tools that only apps of their servers call."""
        return [tool for link in self.links.values() for tool in link.listing.for_apps]

    def instructions(self) -> dict[str, str]:
        """Return what servers say about the use of their tools, by server."""
        return {name: link.instructions for name, link in self.links.items() if link.instructions}

    def prompts(self) -> list[dict[str, Any]]:
        """Return the servers' prompts, the arguments of each as a schema like a tool's."""
        return [prompt for link in self.links.values() for prompt in link.listing.prompts]

    @overload
    async def call(self, server: str, name: str, args: dict[str, Any], **how: Unpack[How]) -> ToolResult: ...

    @overload
    async def call(
        self,
        server: str,
        name: str,
        args: dict[str, Any],
        *,
        asker: str | None,
        answers: Answers | None = None,
        **how: Unpack[How],
    ) -> ToolResult | Asked: ...

    async def call(
        self,
        server: str,
        name: str,
        args: dict[str, Any],
        *,
        asker: str | None = None,
        answers: Answers | None = None,
        **how: Unpack[How],
    ) -> ToolResult | Asked:
        """Call a tool. Any failure but these is a result.

        Without an `asker` there is nobody whom the server could ask. Raises UnknownServerError: no server
        has this name. Raises ToolChangedError: the tool is another than that of the `fingerprint`.
        """
        link = self.link(server)
        with CALLS.timed(server):
            return await call_tool(link, name, args, asker=asker, answers=answers, how=how)

    def release(self, key: str) -> bool:
        """End the call of this key if it is held for a person's answer, and say whether it was."""
        return any(link.questions.release(key) for link in self.links.values())

    async def prompt(self, server: str, name: str, args: dict[str, str]) -> tuple[str, dict[str, Any] | None]:
        """Return a prompt as its server fills it in: its text, and the code and parameters that say it.

        Raises UnknownServerError, CodedError.
        """
        return await fill_prompt(self.link(server), name, args)

    async def finish_sign_in(self, browser: str, answer: Mapping[str, str]) -> str:
        """Take what the browser that has begun a sign-in brings back, and return the server's name.

        Its links connect by themselves. Raises CodedError: it has begun none, or no token comes of it.
        """
        pending = await self.sign_ins.pending(answer.get("state", ""), browser)
        link = self.links.get(pending.server)
        if link is None or link.auth is None or link.auth.key != pending.key:
            raise CodedError("sign_in_stale")
        await link.auth.finish(pending, answer)
        self.news.ring()
        for each in self.links.values():
            if each.status == "sign_in":  # one that is connected goes on with the new token
                each.reconnect()
        return pending.server

    async def sign_out(self, auth: SignIn) -> None:
        """Forget the tokens of a server, and have them revoked."""
        record = await auth.forget()
        for link in self.links.values():
            if link.auth and link.auth.key == auth.key:
                link.reconnect()
        await auth.revoke(record)  # last: its issuer may be slow

    def link(self, server: str) -> Link:
        """Return a server's link. Raises UnknownServerError: no server has this name."""
        try:
            return self.links[server]
        except KeyError:
            raise UnknownServerError(server) from None

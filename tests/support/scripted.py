"""Hand-written stand-ins: a model that follows a script, a toolbox of plain functions."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from assistant.chat import Chat, events
from assistant.chat.events import Event
from assistant.chat.history import Message
from assistant.chat.interfaces import (
    Answers,
    Asked,
    Model,
    Piece,
    Progress,
    Reply,
    Tool,
    ToolRequest,
    ToolResult,
)
from assistant.demo.model import DemoModel
from assistant.llm.registry import Models
from serving.kept import Kept

SECRET = b"a secret of the tests"
HELLO: Message = {"role": "user", "content": "hello"}
BUY = ("shop_buy", '{"n": 2}')

Step = Reply | Exception | Callable[[list[Message]], Reply] | list[Piece | Exception]


class ScriptedModel:
    """Plays one step a request, and keeps what it was sent; a reply's text is streamed word by word."""

    name = "scripted"
    demo = False
    window: int | None = None

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.requests: list[list[Message]] = []
        self.tools: list[list[dict[str, Any]]] = []

    async def reply(self, messages: list[Message], tools: list[dict[str, Any]]) -> AsyncGenerator[Piece]:
        self.requests.append(messages)
        self.tools.append(tools)
        step = self.steps.pop(0)
        if callable(step):
            step = step(messages)
        pieces: Any = [*step.text.split(" "), step] if isinstance(step, Reply) else step
        for piece in pieces if isinstance(pieces, list) else [pieces]:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def models_of(model: Model) -> Models:
    """The models of a service that has this one."""
    return Models(Kept(), model, DemoModel)


def says(text: str) -> Reply:
    """A reply that ends the turn."""
    return Reply(text)


def calls(*requests: tuple[str, str], finish: Any = "tool_calls", text: str = "") -> Reply:
    """A reply that wants tools called: (offered name, JSON arguments)."""
    return Reply(text, [ToolRequest(name, arguments) for name, arguments in requests], finish)


class FakeTools:
    """A toolbox of async functions; `called` keeps (name, args, key) in the order of their beginning."""

    def __init__(self, *tools: tuple[Tool, Callable[..., Awaitable[ToolResult | Asked]]]) -> None:
        self.relist(*tools)
        self.said: dict[str, str] = {}  # the servers' instructions
        self.called: list[tuple[str, dict[str, Any], str | None]] = []
        self.confirmed: list[Mapping[str, Any] | None] = []  # of the same calls
        self.askers: list[str | None] = []
        self.answers: list[Answers | None] = []

    def relist(self, *tools: tuple[Tool, Callable[..., Awaitable[ToolResult | Asked]]]) -> None:
        """List these tools from now on."""
        self._tools = {tool.offered: (tool, run) for tool, run in tools}

    async def settled(self) -> None:
        pass

    def instructions(self) -> Mapping[str, str]:
        return self.said

    def tools(self) -> list[Tool]:
        return [tool for tool, _ in self._tools.values()]

    def release(self, key: str) -> bool:
        return False

    async def call(
        self,
        server: str,
        name: str,
        args: dict[str, Any],
        *,
        fingerprint: str | None = None,
        key: str | None = None,
        confirmed: Mapping[str, Any] | None = None,
        on_progress: Progress | None = None,
        asker: str | None = None,
        answers: Answers | None = None,
    ) -> ToolResult | Asked:
        self.askers.append(asker)
        self.answers.append(answers)
        self.confirmed.append(confirmed)
        self.called.append((name, args, key))
        run = next(run for tool, run in self._tools.values() if (tool.server, tool.name) == (server, name))
        return await run(args, on_progress)


def tool(name: str, *, read_only: bool, server: str = "shop", honours_key: bool = False) -> Tool:
    """A tool as a server lists it."""
    return Tool(
        server=server,
        name=name,
        offered=f"{server}_{name}",
        title=name.title(),
        description=f"does {name}",
        input_schema={"type": "object", "properties": {}},
        output_schema=None,
        annotations={"readOnlyHint": read_only},
        fingerprint=f"{server} {name} {read_only}",
        honours_key=honours_key,
    )


def roles(messages: Sequence[Message]) -> list[str]:
    return [message["role"] for message in messages]


def answering(text: str, **flags: Any) -> Callable[..., Awaitable[ToolResult]]:
    """The function of a tool that always answers so."""

    async def run(args: dict[str, Any], on_progress: Progress | None) -> ToolResult:
        return ToolResult(text, **flags)

    return run


def look_and_buy() -> FakeTools:
    """A tool that reads and one that writes."""
    return FakeTools(
        (tool("look", read_only=True), answering("[1]")), (tool("buy", read_only=False), answering("bought"))
    )


async def take(talk: Chat, messages: list[Message], **options: Any) -> list[Event]:
    """All events of a turn."""
    return [event async for event in talk.turn(messages, **options)]


def only(told: list[Event], kind: type[Any]) -> list[Any]:
    """The events of one kind."""
    return [event for event in told if isinstance(event, kind)]


def after(told: list[Event], before: list[Message]) -> list[Message]:
    """The history as the page keeps it."""
    return before + [event.message for event in only(told, events.MessageEvent)]

"""The loop's interfaces: a model, a toolbox, and the values that pass between them."""

import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

from assistant.chat.history import Message
from serving.errors import CodedError

FRAME_TOKENS = 15  # around what a tool says of itself, as OpenAI's format has it
Progress = Callable[[float, float | None, str | None], None]  # takes progress, total and a message


def estimated_tokens(text: str) -> float:
    """Return about how many tokens a text is: JSON has three or four characters in one, Chinese one."""
    other = len(re.sub(r"[ -~]+", "", text))
    return other + (len(text) - other) / 3.5


@dataclass(frozen=True)
class Tool:
    """A tool of one server; `offered` is its name for the model, unique among all servers.

    `fingerprint` is a hash of everything that was listed about the tool, and of where its server is;
    `honours_key` tells that a call sent twice under one key runs once. `app` is the address of the MCP App
    that shows its calls; `apps_may` tells that its server's apps may call it.
    """

    server: str
    name: str
    offered: str
    title: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    annotations: dict[str, Any]
    fingerprint: str
    honours_key: bool = False
    app: str = ""
    apps_may: bool = True

    @property
    def read_only(self) -> bool:
        """Whether the server calls the tool read-only, which nobody checks."""
        return self.annotations.get("readOnlyHint") is True

    @cached_property
    def tokens(self) -> int:
        """About how many tokens it takes to offer the tool."""
        described = [self.server, self.offered, self.description, self.input_schema]
        return round(estimated_tokens(json.dumps(described, ensure_ascii=False))) + FRAME_TOKENS


@dataclass(frozen=True)
class Media:
    """A block of a result that is no text: its data in base64, or only where it is to be had.

    Pictures and sounds are shown and played; a resource has a `uri`, and without data it is a link.
    """

    mime_type: str
    data: str
    uri: str = ""
    name: str = ""


@dataclass(frozen=True)
class ToolResult:
    """The outcome of a call, as the text that a model reads.

    `unknown`: the call may have run or not; `unreachable`: it did not run; `replayed`: it ran before under
    the same key, and this is what came of it then. `code` and `params` (plain JSON) say what went wrong.
    `app` is what an MCP App is shown beside the text.
    """

    text: str
    is_error: bool = False
    unknown: bool = False
    unreachable: bool = False
    replayed: bool = False
    media: tuple[Media, ...] = ()
    code: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    app: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Question:
    """What a server asks a person: to fill in a form of this `schema`, or to go to this `url`.

    `wording` is a code with parameters, by which the page may know the message.
    """

    key: str
    message: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""
    wording: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Asked:
    """What a server asks in the middle of a call; `state` is what the toolbox goes on with, as a text."""

    questions: tuple[Question, ...]
    state: str


Outcome = ToolResult | Asked


@dataclass(frozen=True)
class Answer:
    """A person's answer to a question; `content` is that of a form."""

    action: Literal["accept", "decline", "cancel"]
    content: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Answers:
    """The answers to all that was `Asked` with this state, by the keys of the questions."""

    state: str
    by_key: Mapping[str, Answer]


@dataclass(frozen=True)
class ToolRequest:
    """A call that the model asks for: the offered name, and the arguments as it wrote them, in JSON.

    `signed` goes back to the provider with the call (Gemini's `extra_content`). `from_prose`: the model wrote
    the call into its answer, so that a tool that writes asks whatever was allowed; so does it if the call
    `is_mended`, read out of something that the model wrote otherwise.
    """

    name: str
    arguments: str
    signed: Mapping[str, Any] | None = None
    from_prose: bool = False
    is_mended: bool = False


@dataclass(frozen=True)
class Thought:
    """A piece of what a model thinks before it answers: it is shown, and is no part of the answer."""

    text: str


@dataclass(frozen=True)
class Restart:
    """What was streamed of this answer so far was none: it is taken back, and the answer begins anew."""


@dataclass(frozen=True)
class Usage:
    """What one answer took, in tokens by the provider's own count: `cached` of the `input` were cached.

    `cost` is in US dollars, where it is known.
    """

    input: int
    output: int
    cached: int = 0
    cost: float | None = None


@dataclass(frozen=True)
class Reply:
    """A whole answer of a model; `extra` (such as `reasoning_content`) goes back to it unchanged.

    `notes` are what the reader has to know of how it was made.
    """

    text: str
    calls: Sequence[ToolRequest] = ()
    finish: Literal["stop", "tool_calls", "length"] = "stop"
    extra: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[CodedError] = ()
    usage: Usage | None = None


Piece = str | Thought | Restart | Reply


class ModelError(CodedError):
    """The model gave no answer, or no more of it: what it said by then is kept, as a part."""


class ContextOverflowError(ModelError):
    """The conversation is longer than the model can read."""


class Model(Protocol):
    """A language model; `demo` is True for the built-in stand-in.

    `window` is how many tokens it reads at once, where that is known.
    Beside OpenAI's fields a `tool` message may have `media`: a list of `{"mime_type", "data"}`, in base64.
    """

    name: str
    demo: bool
    window: int | None

    def reply(self, messages: list[Message], tools: list[dict[str, Any]]) -> AsyncGenerator[Piece]:
        """Yield the answer piece by piece (`str`: its text), then exactly one Reply; or raise ModelError."""


class UnknownServerError(CodedError):
    """There is no server of this name in `mcp.json`."""

    def __init__(self, server: str) -> None:
        super().__init__("unknown_server", server=server)


class ToolChangedError(CodedError):
    """The tool is another than the one of this fingerprint, and was not called."""

    def __init__(self, server: str, tool: str) -> None:
        super().__init__("tool_changed", server=server, tool=tool)


class Tools(Protocol):
    """The part of a toolbox that the loop uses."""

    async def settled(self) -> None:
        """Wait until the tools are listed, but not long."""

    def tools(self) -> list[Tool]:
        """Return the tools that can be called now or soon."""

    def instructions(self) -> Mapping[str, str]:
        """Return what servers say about the use of their tools, by server."""

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
        asker: str | None,
        answers: Answers | None = None,
    ) -> ToolResult | Asked:
        """Call a tool. Failures are results, but for `UnknownServerError` and `ToolChangedError`.

        `confirmed` is what a person was shown and agreed to, such as `{"total": 1798.0}`; only a tool that
        honours keys is sent it. `asker` names the talk in which a person can be asked; without it the server
        is told that nobody can. What it asks comes instead of a result, and the same call with the `answers`
        goes on.
        """

    def release(self, key: str) -> bool:
        """End the call of this key if it is held for a person's answer, and say whether it was."""

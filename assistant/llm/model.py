"""Any OpenAI-compatible model, asked again in another way when its refusal says what it does not take."""

import asyncio
import importlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

from assistant.chat.history import Message
from assistant.chat.interfaces import Model, ModelError, Piece, Reply, Restart, Usage
from assistant.llm.credentials import is_near
from assistant.llm.lessons import Lessons
from assistant.llm.refusals import RefusedError
from assistant.llm.request import Lesson, Options, chat_request, unsensed
from assistant.llm.usage import priced
from serving.errors import CodedError

OPENAI = "https://api.openai.com/v1"
UNSENSED = {"image_url": "model_blind", "input_audio": "model_deaf"}  # what is said of an answer without them
MAX_REQUESTS = 10  # for one answer: each lesson may cost one
MAX_MISWRITTEN = 3  # of them, in which the model writes a call that its provider cannot read

TRIAL = "请调用一次 check 工具。"
CHECK = {"name": "check", "description": "检查工具调用", "parameters": {"type": "object", "properties": {}}}


class Provider(Protocol):
    """What `assistant.llm.client` is to this module, which imports it late."""

    def answer(self, request: Mapping[str, Any]) -> AsyncGenerator[Any]:
        """Stream the answer's chunks."""

    async def read(self, address: str) -> Any:
        """Return what stands at an address of the provider."""

    async def aclose(self) -> None:
        """Close the connections."""


async def load_client() -> None:
    """Import what a provider's client needs, in a thread, so that neither the start nor requests wait for it.

    `openai` takes 1.2 s, as long as all the rest of web.py.
    """
    await asyncio.to_thread(importlib.import_module, "assistant.llm.client")


@dataclass(eq=False)
class OpenAIModel:
    """A model at an OpenAI-compatible address."""

    name: str  # the model's name there
    api_key: str = field(repr=False)
    base_url: str | None = field(default=None, repr=False)  # None means OpenAI itself
    _: KW_ONLY
    temperature: float | None = 0.7  # left out for models that refuse it; None never sends one
    silence_seconds: float = 120.0  # until an answer begins, all tries together; then between two bytes of it
    retries: int = 2  # of a request that is answered with 408, 409, 429 or 5xx, or finds no connection
    toolless_seconds: float = 300.0  # until a model that refused tools, or a tool, is offered them again
    max_tokens: int | None = None  # of an answer, where the provider is to bound it
    vision: bool | None = None  # whether it is sent pictures; None means until it refuses one
    window: int | None = None  # how many tokens it reads at once, where the provider's list says it
    origin: str = ""  # told apart by it: models of one name at several providers
    _lessons: Lessons = field(default_factory=Lessons, init=False)
    _provider: Provider | None = field(default=None, init=False, repr=False)

    demo = False

    def _options(self) -> Options:
        mark = f"{self.origin}/{self.name}" if self.origin else self.name
        return Options(self.temperature, self.max_tokens, self.vision, self._lessons.current(), mark)

    async def read(self, address: str) -> Any:
        """Return what stands at an address of the provider, read as JSON. Raises ModelError."""
        return await (await self._opened()).read(address)

    async def reply(self, messages: list[Message], tools: list[dict[str, Any]]) -> AsyncGenerator[Piece]:
        """Ask the model, streaming; after a refusal with a lesson, ask again.

        Raises ModelError: there is no answer, or no more of it.
        """
        provider = await self._opened()
        from assistant.llm.answer import ReplyBuilder  # noqa: PLC0415  10 ms, as late as the client

        miswritten = 0
        for requests_left in reversed(range(MAX_REQUESTS)):
            options, left_out = self._options(), self._lessons.left_out(tools)
            offered = [tool for tool in tools if tool["function"]["name"] not in left_out]
            notes = [CodedError("tools_left_out", tools=", ".join(left_out))] if left_out else []
            if tools and "no_tools" in options.lessons:
                offered, notes = [], [CodedError("model_toolless", model=self.name)]
            kept = unsensed(messages, options.senses(self.name))
            of_answer = [CodedError(code, model=self.name) for kind, code in UNSENSED.items() if kind in kept]
            request_with = partial(_request, self.name, messages, offered, options)
            builder, is_shown = ReplyBuilder(options.mark, offered), False
            try:
                async with aclosing(provider.answer(request_with())) as pieces:
                    async for piece in pieces:
                        for part in builder.add(piece):
                            is_shown = is_shown or isinstance(part, str)
                            yield part
            except RefusedError as refusal:
                is_bad_call = refusal.code == "call_malformed"
                miswritten += is_bad_call
                if miswritten == MAX_MISWRITTEN or not requests_left:
                    raise
                if not is_bad_call and not self._lessons.learn(refusal, request_with, self.toolless_seconds):
                    raise
                if is_shown:
                    yield Restart()
            else:
                break
        for part in builder.end():
            if isinstance(part, Reply):
                said = [] if part.calls else of_answer
                usage = await self._priced(part.usage)
                yield replace(part, notes=(*notes, *said, *part.notes), usage=usage)
            else:
                yield part

    async def _priced(self, usage: Usage | None) -> Usage | None:
        if usage is None:
            return None
        self._lessons.has_counted = True
        if self._is_near():
            return usage
        await asyncio.to_thread(importlib.import_module, "genai_prices")
        usage, window = priced(usage, self.name, self.base_url or OPENAI)
        self.window = self.window or window
        return usage

    def _is_near(self) -> bool:
        return is_near(urlsplit(self.base_url or OPENAI).hostname or "")

    async def aclose(self) -> None:
        """Close the connections to the provider."""
        if self._provider is not None:
            await self._provider.aclose()

    async def _opened(self) -> Provider:
        if self._provider is None:
            await load_client()
            from assistant.llm.client import ProviderClient  # noqa: PLC0415  see load_client

            if not self._is_near():  # prices take time to load, too: while the provider answers
                loop = asyncio.get_running_loop()
                loop.run_in_executor(None, importlib.import_module, "genai_prices")

            try:
                self._provider = self._provider or ProviderClient(  # another question may have come first
                    self.base_url or OPENAI,  # the SDK would ask the environment otherwise
                    self.api_key,
                    silence_seconds=self.silence_seconds,
                    retries=self.retries,
                )
            except CodedError as error:  # the environment is wrong
                raise ModelError(error.code, **error.params) from error
        return self._provider


def _request(
    model: str, messages: list[Message], tools: list[dict[str, Any]], options: Options, *lessons: Lesson
) -> dict[str, Any]:
    options = replace(options, lessons={*options.lessons, *lessons})
    return chat_request(model, messages, [] if "no_tools" in lessons else tools, options)


async def failure_of(model: Model) -> CodedError | None:
    """Try a model out: return why it is not to be used here, or None where it calls a harmless tool."""
    has_called = False
    try:
        question = [{"role": "user", "content": TRIAL}]
        async for part in model.reply(question, [{"type": "function", "function": CHECK}]):
            has_called = isinstance(part, Reply) and bool(part.calls)
    except ModelError as error:
        return error
    return None if has_called else CodedError("model_calls_nothing")

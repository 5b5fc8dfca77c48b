"""Any OpenAI-compatible model behind the loop's seam; the quirks of providers end here."""

import asyncio
import importlib
import json
import logging
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import httpx

from chat import ContextOverflowError, ModelError, Reply, ToolRequest
from history import Message

if TYPE_CHECKING:  # it takes as long to import as all the rest of web.py: only when a model is asked
    import openai
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

log = logging.getLogger(__name__)

TOOLLESS = "（模型 {} 不支持工具调用，下面的回答没有查询过商店。）\n\n"
CONNECT_TIMEOUT = 10.0  # seconds
SILENCE_TIMEOUT = 120.0  # seconds without a byte; a model that reasons may be long in coming
RETRIES = 2  # of a request that was refused with 408, 409, 429 or 5xx, after the Retry-After it names

OVERFLOW = re.compile(
    r"context.{0,20}(length|window|size)|too many tokens|prompt is too long|maximum.{0,20}tokens",
    re.IGNORECASE,
)
NO_TOOLS = re.compile(
    r"(does not|doesn't|endpoints found that) support (the use of )?(tools?|function calling|functions)\b",
    re.IGNORECASE,
)

ADVICE = {
    400: "模型服务不接受这次请求",
    401: "模型服务不接受这个密钥，请检查 OPENAI_API_KEY 和 OPENAI_API_BASE",
    402: "模型服务的余额不足，请充值，或换一个 OPENAI_API_KEY",
    403: "模型服务拒绝了这个密钥，请检查它的权限",
    404: "模型服务没有这个模型或地址，请检查 LLM_MODEL 和 OPENAI_API_BASE",
    429: "模型服务请求太多或额度用完，请稍后再试",
}


class OpenAIModel:
    """A model at an OpenAI-compatible address; `base_url` None means OpenAI itself."""

    demo = False

    def __init__(self, name: str, api_key: str, base_url: str | None = None) -> None:
        self.name = name
        self._api_key = api_key
        self._base_url = base_url
        self._client: openai.AsyncOpenAI | None = None
        self._has_tools = True

    async def reply(
        self, messages: list[Message], tools: list[dict[str, Any]]
    ) -> AsyncGenerator[str | Reply]:
        """Ask the model, streaming; one that answers a stream with a whole answer is understood too.

        Raises:
            ModelError: With a sentence that says what to do.
        """
        await asyncio.to_thread(importlib.import_module, "openai")  # two seconds, the first time
        import openai  # noqa: PLC0415  see above

        asked: dict[str, Any] = {"model": self.name, "messages": messages}
        if tools and self._has_tools:
            asked |= {"tools": tools, "tool_choice": "auto"}
        gathered = _Gathered()
        try:
            async with await self._open(asked) as stream:
                if tools and not self._has_tools:
                    yield gathered.add(TOOLLESS.format(self.name))
                async for chunk in stream:
                    if text := gathered.take(chunk):
                        yield text
            if gathered.empty:
                log.info("%s gave no stream; asking for a whole answer", self.name)
                whole = await self._connect().chat.completions.create(**asked)
                if text := gathered.take_whole(whole):
                    yield text
        except openai.APIStatusError as error:
            if error.status_code != 429 and OVERFLOW.search(f"{error.code} {error.message}"):
                raise ContextOverflowError(
                    f"对话太长，模型读不下了，请开始新对话：{error.message[:300]}"
                ) from error
            raise ModelError(_advice(error.status_code, error.message)) from error
        except openai.APITimeoutError as error:
            raise ModelError("模型服务没有及时回答，请稍后再试") from error
        except openai.APIConnectionError as error:
            host = self._connect().base_url.host  # of the address no more: it may hold a password
            raise ModelError(f"连不上模型服务 {host}，请检查 OPENAI_API_BASE") from error
        except (openai.OpenAIError, httpx.HTTPError, ValueError) as error:  # within a stream, or no JSON
            raise ModelError(f"模型服务的回答中断了：{error}") from error
        yield gathered.reply()

    async def _open(self, asked: dict[str, Any]) -> "openai.AsyncStream[ChatCompletionChunk]":
        """Begin a stream; a model that refuses tools is asked without them, from then on."""
        import openai  # noqa: PLC0415  see above

        completions = self._connect().chat.completions
        try:
            stream: openai.AsyncStream[ChatCompletionChunk] = await completions.create(**asked, stream=True)
        except openai.APIStatusError as error:
            if "tools" not in asked or not NO_TOOLS.search(error.message):
                raise
            self._has_tools = False
            del asked["tools"], asked["tool_choice"]
            stream = await completions.create(**asked, stream=True)
        return stream

    async def aclose(self) -> None:
        """Close the connections to the provider."""
        if self._client is not None:
            await self._client.close()

    def _connect(self) -> "openai.AsyncOpenAI":
        if self._client is None:
            import openai  # noqa: PLC0415  see above

            patience = openai.Timeout(SILENCE_TIMEOUT, connect=CONNECT_TIMEOUT)
            self._client = openai.AsyncOpenAI(
                api_key=self._api_key, base_url=self._base_url, timeout=patience, max_retries=RETRIES
            )
        return self._client


@dataclass
class _Fragments:
    """A tool call as it comes in, piece by piece."""

    id: str | None
    name: str = ""
    arguments: str = ""

    def is_whole(self) -> bool:
        try:
            json.loads(self.arguments)
        except ValueError:
            return False
        return True


@dataclass
class _Gathered:
    """An answer as it comes in."""

    text: str = ""
    reasoning: str = ""
    calls: list[_Fragments] = field(default_factory=list)
    open: dict[int, _Fragments] = field(default_factory=dict)
    finish: str | None = None
    empty: bool = True

    def take(self, chunk: "ChatCompletionChunk") -> str:
        """Add a chunk and return its text; keep-alive chunks have no choices."""
        self.empty = False
        choices = getattr(chunk, "choices", None)  # a stray `data: null` comes as None
        if not choices:
            return ""
        self.finish = choices[0].finish_reason or self.finish
        return self._add(choices[0].delta)

    def take_whole(self, answer: "ChatCompletion") -> str:
        """Add an answer that came in one piece and return its text."""
        choices = getattr(answer, "choices", None)  # a page of HTML comes as plain text
        if not choices:
            problem = getattr(answer, "error", None) or "不是聊天补全的 JSON，请检查 OPENAI_API_BASE"
            raise ValueError(str(problem)[:300])
        self.finish = choices[0].finish_reason
        return self._add(choices[0].message)

    def _add(self, delta: Any) -> str:
        """Add a delta or a message; some send a last one that is null."""
        for position, piece in enumerate(getattr(delta, "tool_calls", None) or ()):
            self._add_call(piece, position)
        # DeepSeek's field, taken over by others: it has to come back in the next request
        self.reasoning += _text(getattr(delta, "reasoning_content", None))
        return self.add(_text(getattr(delta, "content", None)))

    def add(self, text: str) -> str:
        """Add text of the answer and return it."""
        self.text += text
        return text

    def _add_call(self, piece: Any, position: int) -> None:
        """Add a piece of a call. The index may be missing or always 0, and so may the id."""
        index = getattr(piece, "index", None)
        index = position if index is None else index
        name = _text(getattr(piece.function, "name", None))
        arguments = _text(getattr(piece.function, "arguments", None))
        call = self.open.get(index)
        if call is None or _is_another(call, piece.id, name, arguments):
            call = self.open[index] = _Fragments(piece.id)
            self.calls.append(call)
        if name and call.name != name:
            call.name += name
        call.arguments += arguments

    def reply(self) -> Reply:
        """Return the whole answer; one that ended in the middle of arguments counts as cut off."""
        if self.finish == "content_filter":
            raise ModelError("模型服务的内容审查拦下了这个回答")
        torn = any(call.arguments and not call.is_whole() for call in self.calls)
        finish: Literal["stop", "tool_calls", "length"] = "tool_calls" if self.calls else "stop"
        if self.finish == "length" or (self.finish is None and torn):
            finish = "length"
        extra = {"reasoning_content": self.reasoning} if self.reasoning else {}
        calls = tuple(ToolRequest(call.name, call.arguments) for call in self.calls)
        return Reply(self.text, calls, finish, extra)


def _is_another(call: _Fragments, piece_id: str | None, name: str, arguments: str) -> bool:
    """Whether a piece with this index begins a new call."""
    if piece_id and call.id and piece_id != call.id:
        return True
    if name and call.is_whole() and arguments.lstrip().startswith("{"):
        return True  # ids may repeat, but no call goes on after its arguments have ended
    return bool(name and call.name and name != call.name and not piece_id and not call.arguments)


def _text(value: Any) -> str:
    """Return what should be a text and may come as parts (Mistral) or as an object (Ollama's dialects)."""
    match value:
        case None:
            text = ""
        case str():
            text = value
        case list():
            text = "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
        case _:
            text = json.dumps(value, ensure_ascii=False)
    return text.encode(errors="replace").decode()  # half a character, which JSON can spell, becomes a mark


def _advice(status: int, message: str) -> str:
    if status >= 500:
        return f"模型服务暂时不可用 ({status})，请稍后再试"
    return f"{ADVICE.get(status, '模型服务拒绝了这次请求')} ({status})：{message[:300]}"

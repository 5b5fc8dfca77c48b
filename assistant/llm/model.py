"""Any OpenAI-compatible model behind the loop's seam: asked, asked again, and its refusals explained."""

import asyncio
import importlib
import logging
import re
import time
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from assistant.chat.history import Message
from assistant.chat.interfaces import ContextOverflowError, ModelError, Reply
from assistant.llm.answer import Answer
from assistant.llm.request import Want, acceptable, for_model
from serving.addresses import is_loopback

if TYPE_CHECKING:  # it takes as long to import as all the rest of web.py: only when a model is asked
    import openai
    from openai.types.chat import ChatCompletionChunk

log = logging.getLogger(__name__)

OPENAI = "https://api.openai.com/v1"
TOOLLESS = "（模型 {} 不支持工具调用，下面的回答没有查询过商店。）\n\n"
MAX_LESSONS = 4  # requests until a model has said all that it wants otherwise
TOOLLESS_TIME = 300.0  # seconds until a model that refused tools is offered some again: it may have passed
CONNECT_TIMEOUT = 10.0  # seconds
SILENCE_TIMEOUT = 120.0  # seconds until an answer begins, all tries together; then, without a byte of it
RETRIES = 2  # of a request that was refused with 408, 409, 429 or 5xx, or found no connection
LONGEST_PAUSE = 20.0  # seconds before another try; who is told to wait longer is told so, not kept waiting

OVERFLOW = re.compile(
    r"context.{0,20}(length|window|size|limit)|too many tokens|(prompt|input|request) (is )?too (long|large)"
    r"|maximum.{0,20}tokens|max message tokens|range of input length|input length.{0,20}exceed",
    re.IGNORECASE,
)
NO_TOOLS = re.compile(
    r"(does not|doesn't|endpoints found that) support "
    r"(the use of )?(tools?|tool use|function calling|functions)\b"
    r"|(tools?`?|tool calling|tool use|function calling) (is|are) not (supported|enabled)"
    r"|--enable-auto-tool-choice",
    re.IGNORECASE,
)
# What a refusal says that the model wants; DeepSeek's and Kimi's, Mistral's.
WANTS: dict[Want, re.Pattern[str]] = {
    "reasoning": re.compile(
        r"missing.{0,5}reasoning_content|reasoning_content.{0,40}(is missing|must be)", re.IGNORECASE
    ),
    "bridge": re.compile(r"role.{0,3}user.{0,3}after role.{0,3}tool", re.IGNORECASE),
}

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
        self._base_url = base_url or OPENAI  # said to the SDK, which would ask the environment else
        self._client: openai.AsyncOpenAI | None = None
        self._toolless_until = 0.0  # time.monotonic()
        self._wants: set[Want] = set()

    async def reply(
        self, messages: list[Message], tools: list[dict[str, Any]]
    ) -> AsyncGenerator[str | Reply]:
        """Ask the model, streaming; one that answers a stream with a whole answer is understood too.

        Raises:
            ModelError: With a sentence that says what to do.
        """
        await asyncio.to_thread(importlib.import_module, "openai")  # two seconds, the first time
        import openai  # noqa: PLC0415  see above

        answer = Answer(self.name)
        try:
            async with await self._begin(messages, tools) as stream:
                if tools and not self._takes_tools():
                    yield answer.say(TOOLLESS.format(self.name))
                async for chunk in stream:
                    if text := answer.take(chunk):
                        yield text
            if not answer.has_begun:
                log.info("%s gave no stream; asking for a whole answer", self.name)
                if text := answer.take_whole(await self._create(self._asked(messages, tools))):
                    yield text
        except (openai.OpenAIError, TimeoutError, ValueError) as error:  # ValueError: it is no JSON
            raise self._explained(error, answer.has_begun) from error
        if text := answer.rest():
            yield text
        yield answer.reply()

    async def aclose(self) -> None:
        """Close the connections to the provider."""
        if self._client is not None:
            await self._client.close()

    def _takes_tools(self) -> bool:
        return time.monotonic() >= self._toolless_until

    def _asked(self, messages: list[Message], tools: list[dict[str, Any]]) -> dict[str, Any]:
        with_tools = bool(tools) and self._takes_tools()
        asked: dict[str, Any] = {
            "model": self.name,
            "messages": for_model(self.name, messages, with_tools=with_tools, wants=self._wants),
        }
        if with_tools:
            asked |= {"tools": [acceptable(tool) for tool in tools], "tool_choice": "auto"}
        return asked

    async def _begin(
        self, messages: list[Message], tools: list[dict[str, Any]]
    ) -> "openai.AsyncStream[ChatCompletionChunk]":
        """Begin a stream; what a refusal tells of the model is heeded, and the request made anew."""
        import openai  # noqa: PLC0415  see above

        for _ in range(MAX_LESSONS):
            asked = self._asked(messages, tools)
            try:
                stream: openai.AsyncStream[ChatCompletionChunk] = await self._create(asked | {"stream": True})
            except openai.APIStatusError as error:
                if not self._learns(error.message, "tools" in asked):
                    raise
            else:
                return stream
        raise ModelError(ADVICE[400])

    def _learns(self, refusal: str, had_tools: bool) -> bool:
        """Note what a refusal tells of the model; say whether it is anything new."""
        if had_tools and NO_TOOLS.search(refusal):
            self._toolless_until = time.monotonic() + TOOLLESS_TIME
            return True
        new = {want for want, pattern in WANTS.items() if pattern.search(refusal)} - self._wants
        self._wants |= new
        return bool(new)

    async def _create(self, asked: dict[str, Any]) -> Any:
        """Send a request, again where that may help; within one bound, however often and long it waits."""
        import stamina  # noqa: PLC0415  see above

        async with asyncio.timeout(SILENCE_TIMEOUT):
            async for attempt in stamina.retry_context(
                on=_try_again, attempts=RETRIES + 1, timeout=None, wait_initial=0.5, wait_jitter=0.5
            ):
                with attempt:
                    return await self._connect().chat.completions.create(**asked)
        raise AssertionError("stamina ends with a return or an exception")

    def _connect(self) -> "openai.AsyncOpenAI":
        if self._client is None:
            import openai  # noqa: PLC0415  see above

            is_local = is_loopback(urlsplit(self._base_url).hostname or "")
            self._client = openai.AsyncOpenAI(
                api_key=self._api_key,
                base_url=self._base_url,
                timeout=openai.Timeout(SILENCE_TIMEOUT, connect=CONNECT_TIMEOUT),
                max_retries=0,
                # A proxy of the environment cannot reach a model on this machine.
                http_client=openai.DefaultAsyncHttpxClient(trust_env=False) if is_local else None,
            )
        return self._client

    def _explained(self, error: Exception, has_begun: bool) -> ModelError:
        """Say in a sentence what went wrong, and what to do."""
        import openai  # noqa: PLC0415  see above

        broke_off = "模型服务的回答中断了"
        if isinstance(error, openai.APIError) and not has_begun and _is_overflow(error):
            return ContextOverflowError(f"对话太长，模型读不下了，请开始新对话：{error.message[:300]}")
        if has_begun and isinstance(error, openai.APIConnectionError):  # a timeout is one, too
            return ModelError(f"{broke_off}，请再试一次")
        match error:
            case openai.APIStatusError():
                return ModelError(_advice(error))
            case openai.APITimeoutError() | TimeoutError():
                return ModelError("模型服务没有及时回答，请稍后再试")
            case openai.APIConnectionError():
                host = urlsplit(self._base_url).hostname  # of the address no more: it may hold a password
                return ModelError(f"连不上模型服务 {host}，请检查 OPENAI_API_BASE")
        return ModelError(f"{broke_off}：{error}")


def _try_again(error: Exception) -> bool | float:
    """Tell stamina whether to try again, and after how many seconds where the provider says so."""
    import openai  # noqa: PLC0415  see above

    if isinstance(error, openai.APIStatusError):
        if error.code == "insufficient_quota":  # a 429 of OpenAI's that no waiting mends
            return False
        seconds = _retry_after(error)
        passes = error.status_code in (408, 409, 429) or error.status_code >= 500
        if not passes or (seconds is not None and seconds > LONGEST_PAUSE):
            return False
        return seconds or True
    return isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError)


def _retry_after(error: "openai.APIStatusError") -> float | None:
    """Return the seconds that the provider wants to be left alone; a date, which none sends, is not read."""
    named = error.response.headers.get("Retry-After", "")
    return float(named) if re.fullmatch(r"\d{1,6}(\.\d*)?", named) else None


def _is_overflow(error: "openai.APIError") -> bool:
    is_busy = getattr(error, "status_code", None) == 429  # "too many tokens per minute"
    return not is_busy and bool(OVERFLOW.search(f"{error.code} {error.message}"))


def _advice(error: "openai.APIStatusError") -> str:
    status, seconds = error.status_code, _retry_after(error)
    when = f" {seconds:.0f} 秒后" if seconds else "稍后"
    if status >= 500:
        return f"模型服务暂时不可用 ({status})，请{when}再试"
    advice = ADVICE.get(status, "模型服务拒绝了这次请求").replace("稍后", when)
    return f"{advice} ({status})：{error.message[:300]}"

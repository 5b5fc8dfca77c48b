"""The provider over HTTP: sent, sent again, and its failures as codes. All that needs `openai` is here."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import openai
import stamina
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from assistant.chat.interfaces import ContextOverflowError, ModelError
from assistant.llm.refusals import MAX_REASON, is_overflow, refused
from serving.addresses import is_loopback

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
MAX_PAUSE_SECONDS = 20.0  # before another try; a provider that asks for more is not waited for


class ProviderClient:
    """The provider at `base_url`; for the limits see `OpenAIModel`."""

    def __init__(self, base_url: str, api_key: str, *, silence_seconds: float, retries: int) -> None:
        self._host = urlsplit(base_url).hostname or ""  # no more of the address: it may hold a password
        self._silence_seconds = silence_seconds
        self._retrying = stamina.AsyncRetryingCaller(
            attempts=retries + 1, timeout=None, wait_initial=0.5, wait_jitter=0.5
        )
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            timeout=openai.Timeout(silence_seconds, connect=CONNECT_SECONDS),
            max_retries=0,
            # A proxy of the environment cannot reach a model on this machine.
            http_client=openai.DefaultAsyncHttpxClient(trust_env=False) if is_loopback(self._host) else None,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def answer(
        self, request: Mapping[str, Any]
    ) -> AsyncGenerator[ChatCompletionChunk | ChatCompletion]:
        """Stream the answer's chunks; a provider that does not stream gives a whole answer.

        Raises ModelError: there is no answer, or no more of it.
        """
        begun = False
        try:
            async with await self._send({**request, "stream": True}) as stream:
                async for chunk in stream:
                    begun = True
                    yield chunk
            if not begun:
                log.info("%s 没有流式回答，改为请求完整的回答", request["model"])
                yield _checked(await self._send(request))
        except (openai.OpenAIError, TimeoutError, ValueError) as error:  # ValueError: not JSON
            raise self._model_error(error, begun) from error

    async def _send(self, request: Mapping[str, Any]) -> Any:
        async with asyncio.timeout(self._silence_seconds):
            create: Callable[..., Awaitable[Any]] = self._client.chat.completions.create
            return await self._retrying(_try_again, create, **request)

    def _model_error(self, error: Exception, begun: bool) -> ModelError:
        match error:
            case openai.APIStatusError():
                return refused(error.status_code, error.code, error.message, _retry_after(error))
            case openai.APIConnectionError() if begun:  # a timeout is one, too
                return ModelError("model_broke_off")
            case openai.APITimeoutError() | TimeoutError():
                return ModelError("model_late")
            case openai.APIConnectionError():
                return ModelError("model_unreachable", host=self._host)
            case openai.APIError() if not begun and is_overflow(error.code, error.message):
                return ContextOverflowError("context_overflow", reason=error.message[:MAX_REASON])
        return ModelError("model_failed", reason=str(error)[:MAX_REASON])


def _checked(answer: Any) -> ChatCompletion:
    """Return a whole answer if it is one: the SDK passes on whatever came."""
    if isinstance(answer, ChatCompletion) and getattr(answer, "choices", None):
        return answer
    if problem := getattr(answer, "error", None):
        raise ModelError("model_failed", reason=str(problem)[:MAX_REASON])
    raise ModelError("model_not_chat")


def _try_again(error: Exception) -> bool | float:
    """Tell stamina whether to try again, and after how many seconds if the provider says so."""
    if isinstance(error, openai.APIStatusError):
        if error.code == "insufficient_quota":  # a 429 of OpenAI's that waiting does not cure
            return False
        seconds = _retry_after(error)
        passes = error.status_code in (408, 409, 429) or error.status_code >= 500
        if not passes or (seconds is not None and seconds > MAX_PAUSE_SECONDS):
            return False
        return seconds or True
    return isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError)


def _retry_after(error: openai.APIStatusError) -> float | None:
    """Return the pause that the provider asks for, in seconds; a date, which none sends, is not read."""
    value = error.response.headers.get("Retry-After", "")
    return float(value) if re.fullmatch(r"\d{1,6}(\.\d*)?", value) else None

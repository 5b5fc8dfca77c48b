"""The provider over HTTP: sent, sent again, and its failures as codes. All that needs `openai` is here."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import openai
import stamina

from assistant.chat.interfaces import ModelError
from assistant.llm.calls import list_of
from assistant.llm.pauses import pause_in, pause_of
from assistant.llm.refusals import complaint, reason_of, refused, true_code
from assistant.llm.stream import DOCUMENT, events
from serving import network, tracing
from serving.answer_bounds import ACCEPTED, MAX_BODY, bounded, read_json
from serving.redaction import is_secret_name, remember

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
MAX_PAUSE_SECONDS = 20.0  # before another try; a provider that asks for more is not waited for
FAILURES = (openai.OpenAIError, httpx2.RequestError, httpx2.InvalidURL, TimeoutError)
ENDS = ("done", "end", "complete", "finish")  # names of events; OpenAI's end is their data
ALIVE = re.compile(rb"\W*(\w+ )?(keep-?alive|ping|pong|heartbeat|processing)?\W*", re.IGNORECASE)
MAX_ALIVE = 40  # characters
DRAIN_SECONDS = 0.1  # for what follows the last event: read to its end, a connection can be used again


class ProviderClient:
    """The provider at `base_url`; for the limits see `OpenAIModel`.

    Raises CodedError: the environment names a proxy that is none.
    """

    def __init__(self, base_url: str, api_key: str, *, silence_seconds: float, retries: int) -> None:
        address = urlsplit(base_url)
        secrets = [value for name, value in parse_qsl(address.query) if is_secret_name(name)]
        remember(api_key, address.password or "", *secrets)
        self._base_url = base_url
        self._host = address.hostname or ""  # no more of the address is told: it may hold a password
        proxy = network.proxy_for(base_url)
        self._silence_seconds = silence_seconds
        self._retrying = stamina.AsyncRetryingCaller(
            attempts=retries + 1, timeout=None, wait_initial=0.5, wait_jitter=0.5
        )
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            timeout=openai.Timeout(silence_seconds, connect=CONNECT_SECONDS),
            max_retries=0,
            default_headers={"Accept-Encoding": ACCEPTED},
            http_client=openai.DefaultAsyncHttpxClient(
                event_hooks={"response": [_stay, bounded(ModelError)]},
                proxy=proxy.url if proxy else None,
                trust_env=False,
                verify=network.trusted(),
            ),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def read(self, address: str) -> Any:
        """Return what stands at an address of the provider, read as JSON. Raises ModelError."""
        try:
            async with asyncio.timeout(self._silence_seconds):
                return await self._client.get(address, cast_to=object)
        except (*FAILURES, ValueError, RecursionError) as error:  # it says that it is JSON, and is none
            raise self._model_error(error, begun=False) from error

    async def answer(self, request: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """Stream the answer's chunks, and `{"done": True}` where the provider says that it is all.

        A provider that does not stream gives a whole answer; one that says nothing is asked for one.
        Raises ModelError: there is no answer, or no more of it.
        """
        begun = is_over = False
        word: ModelError | None = None  # of a queue perhaps: a failure if no answer follows, or no end of it
        try:
            whole = {name: value for name, value in request.items() if name != "stream_options"}
            streamed = [] if request.get("stream") is False else [{**request, "stream": True}]
            for asked in (*streamed, whole):
                async with aclosing(self._chunks(asked)) as chunks:
                    async for chunk in chunks:
                        if problem := complaint(chunk, begun=begun):
                            if problem.code != "model_failed" or chunk.get("error"):
                                raise problem
                            word = word or problem
                            continue
                        if chunk.get("choices") and not begun:
                            begun, word = True, None
                        yield chunk
                        is_over = is_over or _has_finished(chunk)
                if word is not None and not is_over:
                    raise word
                if begun:
                    return
                log.info("%s 没有流式回答，改为请求完整的回答", request["model"])
        except FAILURES as error:
            if is_over:  # and only the connection was not ended as it should be
                return
            raise self._model_error(error, begun) from error
        raise ModelError("model_not_chat", reason="")

    async def _chunks(self, request: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        with tracing.aside(f"chat {request['model']}"):
            async with (
                self._sent(request) as response,
                aclosing(events(response.aiter_bytes(), MAX_BODY)) as told,
            ):
                is_first = True
                async for name, data in told:
                    if data.strip(b' "').startswith(b"[DONE]") or name in ENDS:
                        yield {"done": True}
                        break
                    if len(data) > MAX_ALIVE or not ALIVE.fullmatch(data):
                        yield await _chunk(name if is_first or name != DOCUMENT else "", data)
                        is_first = False
                with suppress(TimeoutError, httpx2.RequestError, ModelError):  # all has been said
                    async with asyncio.timeout(DRAIN_SECONDS):
                        async for _ in told:
                            pass

    @asynccontextmanager
    async def _sent(self, request: dict[str, Any]) -> AsyncIterator[httpx2.Response]:
        async def send() -> httpx2.Response:
            # Not by `chat.completions.create`, which first goes through all of the conversation by its types.
            return await self._client.post(
                "/chat/completions", body=request, cast_to=httpx2.Response, stream=True
            )

        async with asyncio.timeout(self._silence_seconds):
            response = await self._retrying(_try_again, send)
        async with aclosing(response):
            yield response

    def _model_error(self, error: Exception, begun: bool) -> ModelError:
        match error:
            case openai.APIStatusError():
                is_own = isinstance(error.body, dict)  # a proxy answers with a page, or nothing
                proxys = None if is_own else network.refusal(error.status_code, self._base_url)
                if proxys:
                    return ModelError(proxys.code, **proxys.params)
                return refused(error.status_code, error.body, _pause(error))
            case httpx2.DecodingError():
                return ModelError("model_failed", reason=reason_of(str(error)))
            case openai.APIConnectionError() | httpx2.RequestError() if begun:  # a timeout is one, too
                return ModelError("model_broke_off")
            case openai.APITimeoutError() | httpx2.TimeoutException() | TimeoutError():
                return ModelError("model_late")
            case openai.APIConnectionError() | httpx2.RequestError():
                if cause := network.failure(error, self._base_url):
                    return ModelError(cause.code, **cause.params)
                return ModelError("model_unreachable", host=self._host)
        return ModelError("model_failed", reason=reason_of(str(error)))


def _has_finished(chunk: Mapping[str, Any]) -> bool:
    choices = list_of(chunk.get("choices"))
    return any(isinstance(choice, dict) and choice.get("finish_reason") for choice in choices)


async def _stay(response: httpx2.Response) -> None:
    """Follow no redirect to another host: the conversation, and perhaps the key, would go there."""
    if not response.has_redirect_location:
        return
    here, there = response.request.url, response.request.url.join(response.headers["Location"])
    is_upgrade = (here.scheme, there.scheme, here.port, there.port) == ("http", "https", None, None)
    if here.host != there.host or ((here.scheme, here.port) != (there.scheme, there.port) and not is_upgrade):
        raise ModelError("model_redirected", host=there.host)


async def _chunk(name: str, data: bytes) -> dict[str, Any]:
    """Return an event as a chunk, empty where it says nothing. Raises ModelError: it is no chat at all."""
    chunk: Any = {"error": data.decode(errors="replace")}
    is_read = True
    try:
        chunk = await read_json(data)
    except ValueError as error:
        is_read = False
        if name != DOCUMENT and data.lstrip().startswith(b"{"):  # an event that breaks off says nothing
            raise ModelError("model_broke_off") from error
    if isinstance(chunk, list) and len(chunk) == 1:  # Gemini's failures
        [chunk] = chunk
    if name == "error" and not (isinstance(chunk, dict) and chunk.get("error")):
        return {"error": chunk}
    found: dict[str, Any] = chunk if isinstance(chunk, dict) else {}  # a stray `null` says nothing
    if name == DOCUMENT and not (is_read and (found.get("choices") or complaint(found, begun=False))):
        raise ModelError("model_not_chat", reason=reason_of(data.decode(errors="replace")))
    return found


def _try_again(error: Exception) -> bool | float:
    """Tell stamina whether to try again, and after how many seconds if the provider says so."""
    if isinstance(error, openai.APIStatusError):
        if true_code(error.status_code, error.body) is not None:
            return False
        seconds = _pause(error)
        passes = error.status_code in (408, 409, 429) or error.status_code >= 500
        if not passes or (seconds is not None and seconds > MAX_PAUSE_SECONDS):
            return False
        return seconds or True
    return isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError)


def _pause(error: openai.APIStatusError) -> float | None:
    """Return the pause that the provider asks for, in seconds."""
    in_header = pause_in(error.response.headers)
    return pause_of(json.dumps(error.body, ensure_ascii=False)) if in_header is None else in_header

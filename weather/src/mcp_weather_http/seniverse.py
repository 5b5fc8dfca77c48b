"""The client of Seniverse (心知天气): shares equal requests, caches answers, explains failures."""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import httpx
from pydantic import AliasPath, BaseModel, Field, FiniteFloat, TypeAdapter, ValidationError

BASE_URL = "https://api.seniverse.com"
TIMEOUT_SECONDS = 10.0  # for one call, including its second attempt
RETRY_PAUSE_SECONDS = 0.3  # before the second attempt
# Our choice: Seniverse publishes no update interval for `now.json` (as of November 2026). Every answer
# carries its `last_update`, so its age is visible.
CACHE_SECONDS = 600.0
MAX_CACHED = 1_000  # cities
MAX_BYTES = 1024 * 1024  # of an answer, unpacked; one has about 300

# Error codes of Seniverse's v3 API, from its documentation (docs.seniverse.com/api/start/error-code.html,
# November 2026), sent with status 403, 404 or 500. Those that a GET of `now.json` with a key in the query
# rarely gets (signatures, JSONP, user agents, traffic, tides) have the sentence `_OTHER`.
_REFUSALS = {
    "AP010002": "心知天气：这个 API 密钥没有权限访问天气实况接口",
    "AP010003": "心知天气不认这个 API 密钥，请检查 --api-key 或 SENIVERSE_API_KEY（要填私钥）",
    "AP010006": "心知天气：这个 API 密钥没有权限查询“{city}”的天气",
    "AP010010": "心知天气没有“{city}”这个地点，请换一种写法：中文名、拼音或英文名",
    "AP010011": "心知天气查不到“{city}”这个 IP 地址对应的城市",
    "AP010012": "心知天气的服务已经过期，请在它的控制台续费",
    "AP010013": "心知天气的访问量余额不足，请在它的控制台购买",
    "AP010014": "访问心知天气的频率超过限制，请过一会儿再试",
    "AP010017": "心知天气：坐标“{city}”超出支持的范围",
}
_INTERNAL = "心知天气内部出了问题（{code}），请稍后再试"
_OTHER = "心知天气拒绝了请求（{code}）"
_TORN = "心知天气的回答不完整、太长或者不是 HTTP，请稍后再试"
_STOPPING = "天气服务正在停止，这次查询没有完成"


class WeatherError(Exception):
    """The weather could not be fetched; the text is a sentence for the person who asked."""


_JSON: TypeAdapter[Any] = TypeAdapter(Any)


def _field(description: str, *path: str) -> Any:
    """Describe a field that stands at this path of the first result of Seniverse's answer."""
    return Field(description=description, validation_alias=AliasPath("results", 0, *path))


class Weather(BaseModel):
    """The current weather of one city."""

    city: str = _field("城市名称", "location", "name")
    text: str = _field("天气现象，如 多云", "now", "text")
    code: str = _field("天气现象代码，如 4（多云），99 为未知", "now", "code")
    temperature: FiniteFloat = _field("气温，°C", "now", "temperature")  # a string on the wire: "14"
    last_update: str = _field("数据更新时间，ISO 8601，该城市的当地时间", "last_update")


class Seniverse:
    """A client of Seniverse's v3 API, to be used within `async with`.

    Concurrent calls for one city share one request, which goes on when one of the callers is cancelled.

    Raises ValueError, ImportError, OSError or httpx.InvalidURL: the environment names a proxy or certificates
    that cannot be used.

    Args:
        api_key: The private key of a Seniverse account.
        base_url: The address of the API, without `/v3`.
        timeout_seconds: The longest time for one call, including its second attempt.
        cache_seconds: How long an answer is given again without a request.
        max_cached: The most cities in the cache; the oldest entry is dropped.
        clock: Returns the seconds that `cache_seconds` counts.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = BASE_URL,
        timeout_seconds: float = TIMEOUT_SECONDS,
        cache_seconds: float = CACHE_SECONDS,
        max_cached: int = MAX_CACHED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url,
            params={"key": api_key, "language": "zh-Hans", "unit": "c"},
            timeout=timeout_seconds,
        )
        self._timeout_seconds = timeout_seconds
        self._cache_seconds, self._max_cached, self._clock = cache_seconds, max_cached, clock
        # By city, the oldest first: until when a request's answer is given again, and the request, also while
        # it is in flight.
        self._requests: OrderedDict[str, tuple[float, asyncio.Task[Weather]]] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        await self._http.aclose()

    async def stop(self) -> None:
        """End all calls in flight with a WeatherError."""
        requests = [request for _, request in self._requests.values()]
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)

    async def now(self, city: str) -> Weather:
        """Return the current weather of a city, named in Chinese, pinyin or English.

        Raises:
            WeatherError: Seniverse has none, refuses, does not answer, or cannot be reached.
        """
        key = city.casefold()
        expires, request = self._requests.get(key, (0.0, None))
        if request is None or (request.done() and self._clock() >= expires):
            request = self._start(key, city)
        await asyncio.wait({request})  # which leaves it running when this caller is cancelled
        if request.cancelled():
            raise WeatherError(_STOPPING)
        return request.result()

    def _start(self, key: str, city: str) -> asyncio.Task[Weather]:
        request = asyncio.create_task(self._fetch(city))
        self._requests[key] = (self._clock() + self._cache_seconds, request)
        self._requests.move_to_end(key)

        def keep(done: asyncio.Task[Weather]) -> None:
            """Keep an answer, in the place of the oldest one where there are too many; no failure."""
            # Read here, an exception is not logged where all callers were cancelled.
            if done.cancelled() or done.exception():
                self._requests.pop(key, None)
            elif len(self._requests) > self._max_cached:
                del self._requests[next(city for city, (_, each) in self._requests.items() if each.done())]

        request.add_done_callback(keep)
        return request

    async def _fetch(self, city: str) -> Weather:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return _weather(*await self._get(city), city)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise WeatherError(f"心知天气在 {self._timeout_seconds:g} 秒内没有回答，请稍后再试") from error
        except (httpx.ProtocolError, httpx.DecodingError) as error:
            raise WeatherError(_TORN) from error
        except httpx.HTTPError as error:
            raise WeatherError(f"连不上心知天气（{self._http.base_url.host}），请检查网络") from error

    async def _get(self, city: str) -> tuple[int, bytes]:
        """GET, once more after a lost connection or a status from 500 on.

        A refusal or a timeout is not repeated: that would cost quota or time and change nothing.
        """
        with suppress(httpx.NetworkError, httpx.RemoteProtocolError):
            status, content = await self._read(city)
            if status < 500:
                return status, content
        await asyncio.sleep(RETRY_PAUSE_SECONDS)
        return await self._read(city)

    async def _read(self, city: str) -> tuple[int, bytes]:
        content = bytearray()
        async with self._http.stream("GET", "/v3/weather/now.json", params={"location": city}) as response:
            async for part in response.aiter_bytes():
                content += part
                if len(content) > MAX_BYTES:
                    raise WeatherError(_TORN)
        return response.status_code, bytes(content)


def _weather(status: int, content: bytes, city: str) -> Weather:
    """Parse an answer; raise WeatherError for a refusal or an unexpected body."""
    if status == 429:  # sent by a gateway; Seniverse itself answers 403 with a code
        raise WeatherError(_REFUSALS["AP010014"])
    try:
        body = _JSON.validate_json(content)  # refuses what is nested deeply, and text that cannot be sent on
    except ValueError as error:
        raise WeatherError(f"心知天气的回答不是 JSON（HTTP {status}），请稍后再试") from error
    if code := _refusal_code(body):
        sentence = _INTERNAL if code.startswith("AP1") else _REFUSALS.get(code, _OTHER)
        raise WeatherError(sentence.format(city=city, code=code))
    try:
        return Weather.model_validate(body)
    except ValidationError as error:
        raise WeatherError(f"心知天气的回答里没有天气数据（HTTP {status}）") from error


def _refusal_code(body: Any) -> str | None:
    code = body.get("status_code") if isinstance(body, dict) else None
    return code if isinstance(code, str) and re.fullmatch(r"AP\d{6}", code, re.ASCII) else None

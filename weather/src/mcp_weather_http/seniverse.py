"""The client of Seniverse (心知天气): shares equal requests, caches answers, explains failures."""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Self

import httpx
from pydantic import BaseModel, Field, FiniteFloat, TypeAdapter, ValidationError

BASE_URL = "https://api.seniverse.com"
TIMEOUT_SECONDS = 10.0  # for one call, including its second attempt
RETRY_PAUSES_SECONDS = (0.3,)  # before each further attempt
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


class Weather(BaseModel):
    """The current weather of one city."""

    city: str = Field(description="城市名称")
    text: str = Field(description="天气现象，如 多云")
    code: str = Field(description="天气现象代码，如 4（多云），99 为未知")
    temperature: float = Field(description="气温，°C")
    last_update: str = Field(description="数据更新时间，ISO 8601，该城市的当地时间")


class _Location(BaseModel):
    name: str


class _Now(BaseModel):
    text: str
    code: str
    temperature: FiniteFloat  # a string on the wire: "14"


class _Result(BaseModel):
    location: _Location
    now: _Now
    last_update: str


class _Body(BaseModel):
    results: Annotated[list[_Result], Field(min_length=1)]


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
        self._cache: OrderedDict[str, tuple[float, Weather]] = OrderedDict()  # by city: expiry, weather
        self._requests: dict[str, asyncio.Task[Weather]] = {}  # by city, while in flight

    async def __aenter__(self) -> Self:
        self._stopped = asyncio.get_running_loop().create_future()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()
        for request in self._requests.values():
            request.cancel()
        await asyncio.gather(*self._requests.values(), return_exceptions=True)
        await self._http.aclose()

    def stop(self) -> None:
        """End all calls in flight with a WeatherError."""
        if not self._stopped.done():
            self._stopped.set_result(None)

    async def now(self, city: str) -> Weather:
        """Return the current weather of a city, named in Chinese, pinyin or English.

        Raises:
            WeatherError: Seniverse has none, refuses, does not answer, or cannot be reached.
        """
        key = city.casefold()
        if weather := self._cached(key):
            return weather
        request = self._requests.get(key) or self._start(key, city)
        # asyncio.wait leaves the shared task running when this caller is cancelled.
        await asyncio.wait({request, self._stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not request.done():
            raise WeatherError(_STOPPING)
        return request.result()

    def _cached(self, key: str) -> Weather | None:
        expires, weather = self._cache.get(key, (0.0, None))
        return weather if self._clock() < expires else None

    def _start(self, key: str, city: str) -> asyncio.Task[Weather]:
        request = self._requests[key] = asyncio.create_task(self._fetch(key, city))
        # Reads the exception, which asyncio would log if all callers were cancelled.
        request.add_done_callback(lambda task: task.cancelled() or task.exception())
        return request

    async def _fetch(self, key: str, city: str) -> Weather:
        try:
            weather = await self._ask(city)
        finally:
            del self._requests[key]
        self._cache[key] = (self._clock() + self._cache_seconds, weather)
        self._cache.move_to_end(key)
        if len(self._cache) > self._max_cached:
            self._cache.popitem(last=False)
        return weather

    async def _ask(self, city: str) -> Weather:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                status, content = await self._get(city)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise WeatherError(f"心知天气在 {self._timeout_seconds:g} 秒内没有回答，请稍后再试") from error
        except (httpx.ProtocolError, httpx.DecodingError) as error:
            raise WeatherError(_TORN) from error
        except httpx.HTTPError as error:
            raise WeatherError(f"连不上心知天气（{self._http.base_url.host}），请检查网络") from error
        return _weather(status, content, city)

    async def _get(self, city: str) -> tuple[int, bytes]:
        """GET, with further attempts after a lost connection or a status from 500 on.

        A refusal or a timeout is not repeated: that would cost quota or time and change nothing.
        """
        for pause in RETRY_PAUSES_SECONDS:
            with suppress(httpx.NetworkError, httpx.RemoteProtocolError):
                status, content = await self._read(city)
                if status < 500:
                    return status, content
            await asyncio.sleep(pause)
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
        result = _Body.model_validate(body).results[0]
    except ValidationError as error:
        raise WeatherError(f"心知天气的回答里没有天气数据（HTTP {status}）") from error
    return Weather(
        city=result.location.name,
        text=result.now.text,
        code=result.now.code,
        temperature=result.now.temperature,
        last_update=result.last_update,
    )


def _refusal_code(body: Any) -> str | None:
    code = body.get("status_code") if isinstance(body, dict) else None
    return code if isinstance(code, str) and re.fullmatch(r"AP\d{6}", code, re.ASCII) else None

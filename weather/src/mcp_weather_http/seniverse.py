"""The weather as Seniverse (心知天气) tells it: asked once, kept a while, every failure a sentence."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Self

import httpx
from pydantic import BaseModel, Field, FiniteFloat, ValidationError

BASE_URL = "https://api.seniverse.com"
TIMEOUT = 10.0  # seconds for one question, its second try included
PAUSES = (0.3,)  # seconds before each further try
# No public page of Seniverse that we found (November 2026) gives the interval of `now.json`. Ten minutes is
# our choice: every answer carries its `last_update`, so nobody takes an old one for new.
KEEP = 600.0  # seconds
MAX_KEPT = 1_000  # cities

# The codes of Seniverse's v3 API, from its page of error codes (docs.seniverse.com/api/start/error-code.html,
# read in public copies, November 2026). It answers them with 403, 404 or 500. Those that a GET of `now.json`
# with a key in the query hardly meets (signatures, JSONP, user agents, traffic, tides) get `_OTHER`.
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
_STOPPING = "天气服务正在停止，这次查询没有完成"


class WeatherError(Exception):
    """There is no weather to tell; the text is a sentence for the person who asked."""


class Weather(BaseModel):
    """The weather in one city, now."""

    city: str = Field(description="城市名称")
    text: str = Field(description="天气现象，如 多云")
    temperature: float = Field(description="气温，°C")
    last_update: str = Field(description="数据更新时间，ISO 8601，该城市的当地时间")


class _Location(BaseModel):
    name: str


class _Now(BaseModel):
    text: str
    temperature: FiniteFloat  # a string on the wire: "14"


class _Result(BaseModel):
    location: _Location
    now: _Now
    last_update: str


class _Answer(BaseModel):
    results: Annotated[list[_Result], Field(min_length=1)]


class Seniverse:
    """Asks Seniverse's v3 API. To be entered before it is asked.

    Equal questions in flight are asked once, and an asker that goes away leaves the others their answer.

    Args:
        api_key: the private key of a Seniverse account.
        base_url: where the API is, without `/v3`.
        timeout: seconds that a question may take in all.
        keep: seconds that an answer is given again without asking.
        clock: the seconds that `keep` is measured in.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = BASE_URL,
        timeout: float = TIMEOUT,
        keep: float = KEEP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._params = {"key": api_key, "language": "zh-Hans", "unit": "c"}
        self._base_url = httpx.URL(base_url)
        self._timeout, self._keep, self._clock = timeout, keep, clock
        self._kept: OrderedDict[str, tuple[float, Weather]] = OrderedDict()
        self._flights: dict[str, asyncio.Task[Weather]] = {}

    async def __aenter__(self) -> Self:
        self._stopped = asyncio.get_running_loop().create_future()
        self._http = httpx.AsyncClient(base_url=self._base_url, params=self._params, timeout=self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()
        for flight in self._flights.values():
            flight.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        await self._http.aclose()

    def stop(self) -> None:
        """Let all who still wait have their answer now: that there will be none."""
        if not self._stopped.done():
            self._stopped.set_result(None)

    async def now(self, city: str) -> Weather:
        """Return the current weather of a city, named in Chinese, pinyin or English.

        Raises:
            WeatherError: Seniverse has none, refuses, does not answer, or cannot be reached.
        """
        key = city.casefold()
        if weather := self._recall(key):
            return weather
        flight = self._flights.get(key) or self._start(key, city)
        # Unlike awaiting the task itself, this leaves it alone when the one who waits is cancelled.
        await asyncio.wait({flight, self._stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not flight.done():
            raise WeatherError(_STOPPING)
        return flight.result()

    def _recall(self, key: str) -> Weather | None:
        expires, weather = self._kept.get(key, (0.0, None))
        return weather if self._clock() < expires else None

    def _remember(self, key: str, weather: Weather) -> None:
        self._kept[key] = (self._clock() + self._keep, weather)
        self._kept.move_to_end(key)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def _start(self, key: str, city: str) -> asyncio.Task[Weather]:
        flight = self._flights[key] = asyncio.create_task(self._fly(key, city))
        # When everybody has gone away, nobody else takes note of a failure.
        flight.add_done_callback(lambda task: task.cancelled() or task.exception())
        return flight

    async def _fly(self, key: str, city: str) -> Weather:
        try:
            weather = await self._ask(city)
        finally:
            del self._flights[key]
        self._remember(key, weather)
        return weather

    async def _ask(self, city: str) -> Weather:
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._get(city)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise WeatherError(f"心知天气在 {self._timeout:g} 秒内没有回答，请稍后再试") from error
        except httpx.HTTPError as error:
            raise WeatherError(f"连不上心知天气（{self._base_url.host}），请检查网络") from error
        return _weather(response, city)

    async def _get(self, city: str) -> httpx.Response:
        """GET, and try again after a lost connection or a failure inside Seniverse: both may pass.

        Not after a refusal or a timeout, where asking again costs quota or patience and changes nothing.
        """
        for pause in PAUSES:
            with suppress(httpx.NetworkError, httpx.RemoteProtocolError):
                response = await self._http.get("/v3/weather/now.json", params={"location": city})
                if response.status_code < 500:
                    return response
            await asyncio.sleep(pause)
        return await self._http.get("/v3/weather/now.json", params={"location": city})


def _weather(response: httpx.Response, city: str) -> Weather:
    """Read an answer; raise WeatherError when it is a refusal, or not what Seniverse answers."""
    if response.status_code == 429:  # from a gateway in front; Seniverse itself answers 403 with a code
        raise WeatherError(_REFUSALS["AP010014"])
    try:
        answer = response.json()
    except ValueError as error:
        raise WeatherError(f"心知天气的回答不是 JSON（HTTP {response.status_code}），请稍后再试") from error
    if code := _refusal_code(answer):
        sentence = _INTERNAL if code.startswith("AP1") else _REFUSALS.get(code, _OTHER)
        raise WeatherError(sentence.format(city=city, code=code))
    try:
        result = _Answer.model_validate(answer).results[0]
    except ValidationError as error:
        raise WeatherError(f"心知天气的回答里没有天气数据（HTTP {response.status_code}）") from error
    return Weather(
        city=result.location.name,
        text=result.now.text,
        temperature=result.now.temperature,
        last_update=result.last_update,
    )


def _refusal_code(answer: Any) -> str | None:
    code = answer.get("status_code") if isinstance(answer, dict) else None
    return code if isinstance(code, str) else None

"""The tool as clients of both protocol eras see it, over real HTTP, with a fake Seniverse behind it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.to_thread import run_sync
from mcp import MCPError
from mcp.types import CallToolResult, LoggingMessageNotificationParams, TextContent
from mcp_weather_http.seniverse import MAX_BYTES, Seniverse, WeatherError

if TYPE_CHECKING:
    from weather.tests.conftest import Answer, Connect, FakeSeniverse, Serve

pytestmark = pytest.mark.anyio

KEY = "SBh-3xample_Key"


def text(result: CallToolResult) -> str:
    [block] = result.content
    assert isinstance(block, TextContent)
    return block.text


class Log:
    """Collects log notifications."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    async def __call__(self, params: LoggingMessageNotificationParams) -> None:
        assert params.logger == "weather"
        self.lines.append((params.level, params.data))


async def test_the_weather_comes_as_json_text_and_as_structured_content(
    serve: Serve, connect: Connect
) -> None:
    async with connect(serve()) as client:
        result = await client.call_tool("get-weather", {"city": "北京"})
    weather = {
        "city": "北京",
        "text": "多云",
        "code": "4",
        "temperature": 14.0,
        "last_update": "2026-11-21T16:45:00+08:00",
    }
    assert not result.is_error
    assert json.loads(text(result)) == result.structured_content == weather


async def test_the_tool_describes_itself(serve: Serve, connect: Connect) -> None:
    async with connect(serve()) as client:
        [tool] = (await client.list_tools()).tools
    assert tool.name == "get-weather"
    assert tool.input_schema["required"] == ["city"]
    assert tool.output_schema is not None
    assert set(tool.output_schema["required"]) == {"city", "text", "code", "temperature", "last_update"}
    assert tool.annotations is not None
    assert tool.annotations.read_only_hint


async def test_both_eras_are_spoken(serve: Serve, connect: Connect, request: pytest.FixtureRequest) -> None:
    async with connect(serve()) as client:
        modern = client.protocol_version == "2026-07-28"
    assert modern == ("2026-07-28" in request.node.name)


@pytest.mark.parametrize("json_response", [False, True])
async def test_log_notifications_tell_what_happens(
    serve: Serve, connect: Connect, *, json_response: bool
) -> None:
    log = Log()
    url = serve(json_response=json_response)
    async with connect(url, logging_callback=log, log_level="info") as client:
        assert not (await client.call_tool("get-weather", {"city": "北京"})).is_error
        assert (await client.call_tool("get-weather", {"city": "Atlantis"})).is_error
    lines = [
        ("info", "Fetching weather for 北京…"),
        ("info", "Weather data fetched successfully!"),
        ("info", "Fetching weather for Atlantis…"),
        ("error", "心知天气没有“Atlantis”这个地点，请换一种写法：中文名、拼音或英文名"),
    ]
    assert log.lines == ([] if json_response else lines)  # one JSON answer has no room for notifications


@pytest.mark.parametrize("connect", ["auto"], indirect=True)
async def test_a_modern_client_that_does_not_ask_gets_no_log(serve: Serve, connect: Connect) -> None:
    log = Log()
    async with connect(serve(), logging_callback=log) as client:
        await client.call_tool("get-weather", {"city": "北京"})
    assert log.lines == []


@pytest.mark.parametrize("connect", ["legacy"], indirect=True)
async def test_a_handshake_client_is_told_that_there_are_logs(serve: Serve, connect: Connect) -> None:
    async with connect(serve()) as client:
        assert client.server_capabilities.logging is not None
        with pytest.warns(match="logging capability is deprecated"):
            await client.set_logging_level("info")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((403, '{"status": "x", "status_code": "AP010002"}'), "没有权限访问天气实况接口"),
        ((403, '{"status": "x", "status_code": "AP010003"}'), "心知天气不认这个 API 密钥"),
        ((403, '{"status": "x", "status_code": "AP010006"}'), "没有权限查询“北京”的天气"),
        ((404, '{"status": "x", "status_code": "AP010010"}'), "心知天气没有“北京”这个地点"),
        ((403, '{"status": "x", "status_code": "AP010012"}'), "已经过期"),
        ((403, '{"status": "x", "status_code": "AP010013"}'), "访问量余额不足"),
        ((403, '{"status": "x", "status_code": "AP010014"}'), "频率超过限制"),
        ((429, "slow down"), "频率超过限制"),
        ((404, '{"status": "x", "status_code": "AP100001"}'), "内部出了问题（AP100001）"),
        ((403, '{"status": "x", "status_code": "AP010009"}'), "拒绝了请求（AP010009）"),
        ((200, "<html>Please log in to this network</html>"), "不是 JSON（HTTP 200）"),
        ((200, b"\xff\xfe\xfd"), "不是 JSON（HTTP 200）"),
        ((200, "[" * 100_000), "不是 JSON（HTTP 200）"),
        ((200, '{"results": ["\\ud800"]}'), "不是 JSON（HTTP 200）"),
        ((200, " " * (MAX_BYTES + 1)), "不完整、太长"),
        ((200, "[]"), "没有天气数据（HTTP 200）"),
        ((200, '{"results": []}'), "没有天气数据（HTTP 200）"),
        ((403, '{"status": "x", "status_code": 7}'), "没有天气数据（HTTP 403）"),
        ((403, f'{{"status": "x", "status_code": "AP {KEY}"}}'), "没有天气数据（HTTP 403）"),
    ],
)
async def test_a_refusal_is_an_error_with_a_sentence_and_not_repeated(
    fake: FakeSeniverse, serve: Serve, connect: Connect, answer: Answer, sentence: str
) -> None:
    fake.cities["北京"] = answer
    async with connect(serve()) as client:
        result = await client.call_tool("get-weather", {"city": "北京"})
    assert result.is_error
    assert sentence in text(result)
    assert KEY not in text(result)
    assert fake.asked == ["北京"]


@pytest.mark.parametrize("temperature", ["", "nan", "warm"])
async def test_a_temperature_that_is_no_number_is_no_weather(
    fake: FakeSeniverse, serve: Serve, connect: Connect, temperature: str
) -> None:
    status, body = fake.cities["北京"]
    fake.cities["北京"] = (status, str(body).replace('"14"', f'"{temperature}"'))
    async with connect(serve()) as client:
        result = await client.call_tool("get-weather", {"city": "北京"})
    assert result.is_error
    assert "没有天气数据" in text(result)


async def test_a_wrong_key_is_said_without_the_key(
    fake: FakeSeniverse, serve: Serve, connect: Connect
) -> None:
    log = Log()
    url = serve(Seniverse("wr0ng-key", base_url=fake.url))
    async with connect(url, logging_callback=log, log_level="debug") as client:
        result = await client.call_tool("get-weather", {"city": "北京"})
    assert "心知天气不认这个 API 密钥" in text(result)
    assert "wr0ng-key" not in f"{result} {log.lines}"


@pytest.mark.parametrize("drips", [False, True], ids=["silence", "drops"])
async def test_no_answer_in_time_is_said(
    fake: FakeSeniverse, serve: Serve, connect: Connect, *, drips: bool
) -> None:
    fake.drips = drips
    fake.may_answer.clear()
    async with connect(serve(Seniverse(KEY, base_url=fake.url, timeout_seconds=0.1))) as client:
        result = await client.call_tool("get-weather", {"city": "北京"})
    assert result.is_error
    assert text(result) == "心知天气在 0.1 秒内没有回答，请稍后再试"


async def test_no_network_is_said(serve: Serve, connect: Connect) -> None:
    async with connect(serve(Seniverse(KEY, base_url="http://127.0.0.1:1"))) as client:
        result = await client.call_tool("get-weather", {"city": "北京"})
    assert result.is_error
    assert text(result) == "连不上心知天气（127.0.0.1），请检查网络"


@pytest.mark.parametrize(
    "answer",
    [
        b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"Content-Length: 9\r\n\r\nabc",
        b"odd\r\n\r\n",
    ],
)
async def test_an_answer_that_cannot_be_read_is_no_missing_network(answer: bytes) -> None:
    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + answer)
        writer.close()

    async with await asyncio.start_server(answers, "127.0.0.1", 0) as server:
        url = "http://{}:{}".format(*server.sockets[0].getsockname())
        async with Seniverse(KEY, base_url=url) as seniverse:
            with pytest.raises(WeatherError, match="不完整"):
                await seniverse.now("北京")


@pytest.mark.parametrize("trouble", [(200, ""), (502, "<html>bad gateway</html>")], ids=["dropped", "502"])
async def test_what_passes_by_itself_is_asked_once_more(
    fake: FakeSeniverse, serve: Serve, connect: Connect, trouble: tuple[int, str]
) -> None:
    fake.first.append(trouble)
    async with connect(serve()) as client:
        result = await client.call_tool("get-weather", {"city": "北京"})
    assert not result.is_error
    assert fake.asked == ["北京", "北京"]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"city": ""},
        {"city": " \n"},
        {"city": 7},
        {"city": "a" * 101},
        {"city": "a\x00"},
        {"city": "北京", "x": 1},
    ],
)
async def test_bad_arguments_are_refused_without_a_request(
    fake: FakeSeniverse, serve: Serve, connect: Connect, arguments: dict[str, object]
) -> None:
    async with connect(serve()) as client:
        result = await client.call_tool("get-weather", arguments)
    assert result.is_error
    assert "需要参数 city" in text(result)
    assert fake.asked == []


async def test_another_tool_is_a_protocol_error(serve: Serve, connect: Connect) -> None:
    async with connect(serve()) as client:
        with pytest.raises(MCPError, match="Unknown tool: get-tides"):
            await client.call_tool("get-tides", {"city": "北京"})


async def test_ten_cities_are_fetched_concurrently(
    fake: FakeSeniverse, serve: Serve, connect: Connect
) -> None:
    cities = [f"city{n}" for n in range(10)]
    fake.cities |= dict.fromkeys(cities, fake.cities["北京"])
    fake.may_answer.clear()
    async with connect(serve()) as client:
        calls = [asyncio.create_task(client.call_tool("get-weather", {"city": city})) for city in cities]
        await run_sync(fake.wait_for, 10)  # all ten arrive before the first is answered
        fake.may_answer.set()
        assert not any(result.is_error for result in await asyncio.gather(*calls))


async def test_concurrent_calls_for_one_city_share_a_request(
    fake: FakeSeniverse, serve: Serve, connect: Connect
) -> None:
    fake.may_answer.clear()
    started, calls = 0, 5
    all_started = asyncio.Event()

    async def log(params: LoggingMessageNotificationParams) -> None:
        nonlocal started
        started += params.data.startswith("Fetching")
        if started == calls:
            all_started.set()

    async with connect(serve(), logging_callback=log, log_level="info") as client:
        tasks = [asyncio.create_task(client.call_tool("get-weather", {"city": "北京"})) for _ in range(calls)]
        with anyio.fail_after(60):
            await all_started.wait()
        fake.may_answer.set()
        results = [text(result) for result in await asyncio.gather(*tasks)]
    assert len(set(results)) == 1
    assert fake.asked == ["北京"]


async def test_an_answer_is_cached_whatever_the_spelling(
    fake: FakeSeniverse, serve: Serve, connect: Connect
) -> None:
    async with connect(serve()) as client:
        for city in ["beijing", "BeiJing", "  beijing\n", "ｂｅｉｊｉｎｇ"]:
            assert not (await client.call_tool("get-weather", {"city": city})).is_error
    assert fake.asked == ["beijing"]


async def test_a_failure_is_not_cached(fake: FakeSeniverse, serve: Serve, connect: Connect) -> None:
    fake.first.append((403, '{"status": "x", "status_code": "AP010014"}'))
    async with connect(serve()) as client:
        assert (await client.call_tool("get-weather", {"city": "北京"})).is_error
        assert not (await client.call_tool("get-weather", {"city": "北京"})).is_error


async def test_an_expired_answer_is_fetched_again(fake: FakeSeniverse) -> None:
    clock = [0.0]
    async with Seniverse(KEY, base_url=fake.url, cache_seconds=600, clock=lambda: clock[0]) as seniverse:
        for seconds in (0, 599, 600):
            clock[0] = seconds
            await seniverse.now("北京")
    assert len(fake.asked) == 2


async def test_the_oldest_cached_city_gives_way(fake: FakeSeniverse) -> None:
    fake.cities |= dict.fromkeys("abc", fake.cities["北京"])
    async with Seniverse(KEY, base_url=fake.url, max_cached=2) as seniverse:
        for city in "abcbca":
            await seniverse.now(city)
    assert "".join(fake.asked) == "abca"


async def test_a_failure_takes_no_cached_city_s_place(fake: FakeSeniverse) -> None:
    async with Seniverse(KEY, base_url=fake.url, max_cached=1) as seniverse:
        await seniverse.now("北京")
        with pytest.raises(WeatherError):
            await seniverse.now("nowhere")
        await seniverse.now("北京")
    assert fake.asked == ["北京", "nowhere"]


async def test_calls_in_flight_share_and_end_whatever_the_cache_holds(fake: FakeSeniverse) -> None:
    fake.may_answer.clear()
    async with Seniverse(KEY, base_url=fake.url, cache_seconds=0, max_cached=1) as seniverse:
        calls = [asyncio.create_task(seniverse.now(city)) for city in ("北京", "上海", "北京")]
        await run_sync(fake.wait_for, 2)
        await seniverse.stop()
        ended = await asyncio.gather(*calls, return_exceptions=True)
    fake.may_answer.set()
    assert [type(each) for each in ended] == [WeatherError] * 3
    assert sorted(fake.asked) == ["上海", "北京"]


async def test_a_cancelled_call_leaves_the_others_their_answer(fake: FakeSeniverse) -> None:
    fake.may_answer.clear()
    async with Seniverse(KEY, base_url=fake.url) as seniverse:
        gone = asyncio.create_task(seniverse.now("北京"))
        await run_sync(fake.wait_for, 1)
        waiting = asyncio.create_task(seniverse.now("北京"))
        gone.cancel()
        await asyncio.wait({gone})
        fake.may_answer.set()
        assert (await waiting).city == "北京"
    assert gone.cancelled()
    assert fake.asked == ["北京"]

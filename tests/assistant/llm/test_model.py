"""How a provider fails, and what is said of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from assistant.chat.interfaces import ModelError
from assistant.llm.model import OpenAIModel
from tests.support.asgi import ScriptedProvider, Silence, chunk, refusal, serve, text_stream, whole
from tests.support.clock import put_forward
from tests.support.provider import ASK, ask, ask_model, failure, says

pytestmark = pytest.mark.anyio


async def test_an_error_that_comes_as_a_success_is_told() -> None:
    wrong = JSONResponse({"error": {"message": "model overloaded"}})
    error = await failure(wrong, wrong)
    assert error.code == "model_failed"
    assert "model overloaded" in says(error)


async def test_a_password_in_the_address_is_not_told() -> None:
    async with aclosing(OpenAIModel("m", "key", "http://me:SECRET@127.0.0.1:9/v1?key=SECRET")) as model:
        with pytest.raises(ModelError) as caught:
            await ask_model(model)
    assert "SECRET" not in f"{caught.value} {says(caught.value)}"


@pytest.mark.parametrize(
    ("event", "code"),
    [('{"error": {"message": "overloaded"}}', "model_failed"), ("{broken", "model_broke_off")],
)
async def test_an_error_in_the_middle_of_a_stream_is_an_error(event: str, code: str) -> None:
    error = await failure(f"{chunk(content='a')}data: {event}\n\n")
    assert error.code == code
    assert "中断" in says(error)


@pytest.mark.parametrize(
    "event",
    [
        {"object": "error", "message": "too busy", "code": 50001},  # vLLM, SiliconFlow
        {"detail": "too busy"},  # FastAPI
        {"msg": "too busy", "success": False},
    ],
)
@pytest.mark.parametrize("end", ["", "data: [DONE]\n\n"])
async def test_a_failure_in_the_middle_of_a_stream_is_told_by_its_cause(event: Any, end: str) -> None:
    error = await failure(f"{chunk(content='a')}data: {json.dumps(event)}\n\n{end}")
    assert (error.code, "too busy" in says(error)) == ("model_failed", True)


@pytest.mark.parametrize("before", ["", chunk(content="a")])
async def test_an_error_in_a_field_of_its_own_is_told(before: str) -> None:
    said = {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}  # llama.cpp
    assert "Context size has been exceeded." in says(await failure(f"{before}error: {json.dumps(said)}\n\n"))


@pytest.mark.parametrize("word", [{"type": "ping", "message": "keep-alive"}, {"message": "still thinking"}])
async def test_a_word_in_the_middle_of_an_answer_is_no_failure(word: Any) -> None:
    pieces = f"{chunk(content='a')}data: {json.dumps(word)}\n\n{chunk(content='b')}{chunk(finish='stop')}"
    assert (await ask(ScriptedProvider(pieces)))[1].text == "ab"


@pytest.mark.parametrize(
    "word",
    [
        {"status": "queued", "message": "排队中"},
        {"type": "ping", "message": "keep-alive"},
        {"choices": [], "error": {"code": 0, "message": ""}},
    ],
)
async def test_a_word_before_an_answer_is_no_failure(word: Any) -> None:
    provider = ScriptedProvider(f"data: {json.dumps(word)}\n\n{text_stream('ok')}")
    assert (await ask(provider))[1].text == "ok"


INSTEAD: dict[str, tuple[Any, str, str]] = {  # of an answer, under the status 200: its code, and its words
    "DashScope": ({"code": "InvalidApiKey", "message": "Invalid API-key."}, "model_unauthorized", "API-key"),
    "DashScope, owing": ({"code": "Arrearage", "message": "Access denied."}, "model_no_credit", "denied"),
    "MiniMax": (
        {"choices": None, "base_resp": {"status_code": 1004, "status_msg": "login fail: carry the key"}},
        "model_unauthorized",
        "carry the key",
    ),
    "MiniMax, owing": (
        {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        "model_no_credit",
        "balance",
    ),
    "a text": ({"error": "upstream is tired"}, "model_failed", "upstream is tired"),
    "Gemini": ([{"error": {"code": 404, "message": "no such thing"}}], "model_not_found", "no such thing"),
    "Zhipu": (
        {"success": False, "code": 1302, "msg": "您的账户已达到速率限制，请控制频率"},
        "model_rate_limited",
        "速率",
    ),
    "Qianfan": (
        {"error_code": 110, "error_msg": "Access token invalid"},
        "model_unauthorized",
        "token invalid",
    ),
    "vLLM": ({"object": "error", "message": "broken", "code": 500}, "model_overloaded", ""),
    "FastAPI": ({"detail": "Not Found"}, "model_not_found", "Not Found"),
    "Tencent": ({"Response": {"Error": {"Code": "X", "Message": "no way"}}}, "model_failed", "no way"),
    "Tencent, the key": (
        {
            "Response": {
                "Error": {"Code": "AuthFailure.SecretIdNotFound", "Message": "The SecretId is not found"}
            }
        },
        "model_unauthorized",
        "SecretId",
    ),
    "MiniMax, used up": (
        {
            "base_resp": {
                "status_code": 2056,
                "status_msg": "usage limit exceeded, 5-hour usage limit reached",
            }
        },
        "model_rate_limited",
        "5-hour",
    ),
    "MiniMax, its number in a field": (
        {"type": "error", "error": {"http_code": "500", "message": "unknown error", "type": "api_error"}},
        "model_overloaded",
        "unknown error",
    ),
    "LM Studio": (
        {"error": "Unexpected endpoint or method. (POST /chat/completions)"},
        "model_not_found",
        "endpoint",
    ),
    "errcode": ({"errcode": 40001, "errmsg": "invalid credential"}, "model_failed", "invalid credential"),
    "ret": ({"ret": 1001, "retmsg": "鉴权失败"}, "model_unauthorized", "鉴权"),
    "another's JSON": ({"models": ["a"]}, "model_not_chat", "models"),
    "a list": ([1, 2], "model_not_chat", "[1,2]"),
}


@pytest.mark.parametrize("whose", INSTEAD)
async def test_what_comes_instead_of_an_answer_is_told_once_in_its_own_words(whose: str) -> None:
    body, code, words = INSTEAD[whose]
    error = await failure(JSONResponse(body))  # asked again, the script would say that it is over
    assert (error.code, words in says(error)) == (code, True)


@pytest.mark.parametrize(
    "page",
    [
        "<!DOCTYPE html><head><style>p {}</style><title>Gate</title></head><p>Sign  in &amp; pay</p>",
        "\n<html><body><h1>Gate</h1>Sign in",
        "Gate: Sign in",
    ],
)
async def test_a_page_is_told_as_what_it_says(page: str) -> None:
    error = await failure(Response(page, media_type="text/html"))
    assert (error.code, "Gate" in says(error), "Sign" in says(error)) == ("model_not_chat", True, True)
    assert "OPENAI_API_BASE" in says(error)
    assert "<" not in says(error)


async def test_a_provider_that_says_nothing_is_asked_for_a_whole_answer() -> None:
    assert (await ask(ScriptedProvider("data: [DONE]\n\n", whole("ok"))))[1].text == "ok"
    assert (await failure(Response(), Response())).code == "model_not_chat"


@pytest.mark.parametrize(
    "said", ["overloaded", '"overloaded"', '{"message": "overloaded"}', '{"error": "overloaded"}']
)
@pytest.mark.parametrize("before", ["", chunk(content="half")])
async def test_the_words_of_an_error_event_are_told(said: str, before: str) -> None:
    error = await failure(f"{before}event: error\ndata: {said}\n\n")
    assert (error.code, error.params) == ("model_failed", {"reason": "overloaded"})


async def test_a_provider_that_is_not_there_is_named() -> None:
    async with aclosing(OpenAIModel("m", "key", "http://127.0.0.1:9/v1", retries=0)) as model:
        with pytest.raises(ModelError) as caught:
            await ask_model(model)
    assert (caught.value.code, caught.value.params) == ("model_unreachable", {"host": "127.0.0.1"})
    assert "OPENAI_API_BASE" in says(caught.value)


async def test_a_provider_that_goes_silent_is_given_up() -> None:
    async with (
        serve(ScriptedProvider(Silence(chunk(content="so "))).app) as url,
        aclosing(OpenAIModel("m", "key", f"{url}/v1", silence_seconds=60)) as model,
        aclosing(model.reply(ASK, [])) as parts,
    ):
        assert await anext(parts) == "so "
        asyncio.get_running_loop().call_soon(put_forward, 60)  # when the next word is waited for
        with pytest.raises(ModelError) as caught:
            await anext(parts)
    assert caught.value.code == "model_broke_off"


class Late(Response):
    """Answers so, or never, after so many seconds by the loop's clock."""

    def __init__(self, seconds: float, answer: Response | None = None) -> None:
        self.seconds, self.answer = seconds, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        put_forward(self.seconds)
        await (self.answer(scope, receive, send) if self.answer else asyncio.Event().wait())


@pytest.mark.parametrize(
    "step", [Late(60), Late(59, refusal(503, **{"Retry-After": "19"}))], ids=["mute", "busy"]
)
async def test_a_provider_that_does_not_begin_is_given_up_in_time(step: Response) -> None:
    scripted = ScriptedProvider(step, text_stream("too late"))
    with pytest.raises(ModelError) as caught:
        await ask(scripted, silence_seconds=60.0)  # for all tries together
    assert caught.value.code == "model_late"
    assert "没有及时" in says(caught.value)
    assert len(scripted.requests) == 1


async def test_a_stream_that_breaks_is_said_to_be_broken() -> None:
    async def body() -> AsyncIterator[str]:
        yield chunk(content="so ")
        raise ConnectionResetError

    error = await failure(StreamingResponse(body(), media_type="text/event-stream"))
    assert error.code == "model_broke_off"
    assert "中断" in says(error)
    assert "OPENAI_API_BASE" not in says(error)


@pytest.mark.parametrize("whole", [text_stream("ok"), chunk(content="ok") + chunk(finish="stop")])
async def test_a_connection_that_breaks_behind_the_answer_does_no_harm(whole: str) -> None:
    async def body() -> AsyncIterator[str]:
        yield whole
        raise ConnectionResetError

    said = StreamingResponse(body(), media_type="text/event-stream")
    assert (await ask(ScriptedProvider(said)))[1].text == "ok"


async def test_no_proxy_stands_before_a_model_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert (await ask(ScriptedProvider(text_stream("ok"))))[1].text == "ok"


async def test_an_address_of_the_environment_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing leaves this machine
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with serve(ScriptedProvider(text_stream("wrong")).app) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        async with aclosing(OpenAIModel("m", "key", retries=0)) as model:
            with pytest.raises(ModelError) as caught:
                await ask_model(model)
    assert caught.value.params["host"] == "api.openai.com"


async def test_leaving_ends_the_request_to_the_provider() -> None:
    silence = Silence(chunk(content="so "))
    async with serve(ScriptedProvider(silence).app) as url:
        model = OpenAIModel("m", "key", f"{url}/v1")
        async with aclosing(model), aclosing(model.reply(ASK, [])) as parts:
            assert await anext(parts) == "so "
        async with asyncio.timeout(60):
            await silence.left.wait()

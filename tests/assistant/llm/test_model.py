"""How a provider fails, and what is said of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from assistant.chat.interfaces import ModelError
from assistant.llm.model import OpenAIModel
from tests.support.asgi import ScriptedProvider, Silence, chunk, refusal, serve, text_stream
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
    "stream",
    [
        chunk(content="a") + 'data: {"error": {"message": "overloaded"}}\n\n',
        chunk(content="a") + "data: {broken\n\n",
    ],
)
async def test_an_error_in_the_middle_of_a_stream_is_an_error(stream: str) -> None:
    error = await failure(stream)
    assert error.code == "model_failed"
    assert "中断" in says(error)


async def test_an_answer_that_is_no_json_is_an_error() -> None:
    page = Response("<html>", media_type="text/html")
    error = await failure(page, page)
    assert error.code == "model_not_chat"
    assert "OPENAI_API_BASE" in says(error)


async def test_a_provider_that_is_not_there_is_named() -> None:
    async with aclosing(OpenAIModel("m", "key", "http://127.0.0.1:9/v1", retries=0)) as model:
        with pytest.raises(ModelError) as caught:
            await ask_model(model)
    assert (caught.value.code, caught.value.params) == ("model_unreachable", {"host": "127.0.0.1"})
    assert "OPENAI_API_BASE" in says(caught.value)


async def test_a_provider_that_goes_silent_is_given_up() -> None:
    error = await failure(Silence(chunk(content="so ")), silence_seconds=0.2, retries=0)
    # On a busy machine not even the beginning may come within this time.
    assert error.code in ("model_broke_off", "model_late")


class Mute(Response):
    """Never answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize("step", [Mute(), refusal(503, **{"Retry-After": "19"})], ids=["mute", "busy"])
async def test_a_provider_that_does_not_begin_is_given_up_in_time(step: Response) -> None:
    scripted = ScriptedProvider(step, text_stream("too late"))
    with pytest.raises(ModelError) as caught:
        await ask(scripted, silence_seconds=1.0)  # for all tries together
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
        async with asyncio.timeout(5):
            await silence.left.wait()

"""What is made of a provider's refusals: another request, another try, or an error that says what to do."""

import json
import time
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from assistant.chat.history import Message
from assistant.chat.interfaces import ContextOverflowError, ModelError
from assistant.llm.model import OpenAIModel
from serving.errors import CodedError
from tests.support.asgi import ScriptedProvider, chunk, refusal, serve, text_stream, whole
from tests.support.provider import ASK, TOOL, ask, ask_model, called, failure, says
from tests.support.scripted import roles

pytestmark = pytest.mark.anyio


async def test_a_wait_that_is_too_long_is_told_at_once() -> None:
    error = await failure(refusal(429, "busy", **{"Retry-After": "600"}))
    assert error.code == "model_rate_limited_for"
    assert (error.params["status"], error.params["seconds"]) == (429, 600)
    assert "请 600 秒后再试" in says(error)


@pytest.mark.parametrize(
    "message",
    [
        "does not support parallel tool calls",
        "Rate limit: too many tokens per minute",
        "string too long. Expected a string with maximum length 1024",
        "tool description is too long: maximum 1024",
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
    ],
)
async def test_refusals_that_sound_alike_are_told_apart(message: str) -> None:
    status = 429 if "Rate" in message else 400
    busy = refusal(status, message, **{"Retry-After": "0.01"})
    scripted = ScriptedProvider(busy, busy, busy)
    with pytest.raises(ModelError) as caught:
        await ask(scripted, tools=[TOOL])
    assert caught.value.code != "context_overflow"
    assert all("tools" in request for request in scripted.requests)


@pytest.mark.parametrize(
    "message",
    [
        "Missing `reasoning_content` field in the assistant message at message index 2",
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
        "The `reasoning_content` in the thinking mode must be passed back to the API.",
    ],
)
async def test_a_model_that_wants_reasoning_in_every_message_gets_an_empty_one(message: str) -> None:
    scripted = ScriptedProvider(refusal(400, message), text_stream("ok"))
    assert (await ask(scripted, called("x"), [TOOL]))[1].text == "ok"
    assert scripted.requests[1]["messages"][1]["reasoning_content"] == ""


async def test_a_model_that_wants_to_speak_after_a_tool_does() -> None:
    no = refusal(400, "Unexpected role 'user' after role 'tool'")
    scripted = ScriptedProvider(no, text_stream("ok"))
    await ask(scripted, [*called("x"), *ASK], [TOOL])
    assert roles(scripted.requests[1]["messages"]) == ["user", "assistant", "tool", "assistant", "user"]


async def test_a_model_that_takes_no_tools_while_it_thinks_does_not_think() -> None:
    no = refusal(
        400,
        "Function tools with reasoning_effort are not supported for gpt-5.6 in /v1/chat/completions. "
        "To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
    )
    scripted = ScriptedProvider(no, text_stream("ok"))
    assert (await ask(scripted, tools=[TOOL]))[1].text == "ok"
    efforts = [request.get("reasoning_effort") for request in scripted.requests]
    assert efforts == [None, "none"]
    assert scripted.requests[1]["tools"]


@pytest.mark.parametrize(
    "words",
    [
        "Function call is missing a thought_signature in functionCall parts. Additional data, function call "
        "`default_api:look` , position 2.",
        "Unable to submit request because function call `default_api:look` in the 2. content block is "
        "missing a `thought_signature`.",
    ],
)
async def test_calls_of_another_model_are_signed_for_one_that_wants_it(words: str) -> None:
    scripted = ScriptedProvider(refusal(400, words), text_stream("ok"))
    assert (await ask(scripted, called("x", "y"), [TOOL]))[1].text == "ok"
    first, second = scripted.requests[1]["messages"][1]["tool_calls"]
    assert first["extra_content"] == {"google": {"thought_signature": "skip_thought_signature_validator"}}
    assert "extra_content" not in second


async def test_a_call_that_its_model_signed_keeps_its_signature() -> None:
    signed = {"google": {"thought_signature": "s"}}
    history = called("x", model="m")
    history[1]["tool_calls"][0]["extra_content"] = signed
    no = refusal(400, "Function call is missing a thought_signature in functionCall parts.")
    scripted = ScriptedProvider(no, text_stream("ok"))
    await ask(scripted, [*history, *ASK, *called("y")[1:]], [TOOL])
    calls = [m["tool_calls"][0] for m in scripted.requests[1]["messages"] if m.get("tool_calls")]
    assert [call["extra_content"] == signed for call in calls] == [True, False]


OTHERWISE: dict[str, tuple[str, Callable[[dict[str, Any]], bool]]] = {  # a refusal, and what it teaches
    "Cerebras, reasoning": (
        "messages.2.assistant.reasoning_content: property 'reasoning_content' is unsupported",
        lambda asked: not any("reasoning_content" in message for message in asked["messages"]),
    ),
    "OpenAI, streaming": (
        "Your organization must be verified to stream this model.",
        lambda asked: not asked["stream"] and "stream_options" not in asked,
    ),
    "Bedrock, streaming": (
        "This model doesn't support tool use in streaming mode.",
        lambda asked: not asked["stream"] and "tools" in asked,
    ),
    "Gemma, system": ("System role not supported", lambda asked: roles(asked["messages"])[0] == "user"),
    "o1, system": (
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        lambda asked: roles(asked["messages"])[0] == "user",
    ),
    "LiteLLM, tool_choice": (
        "openai does not support parameters: ['tool_choice']",
        lambda asked: "tool_choice" not in asked and "tools" in asked,
    ),
    "llama.cpp, tools": ("tools param requires --jinja flag", lambda asked: "tools" not in asked),
    "SiliconFlow, tools": (
        "Function call is not supported for this model.",
        lambda asked: "tools" not in asked,
    ),
    "Azure, tools": (
        "Unrecognized request argument supplied: tools",
        lambda asked: "tools" not in asked,
    ),
    "Qwen, tools": ("Unsupported param: tools", lambda asked: "tools" not in asked),
    "OpenAI, many tools": (
        "Invalid 'tools': array too long. Expected an array with maximum length 1, but got 2.",
        lambda asked: len(asked["tools"]) == 1,
    ),
    "Bedrock, empty": (
        "messages[2]: content is required",
        lambda asked: asked["messages"][2]["content"] is None,
    ),
    "Gemini, names": (
        "contents[2].parts[0].function_response.name: Name cannot be empty",
        lambda asked: asked["messages"][3].get("name") == "look",
    ),
}


@pytest.mark.parametrize("whose", OTHERWISE)
async def test_what_a_refusal_teaches_is_done_from_then_on(whose: str) -> None:
    words, is_done = OTHERWISE[whose]
    system: Message = {"role": "system", "content": "Be brief."}
    history = [system, *called("x", model="m", reasoning_content="hm"), *ASK]
    history[2]["content"] = None  # of another's program
    other: dict[str, Any] = {"name": "other", "description": "", "parameters": {"type": "object"}}
    tools = [TOOL, {"type": "function", "function": other}]
    scripted = ScriptedProvider(refusal(400, words), whole("ok"), whole("ok"))
    async with serve(scripted.app) as url, aclosing(OpenAIModel("m", "key", f"{url}/v1")) as model:
        for _ in range(2):
            assert (await ask_model(model, history, tools))[1].text == "ok"
    first, *later = scripted.requests
    assert first["messages"][2]["content"] == ""
    assert [is_done(asked) for asked in (first, *later)] == [False, True, True]


async def test_where_a_field_is_refused_its_place_is_told() -> None:
    detail = [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]
    assert "body.seed" in says(await failure(*[JSONResponse({"detail": detail}, 422)] * 2))


async def test_a_refusal_that_is_repeated_is_told() -> None:
    no = refusal(400, "Unexpected role 'user' after role 'tool'")
    scripted = ScriptedProvider(no, no)
    with pytest.raises(ModelError) as caught:
        await ask(scripted, [*called("x"), *ASK], [TOOL])
    assert caught.value.code == "model_bad_request"
    assert len(scripted.requests) == 2


async def test_a_busy_provider_is_asked_again_after_the_time_it_names() -> None:
    scripted = ScriptedProvider(refusal(429, **{"Retry-After": "2"}), refusal(503), text_stream("ok"))
    assert (await ask(scripted))[1].text == "ok"
    assert scripted.times[1] - scripted.times[0] >= 2  # what it would wait by itself is less


@pytest.mark.parametrize("seconds", ["2", "2s", "2000", "a date"])
async def test_the_time_of_a_busy_provider_is_read_in_every_form(seconds: str) -> None:
    headers = {"Retry-After-Ms" if seconds == "2000" else "Retry-After": seconds}
    if seconds == "a date":
        headers = {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)}
        error = await failure(refusal(429, "busy", **headers))
        assert (error.code, 500 < error.params["seconds"] <= 600) == ("model_rate_limited_for", True)
        return
    scripted = ScriptedProvider(refusal(429, **headers), text_stream("ok"))
    assert (await ask(scripted))[1].text == "ok"
    assert scripted.times[1] - scripted.times[0] >= 2


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Resource exhausted. Please retry in 30.5s.", 30),  # Gemini
        ("Rate limit reached. Please try again in 7m12s.", 432),  # Groq
        ("Please retry after 26 seconds.", 26),  # Azure
        ("Please try again in 1h0m30s.", 3630),  # OpenAI
        ("Rate limit exceeded. Please wait 30 seconds", 30),
        ("Try again in 20 minutes.", 1200),
        ("limit reached (reset after 45s)", 45),
        ("请求过于频繁，请 30 秒后重试", 30),
        ("请在1分钟后再试", 60),
        ("Resource exhausted, retry in 0.2s", 1),
    ],
)
async def test_the_time_that_a_busy_provider_names_in_words_is_told(words: str, seconds: int) -> None:
    in_a_stream = f"data: {json.dumps({'error': {'code': 429, 'message': words}})}\n\n"
    for step in (refusal(429, words), in_a_stream):
        error = await failure(step, retries=0)
        assert error.code == "model_rate_limited_for"
        assert seconds <= error.params["seconds"] <= seconds + 1


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        ({"details": [{"@type": "google.rpc.RetryInfo", "retryDelay": "33s"}]}, 33),
        ({"retry_after": 45}, 45),
        ({"retry_after_ms": 45000}, 45),
    ],
)
async def test_the_time_in_a_field_of_a_refusal_is_told(more: dict[str, Any], seconds: int) -> None:
    error = await failure(JSONResponse({"error": {"message": "busy", **more}}, 429), retries=0)
    assert error.code == "model_rate_limited_for"
    assert error.params["seconds"] == seconds


async def test_a_moment_in_a_refusal_is_told_as_the_time_until_then() -> None:
    reset = {"headers": {"X-RateLimit-Reset": str(int(time.time() + 600) * 1000)}}  # OpenRouter
    error = await failure(JSONResponse({"error": {"message": "busy", "metadata": reset}}, 429))
    assert (error.code, 500 < error.params["seconds"] <= 600) == ("model_rate_limited_for", True)


async def test_a_request_larger_than_what_a_minute_allows_is_too_long() -> None:
    too_large = refusal(429, "Request too large for m on tokens per min (TPM): Limit 1, Requested 2.")
    scripted = ScriptedProvider(too_large)
    with pytest.raises(ContextOverflowError):
        await ask(scripted)
    assert len(scripted.requests) == 1


async def test_a_short_time_in_words_is_waited_for() -> None:
    scripted = ScriptedProvider(refusal(429, "Please try again in 2500ms."), text_stream("ok"))
    assert (await ask(scripted))[1].text == "ok"
    assert scripted.times[1] - scripted.times[0] >= 2.5


async def test_a_date_beyond_the_calendar_is_no_time() -> None:
    later = refusal(429, **{"Retry-After": "Fri, 31 Dec 9999 23:59:59 -0500"})
    assert (await ask(ScriptedProvider(later, text_stream("ok"))))[1].text == "ok"


TRULY = [  # what is told, where the status says less or another thing
    (400, "Model Not Exist", "model_not_found"),  # DeepSeek
    (400, "m is not a valid model ID", "model_not_found"),  # OpenRouter
    (400, "Unsupported model: m", "model_not_found"),
    (400, "模型不存在，请检查模型代码", "model_not_found"),  # Zhipu
    (403, "Project does not have access to model `m` (model_not_found)", "model_not_found"),  # OpenAI
    (503, "当前分组 default 下对于模型 m 无可用渠道", "model_not_found"),  # one-api
    (405, "Method Not Allowed", "model_not_found"),  # an address that is none of an API
    (400, "API key not valid. Please pass a valid API key.", "model_unauthorized"),  # Gemini
    (429, "余额不足或无可用资源包,请充值。", "model_no_credit"),  # Zhipu
    (403, "Arrearage", "model_no_credit"),  # DashScope
    (429, "Your account is suspended (exceeded_current_quota_error)", "model_no_credit"),  # Kimi
    (403, "Sorry, your account balance is insufficient", "model_no_credit"),  # SiliconFlow
    (400, "Your credit balance is too low to access the Anthropic API.", "model_no_credit"),
    (400, "Billing hard limit has been reached", "model_no_credit"),  # OpenAI
    (
        412,
        "Account is suspended, possibly due to reaching the spending limit",
        "model_no_credit",
    ),  # Fireworks
    (401, "该令牌额度已用尽", "model_no_credit"),  # one-api
    (429, "Your prepayment credits are depleted.", "model_no_credit"),  # Google
    (400, "资源包已用尽，请购买", "model_no_credit"),  # Tencent
    (429, "Rate limit reached. Upgrade at https://console.groq.com/settings/billing", "model_rate_limited"),
    (400, "Failed to call a function. Please adjust your prompt.", "call_malformed"),  # Groq
    (500, "The model produced output that does not match the expected format", "call_malformed"),  # llama.cpp
    (500, "error parsing tool call: raw='ls', err=invalid character 'l'", "call_malformed"),  # Ollama
    (500, "insufficient balance (1008)", "model_no_credit"),  # MiniMax (MiniMax-AI/MiniMax-M2#62)
    (400, "Budget has been exceeded! Current cost: 10.1, Max budget: 10.0", "model_no_credit"),  # LiteLLM
    (400, "The model `m` does not support parallel calls", "model_bad_request"),
    (503, "The model is currently loading", "model_overloaded"),
]


@pytest.mark.parametrize(("status", "message", "code"), TRULY)
async def test_a_refusal_is_told_by_what_it_says_and_not_by_its_status(
    status: int, message: str, code: str
) -> None:
    no = refusal(status, message)
    scripted = ScriptedProvider(no, no, no)
    with pytest.raises(ModelError) as caught:
        await ask(scripted)
    assert caught.value.code == code
    is_tried_again = code in ("model_overloaded", "model_rate_limited", "call_malformed")
    assert len(scripted.requests) == (3 if is_tried_again else 1)
    assert code == "call_malformed" or message in says(caught.value)


QUOTA = "You exceeded your current quota, please check your plan and billing details."
QUOTAS = [  # the same words mean that there is no money, or that the minute's share is used up
    (QUOTA, "model_no_credit"),  # OpenAI
    (f"{QUOTA} https://help.aliyun.com/zh/model-studio/error-code#token-limit", "model_rate_limited"),
]


@pytest.mark.parametrize(("message", "code"), QUOTAS)
@pytest.mark.parametrize("key", ["code", "type"])
async def test_a_quota_is_told_as_money_where_it_is(message: str, code: str, key: str) -> None:
    body = {"error": {"message": message, key: "insufficient_quota"}}
    for step in (JSONResponse(body, 429), f"data: {json.dumps(body)}\n\n"):
        error = await failure(step, retries=0)
        assert (error.code, message in says(error)) == (code, True)


FILTERED: dict[str, tuple[int, dict[str, Any], str]] = {  # status, error, what of it is told
    "DashScope": (
        400,
        {"code": "data_inspection_failed", "message": "Input data may contain inappropriate content."},
        "data_inspection_failed",
    ),
    "DashScope, in the words": (
        400,
        {"message": "<400> InternalError.Algo.DataInspectionFailed: Input text data ..."},
        "DataInspectionFailed",
    ),
    "Zhipu": (400, {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容"}, "1301"),
    "Azure": (
        400,
        {
            "code": "content_filter",
            "message": "The response was filtered due to the prompt triggering the content management policy",
            "innererror": {
                "content_filter_result": {"hate": {"filtered": True}, "self": {"filtered": False}}
            },
        },
        ": hate",
    ),
    "Kimi": (400, {"type": "content_filter", "message": "considered high risk"}, "high risk"),
    "DeepSeek": (400, {"message": "Content Exists Risk"}, "Exists Risk"),
    "MiniMax": (200, {"code": 1026, "message": "input new_sensitive"}, "1026"),
    "Volcengine": (400, {"code": "InputTextSensitiveContentDetected", "message": "x"}, "InputText"),
    "OpenRouter": (403, {"message": 'Your input was flagged for "violence".'}, "violence"),
    "xAI": (403, {"message": "Content violates usage guidelines."}, "guidelines"),
    "Spark": (200, {"code": 10013, "message": "输入内容审核不通过，涉嫌违规"}, "10013"),
    "Vertex": (
        400,
        {"message": "It contains sensitive words that violate Responsible AI practices"},
        "words",
    ),
    "Bedrock": (400, {"message": "The request was blocked by the guardrail"}, "guardrail"),
    "OpenAI, a picture": (400, {"code": "moderation_blocked", "message": "rejected"}, "moderation_blocked"),
    "LiteLLM": (400, {"message": "{'error': 'Violated content safety policy'}"}, "safety policy"),
    "StepFun": (451, {"message": "The content you provided is blocked."}, "blocked"),
}


@pytest.mark.parametrize("whose", FILTERED)
async def test_a_providers_filter_is_told_as_such(whose: str) -> None:
    status, body, words = FILTERED[whose]
    begun = f"{chunk(role='assistant')}data: {json.dumps({'error': body})}\n\n"
    for step in (JSONResponse({"error": body}, status), begun):
        error = await failure(step)  # asked again, the script would say that it is over
        assert error.code == "request_filtered"
        assert "内容审查" in says(error)
        assert words in says(error)


NOT_READ = {
    "message": "Failed to call a function. See 'failed_generation' for more details.",
    "code": "tool_use_failed",
    "failed_generation": "<function=look>{</function>",
}


@pytest.mark.parametrize("where", ["a refusal", "a stream", "a stream with text"])
async def test_a_call_that_the_provider_cannot_read_is_written_again(where: str) -> None:
    first: Any = JSONResponse({"error": NOT_READ}, 400)
    if where != "a refusal":
        said = chunk(role="assistant", content="I look" if "text" in where else "")
        first = f"{said}event: error\ndata: {json.dumps({'error': NOT_READ})}\n\n"
    scripted = ScriptedProvider(first, text_stream("ok"))
    assert (await ask(scripted, tools=[TOOL]))[1].text == "ok"
    assert scripted.requests[0] == scripted.requests[1]


NO_TOOLS = "registry/llama2 does not support tools"
BODIES: dict[str, Any] = {  # of a refusal
    "OpenAI": {"error": {"message": NO_TOOLS}},
    "Gemini": [{"error": {"code": 400, "message": NO_TOOLS, "status": "INVALID_ARGUMENT"}}],
    "TGI": {"error": NO_TOOLS, "error_type": "validation"},
    "FastAPI": {"detail": NO_TOOLS},
    "FastAPI, of a field": {"detail": [{"loc": ["body", "tools"], "msg": NO_TOOLS, "type": "value_error"}]},
    "vLLM": {"object": "error", "message": NO_TOOLS, "code": 400},
    "a list of errors": {"errors": [{"message": NO_TOOLS}]},
    "OpenRouter": {
        "error": {"message": "Provider returned error", "metadata": {"raw": f'{{"error":"{NO_TOOLS}"}}'}}
    },
    "a text": NO_TOOLS,
    "a page": f"<html><body><p>{NO_TOOLS}</p></body></html>",
}


@pytest.mark.parametrize("whose", BODIES)
async def test_a_refusal_is_told_and_learnt_from_whatever_its_body(whose: str) -> None:
    body = BODIES[whose]
    no = Response(body, 400, media_type="text/html") if isinstance(body, str) else JSONResponse(body, 400)
    assert (await ask(ScriptedProvider(no, text_stream("ok")), tools=[TOOL]))[1].text == "ok"
    assert NO_TOOLS in says(await failure(no))


@pytest.mark.parametrize(("status", "phrase"), [(400, "Bad Request"), (401, "Unauthorized"), (444, "444")])
async def test_a_refusal_without_a_word_is_told_by_its_status(status: int, phrase: str) -> None:
    assert (await failure(Response(status_code=status))).params["reason"] == phrase


REFUSALS = {
    400: ("model_bad_request", "不接受"),
    401: ("model_unauthorized", "OPENAI_API_KEY"),
    402: ("model_no_credit", "余额"),
    403: ("model_forbidden", "权限"),
    404: ("model_not_found", "LLM_MODEL"),
    422: ("model_refused", "拒绝"),
}


@pytest.mark.parametrize("status", REFUSALS)
async def test_a_refusal_that_no_retry_mends_says_what_to_do(status: int) -> None:
    code, advice = REFUSALS[status]
    scripted = ScriptedProvider(refusal(status, "nope"))
    with pytest.raises(ModelError) as caught:
        await ask(scripted)
    assert (caught.value.code, caught.value.params["status"]) == (code, status)
    assert advice in says(caught.value)
    assert "nope" in says(caught.value)
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    "message",
    [
        "Tool calling is not supported with this model",
        "`tools` are not supported",
        "Function calling is not enabled for models/gemma",
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "No endpoints found that support tool use.",
    ],
)
async def test_a_model_that_refused_tools_is_offered_some_again_after_a_while(message: str) -> None:
    scripted = ScriptedProvider(refusal(404, message), text_stream("hello"), text_stream("again"))
    async with (
        serve(scripted.app) as url,
        aclosing(OpenAIModel("m", "key", f"{url}/v1", toolless_seconds=0.0)) as model,
    ):
        for _ in range(2):
            await ask_model(model, tools=[TOOL])
    assert "tools" in scripted.requests[2]


async def test_a_model_without_tools_answers_without_them_and_says_so() -> None:
    no_tools = refusal(400, "registry/llama2 does not support tools")
    scripted = ScriptedProvider(no_tools, text_stream("hello"), text_stream("again"))
    async with serve(scripted.app) as url, aclosing(OpenAIModel("llama2", "key", f"{url}/v1")) as model:
        answers = [(await ask_model(model, tools=[TOOL]))[1] for _ in range(2)]
    assert ["tools" in request for request in scripted.requests] == [True, False, False]
    assert [answer.text for answer in answers] == ["hello", "again"]
    assert [answer.notes for answer in answers] == [(CodedError("model_toolless", model="llama2"),)] * 2


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens.",
        "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
        "Input is too long for requested model.",
        "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000",
        "Input length 203743 exceeds the maximum length 202752",
        "the request exceeds the available context size",
        "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",  # xAI
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",  # vLLM
        "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000",  # TGI
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000",
        "Invalid request: Your request exceeded model token limit: 131072",  # Kimi
        "prompt tokens too long",  # Qianfan
        "Please reduce the length of the messages or completion. Current length is 8218",  # Cerebras
        "length of prompt_tokens (50000) must be less than max_seq_len (32768).",  # SiliconFlow
        "prompt token count of 70000 exceeds the limit of 64000",  # Copilot
        "Prompt 超长",  # Zhipu
        "输入内容过长，请缩短后重试",
    ],
)
async def test_a_context_that_is_too_long_is_told_apart(message: str) -> None:
    within_a_stream = f'data: {{"error": {{"message": "{message}"}}}}\n\n'
    for step in (refusal(400, message), within_a_stream):
        error = await failure(step)
        assert isinstance(error, ContextOverflowError)
        assert (error.code, "对话太长" in says(error)) == ("context_overflow", True)
        assert message in says(error)


TEMPERATURE_REFUSED = [
    "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is "
    "supported.",
    "Unsupported parameter: 'temperature' is not supported with this model.",
    "`temperature` is deprecated for this model.",
    "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.",
    "invalid temperature: only 1 is allowed for this model",
    "litellm.UnsupportedParamsError: gpt-5 models (including gpt-5-codex) don't support temperature=0.7. "
    "Only temperature=1 is supported.",
]


@pytest.mark.parametrize("message", TEMPERATURE_REFUSED)
async def test_a_model_that_refuses_a_temperature_is_asked_without_one_from_then_on(message: str) -> None:
    scripted = ScriptedProvider(refusal(400, message), text_stream("ok"), text_stream("again"))
    async with serve(scripted.app) as url, aclosing(OpenAIModel("m", "key", f"{url}/v1")) as model:
        answers = [(await ask_model(model))[1].text for _ in range(2)]
    assert answers == ["ok", "again"]
    assert ["temperature" in request for request in scripted.requests] == [True, False, False]


async def test_a_temperature_that_was_not_sent_is_not_left_out_again() -> None:
    scripted = ScriptedProvider(refusal(400, TEMPERATURE_REFUSED[0]))
    with pytest.raises(ModelError):
        await ask(scripted, temperature=None)
    assert len(scripted.requests) == 1


async def test_a_tool_whose_name_holds_the_word_is_no_refusal_of_the_temperature() -> None:
    scripted = ScriptedProvider(refusal(400, "Invalid schema for function 'get_temperature'"))
    with pytest.raises(ModelError):
        await ask(scripted)
    assert len(scripted.requests) == 1


async def test_all_that_a_model_wants_otherwise_is_learnt_within_one_answer() -> None:
    scripted = ScriptedProvider(
        refusal(400, TEMPERATURE_REFUSED[0]),
        refusal(400, "Missing `reasoning_content` field in the assistant message at message index 2"),
        refusal(400, "Unexpected role 'user' after role 'tool'"),
        refusal(400, "registry/llama2 does not support tools"),
        text_stream("ok"),
    )
    assert (await ask(scripted, [*called("x"), *ASK], [TOOL]))[1].text.endswith("ok")

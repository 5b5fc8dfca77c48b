"""What an answer took, as providers count it, and what that costs."""

import json
from typing import Any

import pytest
from starlette.responses import JSONResponse

from assistant.chat.interfaces import Usage
from assistant.llm.usage import UsageReader, priced
from tests.support.asgi import ScriptedProvider, refusal, text_stream, whole
from tests.support.provider import ask

pytestmark = pytest.mark.anyio

Chunk = dict[str, Any]
OPENAI = {"prompt_tokens": 1200, "completion_tokens": 300, "total_tokens": 1500}
COUNTED = Usage(1200, 300)


def told(*chunks: Chunk) -> Usage | None:
    reader = UsageReader()
    for each in chunks:
        reader.add(each)
    return reader.usage()


FORMS: dict[str, tuple[list[Chunk], Usage]] = {
    "OpenAI: in the last chunk": ([{"choices": [], "usage": OPENAI}], COUNTED),
    "OpenAI: none before it": ([{"usage": None}, {"choices": [], "usage": OPENAI}], COUNTED),
    "OpenAI: cached": (
        [{"usage": OPENAI | {"prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0}}}],
        Usage(1200, 300, 1024),
    ),
    "Qwen, SiliconFlow: growing with every chunk": (
        [{"usage": OPENAI | {"completion_tokens": n, "total_tokens": 1200 + n}} for n in (0, 100, 300)],
        COUNTED,
    ),
    "nothing at last": ([{"usage": OPENAI}, {"usage": {}}, {"usage": None}], COUNTED),
    "DeepSeek": (
        [{"usage": OPENAI | {"prompt_cache_hit_tokens": 1000, "prompt_cache_miss_tokens": 200}}],
        Usage(1200, 300, 1000),
    ),
    "Kimi: in the choice": (
        [{"choices": [{"delta": {}, "usage": OPENAI | {"cached_tokens": 7}}]}],
        Usage(1200, 300, 7),
    ),
    "Groq, formerly": ([{"choices": [], "x_groq": {"usage": OPENAI}}], COUNTED),
    "Gemini, xAI: thoughts in the total only": (
        [{"usage": OPENAI | {"total_tokens": 2000}}],
        Usage(1200, 800),
    ),
    "Gemini's own": (
        [{"usageMetadata": {"promptTokenCount": 1200, "candidatesTokenCount": 200, "totalTokenCount": 1500}}],
        COUNTED,
    ),
    "Anthropic: in two pieces, the cached beside": (
        [
            {
                "type": "message_start",
                "message": {
                    "usage": {"input_tokens": 100, "cache_read_input_tokens": 1000, "output_tokens": 1}
                },
            },
            {"type": "message_delta", "usage": {"output_tokens": 300}},
        ],
        Usage(1100, 300, 1000),
    ),
    "LiteLLM: Anthropic's names within OpenAI's": (
        [{"usage": OPENAI | {"cache_read_input_tokens": 1000}}],
        Usage(1200, 300, 1000),
    ),
    "OpenAI's Responses": (
        [
            {
                "usage": {
                    "input_tokens": 1200,
                    "output_tokens": 300,
                    "input_tokens_details": {"cached_tokens": 5},
                }
            }
        ],
        Usage(1200, 300, 5),
    ),
    "Ollama's own": ([{"done": True, "prompt_eval_count": 1200, "eval_count": 300}], COUNTED),
    "OpenRouter: with the cost": ([{"usage": OPENAI | {"cost": 0.0021}}], Usage(1200, 300, 0, 0.0021)),
    "Perplexity: with the cost in parts": (
        [{"usage": OPENAI | {"cost": {"total_cost": 0.5, "request_cost": 0.1}}}],
        Usage(1200, 300, 0, 0.5),
    ),
    "as numbers with a point": ([{"usage": {"prompt_tokens": 1200.0, "completion_tokens": 300.0}}], COUNTED),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_count_is_read_in_every_form(form: str) -> None:
    chunks, usage = FORMS[form]
    assert told(*chunks) == usage


NO_COUNTS: list[Any] = [
    None, "12", 7, [], [OPENAI], {}, {"total_tokens": 1500}, {"prompt_tokens": 0, "completion_tokens": 0},
    {"prompt_tokens": "1200", "completion_tokens": "300"}, {"prompt_tokens": -1, "completion_tokens": 300},
    {"prompt_tokens": True, "completion_tokens": True}, {"prompt_tokens": 1200},
    {"prompt_tokens": 1e300, "completion_tokens": 3}, {"prompt_tokens": float("nan"), "completion_tokens": 3},
]  # fmt: skip


@pytest.mark.parametrize("usage", NO_COUNTS, ids=str)
def test_what_is_no_count_is_none(usage: Any) -> None:
    assert told({"choices": [], "usage": usage}, {"choices": usage}, {"message": usage}) is None


async def test_a_stream_is_asked_for_the_count_and_an_answer_in_one_piece_has_it() -> None:
    last = f"data: {json.dumps({'choices': [], 'usage': OPENAI})}\n\ndata: [DONE]\n\n"
    scripted = ScriptedProvider(text_stream("ok").replace("data: [DONE]\n\n", last))
    assert (await ask(scripted))[1].usage == COUNTED
    body = json.loads(bytes(whole("ok").body)) | {"usage": OPENAI}
    scripted = ScriptedProvider("data: [DONE]\n\n", JSONResponse(body))
    assert (await ask(scripted))[1].usage == COUNTED
    assert [each.get("stream_options") for each in scripted.requests] == [{"include_usage": True}, None]
    assert (await ask(ScriptedProvider(text_stream("ok"))))[1].usage is None


@pytest.mark.parametrize(
    "message",
    [
        "Unrecognized request argument supplied: stream_options",
        "[{'type': 'extra_forbidden', 'loc': ['body', 'stream_options']}]",
        "Extra inputs are not permitted",
        "unknown field in request",
        "参数错误",
    ],
)
async def test_a_provider_that_refuses_the_question_is_asked_without_it(message: str) -> None:
    scripted = ScriptedProvider(refusal(400, message), text_stream("ok"))
    assert (await ask(scripted))[1].text == "ok"
    assert ["stream_options" in each for each in scripted.requests] == [True, False]


@pytest.mark.parametrize(
    ("model", "address", "cost", "window"),
    [
        ("gpt-5", "https://api.openai.com/v1", 0.0045, 400_000),
        ("deepseek-chat", "https://api.deepseek.com", None, 64_000),
        ("gpt-5", "https://gateway.example/v1", 0, None),
        ("no-such-model", "https://api.openai.com/v1", 0, None),
    ],
)
def test_the_cost_is_said_where_provider_and_model_are_known(
    model: str, address: str, cost: float | None, window: int | None
) -> None:
    usage, reads = priced(COUNTED, model, address)
    assert (usage.input, usage.output, reads) == (1200, 300, window)
    assert usage.cost == pytest.approx(cost) if cost else (usage.cost is None) is (cost == 0)


def test_the_provider_knows_best_what_it_cost() -> None:
    assert priced(Usage(1200, 300, 0, 0.5), "gpt-5", "https://api.openai.com/v1")[0].cost == 0.5

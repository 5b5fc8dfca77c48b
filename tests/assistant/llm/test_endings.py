"""Why an answer of a model ended."""

import pytest

from assistant.chat.interfaces import ModelError, Reply
from assistant.llm.answer import ReplyBuilder
from tests.support.provider import says

ENDINGS = {
    "content_filter": "content_filtered",
    "sensitive": "content_filtered",
    "SAFETY": "content_filtered",
    "refusal": "model_declined",
    "insufficient_system_resource": "model_exhausted",
    "network_error": "model_broke_off",
    "error": "model_broke_off",
    "MALFORMED_FUNCTION_CALL": "call_malformed",
    "UNEXPECTED_TOOL_CALL": "call_malformed",
    "SPII": "content_filtered",
    "FinishReason.SAFETY": "content_filtered",
    "content_filtered": "content_filtered",
    "guardrail_intervened": "content_filtered",
    "cancelled": "model_broke_off",
    "timeout": "model_broke_off",
}


@pytest.mark.parametrize("finish", ENDINGS)
def test_why_an_answer_ended_is_told(finish: str) -> None:
    builder = ReplyBuilder("m")
    list(builder.add({"choices": [{"delta": {"content": "so"}, "finish_reason": finish}]}))
    with pytest.raises(ModelError) as caught:
        list(builder.end())
    assert caught.value.code == ENDINGS[finish]
    assert says(caught.value)


def test_a_refusal_is_told_in_the_models_words() -> None:
    builder = ReplyBuilder("m")
    list(builder.add({"choices": [{"delta": {"refusal": "I cannot "}}]}))
    list(builder.add({"choices": [{"delta": {"refusal": "do this."}, "finish_reason": "stop"}]}))
    with pytest.raises(ModelError) as caught:
        list(builder.end())
    assert "I cannot do this." in says(caught.value)


@pytest.mark.parametrize(
    "finish", ["length", "max_tokens", "MAX_TOKENS", "model_length", "model_context_window_exceeded"]
)
def test_an_answer_that_was_cut_is_known_as_cut(finish: str) -> None:
    builder = ReplyBuilder("m")
    list(builder.add({"choices": [{"delta": {"content": "so"}, "finish_reason": finish}]}))
    (*_, reply) = builder.end()
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish) == ("so", "length")


def test_an_end_under_another_name_is_one() -> None:
    builder = ReplyBuilder("m")
    list(builder.add({"choices": [{"delta": {"content": "so"}, "stop_reason": "end_turn"}]}))
    (*_, reply) = builder.end()
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish) == ("so", "stop")

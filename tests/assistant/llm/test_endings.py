"""Why an answer of a model ended."""

import pytest

from assistant.chat.interfaces import ModelError, Reply
from assistant.llm.answer import ReplyBuilder
from serving.redaction import remember
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
    "function_call_filter: MALFORMED_FUNCTION_CALL": "call_malformed",  # Gemini
    "SPII": "content_filtered",
    "FinishReason.SAFETY": "content_filtered",
    "content_filtered": "content_filtered",
    "guardrail_intervened": "content_filtered",
    "cancelled": "model_broke_off",
    "timeout": "model_broke_off",
    "moderation": "content_filtered",
    "OTHER": "answer_ended",  # Gemini
    "overloaded": "answer_ended",
    "repetition": "answer_ended",
    "pause_turn": "answer_ended",  # Anthropic
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
    "finish",
    [
        *("length", "max_tokens", "MAX_TOKENS", "model_length", "model_context_window_exceeded"),
        "context_length_exceeded",
    ],
)
def test_an_answer_that_was_cut_is_known_as_cut(finish: str) -> None:
    builder = ReplyBuilder("m")
    list(builder.add({"choices": [{"delta": {"content": "so"}, "finish_reason": finish}]}))
    (*_, reply) = builder.end()
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish) == ("so", "length")


@pytest.mark.parametrize("finish", ["stop", "STOP", "end_turn", "eos", "COMPLETE", "stop_sequence", "normal"])
def test_an_answer_that_ended_well_is_whole(finish: str) -> None:
    builder = ReplyBuilder("m")
    list(builder.add({"choices": [{"delta": {"content": "so"}, "finish_reason": finish}]}))
    (*_, reply) = builder.end()
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish) == ("so", "stop")


def test_why_an_answer_ended_early_is_told_in_the_providers_word() -> None:
    builder = ReplyBuilder("m")
    list(builder.add({"choices": [{"delta": {"content": "so"}, "finish_reason": "time_limit"}]}))
    with pytest.raises(ModelError) as caught:
        list(builder.end())
    assert "time_limit" in says(caught.value)


def test_the_key_in_the_word_for_an_end_is_told_to_nobody() -> None:
    remember("sk-SECRET-of-this-TEST-0123456789")
    builder = ReplyBuilder("m")
    end = "sk-SECRET-of-this-TEST-0123456789"
    list(builder.add({"choices": [{"delta": {"content": "so"}, "finish_reason": end}]}))
    with pytest.raises(ModelError) as caught:
        list(builder.end())
    assert "0123456789" not in says(caught.value)


def test_a_whole_call_runs_and_a_torn_one_does_not_whatever_the_end() -> None:
    for arguments, finish in (('{"a": 1}', "tool_calls"), ('{"a": ', "length")):
        builder = ReplyBuilder("m")
        call = {"index": 0, "id": "x", "function": {"name": "look", "arguments": arguments}}
        list(builder.add({"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": "overloaded"}]}))
        (*_, reply) = builder.end()
        assert isinstance(reply, Reply)
        assert reply.finish == finish


def test_an_end_under_another_name_is_one() -> None:
    builder = ReplyBuilder("m")
    list(builder.add({"choices": [{"delta": {"content": "so"}, "stop_reason": "end_turn"}]}))
    (*_, reply) = builder.end()
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish) == ("so", "stop")

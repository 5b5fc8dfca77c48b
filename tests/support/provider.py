"""Asks a model behind a scripted provider, over real HTTP."""

from contextlib import aclosing
from typing import Any

import pytest
from pydantic import TypeAdapter

from assistant.chat.history import History, Message, as_messages
from assistant.chat.interfaces import ModelError, Reply, Restart
from assistant.llm.model import OpenAIModel
from assistant.llm.sentences import SENTENCES
from serving.errors import sentence
from tests.support.asgi import ScriptedProvider, serve, text_stream

ASK: list[Message] = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "look", "description": "", "parameters": {"type": "object"}}}


async def ask(
    scripted: ScriptedProvider,
    messages: list[Message] = ASK,
    tools: list[dict[str, Any]] | None = None,
    api_key: str = "key",
    **settings: Any,
) -> tuple[list[str], Reply]:
    """Return the text as it is streamed, and the reply."""
    async with (
        serve(scripted.app) as url,
        aclosing(OpenAIModel("m", api_key, f"{url}/v1", **settings)) as model,
    ):
        return await ask_model(model, messages, tools)


async def ask_model(
    model: OpenAIModel, messages: list[Message] = ASK, tools: list[dict[str, Any]] | None = None
) -> tuple[list[str], Reply]:
    """Return the pieces of text that stand at the end, and the reply, which says the same."""
    texts: list[str] = []
    async for part in model.reply(messages, tools or []):
        match part:
            case Restart():
                texts.clear()
            case str():
                texts.append(part)
            case Reply():
                assert "".join(texts) == part.text
                return texts, part
    raise AssertionError("no reply")


async def sent(messages: list[Message], *tools: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """Return what the provider is asked."""
    scripted = ScriptedProvider(text_stream("ok"))
    await ask(scripted, messages, list(tools), **settings)
    return scripted.requests[0]


async def failure(*steps: Any, tools: list[dict[str, Any]] | None = None, **settings: Any) -> ModelError:
    """Return why there is no answer."""
    with pytest.raises(ModelError) as caught:
        await ask(ScriptedProvider(*steps), tools=tools, **settings)
    return caught.value


def says(error: ModelError) -> str:
    """Return the sentence of an error."""
    return sentence(SENTENCES, error.code, error.params)


def called(*ids: str, **extra: Any) -> list[Message]:
    """Return a history in which the model `m` looked something up."""
    function = {"name": "look", "arguments": '{"a": 1}'}
    calls = [{"id": id, "type": "function", "function": function} for id in ids]
    results = [{"role": "tool", "tool_call_id": id, "content": f"result {id}"} for id in ids]
    return [*ASK, {"role": "assistant", "content": "let me see", "tool_calls": calls, **extra}, *results]


def through_the_browser(history: list[Message]) -> list[Message]:
    adapter = TypeAdapter[list[Any]](History)
    return as_messages(
        adapter.validate_json(adapter.dump_json(adapter.validate_python(history), exclude_unset=True))
    )

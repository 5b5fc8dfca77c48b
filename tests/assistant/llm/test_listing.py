"""The lists of models in the forms of many providers, and the model servers of this machine."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.responses import JSONResponse, Response

from assistant.chat.interfaces import ModelError
from assistant.llm.listing import ListedModel, list_models, local_servers, read_list
from tests.support.asgi import Silence, serve
from tests.support.model_service import KEY, FakeProvider
from tests.support.processes import free_port

pytestmark = pytest.mark.anyio

LOADED = {"id": "q", "config": {"context_length": 4096}}
FORMS: dict[str, tuple[Any, list[ListedModel]]] = {
    "OpenAI": (
        {"object": "list", "data": [{"id": "gpt-5", "owned_by": "openai"}, {"id": "text-embedding-3-small"}]},
        [ListedModel("gpt-5")],
    ),
    "OpenRouter": (
        {
            "data": [
                {
                    "id": "a/b",
                    "name": "B",
                    "context_length": 200_000,
                    "architecture": {"input_modalities": ["text", "image"]},
                },
                {"id": "c", "context_length": 8192, "architecture": {"input_modalities": ["text"]}},
            ]
        },
        [ListedModel("a/b", 200_000, True), ListedModel("c", 8192, False)],
    ),
    "Gemini, compatible": ({"data": [{"id": "models/gemini-3-flash"}]}, [ListedModel("gemini-3-flash")]),
    "Gemini's own": (
        {
            "models": [
                {
                    "name": "models/g",
                    "inputTokenLimit": 1_048_576,
                    "supportedGenerationMethods": ["generateContent"],
                },
                {"name": "models/aqa", "supportedGenerationMethods": ["generateAnswer"]},
            ]
        },
        [ListedModel("g", 1_048_576)],
    ),
    "Mistral": (
        {
            "data": [
                {
                    "id": "m",
                    "max_context_length": 131_072,
                    "capabilities": {"completion_chat": True, "vision": True},
                },
                {"id": "o", "capabilities": {"completion_chat": False}},
            ]
        },
        [ListedModel("m", 131_072, True)],
    ),
    "Groq and Moonshot": (
        {"data": [{"id": "k", "context_window": 32_768}, {"id": "l", "supports_image_in": False}]},
        [ListedModel("k", 32_768), ListedModel("l", None, False)],
    ),
    "vLLM": ({"data": [{"id": "Qwen/Qwen3", "max_model_len": 40_960}]}, [ListedModel("Qwen/Qwen3", 40_960)]),
    "llama.cpp": (
        {
            "models": [{"name": "other"}],
            "data": [{"id": "x.gguf", "meta": {"n_ctx": 8192, "n_ctx_train": 131_072}}],
        },
        [ListedModel("x.gguf", 8192)],
    ),
    "Ollama's tags": (
        {"models": [{"name": "qwen3:8b", "model": "qwen3:8b", "details": {"family": "qwen3"}}]},
        [ListedModel("qwen3:8b")],
    ),
    "LM Studio before 0.4": (
        {
            "data": [
                {
                    "id": "v",
                    "type": "vlm",
                    "state": "loaded",
                    "max_context_length": 32_768,
                    "loaded_context_length": 4096,
                },
                {"id": "w", "type": "llm", "state": "not-loaded", "max_context_length": 32_768},
                {"id": "e", "type": "embeddings"},
            ]
        },
        [ListedModel("v", 4096, True), ListedModel("w")],
    ),
    "LM Studio": (
        {
            "models": [
                {
                    "key": "q",
                    "max_context_length": 131_072,
                    "loaded_instances": [LOADED],
                    "capabilities": {"vision": False},
                }
            ]
        },
        [ListedModel("q", 4096, False)],
    ),
    "a bare list": (
        ["a", {"id": "b"}, None, 7, {"id": ""}, {"name": 5}],
        [ListedModel("a"), ListedModel("b")],
    ),
    "twice the same": ({"data": [{"id": "a"}, {"id": "a", "context_length": 1}]}, [ListedModel("a")]),
    "odd values": (
        {"data": [{"id": "a", "context_length": True}, {"id": "b", "context_length": "8k"}, {"id": "c\nd"}]},
        [ListedModel("a"), ListedModel("b")],
    ),
    "no list": ({"error": {"message": "no"}}, []),
    "nothing": (None, []),
    "a page": ("<html>", []),
    "a list that is none": ({"data": {"id": "a"}, "models": "b"}, []),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_list_is_read_in_whatever_form_it_comes(form: str) -> None:
    answer, models = FORMS[form]
    assert read_list(answer) == models


PLACES = {
    "as it is typed": ("/v1", "/v1/models", "/v1"),
    "without its path": ("", "/v1/models", "/v1"),
    "Ollama's own": ("", "/api/tags", "/v1"),
    "LM Studio's, which says more": ("/v1", "/api/v0/models", "/v1"),
}


@pytest.mark.parametrize("case", PLACES)
async def test_a_list_is_found_where_it_is_and_with_it_the_address_for_the_chat(case: str) -> None:
    typed, path, base = PLACES[case]
    provider = FakeProvider()
    provider.lists = {path: {"data": [{"id": "m1"}]}}
    async with serve(provider) as url:
        found = await list_models(url + typed, KEY)
        assert (found.base, found.models) == (url + base, [ListedModel("m1")])
    assert {key for _, key in provider.sent} == {KEY}


FAILURES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "the key is wrong": ({"key": "another"}, {}, "model_unauthorized"),
    "there is no list": ({}, {"lists": {}}, "model_list_unknown"),
    "it is something else": ({}, {"lists": {"/v1/models": {"detail": "hello"}}}, "model_list_unknown"),
    "it is nested without an end": (
        {},
        {"lists": {"/v1/models": Response("[" * 100_000, media_type="application/json")}},
        "model_failed",
    ),
    "it sends on to another host": ({}, {"redirect": "http://localhost:9"}, "model_redirected"),
}


@pytest.mark.parametrize("case", FAILURES)
async def test_why_there_is_no_list_is_said(case: str) -> None:
    given, state, code = FAILURES[case]
    provider = FakeProvider(**given)
    vars(provider).update(state)
    async with serve(provider) as url:
        with pytest.raises(ModelError) as caught:
            await list_models(f"{url}/v1", KEY)
    assert caught.value.code == code
    assert KEY not in str(caught.value.params)


async def test_a_silent_provider_is_not_waited_for_and_one_that_is_down_is_said() -> None:
    async with serve(Silence("{")) as silent:
        down = f"http://127.0.0.1:{free_port()}"
        for base, code, seconds in ((silent, "model_late", 0.2), (down, "model_unreachable", 60)):
            with pytest.raises(ModelError, match=code):
                await list_models(f"{base}/v1", KEY, seconds=seconds)


async def test_model_servers_of_this_machine_are_known_by_their_answers_and_others_are_none() -> None:
    ours = JSONResponse({"detail": "Not Found", "code": "not_found", "params": {}}, 404)
    vllm, bare = FakeProvider("a", key=""), FakeProvider("b", key="")
    vllm.lists = {"/v1/models": {"data": [{"id": "a", "owned_by": "vllm"}]}}
    async with serve(vllm) as one, serve(bare) as two, serve(ours) as three:
        ports = [urlsplit(url).port or 0 for url in (one, two, three)]
        found = await local_servers([*ports, free_port()], seconds=60)
    assert [(kind, each.models[0].name) for kind, each in found] == [
        ("vllm", "a"),
        (f"127.0.0.1:{ports[1]}", "b"),
    ]
    assert all(each.base.startswith("http://127.0.0.1:") for _, each in found)

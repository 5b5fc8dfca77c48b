"""A real gateway between web.py and its model: LiteLLM from its package, before a provider by a script."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from assistant.llm.model import OpenAIModel
from tests.support.asgi import ScriptedProvider, call_stream, chunk, refusal, serve, text_stream
from tests.support.chat_service import client, stream
from tests.support.processes import Spawn, free_port
from tests.world.clients.installed import python_environment

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900), pytest.mark.anyio]

ASK = {"messages": [{"role": "user", "content": "hi"}]}
KEY = f"sk-{secrets.token_hex(32)}"
DONE = "data: [DONE]\n\n"
PROSE = '<tool_call>{"name": "shop_look", "arguments": {}}</tool_call>'
LONG = "This model's maximum context length is 8192 tokens."

Told = tuple[str, list[str], str]  # the text that stands, the codes of what is to be known, and how it ended
ROWS: dict[str, tuple[list[Any], Told]] = {
    "text": ([text_stream(*"你好 world")], ("你好 world", [], "stop")),
    "a call that reads": ([call_stream("shop_look", {}), text_stream("done")], ("done", [], "stop")),
    "a call that writes": ([call_stream("shop_buy", {"n": 2})], ("", [], "approval")),
    "a call in prose": ([text_stream(*PROSE), text_stream("done")], ("done", [], "stop")),
    "a thought": ([text_stream(*"<think>hm</think>ok")], ("ok", [], "stop")),
    "a thought beside": ([chunk(reasoning_content="hm") + text_stream("ok")], ("ok", [], "stop")),
    "a cut answer": (
        [chunk(content="half") + chunk(finish="length") + DONE],
        ("half", ["answer_cut"], "stop"),
    ),
    "a filter": (
        [chunk(content="half") + chunk(finish="content_filter") + DONE],
        ("half", ["content_filtered"], "error"),
    ),
    "an error in a stream": (
        [chunk(content="half") + 'data: {"error": {"message": "overloaded"}}\n\n'],
        ("half", ["model_failed"], "error"),
    ),
    "a wrong key": ([refusal(401, "bad key")], ("", ["model_unauthorized"], "error")),
    "too many requests": ([refusal(429, "slow down")], ("", ["model_rate_limited"], "error")),
    "a long conversation": ([refusal(400, LONG)] * 2, ("", ["context_overflow"], "error")),
    "no temperature": ([refusal(400, "`temperature` is deprecated"), text_stream("ok")], ("ok", [], "stop")),
    "no tools": (  # the last: it is remembered
        [refusal(400, "m does not support tools"), text_stream("ok")],
        ("ok", ["model_toolless"], "stop"),
    ),
}


@asynccontextmanager
async def gateway(spawn: Spawn, folder: Path, provider: str) -> AsyncIterator[str]:
    backend = {"model": "openai/scripted", "api_base": f"{provider}/v1", "api_key": "x", "max_retries": 0}
    config = {
        "model_list": [{"model_name": "m", "litellm_params": backend}],
        "general_settings": {"master_key": KEY},
        "router_settings": {"disable_cooldowns": True},
        "litellm_settings": {"num_retries": 0},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    program = str(await anyio.to_thread.run_sync(python_environment, "litellm") / "litellm")
    port = free_port()
    options = ["--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    service = spawn.program(program, *options)
    await anyio.to_thread.run_sync(service.wait_until_up, f"http://127.0.0.1:{port}/health/liveliness", 240)
    yield f"http://127.0.0.1:{port}/v1"


async def told(http: httpx.AsyncClient) -> Told:
    events = await stream(http, ASK)
    text = "".join(data["delta"] for name, data in events if name == "text")
    said = [data["message"] for name, data in events if name == "message"]
    codes = [note["code"] for message in said for note in message.get("notes", [])]
    codes += [
        message["error"]["code"] for message in said if message["role"] == "assistant" and "error" in message
    ]
    codes += [data["code"] for name, data in events if name == "error"]
    return text, list(dict.fromkeys(codes)), events[-1][1]["reason"]


async def test_whatever_a_provider_says_comes_through_a_gateway(spawn: Spawn, tmp_path: Path) -> None:
    provider = ScriptedProvider()
    (tmp_path / "web").mkdir()
    async with (
        serve(provider.app) as url,
        gateway(spawn, tmp_path, url) as base,
        aclosing(OpenAIModel("m", KEY, base, retries=0)) as model,
        client(tmp_path / "web", model=model) as http,
    ):
        came: dict[str, Told] = {}
        for name, (steps, _) in ROWS.items():
            provider.steps[:] = steps
            came[name] = await told(http)
    assert came == {name: expected for name, (_, expected) in ROWS.items()}
    assert KEY not in json.dumps(came)

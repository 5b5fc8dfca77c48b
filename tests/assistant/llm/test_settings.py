"""Key, address, proxy, bound of an answer: what the operator sets and what refusals teach."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from assistant.chat.interfaces import ModelError
from assistant.llm.model import OpenAIModel
from serving.errors import CodedError
from tests.support.asgi import ScriptedProvider, refusal, serve, text_stream
from tests.support.processes import free_port
from tests.support.provider import ASK, ask, ask_model, failure, says, sent
from tests.support.socks import socks_proxy
from web import Settings

pytestmark = pytest.mark.anyio


def settings(folder: Path, **given: Any) -> Settings:
    return Settings(_env_file=folder / ".env", _cli_parse_args=[], **given)


@pytest.mark.parametrize(("given", "ports"), [("8080, 11434", [8080, 11434]), (",", [])])
def test_a_comma_alone_looks_for_model_servers_nowhere(given: str, ports: list[int], tmp_path: Path) -> None:
    assert settings(tmp_path, llm_local_ports=given).ports() == ports


KEY = "sk-abcDEF123"
KEYS = [
    f" {KEY}\n",
    f"{KEY}\r\n",
    f'"{KEY}"',
    f"'{KEY}'",
    f"\ufeff{KEY}",
    f"“{KEY}”",
    f"Bearer {KEY}",
    f"\u200b{KEY}\u3000",
    f"OPENAI_API_KEY={KEY}",
    f'export OPENAI_API_KEY="{KEY}"',
    f"Authorization: Bearer {KEY}",
    f"x-api-key: {KEY}",
    f"<{KEY}>。",
]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_taken_without_what_was_pasted_along(key: str, tmp_path: Path) -> None:
    found = settings(tmp_path, openai_api_key=key).openai_api_key
    assert found is not None
    assert found.get_secret_value() == KEY


@pytest.mark.parametrize("key", ["我的密钥", "sk-abc def", "sk-abc\ndef", "sk-é", "sk-\x00"])
def test_a_key_that_no_header_carries_is_named(key: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="openai_api_key") as caught:
        settings(tmp_path, openai_api_key=key)
    assert "请重新复制" in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "$OPENAI_API_KEY",
        "${OPENAI_API_KEY}",
        "%OPENAI_API_KEY%",
        "{{OPENAI_API_KEY}}",
        "${env:OPENAI_API_KEY}",
        "OPENAI_API_KEY",
        "sk-xxx",
        "sk-XXXXXXXX",
        "sk-xxxx-xxxx",
        "sk-...",
        "sk-****",
        "xxx",
        "your-api-key",
        "YOUR_API_KEY",
        "sk-your-key-here",
        "<your key>",
        "your_api_key_here",
        "sk-proj-your-openai-key",
        "api-key",
        "changeme",
    ],
)
def test_a_key_that_is_still_to_be_put_in_is_named(key: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="openai_api_key"):
        settings(tmp_path, openai_api_key=key)


@pytest.mark.parametrize(
    "key",
    [
        "none",
        "EMPTY",
        "ollama",
        "lm-studio",
        "sk-no-key-required",
        "sk-1234",
        "dummy",
        "sk-axxxb",
        "key",
        "sk-my-team-key",
        "p$ss%w{rd",
    ],
)
def test_a_key_that_local_servers_take_is_taken(key: str, tmp_path: Path) -> None:
    assert settings(tmp_path, openai_api_key=key).openai_api_key is not None


BASES = {
    "api.deepseek.com": "https://api.deepseek.com",
    "https://api.deepseek.com/v1/chat/completions": "https://api.deepseek.com/v1",
    '"https://api.deepseek.com/v1"': "https://api.deepseek.com/v1",
    " https://api.deepseek.com/v1\n": "https://api.deepseek.com/v1",
    "\ufeffhttps://api.deepseek.com": "https://api.deepseek.com",
    "localhost:11434/v1": "http://localhost:11434/v1",
    "127.0.0.1:11434/v1": "http://127.0.0.1:11434/v1",
    "https:/api.deepseek.com": "https://api.deepseek.com",
    "https//api.deepseek.com": "https://api.deepseek.com",
    "https://https://api.deepseek.com": "https://api.deepseek.com",
    "OPENAI_API_BASE=api.deepseek.com。": "https://api.deepseek.com",
    "[::1]:11434/v1": "http://[::1]:11434/v1",
    "HTTPS://api.deepseek.com": "HTTPS://api.deepseek.com",
    "192.168.1.5:11434": "http://192.168.1.5:11434",
    "10.0.0.7/v1": "http://10.0.0.7/v1",
    "100.101.102.103:8443": "http://100.101.102.103:8443",
    "[fd00::5]:1234/v1": "http://[fd00::5]:1234/v1",
    "ollama:11434": "http://ollama:11434",
    "ollama": "http://ollama",
    "host.docker.internal:1234/v1": "http://host.docker.internal:1234/v1",
    "nas.local/v1": "http://nas.local/v1",
    "models.example.com:11434/v1": "http://models.example.com:11434/v1",
    "models.example.com:8443/v1": "https://models.example.com:8443/v1",
    "1.2.3.4/v1": "https://1.2.3.4/v1",
    "": "",
}


@pytest.mark.parametrize("base", BASES)
def test_an_address_is_taken_as_it_is_meant(base: str, tmp_path: Path) -> None:
    assert settings(tmp_path, openai_api_base=base).openai_api_base == BASES[base]


@pytest.mark.parametrize(
    "base",
    [
        "https：//api.deepseek.com",
        "https://api deepseek.com",
        "ftp://x.y",
        "https://",
        "https://x:port",
        "[::1",
        "模型",
        "$OPENAI_API_BASE",
        "${OPENAI_API_BASE}",
        "https://your-api-base.com/v1",
        "https://xxx.com/v1",
        "http://<host>/v1",
    ],
)
def test_an_address_that_is_none_is_named(base: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="openai_api_base"):
        settings(tmp_path, openai_api_base=base)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks"])
async def test_a_remote_model_is_reached_through_a_socks_proxy(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        serve(ScriptedProvider(text_stream("ok")).app) as url,
        socks_proxy(urlsplit(url).port or 0) as (port, hosts),
    ):
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{port}")
        async with aclosing(OpenAIModel("m", "key", "http://model.example:8/v1")) as model:
            assert (await ask_model(model))[1].text == "ok"
    assert hosts == ["model.example"]


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:{}", "http://127.0.0.1:{}", "ftp://127.0.0.1:{}"])
async def test_a_proxy_that_does_not_serve_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", value.format(free_port()))
    async with aclosing(OpenAIModel("m", "key", "http://model.example/v1", retries=0)) as model:
        with pytest.raises(ModelError) as caught:
            await ask_model(model)
    assert caught.value.code == ("proxy_wrong" if value.startswith("ftp") else "proxy_failed")
    assert "ALL_PROXY" in says(caught.value)


@pytest.mark.parametrize(
    ("scheme", "status", "code"),
    [
        *(("https", 407, "proxy_unauthorized"), ("http", 407, "proxy_unauthorized")),
        *(("https", 403, "proxy_refused"), ("http", 502, "proxy_refused")),
    ],
)
async def test_a_proxy_that_refuses_is_named_with_what_it_says_and_without_its_password(
    scheme: str, status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 6\r\n\r\n<html>".encode())
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://me:secret@127.0.0.1:{port}")
        async with aclosing(OpenAIModel("m", "key", f"{scheme}://model.example/v1", retries=0)) as model:
            with pytest.raises(ModelError) as caught:
                await ask_model(model)
    assert caught.value.code == code
    assert f"{scheme.upper()}_PROXY" in says(caught.value)
    assert "secret" not in f"{caught.value} {says(caught.value)}"


async def test_the_bound_of_an_answer_is_sent_only_where_it_is_set() -> None:
    assert "max_tokens" not in await sent(ASK)
    assert (await sent(ASK, max_tokens=500))["max_tokens"] == 500


async def test_the_bound_of_an_answer_goes_under_the_name_that_the_provider_takes() -> None:
    no = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
    scripted = ScriptedProvider(refusal(400, no), text_stream("ok"))
    assert (await ask(scripted, max_tokens=500))[1].text == "ok"
    assert [request.get("max_completion_tokens") for request in scripted.requests] == [None, 500]
    assert "max_tokens" not in scripted.requests[1]


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": "", "parameters": {}}}


REFUSED = [
    "Invalid schema for function 'shop_bad': schema must be of type object",
    "tools.1.custom.input_schema: JSON schema is invalid",
    "Invalid 'tools[1].function.parameters'",
    "* GenerateContentRequest.tools[0].function_declarations[1].parameters.properties: should be non-empty",
    'tool "shop_bad" has wrong parameters',
]


@pytest.mark.parametrize("message", REFUSED)
async def test_a_tool_that_a_provider_refuses_is_left_out_and_named(message: str) -> None:
    tools = [tool(name) for name in ("shop_good", "shop_bad", "shop_other")]
    scripted = ScriptedProvider(refusal(400, message), text_stream("ok"))
    _, reply = await ask(scripted, tools=tools)
    names = [[each["function"]["name"] for each in request["tools"]] for request in scripted.requests]
    assert names == [["shop_good", "shop_bad", "shop_other"], ["shop_good", "shop_other"]]
    assert (reply.text, reply.notes) == ("ok", (CodedError("tools_left_out", tools="shop_bad"),))


@pytest.mark.parametrize("message", ["bad request", "please have a look at the docs", "tools[9] is wrong"])
async def test_a_refusal_that_names_no_tool_is_told(message: str) -> None:
    assert (await failure(refusal(400, message), tools=[tool("look")])).code == "model_bad_request"

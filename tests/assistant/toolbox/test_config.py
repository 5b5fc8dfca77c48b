import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.toolbox import read_config
from assistant.toolbox.config import watch_config
from assistant.toolbox.sentences import sentence_of
from assistant.toolbox.server import ConfigError, OAuthClient, Server
from tests.support.processes import replace_text

URL = "http://localhost:8083/mcp"


def one(tmp_path: Path, entry: Any, **environment: str) -> Server:
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"s": entry}}))
    return read_config(file, environment)[0]


@pytest.mark.parametrize(
    ("entry", "transport"),
    [
        ({"url": URL}, "streamable-http"),
        ({"url": "http://localhost:8083/sse"}, "sse"),
        ({"url": "http://localhost:8083/sse/"}, "sse"),
        ({"url": "http://localhost:8083/sse", "type": "http"}, "streamable-http"),
        ({"baseUrl": URL, "type": "streamableHttp"}, "streamable-http"),
        ({"serverUrl": "http://localhost:8083/sse"}, "sse"),
        ({"httpUrl": URL}, "streamable-http"),
        ({"url": URL, "transport": "streamable-http"}, "streamable-http"),
        ({"url": URL, "type": "sse"}, "sse"),
        ({"command": "npx", "args": ["-y", "x"]}, "stdio"),
        ({"type": "stdio", "command": "npx"}, "stdio"),
        ({"type": "local", "command": ["npx", "-y", "x"]}, "stdio"),
        ({"type": "remote", "url": URL}, "streamable-http"),
        ({"command": "npx", "envFile": "${workspaceFolder}/.env"}, "stdio"),
        ({"url": URL, "transportType": "sse"}, "sse"),
        ({"uri": URL, "type": "streamable_http"}, "streamable-http"),
        ({"url": URL, "type": "Streamable HTTP"}, "streamable-http"),
        ({"url": URL, "transport": "http-stream"}, "streamable-http"),
        ({"url": URL, "type": "", "command": "", "args": []}, "streamable-http"),
        ({"url": URL, "type": "", "transport": "sse"}, "sse"),
        ({"cmd": "npx", "envs": {}, "timeout": 300}, "stdio"),
    ],
)
def test_every_dialect_names_its_transport(tmp_path: Path, entry: Any, transport: str) -> None:
    server = one(tmp_path, entry)
    assert (server.error, server.transport) == (None, transport)


@pytest.mark.parametrize(
    ("entry", "field", "value"),
    [
        ({"command": ["npx", "-y"], "args": ["x"]}, "args", ("-y", "x")),
        ({"command": "npx -y x"}, "args", ("-y", "x")),
        ({"command": " npx  -y "}, "args", ("-y",)),
        ({"command": "npx -y", "args": ["x y"]}, "args", ("-y", "x y")),
        ({"command": "npx -y 'x y'"}, "args", ("-y", "x y")),
        ({"command": "/no such/folder x"}, "command", "/no such/folder x"),
        ({"command": "/no such/folder x"}, "args", ()),
        ({"command": {"path": "npx", "args": ["x"]}}, "args", ("x",)),
        ({"command": "x", "working_directory": "/srv"}, "cwd", "/srv"),
        ({"command": "x", "workingDirectory": "/srv"}, "cwd", "/srv"),
        ({"url": URL, "http_headers": {"A": "b"}}, "headers", {"A": "b"}),
    ],
)
def test_nothing_of_an_entry_is_dropped(tmp_path: Path, entry: Any, field: str, value: Any) -> None:
    server = one(tmp_path, entry)
    assert (server.error, server.notes, getattr(server, field)) == (None, (), value)


def test_arguments_that_are_no_array_are_said_beside_a_command_that_is_one(tmp_path: Path) -> None:
    error = one(tmp_path, {"command": ["npx"], "args": "-y x"}).error
    assert error is not None
    assert error.code == "not_array"


@pytest.mark.parametrize(
    ("entry", "client"),
    [
        ({}, OAuthClient()),
        ({"oauth": True}, OAuthClient()),
        ({"auth": "oauth"}, OAuthClient()),
        ({"oauth": False}, None),
        ({"oauth": {"enabled": False, "clientId": "c"}}, None),
        ({"oauth": {"clientId": "c", "scopes": ["a", "b"]}}, OAuthClient("c", scope="a b")),
        ({"auth": {"CLIENT_ID": "c", "CLIENT_SECRET": "s", "scopes": "a b"}}, OAuthClient("c", "s", "a b")),
        (
            {"oauth": {"grant_types": ["client_credentials"], "client_id": "c", "clientSecret": "${SECRET}"}},
            OAuthClient("c", "hidden", is_machine=True),
        ),
    ],
)
def test_every_dialect_names_its_oauth_client(tmp_path: Path, entry: Any, client: OAuthClient | None) -> None:
    server = one(tmp_path, {"url": URL, **entry}, SECRET="hidden")
    assert (server.error, server.oauth) == (None, client)


def test_vs_codes_root_comments_and_trailing_commas_are_understood(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text('{ // mine\n "servers": { "a": {"url": "http://localhost/x//y,}", /* no */ }, }, }')
    assert read_config(file)[0].url == "http://localhost/x//y,}"


ENTRY = '{"command": "x", "args": ["手表"], "environment": {"A": "b"}}'


@pytest.mark.parametrize(
    "text",
    [
        f'{{"mcpServers": {{}}, "servers": {{"a": {ENTRY}}}}}',
        f'{{"mcp": {{"inputs": [], "servers": {{"a": {ENTRY}}}}}}}',
        f'{{"mcp.servers": {{"a": {ENTRY}}}}}',
        f'{{"mcp": {{"a": {ENTRY}}}}}',
        f'{{"mcpServers": {{"a": {ENTRY}}}, "mcp": {{"allowed": ["a"]}}}}',
        f'{{"context_servers": {{"a": {ENTRY}}}}}',
        '{"context_servers": {"a": {"command": {"path": "x", "args": ["手表"], "env": {"A": "b"}}}}}',
        '{"a": {"command": ["x", "手表"], "env": {"A": "b"}}}',
        f'"mcpServers": {{"a": {ENTRY}}}',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16", "utf-16-le"])
def test_a_file_is_read_as_it_was_saved_and_pasted(tmp_path: Path, text: str, encoding: str) -> None:
    file = tmp_path / "mcp.json"
    file.write_bytes(text.encode(encoding))
    [server] = read_config(file)
    assert (server.name, server.command, server.args, server.env) == ("a", "x", ("手表",), {"A": "b"})


@pytest.mark.parametrize("name", ["mcp", "servers", "command"])
def test_a_server_may_have_any_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / "mcp.json"
    for root in ("mcpServers", "mcp"):
        file.write_text(json.dumps({root: {name: {"command": "x"}}}))
        assert [(server.name, server.command) for server in read_config(file)] == [(name, "x")]


def test_variables_are_filled_in_everywhere(tmp_path: Path) -> None:
    entry = {
        "command": "${BIN}",
        "args": ["${env:ARG}"],
        "env": {"A": "${MISSING:-default}"},
        "cwd": "${BIN}/x",
    }
    server = one(tmp_path, entry, BIN="run", ARG="now")
    assert (server.command, server.args, server.env, server.cwd) == (
        "run",
        ("now",),
        {"A": "default"},
        "run/x",
    )


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"url": URL, "headers": {"Authorization": "Bearer ${TOKEN}"}}, "TOKEN"),
        ({"url": URL, "type": "carrier-pigeon"}, "carrier-pigeon"),
        ({"type": "stdio"}, "command"),
        ({"command": "npx -y 'x"}, '"args"'),
        ({}, "url"),
        ({"url": "  "}, "url"),
        ({"url": "ftp://localhost/mcp"}, "http"),
        ({"url": "http://shop.example.com/mcp"}, "https"),
        ({"url": "https://169.254.169.254/latest"}, "169.254.169.254"),
        ({"url": "http://169.254.169.254/latest", "allowInsecure": True}, "链路本地"),
        ({"url": "https://[::ffff:169.254.169.254]/"}, "链路本地"),
        ({"url": "https://2852039166/"}, "链路本地"),
        ({"url": "http://shop.example.com/mcp", "allowInsecure": "false"}, "https"),
        ({"url": "http://["}, "URL"),
        ({"url": "http://localhost:abc/mcp"}, "URL"),
        ({"url": "http://localhost:99999/mcp"}, "URL"),
        ({"url": "https://℀.com"}, "URL"),
        ({"url": "http://local\nhost/"}, "URL"),
        ({"url": "shop.example.com/mcp?api_key=x"}, "http"),
        ({"url": URL, "headers": {"Authorization": "密"}}, "Authorization"),
        ({"url": URL, "headers": {"X": "${input:key}"}}, "input"),
        ({"command": "a\0b"}, "command"),
        ({"url": URL, "headers": ["x"]}, "headers"),
        ({"command": "x", "args": "-y"}, "args"),
        ({"command": "x", "cwd": 1}, "cwd"),
        ({"command": "x", "disabled": True}, "停用"),
        ({"command": "x", "enabled": False}, "停用"),
        ({"command": "x", "isActive": False}, "停用"),
        ("not an object", "对象"),
    ],
)
def test_a_wrong_entry_says_what_to_mend(tmp_path: Path, entry: Any, reason: str) -> None:
    error = one(tmp_path, entry).error
    assert error is not None
    assert reason in sentence_of(error.code, error.params)


def test_a_wrong_entry_leaves_the_others_alone(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"bad": {}, "good": {"url": URL}}}))
    assert [bool(server.error) for server in read_config(file)] == [True, False]


def test_plain_http_elsewhere_can_be_allowed(tmp_path: Path) -> None:
    assert one(tmp_path, {"url": "http://shop.example.com/mcp", "allowInsecure": True}).error is None


def test_what_may_be_secret_is_not_shown(tmp_path: Path) -> None:
    entry = {"url": "https://me:pw@shop.example.com/mcp?key=secret", "headers": {"Authorization": "secret"}}
    server = one(tmp_path, entry)
    assert server.address == "https://shop.example.com/mcp"
    assert "secret" not in repr(server)


def test_a_url_that_is_wrong_is_not_quoted(tmp_path: Path) -> None:
    assert "SECRET" not in str(one(tmp_path, {"url": "//me:SECRET@x?key=SECRET"}).error)


@pytest.mark.parametrize("text", [None, "", "{", "[" * 100_000, "[]", '{"servers": 1}', "{}"])
def test_a_file_that_names_no_servers_is_refused_by_name(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "mcp.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=r"mcp\.json"):
        read_config(file)


@pytest.mark.anyio
async def test_edits_are_seen_and_one_that_cannot_be_read_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("{}")
    async with asyncio.timeout(60), aclosing(watch_config(file, dict, poll_seconds=0.01)) as edits:
        seen = asyncio.ensure_future(anext(edits))
        await asyncio.sleep(0)
        replace_text(file, "{ half an edit")
        assert isinstance(broken := await seen, ConfigError)
        assert (broken.code, broken.params["line"]) == ("file_broken", 1)
        assert "第 1 行" in caplog.text
        replace_text(file, json.dumps({"mcpServers": {"new": {"url": URL}}}))
        assert isinstance(mended := await anext(edits), list)
        assert [server.name for server in mended] == ["new"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
known_keys = st.sampled_from(
    ["url", "baseUrl", "type", "transport", "command", "args", "env", "cwd", "headers"]
)


urls = st.text(max_size=30).map("http://localhost".__add__) | st.text(max_size=30).map("http://".__add__)


@given(st.dictionaries(known_keys, json_values | urls))
def test_no_entry_whatsoever_breaks_the_reading(tmp_path_factory: pytest.TempPathFactory, entry: Any) -> None:
    server = one(tmp_path_factory.mktemp("any"), entry)
    assert server.error is not None or server.url or server.command

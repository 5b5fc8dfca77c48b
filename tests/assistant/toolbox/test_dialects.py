"""Whatever people paste to add a server is understood, and written in the dialect of their file."""

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.toolbox.config import place_of_servers
from assistant.toolbox.dialects import in_dialect, pasted
from assistant.toolbox.entries import server_of
from serving.errors import CodedError

URL = {"url": "https://mcp.example.com/mcp"}
NPX = {"command": "npx", "args": ["-y", "@scope/server-x"]}
TOKEN = {"env": {"TOKEN": "a b"}}
CURSOR = base64.b64encode(json.dumps(NPX).encode()).decode()


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        (json.dumps({"mcpServers": {"a": URL, "b": NPX}}), {"a": URL, "b": NPX}),
        ('// mine\n{"servers": {"a": {"url": "https://x/",}}, "inputs": []}', {"a": {"url": "https://x/"}}),
        (json.dumps({"mcp": {"servers": {"a": URL}}}), {"a": URL}),
        (json.dumps({"amp.mcpServers": {"a": URL}}), {"a": URL}),
        (json.dumps({"a": URL}), {"a": URL}),
        ('"a": {"url": "https://x/"},', {"a": {"url": "https://x/"}}),
        (json.dumps(URL), {"example": URL}),
        (json.dumps({"name": "n", **URL}), {"n": URL}),
        (json.dumps([{"name": "n", **URL}, NPX]), {"n": URL, "server-x": NPX}),
        (f"```json\n{json.dumps({'a': URL})}\n```", {"a": URL}),
        ('[mcp_servers.a]\ncommand = "npx"\nargs = ["-y", "@scope/server-x"]\n', {"a": NPX}),
        ("  https://mcp.example.com/mcp\n", {"example": URL}),
        ("mcp.example.com/mcp", {"example": URL}),
        ("localhost:8083/mcp", {"localhost:8083": {"url": "http://localhost:8083/mcp"}}),
        ("127.0.0.1:9/mcp", {"127.0.0.1:9": {"url": "http://127.0.0.1:9/mcp"}}),
        ("http://127.0.0.1:9/sse", {"127.0.0.1:9": {"url": "http://127.0.0.1:9/sse"}}),
        ("npx -y @scope/server-x", {"server-x": NPX}),
        ("$ npx -y \\\n  @scope/server-x", {"server-x": NPX}),
        ("TOKEN='a b' npx -y @scope/server-x", {"server-x": NPX | TOKEN}),
        ("uvx mcp-server-time@1.0", {"mcp-server-time": {"command": "uvx", "args": ["mcp-server-time@1.0"]}}),
        (
            "docker run -i ghcr.io/o/fetch:2",
            {"fetch": {"command": "docker", "args": ["run", "-i", "ghcr.io/o/fetch:2"]}},
        ),
        (r"C:\bin\shop.exe --port 1", {"shop": {"command": r"C:\bin\shop.exe", "args": ["--port", "1"]}}),
        ("./serve.sh", {"serve": {"command": "./serve.sh", "args": []}}),
        ("claude mcp add s -e 'TOKEN=a b' -- npx -y @scope/server-x", {"s": NPX | TOKEN}),
        (
            'claude mcp add --transport http s https://x/ --header "Authorization: Bearer t"',
            {"s": {"type": "http", "url": "https://x/", "headers": {"Authorization": "Bearer t"}}},
        ),
        (f"claude mcp add-json s '{json.dumps(URL)}'", {"s": URL}),
        ("codex mcp add s --url https://x/", {"s": {"url": "https://x/"}}),
        (f"code --add-mcp '{json.dumps({'name': 's', **NPX})}'", {"s": NPX}),
        (f"cursor://anysphere.cursor-deeplink/mcp/install?name=s&config={CURSOR}", {"s": NPX}),
        (
            "vscode:mcp/install?%7B%22name%22%3A%22s%22%2C%22url%22%3A%22https%3A%2F%2Fx%2F%22%7D",
            {"s": {"url": "https://x/"}},
        ),
    ],
)
def test_what_is_pasted_is_understood(text: str, entries: dict[str, Any]) -> None:
    assert pasted(text) == entries


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("  \n", "paste_empty"),
        ("{}", "paste_not_understood"),
        ("hello", "paste_not_understood"),
        ("two lines\nof prose", "paste_not_understood"),
        ('an "open quote', "paste_not_understood"),
        ("[[[[", "entry_not_json"),
        ('{"a": {"url": }', "entry_not_json"),
        ("[mcp]\nx", "paste_not_understood"),
        ("cursor://x/mcp/install?config=%00", "paste_not_understood"),
        ("https://x.example/mcp https://y.example/mcp", "paste_not_understood"),
        ("cd shop && npx server", "paste_not_understood"),
        ("claude mcp add-json s", "paste_not_understood"),
        ("claude mcp add", "paste_not_understood"),
        ("code --add-mcp", "paste_not_understood"),
        ("[" * 100_000, "entry_not_json"),
        ('[mcp_servers.a]\nurl = "https://x/"\nx = 1979-05-27', "paste_not_understood"),
        (f'[mcp_servers.a]\nurl = "https://x/"\nx = 0x{"f" * 5_000}', "paste_not_understood"),
        ('{"a": {"url": "https://x/", "timeout": 1e999}}', "paste_not_understood"),
        ("a" + " " * 250_000 + "b\nc", "paste_not_understood"),
        ("/*" * 125_000, "entry_not_json"),
        ('{"' + '\\"' * 125_000, "entry_not_json"),
    ],
)
def test_what_is_not_understood_says_why(text: str, code: str) -> None:
    with pytest.raises(CodedError) as refused:
        pasted(text)
    assert refused.value.code == code


def test_json_that_is_wrong_names_its_line() -> None:
    with pytest.raises(CodedError) as refused:
        pasted('{"a": {\n  // one\n  "url": nothing\n}}')
    assert (refused.value.params["line"], refused.value.params["column"]) == (3, 10)


@given(st.text(max_size=200))
def test_any_text_is_understood_or_refused(text: str) -> None:
    with suppress(CodedError):
        assert pasted(text)


ZED = {"command": {"path": "c", "args": []}}


@pytest.mark.parametrize(
    "entry",
    [
        *(NPX | TOKEN, URL, {"type": "sse", "url": "https://x/"}, {"type": "remote", **URL}),
        {"type": "", "command": "", "args": [], "url": "https://x/sse"},
    ],
)
@pytest.mark.parametrize(
    ("root", "written"),
    [
        ({"mcpServers": {}}, {}),
        ({"servers": {}}, {"type": "stdio"}),
        ({"mcp": {"servers": {}}}, {"type": "stdio"}),
        (
            {"context_servers": {"z": ZED}},
            {"command": {"path": "npx", "args": ["-y", "@scope/server-x"], **TOKEN}},
        ),
        ({"mcp": {"o": {"type": "local", "command": ["c"]}}}, {"command": ["npx", "-y", "@scope/server-x"]}),
    ],
)
def test_an_entry_is_written_in_the_files_dialect(root: Any, entry: Any, written: Any) -> None:
    path = place_of_servers(root)
    assert path is not None
    others = root
    for key in path:
        others = others[key]
    made = in_dialect(entry, path, [*others.values()])
    assert server_of("n", made, {}) == server_of("n", entry, {})
    if entry.get("command"):
        assert written.items() <= made.items()

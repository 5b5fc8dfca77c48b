"""What is secret in an entry of `mcp.json` is shown nowhere, whatever a server makes of it."""

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from assistant.toolbox import read_config
from assistant.toolbox.entry_secrets import shown
from serving.redaction import redacted


@pytest.mark.parametrize(
    "address",
    [
        "https://user:hunter22@shop.example.com/mcp",
        "htp:/user:hunter22@shop.example.com/mcp",
        "user:hunter22@shop.example.com",
        "https:/user:hunter22@shop.example.com",
        "https:\\\\user:hunter22@shop.example.com",
        "https://user%3Ahunter22%40shop.example.com",
        "https://user%3Ahunter22@shop.example.com",
        "https://user:22/hunter22@shop/mcp",
        "https://user:22#hunter22@shop/mcp",
        "https://user:p@hunter22@shop.example.com",
        "https://:hunter22@shop.example.com",
        "https://shop.example.com/mcp?token=hunter22",
        "https://shop.example.com/mcp?next=https://user:hunter22@x",
        "https://shop.example.com/s/Abc123hunter22xyzAbc123hunter22/mcp",
    ],
)
def test_no_address_is_shown_with_its_password(address: str) -> None:
    assert "hunter22" not in shown(address)


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8083/mcp",
        "http://localhost:18083/@scope/mcp",
        "https://shop.example.com/a%20b",
        "npx",
    ],
)
def test_an_address_without_secrets_is_shown_as_it_is(address: str) -> None:
    assert shown(address) == address


@pytest.mark.parametrize(
    "entry",
    [
        {"url": "https://x/", "headers": {"Authorization": "Bearer {}"}},
        {"url": "https://x/", "headers": {"X-Any": "{}"}},
        {"url": "https://x/?api_key={}"},
        {"url": "https://me:{}@x/"},
        {"url": "htp:/me:{}@x/"},
        {"url": "https://x/", "headers": {"Authorization": "${A_TOKEN:-{}"}},
        {"command": "c", "env": {"SERVICE_TOKEN": "{}"}},
        {"command": "c", "args": ["--api-key", "{}"]},
        {"command": "c", "args": ["--token={}"]},
        {"command": "c", "args": ["postgres://me:{}@db/x"]},
    ],
)
def test_a_secret_of_an_entry_is_taken_out_of_every_text(tmp_path: Path, entry: dict[str, Any]) -> None:
    secret = f"correct-horse-{zlib.crc32(repr(entry).encode())}"
    text = json.dumps({"mcpServers": {"s": entry}}).replace("${A_TOKEN:-{}", "${A_TOKEN:-{}}")
    (tmp_path / "mcp.json").write_text(text.replace("{}", secret))
    read_config(tmp_path / "mcp.json")
    assert redacted(f"wrong key: {secret}!") == "wrong key: ***!"


def test_what_is_no_secret_stays_readable(tmp_path: Path) -> None:
    entry = {"command": "c", "args": ["--port", "8083", "@scope/pack"], "env": {"MODE": "production"}}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"s": entry}}))
    read_config(tmp_path / "mcp.json")
    text = "production on 8083, @scope/pack"
    assert redacted(text) == text

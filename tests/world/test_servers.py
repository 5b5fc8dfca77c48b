"""Other people's servers in `mcp.json`, each from its package; docs/compatibility.md tells what came out."""

from pathlib import Path
from typing import Any

import pytest

from tests.support import world
from tests.world.clients.installed import npm_package, python_environment

pytestmark = [pytest.mark.anyio, pytest.mark.heavy]


def python(name: str) -> Path:
    return python_environment("servers") / f"mcp-server-{name}"


def node(package: str) -> Path:
    return npm_package(package).parents[1] / ".bin" / f"mcp-{package.partition('/')[2]}"


REFERENCE = "@modelcontextprotocol/server-"


@pytest.mark.parametrize(
    ("name", "args", "call", "seen"),
    [
        ("time", [], ("get_current_time", {"timezone": "Asia/Shanghai"}), ("+08:00", 2)),
        ("fetch", [], None, ("", 1)),
        ("git", [], ("git_status", {"repo_path": "{folder}"}), ("", 12)),
        ("12306", [], None, ("", 7)),
        (REFERENCE + "everything", [], ("echo", {"message": "你好"}), ("你好", 14)),
        (REFERENCE + "filesystem", ["{folder}"], ("list_directory", {"path": "{folder}"}), ("mcp.json", 14)),
        (REFERENCE + "memory", [], ("read_graph", {}), ("entities", 9)),
        (REFERENCE + "sequential-thinking", [], None, ("", 1)),
    ],
)
async def test_a_server_of_the_world_is_connected_listed_and_called(
    tmp_path: Path, name: str, args: list[str], call: tuple[str, Any] | None, seen: tuple[str, int]
) -> None:
    command = str(node(name) if name.startswith("@") else python(name))
    entry = {"command": command, "args": [arg.format(folder=tmp_path) for arg in args]}
    async with world.entry(tmp_path, entry, web_trust_commands=True) as web:
        server = await web.becomes("ready", "down")
        assert (server["status"], server["tools"]) == ("ready", seen[1]), server["error"]
        if call:
            filled = {key: value.format(folder=tmp_path) for key, value in call[1].items()}
            body = {"server": "s", "name": call[0], "args": filled}
            answer = (await web.http.post("/api/call-tool", json=body)).json()
            assert seen[0] in answer["result"], answer

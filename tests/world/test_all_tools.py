"""Every tool of other people's servers, called one after the other; docs/compatibility.md has the table."""

import subprocess
from pathlib import Path
from typing import Any, Literal

import pytest

from assistant.chat.interfaces import Answer, Answers, Asked, ToolResult
from assistant.toolbox import Toolbox
from assistant.toolbox.server import Server
from tests.support.mcp_servers import boxed
from tests.support.processes import Spawn, free_port, require
from tests.world.clients.installed import npm_package, python_environment
from tests.world.clients.scripts import FASTMCP_ASKS

pytestmark = [pytest.mark.anyio, pytest.mark.heavy]

EVERYTHING: dict[str, tuple[dict[str, Any], str]] = {  # arguments, and what the result holds
    "echo": ({"message": "你好"}, "你好"),
    "get-annotated-message": ({"messageType": "error", "includeImage": True}, "image/png"),
    "get-env": ({}, "PATH"),
    "get-resource-links": ({"count": 2}, "demo://resource/dynamic"),
    "get-resource-reference": ({"resourceType": "Text", "resourceId": 1}, "Resource 1"),
    "get-structured-content": ({"location": "Chicago"}, "temperature"),
    "get-sum": ({"a": 2, "b": 3}, "5"),
    "get-tiny-image": ({}, "image/png"),
    "gzip-file-as-resource": ({"name": "a.gz", "data": "data:text/plain,hello"}, "a.gz"),
    "toggle-simulated-logging": ({}, "logging"),
    "toggle-subscriber-updates": ({}, "updates"),
    "trigger-long-running-operation": ({"duration": 0.2, "steps": 2}, "completed"),
    "trigger-elicitation-request": ({}, "asks"),
    "trigger-url-elicitation": ({"url": "https://example.com/sign"}, "asks"),
}


def command(package: str, *args: str) -> Server:
    name = "mcp-" + package.partition("/")[2] if package.startswith("@model") else "playwright-mcp"
    folder = npm_package(package).parents[1] / ".bin"
    return Server("s", "stdio", command=str(folder / name), args=args)


def everything(transport: str, spawn: Spawn) -> Server:
    """The server over this transport of its own."""
    over_pipes = command("@modelcontextprotocol/server-everything", transport)
    if transport == "stdio":
        return over_pipes
    port = free_port()
    spawn.program(over_pipes.command, transport, env={"PORT": str(port)})
    kind: Literal["sse", "streamable-http"] = "sse" if transport == "sse" else "streamable-http"
    return Server("s", kind, url=f"http://127.0.0.1:{port}/{'sse' if kind == 'sse' else 'mcp'}")


async def told(box: Toolbox, name: str, args: dict[str, Any], answer: Answer | None = None) -> str:
    """Call a tool and return its text, or that it asks; with an answer to what it asks."""
    outcome = await box.call("s", name, args, asker="a talk", key=f"key of {name}")
    if isinstance(outcome, Asked) and answer:
        by_key = {question.key: answer for question in outcome.questions}
        answers = Answers(outcome.state, by_key)
        outcome = await box.call("s", name, args, asker="a talk", key=f"key of {name}", answers=answers)
    if isinstance(outcome, ToolResult):
        assert not outcome.is_error, (name, outcome)
        return outcome.text
    return "asks"


@pytest.mark.parametrize("transport", ["stdio", "streamableHttp", "sse"])
async def test_all_tools_of_everything_answer_over_each_transport(transport: str, spawn: Spawn) -> None:
    async with boxed(everything(transport, spawn)) as box:
        listing = box.link("s").listing
        assert {tool.name for tool in listing.tools} == set(EVERYTHING)
        assert listing.only_as_tasks == {"simulate-research-query"}
        for name, (args, seen) in EVERYTHING.items():
            assert seen in await told(box, name, args)
        alone = await box.call("s", "simulate-research-query", {})
        assert alone.code == "only_as_task"
        filled = await told(box, "trigger-elicitation-request", {}, Answer("accept", {"name": "林"}))
        assert "林" in filled


def asking(environment: str) -> Server:
    """A server of FastMCP that asks."""
    return python(environment, "python", "-c", FASTMCP_ASKS)


async def test_a_server_of_fastmcp_asks_and_goes_on_with_the_answer() -> None:
    async with boxed(asking("fastmcp-2")) as box:
        booked = await told(box, "book", {}, Answer("accept", {"guests": 4, "meal": "lunch"}))
        assert booked == "lunch for 4"
        assert await told(box, "book", {}, Answer("decline")) == "not booked: decline"


async def test_a_server_of_fastmcp_4_says_that_it_asks_in_its_own_way_only_over_the_handshake() -> None:
    async with boxed(asking("fastmcp")) as box:
        outcome = await box.call("s", "book", {}, asker="a talk")
    assert isinstance(outcome, ToolResult)
    assert "unavailable on 2026-07-28" in outcome.text


FILES = {
    "create_directory": {"path": "{folder}/d"},
    "write_file": {"path": "{folder}/d/a.txt", "content": "one\n"},
    "edit_file": {"path": "{folder}/d/a.txt", "edits": [{"oldText": "one", "newText": "two"}]},
    "read_text_file": {"path": "{folder}/d/a.txt"},
    "read_file": {"path": "{folder}/d/a.txt"},
    "read_media_file": {"path": "{folder}/d/a.txt"},
    "read_multiple_files": {"paths": ["{folder}/d/a.txt"]},
    "list_directory": {"path": "{folder}/d"},
    "list_directory_with_sizes": {"path": "{folder}/d"},
    "directory_tree": {"path": "{folder}"},
    "search_files": {"path": "{folder}", "pattern": "**/*.txt"},
    "get_file_info": {"path": "{folder}/d/a.txt"},
    "move_file": {"source": "{folder}/d/a.txt", "destination": "{folder}/b.txt"},
    "list_allowed_directories": {},
}
ONE = {"entityName": "林", "observations": ["yes"], "contents": ["yes"]}
LIKES = {"from": "林", "to": "茶", "relationType": "likes"}
MEMORY = {
    "create_entities": {
        "entities": [{"name": name, "entityType": "x", "observations": []} for name in ("林", "茶")]
    },
    "create_relations": {"relations": [LIKES]},
    "add_observations": {"observations": [ONE]},
    "read_graph": {},
    "search_nodes": {"query": "林"},
    "open_nodes": {"names": ["林"]},
    "delete_observations": {"deletions": [ONE]},
    "delete_relations": {"relations": [LIKES]},
    "delete_entities": {"entityNames": ["林"]},
}
REPO = {"repo_path": "{folder}"}
GIT = {
    "git_status": REPO,
    "git_add": REPO | {"files": ["a.txt"]},
    "git_diff_staged": REPO,
    "git_commit": REPO | {"message": "one"},
    "git_diff_unstaged": REPO,
    "git_log": REPO,
    "git_create_branch": REPO | {"branch_name": "two"},
    "git_checkout": REPO | {"branch_name": "two"},
    "git_diff": REPO | {"target": "HEAD"},
    "git_show": REPO | {"revision": "HEAD"},
    "git_branch": REPO | {"branch_type": "local"},
    "git_reset": REPO,
}
TIME = {
    "get_current_time": {"timezone": "Asia/Shanghai"},
    "convert_time": {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Shanghai"},
}
SQL = {
    "create_table": {"query": "CREATE TABLE t (n INTEGER)"},
    "write_query": {"query": "INSERT INTO t VALUES (7)"},
    "read_query": {"query": "SELECT n FROM t"},
    "list_tables": {},
    "describe_table": {"table_name": "t"},
    "append_insight": {"insight": "seven"},
}
PAGE = "data:text/html,<button>ok</button>"
BROWSER = {
    "browser_navigate": {"url": PAGE},
    "browser_snapshot": {},
    "browser_take_screenshot": {},
    "browser_tabs": {"action": "list"},
    "browser_close": {},
}
REFERENCE = "@modelcontextprotocol/server-"


def python(environment: str, name: str, *args: str) -> Server:
    return Server("s", "stdio", command=str(python_environment(environment) / name), args=args)


def started(name: str, folder: Path) -> Server:
    match name:
        case "filesystem":
            return command(REFERENCE + "filesystem", str(folder))
        case "memory":
            server = command(REFERENCE + "memory")
            return Server(
                "s", "stdio", command=server.command, env={"MEMORY_FILE_PATH": str(folder / "memory.jsonl")}
            )
        case "git":
            subprocess.run([require("git"), "init", "-q", str(folder)], check=True)
            for key, value in (("user.name", "t"), ("user.email", "t@example.com")):
                subprocess.run([require("git"), "-C", str(folder), "config", key, value], check=True)
            (folder / "a.txt").write_text("one\n")
            return python("servers", "mcp-server-git")
        case "sqlite":
            return python("sqlite", "mcp-server-sqlite", "--db-path", str(folder / "t.db"))
        case "playwright":
            options = (
                "--output-dir",
                str(folder),
                "--headless",
                "--isolated",
                "--no-sandbox",
                "--executable-path",
                require("chromium"),
            )
            return command("@playwright/mcp", *options)
    return python("servers", f"mcp-server-{name}")


@pytest.mark.parametrize(
    ("name", "calls", "is_all"),
    [
        ("filesystem", FILES, True),
        ("memory", MEMORY, True),
        ("git", GIT, True),
        ("time", TIME, True),
        ("sqlite", SQL, True),
        ("playwright", BROWSER, False),
    ],
)
async def test_the_tools_of_a_server_answer(
    tmp_path: Path, name: str, calls: dict[str, Any], is_all: bool
) -> None:
    async with boxed(started(name, tmp_path)) as box:
        listed = {tool.name for tool in box.tools()}
        assert not set(calls) - listed
        assert not is_all or listed == set(calls), listed - set(calls)
        for tool, args in calls.items():
            assert await told(box, tool, _filled(args, str(tmp_path)))


def _filled(value: Any, folder: str) -> Any:
    """Put the folder where it is meant."""
    match value:
        case dict():
            return {key: _filled(each, folder) for key, each in value.items()}
        case list():
            return [_filled(each, folder) for each in value]
        case str():
            return value.replace("{folder}", folder)
    return value

"""Calls that outlast the page's connection, or that a person stops, over the back end and a real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.asgi import serve
from tests.support.chat_service import settings
from tests.support.mcp_servers import HandshakeOnly
from tests.support.mill import Mill
from tests.support.scripted import ScriptedModel, calls, says
from web import create_app

pytestmark = pytest.mark.anyio
HI = {"role": "user", "content": "hi"}
Told = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def mill() -> Mill:
    return Mill()


@asynccontextmanager
async def pages(
    mill: Mill, folder: Path, *models: ScriptedModel, era: str = "2026-07-28"
) -> AsyncIterator[Any]:
    """Clients of processes of web.py, one for each model, in front of one mill."""
    app = mill.server.streamable_http_app()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve(HandshakeOnly(app) if era == "handshake" else app))
        (folder / "mcp.json").write_text(json.dumps({"mcpServers": {"mill": {"url": f"{url}/mcp"}}}))
        clients = []
        for model in models:
            base = await stack.enter_async_context(serve(create_app(settings(folder), model)))
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=base, timeout=60))
            while (await http.get("/api/status")).json()["servers"][0]["status"] != "ready":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            clients.append(http)
        yield clients


async def ask(
    http: httpx.AsyncClient, history: list[Any], until: str = "done", *, stop: bool = False, **more: Any
) -> Told:
    """Ask, and read the events up to the first of this name; then the connection is closed.

    With `stop`, the call that tells of its progress is stopped.
    """
    told: Told = []
    name = ""
    async with http.stream("POST", "/api/chat/stream", json={"messages": history} | more) as response:
        assert response.status_code == 200
        async for line in response.aiter_lines():
            name = line.removeprefix("event: ") if line.startswith("event: ") else name
            if line.startswith("data: "):
                told.append((name, json.loads(line.removeprefix("data: "))))
                if stop and name == "tool_progress":
                    answer = await http.post(f"/api/calls/{told[-1][1]['id']}/stop")
                    assert answer.status_code == 204
                if name == until:
                    break
    return told


def of(told: Told, name: str) -> list[dict[str, Any]]:
    return [data for event, data in told if event == name]


async def cut(http: httpx.AsyncClient, tool: str, decided: dict[str, Any]) -> tuple[list[Any], str]:
    """Ask, approve if asked, and lose the connection while the call runs; return the history and its id."""
    told = await ask(http, [HI], "tool_progress" if tool == "read" else "done")
    history = [HI, *(data["message"] for data in of(told, "message"))]
    id = of(told, "tool_call")[0]["id"]
    decided |= {id: True} if tool != "read" else {}
    if decided:
        await ask(http, history, "tool_progress", approvals=decided)
    return history, id


@pytest.mark.parametrize("tool", ["read", "write", "sell"])
async def test_a_call_that_outlasts_its_connection_is_joined(mill: Mill, tmp_path: Path, tool: str) -> None:
    model = ScriptedModel(calls((f"mill_{tool}", "{}")), says("done"), says("done"))
    async with pages(mill, tmp_path, model) as (http,):
        decided: dict[str, Any] = {}
        history, id = await cut(http, tool, decided)
        running = await ask(http, history, "tool_progress", approvals=decided)
        mill.end()
        for told in (
            await ask(http, history, approvals=decided),
            await ask(http, history, approvals=decided),
        ):
            assert [each["result"] for each in of(told, "tool_result")] == ["ground"]
            assert told[-1] == ("done", {"reason": "stop"})
    assert of(running, "tool_progress") == [{"id": id, "progress": 1, "total": 2, "message": "half"}]
    assert mill.runs == [id]


ELSEWHERE = {
    "read": (2, None, "stop"),  # read again
    "sell": (2, None, "stop"),  # under the same key
    "write": (1, "approval_expired", "approval"),  # nobody knows, and a person decides
}


@pytest.mark.parametrize("tool", ELSEWHERE)
async def test_another_process_does_not_write_twice(mill: Mill, tmp_path: Path, tool: str) -> None:
    runs, code, reason = ELSEWHERE[tool]
    here, there = ScriptedModel(calls((f"mill_{tool}", "{}"))), ScriptedModel(says("done"))
    async with pages(mill, tmp_path, here, there) as (http, other):
        decided: dict[str, Any] = {}
        history, id = await cut(http, tool, decided)
        stop = await other.post(f"/api/calls/{id}/stop")
        assert (stop.status_code, stop.json()["code"]) == (404, "call_not_running")
        mill.end()
        told = await ask(other, history, approvals=decided)
    (result,) = of(told, "tool_result")
    assert (result["code"], result["unknown"], told[-1][1]["reason"]) == (code, tool == "write", reason)
    assert mill.runs == [id] * runs


STOPPED = {"read": ("stopped", False), "write": ("stopped_unknown", True), "sell": ("outcome_unknown", True)}


@pytest.mark.parametrize("era", ["2026-07-28", "handshake"])
@pytest.mark.parametrize("tool", STOPPED)
async def test_a_stopped_call_is_cancelled_at_its_server_and_the_turn_goes_on(
    mill: Mill, tmp_path: Path, tool: str, era: str
) -> None:
    model = ScriptedModel(calls((f"mill_{tool}", "{}")), says("done"))
    async with pages(mill, tmp_path, model, era=era) as (http,):
        told = await ask(http, [HI], stop=True)
        id = of(told, "tool_call")[0]["id"]
        if tool != "read":
            history = [HI, *(data["message"] for data in of(told, "message"))]
            told = await ask(http, history, stop=True, approvals={id: True})
        await mill.cancelled.acquire()
        again = await http.post(f"/api/calls/{id}/stop")
    (result,) = of(told, "tool_result")
    assert (result["code"], result["unknown"], result["isError"]) == (*STOPPED[tool], True)
    assert (again.status_code, told[-1]) == (404, ("done", {"reason": "stop"}))


async def test_thousands_of_words_of_progress_become_few(mill: Mill, tmp_path: Path) -> None:
    model = ScriptedModel(calls(("mill_flood", "{}")), says("done"))
    async with pages(mill, tmp_path, model) as (http,):
        told = await ask(http, [HI])
    said = of(told, "tool_progress")
    assert [each["result"] for each in of(told, "tool_result")] == ["ground"]
    assert 1 <= len(said) < 500
    assert [each["progress"] for each in said] == sorted(each["progress"] for each in said)

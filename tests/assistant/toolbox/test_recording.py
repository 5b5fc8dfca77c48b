"""The messages to and from a server, for a person who looks: bounded, in order, without secrets."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp_types import JSONRPCRequest, JSONRPCResponse

from assistant.toolbox import Trust
from assistant.toolbox.recording import MAX_ONE, Recording
from assistant.toolbox.server import Server
from assistant.toolbox.toolbox import Toolbox
from serving.redaction import remember
from tests.support.asgi import serve
from tests.support.chat_service import shop_server

NOISY = """
import json, sys
print("warming up", file=sys.stderr, flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    can = {"tools": {}, "logging": {}}
    name = {"name": "noisy", "version": "3"}
    about = {"protocolVersion": "2025-06-18", "capabilities": can, "serverInfo": name}
    if asked["method"] == "logging/setLevel":
        told = {"level": asked["params"]["level"], "data": "told"}
        print(json.dumps({"jsonrpc": "2.0", "method": "notifications/message", "params": told}), flush=True)
    answer = {"initialize": about, "tools/list": {"tools": []}, "logging/setLevel": {}}.get(asked["method"])
    said = {"result": answer} if answer is not None else {"error": {"code": -32601, "message": "no"}}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **said}), flush=True)
"""


def request(id: int, **params: Any) -> JSONRPCRequest:
    return JSONRPCRequest(jsonrpc="2.0", id=id, method="tools/call", params=params)


def heard(recording: Recording, id: int, text: str = "{}") -> None:
    recording.heard(text, JSONRPCResponse(jsonrpc="2.0", id=id, result={}))


def test_an_answer_has_its_requests_method_and_the_time_that_it_took() -> None:
    recording = Recording()
    recording.said(request(1, name="look"))
    recording.said(request(2))
    heard(recording, 1)
    recording.failed(2, code="lost")
    heard(recording, 1)  # twice
    asked, _, answer, failed, stray = recording.since(0)
    assert (asked["way"], asked["id"], json.loads(asked["text"])["params"]) == ("out", 1, {"name": "look"})
    assert (answer["way"], answer["method"], answer["isAnswer"]) == ("in", "tools/call", True)
    assert answer["ms"] >= 0
    assert (failed["way"], failed["method"], failed["is_error"]) == ("failed", "tools/call", True)
    assert (stray["method"], stray["ms"]) == (None, None)
    assert [each["number"] for each in recording.since(3)] == [4, 5]


def test_what_is_kept_has_bounds() -> None:
    recording = Recording(max_messages=10, max_chars=3 * MAX_ONE)
    heard(recording, 1, "x" * 5 * MAX_ONE)
    assert [(len(each["text"]), each["size"]) for each in recording.since(0)] == [(MAX_ONE, 5 * MAX_ONE)]
    for number in range(20):
        heard(recording, number, "x" * MAX_ONE)
    assert len([*recording.since(0)]) == 3
    for number in range(20):
        heard(recording, number)
    assert [each["number"] for each in recording.since(0)] == [*range(32, 42)]


@pytest.mark.parametrize("length", [0, MAX_ONE - 8])
def test_no_secret_is_shown_even_where_a_message_is_cut_in_its_middle(length: int) -> None:
    remember("hunter22-secret")
    recording = Recording()
    heard(recording, 1, "y" * length + "hunter22-secret")
    recording.said(request(2, name="hunter22-secret"))
    assert "hunter22" not in json.dumps([*recording.since(0)])


@pytest.mark.anyio
async def test_a_tool_call_is_there_in_both_directions() -> None:
    async with serve(shop_server().streamable_http_app()) as url:
        server = Server("s", url=f"{url}/mcp", headers={"X-Key": "a-very-secret-header"})
        async with Toolbox([server]) as box:
            await box.link("s").until_ready()
            number = box.link("s").recording.number
            await box.call("s", "buy", {"n": 41})
            messages = [
                each for each in box.link("s").recording.since(number) if each["method"] == "tools/call"
            ]
            assert [each["way"] for each in messages] == ["out", "in"]
            assert '"n":41' in messages[0]["text"]
            assert "bought 41" in messages[1]["text"]
            assert "a-very-secret-header" not in json.dumps([*box.link("s").recording.since(0)])
            assert await box.link("s").refresh() > 0
            assert box.link("s").about["isModern"] is True


@pytest.mark.anyio
async def test_a_commands_stderr_its_log_and_what_it_says_of_itself_are_there(tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text(NOISY)
    server = Server("s", "stdio", command=sys.executable, args=(str(tmp_path / "noisy.py"),))
    async with asyncio.timeout(60), Toolbox([server], trust=Trust(everything=True)) as box:
        link = box.link("s")
        await link.until_ready()
        assert link.about["server"] == {"name": "noisy", "version": "3"}
        assert link.about["capabilities"].keys() == {"tools", "logging"}
        await link.set_level("debug")
        told: list[str] = []
        while not told:
            await asyncio.sleep(0.01)
            told = [m["text"] for m in link.recording.since(0) if m["method"] == "notifications/message"]
        assert '"debug"' in told[0]
        assert [each["text"] for each in link.recording.since(0) if each["way"] == "stderr"] == ["warming up"]
        assert "ready" in [each["text"] for each in link.recording.since(0) if each["way"] == "state"]


@pytest.mark.anyio
async def test_a_server_that_is_not_there_says_so() -> None:
    async with asyncio.timeout(60), Toolbox([Server("s", url="http://127.0.0.1:9/mcp")]) as box:
        await box.link("s").settled()
        states = [each for each in box.link("s").recording.since(0) if each["way"] == "state"]
        assert ("down connect_refused", True) in [(each["text"], each["is_error"]) for each in states]

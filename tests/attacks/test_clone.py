"""Somebody's clone is opened and started: what it brings along runs nothing, and signs nothing."""

import json
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.processes import Spawn, free_port, state_of
from tests.support.suite import until

pytestmark = pytest.mark.anyio
MARK = "ran"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder whose `mcp.json` starts a command that leaves a mark."""
    code = f"open({str(tmp_path / MARK)!r}, 'w').close()"
    entry = {"command": sys.executable, "args": ["-c", code], "env": {"A": "1"}}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"handy": entry}}))
    return tmp_path


def start(spawn: Spawn, port: int, **env: str) -> Any:
    return spawn("web.py", env={"WEB_PORT": str(port)} | env)


async def waiting(http: httpx.AsyncClient) -> dict[str, Any]:
    """Return the server once its command waits for a person."""

    async def waits() -> bool:
        return bool((await http.get("/api/status")).json()["servers"][0]["status"] == "untrusted")

    await until(waits)
    server: dict[str, Any] = (await http.get("/api/status")).json()["servers"][0]
    return server


async def test_a_command_runs_after_a_persons_click_and_not_before(clone: Path, spawn: Spawn) -> None:
    port = free_port()
    start(spawn, port).wait_until_up(f"http://127.0.0.1:{port}/healthz")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        server = await waiting(http)
        await http.post("/api/servers/handy/reconnect")
        called = await http.post("/api/call-tool", json={"server": "handy", "name": "x", "args": {}})
        assert called.status_code == 502
        assert not (clone / MARK).exists(), "neither the start, a call nor a reconnect starts it"
        wrong = await http.post("/api/servers/handy/trust", json={"fingerprint": "another"})
        assert (wrong.status_code, wrong.json()["code"]) == (409, "command_changed")
        foreign = {"Origin": "http://localhost:3000"}
        body = {"fingerprint": server["fingerprint"]}
        refused = await http.post("/api/servers/handy/trust", json=body, headers=foreign)
        assert refused.status_code == 403
        assert not (clone / MARK).exists()
        assert (await http.post("/api/servers/handy/trust", json=body)).status_code == 204

        async def ran() -> bool:
            return (clone / MARK).exists()

        await until(ran)


@pytest.mark.parametrize(
    "change",
    [
        {"args": ["-c", "print()"]},
        {"env": {"A": "2"}},
        {"env": {"A": "1", "B": "2"}},
        {"cwd": "elsewhere"},
        {"command": "python3"},
    ],
    ids=str,
)
async def test_an_allowed_command_that_changes_waits_again(
    clone: Path, spawn: Spawn, change: dict[str, Any]
) -> None:
    port = free_port()
    start(spawn, port).wait_until_up(f"http://127.0.0.1:{port}/healthz")
    (clone / "elsewhere").mkdir()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        server = await waiting(http)
        body = {"fingerprint": server["fingerprint"]}
        await http.post("/api/servers/handy/trust", json=body)
        file = clone / "mcp.json"
        entry = json.loads(file.read_text())["mcpServers"]["handy"] | change
        file.write_text(json.dumps({"mcpServers": {"handy": entry}}))

        async def is_another() -> bool:
            now = (await http.get("/api/status")).json()["servers"][0]
            return bool(now["fingerprint"] != server["fingerprint"])

        await until(is_another)
        assert (await waiting(http))["code"] == "command_untrusted"


@pytest.mark.parametrize(
    "line",
    [
        "WEB_TRUST_COMMANDS=true",
        "web_trust_commands=true",
        "WEB_TRUST_COMMANDS=false\nexport Web_Trust_Commands='yes'",
        "WEB_STATE_DIR={clone}/state",
        "web_state_dir={clone}/state",
    ],
)
async def test_a_clones_env_file_allows_nothing(clone: Path, spawn: Spawn, line: str) -> None:
    (clone / ".env").write_text(line.format(clone=clone) + "\n")
    (clone / "state").mkdir()
    (clone / ".web-secret").write_bytes(b"known to whoever wrote the clone")
    port = free_port()
    service = start(spawn, port)
    assert service.process.wait(150) == 1
    assert line.partition("=")[0].upper() in service.log.read_text()
    assert "Traceback" not in service.log.read_text()
    assert not (clone / MARK).exists()


async def test_a_secret_that_a_clone_brings_signs_nothing(clone: Path, spawn: Spawn) -> None:
    (clone / ".web-secret").write_bytes(b"known to whoever wrote the clone")
    port = free_port()
    start(spawn, port).wait_until_up(f"http://127.0.0.1:{port}/healthz")
    made = (state_of(clone) / "web-secret").read_bytes()
    assert made != (clone / ".web-secret").read_bytes()

"""A reader of the two tutorials: types their commands, once each, with free ports in place of theirs."""

import json
import os
import shlex
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx

from tests.support.processes import ROOT, Service, Spawn, free_port
from weather.tests.conftest import KEY

# What a reader types, in the project's folder or in weather/; started once, when a row first needs it.
API, MAIN, WEB = "uv run python api.py", "uv run python main.py", "uv run python web.py"
API_APP, MAIN_APP, WEB_APP = (f"uvicorn {name}:app --port {{port}}" for name in ("api", "main", "web"))
WEATHER = f"uv run ./src/mcp_weather_http/server.py --api-key {KEY} --port {{port}}"
PACKAGE = f"uv run mcp-streamable-weather --api-key {KEY} --port {{port}} --json-response"
MODULE = f"python -m mcp_weather_http --api-key {KEY} --port {{port}} --log-level DEBUG"
NEEDS = {MAIN: [API], WEB: [API, MAIN], WEB_APP: [API, MAIN]}  # MAIN_APP finds no shop

SSE_URL, HTTP_URL = "http://localhost:8083/sse", "http://127.0.0.1:8083/mcp"  # in the two mcp.json
SILENT_SERVER = """
from mcp.server.mcpserver import MCPServer
server = MCPServer("silent")
server.add_tool(lambda: None, name="nothing")
server.run("stdio")
"""


class Reader:
    """Types the commands: `url` starts a command's service and those that it needs."""

    def __init__(self, spawn: Spawn, provider: str, seniverse: str) -> None:
        self._spawn, self._provider, self._seniverse = spawn, provider, seniverse
        self._ports: defaultdict[str, int] = defaultdict(free_port)
        self._services: dict[str, Service] = {}
        self._ready: set[str] = set()

    def url(self, command: str, path: str = "") -> str:
        """Return an address of a command's service, once that is up."""
        commands = [typed for typed in (*NEEDS.get(command, ()), command) if typed not in self._ready]
        for typed in commands:
            if typed not in self._services:
                self._services[typed] = self._start(typed)
        for typed in commands:
            self._services[typed].wait_until_up(f"http://localhost:{self._ports[typed]}/healthz", 60)
            self._ready.add(typed)
        return f"http://localhost:{self._ports[command]}{path}"

    def shown(self, command: str) -> str:
        """Return what a command has printed so far."""
        return self._services[command].log.read_text(encoding="utf-8")

    def chat(self, path: str, body: Any = None, command: str = WEB) -> httpx.Response:
        """Send a request to the chat once its servers are connected: a POST if there is a body."""
        expected, deadline = (5 if command == WEB else 4), time.monotonic() + 150
        with httpx.Client(base_url=self.url(command), timeout=60) as http:
            while len(http.get("/api/tools").json()["tools"]) < expected:
                assert time.monotonic() < deadline, self.shown(command)
                time.sleep(0.05)
            return http.request("POST" if body else "GET", path, json=body)

    def environment(self, command: str) -> dict[str, str]:
        """Return what takes the place of the fixed ports and of the files in the project's folder."""
        number = list(self._ports).index(command) if command in self._ports else 0
        return {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUTF8": "1",
            "API_PORT": str(self._ports[API]),
            "MCP_PORT": str(self._ports[MAIN]),
            "WEB_PORT": str(self._ports[WEB]),
            "API_URL": f"http://127.0.0.1:{free_port() if command == MAIN_APP else self._ports[API]}/api",
            "DATABASE_URL": f"sqlite:///{self._spawn.folder}/{number}.db",
            "MCP_CONFIG_PATH": self._mcp_json(command),
            "WEB_SECRET": "the secret of tests",
            "WEB_TRUST_COMMANDS": "true",
            "OPENAI_API_KEY": "key",
            "OPENAI_API_BASE": self._provider,
        }

    def _mcp_json(self, command: str) -> str:
        """Write one of the tutorial's two configurations; one of them with a server that says nothing."""
        url = HTTP_URL if command == WEB_APP else SSE_URL
        servers: dict[str, Any] = {"product-mcp": {"url": url.replace("8083", str(self._ports[MAIN]))}}
        if command == WEB:
            servers["silent"] = {"command": sys.executable, "args": ["-c", SILENT_SERVER]}
        path = self._spawn.folder / f"mcp-{len(servers)}.json"
        path.write_text(json.dumps({"mcpServers": servers}))
        return str(path)

    def _start(self, command: str) -> Service:
        typed = shlex.split(command.format(port=self._ports[command]))
        if "weather" in command:
            typed += ["--base-url", self._seniverse]
        folder = ROOT / "weather" if "weather" in command else ROOT
        return self._spawn.program(*typed, env=self.environment(command), cwd=folder)

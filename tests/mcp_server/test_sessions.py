"""What clients hold open is bounded, and nobody loses it to another client who opens more."""

from typing import Any

import pytest
from starlette.types import Message, Scope

from mcp_server.sessions import Sessions

pytestmark = pytest.mark.anyio


class Sdk:
    """Names a new session for each POST without one, and keeps those that were not deleted."""

    def __init__(self, max_sessions: int) -> None:
        self.sessions: list[str] = []
        self.opened = 0
        self.status = 200
        self.app = Sessions(self, max_sessions)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        given = dict(scope["headers"]).get(b"mcp-session-id", b"").decode()
        if scope["method"] == "DELETE":
            self.sessions.remove(given)
        elif not given:
            self.opened += 1
            given = f"{scope['client'][0]}-{self.opened}"
            self.sessions.append(given)
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [(b"mcp-session-id", given.encode())],
            }
        )

    async def ask(self, client: str, session: str = "", method: str = "POST") -> None:
        headers = [(b"mcp-session-id", session.encode())] if session else []
        scope = {
            "type": "http",
            "method": method,
            "client": (client, 1),
            "headers": headers,
            "query_string": b"",
        }
        await self.app(scope, nothing, drop)


async def nothing() -> Message:
    return {"type": "http.request", "body": b""}


async def drop(_: Message) -> None: ...


async def test_who_opens_many_loses_his_own() -> None:
    sdk = Sdk(4)
    await sdk.ask("neighbour")
    for _ in range(64):
        await sdk.ask("flood")
    assert sdk.sessions == ["neighbour-1", "flood-63", "flood-64", "flood-65"]
    await sdk.ask("other")
    assert sdk.sessions == ["neighbour-1", "flood-64", "flood-65", "other-66"]


async def test_the_addresses_of_one_network_of_ipv6_are_one_client() -> None:
    sdk = Sdk(4)
    await sdk.ask("10.0.0.9")
    for number in range(64):
        await sdk.ask(f"2001:db8::{number:x}")
    assert sdk.sessions[0] == "10.0.0.9-1"


async def test_of_one_client_the_session_idle_for_longest_ends() -> None:
    sdk = Sdk(3)
    for _ in range(3):
        await sdk.ask("a")
    await sdk.ask("a", "a-1")
    await sdk.ask("a")
    assert sdk.sessions == ["a-1", "a-3", "a-4"]


async def test_who_is_refused_opens_nothing() -> None:
    sdk = Sdk(1)
    await sdk.ask("a")
    sdk.status = 400
    for method in ("POST", "GET", "PUT"):
        await sdk.ask("a", method=method)
    assert (sdk.sessions, sdk.opened) == (["a-1"], 4)

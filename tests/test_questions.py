"""The shop asks in the chat: api.py, main.py with MCP_CONFIRM=always, and two replicas of web.py."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import mcp.client.session
import pytest

import main
from tests.mcp_server.stand_ins import a_real_shop
from tests.support.asgi import serve
from tests.support.chat_service import settings, stream
from tests.support.mcp_servers import HandshakeOnly, Silent
from tests.support.scripted import ScriptedModel, calls, says
from web import create_app

pytestmark = pytest.mark.anyio

PURCHASE = {"input_data": {"customerName": "客户A", "items": [{"productId": 1, "quantity": 2}]}}
WANTS = calls(("product-mcp_create_purchase", json.dumps(PURCHASE)))


@dataclass
class Chain:
    """What a page does at two replicas in front of one shop."""

    rest: Any
    replicas: list[httpx.AsyncClient]
    history: list[Any] = field(default_factory=lambda: [{"role": "user", "content": "buy"}])
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    async def go_on(self, at: int = 0, history: list[Any] | None = None, **more: Any) -> str:
        """Send the history, and return why the turn has ended."""
        body = {"messages": history or self.history, "answers": {}, **more}
        self.told = await stream(self.replicas[at], body)
        self.history = self.history + [data["message"] for name, data in self.told if name == "message"]
        return str(self.of("done")[0]["reason"])

    def of(self, event: str) -> list[dict[str, Any]]:
        return [data for name, data in self.told if name == event]

    async def orders(self) -> list[Any]:
        found: list[Any] = json.loads((await self.rest.get("orders", "/orders", {})).body)
        return found

    async def approved(self, **more: Any) -> str:
        """Let the purchase be asked for, and approve it."""
        assert await self.go_on() == "approval"
        self.approval: dict[str, Any] = {"approvals": {self.of("approval")[0]["id"]: True}}
        return await self.go_on(**self.approval, **more)


@asynccontextmanager
async def chain(
    folder: Path, *models: ScriptedModel, confirm: Any = "always", slow: bool = False
) -> AsyncIterator[Chain]:
    async with AsyncExitStack() as stack:
        rest = await stack.enter_async_context(a_real_shop(folder))
        shop = main.create_app(main.Settings(mcp_confirm=confirm), rest)
        url = await stack.enter_async_context(serve(HandshakeOnly(shop, Silent()) if slow else shop))
        (folder / "mcp.json").write_text(json.dumps({"mcpServers": {"product-mcp": {"url": f"{url}/mcp"}}}))
        replicas = []
        for model in models:
            base = await stack.enter_async_context(serve(create_app(settings(folder), model)))
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=base, timeout=60))
            while (await http.get("/api/status")).json()["servers"][0]["status"] != "ready":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            replicas.append(http)
        yield Chain(rest, replicas)


async def test_a_purchase_that_was_confirmed_on_its_card_is_asked_about_once(tmp_path: Path) -> None:
    async with chain(tmp_path, ScriptedModel(WANTS, says("done"))) as page:
        assert await page.go_on() == "approval"
        id = page.of("approval")[0]["id"]
        ended = await page.go_on(approvals={id: True}, confirmed={id: {"total": 2598.0}})
        assert (ended, len(await page.orders())) == ("stop", 1)


@pytest.mark.parametrize(("action", "bought"), [("accept", 1), ("decline", 0), ("cancel", 0)])
async def test_one_that_nobody_saw_the_price_of_is_asked_about_by_the_shop_at_any_replica(
    tmp_path: Path, action: str, bought: int
) -> None:
    models = ScriptedModel(WANTS, says("done")), ScriptedModel(says("done"), says("done"))
    async with chain(tmp_path, *models) as page:
        assert await page.approved() == "question"
        [question] = page.of("question")
        assert all(part in question["message"] for part in ("2598", "智能手表Galaxy"))
        assert (await page.orders(), question["server"]) == ([], "product-mcp")
        before = list(page.history)
        answers = {question["id"]: {"action": action, "content": {}, "state": question["state"]}}
        for at in (1, 0, 1):  # the answer, sent again to both
            assert await page.go_on(at, before, answers=answers, **page.approval) == "stop"
        assert len(await page.orders()) == bought


async def test_a_program_is_told_that_it_cannot_be_asked(tmp_path: Path) -> None:
    async with chain(tmp_path, ScriptedModel(WANTS, says("done"))) as page:
        chatted = (await page.replicas[0].post("/api/chat", json={"message": "buy"})).json()
        body = {"server": "product-mcp", "name": "create_purchase", "args": PURCHASE}
        called = (await page.replicas[0].post("/api/call-tool", json=body)).json()
        assert "error" in chatted["toolCalls"][0]
        assert (called["isError"], called["code"], await page.orders()) == (True, "cannot_ask", [])


@pytest.mark.parametrize(("confirm", "code", "bought"), [("auto", None, 1), ("always", "cannot_ask", 0)])
async def test_a_program_is_not_asked_where_the_server_was_slow_to_say_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, confirm: str, code: str | None, bought: int
) -> None:
    monkeypatch.setattr(mcp.client.session, "DISCOVER_TIMEOUT_SECONDS", 0.1)  # then it speaks as before 2026
    model = ScriptedModel(WANTS, says("done"), WANTS, says("done"))
    async with chain(tmp_path, model, confirm=confirm, slow=True) as page:
        body = {"server": "product-mcp", "name": "create_purchase", "args": PURCHASE}
        keyed = {"Idempotency-Key": "k"}
        for _ in range(2):
            called = await page.replicas[0].post("/api/call-tool", json=body, headers=keyed)
            assert (called.json()["isError"], called.json().get("code")) == (bought == 0, code)
        assert len(await page.orders()) == bought
        [chatted] = (await page.replicas[0].post("/api/chat", json={"message": "buy"})).json()["toolCalls"]
        assert ("result" in chatted, len(await page.orders())) == (bought > 0, 2 * bought)
        assert await page.approved() == "question"  # who can be asked still is


async def test_a_client_of_the_stream_that_knows_no_questions_gets_none(tmp_path: Path) -> None:
    async with chain(tmp_path, ScriptedModel(WANTS, says("done"))) as page:
        await page.go_on()
        await page.go_on(approvals={page.of("approval")[0]["id"]: True}, answers=None)
        assert (page.of("question"), page.of("tool_result")[0]["code"]) == ([], "cannot_ask")


@pytest.mark.parametrize(("confirm", "ended", "bought"), [("auto", "stop", 1), ("always", "question", 0)])
async def test_who_always_allows_to_buy_is_asked_by_a_shop_that_must_ask_only(
    tmp_path: Path, confirm: str, ended: str, bought: int
) -> None:
    async with chain(tmp_path, ScriptedModel(WANTS, says("done")), confirm=confirm) as page:
        tools = (await page.replicas[0].get("/api/tools")).json()["tools"]
        prints = {tool["name"]: tool["fingerprint"] for tool in tools}
        allowed = {
            "server": "product-mcp",
            "tool": "create_purchase",
            "fingerprint": prints["create_purchase"],
        }
        assert await page.go_on(autoApprove=[allowed]) == ended
        assert len(await page.orders()) == bought

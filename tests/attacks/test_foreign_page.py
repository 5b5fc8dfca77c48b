"""A page of another origin, on this machine or elsewhere, buys and reads nothing, whichever door it tries."""

import json
from typing import Any

import httpx
import pytest

from tests.support.suite import Suite

pytestmark = pytest.mark.anyio
ORDER: dict[str, Any] = {"customerName": "客户A", "items": [{"productId": 2, "quantity": 1}]}
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "create_purchase", "arguments": {"input_data": ORDER}},
}
BY_HAND = {"server": "product-mcp", "name": "create_purchase", "args": {"input_data": ORDER}}
CHAT = {"message": "帮客户A买 1 个无线蓝牙耳机Pro"}
ORIGINS = ["http://localhost:3000", "http://127.0.0.1:8080", "https://evil.example", "null", "file://"]
# What a page can send without a preflight, and what it would like to send.
TYPES = ["text/plain", "application/x-www-form-urlencoded", "application/json"]


def doors(suite: Suite) -> list[tuple[str, dict[str, Any]]]:
    """Return every address under which something can be bought."""
    api, mcp, web = (f"http://127.0.0.1:{port}" for port in (suite.api, suite.mcp, suite.web))
    return [
        (f"{api}/api/purchase", ORDER),
        (f"{mcp}/mcp", CALL),
        (f"{mcp}/messages/?session_id=0123456789abcdef0123456789abcdef", CALL),
        (f"{web}/api/call-tool", BY_HAND),
        (f"{web}/api/chat", CHAT),
        (f"{web}/api/chat/stream", {"messages": [{"role": "user", "content": CHAT["message"]}]}),
    ]


async def test_no_foreign_page_buys_or_reads(suite: Suite) -> None:
    suite.start("api", "main", "web")
    async with httpx.AsyncClient(timeout=60) as http, suite.browser() as browser:
        await browser.until("ready")
        for url, body in doors(suite):
            for origin in ORIGINS:
                for kind in TYPES:
                    headers = {
                        "Origin": origin,
                        "Content-Type": kind,
                        "Accept": "application/json, text/event-stream",
                    }
                    answer = await http.post(url, content=json.dumps(body), headers=headers)
                    assert answer.status_code == 403, (url, origin, kind, answer.text)
                    assert "access-control-allow-origin" not in answer.headers
                asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
                preflight = await http.options(url, headers=asked)
                assert "access-control-allow-origin" not in preflight.headers, (url, origin)
    assert suite.orders() == []


async def test_a_name_that_is_rebound_to_this_machine_buys_nothing(suite: Suite) -> None:
    suite.start("api", "main", "web")
    async with httpx.AsyncClient(timeout=60) as http:
        for url, body in doors(suite):
            port = httpx.URL(url).port
            headers = {"Host": f"rebound.example:{port}", "Origin": f"http://rebound.example:{port}"}
            answer = await http.post(url, json=body, headers=headers)
            assert answer.status_code == 421, (url, answer.text)
    assert suite.orders() == []

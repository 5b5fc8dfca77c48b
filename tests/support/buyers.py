"""Buyers by each of the three services, each purchase under a key of its own."""

from typing import Any

import httpx

STOCK = '[{"id": 1, "name": "Tea", "price": 1, "description": "", "quantity": 1000000}]'
MODERN = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28"}


def order(key: str) -> dict[str, Any]:
    return {"customerName": key, "items": [{"productId": 1, "quantity": 1}]}


async def by_rest(http: httpx.AsyncClient, key: str) -> bool:
    answer = await http.post("/api/purchase", json=order(key), headers={"Idempotency-Key": key})
    return answer.status_code == 200


async def by_mcp(http: httpx.AsyncClient, key: str) -> bool:
    params = {"name": "create_purchase", "arguments": {"input_data": order(key) | {"idempotencyKey": key}}}
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params | {"_meta": meta}}
    names = {"Mcp-Method": "tools/call", "Mcp-Name": "create_purchase"}
    answer = await http.post("/mcp", json=call, headers=MODERN | names)
    return answer.status_code == 200 and '"isError":true' not in answer.text and key in answer.text


async def by_hand(http: httpx.AsyncClient, key: str) -> bool:
    call = {"server": "product-mcp", "name": "create_purchase", "args": {"input_data": order(key)}}
    answer = await http.post("/api/call-tool", json=call, headers={"Idempotency-Key": key})
    asked = {"messages": [{"role": "user", "content": "你好"}]}
    turn = await http.post("/api/chat/stream", json=asked)
    return answer.status_code == 200 and not answer.json()["isError"] and '"reason": "stop"' in turn.text

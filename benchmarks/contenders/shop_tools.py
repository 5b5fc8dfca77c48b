"""The four tools as one writes them plainly: an HTTP client for all calls, the JSON parsed and handed on."""

from typing import Any

import httpx

from benchmarks.contenders.serving import argument

_client = httpx.AsyncClient(timeout=60)  # 300 at once wait for a connection, long on a busy machine


async def _get(path: str) -> list[dict[str, Any]]:
    response = await _client.get(argument(2) + path)
    response.raise_for_status()
    found: list[dict[str, Any]] = response.json()
    return found


async def get_products() -> list[dict[str, Any]]:
    """获取所有产品列表。"""
    return await _get("/products")


async def get_inventory() -> list[dict[str, Any]]:
    """获取库存列表，包含产品详细信息。"""
    return await _get("/inventory")


async def get_orders() -> list[dict[str, Any]]:
    """获取订单列表，按日期降序排序。"""
    return await _get("/orders")


async def create_purchase(input_data: dict[str, Any]) -> dict[str, Any]:
    """创建新的采购订单。"""
    response = await _client.post(argument(2) + "/purchase", json=input_data)
    response.raise_for_status()
    order: dict[str, Any] = response.json()
    return order


TOOLS = (get_products, get_inventory, get_orders, create_purchase)

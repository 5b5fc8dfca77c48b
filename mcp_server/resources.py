"""What of the shop can be read, and watched, under an address of its own."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from mcp.types import Resource, ResourceTemplate
from pydantic import TypeAdapter
from pydantic_core import to_json

from mcp_server import rest_client
from mcp_server.failures import not_found, protocol_failure, shown_name
from mcp_server.results import fitting
from models import DEFAULT_LIMIT, MAX_ID, MAX_LIMIT
from serving.errors import CodedError

JSON = "application/json"
# As text within JSON it is up to twice as long, and the SDK's clients read 1 MiB.
MAX_RESOURCE_BYTES = 500_000
ID = "{id}"


@dataclass(frozen=True)
class ShopResource:
    """A resource, or with `{id}` in its address a template, and the path at the shop that it stands for.

    It changes with the `kinds` of things that the shop tells of.
    """

    operation: rest_client.Operation  # by which failures name what was asked for
    name: str
    title: str
    uri: str
    path: str
    kinds: set[str]
    query: dict[str, Any] = field(default_factory=dict)
    shape: TypeAdapter[Any] | None = rest_client.A_LIST  # none of a picture

    @property
    def told(self) -> dict[str, Any]:
        """What clients are told of it; the type of a picture is known only when it is read."""
        return {"name": self.name, "title": self.title, "mime_type": JSON if self.shape else None}


ALL, LATEST = {"limit": MAX_LIMIT}, {"limit": DEFAULT_LIMIT}
PRODUCTS, STOCK, ORDERS = {"products"}, {"stock"}, {"orders"}
NOTHING: set[str] = set()  # of what is told: the day changes by itself
_PRODUCT = ("shop://products/{id}", "/products/{id}")  # the address, and the path
_MOVES = ("shop://products/{id}/moves", "/inventory/{id}/moves")
_IMAGE = ("shop://products/{id}/image", "/products/{id}/image")
_ORDER = ("shop://orders/{id}", "/orders/{id}")
EVERYBODYS = [
    ShopResource("products", "products", "商品", "shop://products", "/products", PRODUCTS, ALL),
    ShopResource("inventory", "inventory", "库存", "shop://inventory", "/inventory", STOCK | PRODUCTS, ALL),
    ShopResource("orders", "latest_orders", "最近的订单", "shop://orders/latest", "/orders", ORDERS, LATEST),
    ShopResource(
        "orders", "clock", "商店的时区和今天", "shop://clock", "/today", NOTHING, shape=rest_client.TODAY
    ),
    ShopResource("products", "product", "一个商品", *_PRODUCT, PRODUCTS | STOCK, shape=rest_client.A_PRODUCT),
    ShopResource("products", "product_image", "商品的图片", *_IMAGE, PRODUCTS, shape=None),
]
OWNERS = [
    ShopResource("inventory", "moves", "商品的库存流水", *_MOVES, STOCK, LATEST),
    ShopResource("orders", "order", "一笔订单", *_ORDER, ORDERS, shape=rest_client.AN_ORDER),
]


class Resources:
    """The resources of one shop; the owner has more of them."""

    def __init__(self, rest: rest_client.RestClient, *, owner: bool) -> None:
        self._rest = rest
        self._offered = [*EVERYBODYS, *(OWNERS if owner else ())]

    def listed(self) -> list[Resource]:
        """Return those with a fixed address."""
        return [Resource(uri=each.uri, **each.told) for each in self._offered if ID not in each.uri]

    def templates(self) -> list[ResourceTemplate]:
        """Return the others."""
        return [
            ResourceTemplate(uri_template=each.uri, **each.told) for each in self._offered if ID in each.uri
        ]

    async def read(self, uri: str, version: str | None) -> tuple[str | bytes, str]:
        """Return what stands under an address, and its type. Raises MCPError as a protocol version has it."""
        found, id_ = self.find(uri, version)
        try:
            path = found.path.replace(ID, id_)
            if found.shape is None:
                return await self._rest.picture(path)
            answer = await self._rest.get(found.operation, path, found.query, kind=found.shape)
        except rest_client.RestError as error:
            is_unknown = isinstance(error, rest_client.ShopRefusedError) and error.status in {404, 410}
            raise not_found(error, uri, version) if is_unknown else protocol_failure(error) from error
        if len(answer.body) <= MAX_RESOURCE_BYTES:
            return answer.body.decode(), JSON
        return to_json(fitting(answer.data, MAX_RESOURCE_BYTES)).decode(), JSON

    def find(self, uri: str, version: str | None) -> tuple[ShopResource, str]:
        """Return the resource, or template and id, of an address. Raises MCPError where there is none."""
        if (known := self._known(uri)) is None:
            raise not_found(CodedError("unknown_resource", uri=shown_name(uri)), uri, version)
        return known

    def _known(self, uri: str) -> tuple[ShopResource, str] | None:
        for each in self._offered:
            before, _, after = each.uri.partition(ID)
            id_ = uri.removeprefix(before).removesuffix(after)
            if each.uri.replace(ID, id_) == uri and (ID not in each.uri or _is_id(id_)):
                return each, id_
        return None

    def is_owners(self, uri: object) -> bool:
        """Whether an address is one of those that only the owner may read."""
        known = self._known(uri) if isinstance(uri, str) else None
        return known is not None and any(known[0] is each for each in OWNERS)

    def touched(self, uris: Iterable[str], kinds: Collection[str]) -> list[str]:
        """Return which of these addresses may have changed with things of these kinds."""
        found = {uri: self._known(uri) for uri in uris}
        return [uri for uri, known in found.items() if known and not known[0].kinds.isdisjoint(kinds)]

    async def ids(self, template: str) -> dict[str, str]:
        """Return the ids that fit into a template, and the name of each. Raises RestError."""
        if template not in {each.uri for each in self._offered if ID in each.uri}:
            return {}
        operation: rest_client.Operation = "orders" if template.startswith("shop://orders") else "products"
        known = await self._rest.look(operation, f"/{operation}", limit=MAX_LIMIT)
        return {str(each["id"]): each.get("name") or each["customerName"] for each in known}


def _is_id(text: str) -> bool:
    return re.fullmatch("[1-9][0-9]{0,15}", text) is not None and int(text) <= MAX_ID

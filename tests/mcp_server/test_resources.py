"""The shop's resources: listed, read, completed; the owner has more of them."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp.types import BlobResourceContents, ResourceTemplateReference, TextResourceContents

import main
from serving import VERSION
from tests.mcp_server.stand_ins import TWO_BUDS, WATCH, RestService, a_real_shop, app_for, connect, serving

pytestmark = pytest.mark.anyio
LISTS = ["shop://products", "shop://inventory", "shop://orders/latest", "shop://clock"]
IMAGE = "shop://products/{id}/image"
OWNERS = ["shop://products/{id}/moves", "shop://orders/{id}"]


@pytest.fixture(params=["legacy", "auto"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def shopping(folder: Path, era: str, *, owner: bool) -> AsyncIterator[Client]:
    async with a_real_shop(folder) as rest:
        server = main.create_server(main.Settings(owner=owner), rest)
        async with Client(server, mode=era) as client:
            yield client


async def read(client: Client, uri: str) -> Any:
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert (content.uri, content.mime_type) == (uri, "application/json")
    read = json.loads(content.text)
    assert content.text == json.dumps(read, ensure_ascii=False, separators=(",", ":"))
    return read


@pytest.mark.parametrize("owner", [False, True])
async def test_everybody_has_four_and_the_owner_two_more(era: str, owner: bool) -> None:
    async with connect(RestService(), era, owner=owner) as client:
        lists, templates = await client.list_resources(), await client.list_resource_templates()
    assert [each.uri for each in lists.resources] == LISTS
    found = [each.uri_template for each in templates.resource_templates]
    assert found == ["shop://products/{id}", IMAGE, *(OWNERS if owner else ())]
    kinds = [(each.title, each.mime_type) for each in lists.resources]
    kinds += [
        (each.title, each.mime_type)
        for each in templates.resource_templates
        if each.uri_template != IMAGE  # known once it is read
    ]
    assert all(title and kind == "application/json" for title, kind in kinds)


async def test_each_reads_as_the_shop_has_it(tmp_path: Path, era: str) -> None:
    async with shopping(tmp_path, era, owner=True) as client:
        order = (await client.call_tool("create_purchase", TWO_BUDS)).structured_content
        products, stock = [await read(client, uri) for uri in LISTS[:2]]
        assert [each["id"] for each in products] == [1, 2, 3, 4]
        assert [each["quantity"] for each in stock] == [100, 48, 200, 150]
        assert await read(client, "shop://products/2") == products[1] == stock[1]["product"]
        assert await read(client, "shop://orders/latest") == [order]
        clock = await read(client, "shop://clock")
        today = datetime.now(ZoneInfo(clock.pop("timezone"))).date()
        assert date.fromisoformat(clock.pop("today")) in {today, today - timedelta(1)}
        assert clock == {"version": VERSION}
        assert await read(client, "shop://orders/1") == order
        moves = await read(client, "shop://products/2/moves")
        assert [(move["change"], move["kind"]) for move in moves] == [(-2, "purchase"), (50, "opening")]


async def test_a_product_of_the_catalogue_has_a_picture(tmp_path: Path, era: str) -> None:
    png, catalog = b"\x89PNG\r\n\x1a\n pixels", tmp_path / "catalog.json"
    (tmp_path / "a.png").write_bytes(png)
    shown = {"id": 1, "name": "x", "price": 1, "description": ""}
    catalog.write_text(json.dumps([shown | {"image": "a.png"}, shown | {"id": 2}]))
    async with (
        a_real_shop(tmp_path, catalog=catalog) as rest,
        Client(main.create_server(main.Settings(), rest), mode=era) as client,
    ):
        listed = (await client.call_tool("get_products")).structured_content
        first, second = (listed or {})["result"]
        assert "image" not in second
        (content,) = (await client.read_resource(first["image"])).contents
        with pytest.raises(MCPError) as refused:
            await client.read_resource("shop://products/2/image")
    assert isinstance(content, BlobResourceContents)
    assert (base64.b64decode(content.blob), content.mime_type) == (png, "image/png")
    assert refused.value.error.data["product-mcp/error"]["code"] == "no_picture"


NOTHING = [
    *("shop://", "shop://products/", "shop://products/9", "shop://products/x", "shop://products/02"),
    *("shop://products/1/", f"shop://products/{2**53}", "shop://products/{id}", "SHOP://products"),
    *("shop://orders/9", "shop://products/9/moves/", "file:///etc/passwd", "x"),
]


@pytest.mark.parametrize("owner", [False, True])
async def test_what_does_not_exist_is_the_protocols_not_found(tmp_path: Path, era: str, owner: bool) -> None:
    async with shopping(tmp_path, era, owner=owner) as client:
        await client.call_tool("create_purchase", TWO_BUDS)
        for uri in [*NOTHING, *(() if owner else ("shop://products/2/moves", "shop://orders/1"))]:
            with pytest.raises(MCPError) as refused:
                await client.read_resource(uri)
            error = refused.value.error
            assert error.code == (-32602 if era == "auto" else -32002)
            assert error.data["uri"] == uri
            assert error.data["product-mcp/error"]["code"].startswith("unknown_")


async def test_a_long_list_ends_where_clients_still_read_it(era: str) -> None:
    api = RestService()
    long = [WATCH | {"id": number, "description": '"' * 2000} for number in range(1, 501)]
    api.answers["/api/products"] = lambda _: httpx.Response(200, json=long)
    async with serving(app_for(api)) as url, Client(f"{url}/mcp", mode=era) as client:
        kept = await read(client, "shop://products")
    assert 0 < len(kept) < 500
    assert kept == long[: len(kept)]


async def test_a_shop_that_does_not_answer_is_named(era: str) -> None:
    api = RestService()
    api.fail("/api/products", *[httpx.ConnectError("refused")] * 4)
    async with connect(api, era) as client:
        with pytest.raises(MCPError, match=r"127.0.0.1:8000") as failed:
            await client.read_resource("shop://products")
    assert failed.value.error.data["product-mcp/error"]["code"] == "shop_unreachable"


@pytest.mark.parametrize(
    ("template", "typed", "owner", "values"),
    [
        ("shop://products/{id}", "", False, ["1", "2"]),
        ("shop://products/{id}", "2", False, ["2"]),
        ("shop://products/{id}", "耳机", False, ["2"]),
        ("shop://orders/{id}", "客户", True, ["7"]),
        (IMAGE, "", False, ["1", "2"]),
        ("shop://products/{id}/moves", "", True, ["1", "2"]),
        ("shop://products/{id}/moves", "", False, []),
        ("shop://orders/{id}", "", True, ["7"]),
        ("shop://orders/{id}", "", False, []),
        ("shop://other/{id}", "", True, []),
    ],
)
async def test_ids_are_completed(template: str, typed: str, owner: bool, values: list[str]) -> None:
    api = RestService()
    api.answers["/api/orders"] = lambda _: httpx.Response(200, json=[{"id": 7, "customerName": "客户A"}])
    async with connect(api, owner=owner) as client:
        ref = ResourceTemplateReference(uri=template)
        completed = await client.complete(ref, {"name": "id", "value": typed})
    assert completed.completion.values == values

"""Arguments as models write them: reading takes what can be meant in one way, a purchase guesses nothing."""

import json
from typing import Any

import pytest
from mcp.types import RequestParamsMeta

from tests.mcp_server.stand_ins import TWO_BUDS, RestService, call, connect, error_of, keyed

pytestmark = pytest.mark.anyio
UNSET = ["", " ", "\t\n", "　", None]


@pytest.fixture
def api() -> RestService:
    return RestService()


@pytest.mark.parametrize("unset", UNSET)
@pytest.mark.parametrize(
    ("tool", "names"),
    [
        ("get_products", ["query", "minPrice", "maxPrice", "limit", "offset"]),
        ("get_inventory", ["productIds", "maxQuantity", "limit", "offset"]),
        ("get_orders", ["customerName", "productId", "since", "until", "limit", "offset", "groupBy"]),
        ("get_orders", ["minAmount", "maxAmount"]),
    ],
)
async def test_what_a_model_leaves_blank_is_not_asked_for(
    api: RestService, tool: str, names: list[str], unset: str | None
) -> None:
    result = await call(api, tool, dict.fromkeys(names, unset))
    assert not result.is_error
    assert dict(api.asked[0].url.params) == {"limit": "100", "offset": "0"}


@pytest.mark.parametrize(
    ("tool", "given", "asked"),
    [
        ("get_products", {"maxPrice": "500"}, {"maxPrice": "500.0"}),
        ("get_products", {"minPrice": " 99.5 "}, {"minPrice": "99.5"}),
        ("get_products", {"limit": "5"}, {"limit": "5"}),
        ("get_products", {"limit": 5.0}, {"limit": "5"}),
        ("get_products", {"limit": "5.0"}, {"limit": "5"}),
        ("get_products", {"offset": "0"}, {"offset": "0"}),
        ("get_orders", {"productId": "2"}, {"productId": "2"}),
        ("get_inventory", {"maxQuantity": "60"}, {"maxQuantity": "60"}),
        ("get_inventory", {"productIds": 2}, {"productId": "2"}),
        ("get_inventory", {"productIds": "2"}, {"productId": "2"}),
        ("get_inventory", {"productIds": 2.0}, {"productId": "2"}),
        ("get_inventory", {"productIds": ["2", 1.0]}, {"productId": "2,1"}),
        ("get_inventory", {"productIds": "[1,2]"}, {"productId": "1,2"}),
        ("get_inventory", {"productIds": '["1", "2"]'}, {"productId": "1,2"}),
        ("get_inventory", {"productIds": "1, 2"}, {"productId": "1,2"}),
        ("get_orders", {"customerName": "2024"}, {"customerName": "2024"}),  # text stays text
        ("get_orders", {"customerName": " 客户A\n"}, {"customerName": "客户A"}),
    ],
)
async def test_a_number_that_a_model_writes_as_text_is_read(
    api: RestService, tool: str, given: dict[str, Any], asked: dict[str, str]
) -> None:
    assert not (await call(api, tool, given)).is_error
    params = api.asked[0].url.params
    assert {name: ",".join(params.get_list(name)) for name in asked} == asked


@pytest.mark.parametrize("wrong", ["2", 2.5, "2.0", " 2", True, [2], "", None])
async def test_a_purchase_takes_no_number_but_a_number(api: RestService, wrong: Any) -> None:
    for line in ({"productId": wrong, "quantity": 1}, {"productId": 1, "quantity": wrong}):
        order = {"input_data": {"customerName": "A", "items": [line]}}
        assert error_of(await call(api, "create_purchase", order))["code"] == "invalid_arguments"
    assert not api.asked


async def test_lists_written_as_text_are_no_way_around_the_bounds(api: RestService) -> None:
    for ids in (json.dumps([1] * 2000), "1," * 2000, "[" * 2000, "0", "-1", "1" * 5000):
        assert error_of(await call(api, "get_inventory", {"productIds": ids}))["code"] == "invalid_arguments"
    assert not api.asked


async def test_every_number_of_a_reading_tool_is_read_from_text_and_never_from_true(api: RestService) -> None:
    async with connect(api) as client:
        for tool in (await client.list_tools()).tools:
            for name, schema in tool.input_schema["properties"].items():
                if schema.get("type") in {"integer", "number"}:
                    assert not (await client.call_tool(tool.name, {name: "5"})).is_error
                    refused = await client.call_tool(tool.name, {name: True})
                    assert error_of(refused)["params"]["problems"][0]["field"] == name
                    for text in ("1_0", "+5", "05", "5.", "0x5", "５", "inf", "5 0"):
                        assert error_of(await client.call_tool(tool.name, {name: text}))["params"]["problems"]


async def test_the_schema_asks_for_the_right_types_all_the_same(api: RestService) -> None:
    async with connect(api) as client:
        tools = {tool.name: tool.input_schema["properties"] for tool in (await client.list_tools()).tools}
    assert tools["get_products"]["limit"]["type"] == "integer"
    assert tools["get_products"]["maxPrice"]["type"] == "number"
    assert tools["get_inventory"]["productIds"]["type"] == "array"
    assert tools["get_inventory"]["productIds"]["items"]["type"] == "integer"


async def test_what_a_tool_declares_is_harmless_in_a_call(api: RestService) -> None:
    """openai-agents copies a tool's `_meta` into each of its calls."""
    async with connect(api) as client:
        declared = {tool.name: tool.meta for tool in (await client.list_tools()).tools}["create_purchase"]
        copied = RequestParamsMeta(**declared)  # type: ignore[typeddict-item]
        for meta in (copied, keyed(True)):
            assert not (await client.call_tool("create_purchase", TWO_BUDS, meta=meta)).is_error
    assert (declared or {})["product-mcp/honours-key"] is True


async def test_the_fields_of_a_purchase_stand_in_its_description_too(api: RestService) -> None:
    async with connect(api) as client:
        schema = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}[
            "create_purchase"
        ]
    purchase = schema["properties"]["input_data"]
    assert set(purchase["properties"]) == {"customerName", "items", "idempotencyKey"}
    for field in (*purchase["properties"], *purchase["properties"]["items"]["items"]["properties"]):
        assert f'"{field}"' in purchase["description"]


@pytest.mark.parametrize("blank", ["", "  "])
async def test_a_blank_argument_of_a_prompt_is_not_given(api: RestService, blank: str) -> None:
    async with connect(api) as client:
        await client.get_prompt("restock_check", {"threshold": blank})
        await client.get_prompt("analyse_orders", {"groupBy": blank, "customerName": blank})
    restock, analysis = (dict(request.url.params) for request in api.asked)
    assert restock["maxQuantity"] == "20"
    assert analysis == {"groupBy": "product", "limit": "500"}


KEYWORDS = {
    *("type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf"),
    *("default", "description", "title", "minimum", "maximum", "exclusiveMinimum", "multipleOf"),
    *("minLength", "maxLength", "minItems", "maxItems", "pattern"),
}


def _keywords(schema: Any) -> set[str]:
    """The words of a schema and of those in it; names of properties are none."""
    if not isinstance(schema, dict):
        return set()
    within = [*schema.get("properties", {}).values(), *schema.get("anyOf", []), schema.get("items")]
    return set(schema).union(*map(_keywords, within))


async def test_bounds_are_said_in_the_words_of_json_schema_that_hosts_and_their_validators_know(
    api: RestService,
) -> None:
    async with connect(api, owner=True) as client:
        schemas = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
    assert not {name: odd for name, schema in schemas.items() if (odd := _keywords(schema) - KEYWORDS)}
    limit = schemas["get_products"]["properties"]["limit"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 500, 100)

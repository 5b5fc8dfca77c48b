"""The prompts that hosts offer as commands, and the completion of their arguments."""

import json

import httpx
import pytest
from mcp import MCPError
from mcp.types import PromptReference, TextContent

from mcp_server.sentences import TEXT_KEY, said
from tests.mcp_server.stand_ins import SUMMARY, RestService, connect

pytestmark = pytest.mark.anyio


@pytest.fixture
def api() -> RestService:
    return RestService()


@pytest.fixture(params=["legacy", "auto"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_three_prompts_are_offered_with_described_arguments(api: RestService, era: str) -> None:
    async with connect(api, era) as client:
        prompts = (await client.list_prompts()).prompts
    assert [prompt.name for prompt in prompts] == ["recommend", "analyse_orders", "restock_check"]
    assert all(prompt.title and prompt.description for prompt in prompts)
    assert all(argument.description for prompt in prompts for argument in prompt.arguments or [])


async def prompt_text(api: RestService, name: str, arguments: dict[str, str]) -> str:
    async with connect(api) as client:
        (message,) = (await client.get_prompt(name, arguments)).messages
    assert isinstance(message.content, TextContent)
    assert said((message.content.meta or {})[TEXT_KEY]) == message.content.text
    return message.content.text


async def test_the_analysis_prompt_carries_the_summary(api: RestService) -> None:
    text = await prompt_text(api, "analyse_orders", {"groupBy": "product", "customerName": "客户A"})
    assert json.dumps(SUMMARY, ensure_ascii=False, separators=(",", ":")) in text
    assert api.asked[0].url.params["customerName"] == "客户A"


async def test_the_restock_prompt_carries_the_stock_below_the_threshold(api: RestService) -> None:
    text = await prompt_text(api, "restock_check", {"threshold": "60"})
    assert "无线蓝牙耳机Pro" in text
    assert api.asked[0].url.params["maxQuantity"] == "60"


async def test_the_recommendation_prompt_names_preference_and_budget(api: RestService) -> None:
    text = await prompt_text(api, "recommend", {"preference": "降噪", "budget": "1000"})
    assert "降噪" in text
    assert "1000 元" in text


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("analyse_orders", {"groupBy": "week"}, "invalid_group"),
        ("analyse_orders", {"customerName": "\x00"}, "invalid_customer"),
        ("restock_check", {"threshold": "-1"}, "invalid_threshold"),
    ],
)
async def test_a_prompt_with_a_wrong_argument_says_so(
    api: RestService, name: str, arguments: dict[str, str], code: str
) -> None:
    async with connect(api) as client:
        with pytest.raises(MCPError, match="应为") as refused:
            await client.get_prompt(name, arguments)
    assert refused.value.error.data["product-mcp/error"]["code"] == code


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("nothing", {}, "unknown_prompt"),
        ("recommend", {}, "invalid_prompt_arguments"),
        ("recommend", {"preference": "降噪", "color": "red"}, "invalid_prompt_arguments"),
    ],
)
async def test_a_prompt_that_is_not_offered_so_is_refused_with_a_code(
    api: RestService, name: str, arguments: dict[str, str], code: str
) -> None:
    async with connect(api) as client:
        with pytest.raises(MCPError) as refused:
            await client.get_prompt(name, arguments)
    assert refused.value.error.data["product-mcp/error"]["code"] == code


async def test_a_prompt_whose_data_cannot_be_had_says_why(api: RestService) -> None:
    api.fail("/api/orders/summary", httpx.Response(500, json={"detail": "坏了"}))
    async with connect(api) as client:
        with pytest.raises(MCPError, match="调用订单服务失败") as failed:
            await client.get_prompt("analyse_orders", {})
    assert failed.value.error.data == {"product-mcp/error": {"code": "shop_refused", "params": {}}}


@pytest.mark.parametrize(
    ("prompt", "argument", "typed", "values"),
    [
        ("recommend", "preference", "降噪", ["主动降噪"]),
        ("recommend", "budget", "", ["899", "1299"]),
        ("analyse_orders", "groupBy", "d", ["product", "day"]),
        ("analyse_orders", "customerName", "耳机", ["无线蓝牙耳机Pro"]),
        ("restock_check", "threshold", "2", ["20"]),
        ("restock_check", "unknown", "", []),
    ],
)
async def test_arguments_are_completed_where_the_values_are_known(
    api: RestService, prompt: str, argument: str, typed: str, values: list[str]
) -> None:
    async with connect(api) as client:
        result = await client.complete(PromptReference(name=prompt), {"name": argument, "value": typed})
    assert result.completion.values == values


async def test_completion_without_the_shop_offers_nothing(api: RestService) -> None:
    api.fail("/api/products", httpx.Response(500))
    async with connect(api) as client:
        result = await client.complete(PromptReference(name="recommend"), {"name": "budget", "value": ""})
    assert result.completion.values == []

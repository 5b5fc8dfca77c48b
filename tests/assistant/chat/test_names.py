"""A model that writes a tool's name otherwise means the one tool that fits."""

from dataclasses import replace

import pytest

from assistant.chat import Chat, events
from tests.support.scripted import (
    HELLO,
    SECRET,
    FakeTools,
    ScriptedModel,
    answering,
    calls,
    only,
    says,
    take,
    tool,
)

pytestmark = pytest.mark.anyio


def world() -> FakeTools:
    """Tools of several servers, one offered with a letter in front, one under the hash of its name."""
    trains = replace(
        tool("get-tickets", read_only=True, server="12306-mcp"), offered="t12306-mcp_get-tickets"
    )
    chinese = replace(tool("查询", read_only=True, server="天气"), offered="x______1a2b3c4d")
    listed = [
        trains,
        chinese,
        tool("get_products", read_only=True),
        tool("look", read_only=True),
        tool("look", read_only=True, server="depot"),
        tool("shop_look", read_only=True, server="old"),
        tool("step", read_only=True),
        tool("step_2", read_only=True),
        tool("call_center", read_only=True),
    ]
    return FakeTools(*[(each, answering(f"{each.server} {each.name}")) for each in listed])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("shop_get_products", "shop get_products"),
        ("shop-get-products", "shop get_products"),
        ("shop.get_products", "shop get_products"),
        ("Shop_Get_Products", "shop get_products"),
        ("functions.shop_get_products", "shop get_products"),
        ("functions.shop_get_products:0", "shop get_products"),
        ("assistant.functions.shop_get_products", "shop get_products"),
        ("call:shop_get_products", "shop get_products"),
        ("default_api.get_products", "shop get_products"),
        (" shop get products ", "shop get_products"),
        ("get_products", "shop get_products"),
        ("get-products", "shop get_products"),
        ("shop_look", "shop look"),
        ("depot-look", "depot look"),
        ("12306-mcp_get-tickets", "12306-mcp get-tickets"),
        ("12306_mcp_get_tickets", "12306-mcp get-tickets"),
        ("get_tickets", "12306-mcp get-tickets"),
        ("天气_查询", "天气 查询"),
        ("查询", "天气 查询"),
        ("functions.shop_step_2", "shop step_2"),
        ("step_2:0", "shop step_2"),
        ("functions.step:2", "shop step"),
        ("functions.shop_step_0", "shop step"),
        ("call_center_0", "shop call_center"),
        ("getTickets", "12306-mcp get-tickets"),
        ("ShopGetProducts", "shop get_products"),
        ("mcp__shop__get_products", "shop get_products"),
        ("shop_get_products<|channel|>commentary", "shop get_products"),
        ("commentary to=functions.get_tickets", "12306-mcp get-tickets"),
    ],
)
async def test_a_name_means_the_one_tool_that_fits(written: str, meant: str) -> None:
    model = ScriptedModel(calls((written, "{}")), says("ok"))
    told = await take(Chat(model, world(), SECRET), [HELLO])
    assert only(told, events.ToolResultEvent)[0].result == meant
    call = only(told, events.ToolCallEvent)[0]
    assert f"{call.server} {call.tool}" == meant


@pytest.mark.parametrize(
    ("written", "code", "listed"),
    [
        ("look", "ambiguous_tool", ["shop_look", "depot_look"]),
        ("functions.look", "ambiguous_tool", ["shop_look", "depot_look"]),
        ("get_product", "unknown_tool", ["shop_get_products", "shop_look"]),
        ("", "unknown_tool", ["shop_get_products"]),
    ],
)
async def test_where_none_or_several_fit_the_answer_lists_them(
    written: str, code: str, listed: list[str]
) -> None:
    tools = world()
    model = ScriptedModel(calls((written, "{}")), says("ok"))
    told = await take(Chat(model, tools, SECRET), [HELLO])
    result = only(told, events.ToolResultEvent)[0]
    assert result.code == code
    assert all(name in result.result for name in listed)
    assert "t12306" not in result.result or code == "unknown_tool"
    assert not tools.called

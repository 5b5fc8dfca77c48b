"""More tools than a model is offered one by one: it searches them, and what it finds is the tool itself."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.chat import Chat, events
from assistant.chat.approvals import AllowedTool
from assistant.chat.events import Event
from assistant.chat.history import Message
from assistant.chat.interfaces import Tool, ToolRequest
from assistant.chat.tool_search import CALL, SEARCH, ToolIndex
from tests.support.scripted import (
    BUY,
    HELLO,
    SECRET,
    FakeTools,
    ScriptedModel,
    after,
    answering,
    calls,
    look_and_buy,
    only,
    says,
    take,
    tool,
)

pytestmark = pytest.mark.anyio

SHOP = (tool("look", read_only=True), tool("buy", read_only=False))
OTHERS = [tool(f"t{n}", read_only=True, server=f"s{n % 19}") for n in range(498)]
FIND = (SEARCH.name, '{"query": "buy 购买"}')


def wrapper(name: str, arguments: str = "{}") -> tuple[str, str]:
    return CALL.name, f'{{"name": {json.dumps(name)}, "arguments": {arguments}}}'


def many(*shop: Tool) -> FakeTools:
    """500 tools of 20 servers, among them those of the shop."""
    return FakeTools(*[(each, answering(f"{each.name} done")) for each in [*OTHERS, *(shop or SHOP)]])


def check(model: ScriptedModel) -> None:
    """Every call goes out under a name that the provider was offered, with arguments in JSON."""
    for asked, tools in zip(model.requests, model.tools, strict=True):
        offered = {each["function"]["name"] for each in tools}
        functions = [call["function"] for message in asked for call in message.get("tool_calls", ())]
        assert {function["name"] for function in functions} <= offered
        assert all(isinstance(json.loads(function["arguments"]), dict) for function in functions)


def without_ids(told: list[Event]) -> list[Any]:
    """What was told of a turn's first calls, but for their ids."""
    made = [replace(event, id="") for event in only(told, events.ToolCallEvent)]
    functions = [call["function"] for message in after(told, []) for call in message.get("tool_calls", ())]
    kinds = [event.id[:5] for event in only(told, events.ToolCallEvent)]
    return [made, functions, kinds, [event.code for event in only(told, events.ToolResultEvent)], told[-1]]


async def test_with_500_tools_of_20_servers_a_question_still_buys() -> None:
    def buy(messages: list[Message]) -> Any:
        found = json.loads(messages[-1]["content"].splitlines()[1])
        assert found[0]["parameters"] == {"type": "object", "properties": {}}
        return calls(wrapper(found[0]["name"], '{"n": 2}'))

    tools = many()
    model = ScriptedModel(calls(FIND), buy, says("bought"), says("you are welcome"))
    talk = Chat(model, tools, SECRET)
    told = await take(talk, [HELLO])
    call, waiting = only(told, events.ToolCallEvent)[-1], only(told, events.ApprovalEvent)
    assert (call.server, call.tool, call.raw, call.fingerprint) == (
        "shop",
        "buy",
        '{"n": 2}',
        "shop buy False",
    )
    assert [event.id for event in waiting] == [call.id]
    history = after(told, [HELLO])
    told = await take(talk, history, approvals={call.id: True})
    assert tools.called == [("buy", {"n": 2}, call.id)]
    await take(talk, [*after(told, history), HELLO])
    assert all(offered == model.tools[0] for offered in model.tools)
    assert [each["function"]["name"] for each in model.tools[0]] == [SEARCH.name, CALL.name]
    assert (
        model.requests[2][4]["tool_calls"][0]["function"]["arguments"] == wrapper("shop_buy", '{"n": 2}')[1]
    )
    check(model)


async def test_the_system_message_names_every_server_in_a_line() -> None:
    model = ScriptedModel(says("ok"))
    await take(Chat(model, many(), SECRET), [HELLO])
    lines = [line for line in model.requests[0][0]["content"].splitlines() if line.startswith("- ")]
    assert (len(lines), max(map(len, lines)) < 200) == (20, True)
    assert "- shop（2）：look、buy" in lines


NAMES = st.sampled_from(["shop_buy", "shop-look", "functions.shop_buy:0", "look", "shop_fly", "", "a b"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4)


@settings(max_examples=50)
@given(NAMES, OBJECTS, st.booleans(), st.booleans())
async def test_any_call_through_the_wrapper_comes_out_as_the_direct_call(
    name: str, args: dict[str, Any], is_compact: bool, is_text: bool
) -> None:
    arguments = json.dumps(args, ensure_ascii=is_text, separators=(",", ":") if is_compact else None)
    tools, outcomes = FakeTools(*[(each, answering("done")) for each in SHOP]), []
    for written in ((name, arguments), wrapper(name, json.dumps(arguments) if is_text else arguments)):
        model = ScriptedModel(calls(written), says("ok"))
        outcomes.append(without_ids(await take(Chat(model, tools, SECRET, max_tool_tokens=1), [HELLO])))
        check(model)
    direct, through = outcomes
    assert through == direct


@pytest.mark.parametrize(
    ("written", "raw", "kind"),
    [
        ('{"name": "shop_buy", "arguments": {"n": 2}}', '{"n": 2}', "call_"),
        ('{"arguments":"{\\"n\\":2}","name":"buy"}', '{"n":2}', "call_"),
        ('{"name": "shop_buy", "arguments": {"n": 2}}' * 2, '{"n": 2}', "call_"),
        ('{"name": "shop_buy"}', "{}", "call_"),
        ('{"name": "shop_buy", "arguments": null}', "{}", "call_"),
        ('{"name": "shop_buy", "n": 2}', '{"n": 2}', "mend_"),
        ("{'name': 'shop_buy', 'arguments': {'n': 2,}}", '{"n": 2}', "mend_"),
        ('```json\n{"name": "shop_buy", "arguments": {"n": 2}}\n```', '{"n": 2}', "mend_"),
        ('{"name": "shop_buy", "arguments": "{\'n\': 2}"}', '{"n": 2}', "mend_"),
    ],
)
async def test_a_wrapper_is_read_where_it_means_one_thing(written: str, raw: str, kind: str) -> None:
    told = await take(Chat(ScriptedModel(calls((CALL.name, written))), many(), SECRET), [HELLO])
    call = only(told, events.ToolCallEvent)[0]
    assert (call.server, call.tool, call.raw, call.id[:5]) == ("shop", "buy", raw, kind)
    assert told[-1] == events.DoneEvent("approval")


BROKEN = ['{"name": "shop_buy", "argu', "[1]", "", '{"n": NaN}', "{[1]: 2}", '{"name": "a", "name": "b"}']
HALF = '{"name": "shop_look", "arguments": "\\ud800"}'  # a character
NO_CALLS = [*BROKEN, HALF, "{}", '{"name": 7}', '{"name": "fly"}', '{"name": "callTool"}']


@pytest.mark.parametrize("written", NO_CALLS)
async def test_a_wrapper_of_no_call_is_a_result_for_the_model(written: str) -> None:
    model, tools = ScriptedModel(calls((CALL.name, written)), says("sorry")), many()
    told = await take(Chat(model, tools, SECRET), [HELLO])
    assert [result.isError for result in only(told, events.ToolResultEvent)] == [True]
    assert (told[-1], tools.called) == (events.DoneEvent("stop"), [])
    assert json.dumps(after(told, []), ensure_ascii=False).encode()
    check(model)


@pytest.mark.parametrize("written", ["shop_buy", "buy", "functions.shop_buy:0", "Shop-Buy"])
async def test_a_tool_that_was_not_offered_can_be_called_by_its_name(written: str) -> None:
    model = ScriptedModel(calls((written, '{"n": 2}')), says("ok"))
    told = await take(Chat(model, many(), SECRET), [HELLO], ask=False)
    assert only(told, events.ToolResultEvent)[0].result == "buy done"
    check(model)


@pytest.mark.parametrize("written", ["search_tools", "functions.searchTools:0", "SearchTools"])
async def test_a_search_can_be_written_otherwise_and_runs_unasked(written: str) -> None:
    model = ScriptedModel(calls((written, '{"query": "buy"}')), says("ok"))
    told = await take(Chat(model, many(), SECRET), [HELLO])
    call, result = only(told, events.ToolCallEvent)[0], only(told, events.ToolResultEvent)[0]
    assert (call.tool, call.readOnly, result.isError) == (SEARCH.name, True, False)
    assert '"shop_buy"' in result.result


async def test_what_was_allowed_and_what_was_said_twice_hold_for_a_found_tool() -> None:
    twice = calls((CALL.name, ""), wrapper("shop_buy", '{"n":2}'), BUY)  # the first is a repeat, and no call
    model, tools = ScriptedModel(twice, says("ok")), many()
    allowed = [AllowedTool("shop", "buy", SHOP[1].fingerprint)]
    told = await take(Chat(model, tools, SECRET), [HELLO], auto_approve=allowed)
    assert [result.code for result in only(told, events.ToolResultEvent)] == ["same_as_another", None]
    assert len(tools.called) == 1
    allowed = [replace(allowed[0], fingerprint="another")]
    again = Chat(ScriptedModel(calls(wrapper("shop_buy"))), tools, SECRET)
    assert (await take(again, [HELLO], auto_approve=allowed))[-1] == events.DoneEvent("approval")


@pytest.mark.parametrize(("keyed", "codes"), [(True, [None]), (False, ["approval_expired"])])
async def test_another_replica_goes_on_with_a_found_tool(keyed: bool, codes: list[str | None]) -> None:
    buy = replace(SHOP[1], honours_key=keyed)
    told = await take(Chat(ScriptedModel(calls(wrapper("shop_buy"))), many(buy), SECRET), [HELLO])
    stored = json.loads(json.dumps(after(told, [HELLO])))  # by the page, over a reload
    asked = only(told, events.ApprovalEvent)[0].id
    tools, model = many(buy), ScriptedModel(says("ok"))
    told = await take(Chat(model, tools, SECRET), stored, approvals={asked: True})
    assert [result.code for result in only(told, events.ToolResultEvent)] == codes
    assert [key for _, _, key in tools.called] == [asked] * keyed
    check(model)


@pytest.mark.parametrize("first", ["many", "few"])
async def test_a_conversation_crosses_the_budget_in_either_direction(first: str) -> None:
    tools = many() if first == "many" else look_and_buy()
    begins = [calls(FIND), calls(wrapper("s0_t0"))] if first == "many" else []
    model = ScriptedModel(*begins, calls(("shop_look", "{}")), *[says("ok")] * 2)
    talk = Chat(model, tools, SECRET)
    history = after(await take(talk, [HELLO]), [HELLO])
    tools.relist(*[(each, answering("ok")) for each in (SHOP if first == "many" else [*SHOP, *OTHERS])])
    told = await take(talk, [*history, HELLO])
    assert told[-1] == events.DoneEvent("stop")
    names = [each["function"]["name"] for each in model.tools[-1]]
    assert names == [SEARCH.name, CALL.name, *(["shop_look", "shop_buy"] if first == "many" else [])]
    check(model)


async def test_what_a_call_was_signed_with_goes_back_with_its_wrapper() -> None:
    name, written = wrapper("shop_look")
    signed = replace(calls(), calls=[ToolRequest(name, written, {"google": "s"})])
    model = ScriptedModel(signed, says("ok"))
    await take(Chat(model, many(), SECRET), [HELLO])
    call = model.requests[1][2]["tool_calls"][0]
    assert (call["function"]["name"], call["extra_content"]) == (name, {"google": "s"})


@pytest.mark.parametrize(("count", "searched"), [(128, False), (129, True)])
async def test_below_the_budget_a_model_is_offered_all_tools_and_no_more(count: int, searched: bool) -> None:
    listed = [tool(f"t{n}", read_only=True) for n in range(count)]
    model = ScriptedModel(says("ok"))
    await take(Chat(model, FakeTools(*[(each, answering("")) for each in listed]), SECRET), [HELLO])
    all_of_them = [
        {
            "type": "function",
            "function": {
                "name": each.offered,
                "description": f"[shop] {each.description}",
                "parameters": each.input_schema,
            },
        }
        for each in listed
    ]
    assert (model.tools[0] == all_of_them) is not searched
    assert (SEARCH.name in model.requests[0][0]["content"]) is searched


@pytest.mark.parametrize(("description", "searched"), [("x" * 3_000, False), ("查" * 3_000, True)])
async def test_a_chinese_character_counts_for_more_than_a_latin_one(description: str, searched: bool) -> None:
    listed = [replace(tool(f"t{n}", read_only=True), description=description) for n in range(12)]
    model = ScriptedModel(says("ok"))
    await take(Chat(model, FakeTools(*[(each, answering("")) for each in listed]), SECRET), [HELLO])
    assert (len(model.tools[0]) == 2) is searched


async def test_the_stand_in_is_offered_all_tools() -> None:
    model = ScriptedModel(says("ok"))
    model.demo = True
    await take(Chat(model, many(), SECRET), [HELLO])
    assert len(model.tools[0]) == 500


def described(server: str, name: str, title: str, description: str, *arguments: str) -> Tool:
    schema = {"type": "object", "properties": {each: {"type": "string"} for each in arguments}}
    made = replace(tool(name, read_only=True, server=server), title=title, description=description)
    return replace(made, input_schema=schema)


CATALOG = [
    described("shop", "get_products", "商品列表", "按关键词搜索商品，返回价格"),
    described("shop", "create_purchase", "购买", "下单购买商品", "customerName", "items"),
    described("shop", "get_orders", "订单", "查询订单"),
    described("weather", "getWeather", "Forecast", "Weather of the next days", "city"),
    described("github", "create_issue", "Create issue", "Open a new issue in a repository", "labels"),
    described("github", "list_pull_requests", "List pull requests", "of a repository"),
    described("files", "read_file", "Read", "Read the complete contents of a file", "path"),
    described("12306", "get-tickets", "余票", "查询火车票余票", "fromStation"),
    *[described("crm", f"get_record_{n}", f"Record {n}", f"Gets record {n}") for n in range(30)],
]


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("购买耳机", "create_purchase"),
        ("下单", "create_purchase"),
        ("buy: purchases customer name", "create_purchase"),
        ("查一下订单", "get_orders"),
        ("orders", "get_orders"),
        ("天气 weather forecast", "getWeather"),
        ("city", "getWeather"),
        ("open issues in GitHub", "create_issue"),
        ("pull request", "list_pull_requests"),
        ("火车票", "get-tickets"),
        ("from station", "get-tickets"),
        ("reading files", "read_file"),
        ("12306", "get-tickets"),
        ("ｇｅｔ＿ｐｒｏｄｕｃｔｓ", "get_products"),
    ],
)
def test_the_best_tool_is_found_in_words_of_both_languages(query: str, best: str) -> None:
    assert ToolIndex(CATALOG).best(query)[0].name == best


@pytest.mark.parametrize("query", ['{"query": "zzzz"}', "{}", '{"query": ""}', '{"query": ["zzzz"]}'])
async def test_a_search_without_a_hit_names_the_servers(query: str) -> None:
    told = await take(Chat(ScriptedModel(calls((SEARCH.name, query)), says("ok")), many(), SECRET), [HELLO])
    result = only(told, events.ToolResultEvent)[0]
    assert (result.isError, "s18、shop" in result.result) == (False, True)


async def test_what_a_search_returns_is_bounded_and_plain() -> None:
    names = {f"p{n}": {"$ref": "#/$defs/p"} for n in range(200)}
    wide = {"properties": names, "$defs": {"p": {"type": "string"}}}
    one = replace(tool("buy", read_only=True), description="\ud800" * 9_000, input_schema=wide)
    listed = [replace(one, name=f"buy{n}", offered=f"shop_buy{n}") for n in range(200)]
    model = ScriptedModel(calls((SEARCH.name, '{"query": "buy"}')), says("ok"))
    told = await take(Chat(model, FakeTools(*[(each, answering("")) for each in listed]), SECRET), [HELLO])
    text = only(told, events.ToolResultEvent)[0].result
    assert 5_000 < len(text.encode()) < 20_000
    found = json.loads(text)
    assert found[0]["parameters"]["properties"]["p0"] == {"type": "string"}


@pytest.mark.parametrize(("window", "is_searched"), [(None, False), (128_000, False), (2_000, True)])
async def test_tools_take_at_most_a_quarter_of_a_window(window: int | None, is_searched: bool) -> None:
    tools = FakeTools(*[(tool(f"t{n}", read_only=True), answering("")) for n in range(5)])
    model = ScriptedModel(says("ok"))
    model.window = window
    await take(Chat(model, tools, SECRET), [HELLO])
    assert (model.tools[0][0]["function"]["name"] == SEARCH.name) is is_searched

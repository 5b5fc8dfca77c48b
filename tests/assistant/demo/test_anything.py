"""The demo model never raises and never loops, whatever is said and whatever the tools return."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from assistant.chat.history import HistoryMessage, Message, as_messages
from assistant.chat.interfaces import ToolResult
from tests.support.fake_shop import ARGUMENTS, CATALOGUE, FakeShop, answer, offered

PRODUCT = {"id": st.integers(), "name": st.text(), "price": st.floats(), "description": st.text()}
ITEM = {"productId": st.integers(), "quantity": st.integers(), "product": st.fixed_dictionaries(PRODUCT)}
FIELDS = [
    *PRODUCT,
    *ITEM,
    "customerName",
    "items",
    "totalAmount",
    "orderDate",
    "key",
    "label",
    "orders",
    "amount",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
            max_size=8,
        )
    ),
    max_leaves=20,
)
ROWS = st.lists(
    st.fixed_dictionaries(PRODUCT)
    | st.fixed_dictionaries(ITEM)
    | st.fixed_dictionaries(
        {"key": st.text(), "label": st.text(), "amount": st.floats()}
        | dict.fromkeys(("orders", "quantity"), st.integers())
    ),
    max_size=5,
)
RESULTS = (
    st.text()
    | JSON.map(json.dumps)
    | ROWS.map(json.dumps)
    | st.builds(lambda text, at: text[:at], ROWS.map(json.dumps), st.integers(0, 200))
    | st.sampled_from(
        ["", "[" * 100_000, '{"a":' * 5000, "错误: ", "[]", "null", "9" * 5000, "[1e999]", "{" * 60]
    )
)
WORDS = [
    *(
        "买",
        "2 个",
        "耳机",
        "客户A",
        "库存",
        "订单",
        "最大",
        "推荐",
        "预算 1000 元",
        "和",
        "商品 1",
        "第二个",
        "按商品",
    ),
    *(
        "buy",
        "2",
        "of",
        "product 1",
        "for",
        "Tom",
        "headphones",
        "orders",
        "under 500",
        "the first one",
        "how much",
    ),
    *(
        "-1",
        "1e9",
        "9" * 400,
        "０",
        "零",
        "万万",
        "\ue0001\ue001",
        "\x00",
        "“",
        "**",
        "|",
        "1.5k",
        "between 1 and 2",
    ),
]
SENTENCES = (
    st.text()
    | st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
    | st.lists(st.sampled_from(WORDS), max_size=8).map("".join)
)


@example(["1:B"], ['{"id": 19000000000000000000, "name": "", "price": 0, "description": ""}', "", "", ""])
@given(sentences=st.lists(SENTENCES, min_size=1, max_size=3), texts=st.lists(RESULTS, min_size=4, max_size=4))
def test_whatever_is_said_and_whatever_the_tools_return_it_answers(
    sentences: list[str], texts: list[str]
) -> None:
    shop = FakeShop(override=dict(zip(ARGUMENTS, map(ToolResult, texts), strict=True)))
    for sentence in sentences:
        assert shop.ask(sentence)


@given(st.lists(SENTENCES, min_size=1, max_size=4))
def test_whatever_is_said_to_a_real_shop_it_answers_and_the_stock_adds_up(sentences: list[str]) -> None:
    shop = FakeShop()
    for sentence in sentences:
        assert shop.ask(sentence)
    sold_pieces = sum(item["quantity"] for order in shop.orders for item in order["items"])
    assert sum(shop.stock.values()) + sold_pieces == sum(row[4] for row in CATALOGUE)


IDS = st.sampled_from(["1", "2", "3", ""]) | st.text()
CALLS = st.fixed_dictionaries(
    {
        "id": IDS,
        "function": st.fixed_dictionaries(
            {
                "name": st.sampled_from([f"product-mcp_{tool}" for tool in ARGUMENTS]) | st.text(),
                "arguments": RESULTS,
            }
        ),
    }
)
TEXTS = st.fixed_dictionaries({"type": st.just("text"), "text": SENTENCES}, optional={"name": st.text()})
CODES = st.sampled_from(["replaced", "out_of_stock", "unconfirmed", "unknown_product"]) | st.text()
# What the page may send, and the loop hands on.
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool", "system"])},
        optional={
            "content": SENTENCES | st.none() | st.lists(TEXTS, max_size=3),
            "tool_call_id": IDS,
            "error": st.fixed_dictionaries(
                {"code": CODES}, optional={"params": st.dictionaries(st.sampled_from(FIELDS), JSON)}
            ),
            "tool_calls": st.lists(CALLS, max_size=3),
        },
    ).map(HistoryMessage.model_validate),
    max_size=6,
).map(as_messages)


@given(
    MESSAGES,
    st.sampled_from([[], offered(), [{"function": {"name": "get_products", "parameters": []}}]]),
)
def test_no_history_makes_it_raise(history: list[Message], tools: list[dict[str, Any]]) -> None:
    answer(history, tools)

"""Whatever JSON a model or a host sends as arguments: an answer, or a refusal with a code, and no crash."""

from typing import Any

import anyio
from hypothesis import given
from hypothesis import strategies as st

from tests.mcp_server.stand_ins import TWO_BUDS, RestService, connect

ODD = ["1", "[1]", "[[", '"', "1e400", "９", "-0", "1_0", "0x1", "NaN", "null", "[null]", " ", "1,2", "true"]
SCALARS = st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(ODD)
JSON = st.recursive(
    SCALARS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
FIELDS = {
    "get_products": ["query", "minPrice", "maxPrice", "limit", "offset", "other"],
    "get_inventory": ["productIds", "maxQuantity", "limit", "offset"],
    "get_orders": ["customerName", "productId", "minAmount", "maxAmount", "since", "until", "groupBy"],
}
READS = st.sampled_from(sorted(FIELDS)).flatmap(
    lambda tool: st.tuples(st.just(tool), st.dictionaries(st.sampled_from(FIELDS[tool]), JSON, max_size=3))
)
CHANGES = st.dictionaries(st.sampled_from(["customerName", "items", "idempotencyKey", "x"]), JSON, max_size=2)
PURCHASES = st.tuples(
    st.just("create_purchase"),
    (CHANGES.map(lambda changed: TWO_BUDS["input_data"] | changed) | JSON).map(
        lambda one: {"input_data": one}
    ),
)


async def check(calls: list[tuple[str, dict[str, Any]]]) -> None:
    async with connect(RestService()) as client:
        for name, arguments in calls:
            result = await client.call_tool(name, arguments)
            assert not result.is_error or (result.meta or {})["product-mcp/error"]["code"]


@given(st.lists(READS | PURCHASES, min_size=1, max_size=4))
def test_any_arguments_are_answered_or_refused_with_a_code(calls: list[tuple[str, dict[str, Any]]]) -> None:
    anyio.run(check, calls)

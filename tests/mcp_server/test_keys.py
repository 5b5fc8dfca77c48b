"""The key of a purchase: the model's, else the host's, else one of its own."""

import json

import pytest

from tests.mcp_server.stand_ins import TWO_BUDS, RestService, call, connect, error_of, keyed

pytestmark = pytest.mark.anyio


@pytest.fixture
def api() -> RestService:
    return RestService()


@pytest.fixture(params=["legacy", "auto"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_the_models_key_comes_before_the_hosts_and_both_before_a_fresh_one(
    api: RestService, era: str
) -> None:
    with_key = {"input_data": TWO_BUDS["input_data"] | {"idempotencyKey": "model"}}
    async with connect(api, era) as client:
        await client.call_tool("create_purchase", with_key, meta=keyed("host"))
        await client.call_tool("create_purchase", TWO_BUDS, meta=keyed("host"))
        await client.call_tool("create_purchase", TWO_BUDS)
        await client.call_tool("create_purchase", TWO_BUDS, meta=keyed(True))  # a flag is no key
    model, host, *fresh = (request.headers["idempotency-key"] for request in api.purchases())
    assert (model, host) == ("model", "host")
    assert len({*fresh, "host", "model"}) == 4
    assert json.loads(api.asked[0].content) == TWO_BUDS["input_data"]


async def test_a_key_that_no_header_can_carry_still_names_one_purchase(api: RestService) -> None:
    async with connect(api) as client:
        for key in ("客户A 的耳机", "客户A 的耳机", "客户B 的耳机"):
            await client.call_tool("create_purchase", TWO_BUDS, meta=keyed(key))
    first, again, other = (request.headers["idempotency-key"] for request in api.purchases())
    assert first == again != other


@pytest.mark.parametrize("key", ["", "x" * 201, 0, 17, 1.5, ["k"], {"key": "k"}])
async def test_an_unusable_key_of_the_host_is_refused_rather_than_dropped(
    api: RestService, key: object
) -> None:
    async with connect(api) as client:
        result = await client.call_tool("create_purchase", TWO_BUDS, meta=keyed(key))
    assert error_of(result) == {"code": "invalid_idempotency_key", "params": {"max": 200}}
    assert not api.asked


@pytest.mark.parametrize("unset", ["", " ", "\t\n", "　", None])
async def test_a_blank_key_of_a_model_is_none(api: RestService, unset: str | None) -> None:
    order = {"input_data": TWO_BUDS["input_data"] | {"idempotencyKey": unset}}
    async with connect(api) as client:
        await client.call_tool("create_purchase", order, meta=keyed("host"))
        await client.call_tool("create_purchase", order)
    host, own = (request.headers["idempotency-key"] for request in api.purchases())
    assert host == "host"
    assert len(own) == 32


async def test_blanks_around_a_repeated_key_make_no_other_key(api: RestService) -> None:
    order = {"input_data": TWO_BUDS["input_data"] | {"idempotencyKey": " k-1\n"}}
    assert not (await call(api, "create_purchase", order)).is_error
    assert api.purchases()[0].headers["idempotency-key"] == "k-1"

"""What Prometheus reads of the three services."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.client import Client

import api
import main
import web
from serving.metrics import MAX_SERIES, Counter, Gauge, Histogram
from tests.mcp_server.stand_ins import TWO_BUDS, RestService, app_for, serving
from tests.support.asgi import serve

pytestmark = pytest.mark.anyio
LINE = re.compile(r'[a-z_]+(\{([a-z_]+="([^"\\\n]|\\.)*",?)*\})? [0-9.e+-]+|# (HELP|TYPE) .+')


async def read(http: httpx.AsyncClient, **headers: str) -> dict[str, float]:
    answer = await http.get("/metrics", headers=headers)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert all(map(LINE.fullmatch, lines)), [line for line in lines if not LINE.fullmatch(line)]
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def grown(before: dict[str, float], after: dict[str, float], name: str) -> float:
    return after[name] - before.get(name, 0)


async def test_the_shop_counts_requests_orders_refusals_and_commits(tmp_path: Path) -> None:
    settings = api.Settings(_env_file=None, database_url=f"sqlite:///{tmp_path}/shop.db")
    async with (
        serve(api.create_app(settings), lifespan="on") as url,
        httpx.AsyncClient(base_url=url, timeout=60) as http,
    ):
        before = await read(http)
        order = {"customerName": "Mei", "items": [{"productId": 1, "quantity": 1}]}
        for number, key in ((1, "a"), (1, "a"), (10_000, "b")):
            order["items"] = [{"productId": 1, "quantity": number}]
            await http.post("/api/purchase", json=order, headers={"Idempotency-Key": key})
        await http.get("/nowhere/of/a/clients/making")
        after = await read(http)
    for name, count in {
        'http_requests_total{method="POST",route="/api/purchase",status="200"}': 2,
        'http_requests_total{method="POST",route="/api/purchase",status="400"}': 1,
        'http_requests_total{method="GET",route="other",status="404"}': 1,
        'http_request_duration_seconds_count{route="/api/purchase"}': 3,
        'shop_orders_total{outcome="placed"}': 1,
        'shop_orders_total{outcome="replayed"}': 1,
        'refusals_total{code="out_of_stock"}': 1,
        "shop_commit_writes_sum": 3,
    }.items():
        assert grown(before, after, name) == count, name
    assert after['shop_store{kind="writes"}'] == 0
    assert not [name for name in after if "making" in name]


async def test_the_mcp_server_counts_calls_and_failures() -> None:
    service = RestService()
    async with serving(app_for(service)) as url, httpx.AsyncClient(base_url=url, timeout=60) as http:
        before = await read(http)
        async with Client(f"{url}/mcp") as client:
            await client.call_tool("create_purchase", TWO_BUDS)
            await client.call_tool("no_such_tool", {})
        after = await read(http)
    bought = 'mcp_tool_call_duration_seconds_count{tool="create_purchase",is_error="false"}'
    assert grown(before, after, bought) == 1
    assert grown(before, after, 'mcp_tool_call_duration_seconds_count{tool="other",is_error="true"}') == 1
    assert grown(before, after, 'refusals_total{code="unknown_tool"}') == 1


@pytest.mark.parametrize(
    ("service", "secret", "given"),
    [
        (api, {"api_token": "t" * 20}, {"Authorization": "Bearer " + "t" * 20}),
        (main, {"mcp_token": "t" * 20}, {"Authorization": "Bearer " + "t" * 20}),
        (web, {"web_password": "p"}, {"Authorization": "Basic OnA="}),
    ],
)
async def test_numbers_are_for_who_may_use_the_service(
    service: Any, secret: dict[str, str], given: dict[str, str]
) -> None:
    transport = httpx.ASGITransport(service.create_app(service.Settings(_env_file=None, **secret)))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
        assert (await http.get("/metrics")).status_code == 401
        assert "http_requests_total" in "".join(await read(http, **given))


def test_buckets_hold_all_that_is_smaller_and_labels_are_bounded_and_escaped() -> None:
    sizes = Histogram("test_sizes", "Sizes.", bounds=(1, 10))
    for size in (1, 5, 10, 11):
        sizes.observe(size)
    assert [value for _, _, value in sizes.samples()] == [1, 3, 4, 27, 4]
    assert 'test_sizes_bucket{le="+Inf"} 4' in sizes.text()
    names = Counter("test_names", "Names.", ("name",))
    for number in range(MAX_SERIES + 5):
        names.add(str(number))
    assert {labels["name"]: value for _, labels, value in names.samples()}["other"] == 5
    odd = Gauge("test_odd", "Odd.", ("name",))
    with odd.told_by(lambda: {('a"\\\n',): 1}):
        assert 'test_odd{name="a\\"\\\\\\n"} 1' in odd.text()
    assert odd.text().count("\n") == 2
    with odd.told_by(lambda: {("\ud800",): 12_345_678}):
        assert 'test_odd{name="\\\\ud800"} 12345678' in odd.text()

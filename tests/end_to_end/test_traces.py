"""One question to the real page is one trace, in three real services and a collector that reads OTLP."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.asgi import serve
from tests.support.processes import Spawn, free_port
from tests.support.proxies import nginx
from tests.support.suite import Suite

pytestmark = pytest.mark.anyio

BELOW_A_PREFIX = """server {{ listen 127.0.0.1:{front}; location /shop/ {{ {pass_on}
    proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Prefix /shop; }} }}"""


class Collector:
    """Keeps the spans that are sent to it, each with its service's name."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        self.app = Starlette(routes=[Route("/v1/traces", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        sent = ExportTraceServiceRequest.FromString(await request.body())
        for resource in sent.resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [(named["service.name"], span) for span in scope.spans]
        return Response()

    def of(self, trace: str) -> dict[str, tuple[str, Any]]:
        """The spans of a trace by their id."""
        return {span.span_id.hex(): (name, span) for name, span in self.spans if span.trace_id.hex() == trace}

    def way(self, trace: str, name: str) -> list[tuple[str, str]]:
        """The service and the name of a span and of those above it."""
        spans = self.of(trace)
        found: list[tuple[str, str]] = []
        here = next((id for id, (_, span) in spans.items() if span.name == name), "")
        while here in spans:
            service, span = spans[here]
            found.append((service.removeprefix("product-mcp-"), span.name))
            here = span.parent_span_id.hex()
        return found


@asynccontextmanager
async def traced(folder: Path, **more: str) -> AsyncIterator[tuple[Suite, Collector]]:
    collector, suite = Collector(), Suite(folder)
    async with serve(collector.app, lifespan="off") as address:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": address,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "LOG_FORMAT": "json",
            **more,
        }
        await anyio.to_thread.run_sync(lambda: suite.start("api", "main", "web", **settings))
        try:
            yield suite, collector
        finally:
            await anyio.to_thread.run_sync(suite.stop)


async def ask(suite: Suite, trace: str, at: str = "", **front: str) -> None:
    async with httpx.AsyncClient(base_url=at or suite.url, timeout=60) as http:
        while (await http.get("/api/tools")).json()["tools"] == []:  # noqa: ASYNC110  as a page polls
            await anyio.sleep(0.05)
        body = {"message": "给小明买两个充电宝", "history": []}
        headers = {"traceparent": f"00-{trace}-{'1' * 16}-01"} | front
        path = f"{front.get('X-Forwarded-Prefix', '')}/api/chat"
        answered = await http.post(path, json=body, headers=headers)
    assert "create_purchase" in {call["name"] for call in answered.json()["toolCalls"]}


async def test_a_question_is_one_trace_from_the_page_to_the_database(tmp_path: Path) -> None:
    trace, behind = "ab" * 16, "ef" * 16
    async with traced(tmp_path, TRUSTED_PROXIES="127.0.0.1") as (suite, collector):
        await ask(suite, trace)
        front = {"X-Forwarded-Prefix": "/shop", "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
        await ask(suite, behind, **front)
        with anyio.fail_after(60):
            # Each service sends its spans now and then: the last of the way may come first.
            while not (way := collector.way(trace, "shop purchase")) or way[-1][1] != "POST /api/chat":  # noqa: ASYNC110
                await anyio.sleep(0.05)
            while not (prefixed := collector.way(behind, "shop purchase")) or len(prefixed) < len(way):  # noqa: ASYNC110
                await anyio.sleep(0.05)
        assert prefixed == way, "a proxy with a path prefix changes nothing of it"
        spans = collector.of(trace)
        logged = (suite.running["api"].log).read_text()
    services = [service for service, _ in way]
    assert services == sorted(services, key=["api", "main", "web"].index)
    assert ("api", "POST /api/purchase") in way
    assert ("main", "tools/call create_purchase") in way
    assert way[-1] == ("web", "POST /api/chat")
    assert not [span for _, span in spans.values() if "小明" in str(span)]
    lines = [json.loads(line) for line in logged.splitlines() if line.startswith("{")]
    line, prefixed_line = (line for line in lines if "订单" in line["message"])
    assert (line["trace_id"], prefixed_line["trace_id"]) == (trace, behind)
    assert re.fullmatch(r"订单 1：客户 [0-9a-f]{12}，合计 598.0 元，键 \S+", line["message"])


@pytest.mark.heavy
@pytest.mark.parametrize("rest", ["/", ""], ids=["stripped", "kept"])
async def test_a_trace_goes_through_nginx_and_a_path_prefix(tmp_path: Path, spawn: Spawn, rest: str) -> None:
    trace, front = "ba" * 16, free_port()
    async with traced(tmp_path, TRUSTED_PROXIES="127.0.0.1") as (suite, collector):
        pass_on = f"proxy_pass http://127.0.0.1:{suite.web}{rest};"
        proxy = nginx(spawn, BELOW_A_PREFIX.format(front=front, pass_on=pass_on))
        shop = f"http://127.0.0.1:{front}/shop"
        await anyio.to_thread.run_sync(proxy.wait_until_up, f"{shop}/healthz")
        await ask(suite, "aa" * 16)
        await ask(suite, trace, at=shop)
        async with httpx.AsyncClient(timeout=60) as http:
            odd = await http.get(f"{shop}/api/nothing", headers={"traceparent": f"00-{trace}-{'1' * 16}-01"})
        with anyio.fail_after(60):
            while not (way := collector.way("aa" * 16, "shop purchase")) or way[-1][0] != "web":  # noqa: ASYNC110
                await anyio.sleep(0.05)
            while len(prefixed := collector.way(trace, "shop purchase")) < len(way):  # noqa: ASYNC110
                await anyio.sleep(0.05)
        logged = suite.logs()
    assert prefixed == way
    assert (odd.status_code, odd.json()["traceId"]) == (404, trace)
    lines = [json.loads(line) for line in logged.splitlines() if trace in line]
    assert [line["message"] for line in lines if line["message"].startswith("订单 2：")]


@pytest.mark.heavy
async def test_a_failure_names_its_trace(tmp_path: Path) -> None:
    once = {"OTEL_BSP_SCHEDULE_DELAY": "600000"}  # the spans come at the end or never
    async with traced(tmp_path, **once) as (suite, collector), httpx.AsyncClient(timeout=60) as http:
        parent = {"traceparent": f"00-{'cd' * 16}-{'1' * 16}-01"}
        refused = await http.get(f"http://127.0.0.1:{suite.api}/api/products/999", headers=parent)
        assert refused.json()["traceId"] == "cd" * 16
        odd = await http.get(f"{suite.url}/api/nothing", headers={"traceparent": "00-odd"})
        assert (odd.status_code, len(odd.json()["traceId"])) == (404, 32)
        await anyio.to_thread.run_sync(suite.stop)
        assert collector.way("cd" * 16, "GET /api/products/{id}")

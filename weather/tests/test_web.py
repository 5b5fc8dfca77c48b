"""Access by Host, Origin and token, and what a server without sessions answers."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import httpx2
import pytest
from mcp.client.streamable_http import streamable_http_client

if TYPE_CHECKING:
    from weather.tests.conftest import Connect, Serve

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"Accept": "application/json, text/event-stream"}


def post(url: str, **headers: str) -> httpx.Response:
    return httpx.post(url, json=LIST, headers=ACCEPT | headers, timeout=60)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "localhost:3000", "127.0.0.1:8080"])
def test_every_loopback_name_is_accepted_as_host(serve: Serve, host: str) -> None:
    assert post(serve(), Host=host).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:3000"])
def test_any_other_host_is_rejected(serve: Serve, host: str) -> None:
    assert post(serve(), Host=host).status_code == 421


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://localhost:6274", 200), ("http://localhost", 200), ("https://evil.example", 403), ("null", 403)],
)
def test_only_loopback_origins_are_accepted(serve: Serve, origin: str, status: int) -> None:
    assert post(serve(), Origin=origin).status_code == status


def test_white_space_around_a_header_value_is_ignored(serve: Serve) -> None:
    url = httpx.URL(serve())
    connection = http.client.HTTPConnection("127.0.0.1", url.port, timeout=60)  # httpx would not send this
    with closing(connection):
        headers = ACCEPT | {"Content-Type": "application/json", "MCP-Protocol-Version": "2025-11-25 \t"}
        connection.request("POST", url.path, json.dumps(LIST), headers)
        assert connection.getresponse().status == 200


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_get_and_delete_belong_to_sessions_and_are_not_allowed(serve: Serve, method: str) -> None:
    response = httpx.request(method, serve(), headers=ACCEPT, timeout=60)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("json_response", "content_type"), [(False, "text/event-stream"), (True, "application/json")]
)
def test_the_answer_is_a_stream_or_one_json_document(
    serve: Serve, *, json_response: bool, content_type: str
) -> None:
    response = post(serve(json_response=json_response))
    assert response.headers["content-type"].startswith(content_type)
    assert "get-weather" in response.text


@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic s3cret"}])
def test_a_missing_or_wrong_token_is_a_401(serve: Serve, given: dict[str, str]) -> None:
    response = post(serve(token="s3cret"), **given)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.anyio
async def test_with_the_token_any_host_is_accepted(serve: Serve, connect: Connect) -> None:
    url = serve(token="s3cret", loopback=False)
    headers = {"Authorization": "Bearer s3cret", "Host": "weather.example"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as authorised,
        connect(streamable_http_client(url, http_client=authorised)) as client,
    ):
        assert not (await client.call_tool("get-weather", {"city": "北京"})).is_error


def test_healthz_answers_200(serve: Serve) -> None:
    assert httpx.get(serve().removesuffix("/mcp") + "/healthz", timeout=60).status_code == 200

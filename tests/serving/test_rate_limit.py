"""A client's requests in a minute, in all three services."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

import api
import main
import web
from serving.rate_limit import RateLimit

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("service", "field"), [(api, "api_rate_limit"), (main, "mcp_rate_limit"), (web, "web_rate_limit")]
)
async def test_who_asks_too_often_is_told_when_to_ask_again(
    service: Any, field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = service.create_app(service.Settings(_env_file=None, trusted_proxies="127.0.0.1", **{field: 2}))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://127.0.0.1:8000"
    ) as http:

        async def ask(client: str, path: str = "/nothing") -> httpx.Response:
            return await http.get(path, headers={"X-Forwarded-For": client})

        assert [(await ask("192.0.2.1")).status_code for _ in range(2)] == [404, 404]
        refused = await ask("192.0.2.1")
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 30  # less what these requests took
        assert "每分钟最多 2 次" in refused.text
        assert (await ask("192.0.2.2")).status_code == 404
        assert (await ask("192.0.2.1", "/static/app.js")).status_code != 429
        assert (await ask("192.0.2.1", "/healthz")).status_code != 429


async def test_the_rate_is_even_and_what_was_refused_does_not_count() -> None:
    now = [0.0]
    app = Starlette()
    app.add_route("/", lambda _: PlainTextResponse("in"))
    limited = RateLimit(
        app, per_minute=6, refuse=lambda refusal: PlainTextResponse("", refusal.status), clock=lambda: now[0]
    )

    async def ask(count: int, client: str = "192.0.2.1") -> int:
        transport = httpx.ASGITransport(limited, client=(client, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return [(await http.get("/")).status_code for _ in range(count)].count(200)

    assert await ask(20) == 6
    now[0] = 10.0
    assert await ask(20) == 1
    now[0] = 1000.0
    assert await ask(20) == 6
    assert await ask(5, "2001:db8::1") + await ask(5, "2001:db8::2") == 6
    assert await ask(1, "2001:db8:0:1::1") == 1

"""The frames of MCP Apps: their own origin, which serves nothing else, and the policy of each."""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from pydantic import ValidationError

from tests.support.chat_service import client, settings

pytestmark = pytest.mark.anyio
OURS: dict[str, Any] = {
    "web_public_url": "https://shop.example/chat",
    "web_apps_origin": "https://apps.example",
}
DECLARED = {
    "connect": ["https://api.example.com", "wss://live.example.com:8443"],
    "resource": ["https://*.cdn.example.com"],
    "frame": ["https://video.example.com"],
    "base": ["https://base.example.com"],
}


async def frame(http: httpx.AsyncClient, host: str, query: str = "", path: str = "/app-frame") -> Any:
    return await http.get(f"{path}?{query}", headers={"Host": host, "Cookie": "a=b"})


def policy(answer: httpx.Response) -> dict[str, str]:
    parts = [part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";")]
    return {name: sources.strip() for name, _, sources in parts}


@pytest.mark.parametrize(
    ("host", "page"),
    [("localhost:8002", "http://127.0.0.1:8002"), ("127.0.0.1:8002", "http://localhost:8002")],
)
async def test_on_this_machine_a_frame_is_at_the_other_name_and_reaches_nothing(
    tmp_path: Path, host: str, page: str
) -> None:
    async with client(tmp_path) as http:
        shown = await http.get("/", headers={"Host": page.removeprefix("http://")})
        answer = await frame(http, host)
    assert policy(shown)["frame-src"] == f"http://{host}"
    assert policy(answer) == {
        "default-src": "'none'",
        "script-src": "'unsafe-inline' data: blob:",
        "worker-src": "blob:",
        "style-src": "'unsafe-inline'",
        "img-src": "data: blob:",
        "media-src": "data: blob:",
        "font-src": "data:",
        "base-uri": "about:",
        **dict.fromkeys(["connect-src", "frame-src", "object-src", "form-action"], "'none'"),
        "frame-ancestors": page,
    }
    assert "set-cookie" not in answer.headers


async def test_what_a_server_declares_may_be_reached_and_no_more(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        told = policy(await frame(http, "localhost", urlencode(DECLARED, doseq=True)))
    assert told["connect-src"] == "https://api.example.com wss://live.example.com:8443"
    assert told["script-src"] == "'unsafe-inline' data: blob: https://*.cdn.example.com"
    assert told["img-src"] == "data: blob: https://*.cdn.example.com"
    assert (told["frame-src"], told["base-uri"]) == ("https://video.example.com", "https://base.example.com")


async def test_what_is_no_plain_address_of_the_open_web_is_refused(tmp_path: Path) -> None:
    sources = [
        "'self'", "'unsafe-eval'", "*", "https:", "https://*", "https://*.com", "data:", "http://a.example",
        "https://localhost", "https://127.0.0.1", "https://[::1]", "https://a.example; script-src *",
        "https://a.example https://b.example", "https://a.example,https://b.example", "https://a.example/x",
        "https://u@a.example", "https://a.example:*", "https://a.example\n",
    ]  # fmt: skip
    async with client(tmp_path) as http:
        for query in (
            *(urlencode({name: source}) for source in sources for name in DECLARED),
            "other=https://a.example.com",
            "connect=https://a.example.com&" * 200,
        ):
            assert (await frame(http, "localhost", query)).status_code == 400, query


async def test_an_origin_of_their_own_serves_frames_alone_and_asks_for_no_password(tmp_path: Path) -> None:
    async with client(tmp_path, web_password="x", **OURS) as http:
        for host in ("apps.example", "apps.example:443", "APPS.example"):
            answer = await frame(http, host)
            assert (answer.status_code, policy(answer)["frame-ancestors"]) == (200, "https://shop.example")
            for path in ("/", "/api/status", "/static/app.js", "/healthz", "/docs"):
                refused = await http.get(path, headers={"Host": host}, auth=("", "x"))
                assert (refused.status_code, refused.text) == (404, "")
        assert (await http.post("/app-frame", headers={"Host": "apps.example"})).status_code == 404
        assert (await frame(http, "localhost")).status_code == 400
        page = await http.get("/", headers={"Host": "localhost"}, auth=("", "x"))
        assert policy(page)["frame-src"] == "https://apps.example"


async def test_elsewhere_there_are_none(tmp_path: Path) -> None:
    async with client(tmp_path, web_allowed_hosts="shop.example") as http:
        assert policy(await http.get("/", headers={"Host": "shop.example"}))["frame-src"] == "'none'"
        assert (await frame(http, "shop.example")).status_code == 400


@pytest.mark.parametrize(
    "given",
    [
        {"web_apps_origin": "https://apps.example"},
        {"web_apps_origin": "https://shop.example", "web_public_url": "https://shop.example/chat"},
        {"web_apps_origin": "https://apps.example/x", "web_public_url": "https://shop.example"},
        {"web_apps_origin": "https://a; script-src *", "web_public_url": "https://shop.example"},
    ],
)
async def test_an_origin_that_would_be_the_pages_or_none_is_refused(
    tmp_path: Path, given: dict[str, str]
) -> None:
    with pytest.raises(ValidationError, match=r"(?i)WEB_APPS_ORIGIN"):
        settings(tmp_path, **given)

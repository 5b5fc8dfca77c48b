"""Who is let in: one table for the one middleware, and each service once."""

import base64
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse

import api
import main
import web
from serving.access import Access, Allowed, BearerToken, Password, Refusal, printable

pytestmark = pytest.mark.anyio
ORIGINS = ("http://localhost:6274/", "HTTPS://Friend.example:443", "chrome-extension://abc")
ALLOWED = ("shop.example.com", "https://page.example.com", "lan:9000", "fd00::1")


def refuse(refusal: Refusal) -> JSONResponse:
    return JSONResponse(
        {"code": refusal.code, "params": refusal.params}, refusal.status, dict(refusal.headers)
    )


async def ask(
    given: dict[str, str] | list[tuple[bytes, bytes]],
    *,
    path: str = "/api/x",
    method: str = "GET",
    **how: Any,
) -> httpx.Response:
    allowed = Allowed(ALLOWED, origins=ORIGINS)
    app = Access(PlainTextResponse("in"), allowed=allowed, refuse=refuse, **how)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        if isinstance(given, dict):
            given = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
        return await client.request(method, path, headers=given)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("shop.example.com", 200),
        ("SHOP.example.com:443", 200),
        ("page.example.com", 200),
        ("lan:9000", 200),
        ("[fd00::1]:8000", 200),
        ("lan:9001", 421),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
    ],
)
async def test_a_host_is_this_machine_or_listed(host: str, status: int) -> None:
    assert (await ask({"Host": host})).status_code == status


@pytest.mark.parametrize("name", ["host", "origin"])
@pytest.mark.parametrize(
    "values",
    [
        ("localhost", "evil.example"),
        ("localhost:8000", "evil.example"),
        ("evil.example", "localhost"),
        ("localhost",) * 2,
    ],
)
async def test_two_hosts_or_origins_are_none_that_is_allowed(name: str, values: tuple[str, str]) -> None:
    twice = [(name.encode(), f"{'http://' * (name == 'origin')}{value}".encode()) for value in values]
    headers = [(b"host", b"localhost")] * (name == "origin") + twice
    assert (await ask(headers)).status_code == (403 if name == "origin" else 400)


@pytest.mark.parametrize("again", ["same", "another"])
@pytest.mark.parametrize(
    "name", ["Host", "Authorization", "content-type", "Idempotency-Key", "Last-Event-ID", "Mcp-Session-Id"]
)
async def test_a_header_of_which_one_is_meant_is_refused_twice(name: str, again: str) -> None:
    values = {"same": (b"localhost", b"localhost"), "another": (b"localhost", b"other")}[again]
    host = [] if name == "Host" else [(b"host", b"localhost")]
    answer = await ask([*host, *((name.encode(), value) for value in values)])
    told = {"code": "header_twice", "params": {"header": name.lower()}}
    assert (answer.status_code, answer.json()) == (400, told)


@pytest.mark.parametrize("name", ["Accept", "X-Forwarded-For", "Cookie", "If-None-Match", "Via"])
async def test_a_header_that_is_a_list_may_stand_twice(name: str) -> None:
    twice = [(b"host", b"localhost"), (name.encode(), b"a"), (name.encode(), b"b")]
    assert (await ask(twice)).status_code == 200


def test_a_listed_origin_is_no_host() -> None:
    allowed = Allowed(origins=["https://friend.example/", "friend.lan"])
    assert allowed.origin("https://friend.example", "localhost:8002")
    assert not allowed.origin("http://friend.lan", "localhost:8002")
    assert not allowed.host("friend.example")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8000", 200),  # the service's own
        ("http://LOCALHOST:8000", 200),
        ("https://page.example.com", 200),
        ("http://localhost:6274", 200),
        ("https://friend.example", 200),
        ("chrome-extension://abc", 200),
        ("chrome-extension://abcd", 403),
        ("http://shop.example.com:3000", 403),  # listed as a host
        ("https://lan:9000", 403),
        ("http://page.example.com", 403),  # listed as https
        ("https://page.example.com:8443", 403),
        ("https://page.example.com.", 403),
        ("http://localhost:3000", 403),
        ("http://127.0.0.1:8000", 403),  # another origin, though the same machine
        ("http://localhost", 403),
        ("http://localhost:6274.evil.example", 403),
        ("http://localhost:8000@evil.example", 403),
        ("https://evil.example", 403),
        ("file://", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_a_page_is_the_services_own_or_listed(origin: str, status: int) -> None:
    assert (await ask({"Host": "localhost:8000", "Origin": origin})).status_code == status


@pytest.mark.parametrize(
    ("host", "status"), [("localhost", 200), ("localhost:80", 200), ("localhost:81", 403)]
)
async def test_a_browser_leaves_the_usual_port_out(host: str, status: int) -> None:
    assert (await ask({"Host": host, "Origin": "http://localhost"})).status_code == status


@pytest.mark.parametrize(
    ("service", "setting"),
    [(api, "api_allowed_origins"), (main, "mcp_allowed_origins"), (web, "cors_origins")],
)
@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "http://127.0.0.1:8002", "http://app.localhost:8000"]
)
async def test_no_service_lets_in_a_page_of_another_port_unless_it_is_listed(
    service: Any, setting: str, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(service.Settings.model_config, "env_file", None)
    path = {api: "/openapi.json", main: "/nothing", web: "/openapi.json"}[service]
    for listed in ("", f"https://else.example, {origin}"):
        transport = httpx.ASGITransport(service.create_app(service.Settings(**{setting: listed})))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            answer = await client.get(path, headers={"Origin": origin})
            assert (answer.status_code == 403, "access-control-allow-origin" in answer.headers) == (
                not listed,
                bool(listed),
            )
            assert listed or setting.upper() in answer.text


def basic(password: str) -> str:
    return f"Basic {base64.b64encode(f'anyone:{password}'.encode()).decode()}"


@pytest.mark.parametrize(
    ("secret", "authorization", "status"),
    [
        (BearerToken("t-1"), "Bearer t-1", 200),
        (BearerToken("t-1"), "bearer  t-1 ", 200),
        (BearerToken("t-1"), "Bearer t-2", 401),
        (BearerToken("t-1"), "Bearer é", 401),
        (BearerToken("t-1"), "t-1", 401),
        (BearerToken("t-1"), basic("t-1"), 401),
        (Password("口令"), basic("口令"), 200),
        (Password("口令"), basic("令"), 401),
        (Password("口令"), "Basic ?", 401),
        (Password("口令"), "Bearer 1", 401),
    ],
)
async def test_a_secret_is_wanted_whole(
    secret: BearerToken | Password, authorization: str, status: int
) -> None:
    assert (await ask({"Authorization": authorization}, secret=secret)).status_code == status


async def test_without_the_secret_the_answer_says_what_is_wanted() -> None:
    answer = await ask({}, secret=BearerToken("t"))
    assert answer.json() == {"code": "unauthorized", "params": {}}
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_probe_needs_neither_name_nor_secret_and_unguarded_paths_no_secret() -> None:
    assert (await ask({"Host": "pod-7"}, path="/healthz", secret=BearerToken("t"))).status_code == 200
    assert (await ask({}, path="/docs", secret=BearerToken("t"), guarded="/api")).status_code == 200
    assert (await ask({}, path="/api/x", secret=BearerToken("t"), guarded="/api")).status_code == 401


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_preflight_carries_no_secret(method: str) -> None:
    headers = {"Origin": "https://page.example.com", "Access-Control-Request-Method": method}
    answer = await ask(headers, method="OPTIONS", secret=BearerToken("t"))
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (
        200,
        "https://page.example.com",
    )
    assert (await ask(headers | {"Origin": "https://evil.example"}, method="OPTIONS")).status_code == 403


@pytest.mark.parametrize("host", ['a"; x', "", "a b", "a/b", "user@a", "[::1", "x" * 300, "a,b", "*"])
async def test_a_host_that_no_setting_can_name_is_none(host: str) -> None:
    answer = await ask({"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "host_odd")


async def test_with_a_secret_any_host_may_be_let_in() -> None:
    headers = {"Host": "any.example", "Authorization": "Bearer t"}
    assert (await ask(headers, secret=BearerToken("t"), any_host=True)).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "evil.example"])
async def test_fixed_headers_are_on_every_answer(host: str) -> None:
    answer = await ask({"Host": host}, headers={"X-Content-Type-Options": "nosniff"})
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_refusal_repeats_a_header_without_what_could_not_be_shown() -> None:
    answer = await ask({"Host": "evil\x1b.example"})
    assert answer.json() == {"code": "host_odd", "params": {"host": "evil?.example"}}
    assert len(printable("x" * 10_000)) == 200


@pytest.mark.parametrize("service", [api, main, web], ids=["api", "main", "web"])
@pytest.mark.parametrize(
    ("secret", "headers", "status"),
    [
        ("", {"Host": "evil.example"}, 421),
        ("", {"Origin": "https://evil.example"}, 403),
        ("secret-of-tests", {"Origin": "null"}, 403),
        ("secret-of-tests", {}, 401),
    ],
)
async def test_each_service_keeps_this_rule(
    service: Any, secret: str, headers: dict[str, str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(service.Settings.model_config, "env_file", None)
    settings = service.Settings(**({service.Settings.secret_field: secret} if secret else {}))
    transport = httpx.ASGITransport(service.create_app(settings))  # never started
    path = {api: "/api/products", main: "/mcp", web: "/api/tools"}[service]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        assert (await client.get(path, headers=headers)).status_code == status

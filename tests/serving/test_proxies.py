"""Behind what a newcomer writes for a proxy each service works, or its answer says what to set."""

import socket
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

import api
import main
import web
from tests.support.processes import Spawn

pytestmark = pytest.mark.anyio

SERVICES: dict[Any, tuple[str, str]] = {
    api: ("api_allowed_hosts", "api_allowed_origins"),
    main: ("mcp_allowed_hosts", "mcp_allowed_origins"),
    web: ("web_allowed_hosts", "cors_origins"),
}
each_service = pytest.mark.parametrize("service", SERVICES, ids=["api", "main", "web"])
PLAIN = {"Host": "127.0.0.1:8002"}  # what nginx sends by `proxy_pass` alone
SHOP = {"Host": "shop.example.com"}
TLS = {"Origin": "https://shop.example.com", "Sec-Fetch-Site": "same-origin"}
LAN = {"Origin": "http://shop.example.com"}  # over plain http a browser does not say from where it asks
PORT = {"Origin": "http://shop.example.com:8080"}
NAMED = {"hosts": "shop.example.com"}
TRUSTED = {"trusted_proxies": "127.0.0.1"}
IN = 404  # let in: nothing is at that path


@cache
def application(service: Any, **given: str) -> Any:
    """Make the service; tests that open the shop each have a file of their own."""
    names = dict(zip(("hosts", "origins"), SERVICES[service], strict=True))
    settings = {names.get(name, name): value for name, value in given.items()}
    return service.create_app(service.Settings(_env_file=None, **settings))


async def ask(
    app: Any, headers: dict[str, str], *, method: str = "POST", path: str = "/nothing", at: str = "127.0.0.1"
) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{at}:8002") as http:
        return await http.request(method, path, headers=headers)


@each_service
@pytest.mark.parametrize(
    ("given", "headers", "status", "said"),
    [
        ({}, PLAIN, IN, ""),
        ({}, PLAIN | TLS, IN, ""),
        ({}, PLAIN | LAN, 403, "{origins}=http://shop.example.com"),
        ({"origins": "http://shop.example.com"}, PLAIN | LAN, IN, ""),
        ({"hosts": "http://shop.example.com"}, PLAIN | LAN, IN, ""),
        ({}, PLAIN | TLS | {"Sec-Fetch-Site": "same-site"}, 403, "{origins}=https://shop.example.com"),
        ({}, PLAIN | TLS | {"Sec-Fetch-Site": "cross-site"}, 403, ""),
        ({}, PLAIN | TLS | {"Sec-Fetch-Site": "none"}, 403, ""),
        ({}, SHOP | TLS, 421, "{hosts}=shop.example.com"),
        ({"hosts": "a.example, shop.example.com"}, SHOP | TLS, IN, ""),
        (NAMED, SHOP | LAN, IN, ""),
        (NAMED, SHOP | PORT, 403, "{origins}=http://shop.example.com:8080"),  # nginx: `Host $host`
        ({"hosts": "http://shop.example.com:8080"}, SHOP | PORT, IN, ""),
        (NAMED, SHOP | TLS | {"Origin": "https://shop.example.com:8443"}, IN, ""),
        (NAMED | TRUSTED, SHOP | PORT | {"X-Forwarded-Port": "8080"}, IN, ""),
        (NAMED, SHOP | PORT | {"X-Forwarded-Port": "8080"}, 403, ""),
        (NAMED | TRUSTED, PLAIN | LAN | {"X-Forwarded-Host": "shop.example.com"}, IN, ""),  # Apache
        (NAMED | TRUSTED, PLAIN | LAN | {"X-Forwarded-Host": "localhost, shop.example.com"}, IN, ""),
        (NAMED | TRUSTED, PLAIN | LAN | {"Forwarded": 'for=1.2.3.4;host="shop.example.com"'}, IN, ""),
        (NAMED, PLAIN | LAN | {"X-Forwarded-Host": "shop.example.com"}, 403, ""),
        (NAMED, PLAIN | LAN | {"Forwarded": "host=shop.example.com"}, 403, ""),
        (TRUSTED, PLAIN | {"X-Forwarded-Host": "shop.example.com"}, 421, "{hosts}=shop.example.com"),
        (TRUSTED, {"Host": "evil.example", "X-Forwarded-Host": "localhost"}, 421, "{hosts}=evil.example"),
        (NAMED, {"Host": "evil.example", "Sec-Fetch-Site": "same-origin"}, 421, "{hosts}=evil.example"),
        ({"root_path": "/shop"} | NAMED, SHOP | TLS, IN, ""),
    ],
)
async def test_a_page_behind_a_proxy_can_post_or_is_told_what_to_set(
    service: Any, given: dict[str, str], headers: dict[str, str], status: int, said: str
) -> None:
    answer = await ask(application(service, **given), headers)
    names = dict(zip(("hosts", "origins"), map(str.upper, SERVICES[service]), strict=True))
    assert (answer.status_code, said.format(**names) in answer.text) == (status, True)


@pytest.mark.parametrize("host", ["shop.example.com", "shop.example.com:8443"])
async def test_the_pages_public_address_is_its_own(host: str) -> None:
    app = application(web, web_public_url="https://shop.example.com:8443/shop")
    headers = {"Host": host, "Origin": "https://shop.example.com:8443"}
    assert (await ask(app, headers)).status_code == IN


@pytest.mark.parametrize(
    ("service", "secret", "given"),
    [(api, {"Authorization": "Bearer t"}, {"api_token": "t"}), (web, {}, {"web_host": "0.0.0.0"})],
)
async def test_a_secret_stands_in_for_the_host_until_hosts_are_listed(
    service: Any, secret: dict[str, str], given: dict[str, str]
) -> None:
    given |= {"web_password": "p"} if service is web else {}
    is_in = {api: IN, web: 401}[service]
    assert (await ask(application(service, **given), SHOP | secret)).status_code == is_in
    listed = application(service, **given, hosts="other.example")
    assert (await ask(listed, SHOP | secret)).status_code == 421


@each_service
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "headers",
    [{"Host": "pod-7"}, {"Host": ""}, {"Host": "10.0.0.7:80", "X-Forwarded-For": "1.2.3.4", "Via": "1.1 x"}],
)
async def test_a_probe_is_answered_whatever_it_is_called_by_and_through(
    service: Any, method: str, headers: dict[str, str], tmp_path: Path
) -> None:
    secret = {service.Settings.secret_field: "secret-of-tests"}
    owner = {"owner": "true"} if service is main else {}
    file = {"database_url": f"sqlite:///{tmp_path}/shop.db"} if service is api else {}
    for given in ({}, owner, secret | owner):
        app = application(service, **given, **file)
        async with app.router.lifespan_context(app) if service is api else nullcontext():
            answer = await ask(app, headers, method=method, path="/healthz", at="192.0.2.7")
        assert answer.status_code == 200


@each_service
@pytest.mark.parametrize(
    ("at", "status"),
    [("127.0.0.1", IN), ("[::1]", IN), ("localhost", IN), ("[::ffff:127.0.0.1]", IN)]
    + [(address, 403) for address in ("192.0.2.7", "10.0.0.1", "[2001:db8::1]", "[::ffff:10.0.0.1]")],
)
async def test_a_service_without_a_secret_serves_its_own_machine_only(
    service: Any, at: str, status: int
) -> None:
    answer = await ask(application(service), {"Host": "localhost"}, at=at)
    secret = service.Settings.secret_field.upper()
    assert (answer.status_code, secret in answer.text) == (status, status == 403)


@pytest.mark.parametrize(
    ("headers", "extensions", "status"),
    [
        ({}, "1.1", 200),
        ({}, "1.0", 403),  # nginx, by `proxy_pass` alone
        ({"X-Forwarded-Port": "80"}, "1.1", 403),
        ({"X-Forwarded-Anything": "1"}, "1.1", 403),
        ({"Forwarded": "for=1.2.3.4"}, "1.1", 403),
    ],
)
async def test_what_came_by_a_proxy_is_not_taken_for_the_owner(
    headers: dict[str, str], extensions: str, status: int, tmp_path: Path
) -> None:
    app = application(api, database_url=f"sqlite:///{tmp_path}/shop.db")

    async def spoken(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "http_version": extensions}, receive, send)

    async with app.router.lifespan_context(app):
        answer = await ask(spoken, PLAIN | headers, method="GET", path="/api/inventory/1/moves")
    assert answer.status_code == status


async def test_listed_hosts_close_the_desk_without_a_token(tmp_path: Path) -> None:
    app = application(api, database_url=f"sqlite:///{tmp_path}/shop.db", hosts="shop.example.com")
    async with app.router.lifespan_context(app):
        assert (await ask(app, PLAIN, method="GET", path="/api/inventory/1/moves")).status_code == 403


@each_service
@pytest.mark.parametrize("hosts", ["*", "https://shop.example.com/shop", "a b", "user@shop.example.com"])
def test_a_host_that_is_none_is_refused(service: Any, hosts: str) -> None:
    with pytest.raises(ValueError, match="不是主机名"):
        application(service, hosts=hosts)


@pytest.mark.parametrize(
    "hosts", ["shop.example.com", "shop:8443, fd00::1", "[fd00::1]:80", "https://a.b:1/"]
)
def test_a_host_that_is_one_is_not(hosts: str) -> None:
    application(main, hosts=hosts)


@pytest.mark.parametrize(("service", "setting"), [("api", "API"), ("main", "MCP"), ("web", "WEB")])
def test_a_port_in_use_names_the_setting(spawn: Spawn, tmp_path: Path, service: str, setting: str) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {}}')
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = spawn(f"{service}.py", env={f"{setting}_PORT": str(port)})
        assert ended.process.wait(150) == 1
    assert "不能监听，可能已被别的程序占用，也许" in (log := ended.log.read_text())
    assert f"例如 {setting}_PORT={port + 1}" in log


@pytest.mark.parametrize(
    ("host", "said"),
    [("192.0.2.7", "这台机器没有这个地址，请改正 API_HOST"), ("no.such.host.invalid", "API_HOST")],
)
def test_an_address_that_is_not_this_machines_names_the_setting(spawn: Spawn, host: str, said: str) -> None:
    ended = spawn("api.py", env={"API_HOST": host, "API_TOKEN": "t"})
    assert ended.process.wait(150) == 1
    assert said in ended.log.read_text()

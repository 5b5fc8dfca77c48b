"""The MCP server as an OAuth 2.1 resource server: an authorization server with real keys, over real HTTP."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
import jwt
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.responses import Response

from mcp_server.access_tokens import Issuer
from serving.streams import Streams
from tests.mcp_server.stand_ins import HELLO, NAMES, TWO_BUDS, RestService, app_for, keyed, serving
from tests.support.asgi import serve
from tests.support.jwt_issuer import JwtIssuer, Key
from tests.support.processes import free_port
from tests.support.sign_in_service import Late, page, server_state, write_config

pytestmark = pytest.mark.anyio

PUBLIC = "https://shop.example.com/mcp"
SECRET = "a-token-of-the-service"
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


@dataclass
class Guarded:
    """An MCP server, the authorization server whose tokens it takes, and a client without any."""

    issuer: JwtIssuer
    url: str
    http: httpx.AsyncClient

    async def asks(self, token: str | None, body: dict[str, Any] | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return await self.http.post("/mcp", json=body or HELLO, headers={**HEADERS, **headers})

    @asynccontextmanager
    async def client(self, token: str, mode: str = "auto") -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(f"{self.url}/mcp", http_client=http), mode=mode) as client,
        ):
            yield client


@asynccontextmanager
async def guarded(api: RestService | None = None, **settings: Any) -> AsyncIterator[Guarded]:
    issuer, authorizing = JwtIssuer(audience=PUBLIC), Late()
    async with serve(authorizing, lifespan="off") as address:
        authorizing.app = issuer.app(address)
        chosen = {"mcp_auth_issuer": address, "mcp_public_url": PUBLIC, "mcp_token": SECRET} | settings
        async with (
            serving(app_for(api or RestService(), **chosen)) as url,
            httpx.AsyncClient(base_url=url, timeout=60) as http,
        ):
            yield Guarded(issuer, url, http)


def challenge(answer: httpx.Response) -> dict[str, str]:
    scheme, _, said = answer.headers["www-authenticate"].partition(" ")
    assert scheme == "Bearer"
    return {name: value.strip('"') for name, _, value in (each.partition("=") for each in said.split(", "))}


async def test_a_client_finds_out_where_to_sign_in() -> None:
    async with guarded() as shop:
        answer = await shop.asks(None)
        told = challenge(answer)
        assert (answer.status_code, told["scope"], told.get("error")) == (401, "shop:read shop:buy", None)
        place = "https://shop.example.com/.well-known/oauth-protected-resource/mcp"
        assert told["resource_metadata"] == place
        metadata = (await shop.http.get("/.well-known/oauth-protected-resource/mcp")).json()
        assert metadata["resource"] == PUBLIC
        assert metadata["authorization_servers"] == [shop.issuer.issuer]
        assert metadata["scopes_supported"] == ["shop:read", "shop:buy"]
        other = (await shop.http.get("/.well-known/oauth-protected-resource/sse")).json()
        assert other["resource"] == "https://shop.example.com/sse"
        assert (await shop.http.get("/healthz")).status_code == 200
        assert (await shop.http.get("/sse")).status_code == 401


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_a_token_of_the_issuer_buys(era: str) -> None:
    api = RestService()
    async with guarded(api) as shop, shop.client(shop.issuer.token(), era) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == NAMES
        assert not (await client.call_tool("create_purchase", TWO_BUDS, meta=keyed("k"))).is_error
    assert len(api.purchases()) == 1


def unsigned(shop: Guarded) -> str:
    claims = jwt.decode(shop.issuer.token(), options={"verify_signature": False})
    return jwt.encode(claims, "", "none")


def shared_secret(shop: Guarded) -> str:
    claims = jwt.decode(shop.issuer.token(), options={"verify_signature": False})
    return jwt.encode(claims, "x" * 32, "HS256", {"kid": "first"})


REFUSED: dict[str, tuple[Any, str]] = {
    "text": (lambda _: "hello", "form"),
    "signed by a list": (lambda _: "eyJhbGciOlsiRVMyNTYiXX0.e30.eA", "form"),  # {"alg": ["ES256"]}
    "huge": (lambda shop: shop.issuer.token(more="x" * 20_000), "form"),
    "without a signature": (unsigned, "form"),
    "signed with a shared secret": (shared_secret, "form"),
    "an identity token": (lambda shop: shop.issuer.token(head={"typ": "id+jwt"}), "form"),
    "another's key": (lambda shop: shop.issuer.token(Key("first")), "signature"),
    "an unknown key": (lambda shop: shop.issuer.token(Key("other")), "signature"),
    "expired": (lambda shop: shop.issuer.token(exp=time.time() - 60), "expired"),
    "not valid yet": (lambda shop: shop.issuer.token(nbf=time.time() + 600), "not_yet"),
    "without an end": (lambda shop: shop.issuer.token(exp=None), "claims"),
    "another issuer": (lambda shop: shop.issuer.token(iss="https://evil.example"), "issuer"),
    "no issuer": (lambda shop: shop.issuer.token(iss=None), "claims"),
    "another service": (lambda shop: shop.issuer.token(aud="https://other.example/mcp"), "audience"),
    "no audience": (lambda shop: shop.issuer.token(aud=None), "claims"),
}


async def test_a_token_that_is_not_right_is_refused_by_reason() -> None:
    async with guarded() as shop:
        for name, (make, reason) in REFUSED.items():
            answer = await shop.asks(make(shop))
            assert (answer.status_code, challenge(answer)["error"]) == (401, "invalid_token"), name
            assert f"（{reason}）" in answer.text, name
        assert (await shop.asks(shop.issuer.token())).status_code == 200
        other_scheme = await shop.http.post("/mcp", json=HELLO, headers={"Authorization": "Basic eDp5"})
        assert other_scheme.status_code == 401


ALLOWED: dict[str, dict[str, Any]] = {
    "several audiences": {"aud": ["https://other.example", PUBLIC]},
    "the other transport's": {"aud": "https://shop.example.com/sse"},
    "scopes as a list": {"scope": ["shop:read"]},
    "Entra's scopes": {"scope": None, "scp": "shop:read"},
    "Keycloak's client": {"client_id": None, "azp": "page"},
    "a type of its own": {"head": {"typ": "at+jwt"}},
}


@pytest.mark.parametrize("claims", ALLOWED.values(), ids=ALLOWED.keys())
async def test_tokens_as_servers_write_them_are_let_in(claims: dict[str, Any]) -> None:
    async with guarded() as shop, shop.client(shop.issuer.token(**claims)) as client:
        assert not (await client.call_tool("get_products", {})).is_error


async def test_a_new_key_is_found_and_a_withdrawn_one_ends() -> None:
    issuer, authorizing = JwtIssuer(audience=PUBLIC), Late()
    async with serve(authorizing, lifespan="off") as address:
        authorizing.app = issuer.app(address)
        ours = Issuer(address, [PUBLIC], kept_seconds=0, pause_seconds=0)
        old = issuer.token()
        assert (await ours.verified(old)).subject == "mei"
        issuer.keys = [Key("second")]
        assert (await ours.verified(issuer.token())).scopes == ["shop:buy", "shop:read"]
        with pytest.raises(Exception, match="invalid_token"):
            await ours.verified(old)
        nameless = Key(None)
        issuer.keys = [Key(None), nameless]
        assert (await ours.verified(issuer.token(nameless))).client_id == "page"


async def test_unknown_keys_do_not_make_the_issuer_be_asked_again_and_again() -> None:
    async with guarded() as shop:
        assert (await shop.asks(shop.issuer.token())).status_code == 200
        for name in range(20):
            assert (await shop.asks(shop.issuer.token(Key(str(name))))).status_code == 401
        assert shop.issuer.requests.count("/keys") == 2
        shop.issuer.is_down = True
        assert (await shop.asks(shop.issuer.token())).status_code == 200


async def test_an_issuer_that_does_not_answer_signs_nobody_out() -> None:
    async with guarded() as shop:
        shop.issuer.is_down = True
        answer = await shop.asks(shop.issuer.token())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert (await shop.asks(SECRET)).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"metadata_issuer": "https://evil.example"},
        {"jwks_uri": "http://10.0.0.1/"},
        {"jwks_uri": "https://a\nb/"},
        {"jwks_uri": "https://[x"},
    ],
)
async def test_metadata_of_another_issuer_or_with_open_keys_is_not_used(wrong: dict[str, str]) -> None:
    async with guarded() as shop:
        vars(shop.issuer).update(wrong)
        assert (await shop.asks(shop.issuer.token())).status_code == 503


async def test_keys_that_are_nested_too_deep_are_none() -> None:
    deep = Response(b'{"keys": ' + b"[" * 100_000, media_type="application/json")
    async with serve(deep, lifespan="off") as address:
        with pytest.raises(Exception, match="issuer_unreachable"):
            await Issuer(address, [PUBLIC]).verified(JwtIssuer(audience=PUBLIC).token(iss=address))


def asking(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def calls(tool: str, **arguments: Any) -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }


def reads(uri: str) -> dict[str, Any]:
    return asking("resources/read", uri=uri)


async def test_a_missing_scope_is_told_before_anything_is_done() -> None:
    api = RestService()
    wanted = {
        "shop:read": [
            calls("get_products"),
            reads("shop://products"),
            asking("prompts/get"),
        ],
        "shop:buy": [calls("create_purchase", **TWO_BUDS)],
        "shop:own": [
            calls("restock"),
            calls("change_product"),
            calls("cancel_order"),
            reads("shop://orders/1"),
        ],
    }
    async with guarded(api, owner=True, owner_token="o" * 20) as shop:
        metadata = (await shop.http.get("/.well-known/oauth-protected-resource")).json()
        assert metadata["scopes_supported"] == ["shop:read", "shop:buy", "shop:own"]
        for scope, bodies in wanted.items():
            others = " ".join(sorted({*wanted} - {scope}))
            for body in bodies:
                answer = await shop.asks(shop.issuer.token(scope=others), body)
                told = challenge(answer)
                assert (answer.status_code, told["error"]) == (403, "insufficient_scope"), body
                assert told["scope"] == f"{others} {scope}"
    assert not api.asked


@pytest.mark.parametrize("path", ["/metrics", "/metrics%0A"])
async def test_what_the_service_counts_is_for_its_owner_and_its_own_token(path: str) -> None:
    async with guarded() as shop:
        for token, status in (
            (shop.issuer.token(scope="shop:read shop:buy"), 403),
            (shop.issuer.token(scope="shop:own"), 200),
            (SECRET, 200),
        ):
            asked = await shop.http.get(path, headers={"Authorization": f"Bearer {token}"})
            assert asked.status_code == status


async def test_scopes_that_no_challenge_can_repeat_are_left_out() -> None:
    async with guarded() as shop:
        odd = shop.issuer.token(scope=["shop:read", 'a"b', "读", "a\r\nb"])
        assert challenge(await shop.asks(odd, calls("create_purchase")))["scope"] == "shop:read shop:buy"


async def test_over_the_network_and_under_an_odd_path_a_token_is_asked_for() -> None:
    public: dict[str, Any] = {"mcp_path": "/mcp/", "mcp_public_url": f"{PUBLIC}/"}
    public["mcp_auth_issuer"] = "https://login.example.com"
    app = app_for(RestService(), mcp_host="0.0.0.0", mcp_allowed_hosts="10.0.0.7", **public)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://10.0.0.7") as http:
        refused = await http.post("/mcp/", json=HELLO, headers=HEADERS)
        assert refused.status_code == 401
        place = urlsplit(challenge(refused)["resource_metadata"]).path
        assert (await http.get(place)).json()["resource"] == f"{PUBLIC}/"


@pytest.mark.parametrize("path", ["/mcp", "/messages/", "/messages/further/down"])
async def test_a_scope_is_looked_at_wherever_a_message_is_posted(path: str) -> None:
    api = RestService()
    async with guarded(api) as shop:
        bearer = {"Authorization": f"Bearer {shop.issuer.token(scope='shop:read')}"}
        where: dict[str, Any] = {"params": {"session_id": "0" * 32}, "headers": HEADERS | bearer}
        refused = await shop.http.post(path, json=calls("create_purchase", **TWO_BUDS), **where)
        assert (refused.status_code, challenge(refused)["error"]) == (403, "insufficient_scope")
        assert (await shop.http.post(path, content="{", **where)).status_code == 400
        odd = json.dumps(calls("create_purchase", **TWO_BUDS, more="\ud800"))  # some readers refuse it
        assert (await shop.http.post(path, content=odd, **where)).status_code == 403
    assert not api.purchases()


async def test_a_session_belongs_to_who_opened_it() -> None:
    async with guarded() as shop:
        opened = await shop.asks(shop.issuer.token())
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        for subject, status in (("mei", 202), ("eve", 404)):
            token = shop.issuer.token(sub=subject)
            headers = {**HEADERS, **session, "Authorization": f"Bearer {token}"}
            said = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            assert (await shop.http.post("/mcp", json=said, headers=headers)).status_code == status


async def test_a_person_signs_in_to_the_shop_in_our_own_page(tmp_path: Path) -> None:
    api, port = RestService(), free_port()
    url = f"http://127.0.0.1:{port}"
    issuer, authorizing = JwtIssuer(), Late()
    async with serve(authorizing, lifespan="off") as address:
        authorizing.app = issuer.app(address)
        app = app_for(api, mcp_auth_issuer=address, mcp_public_url=url)
        async with serve(Streams(app), port, lifespan="on", timeout_graceful_shutdown=2):
            write_config(tmp_path, {"remote": {"url": f"{url}/mcp"}})
            async with page(tmp_path) as browser:
                await until_server(browser, signIn="needed")
                asked = (await browser.post("/api/servers/remote/sign-in")).json()["url"]
                assert parse_qs(urlsplit(asked).query)["scope"] == ["shop:read shop:buy"]
                await browser.get((await browser.get(asked)).headers["location"])
                await until_server(browser, status="ready", tools=4)
                body = {"server": "remote", "name": "create_purchase", "args": TWO_BUDS}
                bought = (await browser.post("/api/call-tool", json=body)).json()
    assert not bought["isError"]
    assert len(api.purchases()) == 1


async def until_server(browser: httpx.AsyncClient, **wanted: Any) -> None:
    async with asyncio.timeout(60):
        while not wanted.items() <= (await server_state(browser)).items():  # noqa: ASYNC110  as a page polls
            await asyncio.sleep(0.02)

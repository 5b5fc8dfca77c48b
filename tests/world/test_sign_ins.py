"""Sign-ins as they are in the world: what servers and issuers write otherwise than the specifications say."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response

from tests.support.issuer_by_hand import ISSUER, RESOURCE, ByHand, by_hand, come_back
from tests.support.world import Web

pytestmark = pytest.mark.anyio

META = f"{{server}}{RESOURCE}/mcp"


def marked(it: ByHand) -> Response:
    ends = {f"{name}_endpoint": f"{it.issuer}/{name[:9]}" for name in ("authorize", "token")}
    ends["authorization_endpoint"] = ends.pop("authorize_endpoint")
    text = JSONResponse({"issuer": it.issuer, "registration_endpoint": f"{it.issuer}/register", **ends})
    return Response(b"\xef\xbb\xbf" + bytes(text.body))


UNDERSTOOD: dict[str, dict[str, Any]] = {
    "a challenge beside another": {"challenge": f'Basic realm="x", Bearer resource_metadata="{META}"'},
    "blanks around the signs": {"challenge": f'Bearer resource_metadata = "{META}"'},
    "names in capitals": {"challenge": f'bearer Resource_Metadata="{META}"'},
    "a name that ends alike": {"challenge": f'Bearer x_resource_metadata="a:b", resource_metadata="{META}"'},
    "words about metadata": {"challenge": 'Bearer error_description="no \\"resource_metadata=a:b\\""'},
    "a path in the place of an address": {"challenge": f'Bearer resource_metadata="{RESOURCE}/mcp"'},
    "scopes in another script": {"challenge": 'Bearer scope="\xe9t\xe9"'},
    "an issuer with a slash more": {RESOURCE: lambda it: {"authorization_servers": [f"{it.issuer}/"]}},
    "an issuer with a slash less": {ISSUER: lambda it: {"issuer": f"{it.issuer}/"}},
    "a mark before the JSON": {ISSUER: marked},
    "members that are empty": {ISSUER: {"service_documentation": "", "response_types_supported": None}},
    "an address with a query": {ISSUER: lambda it: {"authorization_endpoint": f"{it.issuer}/authorize?p=1"}},
    "an address with a mark": {ISSUER: lambda it: {"authorization_endpoint": f"{it.issuer}/authorize#top"}},
    "a client of another address": {"/register": {"redirect_uris": ["http://127.0.0.1/oauth/callback"]}},
    "a client that is over at once": {"/register": {"client_secret": "s-e-c", "client_secret_expires_at": 1}},
    "scopes of a client as a list": {"/register": {"scope": ["a", "b"]}},
    "scopes of a token as a list": {"/token": {"scope": ["a", "b"]}},
    "no type": {"/token": {"token_type": None}},
    "a time with a fraction": {"/token": {"expires_in": 3599.5}},
    "a time that is a text": {"/token": {"expires_in": "3600"}},
    "a time that is none": {"/token": {"expires_in": ""}},
    "a time without end": {"/token": {"expires_in": 10**400}},
}


@pytest.mark.parametrize("case", UNDERSTOOD)
async def test_a_person_can_sign_in(tmp_path: Path, case: str) -> None:
    servers = ByHand(UNDERSTOOD[case])
    async with by_hand(tmp_path, servers) as http:
        web = Web(http)
        await web.becomes("sign_in")
        assert (await come_back(http)).status_code == 200
        await web.becomes("ready")
    asked = next(form for path, form in servers.asked if path == "/authorize")
    assert asked["response_type"] == "code"
    assert asked.get("p") == ("1" if "query" in case else None)


SAID: dict[str, tuple[dict[str, Any], str, str]] = {
    "metadata in a file": (
        {"challenge": 'Bearer resource_metadata="file:///etc/passwd"'},
        "sign_in_failed",
        "file:",
    ),
    "metadata of a cloud": (
        {"challenge": 'Bearer resource_metadata="http://169.254.169.254/a"'},
        "sign_in_failed",
        "169.254",
    ),
    "an issuer without metadata": ({ISSUER: {"token_endpoint": ...}}, "sign_in_failed", "RFC 8414"),
    "a page to click at that is a script": (
        {ISSUER: {"authorization_endpoint": "javascript:alert(1)"}},
        "sign_in_failed",
        "RFC 8414",
    ),
    "a client without an id": ({"/register": {"client_id": ...}}, "sign_in_unregistered", "client_id"),
}


@pytest.mark.parametrize("case", SAID)
async def test_what_cannot_be_is_said_at_the_click(tmp_path: Path, case: str) -> None:
    changes, code, words = SAID[case]
    async with by_hand(tmp_path, ByHand(changes)) as http:
        await Web(http).becomes("sign_in")
        answer = (await come_back(http)).json()
    assert (answer["code"], words in answer["detail"]) == (code, True)
    assert "pydantic" not in answer["detail"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a token that no header can hold": ({"access_token": "a\r\nb: c"}, "access_token"),
    "a token in another script": ({"access_token": "令牌"}, "access_token"),
    "no token": ({"access_token": ..., "refresh_token": "not-for-eyes"}, "access_token"),
    "a type that nobody speaks": ({"token_type": "mac", "refresh_token": "not-for-eyes"}, "token_type"),
    "a refusal with 200": ({"error": "bad_code", "error_description": "it is wrong"}, "it is wrong"),
}
FORM = Response("access_token=not-for-eyes&token_type=bearer")


@pytest.mark.parametrize("case", [*REFUSED, "a form"])
async def test_a_token_that_is_none_is_said_and_not_shown(tmp_path: Path, case: str) -> None:
    change, words = REFUSED.get(case, (lambda _: FORM, "Invalid"))
    async with by_hand(tmp_path, ByHand({"/token": change})) as http:
        await Web(http).becomes("sign_in")
        answer = await come_back(http)
        assert (answer.status_code, words in answer.text) == (400, True)
        assert "not-for-eyes" not in answer.text
        assert "pydantic" not in answer.text
        assert (await Web(http).server())["signIn"] == "needed"


def with_201(it: ByHand) -> Response:
    it.tokens.add("new")
    return JSONResponse({"access_token": "new", "token_type": "bearer"}, 201)


# What comes of a call whose token is renewed, and of the one after it.
RENEWED: dict[str, tuple[Any, str | None, str | None]] = {
    "with 201": (with_201, None, None),
    "without another refresh token": ({"refresh_token": ""}, None, None),
    "never again": (
        lambda _: JSONResponse({"error": "invalid_grant"}, 400),
        "sign_in_needed",
        "sign_in_needed",
    ),
    "never, with 200": (lambda _: JSONResponse({"error": "bad_token"}), "sign_in_needed", "sign_in_needed"),
    "never, with 403": (
        lambda _: JSONResponse({"error": "invalid_grant"}, 403),
        "sign_in_needed",
        "sign_in_needed",
    ),
    "a page of what stands before it": (lambda _: HTMLResponse("<p>", 403), "sign_in_failed", None),
    "a way to another page": (
        lambda _: Response(status_code=302, headers={"Location": "/x"}),
        "sign_in_failed",
        None,
    ),
    "a page with 200": (lambda _: HTMLResponse("<p>"), "sign_in_failed", None),
    "nothing": (lambda _: Response(status_code=204), "sign_in_failed", None),
}


@pytest.mark.parametrize("case", RENEWED)
async def test_a_sign_in_lasts_until_its_issuer_ends_it(tmp_path: Path, case: str) -> None:
    change, first, then = RENEWED[case]
    servers = ByHand({"refresh": change})
    async with by_hand(tmp_path, servers) as http:
        web = Web(http)
        await web.becomes("sign_in")
        await come_back(http)
        await web.becomes("ready")
        servers.tokens.clear()
        called = {"server": "remote", "name": "t", "args": {}}
        codes = []
        for _ in range(2):
            codes.append((await http.post("/api/call-tool", json=called)).json().get("code"))
            servers.changes = {}
        assert codes == [first, then]


async def test_a_client_that_is_over_is_renewed_with_and_then_registered_again(tmp_path: Path) -> None:
    about = {"client_secret": "s-e-c", "client_secret_expires_at": 1}
    servers = ByHand({"/register": about, "refresh": lambda _: JSONResponse({"error": "no"}, 401)})
    async with by_hand(tmp_path, servers) as http:
        web = Web(http)
        await web.becomes("sign_in")
        await come_back(http)
        await web.becomes("ready")
        servers.tokens.clear()
        called = {"server": "remote", "name": "t", "args": {}}
        assert (await http.post("/api/call-tool", json=called)).json()["code"] == "sign_in_needed"
        await web.becomes("sign_in")
        await come_back(http)
        await web.becomes("ready")
    assert [path for path, _ in servers.asked].count("/register") == 2


async def test_who_clicks_eight_times_registers_one_client(tmp_path: Path) -> None:
    servers = ByHand()
    async with by_hand(tmp_path, servers) as http:
        await Web(http).becomes("sign_in")
        clicks = [http.post("/api/servers/remote/sign-in") for _ in range(8)]
        answers = await asyncio.gather(*clicks)
        assert {answer.status_code for answer in answers} == {200}
    assert [path for path, _ in servers.asked].count("/register") == 1


async def test_a_server_that_is_open_until_a_call_is_signed_in_to(tmp_path: Path) -> None:
    servers = ByHand(is_open=True)
    async with by_hand(tmp_path, servers) as http:
        web = Web(http)
        assert (await web.becomes("ready"))["signIn"] is None
        called = {"server": "remote", "name": "t", "args": {}}
        assert (await http.post("/api/call-tool", json=called)).json()["code"] == "sign_in_needed"
        await web.becomes("ready")
        assert (await web.server())["signIn"] == "needed"
        await come_back(http)
        assert (await http.post("/api/call-tool", json=called)).json()["isError"] is False
        assert (await web.server())["signIn"] == "done"


async def test_a_machine_asks_for_a_token_anew_though_it_was_given_a_refresh_token(tmp_path: Path) -> None:
    servers = ByHand({"/token": {"expires_in": -1}})
    oauth = {"grantType": "client_credentials", "clientId": "m", "clientSecret": "secret-of-m"}
    async with by_hand(tmp_path, servers, {"oauth": oauth}) as http:
        await Web(http).becomes("ready")
        called = {"server": "remote", "name": "t", "args": {}}
        assert (await http.post("/api/call-tool", json=called)).json()["isError"] is False
    grants = {form["grant_type"] for path, form in servers.asked if path == "/token"}
    assert grants == {"client_credentials"}


async def test_who_signs_out_is_out_before_the_issuer_has_answered(tmp_path: Path) -> None:
    open_ones: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(lambda _, one: open_ones.append(one), "127.0.0.1") as silent:
        port = silent.sockets[0].getsockname()[1]
        servers = ByHand({ISSUER: {"revocation_endpoint": f"http://127.0.0.1:{port}/revoke"}})
        async with by_hand(tmp_path, servers) as http:
            web = Web(http)
            await web.becomes("sign_in")
            await come_back(http)
            await web.becomes("ready")
            leaving = asyncio.create_task(http.post("/api/servers/remote/sign-out"))
            await web.becomes("sign_in")
            assert not leaving.done()
            silent.close()
            for one in open_ones:
                one.close()
            assert (await leaving).status_code == 204

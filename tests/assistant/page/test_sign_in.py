"""Signing in to remote servers: a real authorization server, a real MCP server, real HTTP."""

import asyncio
import json
import logging
import sqlite3
import stat
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from mcp.shared.auth import OAuthClientInformationFull
from pydantic import AnyUrl

from tests.support.chat_service import client
from tests.support.processes import state_of
from tests.support.sign_in_service import (
    MACHINE,
    AuthorizationServer,
    page,
    protected_server,
    server_state,
    service,
    write_config,
)

pytestmark = pytest.mark.anyio


async def until(http: httpx.AsyncClient, **wanted: Any) -> dict[str, Any]:
    """The server's state as soon as it is so."""
    async with asyncio.timeout(60):
        while True:
            state = await server_state(http)
            if wanted.items() <= state.items():
                return state
            await asyncio.sleep(0.02)


async def asked(http: httpx.AsyncClient) -> str:
    """The address to which the browser comes back from a sign-in."""
    url = (await http.post("/api/servers/remote/sign-in")).json()["url"]
    async with httpx.AsyncClient(timeout=60) as browser:
        return (await browser.get(url)).headers["location"]


async def sign_in(http: httpx.AsyncClient) -> httpx.Response:
    await until(http, signIn="needed")
    return await http.get(await asked(http))


async def call(http: httpx.AsyncClient, name: str = "work") -> dict[str, Any]:
    answer = await http.post("/api/call-tool", json={"server": "remote", "name": name})
    said: dict[str, Any] = answer.json()
    return said


async def test_a_person_signs_in_and_the_tools_are_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "assistant")
    authority = AuthorizationServer()
    async with service(tmp_path, authority) as http:
        state = await until(http, status="sign_in", signIn="needed")
        assert state["code"] == "sign_in_needed"
        assert (await call(http))["code"] == "sign_in_needed"
        url = (await http.post("/api/servers/remote/sign-in")).json()["url"]
        query = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
        assert query["code_challenge_method"] == "S256"
        assert query["resource"] == state["url"]
        assert query["redirect_uri"] == f"{http.base_url}".rstrip("/") + "/oauth/callback"
        answer = await sign_in(http)
        assert (answer.status_code, "remote" in answer.text, "<script" in answer.text) == (200, True, False)
        state = await until(http, status="ready", signIn="done", tools=2)
        assert (await call(http))["result"] == "done"
        shown = json.dumps(state) + (await http.get("/api/tools")).text + caplog.text
    assert not [token for token in [*authority.tokens, *authority.refreshing] if token in shown]
    file = state_of(tmp_path) / "sign-ins"
    assert sys.platform == "win32" or stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(authority.clients) == 1


async def test_a_restart_and_another_replica_keep_the_sign_in(tmp_path: Path) -> None:
    authority = AuthorizationServer()
    async with service(tmp_path, authority) as http:
        await until(http, signIn="needed")
        async with page(tmp_path) as other:
            other.cookies = http.cookies
            back = urlsplit(await asked(http))
            assert (await other.get(f"{back.path}?{back.query}")).status_code == 200
            await until(other, status="ready", signIn="done")
        await until(http, status="ready")
        async with page(tmp_path) as later:
            await until(later, status="ready", signIn="done")
    assert len(authority.clients) == 1


async def test_replicas_renew_a_token_that_rotates_once(tmp_path: Path) -> None:
    authority = AuthorizationServer()
    async with service(tmp_path, authority) as http:
        await sign_in(http)
        await until(http, status="ready")
        async with page(tmp_path) as other:
            await until(other, status="ready")
            for _ in range(3):
                authority.expire_all()
                asked = authority.requests.count("/token")
                answers = await asyncio.gather(*(call(each) for each in (http, other) * 2))
                assert [each.get("result") for each in answers] == ["done"] * 4
                assert authority.requests.count("/token") == asked + 1


async def test_an_expired_token_is_renewed_and_a_revoked_one_wants_a_person(tmp_path: Path) -> None:
    authority = AuthorizationServer()
    async with service(tmp_path, authority) as http:
        await sign_in(http)
        await until(http, status="ready")
        authority.expire_all()
        assert (
            await asyncio.gather(*(call(http) for _ in range(3)))
            == [{"result": "done", "isError": False}] * 3
        )
        authority.is_down = True
        authority.expire_all()
        assert (await call(http))["code"] == "sign_in_failed"
        authority.is_down = False
        await until(http, status="ready")
        assert (await call(http))["result"] == "done"
        authority.revoke_all()
        assert (await call(http))["code"] == "sign_in_needed"
        await until(http, status="sign_in", signIn="needed")
        await sign_in(http)
        await until(http, status="ready")
        assert len(authority.clients) == 1


async def test_a_token_that_is_over_by_its_own_word_is_not_sent(tmp_path: Path) -> None:
    authority = AuthorizationServer(lifetime=-1)
    async with service(tmp_path, authority) as http:
        await sign_in(http)
        await until(http, status="ready")
        asked = authority.requests.count("/token")
        assert (await call(http))["result"] == "done"
        assert authority.requests.count("/token") > asked


@pytest.mark.parametrize("is_machine", [True, False])
async def test_a_new_token_that_is_over_when_it_is_used_is_renewed(tmp_path: Path, is_machine: bool) -> None:
    authority = AuthorizationServer()
    oauth = {"grantType": "client_credentials", "client_id": MACHINE[0], "clientSecret": MACHINE[1]}
    async with service(tmp_path, authority, {"oauth": oauth} if is_machine else None) as http:
        if not is_machine:
            await sign_in(http)
        await until(http, status="ready")
        authority.expire_all()
        authority.over_at_once = 1
        assert (await call(http))["result"] == "done"


async def test_signing_out_revokes_and_forgets(tmp_path: Path) -> None:
    authority = AuthorizationServer()
    async with service(tmp_path, authority) as http:
        await sign_in(http)
        await until(http, status="ready")
        assert (await http.post("/api/servers/remote/sign-out")).status_code == 204
        assert not authority.tokens
        assert not authority.refreshing
        await until(http, status="sign_in", signIn="needed")


async def renewing(authority: AuthorizationServer, http: httpx.AsyncClient) -> asyncio.Task[dict[str, Any]]:
    """Call a tool whose token is renewed; the new one has been given, and is held."""
    authority.expire_all()
    authority.held_tokens = 1
    calling = asyncio.create_task(call(http))
    while not authority.tokens:  # noqa: ASYNC110  it has no event for it
        await asyncio.sleep(0.01)
    return calling


async def test_who_signs_in_for_more_while_a_token_is_renewed_has_it(tmp_path: Path) -> None:
    authority = AuthorizationServer()
    async with service(tmp_path, authority, {"oauth": {"scopes": ["shop"]}}) as http:
        await sign_in(http)
        await until(http, status="ready", signIn="done")
        assert (await call(http, "rule"))["code"] == "sign_in_needed"
        calling = await renewing(authority, http)
        coming = asyncio.create_task(http.get(await asked(http)))
        await asyncio.wait([coming], timeout=0.3)  # it waits for the renewal, or has ended by then
        authority.may_arrive.set()
        assert (await coming).status_code == 200
        await calling
        assert (await call(http, "rule"))["result"] == "ruled"


async def test_who_signs_out_while_a_token_is_renewed_is_signed_out(tmp_path: Path) -> None:
    authority = AuthorizationServer()
    async with service(tmp_path, authority) as http:
        await sign_in(http)
        await until(http, status="ready")
        calling = await renewing(authority, http)
        leaving = asyncio.create_task(http.post("/api/servers/remote/sign-out"))
        await asyncio.wait([leaving], timeout=0.3)  # it waits for the renewal, or has ended by then
        authority.may_arrive.set()
        assert (await leaving).status_code == 204
        await calling
        assert not authority.tokens
        assert not authority.refreshing
        await until(http, status="sign_in", signIn="needed")


async def test_a_missing_scope_is_asked_for_beside_what_was_granted(tmp_path: Path) -> None:
    authority = AuthorizationServer()
    async with service(tmp_path, authority, {"oauth": {"scopes": ["shop"]}}) as http:
        await sign_in(http)
        await until(http, status="ready", signIn="done")
        refused = await call(http, "rule")
        assert (refused["code"], refused["params"]["scope"]) == ("sign_in_needed", "admin")
        await until(http, status="ready", signIn="needed")
        assert (await call(http))["result"] == "done"
        await sign_in(http)
        await until(http, status="ready", signIn="done")
        assert (await call(http, "rule"))["result"] == "ruled"
    assert any(token.scopes == ["shop", "admin"] for token in authority.tokens.values())


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "the person says no": (
        {"answer": {"error": "access_denied", "error_description": "not now <b>"}},
        "not now &lt;b&gt;",
    ),
    "another issuer answers": ({"named": "https://evil.example"}, "iss"),
    "the code is wrong": ({"answer": {"code": "wrong"}}, "400"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_goes_wrong_at_the_end_is_said_once(tmp_path: Path, case: str) -> None:
    given, said = REFUSED[case]
    authority = AuthorizationServer(**given)
    async with service(tmp_path, authority) as http:
        answer = await sign_in(http)
        assert answer.status_code == 400
        assert said in answer.text
        assert (await server_state(http))["signIn"] == "needed"
    assert not authority.tokens


async def test_a_state_is_good_once_and_in_its_own_browser(tmp_path: Path) -> None:
    authority = AuthorizationServer()
    async with service(tmp_path, authority) as http:
        await until(http, signIn="needed")
        back = await asked(http)
        assert (await http.get(back.replace("state=", "state=x"))).status_code == 400
        assert (await http.get("/oauth/callback")).status_code == 400
        assert (await http.get(back, headers={"Accept-Language": "en"})).text.count("Signed in") == 1
        again = await http.get(back, headers={"Accept-Language": "en-GB,zh"})
        assert (again.status_code, "is over" in again.text) == (400, True)
        back = await asked(http)
        async with httpx.AsyncClient(timeout=60) as another:
            assert (await another.get(back)).status_code == 400


BEGINS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "registration is refused": ({"refuses_registration": True}, {}, "sign_in_unregistered"),
    "its metadata names another": ({"metadata_issuer": "https://evil.example"}, {}, "sign_in_failed"),
    "it is down": ({"is_down": True}, {}, "sign_in_unreachable"),
    "it is down, and knows us": ({"is_down": True}, {"clientId": "c"}, "sign_in_unreachable"),
}


@pytest.mark.parametrize("case", BEGINS)
async def test_what_goes_wrong_at_the_click_is_said(tmp_path: Path, case: str) -> None:
    given, oauth, code = BEGINS[case]
    async with service(tmp_path, AuthorizationServer(**given), {"oauth": oauth}) as http:
        await until(http, status="sign_in")
        answer = await http.post("/api/servers/remote/sign-in")
        assert answer.status_code == 502
        assert answer.json()["code"] == code


@pytest.mark.parametrize("hides", ["challenge", "resource"])
async def test_a_server_that_says_little_is_found_out(tmp_path: Path, hides: str) -> None:
    """Without WWW-Authenticate; without RFC 9728, as servers of March 2025."""
    async with service(tmp_path, AuthorizationServer(hides=hides)) as http:
        await sign_in(http)
        await until(http, status="ready", signIn="done")


async def test_a_server_over_http_sse_is_signed_in_to(tmp_path: Path) -> None:
    authority = AuthorizationServer()
    async with service(tmp_path, authority, {"type": "sse"}, path="/sse") as http:
        await sign_in(http)
        await until(http, status="ready", signIn="done")
        authority.revoke_all()
        assert (await call(http))["code"] == "sign_in_needed"
        await until(http, status="sign_in")


async def test_a_machine_with_a_wrong_secret_is_told_so(tmp_path: Path) -> None:
    oauth = {"grantType": "client_credentials", "client_id": MACHINE[0], "clientSecret": "of-somebody-else"}
    async with service(tmp_path, AuthorizationServer(), {"oauth": oauth}) as http:
        state = await until(http, status="down", code="sign_in_failed")
    assert "invalid_client" in state["error"]
    assert "of-somebody-else" not in str(state)


async def test_a_machine_signs_in_by_itself(tmp_path: Path) -> None:
    authority = AuthorizationServer(lifetime=1)
    oauth = {"grantType": "client_credentials", "client_id": MACHINE[0], "clientSecret": MACHINE[1]}
    async with service(tmp_path, authority, {"oauth": oauth}) as http:
        await until(http, status="ready", signIn=None, tools=2)
        authority.expire_all()
        assert (await call(http))["result"] == "done"
        assert (await http.post("/api/servers/remote/sign-in")).status_code == 409


async def test_only_this_page_at_this_machine_can_begin(tmp_path: Path) -> None:
    async with service(tmp_path, AuthorizationServer()) as http:
        await until(http, signIn="needed")
        for headers, status in (
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Origin": "https://evil.example"}, 403),
            ({"Host": "evil.example"}, 421),
            ({"X-Forwarded-For": "10.0.0.1"}, 409),
        ):
            answer = await http.post("/api/servers/remote/sign-in", headers=headers)
            assert answer.status_code == status


async def test_a_header_of_the_entry_is_all_that_is_sent(tmp_path: Path) -> None:
    authority = AuthorizationServer()
    async with service(tmp_path, authority, {"headers": {"Authorization": "Bearer mine-and-wrong"}}) as http:
        assert (await until(http, status="down"))["code"] == "http_status"
    assert not authority.requests


async def test_a_damaged_file_means_signed_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authority = AuthorizationServer()
    async with service(tmp_path, authority) as http:
        await sign_in(http)
        await until(http, status="ready")
        (state_of(tmp_path) / "sign-ins").write_bytes(b"not a database at all" * 100)
        assert (await call(http))["code"] == "sign_in_needed"
        assert "损坏" in caplog.text
        await sign_in(http)
        await until(http, status="ready", signIn="done")


async def test_what_is_kept_is_one_file_that_sqlite_reads(tmp_path: Path) -> None:
    async with service(tmp_path, AuthorizationServer()) as http:
        await sign_in(http)
    with sqlite3.connect(state_of(tmp_path) / "sign-ins") as kept:
        assert len(kept.execute("SELECT key FROM kept").fetchall()) == 1
    kept.close()


async def test_nothing_is_written_for_a_server_that_wants_no_sign_in(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        await http.post("/api/call-tool", json={"server": "shop", "name": "look"})
    assert not (state_of(tmp_path) / "sign-ins").exists()


async def test_a_public_address_is_the_clients_id_and_where_browsers_come_back(tmp_path: Path) -> None:
    async with protected_server(AuthorizationServer()) as url:
        write_config(tmp_path, {"remote": {"url": url}})
        given = {"web_public_url": "https://shop.example/chat/", "web_password": "p4ssword"}
        async with page(tmp_path, **given) as http:
            about = (await http.get("/oauth/client.json")).json()
            http.auth = ("", "p4ssword")
            await until(http, signIn="needed")
            asked = (await http.post("/api/servers/remote/sign-in")).json()["url"]
    assert about["client_id"] == "https://shop.example/chat/oauth/client.json"
    assert about["redirect_uris"] == ["https://shop.example/chat/oauth/callback"]
    assert parse_qs(urlsplit(asked).query)["redirect_uri"] == about["redirect_uris"]


@pytest.mark.parametrize(("secret", "status"), [("of-the-page", "ready"), ("of-another", "sign_in")])
async def test_a_person_signs_in_with_the_clients_own_id_and_secret(
    tmp_path: Path, secret: str, status: str
) -> None:
    authority = AuthorizationServer(refuses_registration=True)
    entry = {"oauth": {"clientId": "page", "clientSecret": secret}}
    async with service(tmp_path, authority, entry) as http:
        authority.clients["page"] = OAuthClientInformationFull(
            client_id="page",
            client_secret="of-the-page",
            redirect_uris=[AnyUrl(f"{http.base_url}".rstrip("/") + "/oauth/callback")],
            token_endpoint_auth_method="client_secret_basic",
            scope="shop admin",
        )
        answer = await sign_in(http)
        assert (answer.status_code == 200) == (status == "ready")
        await until(http, status=status)
        assert "/register" not in authority.requests


async def test_a_server_that_reads_documents_of_clients_needs_no_registration(tmp_path: Path) -> None:
    given = {"web_public_url": "https://shop.example", "web_password": "p4ssword"}
    document = "https://shop.example/oauth/client.json"
    authority = AuthorizationServer(refuses_registration=True, reads_documents=True)
    async with protected_server(authority) as url:
        write_config(tmp_path, {"remote": {"url": url}})
        async with page(tmp_path, **given) as http:
            # What the authorization server would fetch from the address that is the client's id.
            about = (await http.get("/oauth/client.json")).json()
            authority.clients[document] = OAuthClientInformationFull.model_validate(about | {"scope": "shop"})
            http.auth = ("", "p4ssword")
            await until(http, signIn="needed")
            back = urlsplit(await asked(http))
            assert f"{back.scheme}://{back.netloc}{back.path}" == "https://shop.example/oauth/callback"
            assert (await http.get(f"{back.path}?{back.query}")).status_code == 200
            await until(http, status="ready", signIn="done")
    assert {token.client_id for token in authority.tokens.values()} == {document}
    assert "/register" not in authority.requests

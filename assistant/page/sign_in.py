"""The routes by which a person signs in to a server: the click, where the browser comes back to, the end."""

import html
import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import HTMLResponse

from assistant.page.page_files import PUBLIC
from assistant.page.routes import AppServices, own_page_only, refusals
from assistant.page.sentences import explain
from assistant.toolbox.oauth import CLIENT_NAME
from assistant.toolbox.sign_in import SignIn
from serving.access import CLIENT_PATH, is_forwarded
from serving.addresses import is_own_name
from serving.errors import CodedError, sentence

CALLBACK = "/oauth/callback"
router = APIRouter()


async def _sign_in(name: str, services: AppServices) -> SignIn:
    auth = services.toolbox.link(name).auth
    if auth is None or auth.is_machine:
        raise CodedError("sign_in_unwanted", server=name)
    return auth


ServersSignIn = Annotated[SignIn, Depends(_sign_in)]
OF_PAGE: dict[str, Any] = {
    "tags": ["page"],
    "responses": refusals(404, 409, 422, 502),
    "dependencies": [Depends(own_page_only)],
}


def _redirect(request: Request, public_url: str) -> str:
    """Return where the authorization server sends the browser back to.

    Without a setting that is the page's own address, which a Host header names: believed for this machine.
    """
    host = request.headers.get("host", "")
    if not public_url and (not is_own_name(host) or is_forwarded(request.scope)):
        raise CodedError("public_url_needed")
    return (public_url or f"{request.url.scheme}://{host}{request.scope.get('root_path', '')}") + CALLBACK


@router.post("/api/servers/{name:path}/sign-in", **OF_PAGE)
async def sign_in(request: Request, services: AppServices, auth: ServersSignIn) -> dict[str, str]:
    """Return `{"url"}`, where the person of this browser signs in; only this page can ask for it."""
    redirect = _redirect(request, services.toolbox.sign_ins.public_url)
    return {"url": await auth.begin(redirect, services.clients.name(request))}


@router.post("/api/servers/{name:path}/sign-out", status_code=204, **OF_PAGE)
async def sign_out(services: AppServices, auth: ServersSignIn) -> None:
    """Forget the tokens for a server, for all who use this page, and have them revoked."""
    await services.toolbox.sign_out(auth)


@router.get(CALLBACK, include_in_schema=False)
async def callback(
    request: Request, services: AppServices, accept_language: Annotated[str, Header()] = "zh"
) -> Response:
    """Take what the browser brings from an authorization server, and say how it ended."""
    browser = services.clients.name(request)
    words = _words(accept_language)
    try:
        server = await services.toolbox.finish_sign_in(browser, request.query_params)
    except CodedError as error:
        key = f"error.{error.code}"
        said = sentence(words, key, error.params) if key in words else explain(error.code, error.params)
        return _page(words, said, 400)
    return _page(words, words["signedIn"].format(server=server), 200)


@router.get(CLIENT_PATH, include_in_schema=False)
async def client_metadata(services: AppServices) -> dict[str, Any]:
    """Say who asks, as a client id metadata document: `WEB_PUBLIC_URL` makes its address our client's id."""
    public = services.toolbox.sign_ins
    if public.document is None:
        raise CodedError("public_url_needed")
    return {
        "client_id": public.document,
        "client_name": CLIENT_NAME,
        "client_uri": public.public_url,
        "redirect_uris": [public.public_url + CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }


def _words(accept_language: str) -> dict[str, str]:
    """Return the page's words in the language that the browser names first."""
    named = [each.strip()[:2].lower() for each in accept_language.split(",")]
    language = next((each for each in named if each in ("zh", "en")), "en")
    words: dict[str, str] = json.loads((PUBLIC / f"{language}.json").read_text(encoding="utf-8"))
    return words | {"language": language}


def _page(words: dict[str, str], said: str, status: int) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="{words["language"]}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="../static/base.css">'
        f"<title>{html.escape(words['signIn'])}</title><main><p>{html.escape(said)}</p>"
        f'<p><a href="../">{html.escape(words["backToPage"])}</a></p></main></html>',
        status,
        {"Cache-Control": "no-store"},
    )

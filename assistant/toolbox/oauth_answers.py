"""What servers and their issuers say of signing in, as the SDK's flow reads it."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urljoin

import httpx2
from mcp.client.auth.utils import union_scopes
from pydantic import ValidationError

from serving.answer_bounds import read_json

LONGEST = 10**9  # seconds that a token is taken to live at most
# RFC 9110, 11.2: a name in any case, blanks around the sign, a value in quotes with escapes or without.
_PARAMETER = re.compile(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


class Challenge(NamedTuple):
    """How a server refused a request."""

    status: int = 401
    metadata_url: str = ""
    scope: str = ""

    @classmethod
    def of(cls, response: httpx2.Response) -> "Challenge | None":
        """Return what an answer asks for: 401, or 403 for a scope that the token lacks."""
        if response.status_code not in (401, 403):
            return None
        header = response.headers.get("WWW-Authenticate", "")
        said = {
            name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain
            for name, quoted, plain in _PARAMETER.findall(header)
        }
        if response.status_code == 403 and said.get("error") != "insufficient_scope":
            return None
        url = said.get("resource_metadata", "")
        with suppress(ValueError):
            url = url and urljoin(str(response.request.url), url)
        return cls(response.status_code, url, said.get("scope", ""))

    def answer(self, request: httpx2.Request, scope: str) -> httpx2.Response:
        """Return it as the SDK's flow reads it; an entry's own scopes are asked for."""
        wanted = union_scopes(scope, self.scope) if self.status == 403 else scope or self.scope
        fields = {"error": "insufficient_scope" if self.status == 403 else "", "scope": wanted}
        fields["resource_metadata"] = self.metadata_url
        given = {name: value.replace('"', "") for name, value in fields.items() if value}
        header = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in given.items())
        headers = [(b"WWW-Authenticate", header.encode(errors="replace"))]
        return httpx2.Response(self.status, headers=headers, request=request)


async def readable(answer: httpx2.Response, issuer: str | None) -> httpx2.Response:
    """Return an issuer's answer as the SDK's models take it, which are stricter than issuers are.

    `issuer` is what the MCP server calls the issuer.
    """
    if answer.next_request:
        return answer
    status, text = answer.status_code, answer.content.decode(errors="replace")
    try:
        said = await read_json(text)
    except ValueError:
        said = None
    if answer.is_success and isinstance(said, dict):
        is_refusal = answer.request.method == "POST" and "error" in said  # GitHub's
        status, text = 400 if is_refusal else 200, json.dumps(_members(said, issuer))
    return httpx2.Response(status, text=text, request=answer.request)


def _members(said: Mapping[str, Any], issuer: str | None) -> dict[str, Any]:
    members = {name: value for name, value in said.items() if value not in (None, "")}
    if isinstance(members.get("scope"), list):  # Twitch's
        members["scope"] = " ".join(map(str, members["scope"]))
    if "expires_in" in members:
        members["expires_in"] = _seconds(members["expires_in"])
    if issuer and is_same_issuer(members.get("issuer"), issuer):
        members["issuer"] = issuer
    return members


def _seconds(value: Any) -> int | None:
    try:
        return int(min(float(value), LONGEST))
    except (TypeError, ValueError, OverflowError):
        return None


def is_same_issuer(named: Any, issuer: str) -> bool:
    """Whether two names are one issuer's: with a slash at the end, or without.

    RFC 8414, 3.1, has one address of metadata for both, and Google's servers write both.
    """
    return isinstance(named, str) and named.rstrip("/") == issuer.rstrip("/")


def is_final(answer: httpx2.Response) -> bool:
    """Whether a refusal is the issuer's own word (RFC 6749, 5.2), and not that of what stands before it."""
    try:
        said = answer.json()
    except ValueError:
        said = None
    is_told = isinstance(said, dict) and isinstance(said.get("error"), str)
    return answer.status_code in (400, 401) or (answer.status_code == 403 and is_told)


def reason(error: Exception) -> str:
    """Return what an error says, without what pydantic quotes of an answer, which may be a token."""
    cause = error if isinstance(error, ValidationError) else error.__cause__ or error.__context__
    if not isinstance(cause, ValidationError):
        return str(error)
    faults = [".".join(map(str, fault["loc"])) or fault["msg"] for fault in cause.errors(include_input=False)]
    return f"{str(error).partition(':')[0]}: {', '.join(faults)}"

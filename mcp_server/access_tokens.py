"""Access tokens of an authorization server: JWT (RFC 9068), held against the keys that it publishes."""

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import anyio
import httpx
import jwt
from mcp.client.auth.utils import build_oauth_authorization_server_metadata_discovery_urls
from mcp.server.auth.provider import AccessToken

from serving.addresses import is_confidential
from serving.errors import CodedError
from serving.network import trusted

# Only signatures that who can check them cannot make: no shared secrets.
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})  # and no other kind of token of this issuer
REQUIRED = ["iss", "aud", "exp"]
SCOPE = re.compile(r"[!#-\[\]-~]+")
MAX_TOKEN_CHARS = 16_384
MAX_DOCUMENT_BYTES = 1024 * 1024
MAX_KEYS = 100
ANSWER_SECONDS = 5.0
LEEWAY_SECONDS = 10.0  # by which two clocks may differ

log = logging.getLogger(__name__)


@dataclass
class Issuer:
    """An authorization server, by its metadata (RFC 8414) and its keys (RFC 7517).

    It is asked when the first token comes, and anew when its keys are old, or a token has another one, which
    anybody can send: so not again within a while. Where it does not answer later, its last keys stay in use.
    """

    url: str
    audiences: Collection[str]  # the addresses of this service: a token for another is none for it
    kept_seconds: float = 300.0  # a key that the issuer withdraws ends then
    pause_seconds: float = 5.0  # after a question in vain
    _keys: list[dict[str, Any]] = field(default_factory=list)
    _named: str = ""  # as its metadata names it: with or without a slash at its end
    _read_at: float | None = None
    _vain_at: float | None = None  # when a question gave nothing new
    _asking: anyio.Lock = field(default_factory=anyio.Lock)

    async def verified(self, token: str) -> AccessToken:
        """Return what a token says.

        Raises CodedError: `invalid_token {reason}`, or `issuer_unreachable {issuer}` while no key is known.
        """
        try:
            head = jwt.get_unverified_header(token) if len(token) <= MAX_TOKEN_CHARS else {}
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            head = {}
        if str(head.get("alg")) not in ALGORITHMS or str(head.get("typ") or "").lower() not in TYPES:
            raise CodedError("invalid_token", reason="form")
        is_old = self._read_at is None or monotonic() - self._read_at > self.kept_seconds
        claims = None if is_old else self._claims(token, head)
        if claims is None:  # an unknown key may be new
            has_asked = await self._refreshed()
            claims = self._claims(token, head)
            if claims is None and has_asked:
                self._vain_at = monotonic()
        if claims is None:
            raise CodedError("invalid_token", reason="signature")
        return _said(claims)

    def _claims(self, token: str, head: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what a token says, or None if no known key has signed it."""
        for key in self._candidates(head):
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    key,
                    [head["alg"]],
                    {"require": REQUIRED},
                    audience=list(self.audiences),
                    issuer=self._named,
                    leeway=LEEWAY_SECONDS,
                )
            except (jwt.InvalidSignatureError, jwt.InvalidKeyError):
                continue  # of several keys without a name, another may be the one
            except jwt.InvalidTokenError as error:
                reason = next(
                    (reason for kind, reason in REASONS.items() if isinstance(error, kind)), "claims"
                )
                raise CodedError("invalid_token", reason=reason) from error
            return claims
        return None

    def _candidates(self, head: Mapping[str, Any]) -> Iterator[jwt.PyJWK]:
        for key in self._keys:
            is_named = key.get("kid") == head.get("kid", key.get("kid"))
            if is_named and key.get("use", "sig") == "sig" and key.get("alg", head["alg"]) == head["alg"]:
                with suppress(jwt.PyJWTError, ValueError, TypeError):  # of another kind, or damaged
                    yield jwt.PyJWK.from_dict(key, head["alg"])

    async def _refreshed(self) -> bool:
        """Read the keys anew, and whether that was done. Raises CodedError: `issuer_unreachable`."""
        before = self._read_at
        async with self._asking:
            is_early = self._vain_at is not None and monotonic() - self._vain_at < self.pause_seconds
            if self._read_at == before and not is_early:
                try:
                    with anyio.fail_after(ANSWER_SECONDS):
                        self._named, self._keys = await self._read()
                except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, RecursionError) as error:
                    log.warning(
                        "登录服务器 %s 没有给出可用的密钥：%s", self.url, error or type(error).__name__
                    )
                    self._vain_at = monotonic()
                else:
                    self._vain_at = None
                if self._keys:
                    self._read_at = monotonic()
        if self._read_at is None:
            raise CodedError("issuer_unreachable", issuer=self.url)
        return self._read_at != before

    async def _read(self) -> tuple[str, list[dict[str, Any]]]:
        async with httpx.AsyncClient(verify=trusted(), timeout=ANSWER_SECONDS) as http:
            metadata = await self._metadata(http)
            place = metadata.get("jwks_uri")
            if not isinstance(place, str) or not is_confidential(place):
                raise ValueError("jwks_uri")
            keys = (await _document(http, place) or {}).get("keys")
        if not isinstance(keys, list):
            raise ValueError(place)  # noqa: TRY004  a wrong document, not a wrong argument
        return metadata["issuer"], [key for key in keys[:MAX_KEYS] if isinstance(key, dict)]

    async def _metadata(self, http: httpx.AsyncClient) -> dict[str, Any]:
        for place in build_oauth_authorization_server_metadata_discovery_urls(self.url, self.url):
            if (found := await _document(http, place)) is None:
                continue
            if str(found.get("issuer")).rstrip("/") != self.url.rstrip("/"):  # RFC 8414 section 3.3
                raise ValueError(f"{place}: issuer")
            return found
        raise ValueError("metadata")


REASONS: dict[type[jwt.InvalidTokenError], str] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.ImmatureSignatureError: "not_yet",
    jwt.InvalidAudienceError: "audience",
    jwt.InvalidIssuerError: "issuer",
}


async def _document(http: httpx.AsyncClient, url: str) -> dict[str, Any] | None:
    """Return a JSON object, or None where there is none. Raises httpx.HTTPError or ValueError."""
    async with http.stream("GET", url, headers={"Accept": "application/json"}) as answer:
        if 400 <= answer.status_code < 500:
            return None
        answer.raise_for_status()
        body = b""
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > MAX_DOCUMENT_BYTES:
                raise ValueError(f"{url}: {len(body)}")
    read = httpx.Response(200, content=body).json()
    if not isinstance(read, dict):
        raise ValueError(url)  # noqa: TRY004  a wrong document, not a wrong argument
    return read


def _said(claims: Mapping[str, Any]) -> AccessToken:
    subject = claims.get("sub")
    client = claims.get("client_id") or claims.get("azp") or subject or ""
    return AccessToken(
        token="",  # nothing here needs it again
        client_id=str(client),
        scopes=sorted({*_listed(claims.get("scope")), *_listed(claims.get("scp"))}),
        subject=subject if isinstance(subject, str) else None,
        claims={"iss": claims["iss"]},
    )


def _listed(scopes: Any) -> Iterable[str]:
    """Read scopes as servers write them: a text with blanks (RFC 9068), or a list. Others than OAuth's
    (RFC 6749 section 3.3) are left out: a challenge could not repeat them.
    """
    listed = scopes.split() if isinstance(scopes, str) else scopes if isinstance(scopes, list) else []
    return [scope for scope in listed if isinstance(scope, str) and SCOPE.fullmatch(scope)]

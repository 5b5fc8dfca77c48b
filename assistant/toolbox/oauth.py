"""The SDK's OAuth client, driven from outside of a request to where a person decides, or to a token.

What servers and their issuers say reaches it in the form that its models take.
"""

import json
import math
import re
import time
import warnings
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider, OAuthFlowError
from mcp.client.auth.utils import union_scopes
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthMetadata,
    OAuthToken,
    ProtectedResourceMetadata,
)
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types import LATEST_PROTOCOL_VERSION
from pydantic import AnyUrl, BaseModel, ValidationError

from assistant.toolbox.entries import refuse_bad_url
from assistant.toolbox.entry_secrets import shown
from assistant.toolbox.limits import Limits
from assistant.toolbox.server import ConfigError, Server
from assistant.toolbox.transports import http_client
from assistant.toolbox.wire import beyond_bounds
from serving.addresses import is_loopback
from serving.answer_bounds import MIB, bounded, read_json
from serving.errors import CodedError
from serving.redaction import remember

CLIENT_NAME = "product-mcp"
LONGEST = 10**9  # seconds that a token is taken to live at most
# RFC 9110, 11.2: a name in any case, blanks around the sign, a value in quotes with escapes or without.
_PARAMETER = re.compile(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


class Record(BaseModel):
    """What is known of one server's authorization server, and what it has given."""

    client: OAuthClientInformationFull | None = None
    tokens: OAuthToken | None = None
    expires_at: float | None = None  # time.time()
    metadata: OAuthMetadata | None = None
    resource: ProtectedResourceMetadata | None = None

    @classmethod
    def read(cls, text: str | None) -> "Record":
        """Return what was kept; nothing, if nobody can read it."""
        try:
            record = cls.model_validate_json(text) if text else cls()
        except ValidationError:
            return cls()
        if record.tokens:
            remember(record.tokens.access_token, record.tokens.refresh_token or "")
        if record.client:
            remember(record.client.client_secret or "")
        return record

    @property
    def may_renew(self) -> bool:
        """Whether there is what a new token can be asked for with."""
        return bool(self.tokens and self.tokens.refresh_token)


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


class PersonNeededError(Exception):
    """The flow has come to where a person decides: at this URL, whose code is good with this verifier."""

    def __init__(self, url: str = "", verifier: str = "") -> None:
        super().__init__()
        self.url, self.verifier = url, verifier


class _Person(OAuthClientProvider):
    """Ends where the person is needed: whoever gets the answer, whenever it comes, goes on from there."""

    async def _exchange_token_authorization_code(self, auth_code: str, code_verifier: str) -> httpx2.Request:
        raise PersonNeededError(auth_code, code_verifier)


class Flow:
    """One server's flow, from what is known; `keep` is given all that it learns.

    `redirect` is where the browser comes back to, `document` the address of our client's metadata. With
    `only_asks` nothing is registered and no token asked for.
    """

    def __init__(
        self,
        server: Server,
        limits: Limits,
        record: Record,
        keep: Callable[[Record], Awaitable[None]],
        *,
        redirect: str = "",
        document: str | None = None,
        scope: str | None = None,
        only_asks: bool = False,
    ) -> None:
        assert server.oauth is not None
        self._server, self._limits, self._only_asks = server, limits, only_asks
        self._record, self._keep, self._oauth, self._redirect = record, keep, server.oauth, redirect
        address = str(httpx2.URL(server.url).copy_with(userinfo=b""))
        self._url, self._is_reached = "", False
        self.client: OAuthClientProvider
        if self._oauth.is_machine:
            from mcp.client.auth.extensions.client_credentials import (  # noqa: PLC0415  JWT and its cryptography, 45 ms
                ClientCredentialsOAuthProvider,
            )

            with warnings.catch_warnings():  # of an entry without `issuer`: it trusts its server
                warnings.simplefilter("ignore", MCPDeprecationWarning)
                self.client = ClientCredentialsOAuthProvider(
                    address, self, self._oauth.id, self._oauth.secret, issuer=self._oauth.issuer or None
                )
        else:
            about = OAuthClientMetadata(
                client_name=CLIENT_NAME,
                redirect_uris=[AnyUrl(redirect)] if redirect else None,
                application_type="web" if redirect.startswith("https:") else "native",
                scope=scope,
            )
            self.client = _Person(address, about, self, self._show, self._answer, document)
        context = self.client.context
        context.oauth_metadata, context.protected_resource_metadata = record.metadata, record.resource
        context.auth_server_url = str(record.resource.authorization_servers[0]) if record.resource else None
        context.token_expiry_time = record.expires_at
        context.protocol_version = LATEST_PROTOCOL_VERSION  # so that the resource is always named

    async def redeem(self, code: str, verifier: str) -> None:
        """Get tokens for the code that the person's browser has brought."""
        client = self.client
        await client._initialize()
        asked = await OAuthClientProvider._exchange_token_authorization_code(client, code, verifier)
        await client._handle_token_response(await self.send(asked))

    async def renew(self) -> httpx2.Response:
        """Get new tokens for the refresh token, and return the answer, whatever it is."""
        await self.client._initialize()
        answer = await self.send(await self.client._refresh_token())
        if answer.is_success and not await self.client._handle_refresh_response(answer):
            raise OAuthFlowError("Invalid token response")
        return answer

    async def revoke(self) -> None:
        """Have the tokens revoked (RFC 7009), where that is offered."""
        metadata, tokens, client = self._record.metadata, self._record.tokens, await self.get_client_info()
        if not (metadata and metadata.revocation_endpoint and tokens and client):
            return
        self.client.context.client_info = client
        for token in filter(None, (tokens.refresh_token, tokens.access_token)):
            data = {"token": token, "client_id": client.client_id}
            data, headers = self.client.context.prepare_token_auth(data, {})
            await self.send(
                httpx2.Request("POST", str(metadata.revocation_endpoint), data=data, headers=headers)
            )

    @property
    def learnt(self) -> Record:
        """All that is known now."""
        context = self.client.context
        return Record(
            client=context.client_info,
            tokens=context.current_tokens,
            expires_at=context.token_expiry_time,
            metadata=context.oauth_metadata,
            resource=context.protected_resource_metadata,
        )

    async def run(self, challenge: Challenge) -> None:
        """Go through the flow after a refusal, to the token of a machine. Raises PersonNeededError."""
        if not self._is_client_good(self._record.client):
            self._record = self._record.model_copy(update={"client": None})
        request = httpx2.Request(
            "POST",
            self.client.context.server_url,
            headers={MCP_PROTOCOL_VERSION_HEADER: LATEST_PROTOCOL_VERSION},
        )
        flow = self.client.async_auth_flow(request)
        try:
            await anext(flow)
            sent = await flow.asend(challenge.answer(request, self._oauth.scope))
            while sent is not request:
                sent = await flow.asend(await self.send(sent))
        finally:
            await flow.aclose()

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request of the flow: never to where a server of another machine could not reach itself."""
        if self._only_asks and request.method == "POST":
            raise PersonNeededError
        url = str(request.url)
        self._check(url, is_last=request.method == "POST")
        hooks = {"response": [bounded(beyond_bounds, MIB)]}
        async with http_client(
            url, self._limits, event_hooks=hooks, read=self._limits.connect_seconds
        ) as http:
            request.headers.setdefault("Accept", "application/json")
            answer = await http.send(request, follow_redirects=False)
            self._is_reached = answer.status_code < 500
            return await _readable(answer, self.client.context.auth_server_url)

    def _check(self, url: str, *, is_last: bool) -> None:
        """Refuse addresses that no such server has; without its metadata nothing but that can be asked for.

        The SDK would fall back to the MCP server's own addresses, and send it the code and the secret.
        """
        context = self.client.context
        if is_last and context.protected_resource_metadata and not context.oauth_metadata:
            if self._is_reached:
                raise OAuthFlowError(f"no metadata (RFC 8414) at {context.auth_server_url}")
            raise CodedError("sign_in_unreachable")
        try:
            refuse_bad_url(url, plain_http=urlsplit(self._server.url).scheme == "http")
            is_forbidden = is_loopback(urlsplit(url).hostname or "") and not self._server.is_local
        except ConfigError:
            is_forbidden = True
        if is_forbidden:
            raise OAuthFlowError(f"not allowed as an address of a sign-in: {shown(url)}")

    async def _show(self, url: str) -> None:
        if self._only_asks:
            raise PersonNeededError
        # The SDK writes its own query after whatever the address is: RFC 6749, 3.1, has it keep one.
        address, _, query = url.rpartition("?")
        parts = urlsplit(address)
        self._url = parts._replace(query="&".join(filter(None, (parts.query, query))), fragment="").geturl()
        self._check(self._url, is_last=True)

    async def _answer(self) -> AuthorizationCodeResult:
        metadata = self.client.context.oauth_metadata
        state = parse_qs(urlsplit(self._url).query)["state"][-1]
        return AuthorizationCodeResult(
            code=self._url, state=state, iss=str(metadata.issuer) if metadata else None
        )

    async def get_tokens(self) -> OAuthToken | None:
        """Return the tokens, for the SDK."""
        return self._record.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep them. Raises OAuthFlowError: no header can hold them."""
        if not re.fullmatch(r"[\x21-\x7e]+", tokens.access_token):  # RFC 6749, A.12, without the blank
            raise OAuthFlowError("Invalid token response: access_token")
        await self._keep(self.learnt)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Return the entry's client, or the one that was registered."""
        own, kept, metadata = self._oauth, self._record.client, self._record.metadata
        if own.id:
            basic = ["client_secret_basic"]  # RFC 8414: what a server takes that names none
            known = (metadata and metadata.token_endpoint_auth_methods_supported) or basic
            method = basic[0] if basic[0] in known else "client_secret_post"
            method = method if own.secret else "none"
            return OAuthClientInformationFull(
                client_id=own.id,
                client_secret=own.secret or None,
                token_endpoint_auth_method=method,
                issuer=own.issuer or None,
            )
        return kept

    def _is_client_good(self, kept: OAuthClientInformationFull | None) -> bool:
        """Whether a person can sign in with a client: it is not over, and registered for this redirection."""
        is_old = kept and (kept.client_secret_expires_at or math.inf) < time.time()
        is_other = kept and AnyUrl(self._redirect) not in (kept.redirect_uris or ())
        return not (self._redirect and (is_old or is_other))

    async def set_client_info(self, client: OAuthClientInformationFull) -> None:
        """Keep the registration, as what was asked for; tokens of another are of no use."""
        client.redirect_uris = [AnyUrl(self._redirect)]
        await self._keep(self.learnt.model_copy(update={"tokens": None}))


async def _readable(answer: httpx2.Response, issuer: str | None) -> httpx2.Response:
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

"""Signing in to a server (OAuth 2.1): tokens are sent and renewed, and a person is asked where one is needed.

Tokens are of a server's address and its authorization server; whoever uses this toolbox shares them.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import OAuthFlowError, OAuthRegistrationError
from mcp.client.auth.utils import validate_authorization_response_iss
from pydantic import BaseModel, ValidationError

from assistant.toolbox.limits import Limits
from assistant.toolbox.oauth import (
    Challenge,
    Flow,
    PersonNeededError,
    Record,
    is_final,
    is_same_issuer,
    reason,
)
from assistant.toolbox.server import Server
from assistant.toolbox.wire import HTTP, FilledInError, HttpAnswer
from serving.access import CLIENT_PATH
from serving.errors import CodedError
from serving.kept import Kept
from serving.logs import printable
from serving.redaction import redacted, remember

FAILURES = (CodedError, OAuthFlowError, ValueError, httpx2.HTTPError, httpx2.InvalidURL)
MAX_SAID = 300  # characters of an authorization server's reason that are shown
RENEWING_SECONDS = 30.0  # for which a process that renews a token is waited for, should it hang
LOOK_SECONDS = 0.05  # between two looks whether it has
PENDING_SECONDS = 600.0  # that a person has to sign in
NEW_TOKENS = 2  # that are tried for a request: the first may be another's, and over by then


class Pending(BaseModel):
    """A sign-in under way: all that it takes to go on, in whichever process the browser comes back to."""

    server: str
    key: str
    browser: str
    redirect: str
    scope: str | None
    verifier: str
    record: Record


class SignIns:
    """The sign-ins of a toolbox, kept in a file of the folder; without one they last as long as it does.

    `public_url` is where browsers reach the page, if that is not this machine.
    """

    def __init__(self, folder: Path | None = None, public_url: str = "") -> None:
        self.kept = Kept(folder / "sign-ins" if folder else None)
        self.public_url = public_url.rstrip("/")

    @property
    def document(self) -> str | None:
        """The address of our client's metadata (a client id metadata document), where others can read it."""
        return f"{self.public_url}{CLIENT_PATH}" if self.public_url.startswith("https://") else None

    async def pending(self, state: str, browser: str) -> Pending:
        """Return a sign-in that this browser has begun, once. Raises CodedError: there is none."""
        text = await asyncio.to_thread(self.kept.take, _state_key(state))
        pending = None
        with suppress(ValidationError):
            pending = Pending.model_validate_json(text or "")
        if pending is None or pending.browser != browser:
            raise CodedError("sign_in_stale")
        return pending


class SignIn(httpx2.Auth):
    """One server's: the tokens of its requests.

    `on_need` is called when a person is needed, and told whether the connection's token is good no more.
    """

    def __init__(self, server: Server, limits: Limits, all: SignIns, on_need: Callable[[bool], None]) -> None:
        self._server, self._limits, self._all, self._on_need = server, limits, all, on_need
        assert server.oauth is not None
        self.is_machine = server.oauth.is_machine
        self.key = f"{server.oauth.id} {server.url}"
        self.lacks: str | None = None  # the scopes that a request wanted, until somebody signs in
        self.is_signed_in = False
        self._challenge = Challenge()
        self._is_offered: bool | None = None
        self._version: object = None  # of the file when it was read last ...
        self._text: str | None = None  # ... with this in it, which means:
        self._record = Record()
        self._renewing, self._beginning = asyncio.Lock(), asyncio.Lock()

    def record(self) -> Record:
        """Return what is kept, perhaps by another process."""
        version = self._all.kept.version()
        if version is not None and version == self._version:
            return self._record
        text, self._version = self._all.kept.get(self.key), version
        if text != self._text:
            self._text, self._record = text, Record.read(text)
            self.is_signed_in, self.lacks = self._record.tokens is not None, None
        return self._record

    async def _keep(self, record: Record) -> None:
        await asyncio.to_thread(self._all.kept.put, self.key, record.model_dump_json())
        self.record()

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Send a request with a token, and again with a new one where it is refused.

        Raises FilledInError: `sign_in_needed`, or why no token can be had.
        """
        token = await self._token()
        challenge = Challenge.of((yield _with(request, token)))
        for _ in range(NEW_TOKENS):
            if challenge is None or challenge.status != 401:
                break
            newer = await self._token(challenge, refused=token)
            if not newer or newer == token:
                break
            token = newer
            HTTP.set(HttpAnswer())
            challenge = Challenge.of((yield _with(request, token)))
        if challenge is None:
            if token and self._challenge.status == 401:
                self.lacks = None  # the token is good after all
            return
        self._challenge = challenge
        if await self._offers(challenge):
            self.lacks = challenge.scope
            self._on_need(challenge.status == 401)
            raise FilledInError("sign_in_needed", server=self._server.name, scope=challenge.scope)

    async def _token(self, challenge: Challenge | None = None, *, refused: str = "") -> str:
        """Return a token other than the refused one, renewed where that is possible; or nothing."""
        try:
            record = self.record()
            if token := _usable(record, refused):
                return token
            # A machine asks anew, whatever refresh token it was given beside (RFC 6749, 4.4.3).
            if not (challenge if self.is_machine else record.may_renew):
                return ""
            async with self._renewing, self._alone():
                record = self.record()
                if token := _usable(record, refused):  # another request was first
                    return token
                if self.is_machine and challenge:
                    await self._flow(Record()).run(challenge)
                elif record.may_renew:
                    await self._renew(record)
                else:
                    return ""
                tokens = self.record().tokens
                return tokens.access_token if tokens else ""  # however short it says to live
        except FAILURES as error:
            failure = self._failure(error)
            raise FilledInError(failure.code, **failure.params) from error

    @asynccontextmanager
    async def _alone(self, what: str = "renewing") -> AsyncIterator[None]:
        """Let one process ask for a token at a time: one that rotates is good once (RFC 9700, 4.14.2)."""
        hold = partial(self._all.kept.hold, f"{what} {self.key}")
        deadline = time.monotonic() + RENEWING_SECONDS
        while (release := hold()) is None and time.monotonic() < deadline:  # noqa: ASYNC110  another process
            await asyncio.sleep(LOOK_SECONDS)
        try:
            yield
        finally:
            if release:
                release()

    async def _renew(self, record: Record) -> None:
        answer = await self._flow(record).renew()
        if answer.is_success:
            return
        if not is_final(answer):
            raise OAuthFlowError(f"HTTP {answer.status_code}")
        if self.record().tokens == record.tokens:  # else another process has renewed it
            await self._keep(record.model_copy(update={"tokens": None}))

    async def _offers(self, challenge: Challenge) -> bool:
        """Whether there is anything to sign in to: a server may want a token that its owner gives by hand."""
        if self.is_machine or self._is_offered is False:
            return False
        if challenge.metadata_url or self._is_offered or challenge.status == 403:
            return True
        flow = self._flow(Record(), only_asks=True)
        try:
            await flow.run(challenge)
        except PersonNeededError:
            self._is_offered = flow.learnt.metadata is not None or flow.learnt.resource is not None
        except FAILURES:
            return flow.learnt.resource is not None  # and is asked again
        return bool(self._is_offered)

    async def begin(self, redirect: str, browser: str) -> str:
        """Return the URL at which a person signs in. Raises CodedError: there is none.

        One at a time, so that one client is registered for all who begin at once.
        """
        async with self._beginning, self._alone("beginning"):
            record = self.record()
            if record.tokens:  # for its scopes; the flow would renew it
                tokens = record.tokens.model_copy(update={"refresh_token": None})
                record = record.model_copy(update={"tokens": tokens})
            flow = self._flow(record, redirect=redirect, document=self._all.document)
            try:
                await flow.run(self._challenge)
            except PersonNeededError as asked:
                remember(asked.verifier)
                state = parse_qs(urlsplit(asked.url).query)["state"][-1]
                pending = Pending(
                    server=self._server.name,
                    key=self.key,
                    browser=browser,
                    redirect=redirect,
                    scope=flow.client.context.client_metadata.scope,
                    verifier=asked.verifier,
                    record=flow.learnt.model_copy(update={"tokens": None}),
                )
                told = (_state_key(state), pending.model_dump_json(), PENDING_SECONDS)
                await asyncio.to_thread(self._all.kept.put, *told)
                return asked.url
            except FAILURES as error:
                raise self._failure(error) from error
            raise CodedError("sign_in_unwanted", server=self._server.name)

    async def finish(self, pending: Pending, answer: Mapping[str, str]) -> None:
        """Take what the authorization server has answered. Raises CodedError: no token comes of it."""
        flow = self._flow(pending.record, redirect=pending.redirect, scope=pending.scope)
        try:
            metadata, named = pending.record.metadata, answer.get("iss")
            if metadata and is_same_issuer(named, str(metadata.issuer)):
                named = str(metadata.issuer)
            validate_authorization_response_iss(named, metadata)
            if not (code := answer.get("code")):
                said = ": ".join(filter(None, (answer.get("error"), answer.get("error_description"))))
                raise CodedError("sign_in_refused", server=self._server.name, said=_shown(said or "-"))
            remember(code)
            async with self._renewing, self._alone():  # else a token of fewer scopes might come after it
                await flow.redeem(code, pending.verifier)
        except FAILURES as error:
            raise self._failure(error) from error

    async def forget(self) -> Record:
        """Forget the tokens, and return what was known."""
        async with self._renewing, self._alone():  # else tokens that are being renewed would come back
            record = self.record()
            await self._keep(record.model_copy(update={"tokens": None}))
        return record

    async def revoke(self, record: Record) -> None:
        """Have its tokens revoked, where that is offered."""
        with suppress(*FAILURES):
            await self._flow(record).revoke()

    def _flow(self, record: Record, **more: Any) -> Flow:
        return Flow(self._server, self._limits, record, self._keep, **more)

    def _failure(self, error: BaseException) -> CodedError:
        where = {"server": self._server.name, "address": self._server.address}
        match error:
            case CodedError():
                return CodedError(error.code, **{**where, **error.params})
            case OAuthRegistrationError():
                return CodedError("sign_in_unregistered", **where, said=_shown(reason(error)))
            case OAuthFlowError() | ValueError():
                return CodedError("sign_in_failed", **where, said=_shown(reason(error)))
        return CodedError("sign_in_unreachable", **where)


def _with(request: httpx2.Request, token: str) -> httpx2.Request:
    if token:
        request.headers["Authorization"] = f"Bearer {token}"
    return request


def _usable(record: Record, refused: str) -> str:
    """Return the access token, if it is good by all that is known."""
    is_over = record.expires_at is not None and record.expires_at < time.time()
    token = record.tokens.access_token if record.tokens and not is_over else ""
    return token if token != refused else ""


def _state_key(state: str) -> str:
    return hashlib.sha256(state.encode(errors="replace")).hexdigest()


def _shown(said: str) -> str:
    return printable(redacted(said))[:MAX_SAID]

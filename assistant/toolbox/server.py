"""One server of `mcp.json`: how it is reached, what of it is offered, what identifies it, who allowed it."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from assistant.toolbox.entry_secrets import shown
from serving.addresses import is_loopback
from serving.errors import CodedError

Transport = Literal["streamable-http", "sse", "stdio"]

# A tool's name with its server's, as clients write it; Claude Code's without the tool means all.
QUALIFIED = [
    "mcp__{0}__{1}",
    "mcp__{0}",
    "mcp_{0}_{1}",
    *(f"{{0}}{mark}{{1}}" for mark in ("__", "_", *"/.:")),
]


class ConfigError(CodedError):
    """The file, or one of its entries, is wrong; the sentence of its code says what to change."""


@dataclass(frozen=True)
class OAuthClient:
    """What an entry says of signing in; without an id, one is got from the authorization server."""

    id: str = ""
    secret: str = field(default="", repr=False)
    scope: str = ""
    issuer: str = ""
    is_machine: bool = False  # signs in by itself, with id and secret (client credentials)


@dataclass(frozen=True)
class Server:
    """One entry of `mcp.json`; with an `error` it is disabled, and its other fields mean nothing."""

    name: str
    transport: Transport = "streamable-http"
    url: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    oauth: OAuthClient | None = OAuthClient()  # None: nobody signs in to it
    command: str = ""
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    variables: tuple[str, ...] = ()  # of this machine, by name, which leave it for the address
    timeout: float | None = None  # seconds for a call, where the entry gives them
    only_tools: tuple[str, ...] = ("*",)  # patterns of the names to offer ...
    not_tools: tuple[str, ...] = ()  # ... and of those among them not to
    notes: tuple[CodedError, ...] = ()  # what of the entry was read in its own way, or not at all
    error: ConfigError | None = None

    def offers(self, tool: str) -> bool:
        """Whether the entry lets a tool be offered."""
        is_meant = partial(self.is_meant, tool)
        return any(map(is_meant, self.only_tools)) and not any(map(is_meant, self.not_tools))

    def is_meant(self, tool: str, pattern: str) -> bool:
        """Whether a pattern means a tool, by its name or with the server's in front as other clients do."""
        names = {self.name, re.sub(r"[^\w-]", "_", self.name)}
        forms = [form.format(name, tool) for name in names for form in QUALIFIED]
        # A pattern such as "s*" is one of tools' names alone.
        is_qualified = re.search(r"__|[/.:]|^mcp_", pattern) is not None
        return fnmatchcase(tool, pattern) or any(
            fnmatchcase(form, pattern) if is_qualified else form == pattern for form in forms
        )

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides what a command does (arguments may name files in the folder).

        Of an address: which variables go to which host, so that a new token is no new question.
        """
        if self.transport != "stdio":
            return _hash([self.origin, self.variables])
        env = {name: _hash(value) for name, value in self.env.items()}
        return _hash([self.command, self.args, env, os.path.abspath(self.cwd or ".")])

    @property
    def mark(self) -> str:
        """So much of the fingerprint as a person types."""
        return self.fingerprint[:6]

    @property
    def identity(self) -> str:
        """A hash of where the server is, for its tools' fingerprints; a new token does not change it."""
        where = [self.command, self.args, sorted(self.env), self.cwd] if self.command else [self.url]
        return _hash([self.transport, where])

    @property
    def address(self) -> str:
        """Where the server is, without what may be secret: user, password, query, arguments."""
        return shown(self.command if self.transport == "stdio" else self.url)

    @property
    def can_sign_in(self) -> bool:
        """Whether OAuth is for it: an entry's own Authorization header, or password, is all that is sent."""
        is_given = (
            any(name.lower() == "authorization" for name in self.headers) or "@" in urlsplit(self.url).netloc
        )
        return self.transport != "stdio" and self.oauth is not None and not is_given

    @property
    def is_local(self) -> bool:
        """Whether it is reached over this machine's own network."""
        return self.transport != "stdio" and is_loopback(self.host)

    @property
    def needs_consent(self) -> bool:
        """Whether somebody has to allow it: a command, or an address that is sent variables."""
        return self.transport == "stdio" or bool(self.variables)

    @property
    def origin(self) -> str:
        """The scheme, host and port in the URL."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def host(self) -> str:
        """The host name or address in the URL; empty for a command."""
        return urlsplit(self.url).hostname or ""


class Trust:
    """Entries that may be used, each known by its entry's fingerprint: another entry is another question.

    Kept as a file each in a folder, so that processes which allow entries at once do not undo one another;
    without a folder for this process only. `everything` allows all.
    """

    def __init__(self, folder: Path | None = None, *, everything: bool = False) -> None:
        self._folder = folder
        self._everything = everything
        self._allowed: set[str] = set()

    def covers(self, server: Server) -> bool:
        """Whether the server may be connected to: it asks for nothing, or is allowed."""
        if not server.needs_consent or self._everything or server.fingerprint in self._allowed:
            return True
        return self._folder is not None and (self._folder / server.fingerprint).is_file()

    def allow(self, server: Server) -> None:
        """Remember that this very entry may be used. Raises OSError: the folder cannot be written."""
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._folder / server.fingerprint).touch(mode=0o600)
        self._allowed.add(server.fingerprint)


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

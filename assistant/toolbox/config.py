"""`mcp.json` in every dialect: which MCP servers there are, and how each is reached."""

import asyncio
import hashlib
import ipaddress
import json
import logging
import os
import re
import socket
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import httpx2

from assistant.toolbox.entry_secrets import remember_secrets, shown
from assistant.toolbox.sentences import sentence_of
from serving.addresses import is_loopback
from serving.errors import CodedError
from serving.redaction import is_secret_name, remember

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0  # between two looks at the file

Transport = Literal["streamable-http", "sse", "stdio"]

# What Cursor, VS Code, Claude, Cherry Studio, Cline and the tutorials write for each transport.
TYPES: dict[str, Transport] = {
    **dict.fromkeys(("http", "streamable-http", "streamablehttp", "streamable_http"), "streamable-http"),
    "sse": "sse",
    "stdio": "stdio",
}
# What others call the tools to offer and those not to, what they take for consent, what says nothing here.
ONLY_TOOLS = ("enabledTools", "includeTools", "allowedTools", "tools")
NOT_TOOLS = ("disabledTools", "excludeTools", "excludedTools", "blockedTools", "deniedTools")
CONSENT = ("alwaysAllow", "autoApprove", "trust")
OFF, ON = ("false", "off", "no", "0"), ("true", "on", "yes", "1")
SWITCHES = {
    "disabled": ON,
    "disable": ON,
    **dict.fromkeys(("enabled", "enable", "active", "isActive"), OFF),
}  # each with the words that switch off
# A tool's name with its server's, as clients write it; Claude Code's without the tool means all.
QUALIFIED = [
    "mcp__{0}__{1}",
    "mcp__{0}",
    "mcp_{0}_{1}",
    *(f"{{0}}{mark}{{1}}" for mark in ("__", "_", *"/.:")),
]
BY_URL, BY_COMMAND = {"headers", "allowInsecure"}, {"command", "args", "env", "cwd"}
SILENT = ("name", "description", "$schema")
MAX_TIMEOUT = 3600.0  # seconds for a call; a larger number was meant in milliseconds

URL_KEYS = ("url", "baseUrl", "serverUrl", "httpUrl")  # the last three: Cherry Studio, Windsurf, Gemini CLI
REACH = {*URL_KEYS, *BY_URL, *BY_COMMAND}
KNOWN = (*REACH, *ONLY_TOOLS, *NOT_TOOLS, *CONSENT, *SWITCHES, *SILENT, "type", "transport", "timeout")


class ConfigError(CodedError):
    """The file, or one of its entries, is wrong; the sentence of its code says what to change."""


@dataclass(frozen=True)
class Server:
    """One entry of `mcp.json`; with an `error` it is disabled, and its other fields mean nothing."""

    name: str
    transport: Transport = "streamable-http"
    url: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: str = ""
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
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
        """A hash of all that decides what a command does; arguments may name files in the folder."""
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
    def is_local(self) -> bool:
        """Whether it is reached over this machine's own network."""
        return self.transport != "stdio" and is_loopback(self.host)

    @property
    def host(self) -> str:
        """The host name or address in the URL; empty for a command."""
        return urlsplit(self.url).hostname or ""


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_config(path: Path, environment: Mapping[str, str | None] = os.environ) -> list[Server]:
    """Read a config file: root `mcpServers` or `servers`, comments and trailing commas allowed.

    Raises ConfigError: the file is missing, is not a JSON object, or names no servers.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        root = json.loads(_strict_json(text))
        # JSON can hold lone surrogates, which nothing can send: they become "?".
        root = json.loads(json.dumps(root, ensure_ascii=False).encode(errors="replace"))
    except OSError as error:
        raise ConfigError("file_unreadable", path=str(path), reason=error.strerror) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError("file_not_json", path=str(path), reason=str(error)) from error
    entries = None
    if isinstance(root, dict):
        entries = root.get("mcpServers", root.get("servers"))
    if not isinstance(entries, dict):
        raise ConfigError("file_without_servers", path=str(path))
    return [_server(name, entry, environment) for name, entry in entries.items()]


async def watch_config(
    path: Path, environment: Callable[[], Mapping[str, str | None]], poll_seconds: float = POLL_SECONDS
) -> AsyncGenerator[list[Server]]:
    """Yield what the file says each time it is edited; a broken edit is logged and passed over."""
    before = _stamp(path)
    while True:
        await asyncio.sleep(poll_seconds)
        now = _stamp(path)
        if now == before:
            continue
        before = now
        try:
            yield read_config(path, environment())
        except ConfigError as error:
            log.warning("%s；仍使用之前的配置", sentence_of(error.code, error.params))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None  # editors replace a file by another: for a moment there is none
    return status.st_mtime_ns, status.st_size


def _strict_json(text: str) -> str:
    """Drop comments and trailing commas outside strings, as VS Code's own files have them."""
    token = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
    without = token.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)
    comma = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])', re.DOTALL)
    return comma.sub(lambda found: found[0] if found[0].startswith('"') else "", without)


def _server(name: str, entry: Any, environment: Mapping[str, str | None]) -> Server:
    if not isinstance(entry, dict):
        return Server(name, error=ConfigError("entry_not_object"))
    entry = {_SPELT.get(_folded(key), key): value for key, value in entry.items()}
    if _is_off(entry):
        return Server(name, error=ConfigError("switched_off"))
    try:
        entry = cast("dict[str, Any]", _expand(entry, environment))
        return _with_options(_parse(name, entry), entry)
    except ConfigError as error:
        return Server(name, error=error)


def _folded(key: str) -> str:
    return re.sub(r"[\W_]", "", key).lower()


_SPELT = {_folded(key): key for key in KNOWN}  # disabled_tools, Disabled-Tools: each is the same key


def _is_off(value: Any) -> bool:
    """Whether a word, or a switch in an object, says no."""
    if isinstance(value, dict):
        return any(str(value.get(key)).strip().lower() in words for key, words in SWITCHES.items())
    return value is None or str(value).strip().lower() in OFF


def _with_options(server: Server, entry: dict[str, Any]) -> Server:
    """Return the server with what its entry says beyond its address, and notes on how that was read."""
    inner = entry.get("tools")
    if isinstance(inner, dict) and any(isinstance(each, list) for each in inner.values()):
        entry = {**entry, "tools": None, **{f"{key}Tools": names for key, names in inner.items()}}
    notes = []
    odd = [key for key in SWITCHES if str(entry.get(key, "no")).strip().lower() not in (*ON, *OFF)]
    if (timeout := entry.get("timeout")) is not None:
        timeout = _seconds(timeout)
        notes.append(CodedError("timeout_read", seconds=timeout) if timeout else CodedError("timeout_odd"))
    only, without = _names(entry, ONLY_TOOLS, odd), _names(entry, NOT_TOOLS, odd)
    without += _names({"tools": inner}, ["tools"], [], meant=False)
    if only or without:
        notes.append(CodedError("tools_chosen", only=only or ["*"], without=without))
    for key in filter(entry.get, CONSENT):
        notes.append(CodedError("no_consent", key=key, tools=_names(entry, [key], []) or ["*"]))  # noqa: PERF401
    unused = REACH - ({_url_key(entry), *BY_URL} if server.url else BY_COMMAND)
    for code, keys in (
        ("keys_odd", odd),
        ("keys_unused", filter(entry.get, entry.keys() & unused)),
        ("keys_unknown", entry.keys() - set(KNOWN)),
    ):
        if named := sorted(set(keys)):
            notes.append(CodedError(code, keys=named))
    server = replace(server, timeout=timeout, notes=tuple(notes))
    return replace(server, only_tools=tuple(only) or ("*",), not_tools=tuple(without))


def _names(entry: dict[str, Any], keys: Iterable[str], odd: list[str], *, meant: bool = True) -> list[str]:
    """Return the names of tools under the keys: a list, a text, or an object with a truth for each.

    Keys under which something else stands go to `odd`. With `meant` False: the names that are switched off.
    """
    found: list[str] = []
    for key in keys:
        value = entry.get(key)
        if isinstance(value, dict):
            value = [{"name": name, "enabled": is_meant} for name, is_meant in value.items()]
        elif isinstance(value, str):
            value = [name for name in value.split(",") if name.strip().lower() not in (*ON, *OFF)]
        for each in value if isinstance(value, list) else [value] if value is not None else []:
            match each:
                case {"name": str(name), **more}:
                    off = _is_off(more) or _is_off(more.get("enabled", True))
                    found += [name.strip()] if off != meant else []
                case str():
                    found += [each.strip()] if meant else []
                case _:
                    odd.append(key)
    return found


def _seconds(value: Any) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    seconds = seconds / 1000 if seconds > MAX_TIMEOUT else seconds
    return min(seconds, MAX_TIMEOUT) if seconds > 0 and not isinstance(value, bool) else None


def _parse(name: str, entry: dict[str, Any]) -> Server:
    transport = _transport(entry)
    is_command = transport == "stdio"
    where = _text(entry, "command" if is_command else _url_key(entry)).strip()
    given = entry.get("args") or []
    args = tuple(_word(each, "args") for each in given) if isinstance(given, list) else ()
    env, headers = _texts(entry, "env"), _texts(entry, "headers")
    remember_secrets(where, args, env, headers)
    if not is_command:
        _refuse_bad_url(where, plain_http=str(entry.get("allowInsecure")).lower() in ON)
        return Server(name, transport, url=where, headers=headers)
    if not isinstance(given, list):
        raise ConfigError("not_array", key="args")
    cwd = _text(entry, "cwd") if entry.get("cwd") else None
    return Server(name, transport, command=where, args=args, env=env, cwd=cwd)


def _transport(entry: dict[str, Any]) -> Transport:
    given = entry.get("type", entry.get("transport"))
    if given is not None:
        try:
            return TYPES[str(given).lower()]
        except KeyError:
            raise ConfigError("unknown_type", type=shown(str(given))[:40]) from None
    if "command" in entry:
        return "stdio"
    path = re.split(r"[?#]", str(entry.get(_url_key(entry), "")))[0]
    return "sse" if path.rstrip("/").endswith("/sse") else "streamable-http"


def _url_key(entry: dict[str, Any]) -> str:
    return next((key for key in URL_KEYS if key in entry), "url")


def _text(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ConfigError("address_missing") if key in URL_KEYS else ConfigError("text_missing", key=key)
    return value


def _word(value: Any, key: str) -> str:
    """Return a text as it is, and a number or a truth as JSON writes it."""
    if not isinstance(value, str | int | float):
        raise ConfigError("text_missing", key=key)
    return value if isinstance(value, str) else json.dumps(value)


def _texts(entry: dict[str, Any], key: str) -> dict[str, str]:
    value = entry.get(key) or {}
    if not isinstance(value, dict):
        raise ConfigError("not_object", key=key)
    texts = {name: _word(text, f"{key}.{name}") for name, text in value.items()}
    for name, text in texts.items():
        if "\0" in text or (key == "headers" and not (text.isascii() and text.isprintable())):
            raise ConfigError("not_sendable", key=key, name=name)
    return texts


def _refuse_bad_url(url: str, *, plain_http: bool) -> None:
    """Reject a malformed URL, plain http to another machine, and the addresses of clouds' credentials.

    The error never quotes the URL, which may hold a password.
    """
    try:
        httpx2.URL(url)
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except (ValueError, httpx2.InvalidURL):
        raise ConfigError("url_malformed") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError("url_scheme")
    if _is_link_local(host):
        raise ConfigError("url_link_local", host=host)
    if parts.scheme == "http" and not plain_http and not is_loopback(host):
        raise ConfigError("url_plain_http")


def _is_link_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:  # the other spellings that a resolver takes: 2852039166, 0xa9fea9fe
            address = ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return False
    return (getattr(address, "ipv4_mapped", None) or address).is_link_local


def _expand(value: Any, environment: Mapping[str, str | None]) -> Any:
    """Fill in `${env:X}`, `${X}` and `${X:-default}` in every text of an entry."""
    if isinstance(value, dict):
        return {key: _expand(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, environment) for item in value]
    if not isinstance(value, str):
        return value

    def fill(found: re.Match[str]) -> str:
        name, default = found[1], found[2]
        filled = environment.get(name) or default
        if filled is None:
            raise ConfigError("variable_not_set", name=name)
        filled = filled.encode(errors="replace").decode()  # one that is not UTF-8 holds lone surrogates
        if is_secret_name(name):
            remember(filled)
        return filled

    if "${input:" in value:
        raise ConfigError("variable_asks")
    return re.sub(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}", fill, value)

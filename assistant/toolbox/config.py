"""What `mcp.json` says: which MCP servers there are and how to reach each, in every dialect."""

import asyncio
import ipaddress
import json
import logging
import os
import re
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit, urlunsplit

import httpx2

from serving.addresses import is_loopback

log = logging.getLogger(__name__)

SWITCHED_OFF = "在配置里被停用"
POLL_INTERVAL = 1.0  # seconds between two looks at the file

Transport = Literal["streamable-http", "sse", "stdio"]

# What Cursor, VS Code, Claude, Cherry Studio, Cline and the tutorials write for each transport.
TYPES: dict[str, Transport] = {
    "http": "streamable-http",
    "streamable-http": "streamable-http",
    "streamablehttp": "streamable-http",
    "streamable_http": "streamable-http",
    "sse": "sse",
    "stdio": "stdio",
}
URL_KEYS = ("url", "baseUrl", "serverUrl", "httpUrl")  # ... Cherry Studio, Windsurf, Gemini CLI


class ConfigError(Exception):
    """The file, or one of its entries, is wrong; the message says what to change."""


@dataclass(frozen=True)
class Server:
    """One entry of `mcp.json`; `error` says why it is disabled, and then nothing else of it counts."""

    name: str
    transport: Transport = "streamable-http"
    url: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: str = ""
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    error: str | None = None

    @property
    def address(self) -> str:
        """Where the server is, without what may be secret: user, password, query, arguments."""
        if self.transport == "stdio":
            return self.command
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    @property
    def host(self) -> str:
        """The host name or address in the URL; empty for a command."""
        return urlsplit(self.url).hostname or ""


def read(path: Path, environment: Mapping[str, str | None] = os.environ) -> list[Server]:
    """Read a config file: root `mcpServers` or `servers`, comments and trailing commas allowed.

    Raises:
        ConfigError: The file is missing, is no JSON object, or names no servers.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        root = json.loads(_plain_json(text))
    except OSError as error:
        raise ConfigError(f"读不到 {path}：{error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} 不是合法的 JSON：{error}") from error
    entries = None
    if isinstance(root, dict):
        entries = root.get("mcpServers", root.get("servers"))
    if not isinstance(entries, dict):
        raise ConfigError(f'{path} 里没有 "mcpServers"')
    return [_server(name, entry, environment) for name, entry in entries.items()]


async def changes(
    path: Path, environment: Callable[[], Mapping[str, str | None]]
) -> AsyncGenerator[list[Server]]:
    """Yield what the file says each time it is edited; a broken edit is logged and passed over."""
    before = _stamp(path)
    while True:
        await asyncio.sleep(POLL_INTERVAL)
        now = _stamp(path)
        if now == before:
            continue
        before = now
        try:
            yield read(path, environment())
        except ConfigError as error:
            log.warning("%s；仍使用之前的配置", error)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None  # editors replace a file by another: for a moment there is none
    return status.st_mtime_ns, status.st_size


def _plain_json(text: str) -> str:
    """Drop comments and trailing commas outside strings, as VS Code's own files have them."""
    token = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
    without = token.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)
    comma = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])', re.DOTALL)
    return comma.sub(lambda found: found[0] if found[0].startswith('"') else "", without)


def _server(name: str, entry: Any, environment: Mapping[str, str | None]) -> Server:
    if not isinstance(entry, dict):
        return Server(name, error="应当是一个对象")
    if entry.get("disabled") is True or any(entry.get(key) is False for key in ("enabled", "isActive")):
        return Server(name, error=SWITCHED_OFF)
    try:
        return _parse(name, cast("dict[str, Any]", _expand(entry, environment)))
    except ConfigError as error:
        return Server(name, error=str(error))


def _parse(name: str, entry: dict[str, Any]) -> Server:
    transport = _transport(entry)
    if transport == "stdio":
        args = entry.get("args") or []
        if not isinstance(args, list):
            raise ConfigError('"args" 应当是一个数组')
        return Server(
            name,
            transport,
            command=_text(entry, "command"),
            args=tuple(str(arg) for arg in args),
            env=_texts(entry, "env"),
            cwd=_text(entry, "cwd") if entry.get("cwd") else None,
        )
    url = _text(entry, _url_key(entry)).strip()
    _refuse_bad_url(url, plain_http=entry.get("allowInsecure") is True)
    return Server(name, transport, url=url, headers=_texts(entry, "headers"))


def _transport(entry: dict[str, Any]) -> Transport:
    given = entry.get("type", entry.get("transport"))
    if given is not None:
        try:
            return TYPES[str(given).lower()]
        except KeyError:
            raise ConfigError(f'不认识的 type "{given}"，可用：http、sse、stdio') from None
    if "command" in entry:
        return "stdio"
    path = re.split(r"[?#]", str(entry.get(_url_key(entry), "")))[0]
    return "sse" if path.rstrip("/").endswith("/sse") else "streamable-http"


def _url_key(entry: dict[str, Any]) -> str:
    return next((key for key in URL_KEYS if key in entry), "url")


def _text(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        wanted = '"url" 或 "command"' if key in URL_KEYS else f'"{key}"'
        raise ConfigError(f"缺少 {wanted}，或它不是文字")
    return value


def _texts(entry: dict[str, Any], key: str) -> dict[str, str]:
    value = entry.get(key) or {}
    if not isinstance(value, dict):
        raise ConfigError(f'"{key}" 应当是一个对象')
    texts = {str(k): str(v) for k, v in value.items()}
    for name, text in texts.items():
        if "\0" in text or (key == "headers" and not (text.isascii() and text.isprintable())):
            raise ConfigError(f'"{key}" 里的 {name} 含有不能发送的字符')
    return texts


def _refuse_bad_url(url: str, *, plain_http: bool) -> None:
    """Refuse what is no URL, plain http off this machine, and the addresses where clouds keep their secrets.

    The message never quotes the URL, which may hold a password.
    """
    try:
        httpx2.URL(url)
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except (ValueError, httpx2.InvalidURL):
        raise ConfigError("URL 写法不对，请检查主机名和端口") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError("URL 应当以 http:// 或 https:// 开头")
    if _is_link_local(host):
        raise ConfigError(f"{host} 是链路本地地址，不允许")
    if parts.scheme == "http" and not plain_http and not is_loopback(host):
        raise ConfigError('本机以外的地址要用 https，或写明 "allowInsecure": true')


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
            raise ConfigError(f"环境变量 {name} 没有设置")
        return filled

    if "${input:" in value:
        raise ConfigError("${input:…} 只有 VS Code 会问，请改用 ${env:变量名}")
    return re.sub(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}", fill, value)

"""What an entry of `mcp.json` means, in every dialect that people paste."""

import ipaddress
import json
import os
import re
import shlex
import shutil
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

import httpx2

from assistant.toolbox.entry_secrets import remember_secrets, shown
from assistant.toolbox.jsonc import with_texts
from assistant.toolbox.server import ConfigError, OAuthClient, Server, Transport
from serving.addresses import is_loopback
from serving.errors import CodedError
from serving.redaction import is_secret_name, remember

# What Cursor, VS Code, Claude, Cherry Studio, Cline, OpenCode and the tutorials write for each transport,
# folded.
TYPES: dict[str, Transport] = {
    **dict.fromkeys(("http", "streamablehttp", "httpstream", "streamable", "remote"), "streamable-http"),
    **{"sse": "sse", "stdio": "stdio", "local": "stdio"},
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
BY_URL, BY_COMMAND = {"headers", "allowInsecure", "oauth", "auth"}, {"command", "args", "env", "cwd"}
# What of an OAuth client is read, by its folded spellings.
OAUTH = {
    "clientid": "id",
    "clientsecret": "secret",
    **dict.fromkeys(("scope", "scopes"), "scope"),
    **dict.fromkeys(("issuer", "authorizationserver"), "issuer"),
    **dict.fromkeys(("granttype", "granttypes"), "grant"),
}
SILENT = ("name", "description", "$schema")
# Secrets of our own services, which no address is ever sent; MCP_TOKEN is made to be sent to main.py.
OWN_SECRETS = {"OPENAI_API_KEY", "WEB_PASSWORD", "WEB_SECRET", "API_TOKEN", "OWNER_TOKEN"}
OWN_SECRETS |= {"DATABASE_URL", "DATABASE_LISTEN_URL"}
VARIABLE = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-((?:(?!\$\{)[^}])*+))?\}")
SIMILAR = 0.75  # of 1, from which on a key is taken for another, misspelt
MAX_TIMEOUT = 3600.0  # seconds for a call; a larger number was meant in milliseconds

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~\w-]+", re.ASCII)  # a header's name (RFC 9110, 5.6.2)

URL_KEYS = ("url", "baseUrl", "serverUrl", "httpUrl")  # the last three: Cherry Studio, Windsurf, Gemini CLI
REACH = {*URL_KEYS, *BY_URL, *BY_COMMAND}
KNOWN = (*REACH, *ONLY_TOOLS, *NOT_TOOLS, *CONSENT, *SWITCHES, *SILENT, "type", "transport", "timeout")


def server_of(name: str, entry: Any, environment: Mapping[str, str | None]) -> Server:
    """Return the server that an entry describes, with an `error` if it describes none."""
    if not isinstance(entry, dict):
        return Server(name, error=ConfigError("entry_not_object"))
    entry = flat({_SPELT.get(_folded(str(key)), str(key)): value for key, value in entry.items()})
    if _is_off(entry):
        return Server(name, error=ConfigError("switched_off"))
    own = sorted(OWN_SECRETS & {each.upper() for each in variables(entry)})
    given = entry
    try:
        entry = {key: _expand(value, environment) if key in KNOWN else value for key, value in entry.items()}
        server = _with_options(_parse(name, entry), entry)
    except ConfigError as error:
        near = [_near(key) for key in entry.keys() - set(KNOWN) if "→" in _near(key)]
        note = (CodedError("keys_unknown", keys=sorted(near)),) if near else ()
        return Server(name, error=error, notes=note)
    if server.url:
        # What stays on this machine asks nobody; a sign-in may lead from here to another.
        leaves = ("oauth", "auth") if server.is_local else KNOWN
        names = variables({key: value for key, value in given.items() if key in leaves})
        server = replace(server, variables=tuple(sorted(filter(environment.get, names))))
    is_sent = server.url and own
    return Server(name, error=ConfigError("variable_own", name=own[0])) if is_sent else server


def flat(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry whose command and arguments stand beside each other, as most clients write it."""
    match entry.get("command"):
        case {"path": path, **more}:  # Zed's
            return {**entry, **{str(key): value for key, value in more.items()}, "command": path}
        case [first, *rest]:  # OpenCode's
            args = entry.get("args") or []
            return {**entry, "command": first, "args": [*rest, *args] if isinstance(args, list) else args}
    return dict(entry)


def is_command(entry: Any) -> bool:
    """Whether this entry names a command to start, whatever else it says."""
    return isinstance(entry, dict) and any(_SPELT.get(_folded(key)) == "command" for key in entry)


def is_entry(value: Any) -> bool:
    """Whether this says where a server is."""
    return isinstance(value, dict) and any(
        _SPELT.get(_folded(key)) in ("command", *URL_KEYS) for key in value
    )


def _folded(key: str) -> str:
    return re.sub(r"[\W_]", "", key).lower()


_SPELT = {_folded(key): key for key in KNOWN}  # disabled_tools, Disabled-Tools: each is the same key
# OpenCode's, Goose's twice, Codex's, Cline's, Warp's.
_SPELT |= {"environment": "env", "envs": "env", "cmd": "command", "uri": "url", "httpheaders": "headers"}
_SPELT |= {"transporttype": "transport", "workingdirectory": "cwd"}
WORDS = {*_SPELT, *OAUTH, *TYPES}  # what entries are made of, in lower case, without - and _


def known_key(key: str) -> str:
    """Return the key of ours that a key of an entry means; itself if it means none."""
    meant = _SPELT.get(_folded(key), key)
    return {**dict.fromkeys(URL_KEYS, "url"), "transport": "type"}.get(meant, meant)


def _near(key: str) -> str:
    """Return the key that a misspelt one may mean, with a mark; nothing if it is like none."""
    near = get_close_matches(_folded(key), _SPELT, 1, SIMILAR)
    return f"{key} → {_SPELT[near[0]]}?" if near else key


def switch(key: str) -> tuple[str, ...]:
    """Return the words by which this key of an entry switches it off; none if it is no switch."""
    return SWITCHES.get(_SPELT.get(_folded(key), ""), ())


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
    oauth = _oauth(entry, odd) if server.url else None
    unused = REACH - ({_url_key(entry), *BY_URL} if server.url else BY_COMMAND)
    unused = {key for key in unused if entry.get(key)}
    second = unused & ({"command"} if server.url else {*URL_KEYS})
    for code, keys in (
        ("keys_odd", odd),
        ("address_twice", second),
        ("keys_unused", unused - second),
        ("keys_unknown", map(_near, entry.keys() - set(KNOWN))),
    ):
        if named := sorted(set(keys)):
            notes.append(CodedError(code, keys=named))
    server = replace(server, timeout=timeout, notes=tuple(notes), oauth=oauth)
    return replace(server, only_tools=tuple(only) or ("*",), not_tools=tuple(without))


def _oauth(entry: dict[str, Any], odd: list[str]) -> OAuthClient | None:
    """Return how to sign in: `oauth` (Claude Code, VS Code, Gemini CLI) or `auth` (Cursor, FastMCP)."""
    key = "oauth" if "oauth" in entry else "auth"
    given = entry.get(key)
    if given is None or str(given).lower() in ("oauth", *ON):
        return OAuthClient()
    if _is_off(given) or not isinstance(given, dict):
        odd += [] if _is_off(given) else [key]
        return None
    said = {OAUTH.get(_folded(name)): value for name, value in given.items()}
    odd += [f"{key}.{name}" for name in given if _folded(name) not in OAUTH and name not in SWITCHES]
    lists = {name: value for name, value in said.items() if isinstance(value, list)}
    said |= {name: " ".join(map(str, value)) for name, value in lists.items()}
    texts = {
        name: _word(value, f"{key}.{name}") for name, value in said.items() if name and value is not None
    }
    remember(texts.get("secret", ""))
    is_machine = "client_credentials" in texts.pop("grant", "")
    if is_machine and not (texts.get("id") and texts.get("secret")):
        raise ConfigError("text_missing", key=f"{key}.clientId, {key}.clientSecret")
    return OAuthClient(**texts, is_machine=is_machine)


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
    args = (
        tuple(_word(each, f"args[{at}]") for at, each in enumerate(given)) if isinstance(given, list) else ()
    )
    env, headers = _texts(entry, "env"), _texts(entry, "headers")
    if is_command:
        where, *more = _words(os.path.expanduser(where))
        args = (*more, *args)
    remember_secrets(where, args, env, headers)
    if not is_command:
        refuse_bad_url(where, plain_http=str(entry.get("allowInsecure")).lower() in ON)
        return Server(name, transport, url=where, headers=headers)
    if not isinstance(given, list):
        raise ConfigError("not_array", key="args")
    cwd = os.path.expanduser(_text(entry, "cwd")) if entry.get("cwd") else None
    return Server(name, transport, command=where, args=args, env=env, cwd=cwd)


def _words(command: str) -> list[str]:
    """Return a command and its arguments, which some write as one text; a path may hold blanks, too."""
    is_windows = os.name == "nt"
    if len(command.split()) == 1 or os.path.exists(command) or shutil.which(command):
        return [command]
    try:
        first, *rest = shlex.split(command, posix=not is_windows)
    except ValueError:
        raise ConfigError("command_line") from None
    if re.search(r"[/\\]", first) and not os.path.exists(first.strip("\"'")):
        return [command]  # a path that is not there
    return [word.strip("\"'") if is_windows else word for word in (first, *rest)]


def _transport(entry: dict[str, Any]) -> Transport:
    given = next((entry[key] for key in ("type", "transport") if entry.get(key) not in (None, "")), None)
    if given is not None:
        try:
            return TYPES[_folded(str(given))]
        except KeyError:
            raise ConfigError("unknown_type", type=shown(str(given))[:40]) from None
    if entry.get("command"):  # some write all keys, and leave those empty that say nothing
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
        if key == "headers":
            is_sendable = _TOKEN.fullmatch(name) and text.isascii() and text.isprintable()
        else:
            is_sendable = name and "=" not in name and "\0" not in name + text
        if not is_sendable:
            raise ConfigError("not_sendable", key=key, name=name)
    return texts


def refuse_bad_url(url: str, *, plain_http: bool) -> None:
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
    with suppress(OSError):  # of IPv4 every spelling that a resolver takes: 2852039166, 0xa9fea9fe
        return ipaddress.IPv4Address(socket.inet_aton(host)).is_link_local
    with suppress(ValueError):
        address = ipaddress.IPv6Address(host)
        return (address.ipv4_mapped or address).is_link_local
    return False


def variables(value: Any) -> set[str]:
    """Return the names of the variables in all texts of an entry."""
    return {found[1] for found in VARIABLE.finditer(json.dumps(value, ensure_ascii=False))}


def _expand(value: Any, environment: Mapping[str, str | None]) -> Any:
    """Fill in `${env:X}`, `${X}` and `${X:-default}` in every text of an entry."""

    def fill(found: re.Match[str]) -> str:
        name, default = found[1], found[2]
        filled = environment.get(name) or default
        if filled is None:
            raise ConfigError("variable_not_set", name=name)
        filled = filled.encode(errors="replace").decode()  # one that is not UTF-8 holds lone surrogates
        if is_secret_name(name):
            remember(filled)
        return filled

    def expanded(text: str) -> str:
        if "${input:" in text:
            raise ConfigError("variable_asks")
        return VARIABLE.sub(fill, text)

    return with_texts(value, expanded)

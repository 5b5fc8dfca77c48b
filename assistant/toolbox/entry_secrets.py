"""What is secret in an entry of `mcp.json`: remembered, so that no text shows it; addresses without it."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from serving.addresses import is_loopback
from serving.redaction import is_secret_name, redacted, remember

LONG = 16  # characters of a header's value that is taken for a secret whatever its name

# User and password before an @, however the address around them is misspelt; encoded, too.
_USER = re.compile(r"(?:[/\\=]|^)[^\s/\\@:=]*(?::|%3a)\S+(?:@|%40)", re.IGNORECASE)
_COLON = re.compile(":|%3a", re.IGNORECASE)
_TOKEN = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[\w~.-]{24,}")  # a long random segment of a path


def remember_secrets(entry: dict[str, Any]) -> None:
    """Remember what is secret in an entry, its variables filled in."""
    for key, value in _texts(entry):
        if _is_well_formed(value):
            remember(unquote(urlsplit(value).password or ""))
        else:
            remember(
                *(re.split(":|%3a", each[:-1], flags=re.IGNORECASE)[-1] for each in _USER.findall(value))
            )
        if is_secret_name(key):
            remember(value)
    headers, args = entry.get("headers"), entry.get("args")
    if isinstance(headers, dict):
        remember(*(str(value) for value in headers.values() if len(str(value)) >= LONG))
    for before, after in _pairs(args if isinstance(args, list) else []):
        if is_secret_name(before):
            remember(after)


def shown(address: str) -> str:
    """Return an address without user, password, query and long tokens in its path, whatever its spelling."""
    if _is_well_formed(address):
        parts = urlsplit(address)
        whole = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    else:
        whole = re.split(r"[?#]", _USER.sub("***@", address))[0]
    return redacted(_TOKEN.sub("***", whole))


def _is_well_formed(url: str) -> bool:
    """Whether an @ after the authority of a URL is surely none before which a password stands."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    is_host = is_loopback(host) or ("." in host and "%" not in host)
    return parts.scheme in ("http", "https") and is_host


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
        for name, part in parse_qsl(urlsplit(value).query) if "?" in value and "[" not in value else ():
            yield name, part
    elif isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else [(key, item) for item in value]:
            yield from _texts(item, str(name))


def _pairs(args: list[Any]) -> Iterator[tuple[str, str]]:
    """Yield options with their values: `--token=x`, `--token x`."""
    for option, value in pairwise([*map(str, args), ""]):
        name, equals, given = option.partition("=")
        if option.startswith("-"):
            yield name, given if equals else value

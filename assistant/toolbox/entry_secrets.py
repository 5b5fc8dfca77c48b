"""What is secret in an entry of `mcp.json`: remembered, so that no text shows it; addresses without it."""

import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from serving.addresses import is_loopback
from serving.redaction import is_secret_name, redacted, remember

LONG = 16  # characters of a header's value that is taken for a secret whatever its name

# User and password before an @, however the address around them is misspelt; encoded, too.
_USER = re.compile(r"(?:[/\\=]|^)[^\s/\\@:=]*(?::|%3a)\S+(?:@|%40)", re.IGNORECASE)
_COLON = re.compile(":|%3a", re.IGNORECASE)
_OPTION = re.compile(r"(?:^| )-+([\w-]+)[= ](\S+)")
_TOKEN = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[\w~.-]{24,}")  # a long random segment of a path


def remember_secrets(address: str, args: tuple[str, ...], named: dict[str, str], headers: Any) -> None:
    """Remember what is secret in an address or command, its arguments, variables and headers."""
    for text in (address, *args):
        if _is_well_formed(text):
            remember(unquote(urlsplit(text).password or ""))
        else:
            remember(*(_COLON.split(each.rstrip("@"))[-1] for each in _USER.findall(text)))
    query = parse_qsl(address.partition("?")[2])
    for name, value in [*query, *_OPTION.findall(" ".join(args)), *named.items(), *headers.items()]:
        if is_secret_name(name) or (name in headers and len(value) >= LONG):
            remember(value)


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

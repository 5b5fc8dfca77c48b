"""What is secret in an entry of `mcp.json`: remembered, so that no text shows it; addresses without it."""

import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from serving.addresses import is_loopback
from serving.redaction import LEAST, is_secret_name, redacted, remember

LONG = 16  # characters of a header's value that is taken for a secret whatever its name

# User and password before an @, however the address around them is misspelt; encoded, too.
_USER = re.compile(r"(?:[/\\=]|^)([^\s/\\@:=]*(?::|%3a)\S{1,1000})(?:@|%40)", re.IGNORECASE)
_COLON = re.compile(":|%3a", re.IGNORECASE)
_OPTION = re.compile(r"(?:^| )-{1,2}(\w[\w-]*)[= ](\S+)")
_NAMED = re.compile(r"-{0,2}(\w[\w-]*)(?:=|: ?)(.+)", re.DOTALL)  # an argument that brings its name along
_TOKEN = re.compile(
    r"(?<![\w~.-])(?=[^/]{0,200}\d)(?=[^/]{0,200}[A-Za-z])[\w~.-]{24,}"
)  # a long random segment of a path
_SEGMENT = re.compile(rf"(?<=/){_TOKEN.pattern}(?=[/?#]|$)")
_PARAMETER = re.compile(r"[?&]([^=&#\s]{1,200})=([^&#\s]+)")
# What only names where the secret is kept.
_REFERENCE = re.compile(r"(?:(?:bearer|basic|token) )?(?:\$\{[^}]*\})?", re.IGNORECASE)
# The members that hold named texts of which any may be secret, by their folded names.
TELLING = ("headers", "env", "environment", "envs", "httpheaders")


def remember_secrets(address: str, args: tuple[str, ...], named: dict[str, str], headers: Any) -> None:
    """Remember what is secret in an address or command, its arguments, variables and headers."""
    for text in (address, *args):
        if _is_well_formed(text):
            remember(unquote(urlsplit(text).password or ""))
        else:
            remember(*(_COLON.split(each)[-1] for each in _USER.findall(text)))
    pairs = parse_qsl(address.partition("?")[2]) + _OPTION.findall(" ".join(args))
    pairs += [found.groups() for found in map(_NAMED.fullmatch, args) if found]
    for name, value in [*pairs, *named.items(), *headers.items()]:
        if is_secret_name(name) or (name in headers and len(value) >= LONG):
            remember(value)


def secret_parts(place: tuple[str, ...], text: str, before: str = "") -> list[tuple[int, int]]:
    """Return where in a text of an entry secrets stand, by the keys that lead to it and what it follows."""
    if _REFERENCE.fullmatch(text):
        return []
    *around, name = place
    is_told = any(re.sub(r"[\W_]", "", key).lower() in TELLING for key in around)
    if before.startswith("-") and "=" not in before:
        name = before
    is_secret = is_secret_name(name) and not (_is_well_formed(text) and shown(text) == text)
    if is_secret or (is_told and len(text) >= LEAST):
        return [(0, len(text))]
    spans = [
        found.span(2)
        for found in _PARAMETER.finditer(text)
        if is_secret_name(found[1]) or len(found[2]) >= LONG
    ]
    if (named := _NAMED.fullmatch(text)) and is_secret_name(named[1]) and not _REFERENCE.fullmatch(named[2]):
        spans.append(named.span(2))
    if "://" in text:
        spans += [found.span() for found in _SEGMENT.finditer(text)]
    user = _netloc(text).rpartition("@")[0]
    if user:
        spans.append((text.index(user), text.index(user) + len(user)))
    elif not _is_well_formed(text):
        spans += [(found.start(1), found.end(1)) for found in _USER.finditer(text)]
    return _apart(spans)


def _apart(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return those that begin after the end of the one before."""
    found: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if not found or begin >= found[-1][1]:
            found.append((begin, end))
    return found


def shown(address: str) -> str:
    """Return an address without user, password, query and long tokens in its path, whatever its spelling."""
    if _is_well_formed(address):
        parts = urlsplit(address)
        whole = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    else:
        whole = re.split(r"[?#]", _USER.sub("***@", address))[0]
    return redacted(_TOKEN.sub("***", whole))


def _netloc(text: str) -> str:
    try:
        return urlsplit(text).netloc
    except ValueError:
        return ""


def _is_well_formed(url: str) -> bool:
    """Whether an @ after the authority of a URL is surely none before which a password stands."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    is_host = is_loopback(host) or ("." in host and "%" not in host)
    return parts.scheme in ("http", "https") and is_host

"""What is secret in an entry of `mcp.json`: shown in no text, and masked where a person edits the entry."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from assistant.toolbox.jsonc import Document
from serving.addresses import is_loopback
from serving.errors import CodedError
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

MASK = re.compile(r"\*\*\*\d+\*\*\*")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{0,30}://[^\s\"']+", re.IGNORECASE)
_IN_COMMENT = re.compile(
    r"(?<![\w~.+/=-])(?=\S{0,200}\d)(?=\S{0,200}[A-Za-z])[\w~.+/=-]{16,}"
)  # perhaps a former token

Place = tuple[str, ...]  # the keys that lead to a text; of a comment none
Secrets = dict[str, tuple[Place, str]]  # by mask: where it stood, and as what it was written


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


def masked(text: str) -> tuple[str, Secrets]:
    """Return an entry's text with a numbered mask in the place of each secret, and these."""
    document, secrets = Document(text), Secrets()
    edits = []
    for place, begin, end, before in _pieces(document):
        shown = ""
        written = text[begin:end]
        value = json.loads(written) if place else written
        spans = (
            secret_parts(place, value, before) if place else [f.span() for f in _IN_COMMENT.finditer(value)]
        )
        at = 0
        for first, last in spans:
            mask = f"***{len(secrets) + 1}***"
            secret = value[first:last]
            secrets[mask] = place, json.dumps(secret, ensure_ascii=False)[1:-1] if place else secret
            shown += value[at:first] + mask
            at = last
        if spans:
            shown += value[at:]
            edits.append((begin, end, json.dumps(shown, ensure_ascii=False) if place else shown))
    return document.edited(*edits).text, secrets


def unmasked(text: str, original: str) -> str:
    """Return an edited text with the secrets of the original in the place of the masks.

    Raises CodedError: a mask stands elsewhere than it did, or the entry would send its secrets to another
    host; ValueError: it is not JSON.
    """
    edited = Document(text)
    shown, secrets = masked(original)
    edits = []
    for place, begin, end, _ in _pieces(edited):

        def put_back(found: re.Match[str], place: Place = place) -> str:
            before, written = secrets.get(found[0], (None, ""))
            if before != place:
                raise CodedError("mask_moved", mask=found[0])
            return written

        if MASK.search(text[begin:end]):
            edits.append((begin, end, MASK.sub(put_back, text[begin:end])))
    if edits and hosts(edited) != hosts(Document(shown)):
        raise CodedError("secret_elsewhere")
    return edited.edited(*edits).text


def _pieces(document: Document) -> Iterator[tuple[Place, int, int, str]]:
    """Yield every text with its place, and what stands before it in its list; and every comment."""
    last: tuple[Place, str] = ((), "")
    for place, begin, end in document.texts():
        text = json.loads(document.text[begin:end])
        yield place or ("",), begin, end, last[1] if last[0] == place else ""
        last = place, text
    yield from (((), begin, end, "") for begin, end in document.comments())


def hosts(document: Document) -> set[tuple[str, str]]:
    """Return what is reached: the hosts in all texts, and each whole address with a variable in it."""
    found = set()
    for place, begin, end in document.texts():
        text = json.loads(document.text[begin:end])
        urls = _ADDRESS.findall(text)
        found |= {_host(url) for url in urls}
        if place and place[-1].lower().endswith("url"):  # a quote or a blank may stand before its @
            found.add(("", text) if "${" in text else _host(text.strip()))
    return found


def _host(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", url  # one that is wrong is another than any
    return parts.scheme, parts.netloc.rpartition("@")[2]

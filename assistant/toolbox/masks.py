"""An entry of `mcp.json` as a person edits it: its secrets masked, and put back where the masks come back."""

import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from assistant.toolbox.entry_secrets import secret_parts
from assistant.toolbox.jsonc import Document
from serving.errors import CodedError

MASK = re.compile(r"\*\*\*\d+\*\*\*")
_URL = re.compile(r"[a-z][a-z0-9+.-]{0,30}://[^\s\"']+", re.IGNORECASE)
_IN_COMMENT = re.compile(
    r"(?<![\w~.+/=-])(?=\S{0,200}\d)(?=\S{0,200}[A-Za-z])[\w~.+/=-]{16,}"
)  # perhaps a former token

Place = tuple[str, ...]  # the keys that lead to a text; of a comment none
Secrets = dict[str, tuple[Place, str]]  # by mask: where it stood, and as what it was written


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
        urls = _URL.findall(text)
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

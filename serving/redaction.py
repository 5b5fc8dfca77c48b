"""Secrets that a service knows, taken out of what others write: a server may repeat the key it was sent.

What is remembered holds for the whole process, as the log does: whoever repeats it, it is a secret.
"""

import base64
import binascii
import html
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote

MASK = "***"
LEAST = 6  # characters of a secret; what is shorter is a word that any text may hold
HEAD = 8  # characters from its beginning by which a secret is known: a text may end in the middle of it

FOLDERS = {"PWD", "OLDPWD"}  # of the shell, no passwords
_NAME = re.compile(r"key|token|secret|passw|pwd|auth|cookie|credential", re.IGNORECASE)
_SPELL: tuple[Callable[[str], str], ...] = (
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1].replace("/", "\\/"),
    lambda text: quote(text, safe=""),
    lambda text: re.sub("%..", lambda code: code[0].lower(), quote(text, safe="")),
    quote_plus,
    html.escape,
)


class KnownSecrets:
    """Secrets in all their spellings."""

    def __init__(self) -> None:
        self._spellings: dict[str, set[str]] = defaultdict(set)  # by their heads

    def remember(self, *secrets: str) -> None:
        """Take these for secrets: keys, tokens, passwords, values of headers."""
        for secret in {part for text in secrets for part in _parts(text)}:
            if len(secret) >= LEAST:
                for spelling in _spelt(secret):
                    self._spellings[spelling[:HEAD]].add(spelling)

    def redacted(self, text: str) -> str:
        """Return a text without the secrets, however they are spelt, or cut off, in it."""
        heads = [head for head in self._spellings if head in text]
        found = sorted(span for head in heads for span in self._found(text, head))
        kept: list[str] = []
        shown = 0
        for begin, end in found:
            if begin >= shown:
                kept += (text[shown:begin], MASK)
            shown = max(shown, end)
        return "".join([*kept, text[shown:]])

    def _found(self, text: str, head: str) -> Iterator[tuple[int, int]]:
        begin = text.find(head)
        while begin >= 0:
            yield begin, begin + max(_shared(spelling, text, begin) for spelling in self._spellings[head])
            begin = text.find(head, begin + 1)


_known = KnownSecrets()
remember, redacted = _known.remember, _known.redacted


def _shared(spelling: str, text: str, begin: int) -> int:
    """Return how many characters of a spelling stand in the text from there on."""
    for number, character in enumerate(spelling):
        if text[begin + number : begin + number + 1] != character:
            return number
    return len(spelling)


def is_secret_name(name: str) -> bool:
    """Whether a header, variable or parameter of this name is likely to hold a secret."""
    return _NAME.search(name) is not None and name.upper() not in FOLDERS


def _parts(secret: str) -> Iterable[str]:
    """Yield a secret and what it is made of: a header's scheme and token, user and password in base64."""
    secret = secret.strip()
    token = secret.rpartition(" ")[2]
    yield from {secret, token, unquote(secret)} if token else ()
    try:
        pair = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, ValueError):  # ValueError: not ASCII, or not UTF-8 within
        pair = secret
    user, colon, password = pair.partition(":")
    if colon and user.isprintable():
        yield from (pair, password)


def _spelt(secret: str) -> set[str]:
    spelt = {secret}
    for _ in range(2):  # JSON in JSON, a URL in JSON
        spelt |= {spell(text) for text in spelt for spell in _SPELL}
    data = secret.encode(errors="replace")
    spelt |= {data.hex(), data.hex().upper()}
    spelt |= {"".join(map(letter.format, data)) for letter in ("%{:02X}", "%{:02x}", "\\u{:04x}")}
    for offset in range(3):  # within any text in base64, such as `user:password`
        coded = base64.b64encode(bytes(offset) + data)[-(-offset * 4 // 3) : (offset + len(data)) * 4 // 3]
        spelt |= {coded.decode(), coded.translate(bytes.maketrans(b"+/", b"-_")).decode()}
    return {text for text in spelt if len(text) >= LEAST}

"""What others write never holds a secret that a service knows."""

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from serving.redaction import MASK, KnownSecrets, is_secret_name


def redacted(text: str, *secrets: str) -> str:
    known = KnownSecrets()
    known.remember(*secrets)
    return known.redacted(text)


KEY = 'sk-proj-4f/8+9&"ü\\7Qx2_LAST'
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in JSON": json.dumps,
    "in JSON within JSON": lambda text: json.dumps(json.dumps(text)),
    "in JSON with its own letters": lambda text: json.dumps(text, ensure_ascii=False),
    "with slashes escaped": lambda text: json.dumps(text).replace("/", "\\/"),
    "in a URL": lambda text: quote(text, safe=""),
    "in a URL, in small letters": lambda text: quote(text, safe="").replace("%2F", "%2f"),
    "in a form": quote_plus,
    "in HTML": html.escape,
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
    "as user and password": lambda text: base64.b64encode(f"somebody:{text}".encode()).decode(),
    "in base64 for URLs": lambda text: base64.urlsafe_b64encode(f"me:{text}".encode()).decode(),
    "in hexadecimal": lambda text: text.encode().hex(),
    "in hexadecimal, in capitals": lambda text: text.encode().hex().upper(),
    "letter by letter in a URL": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "behind its scheme": lambda text: f"Bearer {text}",
    "cut off": lambda text: text[:15],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_known_secret_is_masked_however_it_is_spelt(spelling: str) -> None:
    spelt = SPELLINGS[spelling](KEY)
    told = redacted(f"no such key {spelt}, and again {spelt}!", KEY)
    assert told.count(MASK) >= 2
    assert spelt[10:15] not in told
    assert told.startswith("no such key ")


@pytest.mark.parametrize(
    ("header", "within"),
    [
        ("Bearer hush-hush-1", "hush-hush-1"),
        ("Basic " + base64.b64encode(b"anna:open sesame").decode(), "open sesame"),
        ("peter:pan-and-wendy", "pan-and-wendy"),
        ("a%2Fb%2Fc%2Fd", "a/b/c/d"),
    ],
)
def test_the_secret_within_a_header_is_one_too(header: str, within: str) -> None:
    assert within not in redacted(f"you sent {within}.", header)


def test_words_that_any_text_may_hold_are_no_secrets() -> None:
    assert redacted("none of the keys", "none", "key", "") == "none of the keys"


def test_what_only_ends_like_a_secret_may_stay() -> None:
    assert redacted("sk-…mnop is wrong", "sk-abcdefghijklmnop") == "sk-…mnop is wrong"


@given(st.text(min_size=6), st.text())
def test_no_secret_survives_whatever_it_is_made_of(secret: str, around: str) -> None:
    assume(len(secret.strip()) >= 6)
    assert secret.strip() not in redacted(f"{around}{secret}{around}", secret).replace(MASK, "\0")


@pytest.mark.parametrize(
    ("name", "secret"), [("X-API-Key", True), ("GITHUB_TOKEN", True), ("Cookie", True), ("MODE", False)]
)
def test_secrets_are_known_by_their_names(name: str, secret: bool) -> None:
    assert is_secret_name(name) == secret

"""Where a text stops being JSON, and what is wrong there; its line is shown without what may be secret."""

import json
import re
import unicodedata
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from assistant.toolbox.entry_secrets import shown

MAX_SHOWN = 50  # characters of the line on either side of the place
_TOKEN = re.compile(r'"(?:\\.|[^"\\\r\n])*+"?|[{}\[\],:]|[^\s"{}\[\],:]+')
_COLON = re.compile(r"\s*:")
_NAME = re.compile(r"[\w$.@/-]{1,64}")
_MARKS = "'`“”‘’#=/，：；"  # what stands around words, or is often taken for JSON's own
PAIRS = {"{": "}", "[": "]"}
QUOTES = "'`“”‘’«»「」"
WORDS = {"True": "true", "False": "false", "None": "null", "undefined": "null", "nil": "null"}


class _Found(NamedTuple):
    """A kind of fault, where it is to be mended, and what its sentence needs."""

    code: str
    at: int
    params: dict[str, Any] = {}  # noqa: RUF012  never changed


def fault_of(error: json.JSONDecodeError, known: Collection[str] = ()) -> dict[str, Any]:
    """Return place and reason of what `Document` refuses; of texts only `known` words are shown."""
    found = _found(error.doc, error.pos, error.msg)
    end = 0 if found.code == error.msg else error.pos
    return fault_at(error.doc, found.at, found.code, known, end=end, **found.params)


def fault_at(
    doc: str, at: int, code: str, known: Collection[str] = (), *, end: int | None = None, **params: Any
) -> dict[str, Any]:
    """Return `line`, `column`, `excerpt`, `mark` (its place there) and `reason`; up to `end` it is JSON."""
    begin = doc.rfind("\n", 0, at) + 1
    excerpt, mark = _excerpt(doc, begin, at, known, len(doc) if end is None else end)
    place = {"line": line_of(doc, at), "column": at - begin + 1, "excerpt": excerpt, "mark": mark}
    return place | {"reason": {"code": code, "params": params}}


def line_of(doc: str, at: int) -> int:
    """Return the number of the line that a character stands in."""
    return doc.count("\n", 0, at) + 1


def _found(doc: str, at: int, said: str) -> _Found:
    """Return the kind of fault behind what the parser said there."""
    if said.startswith("json_"):  # Document's own
        return _Found(said, at)
    if said.startswith("Extra data"):
        return _Found("json_after_end", min(at, len(doc.rstrip()) - 1))
    before = list(_TOKEN.finditer(doc, 0, at))
    last = before[-1] if before else None
    if said.startswith(("Invalid", "Unterminated")):  # within a text
        begin = last.start() if last and said.startswith("Invalid") else at
        if said.startswith("Invalid \\"):
            return _Found("json_escape", doc.rfind("\\", begin, at + 1))
        is_open = doc[at] in '\r\n"'
        return _Found("json_text_open", begin) if is_open else _Found("json_character", at, _named(doc[at]))
    at += len(doc) - at - len(doc[at:].lstrip(" \t\r\n"))
    if code := _of_character(doc[at : at + 1], doc[at : at + 2]):
        return _Found(code, at, _named(doc[at]) | {"meant": _plain(doc[at])})
    opened = [(doc[begin], PAIRS[doc[begin]], line_of(doc, begin)) for begin in _opened(before)[-1:]]
    around = dict(zip(("opened", "closing", "line"), opened[0], strict=True)) if opened else {}
    return _unexpected(doc, at, said, last, around)


def _unexpected(doc: str, at: int, said: str, last: re.Match[str] | None, around: dict[str, Any]) -> _Found:
    """Return what is wrong where something else was expected, behind this token and within a bracket."""
    after = last.end() if last else 0  # where what is missing belongs
    if at == len(doc):
        return _Found("json_unclosed", after, around) if around else _Found("json_empty", 0)
    char, word = doc[at], _TOKEN.match(doc, at)
    if word and (meant := WORDS.get(word[0])):
        return _Found("json_word", at, {"word": word[0], "meant": meant})
    is_in_text = last is not None and last[0][0] == '"' and after == at  # which a quote too many ended
    if char not in '{}[],:"' and (is_in_text or "delimiter" not in said):
        return _Found("json_quote_missing", at)
    if char in "}]" and around.get("closing", char) != char:
        return _Found("json_bracket", at, around | {"character": char})
    if char == ":":
        return _Found("json_character", at, {"character": char})
    if "delimiter" in said:
        return _Found("json_comma_missing" if "','" in said else "json_colon_missing", after)
    is_extra = char == "," and doc[after - 1 : after] != ":"
    wanted = "json_value_missing" if "value" in said else "json_name_missing"
    return _Found("json_comma_extra" if is_extra else wanted, at)


def _opened(tokens: Iterable[re.Match[str]]) -> list[int]:
    """Return where the brackets stand that are not closed."""
    opened: list[int] = []
    for token in tokens:
        if token[0] in PAIRS:
            opened.append(token.start())
        elif token[0] in ("}", "]"):
            opened.pop()
    return opened


def _of_character(char: str, two: str) -> str:
    """Return the kind of fault that a character tells, whatever the parser waited for."""
    if not char:
        return ""
    if two == "/*":
        return "json_comment_open"
    if char in QUOTES:
        return "json_quotes"
    if char == "#":
        return "json_hash"
    if _plain(char) != char:
        return "json_wide"
    return "json_character" if char in "=;、。" or not char.isprintable() else ""


def _plain(char: str) -> str:
    """Return the character of ASCII that a full-width one stands for; itself if it is none."""
    plain = unicodedata.normalize("NFKC", char)
    return plain if plain.isascii() and plain.isprintable() and not plain.isspace() else char


def _named(char: str) -> dict[str, str]:
    name = f"U+{ord(char):04X} {unicodedata.name(char, 'TAB' if char == chr(9) else '')}".strip()
    return {"character": char if char.isprintable() and not char.isspace() else name}


def _excerpt(doc: str, begin: int, at: int, known: Collection[str], end: int) -> tuple[str, int]:
    """Return the line without texts, but for keys of what is surely JSON, and where the place is in it."""
    begin += len(doc[begin:at]) - len(doc[begin:at].lstrip())
    line, mark, here = "", None, begin
    stop = re.compile(r"[\r\n]|$").search(doc, at)
    for token in _TOKEN.finditer(doc, begin, stop.start() if stop else at):
        line += re.sub(r"\s", " ", doc[here : token.start()])
        here = token.end()
        colon = _COLON.match(doc, here)
        masked = _masked(token[0], is_key=colon is not None and colon.end() <= end, known=known)
        if mark is None and at < here:
            mark = len(line) - max(token.start() - at, 0)
            if token.start() < at:  # within a text
                mark += len('"***')
                masked = '"***' + doc[at].replace("\t", "⇥") + masked.lstrip('"')
        line += masked
    mark = len(line) if mark is None else mark
    first, last = max(mark - MAX_SHOWN, 0), mark + MAX_SHOWN
    cut = "…" if first else ""
    return cut + line[first:last] + ("…" if last < len(line) else ""), mark - first + len(cut)


def _masked(piece: str, *, is_key: bool, known: Collection[str]) -> str:
    word = piece.strip('"')
    is_name = is_key and _NAME.fullmatch(word) is not None and shown(word) == word
    if piece in "{}[],:" or is_name or re.sub(r"[\W_]", "", word).lower() in known:
        return piece
    if piece[0] != '"':
        return re.sub(rf"[^{_MARKS}]+", "***", piece)
    return '"***"' if len(piece) > 1 and piece.endswith('"') else '"***'

"""JSON with comments and trailing commas, as people save it: read, and edited in place."""

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

BOMS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16's, with which it begins
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
STRING = r'"(?:\\.|[^"\\])*"'
# What is not closed goes to the end, so that no text is looked through again and again.
_COMMENT = re.compile(r'"(?:\\.|[^"\\])*+"?|//[^\n]*|/\*(?:(?!\*/).)*+(?:\*/)?', re.DOTALL)
_COMMA = re.compile(r'"(?:\\.|[^"\\])*+"?|,(?=\s*[}\]])', re.DOTALL)
_REST_OF_LINE = re.compile(r"[ \t]*(//[^\n]*|/\*[^\n]*?\*/[ \t]*)?\r?\n")
_BLANKS = re.compile(r"\s*")
_read = json.JSONDecoder().raw_decode


class Member(NamedTuple):
    """One member of an object, or of a list (then its key is `*`): where it and its value stand."""

    key: str
    begin: int
    value: int
    end: int


class Document:
    """A file's text; edits give another. Raises JSONDecodeError, its `doc` without comments: it is no JSON.

    `is_part`: the braces around it are not in the file.
    """

    def __init__(self, text: str, encoding: str = "utf-8", *, is_part: bool = False) -> None:
        self.text, self.encoding, self.is_part = text, encoding, is_part
        # Both as long as the text: what stands there stands here.
        self._bare = _COMMENT.sub(_blank, text.replace("\ufeff", " ", text[:2].count("\ufeff")))
        self.strict = _COMMA.sub(_blank, self._bare)
        self.root: Any = _parsed(self.strict)

    @classmethod
    def of(cls, data: bytes) -> "Document":
        """Read UTF-8, UTF-16 of PowerShell's, or GB18030 of Windows' editors; a part of an object is one."""
        encoding = next((BOMS[bom] for bom in BOMS if data.startswith(bom)), json.detect_encoding(data))
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            encoding = "gb18030"
            text = _decoded(data)
        is_part = re.match(rf"\s*{STRING}\s*:", _COMMENT.sub(_blank, text.lstrip("\ufeff"))) is not None
        try:
            return cls(f"{{{text}}}" if is_part else text, encoding, is_part=is_part)
        except json.JSONDecodeError as error:
            if not is_part:
                raise
            raise json.JSONDecodeError(error.msg, error.doc[1:-1], error.pos - 1) from error

    def data(self) -> bytes:
        """Return the file's bytes."""
        return (self.text[1:-1] if self.is_part else self.text).encode(self.encoding)

    def find(self, path: Sequence[str]) -> int:
        """Return where the value under these keys begins; of equal keys the last one counts."""
        at = self._past_blanks(self.strict, 0)
        for key in path:
            at = next(member for member in reversed(self.members(at)) if member.key == key).value
        return at

    def members(self, begin: int) -> list[Member]:
        """Return what stands in the object or list that begins there."""
        text = self.strict
        found, at, is_object = [], self._past_blanks(text, begin + 1), text[begin] == "{"
        while text[at] not in "}]":
            key, value = "*", at
            if is_object:
                key, colon = _read(text, at)
                value = self._past_blanks(text, self._past_blanks(text, colon) + 1)
            end = _read(text, value)[1]
            found.append(Member(key, at, value, end))
            at = self._past_blanks(text, end)
            at = self._past_blanks(text, at + 1) if text[at] == "," else at
        return found

    def texts(self, begin: int = 0, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int, int]]:
        """Yield of every text in the value that begins there the keys that lead to it, and its place."""
        begin = self._past_blanks(self.strict, begin)
        if self.strict[begin] == '"':
            yield path, begin, _read(self.strict, begin)[1]
        elif self.strict[begin] in "{[":
            for member in self.members(begin):
                yield from self.texts(member.value, (*path, member.key))

    def comments(self) -> Iterator[tuple[int, int]]:
        """Yield where comments stand."""
        return (found.span() for found in _COMMENT.finditer(self.text) if found[0][0] == "/")

    def value_text(self, member: Member) -> str:
        """Return a value as it is written, its lines without the indentation that they share with its key."""
        lines = self.text[member.value : member.end].replace("\r\n", "\n").split("\n")
        indent = self._indent(member.begin)
        return "\n".join([lines[0], *(line.removeprefix(indent) for line in lines[1:])])

    def with_value(self, member: Member, text: str, key: str | None = None) -> "Document":
        """Return it with another value, and another key; the value's lines get the key's indentation."""
        edited = [(member.value, member.end, text.replace("\n", self._newline + self._indent(member.begin)))]
        if key is not None and key != member.key:
            length = _read(self.strict, member.begin)[1]
            edited.append((member.begin, length, json.dumps(key, ensure_ascii=False)))
        return self.edited(*edited)

    def with_members(self, begin: int, more: Mapping[str, Any]) -> "Document":
        """Return it with more members of the object that begins there, the last ones, like the others."""
        members, end = self.members(begin), _read(self.strict, begin)[1] - 1
        last = members[-1] if members else None
        is_line = last is not None and "\n" not in self.text[begin:end]
        outer = self._indent(begin)
        inner = self._indent(last.begin) if last else outer + self._unit
        written = [
            f"{json.dumps(key, ensure_ascii=False)}: "
            + json.dumps(value, ensure_ascii=False, indent=None if is_line else self._unit)
            for key, value in more.items()
        ]
        if last and is_line:
            return self.edited((last.end, last.end, "".join(f", {each}" for each in written)))
        lines = ",\n".join(written).replace("\n", f"\n{inner}")
        has_comma = last is not None and self._has_comma(last)
        close = len(self.text[:end].rstrip())  # past comments, too
        tail = "" if "\n" in self.text[close:end] else f"\n{outer}"
        text = f"\n{inner}{lines}{',' if has_comma else ''}{tail}".replace("\n", self._newline)
        comma = [(last.end, last.end, ",")] if last and not has_comma else []
        return self.edited(*comma, (close, close, text))

    def without(self, begin: int, member: Member) -> "Document":
        """Return it without a member of the object that begins there; its line goes if it is its own."""
        members = self.members(begin)
        at = members.index(member)
        end = self._past_comma(member)
        start = self.text.rfind("\n", 0, member.begin) + 1
        rest = _REST_OF_LINE.match(self.text, end)
        cut = (member.begin, end + len(self.text[end:]) - len(self.text[end:].lstrip(" \t")), "")
        if rest and not self.text[start : member.begin].strip(" \t\ufeff"):
            cut = (start, rest.end(), "")
        if not at or at < len(members) - 1 or self._has_comma(member):
            return self.edited(cut)
        comma = self._past_comma(members[at - 1])  # which would stand before nothing
        if not self.text[comma : member.begin].strip(" \t"):
            return self.edited((comma - 1, member.end, ""))
        return self.edited(cut, (comma - 1, comma, ""))

    def edited(self, *edits: tuple[int, int, str]) -> "Document":
        """Return it with other text from the one place to the other, of each."""
        text = self.text
        for begin, end, new in reversed(sorted(edits, key=lambda edit: edit[0])):  # noqa: C413  stable
            text = text[:begin] + new + text[end:]
        return Document(text, self.encoding, is_part=self.is_part)

    def _has_comma(self, member: Member) -> bool:
        return self._bare[self._past_blanks(self._bare, member.end)] == ","

    def _past_comma(self, member: Member) -> int:
        return self._past_blanks(self._bare, member.end) + 1 if self._has_comma(member) else member.end

    def _past_blanks(self, text: str, at: int) -> int:
        found = _BLANKS.match(text, at)
        assert found
        return found.end()

    def _indent(self, at: int) -> str:
        """Return what stands before the first word of a line."""
        line = self.text[self.text.rfind("\n", 0, at) + 1 : at]
        return line[: len(line) - len(line.lstrip(" \t"))]

    @property
    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    @property
    def _unit(self) -> str:
        """One level of indentation: that of the first line that has some."""
        found = re.search(r"\n([ \t]+)\S", self.text)
        return found[1] if found else "  "


def with_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return a value of JSON with each of its texts changed."""
    if isinstance(value, dict):
        return {key: with_texts(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [with_texts(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise json.JSONDecodeError("json_too_deep", text, 0) from error
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError):
            raise
        digits = re.search(r"\d{4000}", text)  # more than Python reads as a number
        raise json.JSONDecodeError("json_too_long", text, digits.start() if digits else 0) from error


def _decoded(data: bytes) -> str:
    """Return a text that is not UTF-8 in the encoding of Windows' Chinese editors."""
    try:
        return data.decode("gb18030")
    except UnicodeDecodeError:
        text = data.decode(errors="replace")
        at = text.index("\ufffd") if "\ufffd" in text else 0  # 0: it says that it is UTF-16
        raise json.JSONDecodeError("json_encoding", text, at) from None


def _blank(found: re.Match[str]) -> str:
    """Return a text as it is, and blanks in the place of anything else."""
    text = found[0]
    is_open = text.startswith("/*") and (len(text) < len("/**/") or not text.endswith("*/"))
    return text if text[0] == '"' or is_open else re.sub(r"[^\n]", " ", text)

"""Tables as CSV files: written for Excel (RFC 4180, UTF-8 with BOM), and read as Excel saves them."""

import asyncio
import codecs
import csv
import io
import os
import re
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any

from shop.errors import CatalogError, StoreUnavailableError

PART = 64 * 1024  # bytes of it that are sent at a time
LOOK_SECONDS = 0.02  # between two looks whether there is a part

# Excel takes a cell for a formula that begins so, after blanks too. A reader that splits at semicolons or
# does not see our quotes finds cells within ours (OWASP, CSV Injection).
_BEGIN, _FORMULA = r"(?:(?<=[;\t\r\n])|^)", r"(?='*[\t\r\n]|[\s']*[=+\-@＝＋－＠])"
_SUSPECT = re.compile(r"[=+\-@＝＋－＠\t\r\n]")
_INERT = re.compile(_BEGIN + _FORMULA)
_MADE_INERT = re.compile(f"{_BEGIN}'{_FORMULA}")


def csv_lines(rows: Iterable[Sequence[Any]]) -> str:
    """Return lines of CSV in which no text is a formula: one that could be has an apostrophe before it."""
    lines = io.StringIO(newline="")
    csv.writer(lines).writerows(
        [_inert(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    return lines.getvalue()


def _inert(cell: str) -> str:
    return _INERT.sub("'", cell) if _SUSPECT.search(cell) else cell  # most have no such character


def original(cell: str) -> str:
    """Return the text of which `csv_lines` has made a cell."""
    return _MADE_INERT.sub("", cell)


@contextmanager
def written_to(path: Path) -> Iterator[None]:
    """Raise `StoreUnavailableError` for a file that cannot be written: it is no fault of the database's."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailableError("file_unwritable", path=str(path), reason=error.strerror) from error


def give_name(draft: Path, file: Path) -> None:
    """Give a file that is whole its name, and overwrite none."""
    try:
        os.link(draft, file)
    except OSError:  # there are no links on FAT, on some shares and phones
        if os.path.lexists(file):
            raise
        draft.rename(file)


class Sheet:
    """A table in a file: however long it is and however slowly it is fetched, it takes no memory.

    It is written in a thread, and can be sent meanwhile.
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path  # named where it cannot be written
        self._file = file
        self._lock = threading.Lock()
        self._written = self._sent = 0

    def begin(self, columns: Sequence[str]) -> None:
        """Write the heads of the columns, after a failure anew, unless something of it was sent."""
        if self._sent:
            raise StoreUnavailableError("export_torn")
        self._written = 0
        self._file.truncate(0)
        self._write(codecs.BOM_UTF8 + csv_lines([columns]).encode())

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write rows."""
        self._write(csv_lines(rows).encode())

    def _write(self, text: bytes) -> None:
        with self._lock, written_to(self._path):
            self._file.seek(self._written)
            self._written += self._file.write(text)

    def _next(self) -> bytes:
        with self._lock:
            self._file.seek(self._sent)
            part = self._file.read(min(PART, self._written - self._sent))
            self._sent += len(part)
            return part

    async def parts(self, filling: Coroutine[Any, Any, None]) -> AsyncGenerator[bytes, None]:
        """Yield what `filling` writes as it comes, then close the file; where that fails, so does this."""
        task = asyncio.create_task(filling)
        try:
            while not task.done():
                if self._written - self._sent >= PART:
                    yield self._next()
                else:
                    await asyncio.wait({task}, timeout=LOOK_SECONDS)
            task.result()
            while part := self._next():
                yield part
        finally:
            task.cancel()
            self._file.close()


def read(content: bytes, columns: set[str], required: set[str]) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a CSV file by column, each with the line where it begins. Raise `CatalogError`.

    It may be parted by commas, semicolons or tabs; empty lines and columns are none.
    """
    rows = _rows(_decoded(content))
    line, heads = next(rows, (1, []))
    if heads[:1] == ["sep="]:  # Excel's own word on what parts the cells
        line, heads = next(rows, (1, []))
    heads = [head.strip().lower() for head in heads]
    for wrong, reason in (
        (set(heads) - columns - {""}, "is no column of products"),
        (required - set(heads), "is missing"),
        ({head for head in heads if head and heads.count(head) > 1}, "stands twice"),
    ):
        if wrong:
            raise CatalogError("csv_field", line=line, field=min(wrong)[:100], reason=reason)
    return [(number, _by_column(number, heads, row)) for number, row in rows]


def _by_column(line: int, heads: list[str], row: list[str]) -> dict[str, str]:
    # Excel leaves out empty cells at the end of a row, and writes ones that were emptied.
    pairs = list(zip_longest(heads, row, fillvalue=""))
    if any(cell and not head for head, cell in pairs):
        raise CatalogError("csv_field", line=line, field="", reason="a cell stands below no head")
    return {head: cell for head, cell in pairs if head}


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows in which anything stands, each with the line where it begins."""
    first = re.split(r"[\r\n]", text.lstrip(), maxsplit=1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    line = 1
    try:
        for row in reader:
            if any(map(str.strip, row)):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise CatalogError("csv_invalid", line=line, reason=str(error)) from error


def _decoded(content: bytes) -> str:
    encodings = ["utf-8", "gb18030"]  # the second is what a Chinese Excel means by CSV without "UTF-8"
    if content.startswith(codecs.BOM_UTF8):
        encodings = ["utf-8-sig"]
    elif content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # its "Unicode text"
        encodings = ["utf-16"]
    for encoding in encodings:
        with suppress(UnicodeDecodeError):
            return content.decode(encoding)
    raise CatalogError("csv_encoding")

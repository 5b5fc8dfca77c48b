"""The file `.env`: lines of it that nobody can read, and values that honcho has read otherwise."""

import logging
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from dotenv.parser import Binding, parse_stream

FILE = Path(".env")
NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)

logging.getLogger("dotenv").setLevel(logging.ERROR)  # it tells such lines at each look, in English


def unreadable_lines() -> list[int]:
    """Return the numbers of the lines that set nothing, such as `WEB_PORT: 80` or `set WEB_PORT=80`."""
    return [
        each.original.line + _blank_lines_before(each)
        for each in _written()
        if each.error or (each.key and (each.value is None or not NAME.fullmatch(each.key)))
    ]


def put_back() -> None:
    """Give the environment the values of the file where honcho has put its own reading of them.

    Honcho reads a line as a shell's words and joins them: without blanks and backslashes, and without what
    follows a `#`. A password would be another one, and a path on Windows no path.
    """
    if "HONCHO_PROCESS_NAME" not in os.environ:
        return
    for each in _written():
        if each.key and each.value and os.environ.get(each.key) == _as_honcho_reads(each.original.string):
            os.environ[each.key] = each.value


def _written() -> Iterator[Binding]:
    if not FILE.is_file():
        return
    with FILE.open(encoding="utf-8-sig") as file:
        yield from parse_stream(file)


def _blank_lines_before(each: Binding) -> int:
    text = each.original.string
    return text[: len(text) - len(text.lstrip())].count("\n")


def _as_honcho_reads(line: str) -> str | None:
    try:
        return "".join(list(shlex.shlex(line, posix=True))[2:])
    except ValueError:  # a quotation without its end
        return None

"""The pictures of a catalogue: data URLs, or files below its folder; formats of pixels only."""

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo

from shop.errors import CatalogError

MAX_DATA_URL = 64 * 1024  # characters
MAX_FILE = 512 * 1024  # bytes: in base64 less than the 1 MiB that MCP's clients read
KINDS = {  # by how their files begin, whatever these are called
    "image/png": rb"\x89PNG\r\n\x1a\n",
    "image/jpeg": rb"\xff\xd8\xff",
    "image/gif": rb"GIF8[79]a",
    "image/webp": rb"RIFF.{4}WEBP",
    "image/avif": rb".{4}ftypavi[fs]",
}
_DATA_URL = re.compile(r"data:(image/[\w.+-]+);base64,([A-Za-z0-9+/]+={0,2})", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Picture:
    """A picture that was looked at; the content of a file is read again where it is needed."""

    kind: str
    digest: str  # of the content; "" says that there is to be no picture
    source: Path | bytes

    def content(self) -> bytes:
        """Return its bytes. Raises `CatalogError`."""
        if isinstance(self.source, bytes):
            return self.source
        try:
            return self.source.read_bytes()
        except OSError as error:
            raise CatalogError("catalog_unreadable", path=str(self.source), reason=error.strerror) from error


def _look(value: object, info: ValidationInfo) -> object:
    """Make a picture of what a catalogue says. Raises ValueError with what is wrong."""
    if not isinstance(value, str):
        return value
    if not value:
        return Picture("", "", b"")
    if value[:5].lower() == "data:":
        content = _of_data_url(value)
        source: Path | bytes = content
    else:
        source, content = _of_file(value, (info.context or {}).get("folder"))
    kind = next((kind for kind, begin in KINDS.items() if re.match(begin, content, re.DOTALL)), None)
    if kind is None:
        raise ValueError("is no PNG, JPEG, GIF, WebP or AVIF")
    return Picture(kind, hashlib.sha256(content).hexdigest()[:32], source)


def _of_data_url(url: str) -> bytes:
    if len(url) > MAX_DATA_URL:
        raise ValueError(f"the data URL is longer than {MAX_DATA_URL // 1024} KiB")
    parts = _DATA_URL.fullmatch(url)
    if parts is None or len(parts[2]) % 4:
        raise ValueError("the data URL is broken: must be data:image/png;base64,… or of another picture")
    return base64.b64decode(parts[2])


def _of_file(name: str, folder: Path | None) -> tuple[Path, bytes]:
    """Return a file below the folder, wherever symbolic links lead, and its content."""
    if folder is None:
        raise ValueError("only the file that CATALOG names can name a picture's file")
    # On Windows, "C:x" and "..\\x" lead out of the folder, and "a.png:x" into a stream.
    if re.search(r"[\\:\x00]", name) or not all(part.strip(". ") for part in name.split("/")):
        raise ValueError("must be a name below the folder of the catalogue, such as pictures/1.png")
    try:
        path = (folder / name).resolve(strict=True)
        if not path.is_relative_to(folder.resolve()):
            raise ValueError("the file leads out of the folder of the catalogue")
        if not path.is_file():
            raise ValueError("is no file")
        with path.open("rb") as opened:
            content = opened.read(MAX_FILE + 1)
    except (OSError, RuntimeError) as error:  # the second for links in a circle, before Python 3.13
        raise ValueError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > MAX_FILE:
        raise ValueError(f"the file is larger than {MAX_FILE // 1024} KiB")
    return path, content


Image = Annotated[
    Picture | None,
    BeforeValidator(_look),
    PlainSerializer(lambda picture: picture.digest, return_type=str),
    Field(exclude_if=lambda picture: picture is None),  # a catalogue without pictures is the same as before
]

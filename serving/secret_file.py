"""A secret that is made at the first start and kept in a file."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from serving.server import StartError

MIN_BYTES = 32  # a shorter file was cut off


def read_or_create(file: Path, setting: str) -> bytes:
    """Return the secret, and make it if there is none; several processes may start at once.

    `setting` is the name of the setting that can hold the secret instead. Raises `StartError` if the folder
    is read-only, or the file is not whole.
    """
    try:
        if not file.exists():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_whole(file, secrets.token_urlsafe(MIN_BYTES).encode())
        secret = file.read_bytes()
    except OSError as error:
        raise StartError(f"写不了 {file}（{error.strerror}），请设置 {setting}") from error
    if len(secret) < MIN_BYTES:
        raise StartError(f"{file} 不完整，请删除它，或设置 {setting}")
    return secret


def _write_whole(file: Path, content: bytes) -> None:
    """Create a private file with all of its content at once, unless another process was first."""
    descriptor, draft = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        os.unlink(draft)

"""The key that binds approvals to calls, made at the first start and kept in a file."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

KEY_FILE = Path(".web-secret")
MIN_KEY = 32  # bytes; fewer were cut off


class KeyFileError(Exception):
    """The key can be neither read nor made; the message says what to do."""


def kept(file: Path = KEY_FILE) -> bytes:
    """Return the key, and make it where there is none; several processes may start at once.

    Raises:
        KeyFileError: The folder is read-only, or the file is not whole.
    """
    try:
        if not file.exists():
            _write_whole(file, secrets.token_urlsafe(MIN_KEY).encode())
        key = file.read_bytes()
    except OSError as error:
        raise KeyFileError(f"写不了 {file}（{error.strerror}），请设置 WEB_SECRET") from error
    if len(key) < MIN_KEY:
        raise KeyFileError(f"{file} 不完整，请删除它，或设置 WEB_SECRET")
    return key


def _write_whole(file: Path, content: bytes) -> None:
    """Write a private file that is whole from the first moment on, unless another process was first."""
    descriptor, draft = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        os.unlink(draft)

"""The file `mcp.json`: read as people save and paste it, and followed while it is edited."""

import asyncio
import json
import logging
import os
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from assistant.toolbox.entries import is_entry, server_of
from assistant.toolbox.sentences import sentence_of
from assistant.toolbox.server import ConfigError, Server

log = logging.getLogger(__name__)

# Claude's, Cursor's and most others'; VS Code's, whose settings have it in `mcp`; Zed's; OpenCode's.
ROOTS = ("mcpservers", "servers", "contextservers", "mcp")
POLL_SECONDS = 1.0  # between two looks at the file


def read_config(path: Path, environment: Mapping[str, str | None] = os.environ) -> list[Server]:
    """Read a config file of any client: its encoding, its comments, its outermost key.

    Raises ConfigError: the file is missing, is not a JSON object, or names no servers.
    """
    try:
        text = _strict_json(_decoded(path.read_bytes()))
        root = json.loads(f"{{{text}}}" if re.match(r'\s*"[^"]*"\s*:', text) else text)
        # JSON can hold lone surrogates, which nothing can send: they become "?".
        root = json.loads(json.dumps(root, ensure_ascii=False).encode(errors="replace"))
    except OSError as error:
        raise ConfigError("file_unreadable", path=str(path), reason=error.strerror) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError("file_not_json", path=str(path), reason=str(error)) from error
    entries = _entries(root)
    if entries is None:
        raise ConfigError("file_without_servers", path=str(path))
    return [server_of(name, entry, environment) for name, entry in entries.items()]


def _entries(root: Any) -> dict[str, Any] | None:
    """Return the entries by name, whatever stands around them; None where there are none."""
    if not isinstance(root, dict):
        return None
    spelt = {re.sub(r"[\W_]", "", key).lower(): value for key, value in root.items()}
    found = [entries for key in ROOTS if isinstance(entries := spelt.get(key), dict)]
    if found:
        chosen = next(filter(None, found), {})
        inner = (
            _entries(chosen)
            if chosen is spelt.get("mcp") and not any(map(is_entry, chosen.values()))
            else None
        )
        return inner or chosen
    return root if root and all(map(is_entry, root.values())) else None


def _decoded(data: bytes) -> str:
    """Return the text that the bytes are: UTF-8, UTF-16 of PowerShell's, or GB18030 of Windows' editors."""
    with suppress(UnicodeDecodeError):
        return data.decode(json.detect_encoding(data))
    return data.decode("gb18030")


async def watch_config(
    path: Path, environment: Callable[[], Mapping[str, str | None]], poll_seconds: float = POLL_SECONDS
) -> AsyncGenerator[list[Server]]:
    """Yield what the file says each time it is edited; a broken edit is logged and passed over."""
    before = _stamp(path)
    while True:
        await asyncio.sleep(poll_seconds)
        now = _stamp(path)
        if now == before:
            continue
        before = now
        try:
            yield read_config(path, environment())
        except ConfigError as error:
            log.warning("%s；仍使用之前的配置", sentence_of(error.code, error.params))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None  # editors replace a file by another: for a moment there is none
    return status.st_mtime_ns, status.st_size


def _strict_json(text: str) -> str:
    """Drop comments and trailing commas outside strings, as VS Code's own files have them."""
    token = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
    without = token.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)
    comma = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])', re.DOTALL)
    return comma.sub(lambda found: found[0] if found[0].startswith('"') else "", without)

"""The file `mcp.json`: read, with comments and trailing commas, and followed while it is edited."""

import asyncio
import json
import logging
import os
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path

from assistant.toolbox.entries import server_of
from assistant.toolbox.sentences import sentence_of
from assistant.toolbox.server import ConfigError, Server

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0  # between two looks at the file


def read_config(path: Path, environment: Mapping[str, str | None] = os.environ) -> list[Server]:
    """Read a config file: root `mcpServers` or `servers`, comments and trailing commas allowed.

    Raises ConfigError: the file is missing, is not a JSON object, or names no servers.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        root = json.loads(_strict_json(text))
        # JSON can hold lone surrogates, which nothing can send: they become "?".
        root = json.loads(json.dumps(root, ensure_ascii=False).encode(errors="replace"))
    except OSError as error:
        raise ConfigError("file_unreadable", path=str(path), reason=error.strerror) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError("file_not_json", path=str(path), reason=str(error)) from error
    entries = None
    if isinstance(root, dict):
        entries = root.get("mcpServers", root.get("servers"))
    if not isinstance(entries, dict):
        raise ConfigError("file_without_servers", path=str(path))
    return [server_of(name, entry, environment) for name, entry in entries.items()]


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

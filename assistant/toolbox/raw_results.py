"""Results past the SDK's models, which refuse a whole page for one odd entry, and a result for one odd block.

What the SDK's client gets is the least that it needs; what the server sent lies beside it, under `RAW`.
"""

from collections.abc import Callable
from typing import Any

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION

from serving.errors import CodedError

RAW = "product-mcp/raw"
MAX_ENTRIES = 5_000  # of one list

Note = Callable[[CodedError], None]


class Large(dict[str, Any]):
    """A result that is read beside the event loop."""


def acceptable(method: str | None, result: dict[str, Any], note: Note) -> dict[str, Any]:
    """Return a result that the SDK's models take, with the whole one in its `_meta`."""
    match method:
        case "initialize":
            return _initialized(result, note)
        case "tools/list":
            entries = _entries(result, "tools", note)
            return _with_raw(result, entries, tools=[_known(entry) for entry in entries if _has_name(entry)])
        case "prompts/list":
            return _with_raw(result, _entries(result, "prompts", note), prompts=[])
        case "tools/call" if result.get("resultType", "complete") == "complete":
            return _with_raw(result, result, content=[])
        case "prompts/get" if result.get("resultType", "complete") == "complete":
            return _with_raw(result, result, messages=[])
    return result


def _with_raw(result: dict[str, Any], raw: Any, **needed: Any) -> dict[str, Any]:
    cursor = result.get("nextCursor")
    paged = {"nextCursor": cursor} if isinstance(cursor, str) and cursor else {}
    kept: dict[str, Any] = {
        key: result[key] for key in ("resultType", "ttlMs", "cacheScope") if key in result
    }
    return {**kept, **paged, **needed, "_meta": {RAW: raw}}


def _entries(result: dict[str, Any], key: str, note: Note) -> list[Any]:
    entries = result.get(key) or []
    if not isinstance(entries, list):
        note(CodedError("list_odd", list=key))
        return []
    return entries[: MAX_ENTRIES + 1]  # one more, by which it is known that there are more


def _has_name(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("name"), str)


def _known(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what the client has to know of a tool: its name, and which arguments travel as headers."""
    schema = entry.get("inputSchema")
    has_headers = isinstance(schema, dict) and "x-mcp-header" in repr(schema)
    return {"name": entry["name"], "inputSchema": schema if has_headers else {"type": "object"}}


def _initialized(result: dict[str, Any], note: Note) -> dict[str, Any]:
    """Mend a handshake: who the server is, and which version it speaks, is not worth a refusal."""
    info, version, can = (result.get(key) for key in ("serverInfo", "protocolVersion", "capabilities"))
    info = info if isinstance(info, dict) else {}
    if version not in HANDSHAKE_PROTOCOL_VERSIONS:
        note(CodedError("version_unknown", version=str(version)[:40]))
        version = LATEST_HANDSHAKE_VERSION
    return {
        "protocolVersion": version,
        "serverInfo": {key: str(info.get(key) or "") for key in ("name", "version")},
        "capabilities": {name: value for name, value in (can or {}).items() if isinstance(value, dict)},
        "instructions": str(result.get("instructions") or ""),
    }

"""Results past the SDK's models, which refuse a whole page for one odd entry, and a result for one odd block.

What the SDK's client gets is the least that it needs; what the server sent lies beside it, under `RAW`.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mcp import Client
from mcp_types import SERVER_INFO_META_KEY
from mcp_types.version import (
    HANDSHAKE_PROTOCOL_VERSIONS,
    LATEST_HANDSHAKE_VERSION,
    MODERN_PROTOCOL_VERSIONS,
)

from serving.errors import CodedError
from serving.redaction import redacted

RAW = "product-mcp/raw"
MAX_NESTING = 100  # levels of what goes on as it is
MAX_VERSION = 40  # characters
MAX_ENTRIES = 5_000  # of one list
MAX_INSTRUCTIONS = 4_000  # characters of what a server says on the use of its tools

# Read by us, each with the part that the SDK's client cannot do without.
READ_RAW: dict[str, dict[str, Any]] = {
    "tools/call": {"content": []},
    "prompts/get": {"messages": []},
    "resources/read": {"contents": []},
    "completion/complete": {"completion": {"values": []}},
}
LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
COMPLETE = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}  # what any version asks for

# The protocol's fields, which Python's servers write as `is_error` when they dump their models without the
# aliases, and Go's as `IsError` without tags, and those that hold parts of a message in which such may stand:
# not in what a tool, a schema or a `_meta` says in its own words.
FIELDS = """
    isError structuredContent resultType inputRequests requestState nextCursor resourceTemplates mimeType
    protocolVersion supportedVersions listChanged inputSchema outputSchema uriTemplate taskSupport
    readOnlyHint destructiveHint idempotentHint openWorldHint requestedSchema progressToken requestId
"""
PARTS = (
    *("params", "capabilities", "serverInfo", "tools", "prompts", "resources", "resourceTemplates"),
    *("annotations", "execution", "messages", "content", "contents", "resource"),
)
FOLDED = {name.lower(): name for name in (*FIELDS.split(), *PARTS)} | {"meta": "_meta"}

Note = Callable[[CodedError], None]


class Raw(str):
    """What a server sent, as a text: all else the SDK writes out, and bears no deep nesting in it."""

    value: Any


def raw_of(meta: Any, otherwise: Any) -> Any:
    """Return what the server sent, out of a result's `_meta`."""
    return meta[RAW].value if meta and RAW in meta else otherwise


def suite_versions(client: Client) -> dict[str, str]:
    """Return the versions of the suite's services, of which its own MCP server alone tells."""
    said = _hello_meta(client).get("product-mcp/versions")
    if not isinstance(said, dict):
        return {}
    return {name: str(said.get(name) or "")[:MAX_VERSION] for name in ("main.py", "api.py")}


def _hello_meta(client: Client) -> dict[str, Any]:
    """Return the `_meta` of a server's first answer."""
    hello = client.session.discover_result or client.session.initialize_result
    meta = raw_of(hello.meta, None) if hello else None
    return meta if isinstance(meta, dict) else {}


def instructions_of(client: Client) -> str:
    """Return what a server says on the use of its tools."""
    return redacted(client.instructions or "")[:MAX_INSTRUCTIONS]


def about(client: Client) -> dict[str, Any]:
    """Return name, version and capabilities as the server says them."""
    info, can = client.server_info, client.server_capabilities
    # Without a handshake it stands beside the answer.
    given = info.model_dump() if info else _hello_meta(client).get(SERVER_INFO_META_KEY)
    named = given if isinstance(given, dict) else {}
    return {
        "server": {key: str(named.get(key) or "")[:MAX_VERSION] for key in ("name", "version")},
        "capabilities": can.model_dump(mode="json", by_alias=True, exclude_none=True),
        "isModern": client.protocol_version in MODERN_PROTOCOL_VERSIONS,
    }


def carried(value: Any) -> dict[str, Raw]:
    """Return the `_meta` in which `raw_of` finds this."""
    raw = Raw()
    raw.value = value
    return {RAW: raw}


class Large(dict[str, Any]):
    """A result that is read beside the event loop."""


def text_of(entry: dict[str, Any], key: str) -> str:
    """Return the text under a key; what is no text is none."""
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def respelt(message: Any) -> Any:
    """Return a message, or a part of one, with its fields as the protocol writes them."""
    parts = [message]
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += part
        elif isinstance(part, dict):
            for key in list(part):
                meant = FOLDED.get(key.replace("_", "").lower(), key)
                if meant != key and part.get(meant) is None:
                    part[meant] = part.pop(key)
            parts += [part[key] for key in PARTS if key in part]
            if isinstance(asked := part.get("inputRequests"), dict):
                parts += asked.values()
    return message


def in_words(value: Any) -> str:
    """Return a text as it is, any other value as JSON, and nothing for none."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) if value else ""


def is_empty(result: dict[str, Any]) -> bool:
    """Whether a result says nothing but of what type it is."""
    return not result.get("content") and result.keys() <= {"content", "resultType", "_meta"}


def is_deep(value: Any, levels: int = MAX_NESTING) -> bool:
    """Whether a value is nested deeper than what writes JSON for us bears."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(is_deep(part, levels - 1) for part in parts)


def acceptable(method: str | None, result: dict[str, Any], note: Note) -> dict[str, Any]:
    """Return a result that the SDK's models take, with the whole one in its `_meta`."""
    if method == "initialize" or (method == "server/discover" and "supportedVersions" in result):
        return _introduced(method, result, note)
    if method in LISTS:
        key = LISTS[method]
        entries = result.get(key)
        if not isinstance(entries, list):
            note(CodedError("list_odd", list=key))
            entries = []
        entries = entries[: MAX_ENTRIES + 1]  # one more, by which it is known that there are more
        tools = [_known(entry) for entry in entries if isinstance(entry, dict)] if key == "tools" else []
        cursor = result.get("nextCursor")
        paged = {"nextCursor": cursor} if isinstance(cursor, str) and cursor else {}
        return {**COMPLETE, **paged, key: [*filter(None, tools)], "_meta": carried(entries)}
    is_question = {"inputRequests", "requestState"} & result.keys()
    if method in READ_RAW and (method == "tools/call" or not is_question):
        return {**COMPLETE, **READ_RAW[method], "_meta": carried(result)}
    return result


def asked(method: str, params: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a question's parameters in a form that the SDK takes, with those sent in their `_meta`."""
    if method != "elicitation/create" or not isinstance(params, dict):
        return params
    empty = {"type": "object", "properties": {}}
    return {"message": "", "requestedSchema": empty, "_meta": carried(params)}


def _known(entry: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the client has to know of a tool: its name, and which arguments travel as headers."""
    name, schema = entry.get("name"), entry.get("inputSchema")
    with suppress(RecursionError):
        if isinstance(name, str) and isinstance(schema, dict) and "x-mcp-header" in repr(schema):
            return {"name": name, "inputSchema": {"type": "object"} | schema}
    return {"name": name, "inputSchema": {"type": "object"}} if isinstance(name, str) else None


def _introduced(method: str, result: dict[str, Any], note: Note) -> dict[str, Any]:
    """Mend the first answer: who the server is, and which version it speaks, is not worth a refusal."""
    about = {
        "capabilities": _capabilities(result.get("capabilities"), note),
        "instructions": str(result.get("instructions") or ""),
        "_meta": carried(result.get("_meta")),
    }
    if method == "server/discover":
        given = result["supportedVersions"]
        versions = [each for each in (given if isinstance(given, list) else [given]) if isinstance(each, str)]
        return {**COMPLETE, **about, "supportedVersions": versions}
    info, version = result.get("serverInfo"), result.get("protocolVersion")
    info = info if isinstance(info, dict) else {}
    if version not in HANDSHAKE_PROTOCOL_VERSIONS:
        note(CodedError("version_unknown", version=str(version)[:40]))
        version = LATEST_HANDSHAKE_VERSION
    server = {key: str(info.get(key) or "") for key in ("name", "version")}
    return {**about, "protocolVersion": version, "serverInfo": server}


def _capabilities(given: Any, note: Note) -> dict[str, dict[str, bool]]:
    """Return what a server can, as far as it concerns us; what is promised in a wrong form is promised."""
    if not isinstance(given, dict):
        given = {"capabilities": given}
    known = ("capabilities", "tools", "prompts", "resources", "completions", "logging")
    promised = {name: given[name] for name in known if given.get(name) not in (None, False)}
    if odd := [name for name, details in promised.items() if not isinstance(details, dict)]:
        note(CodedError("capabilities_odd", names=odd))
    return {
        name: {key: can for key, can in details.items() if isinstance(can, bool)} if name not in odd else {}
        for name, details in promised.items()
    }

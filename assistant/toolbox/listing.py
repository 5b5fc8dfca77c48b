"""The tools and prompts that a server lists, and how they are named and described to models and the page."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import METHOD_NOT_FOUND, ListPromptsResult, ListToolsResult

from assistant.chat.interfaces import Tool
from assistant.toolbox.config import Server
from assistant.toolbox.raw_results import MAX_ENTRIES, RAW
from assistant.toolbox.sdk_signals import filled_in
from serving.errors import CodedError
from serving.redaction import redacted

MAX_NAME_LENGTH = 64  # characters: OpenAI's limit, and the others'
MAX_TOOL_NAME = 256  # characters of a tool's own name
HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
HONOURS_KEY = "product-mcp/honours-key"  # in a tool's `_meta`: a call sent twice under one key runs once


@dataclass(frozen=True)
class Listing:
    """What a server lists; `skipped` names what of it cannot be used, each with the code of a reason."""

    tools: Sequence[Tool] = ()
    prompts: Sequence[dict[str, Any]] = ()
    skipped: Sequence[CodedError] = ()


async def read_listing(
    client: Client, server: Server, max_pages: int, writing: Collection[str] = ()
) -> Listing:
    """Read what a server lists, entry by entry; what is listed twice counts once.

    Tools of the names in `writing` count as writing whatever they call themselves now.
    Raises MCPError: it does not answer, or refuses to list its tools although it says that it has some.
    """
    tools: dict[str, Tool] = {}
    prompts: dict[str, dict[str, Any]] = {}
    skipped: list[CodedError] = []
    try:
        raw_tools = await _entries(client.list_tools, "tools", max_pages, skipped)
    except MCPError as error:
        has_tools = client.server_capabilities.tools is not None and error.code != METHOD_NOT_FOUND
        if has_tools or filled_in(error) is not None:
            raise
        raw_tools = []
    for number, entry in enumerate(raw_tools, 1):
        try:
            tool = describe_tool(server, entry, writing)
            if server.offers(tool.name):
                tools[tool.name] = tool
        except CodedError as error:
            skipped.append(_named("tool_skipped", entry, number, error))
    for number, entry in enumerate(await _prompt_entries(client, max_pages, skipped), 1):
        try:
            prompt = describe_prompt(server.name, entry)
            prompts[prompt["name"]] = prompt
        except CodedError as error:
            skipped.append(_named("prompt_skipped", entry, number, error))
    return Listing(list(tools.values()), list(prompts.values()), skipped)


async def _prompt_entries(client: Client, max_pages: int, skipped: list[CodedError]) -> list[Any]:
    if not client.server_capabilities.prompts:
        return []
    try:
        return await _entries(client.list_prompts, "prompts", max_pages, skipped)
    except MCPError as error:
        if filled_in(error) is not None:
            raise
        skipped.append(CodedError("prompts_refused", message=redacted(error.message)))
        return []


async def _entries(
    list_page: Callable[..., Awaitable[ListToolsResult | ListPromptsResult]],
    kind: str,
    max_pages: int,
    skipped: list[CodedError],
) -> list[Any]:
    """Read the pages of a list as they came, up to our bounds."""
    entries: list[Any] = []
    cursor = None
    for _ in range(max_pages):
        page = await list_page(cursor=cursor)
        entries += (page.meta or {}).get(RAW, [])
        if page.next_cursor in (None, cursor) and len(entries) <= MAX_ENTRIES:
            return entries
        if len(entries) > MAX_ENTRIES:
            break
        cursor = page.next_cursor
    entries = entries[:MAX_ENTRIES]
    skipped.append(CodedError("list_cut", list=kind, read=len(entries)))
    return entries


def _named(code: str, entry: Any, number: int, reason: CodedError) -> CodedError:
    name = entry.get("name") if isinstance(entry, dict) else None
    shown = str(name)[:MAX_NAME_LENGTH] if isinstance(name, str | int | float) else f"#{number}"
    return CodedError(code, name=shown, reason={"code": reason.code, "params": reason.params})


def offered_names(pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Give each (server, tool) a name that every provider accepts: `[a-zA-Z][a-zA-Z0-9_-]{,63}`.

    Names that are too long or would collide end in a hash of the pair, which is the same in every run.
    """
    names = {pair: re.sub(r"[^a-zA-Z0-9_-]", "_", "_".join(pair)) for pair in pairs}
    names |= {pair: f"s{name}" for pair, name in names.items() if not name[:1].isalpha()}
    for digits in (8, 16, 32):  # more than once: a tool may be named like another's hash
        counts = Counter(names.values())
        wrong = [pair for pair, name in names.items() if len(name) > MAX_NAME_LENGTH or counts[name] > 1]
        names |= {pair: _hashed(pair, names[pair], digits) for pair in wrong}
    return names


def _hashed(pair: tuple[str, str], name: str, digits: int) -> str:
    digest = hashlib.sha256("\0".join(pair).encode(errors="surrogatepass")).hexdigest()[:digits]
    return f"{name[: MAX_NAME_LENGTH - digits - 1]}_{digest}"


def describe_tool(server: Server, listed: Any, writing: Collection[str] = ()) -> Tool:
    """Describe a tool for the loop, but for its offered name. Raises CodedError: it is none."""
    if not isinstance(listed, dict):
        raise CodedError("entry_not_object")
    name, schema = _name(listed), listed.get("inputSchema") or {}
    if not isinstance(schema, dict):
        raise CodedError("schema_not_object")
    _refuse_apart(listed)
    annotations, meta = _annotations(listed), listed.get("_meta")
    if name in writing:
        annotations["readOnlyHint"] = False
    title = _text(listed, "title") or annotations.get("title") or name
    output = listed.get("outputSchema")
    return Tool(
        server=server.name,
        name=name,
        offered="",
        title=title,
        description=_text(listed, "description") or "无描述",
        input_schema={"type": "object", "properties": {}} | schema,
        output_schema=output if isinstance(output, dict) else None,
        annotations=annotations,
        fingerprint=_fingerprint(server, listed),
        honours_key=isinstance(meta, dict) and meta.get(HONOURS_KEY) is True,
    )


def _refuse_apart(listed: dict[str, Any]) -> None:
    """Keep from the model what is not meant for it. Raises CodedError."""
    match listed:
        case {"_meta": {"ui": {"visibility": [*who]}}} if "model" not in who:
            raise CodedError("only_for_apps")
        case {"execution": {"taskSupport": "required"}}:
            raise CodedError("only_as_task")


def _name(listed: dict[str, Any]) -> str:
    name = listed.get("name")
    if not isinstance(name, str) or not name.strip():
        raise CodedError("name_not_text")
    if len(name) > MAX_TOOL_NAME:
        raise CodedError("name_too_long", max=MAX_TOOL_NAME)
    return name


def _text(listed: dict[str, Any], key: str) -> str:
    value = listed.get(key)
    return value if isinstance(value, str) else ""


def _annotations(listed: dict[str, Any]) -> dict[str, Any]:
    """Return the annotations that are what the protocol says; a wrong hint is no hint."""
    given = listed.get("annotations")
    if not isinstance(given, dict):
        return {}
    hints = {key: given[key] for key in HINTS if isinstance(given.get(key), bool)}
    return hints | ({"title": given["title"]} if isinstance(given.get("title"), str) else {})


def _fingerprint(server: Server, listed: dict[str, Any]) -> str:
    """Hash all that the server sent about a tool, and where the server is."""
    try:
        text = json.dumps([server.identity, listed], sort_keys=True)
    except RecursionError:
        raise CodedError("nested_too_deep") from None
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def describe_prompt(server: str, listed: Any) -> dict[str, Any]:
    """Describe a prompt for the page, its arguments as a schema. Raises CodedError: it is none."""
    if not isinstance(listed, dict):
        raise CodedError("entry_not_object")
    given = listed.get("arguments") or []
    arguments = [each for each in given if isinstance(each, dict) and _text(each, "name")]
    properties = {
        each["name"]: {"type": "string", "description": _text(each, "description")} for each in arguments
    }
    name = _name(listed)
    return {
        "server": server,
        "name": name,
        "title": _text(listed, "title") or name,
        "description": _text(listed, "description"),
        "input_schema": {
            "type": "object",
            "properties": properties,
            "required": [each["name"] for each in arguments if each.get("required") is True],
        },
    }

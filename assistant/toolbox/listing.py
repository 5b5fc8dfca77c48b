"""The tools and prompts that a server lists, and how they are named and described to models and the page."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar
from urllib.parse import unquote

from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import METHOD_NOT_FOUND

from assistant.chat.interfaces import Tool
from assistant.toolbox.raw_results import MAX_ENTRIES, is_deep, raw_of, text_of
from assistant.toolbox.sdk_signals import filled_in, link_failure
from assistant.toolbox.server import Server
from serving.errors import CodedError

MAX_NAME_LENGTH = 64  # characters: OpenAI's limit, and the others'
MAX_APP_URI = 1_000  # characters
MAX_PAGES = 100  # of one list
MAX_TOOL_NAME = 256  # characters of a tool's own name
HINTS = ("title", "readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
HONOURS_KEY = "product-mcp/honours-key"  # in a tool's `_meta`: a call sent twice under one key runs once
CAPABILITY = {"resource_templates": "resources"}  # of a list, where it is named otherwise

NO_DESCRIPTION = "无描述"  # the tutorial's, of a tool without one; a page says it in its own language

R = TypeVar("R")


@dataclass(frozen=True)
class Listing:
    """What a server lists; `skipped` names what of it cannot be used, each with the code of a reason."""

    tools: Sequence[Tool] = ()
    for_apps: Sequence[Tool] = ()  # those that no model is offered
    prompts: Sequence[dict[str, Any]] = ()
    skipped: Sequence[CodedError] = ()
    raw: Sequence[Any] = field(default=(), repr=False, compare=False)  # all that it is made of

    @cached_property
    def by_name(self) -> Mapping[str, Tool]:
        """All tools, those for apps as well."""
        return {tool.name: tool for tool in (*self.for_apps, *self.tools)}

    @cached_property
    def has_apps(self) -> bool:
        """Whether an app of this server may be shown."""
        return any(tool.app for tool in self.tools)

    @cached_property
    def only_as_tasks(self) -> set[str]:
        """Names of the tools that can only run as a task."""
        tools = [each.params for each in self.skipped if each.code == "tool_skipped"]
        return {each["name"] for each in tools if each["reason"]["code"] == "only_as_task"}


async def read_listing(
    client: Client,
    server: Server,
    writing: Collection[str] = (),
    before: Listing | None = None,
) -> Listing:
    """Read what a server lists, entry by entry; what is listed twice counts once.

    Tools of the names in `writing` count as writing whatever they call themselves now. Where nothing has
    changed, it is the listing of `before`: half the work for a list that is read again and again.
    Raises MCPError: it does not answer, or refuses to list its tools although it says that it has some.
    """
    skipped: list[CodedError] = []
    lists = await read_lists(client, server, skipped, "tools", "prompts", otherwise="resources")
    raw_tools, raw_prompts = lists
    raw = [raw_tools, raw_prompts, set(writing), list(skipped)]
    with suppress(RecursionError):
        if before is not None and raw == before.raw:
            return before
    tools = usable("tool_skipped", raw_tools, partial(describe_tool, server, writing=writing), skipped)
    patterns = [each for each in (*server.only_tools, *server.not_tools) if each != "*"]
    matched = {each for each in patterns for tool in tools if server.is_meant(tool.name, each)}
    if unmatched := [each for each in patterns if each not in matched]:
        skipped.append(CodedError("tools_unmatched", names=unmatched))
    prompts = usable("prompt_skipped", raw_prompts, partial(describe_prompt, server.name), skipped)
    hidden = [each for each in raw_tools if isinstance(each, dict) and not _is_for(each, "model")]
    describe = partial(describe_tool, server, writing=writing, reader="app")
    return Listing(
        [tool for tool in tools if server.offers(tool.name)],
        [tool for tool in usable("tool_skipped", hidden, describe, []) if server.offers(tool.name)],
        *(prompts, skipped, raw),
    )


async def read_lists(
    client: Client, server: Server, skipped: list[CodedError], *kinds: str, otherwise: str = ""
) -> list[list[Any]]:
    """Read these lists, each for itself; `otherwise` is read where none of them could be.

    Raises MCPError: the server is gone, or none of its lists can be read.
    """
    lists: dict[str, list[Any]] = {}
    failures: dict[str, MCPError] = {}
    for kind in (*kinds, otherwise):
        if kind == otherwise and (lists or not failures):
            break
        if kind != "tools" and not _is_promised(client, kind):
            continue
        try:
            lists[kind] = await entries_of(client, server, skipped, kind)
        except MCPError as error:
            if _is_gone(error, server, kind):
                raise
            failures[kind] = error
    if failures and not lists:
        raise next(iter(failures.values()))
    skipped += [_refused(server, kind, error) for kind, error in failures.items()]
    return [lists.get(kind, []) for kind in kinds]


def _is_promised(client: Client, kind: str) -> bool:
    return getattr(client.server_capabilities, CAPABILITY.get(kind, kind), None) is not None


def _is_gone(error: MCPError, server: Server, kind: str) -> bool:
    """Whether a list that failed says that the server is gone, or wants a person."""
    code = said.code if (said := filled_in(error)) else ""
    is_of_tools = kind == "tools" and code in ("lost", "late")  # with another list it may just have trouble
    return (
        is_of_tools
        or code.startswith("sign_in")
        or (code == "lost" and server.transport != "streamable-http")
    )


def _refused(server: Server, kind: str, error: MCPError) -> CodedError:
    reason = link_failure(error, server)
    return CodedError("list_refused", list=kind, reason={"code": reason.code, "params": reason.params})


async def entries_of(client: Client, server: Server, skipped: list[CodedError], kind: str) -> list[Any]:
    """Read the pages of a list as they came, up to our bounds. Raises MCPError: there is none of it."""
    is_promised = _is_promised(client, kind)
    entries: list[Any] = []
    cursor = None
    for _ in range(MAX_PAGES):
        try:
            page = await getattr(client, f"list_{kind}")(cursor=cursor)
        except MCPError as error:
            is_answer = filled_in(error) is None
            is_needed = kind == "tools" and is_promised and error.code != METHOD_NOT_FOUND
            if _is_gone(error, server, kind) or (not entries and (is_needed or not is_answer)):
                raise
            if is_promised:
                skipped.append(_refused(server, kind, error))
            return entries
        entries += raw_of(page.meta, [])
        if page.next_cursor is None and len(entries) <= MAX_ENTRIES:
            return entries
        if page.next_cursor == cursor or len(entries) > MAX_ENTRIES:  # or its pages are one and the same
            break
        cursor = page.next_cursor
    if entries:
        entries = entries[:MAX_ENTRIES]
        skipped.append(CodedError("list_cut", list=kind, read=len(entries)))
    return entries


def usable(
    code: str,
    entries: list[Any],
    describe: Callable[[dict[str, Any]], R],
    skipped: list[CodedError],
    *,
    key: str = "name",
    longest: int = MAX_TOOL_NAME,
) -> list[R]:
    """Describe the entries that can be used, and name the others."""
    found: dict[str, R] = {}
    given: dict[str, Any] = {}
    for number, entry in enumerate(entries, 1):
        name = entry.get(key) if isinstance(entry, dict) else None
        try:
            if not isinstance(entry, dict):
                raise CodedError("entry_not_object")  # noqa: TRY301  as what describes it does
            if not isinstance(name, str) or not name.strip():
                raise CodedError("name_not_text")  # noqa: TRY301
            if len(name) > longest:
                raise CodedError("name_too_long", max=longest)  # noqa: TRY301
            if given.setdefault(name, entry) != entry:
                raise CodedError("name_twice")  # noqa: TRY301
            found[name] = describe(entry)
        except CodedError as error:
            shown = str(name)[:MAX_NAME_LENGTH] if isinstance(name, str | int | float) else f"#{number}"
            reason = {"code": error.code, "params": error.params}
            skipped.append(CodedError(code, name=shown, reason=reason))
    return list(found.values())


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


def _is_for(listed: dict[str, Any], reader: str) -> bool:
    match listed:
        case {"_meta": {"ui": {"visibility": [*_] | str() as who}}}:
            return reader in (who if isinstance(who, list) else [who])
    return True


def _app(listed: dict[str, Any]) -> str:
    """Return the address of the app that shows a tool's calls; the flat key is that of older servers."""
    match listed:
        case {"_meta": {"ui": {"resourceUri": str(uri)}}} | {"_meta": {"ui/resourceUri": str(uri)}}:
            return uri if uri.startswith("ui://") and len(uri) <= MAX_APP_URI else ""
    return ""


def describe_tool(
    server: Server, listed: dict[str, Any], writing: Collection[str] = (), reader: str = "model"
) -> Tool:
    """Describe a tool, but for its offered name. Raises CodedError: it is not for this reader."""
    if not _is_for(listed, reader):
        raise CodedError("only_for_apps")
    match listed:
        case {"execution": {"taskSupport": "required"}}:
            raise CodedError("only_as_task")
    schema = _schema_of(listed)
    name, output = listed["name"], listed.get("outputSchema")
    annotations, meta = _annotations(listed), listed.get("_meta")
    if name in writing and "readOnlyHint" in annotations:  # without one it counts as writing anyway
        annotations["readOnlyHint"] = False
    return Tool(
        server=server.name,
        name=name,
        offered="",
        title=text_of(listed, "title") or annotations.get("title") or name,
        description=text_of(listed, "description") or NO_DESCRIPTION,
        input_schema=schema,
        output_schema=output if isinstance(output, dict) else None,
        annotations=annotations,
        fingerprint=_fingerprint(server, listed),
        honours_key=isinstance(meta, dict) and meta.get(HONOURS_KEY) is True,
        app=_app(listed),
        apps_may=_is_for(listed, "app"),
    )


def _schema_of(listed: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a tool's arguments, whose top says what they are."""
    given = listed.get("inputSchema")
    schema = given if isinstance(given, dict) else {}
    if given is False or (given and given is not True and not schema):
        raise CodedError("schema_not_object")
    for _ in schema:  # some generators name each schema, also the first, and begin with a reference to it
        target = _at(schema, schema["$ref"]) if isinstance(schema.get("$ref"), str) else None
        if not isinstance(target, dict):
            break
        schema = target | {key: value for key, value in schema.items() if key != "$ref" and value != {}}
    return {"type": "object", "properties": {}} | schema


def _at(value: Any, pointer: str) -> Any:
    """Return what a JSON pointer within a value points to."""
    for key in pointer.split("/")[1:]:
        name = unquote(key).replace("~1", "/").replace("~0", "~")
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _annotations(listed: dict[str, Any]) -> dict[str, Any]:
    """Return the annotations that are what the protocol says; a wrong hint is no hint."""
    given = listed.get("annotations")
    types = {key: str if key == "title" else bool for key in HINTS}
    given = given if isinstance(given, dict) else {}
    return {key: given[key] for key in HINTS if isinstance(given.get(key), types[key])}


def _fingerprint(server: Server, listed: dict[str, Any]) -> str:
    """Hash all that the server sent about a tool, and where the server is."""
    if is_deep(listed):
        raise CodedError("nested_too_deep")
    text = json.dumps([server.identity, listed], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def describe_prompt(server: str, listed: dict[str, Any]) -> dict[str, Any]:
    """Describe a prompt for the page, its arguments as a schema like a tool's."""
    given = listed.get("arguments")
    given = given if isinstance(given, list) else []
    arguments = {
        text_of(each, "name"): each for each in given if isinstance(each, dict) and text_of(each, "name")
    }
    schema = {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": text_of(each, "description")}
            for name, each in arguments.items()
        },
        "required": [name for name, each in arguments.items() if each.get("required") is True],
    }
    name = listed["name"]
    said = {"title": text_of(listed, "title") or name, "description": text_of(listed, "description")}
    return {"server": server, "name": name, **said, "input_schema": schema}

"""The tools and prompts that a server lists, and how they are named and described to models and the page."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mcp import Client
from mcp_types import Prompt
from mcp_types import Tool as McpTool

from assistant.chat.interfaces import Tool
from assistant.toolbox.config import Server

MAX_NAME_LENGTH = 64  # characters: OpenAI's limit, and the others'
HONOURS_KEY = "product-mcp/honours-key"  # in a tool's `_meta`: a call sent twice under one key runs once


async def list_tools(client: Client, max_pages: int) -> list[McpTool]:
    """Read every page of a server's list; a tool that is listed twice counts once."""
    tools: dict[str, McpTool] = {}
    cursor = None
    for _ in range(max_pages):
        page = await client.list_tools(cursor=cursor)
        tools |= {tool.name: tool for tool in page.tools}
        cursor = page.next_cursor
        if not cursor:
            break
    return list(tools.values())


async def list_prompts(client: Client) -> list[Prompt]:
    """Read the first page of a server's prompts: they are offered to people, who do not read more."""
    if not client.server_capabilities.prompts:
        return []
    return (await client.list_prompts()).prompts


def offered_names(pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Give each (server, tool) a name that every provider accepts: `[a-zA-Z0-9_-]`, at most 64 characters.

    Names that are too long or would collide end in a hash of the pair, which is the same in every run.
    """
    names = {pair: re.sub(r"[^a-zA-Z0-9_-]", "_", "_".join(pair)) for pair in pairs}
    for digits in (8, 16, 32):  # more than once: a tool may be named like another's hash
        counts = Counter(names.values())
        wrong = [pair for pair, name in names.items() if len(name) > MAX_NAME_LENGTH or counts[name] > 1]
        names |= {pair: _hashed(pair, names[pair], digits) for pair in wrong}
    return names


def _hashed(pair: tuple[str, str], name: str, digits: int) -> str:
    digest = hashlib.sha256("\0".join(pair).encode(errors="surrogatepass")).hexdigest()[:digits]
    return f"{name[: MAX_NAME_LENGTH - digits - 1]}_{digest}"


def honours_key(tool: McpTool) -> bool:
    """Whether the tool says that a call sent twice under one `_meta["idempotency-key"]` runs once."""
    return (tool.meta or {}).get(HONOURS_KEY) is True


def _fingerprint(server: Server, tool: McpTool) -> str:
    listed = tool.model_dump(mode="json", by_alias=True, exclude_none=True)
    where = [server.name, server.transport, server.url, server.command, server.args]
    return hashlib.sha256(json.dumps([where, listed], sort_keys=True).encode()).hexdigest()[:32]


def describe_tool(server: Server, tool: McpTool, offered: str) -> Tool:
    """Describe a tool for the loop."""
    annotations = tool.annotations.model_dump(by_alias=True, exclude_none=True) if tool.annotations else {}
    return Tool(
        server=server.name,
        name=tool.name,
        offered=offered,
        title=tool.title or annotations.get("title") or tool.name,
        description=tool.description or "无描述",
        input_schema=tool.input_schema or {"type": "object", "properties": {}},
        output_schema=tool.output_schema,
        annotations=annotations,
        fingerprint=_fingerprint(server, tool),
        honours_key=honours_key(tool),
    )


def describe_prompt(server: str, prompt: Prompt) -> dict[str, Any]:
    """Describe a prompt for the page, its arguments as a schema like a tool's."""
    arguments = prompt.arguments or []
    properties = {each.name: {"type": "string", "description": each.description or ""} for each in arguments}
    required = [each.name for each in arguments if each.required]
    return {
        "server": server,
        "name": prompt.name,
        "title": prompt.title or prompt.name,
        "description": prompt.description or "",
        "input_schema": {"type": "object", "properties": properties, "required": required},
    }

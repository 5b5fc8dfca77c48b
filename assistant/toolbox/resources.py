"""The resources of a server: listed when somebody looks, filled in, read, followed while they are open."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from mcp import Client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp.shared.uri_template import InvalidUriTemplate, UriTemplate, Variable
from mcp_types import (
    EmptyResult,
    PromptReference,
    ResourceTemplateReference,
    UnsubscribeRequest,
    UnsubscribeRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from assistant.toolbox.call import exchange, fetch
from assistant.toolbox.link import Link
from assistant.toolbox.listing import read_lists, usable
from assistant.toolbox.raw_results import text_of
from assistant.toolbox.results import read_contents
from assistant.toolbox.watching import subscribed
from serving.errors import CodedError
from serving.redaction import redacted

MAX_URI = 8_192  # characters of an address, as of a template
MAX_COMPLETIONS = 100
UNSUBSCRIBE_SECONDS = 1.0

Listed = tuple[list[dict[str, Any]], list[dict[str, Any]], list[CodedError]]


async def list_resources(link: Link) -> Listed:
    """Return the resources and templates of a server, and what of them cannot be used.

    Raises CodedError: it is not connected, or does not answer.
    """

    async def read(client: Client) -> Listed:
        skipped: list[CodedError] = []
        kinds = ("resources", "resource_templates")
        resources, templates = await read_lists(client, link.server, skipped, *kinds)
        return (
            usable("resource_skipped", resources, _resource, skipped, key="uri", longest=MAX_URI),
            usable("resource_skipped", templates, _template, skipped, key="uriTemplate", longest=MAX_URI),
            skipped,
        )

    return await exchange(link, read, lambda: "reads")


def _resource(listed: dict[str, Any]) -> dict[str, Any]:
    size, uri = listed.get("size"), listed["uri"]
    title = text_of(listed, "title") or text_of(listed, "name") or uri
    said = {key: text_of(listed, key) for key in ("description", "mimeType")}
    return {"uri": uri, "title": title, "size": size if type(size) is int else None, **said}


def _template(listed: dict[str, Any]) -> dict[str, Any]:
    template = _parsed(listed["uriTemplate"])
    described = _resource(listed | {"uri": listed["uriTemplate"]})
    optional = template.query_variable_names
    names = dict.fromkeys(template.variable_names)
    return described | {"arguments": [{"name": name, "required": name not in optional} for name in names]}


def _parsed(template: str) -> UriTemplate:
    try:
        return UriTemplate.parse(template)
    except InvalidUriTemplate as error:
        raise CodedError("template_wrong", reason=str(error)) from error


def filled(template: str, args: Mapping[str, str]) -> str:
    """Return the address of a template. Raises CodedError: it is none, or an argument is missing."""
    parsed = _parsed(template)
    missing = [name for name in parsed.variable_names if not args.get(name)]
    if missing := [name for name in missing if name not in parsed.query_variable_names]:
        raise CodedError("template_unfilled", names=missing)
    values = {each.name: _value(each, args[each.name]) for each in parsed.variables if args.get(each.name)}
    return parsed.expand(values)


def _value(variable: Variable, text: str) -> str | Sequence[str]:
    """What may be several is written as in the address: `a/b/c` in a path, else with commas."""
    return text.split("/" if variable.operator == "/" else ",") if variable.explode else text


async def read_resource(link: Link, uri: str) -> list[dict[str, Any]]:
    """Return a resource's contents, each with uri, mimeType, and text or blob. Raises as `fill_prompt`."""
    return await read_contents(await fetch(link, lambda client: client.read_resource(uri)), uri)


async def complete(
    link: Link, ref: Mapping[str, str], argument: Mapping[str, str], context: Mapping[str, str]
) -> list[str]:
    """Return what a server suggests for an argument of a template or a prompt. Raises as `fill_prompt`."""
    about: ResourceTemplateReference | PromptReference
    if ref["type"] == "ref/prompt":
        about = PromptReference(name=ref["name"])
    else:
        about = ResourceTemplateReference(uri=ref["uri"])
    raw = await fetch(link, lambda client: client.complete(about, dict(argument), dict(context) or None))
    found = raw.get("completion")
    values = found.get("values") if isinstance(found, dict) else None
    texts = [redacted(each) for each in values if isinstance(each, str)] if isinstance(values, list) else []
    return texts[:MAX_COMPLETIONS]


async def follow(link: Link, uri: str) -> None:
    """Have a server tell the changes of a resource, which ring the toolbox's news, until it tells no more.

    The first ring is that it is followed. Raises CodedError: it cannot be, or no longer.
    """
    client = await link.ready()
    resources = client.server_capabilities.resources
    if resources is None or not resources.subscribe:
        raise CodedError("not_followed", server=link.server.name)
    link.followed[uri] += 1
    try:
        if client.protocol_version in MODERN_PROTOCOL_VERSIONS:
            await _listen(link, client, uri)
        elif await subscribed(client, [uri]):
            link.touched(uri)
            await link.left(client)
    except (MCPError, SubscriptionLost) as error:
        raise CodedError("not_followed", server=link.server.name) from error
    finally:
        link.followed[uri] -= 1
        await _unsubscribe(link, client, uri)


async def _listen(link: Link, client: Client, uri: str) -> None:
    async with client.listen(resource_subscriptions=[uri]) as changes:
        link.touched(uri)
        async for _ in changes:
            link.touched(uri)


async def _unsubscribe(link: Link, client: Client, uri: str) -> None:
    is_over = client.protocol_version in MODERN_PROTOCOL_VERSIONS or uri in link.watched
    if is_over or link.followed[uri] or not link.has(client):
        return
    with suppress(MCPError, TimeoutError):
        async with asyncio.timeout(UNSUBSCRIBE_SECONDS):
            request = UnsubscribeRequest(params=UnsubscribeRequestParams(uri=uri))
            await client.session.send_request(request, EmptyResult)

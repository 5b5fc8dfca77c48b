"""What servers hold as resources: read by their address, as whole as they came."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from tests.support import world
from tests.support.asgi import serve
from tests.support.chat_service import shop_server
from tests.support.mcp_servers import HandshakeOnly
from tests.support.raw_server import NONE, error

pytestmark = pytest.mark.anyio
PNG = base64.b64encode(b"\x89PNG\xff\xfb\xff").decode()
URI = "shop://a"


def content(text: str | None = None, uri: str = URI, mime: str = "", **more: str) -> dict[str, str]:
    return {"uri": uri, "mimeType": mime, **({} if text is None else {"text": text}), **more}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ([{"uri": "a:b", "mimeType": "text/x", "text": "汉"}], [content("汉", "a:b", "text/x")]),
        ([{"text": "a"}, {"uri": "a:c", "blob": PNG}], [content("a"), content(uri="a:c", blob=PNG)]),
        ([{"blob": f"{PNG[:4]}\n{PNG[4:]}", "text": "a"}], [content("a", blob=PNG)]),
        ([{"text": "\ufeffBOM", "mimeType": 7}], [content("BOM")]),
        ([{"text": {"n": 1}}, "bare", {"x": 1}], [content('{"n": 1}'), content("bare"), content('{"x": 1}')]),
        ({"text": "one"}, [content("one")]),
        ([], []),
        (None, []),
    ],
)
async def test_the_contents_of_a_resource_are_as_whole_as_they_came(
    shared: world.Started, given: Any, read: list[dict[str, str]]
) -> None:
    shared.server.answers["resources/read"] = {"contents": given}
    assert await shared.web.read(URI) == (200, {"contents": read})
    reads = [asked for asked in shared.server.asked if asked.get("method") == "resources/read"]
    assert [asked["params"]["uri"] for asked in reads] == [URI]


@pytest.mark.parametrize(
    ("answer", "server", "status", "code"),
    [
        (error(-32002, "Resource not found"), "s", 502, "mcp_error"),
        (b"no JSON", "s", 502, "garbled"),
        ({}, "x", 404, "unknown_server"),
    ],
)
async def test_a_resource_that_cannot_be_read_says_why(
    shared: world.Started, answer: Any, server: str, status: int, code: str
) -> None:
    shared.server.answers["resources/read"] = answer
    told = await shared.web.read(URI, server)
    assert (told[0], told[1]["code"]) == (status, code)


@pytest.mark.parametrize("around", [lambda app: app, HandshakeOnly])
async def test_a_resource_is_read_in_both_eras(tmp_path: Path, around: Any) -> None:
    server = shop_server()

    @server.resource("shop://items/{id}", mime_type="application/json")
    def item(id: str) -> str:
        return f"[{id}]"

    app = around(server.streamable_http_app())
    async with serve(app) as url, world.entry(tmp_path, {"url": f"{url}/mcp"}) as web:
        await web.becomes("ready")
        read = await web.read("shop://items/7")
    assert read == (200, {"contents": [content("[7]", "shop://items/7", "application/json")]})


RESOURCES = {"resources": [{"uri": "shop://products"}, {"uri": "other://a"}]}
CAN = {"capabilities": {"tools": {}, "resources": {"subscribe": True}}}


@pytest.mark.parametrize(
    ("hello", "answers"),
    [
        ({}, {"resources/list": RESOURCES}),
        (CAN, {"resources/list": {"resources": [{"uri": "other://a"}, None]}}),
        (CAN, {"resources/list": NONE}),
        (CAN, {"resources/list": RESOURCES, "resources/subscribe": NONE, "subscriptions/listen": NONE}),
        (CAN, {"resources/list": RESOURCES, "resources/subscribe": {}}),  # and no stream to tell it on
    ],
)
async def test_what_a_server_does_not_tell_of_is_not_watched(
    shared: world.Started, hello: dict[str, Any], answers: dict[str, Any]
) -> None:
    await shared.connect(answers, hello)
    if hello:
        while not any(shared.server.times(method) for method in reversed(answers)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    told = await shared.web.server()
    assert (told["status"], told["watched"]) == ("ready", [])

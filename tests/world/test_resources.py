"""What servers hold as resources: read by their address, as whole as they came."""

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.support import world
from tests.support.asgi import serve
from tests.support.chat_service import shop_server
from tests.support.mcp_servers import HandshakeOnly
from tests.support.raw_server import error

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

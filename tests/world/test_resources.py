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
    assert await shared.web.read(URI) == (200, {"uri": URI, "contents": read})
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


JPEG = {"uri": URI, "mimeType": "image/jpeg", "blob": base64.b64encode(b"pixels").decode()}


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ([JPEG], 200),
        ([{"text": "about it"}, JPEG], 200),
        ([JPEG | {"mimeType": "image/svg+xml"}], 404),
        ([JPEG | {"mimeType": "text/html"}], 404),
        ([JPEG | {"mimeType": "image/jpeg\r\nX-A: b"}], 404),
        ([JPEG | {"blob": "%"}], 404),
        ([{"mimeType": "image/png", "text": "x"}], 404),
        ([], 404),
    ],
)
async def test_only_pixels_are_a_picture(shared: world.Started, given: Any, status: int) -> None:
    shared.server.answers["resources/read"] = {"contents": given}
    answer = await shared.web.http.get("/api/picture", params={"server": "s", "uri": URI})
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    if status == 200:
        assert (answer.content, answer.headers["content-type"]) == (b"pixels", "image/jpeg")
        assert "sandbox" in answer.headers["content-security-policy"]
    else:
        assert answer.json()["code"] == "not_a_picture"


async def test_another_page_cannot_have_a_picture_fetched(shared: world.Started) -> None:
    path, headers = f"/api/picture?server=s&uri={URI}", {"Sec-Fetch-Site": "cross-site"}
    assert (await shared.web.http.get(path, headers=headers)).status_code == 403
    assert not [each for each in shared.server.asked if each.get("method") == "resources/read"]


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
    seven = content("[7]", "shop://items/7", "application/json")
    assert read == (200, {"uri": "shop://items/7", "contents": [seven]})


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


ODD_RESOURCES = [
    {"uri": "a:b", "name": "n", "mimeType": 7, "size": "9"},
    {"uri": "a:c", "title": "T", "description": "D", "mimeType": "text/x", "size": 9},
    {"name": "no address"},
    "no object",
]
ODD_TEMPLATES = [{"uriTemplate": "f:///{+path}{?lang}", "name": "files"}, {"uriTemplate": "f:///{"}]


async def test_resources_and_templates_are_listed_one_by_one_and_what_is_odd_is_named(
    shared: world.Started,
) -> None:
    answers = {
        "resources/list": {"resources": ODD_RESOURCES},
        "resources/templates/list": {"resourceTemplates": ODD_TEMPLATES},
    }
    await shared.connect(answers, CAN)
    listed = (await shared.web.http.get("/api/resources", params={"server": "s"})).json()
    none = {"description": "", "mimeType": "", "size": None}
    assert listed["resources"] == [
        {"uri": "a:b", "title": "n", **none},
        {"uri": "a:c", "title": "T", "description": "D", "mimeType": "text/x", "size": 9},
    ]
    asked = [{"name": "path", "required": True}, {"name": "lang", "required": False}]
    assert listed["templates"] == [
        {"uri": "f:///{+path}{?lang}", "title": "files", **none, "arguments": asked}
    ]
    reasons = [note["params"]["reason"]["code"] for note in listed["skipped"]]
    assert reasons == ["name_not_text", "entry_not_object", "template_wrong"]


async def test_a_list_that_is_refused_is_named_beside_the_other(shared: world.Started) -> None:
    await shared.connect({"resources/templates/list": {"resourceTemplates": ODD_TEMPLATES[:1]}}, CAN)
    listed = (await shared.web.http.get("/api/resources", params={"server": "s"})).json()
    assert (listed["resources"], len(listed["templates"])) == ([], 1)
    assert listed["skipped"][0]["code"] == "list_refused"


@pytest.mark.parametrize(
    ("template", "args", "uri"),
    [
        ("f:///{name}", {"name": "a b/c"}, "f:///a%20b%2Fc"),
        ("f:///{+path}{?lang}", {"path": "a/b", "lang": ""}, "f:///a/b"),
        ("f://{/path*}", {"path": "a/b"}, "f:///a/b"),
        ("f:///{name}", {"other": "x"}, None),
        ("f:///{", {}, None),
    ],
)
async def test_a_template_is_filled_in(
    shared: world.Started, template: str, args: dict[str, str], uri: str | None
) -> None:
    shared.server.answers["resources/read"] = {"contents": [{"text": "a"}]}
    body = {"server": "s", "uri": template, "args": args}
    answer = await shared.web.http.post("/api/read-resource", json=body)
    assert (answer.status_code, answer.json().get("uri")) == ((200, uri) if uri else (422, None))


async def test_markdown_comes_as_html_that_is_safe_too(shared: world.Started) -> None:
    texts = [
        {"uri": "a:b.markdown", "text": "# A"},
        {"uri": "a:c", "mimeType": "text/markdown", "text": "<b>"},
    ]
    shared.server.answers["resources/read"] = {"contents": [*texts, {"uri": "a:d", "text": "# D"}]}
    contents = (await shared.web.read(URI))[1]["contents"]
    assert [each.get("html") for each in contents] == ["<h1>A</h1>\n", "<p>&lt;b&gt;</p>\n", None]


@pytest.mark.parametrize(
    ("completion", "values"),
    [
        ({"values": ["a", 7, "b"], "total": "2"}, ["a", "b"]),
        ({"values": [str(n) for n in range(200)]}, [str(n) for n in range(100)]),
        (None, []),
    ],
)
async def test_an_argument_is_completed(shared: world.Started, completion: Any, values: list[str]) -> None:
    shared.server.answers["completion/complete"] = {"completion": completion}
    ref = {"type": "ref/resource", "uri": "f:///{a}/{b}"}
    body = {"server": "s", "ref": ref, "argument": {"name": "b", "value": "x"}, "context": {"a": "1"}}
    assert (await shared.web.http.post("/api/complete", json=body)).json() == {"values": values}
    (asked,) = [asked for asked in shared.server.asked if asked.get("method") == "completion/complete"]
    assert asked["params"]["ref"] == ref
    assert asked["params"]["argument"] == {"name": "b", "value": "x"}
    assert asked["params"]["context"] == {"arguments": {"a": "1"}}


async def test_a_server_that_tells_no_changes_ends_the_stream_at_once(shared: world.Started) -> None:
    await shared.connect({}, {"capabilities": {"tools": {}, "resources": {}}})
    answer = await shared.web.http.get("/api/follow", params={"server": "s", "uri": URI})
    assert (answer.status_code, "changed" in answer.text) == (200, False)
    for path in ("follow", "resources"):
        answer = await shared.web.http.get(f"/api/{path}", params={"server": "x", "uri": URI})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_server")

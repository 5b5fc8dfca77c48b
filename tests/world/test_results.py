"""Results of tools reach the model and the person as whole as they came."""

import base64
import json
from typing import Any

import pytest
from starlette.responses import Response

from tests.support import world
from tests.support.raw_server import READS, WRITES, error, listing, says, tool

pytestmark = pytest.mark.anyio
PNG = base64.b64encode(b"\x89PNG\xff\xfb\xff").decode()
LONG = base64.b64encode(b"\xff\x00\x10" * 1000).decode()
ITEMS = [{"id": 1}, {"id": 2}]
ROWS = {"items": ITEMS}


def result(*blocks: Any, **more: Any) -> dict[str, Any]:
    return {"content": list(blocks), **more}


def whole(**answer: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": "ID", **answer}).encode()


def text(words: Any) -> dict[str, Any]:
    return {"type": "text", "text": words}


def resource(**inner: Any) -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": "file:///a", **inner}}


@pytest.mark.parametrize(
    ("given", "parts", "media"),
    [
        (result(text("4 items"), structuredContent=ROWS), ["4 items", json.dumps(ROWS)], 0),
        (result(structuredContent=ROWS), [json.dumps(ROWS)], 0),
        (result(text("a"), {"type": "hologram", "url": "x:y"}), ["a", "hologram", "x:y"], 0),
        (result(text("a"), None, 7, "bare"), ["a", "bare"], 0),
        (result({"text": "no type"}), ["no type"], 0),
        (result(text(5), text({"a": 1})), ['5', '{"a": 1}'], 0),
        (result(text(None), text("b")), ["b"], 0),
        (result(resource(text="")), ["file:///a"], 0),
        (result(resource(text="inner")), ["file:///a", "inner"], 0),
        (result(resource(blob=PNG, mimeType="image/png")), ["file:///a", "image/png"], 1),
        (result(resource(blob=base64.b64encode("文".encode()).decode(), mimeType="text/plain")), ["文"], 1),
        (result(resource(blob="!", mimeType="text/plain")), ["file:///a"], 1),
        (result(resource()), ["file:///a"], 0),
        (result({"type": "image", "data": PNG, "mimeType": "image/png"}), ["image/png"], 1),
        (result({"type": "audio", "data": PNG, "mimeType": "audio/wav"}), ["audio/wav"], 1),
        (result({"type": "image", "data": PNG}), ["image"], 0),
        (result(resource(blob=PNG, text="both")), ["file:///a", "both"], 1),
        ({"content": [text("a")], "resultType": "input_required"}, ["a"], 0),
        (result({"type": "image", "data": 7, "mimeType": "image/png"}), ["image/png"], 0),
        (result({"type": "resource_link", "uri": "https://x/y", "name": "Y"}), ["Y", "https://x/y"], 1),
        (result({"type": "resource_link", "uri": "https://x/y"}), ["https://x/y"], 1),
        (result(text("\ufeffBOM")), ["BOM"], 0),
        (result(), ["✅ 操作完成"], 0),
        ({}, ["✅ 操作完成"], 0),
        ({"content": None}, ["✅ 操作完成"], 0),
        ({"content": "words"}, ["words"], 0),
        ({"content": text("one")}, ["one"], 0),
        ({"content": [], "toolResult": "of 2024"}, ["of 2024"], 0),
        (result({"type": "image", "data": PNG, "mime_type": "image/png"}), ["image/png"], 1),
        (result(resource(blob=PNG, mime_type="image/png")), ["file:///a，image/png"], 1),
        ({"structured_content": ROWS, "is_error": False}, [json.dumps(ROWS)], 0),
        (result({"type": "video", "data": PNG, "mimeType": "video/mp4", "name": "v"}), ["v，video/mp4"], 1),
        (result({"type": "image", "source": {"media_type": "image/png", "data": PNG}}), ["image/png"], 1),
        (result({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}), ["png"], 1),
        (result({"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}), ["https://a.b/c.png"], 1),
        (result({"type": "image", "data": "https://a.b/c.png", "mimeType": "image/png"}), ["https://a"], 1),
        (result({"type": "card", "url": "https://a.b/c.png"}), ["card", "https://a.b/c.png"], 0),
        (result({"type": "image", "data": "/9j/4AAQ"}), ["image/jpeg"], 1),
        (result({"type": "resource", "uri": "file:///a", "text": "flat"}), ["file:///a", "flat"], 0),
        (result({"type": "resource", "resource": {"text": "no address"}}), ["no address"], 0),
        (result({"type": "resource", "resource": {"blob": PNG, "mimeType": "image/png"}}), ["image/png"], 1),
        (whole(result={"Content": [text("Go's")], "IsError": False}), ["Go's"], 0),
        (whole(result={"result": result(text("inner"))}), ["inner"], 0),
        (result(text(json.dumps({"content": [{"a": 1}], "isError": True}))), ["content"], 0),
        (result(text(json.dumps({"content": [text("a")], "isError": True, "more": 1}))), ["more"], 0),
        (result({"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}}), ["audio/wav"], 1),
        (result({"type": "file", "file": {"file_data": f"data:a/pdf;base64,{PNG}", "filename": "f"}}),
         ["f，a/pdf"], 1),
        (result({"type": "file", "data": "5paH", "mimeType": "text/plain"}), ["文"], 1),
        (result({"type": "note", "data": "hello", "mimeType": "text/plain"}), ["hello"], 0),
        (result({"type": "audio", "data": LONG}), ["audio", "字节"], 0),
        (result({"type": "TEXT", "text": "capitals"}), ["capitals"], 0),
        (result({"type": "markdown", "text": "# head"}), ["# head"], 0),
        (result(text("done"), status="success"), ["done"], 0),
        (result(text("rows"), status="error", isError=False), ["rows"], 0),
        (result(text('{"code": 500, "msg": "a log of yesterday"}')), ["500"], 0),
        (result(structuredContent={"status": "error", "job": 7}), ["error", "7"], 0),
        ({"code": 200, "message": "ok", "data": [1]}, ["ok"], 0),
        ({"code": 0, "msg": "success"}, ["success"], 0),
        ({"errcode": 0, "errmsg": "ok", "ip": "1.2.3.4"}, ["1.2.3.4"], 0),
        ({"code": 404, "msg": "x", "data": {"found": 1}}, ["found"], 0),
        ({"errors": [], "data": {"a": 1}}, ["data"], 0),
    ],
)  # fmt: skip
async def test_everything_that_a_block_holds_reaches_the_person(
    shared: world.Started, given: Any, parts: list[str], media: int
) -> None:
    shared.server.answers["tools/call"] = given
    told = await shared.web.call()
    assert told["isError"] is False, told
    assert all(part in told["result"] for part in parts), told["result"]
    assert len(told.get("media", [])) == media


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (f"data:image/png;base64,{PNG}", "image/png"),
        (f"data:image/png;base64,{PNG}", None),
        (PNG, "IMAGE/PNG"),
        (PNG, "image/png; q=1"),
        (f"{PNG[:4]}\n{PNG[4:]}", "image/png"),
        (PNG.replace("+", "-").replace("/", "_"), "image/png"),
    ],
)
async def test_a_picture_is_shown_however_it_is_written(
    shared: world.Started, data: str, mime: str | None
) -> None:
    given = result({"type": "image", "data": data, "mimeType": mime})
    shared.server.answers["tools/call"] = given
    [media] = (await shared.web.call())["media"]
    assert (media["mime_type"], media["data"]) == ("image/png", PNG)


async def test_an_error_with_params_that_are_nested_too_deep_is_told_without_them(
    shared: world.Started,
) -> None:
    params: dict[str, Any] = {}
    for _ in range(300):
        params = {"a": params}
    meta = {"product-mcp/error": {"code": "sold_out", "params": params}}
    shared.server.answers["tools/call"] = result(isError=True, _meta=meta)
    assert (await shared.web.call())["code"] == "tool_failed"


def body(text: bytes, id: bytes = b'"ID"', more: bytes = b"") -> bytes:
    blocks = b'[{"type":"text","text":"' + text + b'"}]'
    return b'{"jsonrpc":"2.0","id":' + id + b',"result":{"content":' + blocks + more + b"}}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (body(rb"a\ud83d b"), "a\ufffd b"),
        (body(rb"\udc00\ud83d\ude00"), "\ufffd😀"),
        (body(rb"\\ud800"), r"\ud800"),
        (b"\xef\xbb\xbf" + body(b"BOM"), "BOM"),
        (body(b"a\xffb"), "a\ufffdb"),
        (body(b"no id", b"null"), None),
        (body(b"another id", b"99"), "another id"),
        (body(b"no number", more=b',"n":NaN'), "no number"),
        (b"[" + body(b"in a list") + b"]", "in a list"),
        (body(b"two\nlines\tand a tab"), "two\nlines\tand a tab"),
        (body("库存不足".encode("gbk")), "库存不足"),
        (b'{"id":"ID","result":"bare"}', "bare"),
        (b'{"jsonrpc":"2.0","id":"ID","result":["bare"],"error":null}', "bare"),
        (b'{"jsonrpc":"2.0","id":"ID","result":null}', "✅ 操作完成，但没有返回文本内容"),
    ],
)
async def test_a_body_that_is_not_quite_json_is_read(
    shared: world.Started, body: bytes, words: str | None
) -> None:
    shared.server.answers["tools/call"] = body
    told = await shared.web.call()
    assert (told.get("result") == words) if words else told["code"] == "garbled"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "gb18030"])
@pytest.mark.parametrize("status", [200, 400])
async def test_an_answer_is_read_in_its_encoding(shared: world.Started, encoding: str, status: int) -> None:
    def answer(message: Any) -> Response:
        said = error(-32000, "库存不足") if status == 400 else {"result": result(text("库存不足"))}
        whole = json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}, ensure_ascii=False)
        return Response(whole.encode(encoding), status, media_type="application/json")

    shared.server.answers["tools/call"] = answer
    assert (await shared.web.call())["result"] == "库存不足"


@pytest.mark.parametrize("given", [says("fine"), result(text("fine"), structuredContent={"n": "no number"})])
async def test_a_result_that_misses_its_output_schema_keeps_its_text(
    shared: world.Started, given: Any
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    await shared.connect({"tools/list": listing(tool("t", outputSchema=schema)), "tools/call": given})
    assert "fine" in (await shared.web.call())["result"]


async def test_long_base64_of_a_block_that_nobody_knows_is_not_read_out(shared: world.Started) -> None:
    shared.server.answers["tools/call"] = result({"type": "x", "deep": [{"of": f"data:a/b;base64,{LONG}"}]})
    assert len((await shared.web.call())["result"]) < 200


@pytest.mark.parametrize(
    "given",
    [
        *(result(text("no rights"), isError=said) for said in (True, "true", "True", 1)),
        result(text("no rights"), is_error=True),
        result(text("no rights"), is_error=True, structured_content=None, meta=None),
        result(text("no rights"), isError=None, is_error=True),
        result(text("no rights"), IsError=True),
        result(text("no rights"), isError="no rights"),
        whole(result={"Content": [text("no rights")], "IsError": True}),
        whole(result={"success": False, "message": "no rights"}),
        whole(result={"result": result(text("no rights"), isError=True)}),
        whole(result={"jsonrpc": "2.0", "id": 5, "result": result(text("no rights"), isError=True)}),
        whole(result=json.dumps(result(text("no rights"), isError=True))),
        result(text(json.dumps(result(text("no rights"), is_error=True)))),
        result({"type": "tool_result", "content": [text("no rights")], "is_error": True}),
        whole(result={"error": "no rights"}),
        whole(result={"content": [], "error": {"code": 7, "message": "no rights"}}),
        whole(result=result(text("a part"), error="no rights")),
        result(text("no rights"), status="error", toolUseId="1"),  # of Strands
        result(text("no rights"), success=False),
        result(text("no rights"), ok=False),
        {"code": 500, "msg": "no rights", "data": None},
        {"statusCode": 403, "message": "no rights"},
        {"status": "error", "message": "no rights"},
        {"errcode": 40001, "errmsg": "no rights"},
        {"error_code": 110, "error_msg": "no rights"},
        {"errors": [{"message": "no rights"}], "data": None},
    ],
)
async def test_a_failure_is_told_as_one_however_it_is_written(shared: world.Started, given: Any) -> None:
    shared.server.answers["tools/call"] = given
    told = await shared.web.call()
    assert (told["isError"], "no rights" in told["result"], told["code"]) == (True, True, "tool_failed")


@pytest.mark.parametrize("more", [{"error": None}, {"error": {}}, {"error": ""}, {"error": False}])
async def test_an_error_that_says_nothing_beside_a_result_is_none(
    shared: world.Started, more: dict[str, Any]
) -> None:
    shared.server.answers["tools/call"] = whole(result=result(text("done")), **more)
    assert await shared.web.call() == {"result": "done", "isError": False}


@pytest.mark.parametrize("given", [result(isError=True), result(text(""), isError=True)])
async def test_a_failure_without_words_is_told_as_a_failure(shared: world.Started, given: Any) -> None:
    shared.server.answers["tools/call"] = given
    told = await shared.web.call()
    assert (told["isError"], "❌" in told["result"], told["code"]) == (True, True, "tool_failed")


async def test_what_a_text_block_says_already_is_not_said_twice(shared: world.Started) -> None:
    given = result(text(json.dumps(ITEMS)), structuredContent={"result": ITEMS})
    shared.server.answers["tools/call"] = given
    assert (await shared.web.call())["result"] == json.dumps(ITEMS)


async def test_a_prompts_resources_and_texts_are_all_filled_in(shared: world.Started) -> None:
    blocks = [text("hello"), resource(text="the file"), text("end")]
    messages = [{"role": "user", "content": block} for block in blocks]
    answer = {"messages": [*messages, None, {"role": "user", "content": [text("list")]}]}
    shared.server.answers["prompts/get"] = answer
    told = (await shared.web.http.post("/api/get-prompt", json={"server": "s", "name": "p"})).json()["text"]
    assert [word for word in ("hello", "the file", "end", "list") if word not in told] == []


@pytest.mark.parametrize(
    ("apart", "code"),
    [
        ({"_meta": {"ui": {"visibility": ["app"]}}}, "only_for_apps"),
        ({"_meta": {"ui": {"visibility": "app"}}}, "only_for_apps"),
        ({"meta": {"ui": {"visibility": ["app"]}}}, "only_for_apps"),
        ({"execution": {"task_support": "required"}}, "only_as_task"),
        ({"_meta": {"ui": {"visibility": "model"}}}, None),
        ({"execution": {"taskSupport": "required"}}, "only_as_task"),
        ({"_meta": {"ui": {"visibility": ["app", "model"]}}}, None),
        ({"_meta": {"ui": {}}, "execution": {"taskSupport": "optional"}}, None),
    ],
)
async def test_a_tool_that_is_not_meant_for_a_model_is_shown_as_what_it_is(
    shared: world.Started, apart: dict[str, Any], code: str | None
) -> None:
    server = await shared.connect({"tools/list": listing(tool("t", **apart))})
    skipped = [each["params"]["reason"]["code"] for each in server["skipped"]]
    assert (list(await shared.web.tools()), skipped) == (([], [code]) if code else (["t"], []))


async def test_a_tool_that_runs_only_as_a_task_says_so(shared: world.Started) -> None:
    task = {"taskId": "1", "status": "working", "ttl": 60_000, "createdAt": "2026-11-27T00:00:00Z"}
    task_of_2026 = {"resultType": "task", **task}
    server = await shared.connect(
        {
            "tools/list": listing(
                tool("t", execution={"taskSupport": "required"}), READS | {"name": "r"}, WRITES
            ),
            "tools/call": lambda message: (
                {"task": task} if message["params"]["name"] == "r" else task_of_2026
            ),
        }
    )
    assert [each["params"]["name"] for each in server["skipped"]] == ["t"]
    told = [await shared.web.call(name) for name in ("t", "r", "w")]
    assert [(each["code"], each.get("unknown", False)) for each in told] == [
        ("only_as_task", False),
        ("only_as_task", False),
        ("only_as_task", True),
    ]
    assert shared.server.times("tools/call") == 2


def framed(message: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """An answer in frames of which its type and its text do not both tell: content type and body."""
    answer = {"jsonrpc": "2.0", "id": message["id"], "result": result(text("done"))}
    plain, log = json.dumps(answer), json.dumps({"jsonrpc": "2.0", "method": "notifications/x", "params": {}})
    events, one = "text/event-stream", f"data: {plain}\n\n"
    return {
        "no end of the event": (events, f"data: {plain}"),
        "half an end of the event": (events, f"event: message\r\ndata: {plain}\r\n"),
        "lone returns": (events, f"data: {plain}\r\r"),
        "a mark before it": (events, f"\ufeff{one}"),
        "an event of another name": (events, f"event: response\n{one}"),
        "a sign of life before it": (events, f"data: ping\n\nevent: ping\ndata: {{}}\n\n{one}"),
        "two events in one": (events, f"data: {log}\ndata: {plain}\n\n"),
        "a batch": (events, f"data: [{log}, {plain}]\n\n"),
        "no event at all": (events, plain),
        "no event at all, on several lines": (events, json.dumps(answer, indent=1)),
        "an event as JSON": ("application/json", one),
        "JSON, one a line": ("application/json", f"{log}\n{plain}\n"),
        "JSON as text": ("text/plain", plain),
        "JSON of a kind": ("application/vnd.api+json", plain),
        "JSON as bytes": ("application/octet-stream", plain),
        "JSON without a type": ("", plain),
        "its number with a point": ("application/json", json.dumps(answer | {"id": float(message["id"])})),
    }


@pytest.mark.parametrize("frame", framed({"id": 1}))
async def test_an_answer_is_read_in_any_frame(shared: world.Started, frame: str) -> None:
    def answer(message: Any) -> Response:
        kind, body = framed(message)[frame]
        return Response(body, headers={"Content-Type": kind} if kind else None)

    shared.server.answer({"tools/call": answer})
    assert await shared.web.call("w") == {"result": "done", "isError": False}
    assert shared.server.times("tools/call") == 1


@pytest.mark.parametrize("rest", ["", 'data: {"jsonrpc": "2.0", "id"', "data: ping\n\n"])
async def test_a_stream_that_ends_before_its_answer_is_lost(shared: world.Started, rest: str) -> None:
    shared.server.answer({"tools/call": Response(f": hi\n\n{rest}", media_type="text/event-stream")})
    told = await shared.web.call("w")
    assert (told["code"], told["unknown"]) == ("lost", True)
    await shared.web.becomes("ready")

"""Errors that servers send are their own: told with their reason, asked for once, without secrets."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from assistant.toolbox.limits import Limits
from tests.support import world
from tests.support.raw_server import RawServer, error, says

pytestmark = pytest.mark.anyio
SECRET = "correct-horse-battery"
IMPATIENT = Limits(ready_seconds=0.1)  # a call waits no longer for a server that is down


@pytest.mark.parametrize("number", [-32000, -32001, -32002, -32600, -32601, -32602, -32603, -32700, 0, 429])
@pytest.mark.parametrize("status", [200, 400, 403, 404, 500])
@pytest.mark.parametrize("name", ["t", "w"])
async def test_a_servers_error_is_told_with_its_reason_and_the_call_is_sent_once(
    shared: world.Started, number: int, status: int, name: str
) -> None:
    def refuse(message: Any) -> Any:
        return JSONResponse({"jsonrpc": "2.0", "id": message["id"], **error(number, "只读账户")}, status)

    shared.server.answers["tools/call"] = refuse
    told = await shared.web.call(name)
    assert (await shared.web.server())["status"] == "ready"
    assert (told["code"], told["params"]["message"], told["isError"]) == ("mcp_error", "只读账户", True)
    assert shared.server.times("tools/call") == 1


@pytest.mark.parametrize("status", [201, 202, 203, 400, 403, 404, 410, 422, 500, 502, 503])
@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
@pytest.mark.parametrize("name", ["t", "w"])
async def test_a_result_is_one_whatever_the_status_above_it(
    shared: world.Started, status: int, kind: str, name: str
) -> None:
    def answer(message: Any) -> Response:
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": says("done")})
        return Response(body, status, headers={"Content-Type": kind} if kind else {})

    shared.server.answers["tools/call"] = answer
    assert (await shared.web.call(name))["result"] == "done"
    assert shared.server.times("tools/call") == 1


async def test_a_result_in_the_stream_of_a_202_is_one(shared: world.Started) -> None:
    def answer(message: Any) -> Response:
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": says("done")})
        return Response(f"data: {body}\n\n", 202, media_type="text/event-stream")

    shared.server.answers["tools/call"] = answer
    assert (await shared.web.call("w"))["result"] == "done"


@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
async def test_an_answer_without_a_word_is_not_told_as_done(
    shared: world.Started, status: int, kind: str
) -> None:
    shared.server.answers["tools/call"] = Response(
        status_code=status, headers={"Content-Type": kind} if kind else {}
    )
    told = await shared.web.call("w")
    assert (told["code"], shared.server.times("tools/call")) == ("garbled", 1)
    assert "可能已经执行" in told["detail"]


@pytest.mark.parametrize(
    ("result", "code"),
    [
        ({"resultType": "input_required"}, "asks_unclear"),
        ({"resultType": "input_required", "content": []}, "asks_unclear"),
        ({"resultType": "input_required", "inputRequests": {}}, "asks_unclear"),
        ({"resultType": "input_required", "inputRequests": None, "requestState": 7}, "asks_unclear"),
        ({"inputRequests": [{"method": "elicitation/create", "params": {}}]}, "asks_unclear"),
        ({"inputRequests": "a name"}, "asks_unclear"),
        ({"resultType": "of the future", "content": []}, "off_protocol"),
    ],
)
@pytest.mark.parametrize("name", ["t", "w"])
async def test_what_is_not_finished_is_not_told_as_done(
    shared: world.Started, result: Any, code: str, name: str
) -> None:
    shared.server.answers["tools/call"] = result
    assert (await shared.web.call(name))["code"] == code


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"code": "E1", "message": "no rights"}, "no rights"),
        ({"code": -1}, "-1"),
        ("no rights", "no rights"),
        ({"code": -1.5, "message": "no rights"}, "no rights"),
        ({"code": -1, "message": None, "data": [1]}, "[1]"),
        ({"code": -1, "message": ["no", "rights"]}, "rights"),
        ([], "[]"),
        ({}, "JSON-RPC -32603"),
        ({"code": -32000, "message": "bad", "data": {"hint": "use b"}}, 'bad（{"hint": "use b"}）'),
        ({"code": -32602, "message": None, "data": "the reason"}, "the reason"),
        ({"code": -32602, "message": "", "data": ["a", "b"]}, '["a", "b"]'),
        ({"code": -32000, "message": {"a": "why"}}, '{"a": "why"}'),
        ({"code": -32000, "message": "bad: why", "data": "why"}, "bad: why"),
        ("invalid_token", "invalid_token"),
    ],
)
async def test_an_odd_error_is_an_error_all_the_same(shared: world.Started, sent: Any, said: str) -> None:
    shared.server.answers["tools/call"] = {"error": sent}
    told = await shared.web.call()
    assert (told["code"], said in told["result"], shared.server.times("tools/call")) == ("mcp_error", True, 1)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (JSONResponse({"detail": [{"loc": ["a"], "msg": "field required"}]}, 422), "field required"),
        (JSONResponse({"error": {"message": "no such tool"}}, 400), "no such tool"),
        (PlainTextResponse("too long", 413), "too long"),
        (JSONResponse({"code": 400, "msg": "缺少参数"}, 400), "缺少参数"),
        (JSONResponse({"errcode": 1, "errmsg": "缺少参数"}, 400), "缺少参数"),
        (JSONResponse({"errors": {"a": ["is required"]}, "title": "invalid"}, 400), "is required"),
        (JSONResponse({"error": "invalid_request", "error_description": "no tenant"}, 400), "no tenant"),
        (JSONResponse({"reason": "no tenant"}, 400), "no tenant"),
    ],
)
async def test_the_words_of_a_refusal_are_told(shared: world.Started, answer: Response, said: str) -> None:
    shared.server.answers["tools/call"] = answer
    told = await shared.web.call("w")
    assert (told["code"], said in told["result"], told.get("unknown", False)) == ("http_said", True, False)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (JSONResponse({"detail": "the database is gone"}, 500), "HTTP 500)：the database is gone"),
        (JSONResponse({"code": 500, "msg": "库存服务异常"}, 500), "HTTP 500)：库存服务异常"),
        (
            JSONResponse({"message": "Endpoint request timed out"}, 504),
            "HTTP 504)：Endpoint request timed out",
        ),
        (PlainTextResponse("error code: 1033", 530), "HTTP 530)：error code: 1033"),
        (HTMLResponse("<html>nginx</html>", 502), "HTTP 502)：Bad Gateway"),
        (Response(status_code=503), "HTTP 503)：Service Unavailable"),
        (Response(status_code=599), "HTTP 599)：—"),
        (JSONResponse({"code": 401, "msg": "令牌已过期"}), "不是 MCP：令牌已过期"),
        (JSONResponse({"detail": "Not authenticated"}), "不是 MCP：Not authenticated"),
        (JSONResponse({"message": "no Route matched with those values"}), "不是 MCP：no Route matched"),
        (JSONResponse({"errcode": 40001, "errmsg": "invalid credential"}), "不是 MCP：invalid credential"),
        (JSONResponse({"success": False, "message": "请先登录"}), "不是 MCP：请先登录"),
        (Response('data: {"code": 401, "msg": "x"}\n\n', media_type="text/event-stream"), "不是 MCP：x"),
    ],
)
async def test_what_a_gateway_says_is_told_and_a_call_that_writes_may_have_run(
    shared: world.Started, answer: Response, said: str
) -> None:
    shared.server.answers["tools/call"] = answer
    told = await shared.web.call("w")
    assert (said in told["detail"], told["unknown"], shared.server.times("tools/call")) == (True, True, 1)


@pytest.mark.parametrize("method", ["initialize", "tools/list"])
async def test_a_gateway_in_the_place_of_a_server_is_told_by_its_words(tmp_path: Path, method: str) -> None:
    server = RawServer({method: JSONResponse({"code": 401, "msg": "令牌已过期"})})
    async with world.raw(tmp_path, server) as web:
        assert "令牌已过期" in (await web.server())["error"]


ECHO = f"Authorization: Bearer {SECRET} \x1b[2J\x1b]0;x\x07\u202e\nINFO forged"


@pytest.mark.parametrize(
    "answers",
    [
        {"tools/call": error(-32000, ECHO)},
        {"tools/call": {"content": [{"type": "text", "text": ECHO}], "isError": True}},
        {"tools/call": {"content": [{"type": "text", "text": ECHO}]}},
        {"tools/call": {"content": [], "structuredContent": {"headers": ECHO}}},
        {"tools/call": PlainTextResponse(ECHO, 401)},
        {"tools/call": JSONResponse({"detail": ECHO}, 429)},
        {"tools/list": error(-32603, ECHO)},
        {"initialize": error(-32603, ECHO)},
        {"initialize": PlainTextResponse(ECHO, 403)},
        {"prompts/list": error(-32603, ECHO)},
    ],
)
async def test_no_echo_of_a_secret_leaves_and_no_escape_reaches_the_log(
    tmp_path: Path, answers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with world.raw(tmp_path, RawServer(answers), IMPATIENT, headers=headers) as web:
        seen = json.dumps([await web.server(), await web.tools(), await web.call()])
    assert SECRET not in seen
    assert SECRET not in caplog.text


PASSWORD = "hunter2222"


@pytest.mark.parametrize(
    "entry",
    [
        {"url": f"htp:/user:{PASSWORD}@127.0.0.1:9/mcp"},
        {"url": f"user:{PASSWORD}@127.0.0.1:9"},
        {"url": f"http://user:{PASSWORD}@127.0.0.1:9/mcp"},
        {"url": f"http://user%3A{PASSWORD}%40127.0.0.1:9/mcp"},
        {"url": f"http://127.0.0.1:9/mcp?token={PASSWORD}"},
        {"type": f"http://user:{PASSWORD}@x", "url": "http://127.0.0.1:9"},
        {"command": f"http://user:{PASSWORD}@x/mcp"},
        {"command": "nonesuch", "args": ["--password", PASSWORD], "env": {"API_KEY": PASSWORD}},
    ],
)
async def test_a_password_in_an_entry_is_shown_nowhere(
    tmp_path: Path, entry: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    for trusted in (False, True):
        async with world.entry(tmp_path, entry, IMPATIENT, web_trust_commands=trusted) as web:
            server = await web.becomes("down", "disabled", "untrusted")
            seen = json.dumps([server, await web.call()])
        assert PASSWORD not in seen
        assert PASSWORD not in caplog.text

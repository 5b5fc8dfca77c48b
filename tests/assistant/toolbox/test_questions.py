"""What servers ask in the middle of calls, in both eras."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

from assistant.chat.interfaces import Answer, Answers, Asked, ToolResult
from assistant.toolbox import Toolbox
from assistant.toolbox.limits import Limits
from assistant.toolbox.questions import CallUnderWay
from serving.redaction import remember
from tests.support.asgi import serve
from tests.support.clock import put_forward
from tests.support.mcp_servers import READ_ONLY, HandshakeOnly, at, both, boxed
from tests.support.raw_server import RawServer, error, says, tool

pytestmark = pytest.mark.anyio

FORM = {"type": "object", "properties": {"seats": {"type": "integer"}}, "required": ["seats"]}
PATHS = ["/mcp", "/sse"]


class Seats(BaseModel):
    seats: int


def waiter(answered: list[str], read_only: bool = False) -> MCPServer:
    """A server of before 2026 that asks in the middle of its calls, and keeps what it is told."""
    server: MCPServer = MCPServer("waiter")

    @server.tool(annotations=READ_ONLY if read_only else None)
    async def book(ctx: Context[Any, Any], n: int = 1) -> str:
        for number in range(n):
            answer = await ctx.elicit(f"how many? {number}", Seats)
            answered.append(f"{answer.action} {getattr(answer, 'data', None)}")
        return ", ".join(answered[-n:])

    @server.tool()
    async def hurry() -> str:
        return "done"

    return server


@asynccontextmanager
async def before_2026(
    path: str = "/mcp", read_only: bool = False, **limits: float
) -> AsyncIterator[tuple[Toolbox, list[str]]]:
    answered: list[str] = []
    app = HandshakeOnly(both(waiter(answered, read_only)))
    async with (
        serve(app) as url,
        boxed(at(url, path=path), limits=Limits(**limits)) as box,  # type: ignore[arg-type]
    ):
        yield box, answered


def reply(asked: Asked, action: Literal["accept", "decline", "cancel"] = "accept", **content: Any) -> Answers:
    return Answers(asked.state, {q.key: Answer(action, content or None) for q in asked.questions})


async def asks(box: Toolbox, key: str = "k", name: str = "book", **more: Any) -> Asked:
    asked = await box.call("s", name, more.pop("args", {}), key=key, asker=more.pop("asker", "me"), **more)
    assert isinstance(asked, Asked)
    return asked


async def ends(box: Toolbox, answers: Answers | None, key: str = "k", name: str = "book") -> ToolResult:
    result = await box.call("s", name, {}, key=key, asker="me again", answers=answers)
    assert isinstance(result, ToolResult)
    return result


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("action", "content", "told"),
    [("accept", {"seats": 2}, "accept seats=2"), ("decline", {}, "decline"), ("cancel", {}, "cancel")],
)
async def test_a_server_of_before_2026_asks_and_its_call_goes_on(
    path: str, action: Any, content: dict[str, int], told: str
) -> None:
    async with before_2026(path) as (box, _):
        asked = await asks(box)
        assert [(q.message, list(q.schema["properties"])) for q in asked.questions] == [
            ("how many? 0", ["seats"])
        ]
        assert (await ends(box, reply(asked, action, **content))).text.startswith(told)


async def test_who_comes_back_without_an_answer_is_asked_the_same() -> None:
    async with before_2026() as (box, answered):
        first = await asks(box)
        assert await asks(box) == first
        await ends(box, reply(first, seats=1))
    assert len(answered) == 1


async def test_questions_one_after_another_are_each_asked_once() -> None:
    async with before_2026() as (box, answered):
        first = await asks(box, args={"n": 3})
        second = await asks(box, answers=reply(first, seats=1))
        again = await asks(box, answers=reply(first, seats=7))  # the first answer, sent twice
        assert again == second != first
        third = await asks(box, answers=reply(second, seats=2))
        await ends(box, reply(third, seats=3))
    assert answered == ["accept seats=1", "accept seats=2", "accept seats=3"]


async def test_a_server_that_asks_without_end_is_told_that_nobody_answers() -> None:
    async with before_2026() as (box, answered):
        asked = await asks(box, args={"n": 100})
        for _ in range(19):
            asked = await asks(box, answers=reply(asked, seats=1))
        assert (await ends(box, reply(asked, seats=1))).text.endswith("cancel None")
    assert (answered.count("accept seats=1"), answered.count("cancel None")) == (20, 80)


async def test_the_time_of_a_person_is_not_the_servers() -> None:
    async with before_2026(call_seconds=60) as (box, _):
        asked = await asks(box)
        put_forward(100)
        await asyncio.sleep(0.01)  # a timer that is due ends the call here
        assert (await ends(box, reply(asked, seats=2))).text == "accept seats=2"


async def test_after_its_time_a_question_is_cancelled_and_its_outcome_is_there_for_who_comes_late() -> None:
    async with before_2026(answer_seconds=60) as (box, answered):
        asked = await asks(box)
        put_forward(61)
        while not answered:  # noqa: ASYNC110  the server has no event for it
            await asyncio.sleep(0.01)
        assert (await ends(box, reply(asked, seats=2))).text == "cancel None"


def kept() -> int:
    gc.collect()
    return sum(type(each) is CallUnderWay for each in gc.get_objects())


async def test_what_is_kept_of_calls_whose_outcome_was_told_does_not_grow() -> None:
    before = kept()
    async with before_2026() as (box, answered):
        for number in range(60):
            await ends(box, reply(await asks(box, str(number)), seats=2), str(number))
        assert len(answered) == 60
        assert kept() - before < 30  # asyncio lets go of cancelled timers a hundred at a time


@pytest.mark.parametrize("read_only", [True, False], ids=["reads", "writes"])
async def test_another_process_reads_again_or_says_that_nobody_knows(read_only: bool) -> None:
    async with before_2026(read_only=read_only) as (box, answered):
        asked = await asks(box)
        async with boxed(box.link("s").server) as other:
            if read_only:
                assert (await asks(other, answers=reply(asked, seats=2))).questions == asked.questions
            else:
                result = await ends(other, reply(asked, seats=2))
                assert (result.code, result.unknown) == ("question_gone", True)
    assert not [each for each in answered if "seats" in each]


async def test_a_program_is_nobody_that_could_be_asked() -> None:
    async with before_2026() as (box, answered):
        result = await box.call("s", "book", {})
        assert result.is_error
        assert not answered


async def test_a_call_beside_one_that_asks_is_not_held_up() -> None:
    async with before_2026("/sse") as (box, _):
        asked = await asks(box)
        assert (await ends(box, None, "other", "hurry")).text == "done"
        assert (await ends(box, reply(asked, seats=1))).text == "accept seats=1"


async def test_two_calls_of_one_talk_on_one_stream_are_both_answered() -> None:
    async with before_2026("/sse") as (box, answered):
        first, second = await asyncio.gather(asks(box, "a"), asks(box, "b"))
        results = await asyncio.gather(
            ends(box, reply(first, seats=1), "a"), box.call("s", "book", {}, key="b", asker="me again")
        )
        if isinstance(results[1], Asked):
            await ends(box, reply(results[1], seats=1), "b")
    assert answered == ["accept seats=1", "accept seats=1"]
    assert second.questions


async def test_it_is_never_guessed_whose_call_asks() -> None:
    async with before_2026("/sse") as (box, answered):
        mine = await asks(box, "a", asker="me")
        result = await box.call("s", "book", {}, key="b", asker="you")
        assert isinstance(result, ToolResult)
        assert result.is_error
        await ends(box, reply(mine, seats=1), "a")
    assert answered == ["accept seats=1"]


async def test_a_call_that_is_held_can_be_ended_and_is_asked_for_anew() -> None:
    async with before_2026() as (box, answered):
        asked = await asks(box)
        assert [box.release("k"), box.release("k")] == [True, False]
        result = await ends(box, reply(asked, seats=1))
        assert (result.code, answered) == ("question_gone", [])
        assert (await asks(box)).questions == asked.questions


async def test_closing_the_toolbox_ends_the_calls_that_are_held() -> None:
    async with before_2026() as (box, _):
        await asks(box)
        async with asyncio.timeout(60):
            await box.close()


# --- 2026-07-28 --------------------------------------------------------------------------------------------


def asking(requests: Any, state: str | None = "s1") -> dict[str, Any]:
    return {"resultType": "input_required", "inputRequests": requests, "requestState": state}


def form(message: str = "how many?", schema: Any = FORM) -> dict[str, Any]:
    return {
        "method": "elicitation/create",
        "params": {"mode": "form", "message": message, "requestedSchema": schema},
    }


def modern(first: Any, then: Any = None) -> RawServer:
    """A server that answers a call with the first, and one that goes on with the second."""

    def call(message: dict[str, Any]) -> Any:
        goes_on = {"inputResponses", "requestState"} & message["params"].keys()
        return (then or says("thanks")) if goes_on else first

    return RawServer({"tools/call": call, "tools/list": {"tools": [tool("book"), tool("look")]}}, modern=True)


def called(server: RawServer) -> list[dict[str, Any]]:
    return [message["params"] for message in server.asked if message.get("method") == "tools/call"]


CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"


async def test_any_process_goes_on_with_the_answers_to_all_questions() -> None:
    url = {
        "method": "elicitation/create",
        "params": {"mode": "url", "message": "go", "url": "https://x.test/a"},
    }
    server = modern(asking({"a": form(), "b": url}))
    async with serve(server.app) as address:
        async with boxed(at(address)) as box:
            asked = await asks(box)
        assert [(q.key, q.message, q.url) for q in asked.questions] == [
            ("a", "how many?", ""),
            ("b", "go", "https://x.test/a"),
        ]
        answers = Answers(asked.state, {"a": Answer("accept", {"seats": 2}), "b": Answer("decline")})
        async with boxed(at(address)) as other:
            assert (await ends(other, answers)).text == "thanks"
    params = called(server)[-1]
    assert params["inputResponses"] == {
        "a": {"action": "accept", "content": {"seats": 2}},
        "b": {"action": "decline"},
    }
    assert params["requestState"] == "s1"
    assert params["_meta"]["idempotency-key"] == "k"


async def test_a_code_that_says_a_question_comes_along_without_secrets() -> None:
    remember("s3cr3t-key")
    wording = {"code": "buy", "params": {"lines": [{"code": "line", "params": {"name": "s3cr3t-key"}}]}}
    metas = [{"product-mcp/text": wording}, {"product-mcp/text": {"code": 1, "params": {}}}, None]
    requests = {str(n): form() for n in range(len(metas))}
    for request, meta in zip(requests.values(), metas, strict=True):
        request["params"]["_meta"] = meta
    async with serve(modern(asking(requests)).app) as url, boxed(at(url)) as box:
        asked = await asks(box)
    known = {"code": "buy", "params": {"lines": [{"code": "line", "params": {"name": "***"}}]}}
    assert [question.wording for question in asked.questions] == [known, None, None]
    only = asking({"a": form()}) | {"_meta": metas[0]}
    async with serve(modern(only).app) as url, boxed(at(url)) as box:
        assert (await asks(box)).questions[0].wording == known


async def test_only_where_a_person_can_be_asked_the_server_is_told_so() -> None:
    server = modern(says("done"))
    async with serve(server.app) as url, boxed(at(url)) as box:
        await box.call("s", "book", {})
        await box.call("s", "book", {}, asker="me")
    told = ["elicitation" in params["_meta"][CAPABILITIES] for params in called(server)]
    assert told == [False, True]
    others = [m["params"]["_meta"][CAPABILITIES] for m in server.asked if m.get("method") != "tools/call"]
    assert not [each for each in others if "elicitation" in each]


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (asking({str(i): form() for i in range(1_000)}), "asks_too_much"),
        (asking({"a": form(schema={"properties": {str(i): {} for i in range(9_000)}})}), "asks_too_much"),
        (asking({"a": form()}, state="x" * 300_000), "asks_too_much"),
        (asking({"a": {"method": "sampling/createMessage", "params": {}}}), "asks_unsupported"),
        (asking({"a": 7}), "asks_unclear"),
        (asking({"a": {"method": "elicitation/create", "params": {"mode": "url"}}}), "asks_unclear"),
    ],
    ids=["many", "large", "state", "sampling", "none", "nowhere"],
)
async def test_what_cannot_be_asked_ends_the_call(first: Any, code: str) -> None:
    async with serve(modern(first).app) as url, boxed(at(url)) as box:
        assert (await ends(box, None)).code == code


async def test_a_server_that_asks_in_the_call_of_a_program_ends_it() -> None:
    async with serve(modern(asking({"a": form()})).app) as url, boxed(at(url)) as box:
        assert (await box.call("s", "book", {})).code == "asks_nobody"


@pytest.mark.parametrize(
    "schema", [None, 7, "x", [], {"properties": 3}, {"properties": {"a": 1}, "required": "a"}]
)
async def test_a_schema_of_nonsense_is_a_question_all_the_same(schema: Any) -> None:
    async with serve(modern(asking({"a": form(schema=schema)})).app) as url, boxed(at(url)) as box:
        assert (await asks(box)).questions[0].message == "how many?"


async def test_after_twenty_rounds_it_asks_no_more() -> None:
    server = modern(asking({"a": form()}), asking({"a": form()}))
    async with serve(server.app) as url, boxed(at(url)) as box:
        asked = await asks(box)
        for _ in range(19):
            asked = await asks(box, answers=reply(asked, seats=1))
        assert (await ends(box, reply(asked, seats=1))).code == "asks_too_much"


async def test_a_server_that_wants_to_be_asked_again_is() -> None:
    server = modern({"resultType": "input_required", "requestState": "later"})
    async with serve(server.app) as url, boxed(at(url)) as box:
        assert (await ends(box, None)).text == "thanks"
    assert [params.get("requestState") for params in called(server)] == [None, "later"]


@pytest.mark.parametrize("action", ["accept", "decline"])
async def test_a_refusal_that_names_an_address_is_a_question_and_then_the_call_is_made_again(
    action: Any,
) -> None:
    elicitation = {"mode": "url", "message": "sign here", "url": "https://x.test/s", "elicitationId": "1"}
    answers = [error(-32042, "first", {"elicitations": [elicitation]}), says("signed")]
    server = RawServer({"tools/call": lambda _: answers.pop(0), "tools/list": {"tools": [tool("book")]}})
    async with serve(server.app) as url, boxed(at(url)) as box:
        asked = await asks(box)
        assert asked.questions[0].url == "https://x.test/s"
        result = await ends(box, reply(asked, action))
    assert (result.text == "signed", result.code) == (
        action == "accept",
        None if action == "accept" else "question_refused",
    )
    assert "inputResponses" not in json.dumps(called(server))

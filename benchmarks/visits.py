"""What the visitors of the soak do, one thing after another, and whether each answer is what it has to be."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.contenders.guarded_server import APP
from benchmarks.mcp_wire import HandshakeClient, ModernClient, SseClient
from benchmarks.pairs import TOKEN, Pairs
from benchmarks.services import PLENTY
from benchmarks.wire import Address, BadAnswerError, Connection
from shop.catalog import TUTORIAL

BUYER, LEAVER = "王芳", "李强"
NAMES = [product.name for product in TUTORIAL]
PRICES = {product.id: float(product.price) for product in TUTORIAL}
IN_CHAT = 2  # what is bought there
QUESTIONS = {  # and the tool that answers each, with what the answer has to say
    "有哪些商品？": ("get_products", NAMES[3]),
    "还有多少库存？": ("get_inventory", NAMES[2]),
    "我预算 1000 元，想要降噪耳机": ("get_products", f"推荐 **{NAMES[1]}**"),
    "按商品汇总一下订单": ("get_orders", "订单"),
    "谢谢": (None, "不客气"),
}
SHOPS_APP = "ui://product-mcp/receipt.html"
MANY_LINES = 20  # of as many pieces as one may have: more than there are
MOST = 1_000_000
Told = list[tuple[str, dict[str, Any]]]


@dataclass
class Visits:
    """What was done, what went wrong, and what was bought."""

    at: Pairs
    done: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    cut_off: Counter[str] = field(default_factory=Counter)  # what ended with its replica, as it has to
    orders: set[int] = field(default_factory=set)  # that were acknowledged
    left: int = 0  # purchases in whose middle somebody went away
    dice: random.Random = field(default_factory=lambda: random.Random(8))

    async def chat(self) -> None:
        """Ask one question, to the end of the answer."""
        question = self.dice.choice(list(QUESTIONS))
        tool, word = QUESTIONS[question]
        told = await self._turn([{"role": "user", "content": question}], "stop")
        called = {data["tool"] for name, data in told if name == "tool_call"}
        failed = [data for name, data in told if name == "tool_result" and data["isError"]]
        text = "".join(data["delta"] for name, data in told if name == "text")
        _expect((tool in called if tool else not called) and not failed and word in text, question, told)

    async def asked(self) -> None:
        """Buy in a chat: approve the call, then say yes or no to the shop's own question.

        Each turn may meet another replica.
        """
        messages = [{"role": "user", "content": f"帮{BUYER}买 1 个{NAMES[IN_CHAT - 1]}"}]
        told = await self._turn(messages, "approval")
        messages += [data["message"] for name, data in told if name == "message"]
        approvals = {data["id"]: True for name, data in told if name == "approval"}
        told = await self._turn(messages, "question", approvals=approvals)
        asked = [data for name, data in told if name == "question"]
        _expect(len(asked) == 1 and f"{PRICES[IN_CHAT]:.2f}" in asked[0]["message"], "one question", told)
        action = self.dice.choice(("accept", "decline"))
        answers = {data["id"]: {"action": action, "content": {}, "state": data["state"]} for data in asked}
        told = await self._turn(messages, "stop", approvals=approvals, answers=answers)
        result = next(data for name, data in told if name == "tool_result")
        if action == "accept":
            self._take(result, IN_CHAT, 1)
        else:
            _expect(result["code"] == "declined", "declined", result)

    async def _turn(self, messages: list[dict[str, Any]], reason: str, **more: Any) -> Told:
        """Send a conversation as the page does, and return the events. Raises BadAnswerError."""
        body = {"messages": messages, "answers": {}, **more}
        async with Connection.opened(self._client()) as connection:
            answer = await connection.ask("POST", "/api/chat/stream", body)
        events = answer.body.decode().replace("\r\n", "\n").split("\n\n")
        lines = [dict(line.split(": ", 1) for line in event.split("\n") if ": " in line) for event in events]
        told = [(event["event"], json.loads(event["data"])) for event in lines if "event" in event]
        is_whole = told[-1:] == [("done", {"reason": reason})]
        calls = [data["id"] for name, data in told if name == "tool_call"]
        results = [data["id"] for name, data in told if name == "tool_result"]
        is_answered = sorted(results) == sorted(calls) or (
            reason != "stop" and len(set(calls)) > len(results)
        )
        _expect(is_whole and is_answered and all(name != "error" for name, _ in told), reason, told)
        return told

    async def app(self) -> None:
        """Be an app: the shop's, or that of a server whose tokens are soon over, and call its tool."""
        async with Connection.opened(self._client()) as connection:
            if self.dice.random() < 0.5:
                asked = {"server": "product-mcp", "uri": SHOPS_APP}
                (content,) = (await connection.ask("POST", "/api/read-resource", asked)).json()["contents"]
                _expect(content["text"].rstrip().endswith("</html>"), "the shop's app", content)
                return
            asked = {"server": "board", "uri": APP}
            (content,) = (await connection.ask("POST", "/api/read-resource", asked)).json()["contents"]
            body = {"server": "board", "name": "show_board", "args": {}, "app": True}
            called = (await connection.ask("POST", "/api/call-tool", body)).json()
        is_shown = "Board" in content["text"] and not called["isError"] and called["result"] == "shown"
        _expect(is_shown and called["app"], "the board", (content, called))

    async def page(self) -> None:
        """Open the page, see every server ready, buy, and stay until the page is told of a change."""
        client = self._client()
        async with Connection.opened(client) as connection, Connection.opened(client) as watching:
            page = await connection.ask("GET", "/")
            _expect(page.body.rstrip().endswith(b"</html>"), "the page", page)
            status = (await connection.ask("GET", "/api/status")).json()
            is_ready = {one["status"] for one in status["servers"]} == {"ready"}
            _expect(is_ready or self.at.is_disturbed("web"), "ready", status)
            answer = await watching.start("GET", "/api/watch")
            _expect(answer.status == 200, "events", answer)
            await self.purchase()
            try:
                await watching.until(b"event: changed")
            except EOFError as error:
                self._ended("web", error)

    async def purchase(self) -> None:
        """Buy through the whole chain, as the page's form does, with the total that a person has seen."""
        product, quantity = self.dice.randint(1, 4), self.dice.randint(1, 3)
        purchase = {"customerName": BUYER, "items": [{"productId": product, "quantity": quantity}]}
        confirmed = {"total": PRICES[product] * quantity}
        answer = await self._call("create_purchase", {"input_data": purchase}, confirmed=confirmed)
        self._take(answer, product, quantity)

    def _take(self, answer: dict[str, Any], product: int, quantity: int) -> None:
        """Take note of an order, which has to be what was asked for, and new."""
        _expect(not answer["isError"], "an order", answer)
        order = json.loads(answer["result"])
        items = [{"productId": product, "quantity": quantity}]
        meant = {"customerName": BUYER, "items": items, "totalAmount": PRICES[product] * quantity}
        is_meant = meant.items() <= order.items() and order["status"] == "placed"
        _expect(is_meant and order["id"] not in self.orders, f"{meant}, new", order)
        self.orders.add(order["id"])

    async def too_many(self) -> None:
        """Ask for more than there is: the deliberate error."""
        items = [{"productId": 1, "quantity": MOST} for _ in range(MANY_LINES)]
        args = {"input_data": {"customerName": BUYER, "items": items}}
        answer = await self._call("create_purchase", args, confirmed={"total": PRICES[1] * MOST * MANY_LINES})
        is_refused = answer["isError"] and answer["code"] == "out_of_stock" and "库存不足" in answer["result"]
        _expect(is_refused, "out of stock", answer)

    async def tool(self) -> None:
        """Call a reading tool by hand."""
        name = self.dice.choice(("get_products", "get_inventory", "get_orders"))
        answer = await self._call(name, {})
        _expect(not answer["isError"], name, answer)
        found = json.loads(answer["result"])
        if name == "get_products":
            _expect([each["name"] for each in found] == NAMES, name, found)
        elif name == "get_inventory":
            is_right = [each["product"]["name"] for each in found] == NAMES
            _expect(is_right and all(0 < each["quantity"] <= PLENTY for each in found), name, found)
        else:
            ids = [each["id"] for each in found]
            sums = [
                sum(PRICES[line["productId"]] * line["quantity"] for line in each["items"]) for each in found
            ]
            is_right = ids == sorted(set(ids), reverse=True) and sums == [
                each["totalAmount"] for each in found
            ]
            _expect(is_right, name, found)

    async def mcp_client(self) -> None:
        """Connect as another host does, call, and go."""
        kind = self.dice.choice((ModernClient, HandshakeClient, SseClient))
        is_astray = self.at.is_disturbed("main")  # with a session at the other replica: its own was away
        try:
            client = await kind.open(self._client(), "get_products", token=TOKEN)
            for _ in range(3):
                answer = await client.call()
                result = json.loads(answer[answer.index(b'{"') :].splitlines()[0])["result"]
                names = [each["name"] for each in result["structuredContent"]["result"]]
                _expect(names == NAMES, "products", result)
            await client.close()
        except (BadAnswerError, OSError, EOFError) as error:
            if kind is ModernClient:
                raise
            self._ended("main", error, is_astray)  # a session lives in one process

    async def leave(self) -> None:
        """Go away in the middle: of an answer, or of a purchase that must then be whole or not at all."""
        async with Connection.opened(self._client()) as connection:
            if self.dice.random() < 0.5:
                question = {"role": "user", "content": self.dice.choice(list(QUESTIONS))}
                answer = await connection.start("POST", "/api/chat/stream", {"messages": [question]})
                _expect(answer.status == 200, "an answer", answer)
                return
            purchase = {"customerName": LEAVER, "items": [{"productId": 2, "quantity": 1}]}
            call = {"server": "product-mcp", "name": "create_purchase", "args": {"input_data": purchase}}
            call["confirmed"] = {"total": PRICES[2]}
            self.left += 1
            asked = asyncio.ensure_future(connection.start("POST", "/api/call-tool", call))
            await asyncio.wait([asked], timeout=self.dice.random() / 100)
            connection.close()
            await asyncio.gather(asked, return_exceptions=True)

    async def _call(self, name: str, args: dict[str, Any], **more: Any) -> dict[str, Any]:
        async with Connection.opened(self._client()) as connection:
            body = {"server": "product-mcp", "name": name, "args": args, **more}
            answer: dict[str, Any] = (await connection.ask("POST", "/api/call-tool", body)).json()
            return answer

    def _client(self) -> Address:
        """Return where the page is, for one of many clients: the proxies balance by their addresses."""
        return self.at.public(f"127.0.0.{self.dice.randint(2, 250)}")

    def _ended(self, name: str, error: Exception, is_astray: bool = False) -> None:
        """Take note of what its replica ended. Raises the error where none of these was stopped.

        A session that began at the wrong replica ends when its own is there again, however long after that.
        """
        if not (is_astray or self.at.is_disturbed(name)):
            raise error
        self.cut_off[f"{name}: {type(error).__name__} {error}"[:120]] += 1

    async def go_on(self, until: float) -> None:
        """Do one thing right after another, mixed by the shares: what is bounded by number is full soon."""
        while time.monotonic() < until:
            (what,) = self.dice.choices(list(SHARES), [share for share, _ in SHARES.values()])
            try:
                await SHARES[what][1](self)
            except (BadAnswerError, OSError, EOFError, LookupError, ValueError) as error:
                away = [name for name in ("api", "main", "web") if self.at.is_disturbed(name)]
                self.errors.append(f"{what}, {away} away: {type(error).__name__} {error}")
                print(self.errors[-1], flush=True)
            self.done[what] += 1


SHARES: dict[str, tuple[int, Callable[[Visits], Awaitable[None]]]] = {
    "chat": (4, Visits.chat),
    "purchase": (3, Visits.purchase),
    "purchase in a chat": (2, Visits.asked),
    "app": (3, Visits.app),
    "page": (2, Visits.page),
    "tool": (4, Visits.tool),
    "MCP client": (3, Visits.mcp_client),
    "left": (2, Visits.leave),
    "too many": (1, Visits.too_many),
}


def _expect(is_so: bool, what: str, found: object) -> None:
    """Raise BadAnswerError where something is not so."""
    if not is_so:
        raise BadAnswerError(f"not {what}: {str(found)[-600:]}")

"""The question before a purchase (elicitation), the total agreed on, and the key it happens once under."""

import hashlib
import secrets
import uuid
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import (
    AcceptedElicitation,
    AESGCMRequestStateCodec,
    Context,
    Elicit,
    ElicitationResult,
    RequestStateSecurity,
    Resolve,
)
from mcp.types.version import is_version_at_least
from pydantic import BaseModel, Field, ValidationError

from mcp_server import sentences
from mcp_server.clock import ShopClock
from mcp_server.rest_client import RestClient
from models import MAX_LIMIT, PurchaseRequest, Strict
from serving.errors import CodedError

MAX_KEY = 200  # characters of an idempotency key
KEY = "idempotency-key"  # in a call's `_meta`: the host's key
CONFIRMED = "product-mcp/confirmed"  # in a call's `_meta`: what a person confirmed where the host has asked

NO_TOTAL = 1e18  # yuan: at this total the shop places no order, but says why not, or finds one by its key

Confirm = Literal["never", "auto", "always"]


@dataclass(frozen=True)
class ToolContext:
    """What the tools work with, opened in the server's lifespan."""

    rest: RestClient
    confirm: Confirm
    clock: ShopClock


ToolCall = Context[ToolContext, Any]  # a call under way

_answered_question: ContextVar[str | None] = ContextVar("answered_question", default=None)


class Agreement(BaseModel):
    """An empty form: accepting it is the answer."""


class Confirmation(Strict):
    """What a host sends of a purchase that a person has confirmed there."""

    total: float = Field(ge=0, allow_inf_nan=False)  # yuan


@dataclass(frozen=True)
class Quote:
    """What a purchase is placed at: the question to ask before it, and the total that is agreed on by it."""

    question: str | None = None
    total: float | None = None  # yuan; None where nobody was told any


class QuestionCodec(AESGCMRequestStateCodec):
    """Encrypts the state of a question that the client sends back with the answer (2026-07-28).

    There the answer comes as a second call. Equal questions have equal states, but each encrypted state is
    unique: it identifies the question that was answered, so that an answer sent twice buys once. (Before
    2026-07-28 an answer ends the call that waits for it, and cannot come twice.)

    Written for mcp 2.3, which decrypts the state in the task that then runs the tool. If a later version does
    not, `purchase_key` finds no question and refuses the purchase.
    """

    def unseal(self, token: str) -> bytes:
        """Decrypt a state, and record it for this call."""
        payload = super().unseal(token)
        _answered_question.set(token)
        return payload


def question_security(token: str) -> RequestStateSecurity:
    """Return how states are encrypted. Replicas share the token, so one can read the states of another."""
    shared = hashlib.sha256(b"request state:" + token.encode()).hexdigest()
    return RequestStateSecurity(codec=QuestionCodec([shared if token else secrets.token_bytes(32)]))


def rest_of(ctx: ToolCall) -> RestClient:
    """Return the client of the shop that a call works with."""
    return ctx.request_context.lifespan_context.rest


async def quote(input_data: PurchaseRequest, ctx: ToolCall) -> Quote:
    """Find out what to ask before buying, where the client can be asked; names and prices are the shop's.

    Not asked about is what a person has confirmed already, and what the shop cannot fill, or refuses for want
    of a name or of lines: its refusal comes instead of a question. On the 2026-07-28 wire this runs again
    with the answer, and a total that has changed since makes another question, to which the SDK takes no
    earlier answer.
    """
    confirm = ctx.request_context.lifespan_context.confirm
    total = _confirmed_total(ctx)
    is_complete = input_data.customerName.strip() and input_data.items
    if confirm == "never" or total is not None or not is_complete:
        return Quote(total=total)
    if not _can_be_asked(ctx):
        if confirm == "always":
            raise CodedError("cannot_ask")
        return Quote()
    await ctx.report_progress(1, 3, sentences.CHECKING)
    return await _quoted(rest_of(ctx), input_data)


# A tool's parameter of this type is filled in by looking up; the next by asking.
BuyersQuote = Annotated[Quote, Resolve(quote)]


async def ask_buyer(quoted: BuyersQuote) -> Elicit[Agreement] | None:
    """Ask the person, if there is something to ask."""
    return Elicit(quoted.question, Agreement) if quoted.question else None


BuyersAnswer = Annotated[ElicitationResult[Agreement], Resolve(ask_buyer)]


def check_agreed(answer: ElicitationResult[Agreement]) -> None:
    """Raise CodedError when the person did not agree."""
    if not isinstance(answer, AcceptedElicitation):
        raise CodedError("declined" if answer.action == "decline" else "cancelled")


def purchase_key(ctx: ToolCall, key_of_model: str | None) -> str:
    """Return the key under which this purchase happens at most once.

    The one that the model repeats, since it was told that one for a purchase that may have been placed; else
    the text in the host's `_meta["idempotency-key"]`; else one for the question that the person has answered,
    which a host sends again when it missed the result; else one for this call alone. Raises CodedError when
    the host's text is not usable: ignoring it could place the purchase twice.
    """
    of_host = _meta(ctx).get(KEY)
    key = key_of_model or (of_host if isinstance(of_host, str) else None)
    if key is None:
        key = _key_of_question(ctx) or uuid.uuid4().hex
    if not 0 < len(key) <= MAX_KEY:
        raise CodedError("invalid_idempotency_key", max=MAX_KEY)
    if key.isascii() and key.isprintable() and " " not in key:
        return key
    # A header carries visible ASCII only, and a model may well write its key in Chinese.
    return _digest(key)


def _key_of_question(ctx: ToolCall) -> str | None:
    if ctx.request_state is None:
        return None
    question = _answered_question.get()
    if question is None:
        raise CodedError("unknown_question")
    return _digest(question)


def _meta(ctx: ToolCall) -> dict[str, Any]:
    meta: Any = ctx.request_context.meta
    return meta or {}


def _confirmed_total(ctx: ToolCall) -> float | None:
    given = _meta(ctx).get(CONFIRMED)
    if given is None:
        return None
    try:
        return Confirmation.model_validate(given).total
    except ValidationError:  # to ignore it could mean to buy at a price that nobody confirmed
        raise CodedError("invalid_confirmation") from None


def _can_be_asked(ctx: ToolCall) -> bool:
    able = ctx.client_capabilities and ctx.client_capabilities.elicitation
    if not able or (able.form is None and able.url is not None):
        return False
    # 2026-07-28 asks in its answer; before that there must be a way back to the client within the call.
    modern = is_version_at_least(ctx.protocol_version or "", "2026-07-28")
    return modern or ctx.session.can_send_request


async def _quoted(rest: RestClient, purchase: PurchaseRequest) -> Quote:
    """Return what the person is asked, with names and total as the shop knows them. Raises RestError."""
    wanted: dict[int, int] = {}
    for line in purchase.items:
        wanted[line.productId] = wanted.get(line.productId, 0) + line.quantity
    query = {"productId": list(wanted), "limit": MAX_LIMIT}
    answer = await rest.get("purchase", "/inventory", query, rest.limits.look_seconds)
    stock = {item["productId"]: item["quantity"] for item in answer.data if item.get("product")}
    if any(stock.get(product_id, 0) < count for product_id, count in wanted.items()):
        return Quote(total=NO_TOTAL)
    known = {item["productId"]: item["product"] for item in answer.data}
    lines = "、".join(f"{count} × {known[product_id]['name']}" for product_id, count in wanted.items())
    cents = sum(round(known[product_id]["price"] * 100) * count for product_id, count in wanted.items())
    return Quote(sentences.QUESTION.format(lines=lines, yuan=cents // 100, cents=cents % 100), cents / 100)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

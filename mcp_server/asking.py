"""The question before what writes (elicitation), the total agreed on, and the key it happens once under."""

import hashlib
import logging
import secrets
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import anyio
from mcp import types
from mcp.server import mcpserver
from mcp.shared.message import ServerMessageMetadata
from mcp.types.version import is_version_at_least
from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from pydantic_core import from_json, to_json

from mcp_server import sentences
from mcp_server.arguments import none_if_blank, optional
from mcp_server.clock import ShopClock
from mcp_server.failures import shown_name
from mcp_server.rest_client import Operation, RestClient
from mcp_server.sentences import TEXT_KEY, Wording, said, wording
from models import MAX_LIMIT, STORABLE, OrderItem, PurchaseRequest, Strict
from serving.errors import CodedError
from serving.settings import ANY_CASE

MAX_KEY = 200  # characters of an idempotency key
KEY = "idempotency-key"  # in a call's `_meta`: the host's key
CONFIRMED = "product-mcp/confirmed"  # in a call's `_meta`: what a person confirmed where the host has asked

ANSWER_SECONDS = 300.0  # for a person to answer; before 2026-07-28 the call waits for it
NO_TOTAL = 1e18  # yuan: at this total the shop places no order, but says why not, or finds one by its key

Confirm = Annotated[Literal["never", "auto", "always"], ANY_CASE]


@dataclass(frozen=True)
class ToolContext:
    """What the tools work with, opened in the server's lifespan."""

    rest: RestClient
    confirm: Confirm
    clock: ShopClock
    answer_seconds: float = ANSWER_SECONDS


log = logging.getLogger(__name__)

ToolCall = mcpserver.Context[ToolContext, Any]  # a call under way
KeyOfModel = Annotated[
    Annotated[str, Field(min_length=1, max_length=MAX_KEY), STORABLE] | None,
    optional("可选。只在重试结果不明的操作时填：用失败信息里给出的值，就不会重复执行；新的操作不要填"),
    BeforeValidator(none_if_blank),
]

_question: ContextVar[Wording | None] = ContextVar("question", default=None)  # that this call asks
_answered: ContextVar[tuple[str, Wording | None] | None] = ContextVar(
    "answered", default=None
)  # state, question


class Agreement(BaseModel):
    """An empty form: accepting it is the answer."""


class Confirmation(Strict):
    """What a host sends of a purchase that a person has confirmed there."""

    total: float = Field(ge=0, allow_inf_nan=False)  # yuan


@dataclass(frozen=True)
class Quote:
    """What a purchase is placed at: the question to ask before it, and the total that is agreed on by it."""

    question: Wording | None = None
    total: float | None = None  # yuan; None where nobody was told any


class QuestionCodec(mcpserver.AESGCMRequestStateCodec):
    """Encrypts the state of a question that the client sends back with the answer (2026-07-28).

    There the answer comes as a second call. Equal questions have equal states, but each encrypted state is
    unique: it identifies the question that was answered, so that an answer sent twice buys once. (Before
    2026-07-28 an answer ends the call that waits for it, and cannot come twice.) The owner's questions travel
    in it, so that the answer is to what was read, also where a number in it has changed since.

    Written for mcp 2.3, which encrypts and decrypts the state in the task that runs the tool. If a later
    version does not, `call_key` finds no question and refuses the call.
    """

    def __init__(self, key: str | bytes, *, is_shared: bool) -> None:
        super().__init__([key])
        self._is_shared = is_shared
        self._has_told = False

    def seal(self, payload: bytes) -> str:
        """Encrypt a state with the question of this call."""
        return super().seal(to_json(_question.get()) + b"\n" + payload)

    def unseal(self, token: str) -> bytes:
        """Decrypt a state, and record it for this call."""
        try:
            question, _, payload = super().unseal(token).partition(b"\n")
        except mcpserver.InvalidRequestState:
            if not self._is_shared and not self._has_told:
                self._has_told = True
                log.warning("%s", sentences.ANOTHERS_QUESTION)
            raise
        _answered.set((token, from_json(question)))
        return payload


def question_security(token: str) -> mcpserver.RequestStateSecurity:
    """Return how states are encrypted. Replicas share the token, so one can read the states of another."""
    shared = hashlib.sha256(b"request state:" + token.encode()).hexdigest()
    key = shared if token else secrets.token_bytes(32)
    return mcpserver.RequestStateSecurity(codec=QuestionCodec(key, is_shared=bool(token)))


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
    total = _confirmed_total(ctx)
    is_complete = input_data.customerName.strip() and input_data.items
    if total is not None or not is_complete or not _is_to_be_asked(ctx):
        return Quote(total=total)
    await ctx.report_progress(1, 3, sentences.CHECKING)
    return await _quoted(rest_of(ctx), input_data)


# A tool's parameter of this type is filled in by looking up; the next by asking.
BuyersQuote = Annotated[Quote, mcpserver.Resolve(quote)]


async def ask_buyer(quoted: BuyersQuote, ctx: ToolCall) -> mcpserver.Elicit[Agreement] | None:
    """Ask the person, if there is something to ask."""
    return await _asked(ctx, quoted.question)


BuyersAnswer = Annotated[mcpserver.ElicitationResult[Agreement], mcpserver.Resolve(ask_buyer)]


async def ask_owner(
    ctx: ToolCall, question: Callable[[], Awaitable[Wording | None]]
) -> mcpserver.Elicit[Agreement] | None:
    """Ask the owner, where the client can be asked and nobody has confirmed the call already.

    An answer belongs to the question that was read: it is not made anew from the shop, whose numbers may have
    changed since, or by this very call where its answer is sent again.
    """
    if isinstance(_meta(ctx).get(CONFIRMED), dict) or not _is_to_be_asked(ctx):
        return None
    answered = _answered.get() if ctx.request_state is not None else None
    return await _asked(ctx, (answered and answered[1]) or await question())


async def _asked(ctx: ToolCall, question: Wording | None) -> mcpserver.Elicit[Agreement] | None:
    _question.set(question)
    if question is None:
        return None
    if _is_modern(ctx):
        return mcpserver.Elicit(said(question), Agreement)
    seconds = ctx.request_context.lifespan_context.answer_seconds
    form = {"type": "object", "properties": dict[str, Any]()}
    asks = types.ElicitRequestFormParams(
        message=said(question), requested_schema=form, meta={TEXT_KEY: question}
    )
    within = ServerMessageMetadata(related_request_id=ctx.request_id)
    with anyio.move_on_after(seconds):
        try:
            request = types.ElicitRequest(params=asks)
            check_agreed(await ctx.session.send_request(request, types.ElicitResult, metadata=within))
        except ValueError as error:  # what the client says is no answer
            raise CodedError("question_failed", reason=shown_name(error)) from error
        return None
    raise CodedError("not_answered", seconds=round(seconds))


def worded(result: types.CallToolResult | types.InputRequiredResult) -> None:
    """Let what stands in the place of a result carry the wording of its question, which has no `_meta`."""
    if isinstance(result, types.InputRequiredResult):
        result.meta = {TEXT_KEY: _question.get()}


def check_agreed(answer: types.ElicitResult | mcpserver.ElicitationResult[Agreement]) -> None:
    """Raise CodedError when the person did not agree."""
    if answer.action != "accept":
        raise CodedError("declined" if answer.action == "decline" else "cancelled")


def key_of_caller(ctx: ToolCall, key_of_model: str | None) -> str | None:
    """Return the key that the model repeats, or else the host's, if there is one. Raises CodedError."""
    if key_of_model or isinstance(of_host := _meta(ctx).get(KEY), bool):  # some clients copy flags of tools
        return key_of_model
    if of_host is not None and not isinstance(of_host, str):
        raise CodedError("invalid_idempotency_key", max=MAX_KEY)
    return of_host


def call_key(ctx: ToolCall, key_of_model: str | None) -> str:
    """Return the key under which this call happens at most once.

    That of the model, which was told it for a call that may have been carried out, or of the host, in
    `_meta["idempotency-key"]`; else one for the question that the person has answered,
    which a host sends again when it missed the result; else one for this call alone. Raises CodedError when
    the host's is not usable: ignoring it could do the call twice.
    """
    key = key_of_caller(ctx, key_of_model)
    if key is None and ctx.request_state is None:
        key = uuid.uuid4().hex
    elif key is None:
        if (answered := _answered.get()) is None:
            raise CodedError("unknown_question")
        key = _digest(answered[0])
    if not 0 < len(key) <= MAX_KEY:
        raise CodedError("invalid_idempotency_key", max=MAX_KEY)
    if key.isascii() and key.isprintable() and " " not in key:
        return key
    # A header carries visible ASCII only, and a model may well write its key in Chinese.
    return _digest(key)


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


def _is_to_be_asked(ctx: ToolCall) -> bool:
    """Whether the person is asked. Raises CodedError where that must be, and cannot be."""
    confirm = ctx.request_context.lifespan_context.confirm
    if confirm == "never":
        return False
    able = ctx.client_capabilities.elicitation if ctx.client_capabilities else None
    # Since 2026-07-28 each request says what its client can; of an older one that counts over the handshake.
    claims = _meta(ctx).get(types.CLIENT_CAPABILITIES_META_KEY)
    if isinstance(claims, dict) and "elicitation" not in claims:
        able = None
    # 2026-07-28 asks in its answer; before that there must be a way back to the client within the call.
    has_a_way = _is_modern(ctx) or ctx.session.can_send_request
    can_be_asked = able is not None and (able.form is not None or able.url is None) and has_a_way
    if confirm == "always" and not can_be_asked:
        raise CodedError("cannot_ask")
    return can_be_asked


def _is_modern(ctx: ToolCall) -> bool:
    return is_version_at_least(ctx.protocol_version or "", "2026-07-28")


async def _quoted(rest: RestClient, purchase: PurchaseRequest) -> Quote:
    """Return what the person is asked, with names and total as the shop knows them. Raises RestError."""
    wanted, known, lines = await looked_up(rest, "purchase", purchase.items)
    if any(id_ not in known or known[id_]["quantity"] < count for id_, count in wanted.items()):
        return Quote(total=NO_TOTAL)
    cents = sum(round(known[id_]["product"]["price"] * 100) * count for id_, count in wanted.items())
    return Quote(wording("buy", lines=lines, yuan=cents / 100), cents / 100)


async def looked_up(
    rest: RestClient, operation: Operation, lines: Iterable[OrderItem]
) -> tuple[Counter[int], dict[int, dict[str, Any]], list[Wording]]:
    """Return how many there are of each product, the shop's inventory items, and both in words."""
    wanted: Counter[int] = Counter()
    for line in lines:  # those of the same product are added up
        wanted[line.productId] += line.quantity
    items = await rest.look(operation, "/inventory", productId=list(wanted), limit=MAX_LIMIT)
    known = {item["productId"]: item for item in items if item.get("product")}
    names = {id_: item["product"]["name"] for id_, item in known.items()}
    shown = [wording("line", quantity=wanted[id_], name=names[id_]) for id_ in wanted if id_ in names]
    return wanted, known, shown


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

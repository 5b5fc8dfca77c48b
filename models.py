"""The shop's wire types and their limits, the same for REST, MCP and the browser."""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Literal
from unicodedata import category, normalize

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    computed_field,
)

MAX_QUANTITY = 1_000_000
MAX_LINES = 100  # of one order
MAX_NAME = 100  # characters
MAX_ID = 2**53 - 1  # the largest integer that every JSON reader keeps exactly (RFC 8259, section 6)
DEFAULT_LIMIT = 100
MAX_LIMIT = 500
MAX_AMOUNT = 10**15  # yuan, of an order: MAX_LINES * MAX_QUANTITY * MAX_PRICE
MAX_PRICE = 10_000_000  # yuan; sums of 64-bit cents cannot overflow
MAX_STOCK = 10_000_000  # that a product begins with
MAX_KEYWORDS = 50  # of one product

GroupBy = Literal["product", "customer", "day", "total"]


def _storable(text: str) -> str:
    # PostgreSQL cannot store U+0000. A lone surrogate, which JSON can escape, has no UTF-8.
    if "\x00" in text:
        raise ValueError("must not contain NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain lone surrogates") from None
    return text


# Default_Ignorable_Code_Point (Unicode, DerivedCoreProperties.txt): drawn without width, or not at all.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")  # Cc, but for blanks
_BLANK_BRAILLE = "\u2800"


def person_name(text: str) -> str:
    """Return a person's name as it is kept, so that one person has one: NFC, trimmed, nothing unseen in it.

    A name of which nothing can be seen is "".
    """
    name = normalize("NFC", _CONTROL.sub("", _UNSEEN.sub("", text))).strip()
    return name if _is_seen(name) else ""


def _person(text: str) -> str:
    name = person_name(text)
    if len(name) > MAX_NAME:  # some characters are two in NFC; nobody could ask for such a name again
        raise ValueError(f"must have at most {MAX_NAME} characters in NFC")
    return name


def _is_seen(text: str) -> bool:
    seen = _UNSEEN.sub("", text)
    return any(category(char)[0] in "LNPS" and char != _BLANK_BRAILLE for char in seen)


def _visible(text: str) -> str:
    if not _is_seen(text):
        raise ValueError("must be something that can be seen")
    return text


_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")  # RFC 8259, section 6


def json_number(value: object) -> object:
    """Refuse a text that JSON would not take for a number: Python also reads 1_0, +5 and blanks."""
    if isinstance(value, str) and not _JSON_NUMBER.fullmatch(value):
        raise ValueError("must be a number in digits, such as 20")
    return value


def whole_number(value: object) -> object:
    """Refuse a text that is no whole number in digits: of 5.0 pydantic makes a 5, and so another address."""
    if isinstance(value, str) and not re.fullmatch("-?(0|[1-9][0-9]*)", value):
        raise ValueError("must be a whole number in digits, such as 20")
    return value


# Bounds stand before it: behind it pydantic writes them as no words of JSON Schema.
AS_JSON, IN_DIGITS = BeforeValidator(json_number), BeforeValidator(whole_number)
# Lengths stand before it: of what a function returns, pydantic would count "items".
STORABLE = AfterValidator(_storable)
StorableText = Annotated[str, STORABLE]
PersonName = Annotated[str, Field(max_length=MAX_NAME), STORABLE, AfterValidator(_person)]
Yuan = Annotated[float, Field(description="人民币，元")]


def _number(value: object) -> object:
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        raise ValueError("must be a number, such as 1299.00")  # noqa: TRY004  pydantic reports ValueErrors only
    return Decimal(str(value)) if isinstance(value, float) else value


_YUAN = WithJsonSchema({"type": "number", "minimum": 0, "maximum": MAX_PRICE, "multipleOf": 0.01})
ExactPrice = Annotated[
    Decimal, BeforeValidator(_number), Field(ge=0, le=MAX_PRICE, decimal_places=2, strict=False), _YUAN
]
ProductName = Annotated[str, Field(min_length=1, max_length=200), STORABLE, AfterValidator(_visible)]
ProductDescription = Annotated[str, Field(max_length=2000), STORABLE]
Keyword = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\r\n]+$"), STORABLE]
Keywords = Annotated[list[Keyword], Field(max_length=MAX_KEYWORDS)]
Reason = Annotated[str, Field(max_length=200, description="原因，记在库存流水里"), STORABLE]


class Strict(BaseModel):
    """Takes neither unknown fields nor wrong types."""

    # Language models send "2" or true for a number; an order must not guess what was meant.
    model_config = ConfigDict(strict=True, extra="forbid")


class Product(BaseModel):
    """One article of the catalogue."""

    id: int = Field(description="商品 ID")
    name: str = Field(description="商品名称")
    price: Yuan
    description: str = Field(description="商品描述")
    image: str | None = Field(
        default=None,
        exclude_if=lambda image: image is None,
        description="有图片时才有：MCP 资源的地址；REST 的是 /api/products/{id}/image",
    )


class InventoryItem(BaseModel):
    """How many of one product are left."""

    productId: int = Field(description="商品 ID")
    quantity: int = Field(description="可用库存，件")
    product: Product | None = Field(default=None, description="商品详细信息")


class OrderItem(Strict):
    """One line of an order."""

    productId: int = Field(ge=1, le=MAX_ID, description="商品 ID，见 get_products")
    quantity: int = Field(ge=1, le=MAX_QUANTITY, description="购买数量，件，正整数")


class PurchaseRequest(Strict):
    """What a buyer asks for.

    A missing name or an empty list is well-formed here, since the tutorial answers them with 400 and a
    sentence of its own; the JSON schema still calls both required.
    """

    model_config = ConfigDict(json_schema_extra={"required": ["customerName", "items"]})

    customerName: PersonName = Field(default="", description="客户名称")
    items: list[OrderItem] = Field(
        default=[], max_length=MAX_LINES, description="购买的商品列表，每个条目包含 productId 和 quantity"
    )


class ConfirmedPurchase(PurchaseRequest):
    """A purchase as the REST service takes it: with the total that its buyer was told, if one was."""

    expectedTotal: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        default=None, description="用户确认过的合计，人民币元；与现在的不同就不下单"
    )


class Order(BaseModel):
    """An order that was accepted; its stock is taken, until it is cancelled."""

    customerName: str = Field(description="客户名称")
    items: list[OrderItem] = Field(description="购买的商品列表")
    id: int = Field(description="订单号")
    totalAmount: Yuan
    orderDate: str = Field(description="下单时间，ISO 8601，UTC")
    status: Literal["placed", "cancelled"] = Field(
        default="placed", description="placed 有效，cancelled 已取消"
    )


class Move(BaseModel):
    """A line of the ledger: one change of a stock."""

    id: int = Field(description="流水号")
    productId: int = Field(description="商品 ID")
    change: int = Field(description="库存变化，件")
    kind: Literal["opening", "purchase", "cancellation", "delivery", "correction"] = Field(
        description="opening 期初，purchase 售出，cancellation 取消订单，delivery 到货，correction 更正"
    )
    orderId: int | None = Field(description="订单号，售出和取消时才有")
    reason: str = Field(description="原因")
    moveDate: str = Field(description="时间，ISO 8601，UTC")


class SalesSummary(BaseModel):
    """What was sold of one product, to one customer, on one day or in all."""

    key: str = Field(description="商品 ID、客户名称、日期（商店时区）或 total")
    label: str = Field(description="给人看的名称")
    orders: int = Field(description="订单数")
    quantity: int = Field(description="件数")
    amount: Yuan

    @computed_field(description="平均每单金额，人民币，元")  # type: ignore[prop-decorator]  # mypy knows no properties below decorators
    @property
    def average(self) -> float:
        """The amount of an order, on average, to the cent: half of one counts as one."""
        # Not in binary, where 10.155 is less than that.
        exact = Decimal(str(self.amount)) / (self.orders or 1)
        return float(exact.quantize(Decimal("0.01"), ROUND_HALF_UP))


class Today(BaseModel):
    """Where the shop counts its days, and which one it is there."""

    timezone: str = Field(description="商店所在时区，IANA 名称，例如 Asia/Shanghai")
    today: str = Field(description="那里今天的日期")
    version: str = Field("", description="商店服务的版本")

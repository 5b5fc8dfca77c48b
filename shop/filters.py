"""The query parameters of the reading routes, validated."""

from datetime import UTC, date, datetime, time
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, field_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core.core_schema import ValidationInfo

from models import DEFAULT_LIMIT, MAX_ID, MAX_LIMIT, MAX_NAME, MAX_PRICE, GroupBy, StorableText


def stored_time(moment: datetime) -> str:
    """Return a moment as it is stored: ISO 8601 in UTC, of one width, so that text sorts as time does."""
    return moment.isoformat(timespec="microseconds")


def _utc(text: str, time_of_date: time) -> str:
    """Return a date or date-time (ISO 8601; UTC where no offset is given) as it is stored."""
    if len(text) == len("2026-01-31"):
        return stored_time(datetime.combine(date.fromisoformat(text), time_of_date, UTC))
    # An unescaped plus in a URL is read as a space.
    moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    try:
        return stored_time(moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError:  # in UTC it lies outside the years 1 to 9999
        return stored_time(moment.replace(tzinfo=UTC))


_MOMENT = WithJsonSchema(
    {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}
)
Since = Annotated[str, AfterValidator(lambda text: _utc(text, time.min)), _MOMENT]
Until = Annotated[str, AfterValidator(lambda text: _utc(text, time.max)), _MOMENT]
ProductId = Annotated[int, Field(ge=1, le=MAX_ID)]
Quantity = Annotated[int, Field(ge=0, le=MAX_ID)]
Price = Annotated[float, Field(ge=0, le=MAX_PRICE, allow_inf_nan=False)]


class ListQuery(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="最多返回多少条")
    offset: int = Field(default=0, ge=0, le=MAX_ID, description="跳过多少条")


class ProductQuery(ListQuery):
    """Which products."""

    query: StorableText = Field(
        "", max_length=MAX_NAME, description="要找什么；名称、关键词、描述中与它相同的词越多越靠前"
    )
    minPrice: Price = Field(default=0, description="最低价格，元")
    maxPrice: Price = Field(default=MAX_PRICE, description="最高价格，元")


class InventoryQuery(ListQuery):
    """Whose stock."""

    productId: list[ProductId] = Field(default=[], max_length=MAX_LIMIT, description="商品 ID，可重复")
    maxQuantity: Quantity | SkipJsonSchema[None] = Field(default=None, description="库存不多于此数，件")


class OrderQuery(ListQuery):
    """Whose orders, and from when: both ends belong to the period, a date means the whole day in UTC."""

    customerName: StorableText | SkipJsonSchema[None] = Field(
        None, max_length=MAX_NAME, description="客户名称，完全一致"
    )
    productId: ProductId | SkipJsonSchema[None] = Field(None, description="含此商品 ID 的订单")
    since: Since | SkipJsonSchema[None] = Field(None, description="不早于，ISO 8601 日期或时间，默认 UTC")
    until: Until | SkipJsonSchema[None] = Field(None, description="不晚于，ISO 8601 日期或时间，默认 UTC")

    @field_validator("until")
    @classmethod
    def _not_before_since(cls, until: str | None, info: ValidationInfo) -> str | None:
        since = info.data.get("since")
        if since is not None and until is not None and until < since:
            raise ValueError("must not be before since")
        return until


class SummaryQuery(OrderQuery):
    """Which orders are summed up, and by what; with a product, only its lines count."""

    groupBy: GroupBy = Field(default="product", description="按商品、客户或日期（UTC）汇总")

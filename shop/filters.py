"""The query parameters of the reading routes, validated."""

from contextlib import suppress
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, field_validator
from pydantic_core.core_schema import ValidationInfo

import models


def _moment(text: str) -> date:
    """Return a date, or a date-time (ISO 8601) with or without offset."""
    with suppress(ValueError):  # ISO 8601 has 20260131 and 2026-W05-6, too
        return date.fromisoformat(text)
    try:  # An unescaped plus in a URL is read as a space.
        return datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise ValueError(
            "must be a date or a time in ISO 8601, such as 2026-01-31 or 2026-01-31T10:00:00+08:00"
        ) from None


def _without_null(schema: dict[str, Any]) -> None:
    # It cannot be written in an address.
    kinds = [kind for kind in schema.pop("anyOf") if kind != {"type": "null"}]
    schema |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


def _given(description: str) -> Any:
    """Describe a parameter that may be left out."""
    return Field(None, description=description, json_schema_extra=_without_null)


LOCAL = "ISO 8601 日期或时间，没有时区的按商店所在时区"
_MOMENT = WithJsonSchema(
    {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}
)
Moment = Annotated[date, PlainValidator(_moment, json_schema_input_type=str), _MOMENT]
ProductId = Annotated[int, Field(ge=1, le=models.MAX_ID), models.AS_JSON]
Count = Annotated[int, Field(ge=0, le=models.MAX_ID), models.AS_JSON]
Rows = Annotated[int, Field(ge=1, le=models.MAX_LIMIT), models.AS_JSON]
Amount = Annotated[float, Field(ge=0, le=models.MAX_AMOUNT, allow_inf_nan=False), models.AS_JSON]
Price = Annotated[float, Field(ge=0, le=models.MAX_PRICE, allow_inf_nan=False), models.AS_JSON]


class ListQuery(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: Rows = Field(default=models.DEFAULT_LIMIT, description="最多返回多少条")
    offset: Count = Field(default=0, description="跳过多少条")


class ProductQuery(ListQuery):
    """Which products."""

    query: models.StorableText = Field(
        "", max_length=models.MAX_NAME, description="要找什么；名称、关键词、描述中与它相同的词越多越靠前"
    )
    minPrice: Price = Field(default=0, description="最低价格，元")
    maxPrice: Price = Field(default=models.MAX_PRICE, description="最高价格，元")


class InventoryQuery(ListQuery):
    """Whose stock."""

    productId: list[ProductId] = Field(default=[], max_length=models.MAX_LIMIT, description="商品 ID，可重复")
    maxQuantity: Count | None = _given("库存不多于此数，件")


class OrderFilter(BaseModel):
    """Whose orders, and from when: both ends belong to the period, a date means the shop's whole day."""

    model_config = ConfigDict(extra="forbid")

    customerName: models.PersonName | None = _given("客户名称，完全一致")
    productId: ProductId | None = _given("含此商品 ID 的订单")
    minAmount: Amount | None = _given("订单金额不少于，元")
    maxAmount: Amount | None = _given("订单金额不多于，元")
    since: Moment | None = _given(f"不早于，{LOCAL}")
    until: Moment | None = _given(f"不晚于，{LOCAL}")

    @field_validator("until")
    @classmethod
    def _not_before_since(cls, until: date | None, info: ValidationInfo) -> date | None:
        since: date | None = info.data.get("since")
        with suppress(TypeError):  # a date and a time: only the shop's zone could tell, so that finds nothing
            if since and until and until < since:
                raise ValueError("must not be before since")
        return until


class OrderQuery(OrderFilter, ListQuery):
    """Which part of those orders."""


class SummaryQuery(OrderQuery):
    """Which orders are summed up, and by what; with a product, only its lines count."""

    groupBy: models.GroupBy = Field(
        default="product", description="按商品、客户、日期（商店时区）或全部（total）汇总"
    )

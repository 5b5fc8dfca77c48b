"""What the reading tools can be asked for: each argument with its bounds, in the words that a model reads."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from mcp_server.arguments import optional, read_json_text
from models import MAX_AMOUNT, MAX_ID, MAX_LIMIT, MAX_NAME, STORABLE, GroupBy, json_number


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("number_type", "Input should be a valid number")
    return json_number(value)


def _listed(value: Any) -> Any:
    """Read a list that is written as text, `[1,2]` or `1,2`, and a number that stands for a list of one."""
    if isinstance(value, str):
        read = read_json_text(value)
        value = read_json_text(f"[{value}]") if isinstance(read, str) else read
    return [value] if isinstance(value, int | float) else value


# The bounds stand before what reads a value first: behind it pydantic writes them as no words of JSON Schema.
_NUMBER = BeforeValidator(_number)
Id = Annotated[int, Field(ge=1, le=MAX_ID), _NUMBER]
Count = Annotated[int, Field(ge=0, le=MAX_ID), _NUMBER]
Rows = Annotated[int, Field(ge=1, le=MAX_LIMIT), _NUMBER]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False), _NUMBER]
Amount = Annotated[float, Field(ge=0, le=MAX_AMOUNT), _NUMBER]
Name = Annotated[str, Field(max_length=MAX_NAME), STORABLE]
Moment = Annotated[str, Field(max_length=40), STORABLE]
Query = Annotated[
    Name | None, optional("要找什么，中文、英文、繁体都可以，如 降噪耳机、power bank；不填则返回全部")
]
MinPrice = Annotated[Price | None, optional("最低单价，人民币元，含")]
MaxPrice = Annotated[Price | None, optional("最高单价，人民币元，含；用户说了预算时使用")]
ProductIds = Annotated[
    list[Id] | None,
    optional("只要这些商品 ID 的库存，见 get_products；不填则返回全部", max_length=MAX_LIMIT),
    BeforeValidator(_listed),
]
MaxQuantity = Annotated[Count | None, optional("只要库存不超过这个件数的商品，用于找出需要补货的")]
CustomerName = Annotated[Name | None, optional("只要这位客户的订单，姓名须完全一致")]
ProductId = Annotated[Id | None, optional("只要含有这个商品 ID 的订单；与 groupBy 同用时只汇总这个商品")]
MinAmount = Annotated[Amount | None, optional("只要金额不少于此的订单，人民币元")]
MaxAmount = Annotated[Amount | None, optional("只要金额不超过此的订单，人民币元")]
MOMENT = "ISO 8601 日期或时间，如 2026-11-01 或 2026-11-01T08:00:00+08:00，没有时区的按商店所在时区"
Since = Annotated[Moment | None, optional(f"不早于此时，{MOMENT}")]
Until = Annotated[Moment | None, optional(f"不晚于此时，{MOMENT}；只有日期则含当天")]
Grouping = Annotated[
    GroupBy | None,
    optional(
        "不列订单，而按商品、客户、日期（商店所在时区）或全部（total）汇总订单数、件数、金额和每单平均；分析销售时使用"
    ),
]
Limit = Annotated[
    Rows | None,
    optional(f"最多返回多少条，1 到 {MAX_LIMIT}；恰好返回这么多条时，可能还有更多"),
]
Offset = Annotated[Count | None, optional("跳过前面多少条，与 limit 一起翻页")]

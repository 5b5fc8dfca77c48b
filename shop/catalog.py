"""The shop's catalogue: the tutorial's four products, or the JSON file that `CATALOG` names."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from models import MAX_ID, MAX_PRICE, StorableText
from shop.queries import search_text

MAX_STOCK = 10_000_000


class CatalogError(Exception):
    """The catalogue's file is wrong; the message names the line, or the entry and its field."""


def _number(value: object) -> object:
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004  pydantic turns only a ValueError into its own
    return value


class CatalogEntry(BaseModel):
    """One product, with the stock it starts with; the price is in yuan."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    id: int = Field(ge=1, le=MAX_ID)
    name: StorableText = Field(min_length=1, max_length=200)
    price: Annotated[
        Decimal, BeforeValidator(_number), Field(ge=0, le=MAX_PRICE, decimal_places=2, strict=False)
    ]
    description: StorableText = Field(max_length=2000)
    quantity: int = Field(ge=0, le=MAX_STOCK)

    @property
    def cents(self) -> int:
        """The price in cents, exactly."""
        return int(self.price * 100)

    def row(self) -> tuple[int, str, int, str, str, int]:
        """Return what `schema.UPSERT_PRODUCT` takes."""
        search = search_text(self.name, self.description)
        return self.id, self.name, self.cents, self.description, search, self.quantity


_ENTRIES = TypeAdapter(list[CatalogEntry])


def _entry(id_: int, name: str, price: int, description: str, quantity: int) -> CatalogEntry:
    return CatalogEntry(id=id_, name=name, price=Decimal(price), description=description, quantity=quantity)


TUTORIAL = [
    _entry(1, "智能手表Galaxy", 1299, "健康监测，运动追踪，支持多种应用", 100),
    _entry(2, "无线蓝牙耳机Pro", 899, "主动降噪，30小时续航，IPX7防水", 50),
    _entry(3, "便携式移动电源", 299, "20000mAh大容量，支持快充，轻薄设计", 200),
    _entry(4, "华为MateBook X Pro", 1599, "14.2英寸全面屏，3:2比例，100% sRGB色域", 150),
]


def load(path: Path) -> list[CatalogEntry]:
    """Read a catalogue: a JSON list of `{id, name, price, description, quantity}`. Raise `CatalogError`."""
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
        entries = _ENTRIES.validate_python(data)
    except OSError as error:
        raise CatalogError(f"无法读取商品目录 {path}：{error.strerror}") from error
    except json.JSONDecodeError as error:
        raise CatalogError(f"商品目录 {path} 第 {error.lineno} 行不是有效的 JSON：{error.msg}") from error
    except ValidationError as error:
        raise CatalogError(f"商品目录 {path} 有误：{_first(error)}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of 5,000 digits, nested too deeply
        raise CatalogError(f"商品目录 {path} 不是有效的 JSON：{error}") from error
    _check_ids(path, entries)
    return entries


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    entry, *fields = first["loc"] or ("",)
    if not isinstance(entry, int):
        return "应为 JSON 列表"
    return f"第 {entry + 1} 项的 {'.'.join(map(str, fields)) or '内容'}：{first['msg']}"


def _check_ids(path: Path, entries: list[CatalogEntry]) -> None:
    if not entries:
        raise CatalogError(f"商品目录 {path} 是空的")
    seen: set[int] = set()
    for number, entry in enumerate(entries, 1):
        if entry.id in seen:
            raise CatalogError(f"商品目录 {path} 有误：第 {number} 项的 id：{entry.id} 已经用过")
        seen.add(entry.id)

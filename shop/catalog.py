"""The shop's catalogue: the tutorial's four products, or the JSON file that `CATALOG` names."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from models import MAX_ID, MAX_STOCK, ExactPrice, Keywords, ProductDescription, ProductName
from shop.errors import CatalogError


class ProductInput(BaseModel):
    """A product as its owner writes it: price in yuan, words that find it and are not shown."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: ProductName
    price: ExactPrice
    description: ProductDescription
    keywords: Keywords = []
    quantity: int = Field(0, ge=0, le=MAX_STOCK, description="新商品的初始库存；已有商品的库存只由流水改变")


class CatalogEntry(ProductInput):
    """One product of a catalogue."""

    id: int = Field(ge=1, le=MAX_ID)

    @property
    def cents(self) -> int:
        """The price in cents, exactly."""
        return int(self.price * 100)

    def row(self) -> tuple[int, str, int, str, str, int]:
        """Return what `schema.UPSERT_PRODUCT` takes."""
        return self.id, self.name, self.cents, self.description, "\n".join(self.keywords), self.quantity


_ENTRIES = TypeAdapter(list[CatalogEntry])


def _entry(id_: int, name: str, price: int, description: str, quantity: int, *keywords: str) -> CatalogEntry:
    return CatalogEntry(
        id=id_,
        name=name,
        price=Decimal(price),
        description=description,
        quantity=quantity,
        keywords=" ".join(keywords).split(" "),
    )


TUTORIAL = [
    _entry(
        *(1, "智能手表Galaxy", 1299, "健康监测，运动追踪，支持多种应用", 100),
        "运动手表 电子手表 腕表 smart watch fitness tracker health sport running",
    ),
    _entry(
        *(2, "无线蓝牙耳机Pro", 899, "主动降噪，30小时续航，IPX7防水", 50),
        "降噪耳机 耳麦 耳塞 headphones earphones earbuds headset wireless bluetooth noise cancelling",
    ),
    _entry(
        *(3, "便携式移动电源", 299, "20000mAh大容量，支持快充，轻薄设计", 200),
        "充电宝 充电器 行动电源 power bank portable charger battery fast charging",
    ),
    _entry(
        *(4, "华为MateBook X Pro", 1599, "14.2英寸全面屏，3:2比例，100% sRGB色域", 150),
        "笔记本电脑 手提电脑 轻薄本 laptop notebook computer pc huawei",
    ),
]


def load(path: Path) -> list[CatalogEntry]:
    """Read a catalogue: a JSON list of `CatalogEntry`. Raise `CatalogError`."""
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
        entries = _ENTRIES.validate_python(data)
    except OSError as error:
        raise CatalogError("catalog_unreadable", path=str(path), reason=error.strerror) from error
    except json.JSONDecodeError as error:
        raise CatalogError(
            "catalog_json_line", path=str(path), line=error.lineno, reason=error.msg
        ) from error
    except ValidationError as error:
        raise _invalid(path, error) from error
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of 5,000 digits, nested too deeply
        raise CatalogError("catalog_json", path=str(path), reason=str(error)) from error
    _check_ids(path, entries)
    return entries


def _invalid(path: Path, error: ValidationError) -> CatalogError:
    first = error.errors(include_url=False)[0]
    index, *fields = first["loc"] or ("",)
    if not isinstance(index, int):
        return CatalogError("catalog_no_list", path=str(path))
    at: dict[str, Any] = {"path": str(path), "entry": index + 1, "reason": first["msg"]}
    if fields:
        return CatalogError("catalog_field", field=".".join(map(str, fields)), **at)
    return CatalogError("catalog_entry", **at)


def _check_ids(path: Path, entries: list[CatalogEntry]) -> None:
    if not entries:
        raise CatalogError("catalog_empty", path=str(path))
    seen: set[int] = set()
    for number, entry in enumerate(entries, 1):
        if entry.id in seen:
            raise CatalogError("catalog_id_repeated", path=str(path), entry=number, id=entry.id)
        seen.add(entry.id)

"""The shop's catalogue: the tutorial's four products, or the JSON or CSV file that `CATALOG` names."""

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from jiter import from_json
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from models import MAX_ID, MAX_STOCK, ExactPrice, Keywords, ProductDescription, ProductName
from shop import sheets
from shop.errors import CatalogError
from shop.pictures import Image


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
    image: Image = None  # without it a product keeps the picture that it has

    @property
    def cents(self) -> int:
        """The price in cents, exactly."""
        return int(self.price * 100)

    def row(self) -> tuple[int, str, int, str, str, int]:
        """Return what `schema.UPSERT_PRODUCT` takes.

        The name without blanks around it: here, so that files and keys of before are found as they were.
        """
        return (
            self.id,
            self.name.strip(),
            self.cents,
            self.description,
            "\n".join(self.keywords),
            self.quantity,
        )


class Imported(BaseModel):
    """What importing products has done."""

    created: int = Field(description="新增了多少个商品")
    changed: int = Field(description="改了多少个")
    unchanged: int = Field(description="多少个与原来相同")
    stockKept: int = Field(description="多少个已有商品的库存与文件中的不同，没有改：库存只由流水改变")


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
    """Read a catalogue: CSV by its name, or else a JSON list of `CatalogEntry`. Raise `CatalogError`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CatalogError("catalog_unreadable", path=str(path), reason=error.strerror) from error
    try:
        read = from_csv if path.suffix.lower() == ".csv" else _from_json
        return read(content, path.absolute().parent)
    except CatalogError as error:
        raise CatalogError(error.code, path=str(path), **error.params) from error


def _from_json(content: bytes, folder: Path) -> list[CatalogEntry]:
    text = content.removeprefix(BOM_UTF8)
    try:  # of two prices nobody knows which is meant
        data = from_json(text, float_mode="decimal", allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:  # which names line and column
        raise CatalogError("catalog_json", reason=str(error)) from error
    return _validated(data, "catalog_field", lambda index: {"entry": index + 1}, folder)


def from_csv(content: bytes, folder: Path | None = None) -> list[CatalogEntry]:
    """Read a catalogue that is a table, as `GET /api/products.csv` writes it. Raise `CatalogError`.

    Its pictures may be files of the folder, if there is one.
    """
    rows = sheets.read(content, set(CatalogEntry.model_fields), {"id", "name", "price", "description"})
    data = [dict(_values(cells)) for _, cells in rows]
    return _validated(data, "csv_field", lambda index: {"line": rows[index][0]}, folder)


def _validated(
    data: Any, wrong: str, at: Callable[[int], dict[str, int]], folder: Path | None
) -> list[CatalogEntry]:
    """Return the entries, no two with one id; the code `wrong` is for one `at` its place in the file."""
    try:
        entries = _ENTRIES.validate_python(data, context={"folder": folder})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        index, *fields = first["loc"] or ("",)
        if not isinstance(index, int):
            raise CatalogError("catalog_no_list") from error
        told = {"field": ".".join(map(str, fields)), "reason": first["msg"]}
        raise CatalogError(wrong if fields else "catalog_entry", **at(index), **told) from error
    if not entries:
        raise CatalogError("catalog_empty")
    seen: set[int] = set()
    for index, entry in enumerate(entries):
        if entry.id in seen:
            raise CatalogError(wrong, **at(index), field="id", reason=f"{entry.id} stands before, too")
        seen.add(entry.id)
    return entries


def _values(cells: dict[str, str]) -> Iterator[tuple[str, Any]]:
    for column, cell in cells.items():
        if column == "keywords":
            yield column, list(filter(None, re.split(r"[\r\n]", sheets.original(cell))))
        elif column in {"name", "description"}:
            yield column, sheets.original(cell)
        elif column == "image":
            yield column, cell.strip()
        elif cell.strip() or column != "quantity":
            yield column, _plain_number(cell.strip())


def _plain_number(text: str) -> int | Decimal | str:
    """Return a number in digits of any script; other text as it is, since 1,299 may be 1.299."""
    if not re.fullmatch(r"-?\d{1,18}([.．]\d{1,9})?", text):
        return text
    return Decimal(text.replace("．", ".")) if re.search("[.．]", text) else int(text)

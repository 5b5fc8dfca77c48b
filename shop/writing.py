"""What is written beside purchases, once for both engines: a script yields statements and gets their rows."""

import hashlib
import itertools
import json
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import itemgetter
from typing import Any

from models import Product, person_name
from shop import days, queries, schema, search
from shop.catalog import TUTORIAL, CatalogEntry, Imported
from shop.errors import StoreError
from shop.pictures import Picture
from shop.queries import Many, Row, Script, Statement

NAMES = "1"  # the version of `person_name` by which the customers of old orders were folded

INDEX_PART = 100  # products that are indexed in one transaction of a shop that sells: some 50 ms
DUE = "search due "  # begins the names of facts that hold products whose terms are not up to date
# Not by what is more or less than another text: that is told by the language of a PostgreSQL database.
INDEX_DUE = Statement("SELECT name FROM facts WHERE name LIKE ?1 ORDER BY name LIMIT 1", [f"{DUE}%"])

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preparation:
    """What a database is made ready with when it is opened; see `engines.open_store`."""

    catalogue: list[CatalogEntry] | None = None
    timezone: str | None = None
    move_days: bool = False


def prepare(wanted: Preparation) -> Script[bool]:
    """Bring what the tables hold up to this program, then import the catalogue; tell whether some is due."""
    indexed = yield from fact("search")
    if indexed is None:
        yield from _give_keywords()
    if indexed != search.VERSION:
        yield from _index_soon(
            [row[0] for row in (yield Statement("SELECT id FROM products ORDER BY id", []))]
        )
        yield from set_fact("search", search.VERSION)
    if (yield from fact("names")) != NAMES:
        yield from _fold_names()
        yield from set_fact("names", NAMES)
    yield from _settle_days(wanted)
    yield from _import(wanted.catalogue)
    return bool((yield INDEX_DUE))


def fact(name: str, *, locks: bool = False) -> Script[str | None]:
    """Return what is known of the whole database under a name."""
    rows = yield Statement("SELECT value FROM facts WHERE name = ?1", [name], locks=locks)
    return rows[0][0] if rows else None


def set_fact(name: str, value: str) -> Script[None]:
    """Keep what is true of the whole database."""
    yield Statement(schema.UPSERT_FACT, [name, value])


_KNOWN = "SELECT id, name, price_cents, description, keywords, stock, COALESCE(image, '') FROM products"
_TEXTS = itemgetter(0, 1, 4, 3)  # of a product's row: id, name, keywords, description


def save_products(entries: Sequence[CatalogEntry], known: Mapping[int, Row] | None = None) -> Script[None]:
    """Write products with the terms under which they are found; known ones keep their stock.

    What is found by the same words as in `known` is not indexed again, which takes most of the time. In a
    shop that sells, much of that is only noted down here, for `index_next`: buyers would wait for it.
    """
    known = known or {}
    found = {id_: _TEXTS(row) for id_, row in known.items()}
    # By id, as purchases lock: in another order the two would deadlock.
    rows = sorted(entry.row() for entry in entries)
    yield Many(schema.UPSERT_PRODUCT, [row[:5] for row in rows])
    opening = [(row[0], row[5], days.stored_now()) for row in rows if row[0] not in known]
    if opening:
        yield Many(schema.OPENING, opening)
    yield from _save_pictures({each.id: each.image for each in entries if each.image is not None})
    changed = [texts for row in rows if (texts := _TEXTS(row)) != found.get(row[0])]
    yield from _index_soon([texts[0] for texts in changed]) if known else _index(changed)


def _save_pictures(pictures: dict[int, Picture]) -> Script[None]:
    if not pictures:
        return
    digests = [(id_, each.digest) for id_, each in sorted(pictures.items())]
    yield Many("UPDATE products SET image = NULLIF(?2, '') WHERE id = ?1", digests)
    yield Many("DELETE FROM product_images WHERE product_id = ?1", [(id_,) for id_ in pictures])
    read = ((id_, each.kind, each.content()) for id_, each in pictures.items() if each.digest)  # one by one
    yield Many("INSERT INTO product_images VALUES (?1, ?2, ?3)", read)


def save_product(entry: CatalogEntry) -> Script[Product]:
    """Write one product, and return it."""
    # What has its opening: PostgreSQL would count an INSERT of no line as a change of stock.
    known = yield Statement(f"{_KNOWN} WHERE id = ?1 AND moves > 0", [entry.id], locks=True)
    yield from save_products([entry], {row[0]: row for row in known})
    return queries.to_products((yield queries.product(entry.id)))[0]


def change_product(
    product_id: int | None, given: dict[str, Any], key: str | None
) -> Script[tuple[Product, bool]]:
    """Change what is given of a product, or create one; tell whether that was done before with this key."""
    told = [(name, int(given[name] * 100) if name == "price" else given[name]) for name in sorted(given)]
    wanted = hashlib.sha256(repr((product_id, told)).encode()).hexdigest()
    known = None if product_id is None else (yield from _entry(product_id))
    # Every refusal comes before the first write; the key is written first, since another may write it, too.
    if key is not None and not (yield Statement(schema.NEW_FACT, [f"product key {key}", wanted])):
        before, _, id_ = str((yield from fact(f"product key {key}"))).partition(" ")
        if before != wanted:
            raise StoreError("key_reused", of="change")
        return queries.to_products((yield queries.product(int(id_))))[0], True
    entry = known.model_copy(update=given) if known else CatalogEntry(id=(yield from _new_id()), **given)
    if key is not None:
        yield from set_fact(f"product key {key}", f"{wanted} {entry.id}")
    return (yield from save_product(entry)), False


def _new_id() -> Script[int]:
    """Take the id after the highest that has none after it."""
    while not (taken := (yield Statement(schema.NEW_PRODUCT, []))):
        pass  # another has taken it meanwhile
    return int(taken[0][0])


def _entry(product_id: int) -> Script[CatalogEntry]:
    rows = yield Statement(f"{_KNOWN} WHERE id = ?1", [product_id], locks=True)
    if not rows:
        raise StoreError("unknown_product", productId=product_id)
    id_, name, cents, about, words, *_ = rows[0]
    return CatalogEntry.model_construct(
        id=id_,
        name=name,
        price=Decimal(cents) / 100,
        description=about,
        keywords=words.split("\n") if words else [],
    )


def _index(products: Sequence[Row]) -> Script[None]:
    yield Many("DELETE FROM product_terms WHERE product_id = ?1", [row[:1] for row in products])
    terms = itertools.chain.from_iterable(search.index_rows(*row) for row in products)
    yield Many("INSERT INTO product_terms VALUES (?1, ?2, ?3)", terms, table="product_terms")


def _index_soon(ids: Sequence[int]) -> Script[None]:
    """Index products of a shop that sells: a few at once, more in parts, which `index_next` takes up."""
    if len(ids) <= INDEX_PART:
        yield from _index_known(ids)
        return
    mark = secrets.token_hex(4)  # another import may be under way
    parts = (ids[at : at + INDEX_PART] for at in range(0, len(ids), INDEX_PART))
    yield Many(schema.UPSERT_FACT, [(f"{DUE}{mark} {part[0]}", json.dumps(part)) for part in parts])


def _index_known(ids: Sequence[int]) -> Script[None]:
    """Index products by what they are called now, which nobody changes meanwhile."""
    yield from _index((yield queries.texts(ids)) if ids else [])


def index_next() -> Script[bool]:
    """Index the next part of what is due, and tell whether there was one."""
    due = yield INDEX_DUE
    # Another process may have taken it meanwhile.
    if due and (taken := (yield Statement("DELETE FROM facts WHERE name = ?1 RETURNING value", [due[0][0]]))):
        yield from _index_known(json.loads(taken[0][0]))
    return bool(due)


def _give_keywords() -> Script[None]:
    """Let the tutorial's products in a shop of before the search be found as they are in a new one."""
    sql = """UPDATE products SET keywords = ?4
        WHERE id = ?1 AND name = ?2 AND description = ?3 AND keywords = ''"""
    rows = [entry.row() for entry in TUTORIAL]
    yield Many(sql, [(row[0], row[1], row[3], row[4]) for row in rows])


def _fold_names() -> Script[None]:
    """Give old orders the names that a purchase would have now; one that nobody can see stays as it is."""
    names = [row[0] for row in (yield Statement("SELECT DISTINCT customer FROM orders", []))]
    folded = [(new, old) for old in names if (new := person_name(old)) not in ("", old)]
    yield Many("UPDATE orders SET customer = ?1 WHERE customer = ?2", folded)


def _settle_days(wanted: Preparation) -> Script[None]:
    kept = yield from fact("timezone")
    timezone = days.settled(kept, wanted.timezone, move=wanted.move_days)
    if kept != timezone:
        yield from set_fact("timezone", timezone)
        times = (yield Statement(days.ORDER_TIMES, []))[0]
        yield Many(days.SET_DAYS, list(days.day_ranges(times, days.zone_named(timezone))))


def _import(catalogue: list[CatalogEntry] | None) -> Script[None]:
    """Import a catalogue once: a restart undoes nothing that was changed since, nor does an older file."""
    if catalogue is None:
        if not (yield Statement("SELECT 1 FROM products LIMIT 1", [])):
            yield from save_products(TUTORIAL)
        return
    digest = hashlib.sha256("\n".join(entry.model_dump_json() for entry in catalogue).encode()).hexdigest()
    if (yield from fact(f"catalogue {digest}")):
        log.info("商品目录以前导入过，没有再导入")
        return
    done = yield from import_products(catalogue)
    yield from set_fact(f"catalogue {digest}", days.stored_now())
    log.info("商品目录已导入：新增 %d 个商品，更新 %d 个", done.created, len(catalogue) - done.created)


def import_products(entries: list[CatalogEntry]) -> Script[Imported]:
    """Write the products that are new or changed."""
    known = {row[0]: tuple(row) for row in (yield Statement(_KNOWN, []))}

    def is_known(entry: CatalogEntry) -> bool:
        row = known.get(entry.id, ())
        return row[:5] == entry.row()[:5] and (entry.image is None or entry.image.digest == row[6])

    changed = [entry for entry in entries if not is_known(entry)]
    yield from save_products(changed, known)
    new = sum(entry.id not in known for entry in changed)
    kept = sum(entry.id in known and known[entry.id][5] != entry.quantity for entry in entries)
    return Imported(
        created=new, changed=len(changed) - new, unchanged=len(entries) - len(changed), stockKept=kept
    )

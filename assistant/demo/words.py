"""The data file: what words mean, with numbers, prices and days, and the sentences and tables of answers."""

import math
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from opencc import OpenCC

from assistant.demo.past import Shelf
from models import MAX_LIMIT, MAX_QUANTITY, Order, Product

Tongue = Literal["zh", "tw", "en"]  # simplified and traditional Chinese, English
Say = Callable[..., str]
Bounds = tuple[float | None, float | None]

MAX_TEXT = 500  # characters of a sentence that are read
MAX_DAYS = 3650  # that are looked back
MAX_ROWS = 20  # of a table; more is counted, not shown
MAX_CELL = 60  # characters of a description in a table
MAX_ABOUT = 200  # characters of a description elsewhere
MAX_ITEMS = 5  # of an order in a table

# The columns of tables.
PRODUCT = ("id", "name", "price", "left", "about")
STOCK = ("id", "name", "left", "price")
ORDER = ("order", "who", "items", "total", "time")
SUMS = ("orders", "pieces", "amount")
DATA: dict[str, Any] = tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))
NUMBERS: dict[str, int] = DATA["numbers"]
WORDS = "|".join(sorted(filter(str.isascii, NUMBERS), key=len, reverse=True))
PARTS: dict[str, str] = DATA["parts"] | {"W": WORDS}


def _expanded(text: str) -> str:
    return re.sub("<([A-Z]+)>", lambda found: _expanded(PARTS[found[1]]), text)


@cache
def pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern of the data file, in which parts stand in angle brackets."""
    return re.compile(_expanded(text), re.IGNORECASE)


@cache
def _sign(name: str) -> re.Pattern[str]:
    chinese, english = DATA["signs"][name]
    return pattern(f"{chinese}|(?<![a-z])(?:{english})(?![a-z])")


def says(sign: str, text: str) -> bool:
    """Whether a sentence has one of the expressions for this."""
    return _sign(sign).search(text) is not None


def without(sign: str, text: str, instead: str = " ") -> str:
    """Return a sentence with something else for each of the expressions for this."""
    return _sign(sign).sub(instead, text)


def first_group(found: re.Match[str] | None) -> str:
    """Return the first group that took part in a match; empty for none."""
    return next((group for group in found.groups() if group), "") if found else ""


# --- characters and languages ------------------------------------------------------------------------------


@cache
def _converter(config: str) -> OpenCC:
    return OpenCC(config)


@cache
def _simplified(character: str) -> str:
    return _converter("t2s").convert(character) if "\u3400" <= character <= "\u9fff" else character


@cache
def traditional(text: str) -> str:
    """Return one of the model's own sentences in traditional Chinese."""
    return _converter("s2t").convert(text)


def clean(text: str) -> str:
    """Normalise to NFKC; remove NUL, surrogates, what tokens are made of, and repeated punctuation."""
    text = unicodedata.normalize("NFKC", text[:MAX_TEXT])
    text = re.sub("[\x00\x01\ud800-\udfff\ue000\ue001]", "", text)
    return re.sub(r"([^\w\s.])(?:\s*\1)+", r"\1", text).strip()


def fold(text: str) -> str:
    """Return a sentence cleaned and in simplified characters, one for one."""
    return "".join(map(_simplified, clean(text))).replace("’", "'")


def tongue(text: str, before: Tongue | None) -> Tongue:
    """Return the language of a message; of a bare name or number that of the turn before."""
    text = clean(text)
    english = pattern(rf"\b(?:{DATA['english']})\b").findall(text)
    if not pattern("[<CJK>]").search(text):
        return "en" if english else before or ("en" if re.search("[a-zA-Z]", text) else "zh")
    if len(english) > 1 or (english and text.startswith(english[0])):
        return "en"
    return "zh" if fold(text) == text.replace("’", "'") else "tw"


# --- numbers -----------------------------------------------------------------------------------------------


def number(text: str) -> float | None:
    """Parse 12, 1,500, 1.5k, 2千, 十二, 一千五, two hundred; None if it is no number."""
    text = text.strip().lower().replace(",", "")
    if digits := re.fullmatch(r"(-?[0-9]+(?:\.[0-9]+)?)\s?([k百千万]?)", text):
        return float(digits[1]) * NUMBERS.get(digits[2], 1)
    words = re.split(r"[\s-]+", text)
    if not text or not all(word in NUMBERS for word in words):
        words = list(text)
    if not text or not all(word in NUMBERS for word in words):
        return None
    total = part = digit = last = 0
    for value in map(NUMBERS.__getitem__, words):
        if value >= 10_000 or (value == 1000 and words[0].isascii()):
            total, part, digit, last = (total + part + digit or 1) * value, 0, 0, value
        elif value in (10, 12, 100, 1000):
            part, digit, last = part + (digit or 1) * value, 0, value
        else:
            digit, last = digit + value, last if value else 10
    short = max(last // 10, 1) if not words[0].isascii() else 1  # 一千五 is 1500
    return float(total + part + digit * short)


def pieces(text: str) -> int:
    """Parse a number of pieces; 0 if it cannot be ordered."""
    value = number(text) or 0
    return int(value) if 1 <= value <= MAX_QUANTITY and value == int(value) else 0


def counted(text: str) -> str:
    """Write dozens, a pair and single pieces with numbers: 一打 is 12个, 买个 is 买1个."""
    for written, meant in DATA["counted"]:
        text = pattern(written).sub(meant, text)
    return pattern("(<N>)打(?!折)").sub(lambda found: f"{pieces(found[1]) * 12}个", text)


# --- prices, places and days -------------------------------------------------------------------------------


def budget(text: str) -> Bounds:
    """Return the lowest and the highest price that is asked for, in yuan; None for no bound."""
    money = DATA["money"]
    if pattern(money["counting"]).search(text) and not pattern(money["money"]).search(text):
        return None, None  # "less than 20 left" is no price
    if len(between := _prices("between", text)) > 1:
        return min(between), max(between)
    if about := _prices("about", text):
        return about[0] * 0.8, about[0] * 1.2
    above, below = _prices("above", text), _prices("below", text)
    return (above[0] if above else None), (below[0] if below and not above else None)


def _prices(name: str, text: str) -> list[float]:
    found = pattern(DATA["money"][name]).search(text)
    values = [number(group) for group in found.groups() if group] if found else []
    return [value for value in values if value is not None and value >= 0]


def named(text: str, section: str, name: str) -> str:
    """Return what is named in one of the expressions of the data file; empty for nothing."""
    return first_group(pattern(DATA[section][name]).search(text))


def first_of(names: Iterable[str], text: str, prefix: str = "") -> str:
    """Return the first of the signs that a sentence says; empty for none."""
    return next((name for name in names if says(prefix + name, text)), "")


def count_of(name: str, text: str) -> int | None:
    """Return the number that stands in one of the counting expressions: "the last 5 orders", "top 3"."""
    group = named(text, "counts", name)
    return min(pieces(group), MAX_LIMIT) if group else None


def place(text: str) -> int:
    """Return which one a sentence points at: 2 for the second, -1 for the last, 0 for none."""
    known: dict[str, int] = DATA["ordinals"]
    group = named(text, "lines", "ordinal").lower()
    return known.get(group) or pieces(group)


def period(text: str, today: date) -> tuple[str | None, str | None]:
    """Return the first and the last day that are meant, as ISO dates; None for no bound."""
    known = DATA["periods"]
    if dates := re.findall(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        open_end = len(dates) == 1 and pattern(known["open_end"]).search(text)
        return min(dates), None if open_end else max(dates)
    if days := named(text, "periods", "days"):
        return (today - timedelta(min(pieces(days), MAX_DAYS))).isoformat(), None
    names = enumerate(known["months"], 1)
    month = number(named(text, "periods", "month")) or next(
        (n for n, name in names if pattern(known["in_month"] + name).search(text)), 0
    )
    spans = [("", "month", (today.month - int(month)) % 12)] if 1 <= month <= 12 else []
    spans += [span for span in known["spans"] if pattern(span[0]).search(text)]
    for _, unit, back in spans[:1]:
        until = _start(today, unit, back - 1) - timedelta(1) if back else None
        return _start(today, unit, back).isoformat(), until.isoformat() if until else None
    return None, None


def _start(today: date, unit: str, back: int) -> date:
    if unit == "day":
        return today - timedelta(back)
    if unit == "week":
        return today - timedelta(today.weekday() + 7 * back)
    months = today.year * 12 + (today.month - 1 - back if unit == "month" else -12 * back)
    return date(months // 12, months % 12 + 1, 1)


# --- the words that describe a product ---------------------------------------------------------------------


def words(text: str) -> str:
    """Return the words that may describe a product: no words of asking, no numbers."""
    idle, stop = DATA["idle"], DATA["idle"]["english"].split()
    spans = (span[0] for span in DATA["periods"]["spans"])
    money = (DATA["money"][name] for name in ("between", "about", "above", "below"))
    for one in (*idle["patterns"], DATA["periods"]["days"], *spans, *money, *idle["numbers"]):
        text = " ".join(pattern(one).sub(" ", text).split())  # a row of blanks is searched from each on
    text = re.sub(r"[a-zA-Z']+", lambda found: " " if found[0].lower() in stop else found[0], text)
    for one in (idle["han"], idle["han"], r"(?<!\w)<N>(?!\w)"):
        text = pattern(one).sub(" ", text)
    kept = (word.strip(".'-") for word in re.findall(r"[\w'.%-]*[^\W_][\w'.%-]*", text))
    return " ".join(word for word in kept if not re.fullmatch(r"[-0-9.]*[k百千万]?", word))


def uses(text: str) -> str:
    """Return words to search for the uses that a sentence names: 听歌 may want 耳机."""
    found = (told for asked, told in DATA["uses"].items() if pattern(asked).search(text))
    return " ".join(dict.fromkeys(" ".join(found).split()))


def fact(text: str) -> tuple[re.Pattern[str], re.Pattern[str]] | None:
    """Return how the fact that is asked for is named, and how a description tells it."""
    facts = ((pattern(f"(?<![a-z])(?:{asked})(?![a-z])"), told) for asked, told in DATA["facts"].items())
    return next(((named, pattern(told)) for named, told in facts if named.search(text)), None)


# --- what is said ------------------------------------------------------------------------------------------


def voice(tongue: Tongue) -> Say:
    """Return what says a sentence of the data file in a language."""
    return partial(_say, tongue)


def _say(tongue: Tongue, key: str, **parts: object) -> str:
    sentence = DATA["say"][key][tongue == "en"]
    return (traditional(sentence) if tongue == "tw" else sentence).format(**parts)


def escaped(text: str, limit: int = 0) -> str:
    """Escape a text from outside for a table cell: one line, no markdown, cut at `limit` characters."""
    text = " ".join(text.encode("utf-8", "replace").decode().split())  # JSON can hold lone surrogates
    if limit and len(text) > limit:
        text = text[: limit - 1] + "…"
    return re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", text)


def bold(product: Product) -> str:
    """Return the name of the product that an answer is about."""
    return f"**{escaped(product.name)}**"


def price(yuan: float) -> str:
    """Format a unit price: ¥899, ¥9.90."""
    return f"¥{yuan:.0f}" if math.isfinite(yuan) and yuan == int(yuan) else total(yuan)


def total(yuan: float) -> str:
    """Format a sum: ¥1798.00."""
    return f"¥{yuan:.2f}" if math.isfinite(yuan) else "—"


def table(say: Say, columns: Sequence[str], rows: Iterable[Any], shelf: Shelf) -> str:
    """Return a markdown table of rows; a column whose name ends with a colon is aligned right."""
    names = [say(f"column_{column}") for column in columns]
    rule = [" ---: " if name.endswith(":") else " --- " for name in names]
    cells = [[CELLS[column](row, shelf) for column in columns] for row in islice(rows, MAX_ROWS)]
    lines = [[name.rstrip(":") for name in names], *cells]
    head, *body = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, f"|{'|'.join(rule)}|", *body])


def product_table(
    say: Say, products: Sequence[Product], shelf: Shelf, more: bool = False, columns: Sequence[str] = PRODUCT
) -> str:
    """List products; their stock only where it is known."""
    known = any(product.id in shelf.stock for product in products)
    text = table(say, [column for column in columns if known or column != "left"], products, shelf)
    if not more and len(products) <= MAX_ROWS:
        return text
    count = f"{len(products)}+" if more else len(products)
    return f"{text}\n\n{say('rest', shown=min(len(products), MAX_ROWS), known=count)}"


def about(product: Product, before: str = "") -> str:
    """Return the description in a paragraph of its own, if there is one."""
    return f"\n\n{before}{escaped(product.description, MAX_ABOUT)}" if product.description.strip() else ""


def _items(order: Order, shelf: Shelf) -> str:
    items = order.items[:MAX_ITEMS]
    return " + ".join(f"{item.quantity} × {escaped(shelf.product(item.productId).name)}" for item in items)


CELLS: dict[str, Callable[[Any, Shelf], str]] = {
    "id": lambda product, _: str(product.id),
    "name": lambda product, _: escaped(product.name),
    "price": lambda product, _: price(product.price),
    "left": lambda product, shelf: str(shelf.stock.get(product.id, "—")),
    "about": lambda product, _: escaped(product.description, MAX_CELL),
    "order": lambda order, _: str(order.id) + ("" if order.status == "placed" else " ✗"),
    "who": lambda order, _: escaped(order.customerName),
    "items": _items,
    "total": lambda order, _: total(order.totalAmount),
    "time": lambda order, _: escaped(order.orderDate[:16].replace("T", " ")),
    **dict.fromkeys(("product", "customer", "day"), lambda row, _: escaped(row.label)),
    "orders": lambda row, _: str(row.orders),
    "pieces": lambda row, _: str(row.quantity),
    "amount": lambda row, _: total(row.amount),
}


def bought(say: Say, order: Order, shelf: Shelf) -> str:
    """Confirm an order: its number, its total, its lines, and the stock now."""
    text = say("bought", customer=escaped(order.customerName), id=order.id, total=total(order.totalAmount))
    lines = [
        f"\n- {item.quantity} × {bold(shelf.product(item.productId))}"
        + (say("left_now", left=shelf.stock[item.productId]) if item.productId in shelf.stock else "")
        for item in order.items[:MAX_ROWS]
    ]
    return f"{text}\n{''.join(lines)}"


def examples(tongue: Tongue, said: str = "", count: int = 8) -> list[str]:
    """Return what can be asked, first what is nearest to what was said."""
    chinese = "en" if tongue == "en" else "zh"
    known = [traditional(one) if tongue == "tw" else one for one in DATA["examples"][chinese]]
    pairs = {said[at : at + 2].lower() for at in range(len(said) - 1)}
    return sorted(known, key=lambda one: -sum(pair in fold(one).lower() for pair in pairs))[:count]

"""Reading what the shop's tools answered, and finding the products that a sentence means."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from assistant.demo.ordering import token, words
from assistant.demo.phrases import CJK, fold
from models import DEFAULT_LIMIT, InventoryItem, Product

M = TypeVar("M", bound=BaseModel)

MAX_STARTS = 50  # brackets that are tried as the beginning of the JSON
MAX_TERMS = 12  # of a sentence
MAX_SEARCHES = 6  # phrases and words that are looked up one by one in a large catalogue
GOOD = 0.75  # of the best score: what fits as well as the best
FAIR = 0.5  # of the best score: what may be recommended beside the best
SURE = 0.6  # of the words must fit before a product is put into an order

_FAILED = re.compile(r"^\W{0,3}(?:错误[:：]|Error\b|\w*(?:失败|出错)[^\n]{0,20}[:：])", re.MULTILINE)
_JSON = json.JSONDecoder()


# --- reading -----------------------------------------------------------------------------------------------


def elements(content: str) -> tuple[list[Any], bool] | None:
    """Find the JSON in a tool's text: its elements, and whether it was whole; None without any.

    A host may put a line before it or cut it; the whole elements before the cut are kept. Servers that
    answer a list as one block an element give objects in a row.
    """
    for start in islice(re.finditer(r"[\[{]", content), MAX_STARTS):
        try:
            value, end = _JSON.raw_decode(content, start.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and isinstance(value.get("result"), list):
            value = value["result"]
        if isinstance(value, dict):
            return _row(content, value, end), "[" not in content[: start.start()]
        if all(isinstance(element, dict) for element in value):
            return value, True
    return None


def _row(content: str, first: dict[str, Any], end: int) -> list[Any]:
    row = [first]
    while follows := re.compile(r"[\s,]*(?={)").match(content, end):
        try:
            value, end = _JSON.raw_decode(content, follows.end())
        except (ValueError, RecursionError):
            break
        row.append(value)
    return row


def failure(content: str) -> str | None:
    """Return the reason when a tool's text is no answer but a failure, or nothing at all."""
    found = elements(content)
    head = content if found is None else re.split(r"[\[{]", content, maxsplit=1)[0]
    if found is not None and not _FAILED.search(head):
        return None
    text = re.sub(r"</?tool_result[^>]*>", "", content).strip()
    text = re.sub(r"^(?:错误[:：]\s*|Error executing tool \S+:\s*)+", "", text)
    return text[:300] or "—"


def read(content: str, model: type[M]) -> list[M]:
    """Return the elements that have the wire type's shape; whatever else came is left out."""
    found = elements(content) if failure(content) is None else None
    rows: list[M] = []
    for element in found[0] if found else ():
        try:
            rows.append(model.model_validate(element))
        except ValidationError:
            continue
    return rows


def partial(content: str) -> bool:
    """Tell whether a list came as its first part only."""
    found = elements(content)
    return found is not None and (len(found[0]) >= DEFAULT_LIMIT or not found[1])


@dataclass
class Shelf:
    """What tool results told of products: in their order, with the stock where it is known."""

    products: dict[int, Product] = field(default_factory=dict)
    stock: dict[int, int] = field(default_factory=dict)
    more: bool = False  # there may be products that are not here

    def add(self, content: str) -> None:
        """Take in the text of a `get_products` or `get_inventory` result."""
        items, products = read(content, InventoryItem), read(content, Product)
        for item in items:
            self.stock[item.productId] = item.quantity
            if item.product:
                self.products[item.productId] = item.product
            else:
                self.products.setdefault(item.productId, unnamed(item.productId))
        self.products |= {product.id: product for product in products}
        self.more |= partial(content)

    def left(self, product: Product) -> int | None:
        """Return how many are left, in pieces; None when nobody said."""
        return self.stock.get(product.id)


def unnamed(product_id: int) -> Product:
    """Stand in for a product of which only the id is known."""
    return Product(id=product_id, name=f"#{product_id}", price=float("nan"), description="")


# --- finding -----------------------------------------------------------------------------------------------


def _concept(chinese: str, english: str) -> re.Pattern[str]:
    return re.compile(rf"{chinese}|(?<![a-z])(?:{english})(?![a-z])")


# Ordinary words that mean the same: the pattern that a sentence fits is sought in the products.
CONCEPTS = (
    _concept("耳机|耳塞|耳麦", r"ear(?:buds?|phones?|pods?)|airpods?|head(?:phones?|sets?)"),
    _concept("手表|腕表|手环", r"(?:smart ?)?watch(?:es)?|wristbands?"),
    _concept("移动电源|充电宝", r"power ?banks?|portable (?:chargers?|batter(?:y|ies))"),
    _concept("笔记本|电脑|MateBook|matebook|macbook", r"laptops?|notebooks?|computers?|matebooks?|macbooks?"),
    _concept("手机", r"(?:smart|mobile |cell ?)?phones?"),
    _concept("平板", r"tablets?|ipads?"),
    _concept("音箱|音响", r"(?:loud)?speakers?"),
    _concept("键盘", r"keyboards?"),
    _concept("鼠标", r"mouse|mice"),
    _concept("降噪|隔音", r"noise[- ]?cancell?(?:ing|ation)|anc|noise[- ]?reduc(?:ing|tion)"),
    _concept(
        "运动|健身|跑步|锻炼",
        r"sports?|sporty|fitness|running|exercis(?:e|ing)|workouts?|gym|training|jogging",
    ),
    _concept("健康|心率", r"health|heart[- ]rate|wellness"),
    _concept("防水|游泳", r"water[- ]?(?:proof|resistant)|ipx[0-9]|swimming"),
    _concept("快充|快速充电", r"(?:fast|quick)[- ]charg(?:e|ing)"),
    _concept("轻薄|轻便|便携", r"light(?:weight)?|slim|thin|portable"),
    _concept("续航|电池", r"battery|long[- ]lasting"),
    _concept("无线", r"wireless"),
    _concept("蓝牙", r"bluetooth"),
    _concept("智能", r"smart"),
    _concept("屏幕|全面屏|显示", r"screens?|displays?"),
    _concept("大容量|容量", r"(?:high|large)[- ]capacity|capacity"),
    _concept("办公|工作|编程", r"office|work|programming"),
    _concept("音乐|听歌", r"music"),
)


@dataclass(frozen=True)
class Term:
    """Something that a sentence asks for, and what to look for in a product; `said` is the word itself."""

    said: str
    pattern: re.Pattern[str] | None = None
    chinese: str = ""  # another word to search for

    def fits(self, text: str) -> float:
        """Return how much of the term is in a product's text, 0 to 1."""
        if self.pattern:
            return 1.0 if self.pattern.search(text) else 0.0
        if len(self.said) == 1:
            return float(self.said in text)
        covered = [False] * len(self.said)
        for at in range(len(self.said) - 1):
            if self.said[at : at + 2] in text:
                covered[at] = covered[at + 1] = True
        return sum(covered) / len(covered)


def terms(text: str) -> list[Term]:
    """Take the words that may describe a product apart: concepts, words of letters, runs of Han or kana."""
    text, found = fold(text).lower(), []
    for concept in CONCEPTS:
        if said := concept.search(text):
            found.append(Term(said[0], concept, concept.pattern.partition("|")[0]))
            text = concept.sub(" ", text)
    for word in words(text).split():
        runs = re.findall(f"[{CJK}]+|[^{CJK}]+", word)
        found += [Term(run) if re.match(f"[{CJK}]", run) else Term(run, _word(run)) for run in runs]
    telling = [term for term in found if len(term.said) > 1]
    return (telling or found)[:MAX_TERMS]


def searches(texts: Iterable[str]) -> list[str]:
    """Return what to search a large catalogue for: each phrase as it is, then its words."""
    found = [
        query
        for text in texts
        for query in (words(text), *(word for term in terms(text) for word in (term.said, term.chinese)))
    ]
    return [query for query in dict.fromkeys(found) if query][:MAX_SEARCHES]


def _word(word: str) -> re.Pattern[str]:
    stem = re.sub(r"(?<=\w{3})(?:es|s)$", "", word)
    return re.compile(rf"(?<![^\W\d_{CJK}]){re.escape(stem)}(?:e?s)?(?![^\W\d_{CJK}])")


def about_products(text: str) -> bool:
    """Tell whether a sentence names something that shops sell."""
    return any(term.pattern in CONCEPTS for term in terms(text))


@dataclass(frozen=True)
class Match:
    """A product that fits some of the words: a score to rank by, and the share of the words that fit."""

    product: Product
    score: float
    share: float


def matches(products: Iterable[Product], wanted: Sequence[Term]) -> list[Match]:
    """Rank the products that fit at least one term, best first, then by id."""
    found = [match for product in products if (match := _match(product, wanted)).score > 0]
    return sorted(found, key=lambda match: (-match.score, match.product.id))


def _match(product: Product, wanted: Sequence[Term]) -> Match:
    name, description = fold(product.name).lower(), fold(product.description).lower()
    in_name = [term.fits(name) for term in wanted]
    anywhere = [max(n, term.fits(description)) for n, term in zip(in_name, wanted, strict=True)]
    score = sum(in_name) + 0.6 * (sum(anywhere) - sum(in_name))
    return Match(product, score, sum(anywhere) / len(wanted) if wanted else 0.0)


def best(found: Sequence[Match], share: float = GOOD) -> list[Product]:
    """Keep those whose score is at least this share of the best one's."""
    return [match.product for match in found if match.score >= share * found[0].score]


def mark(text: str, products: Iterable[Product]) -> str:
    """Put tokens in place of products that a sentence names in full, the longest name first."""
    for product in sorted(products, key=lambda product: -len(product.name)):
        name = fold(product.name)
        if len(name) > 1 and not name.isdigit() and name.lower() in text.lower():
            whole = rf"(?<![a-zA-Z0-9]){re.escape(name)}(?:e?s)?(?![a-zA-Z0-9])"
            text = re.sub(whole, token(product.id), text, flags=re.IGNORECASE)
    return text

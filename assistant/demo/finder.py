"""Parses the results of the shop's tools, and finds the products that a sentence means."""

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
GOOD = 0.75  # share of the best score from which a product fits as well as the best
FAIR = 0.5  # share of the best score from which a product may be recommended beside the best
SURE = 0.6  # share of the words that must fit before a product is put into an order

_JSON = json.JSONDecoder()


# --- reading -----------------------------------------------------------------------------------------------


def elements(content: str) -> tuple[list[Any], bool] | None:
    """Return the elements of the JSON in a tool's text, and whether it is complete; None if there is no JSON.

    A host may put a line before it, or cut it: the elements before the cut are kept. Servers that answer a
    list with one block for each element give objects one after the other.
    """
    for start in islice(re.finditer(r"[\[{]", content), MAX_STARTS):
        try:
            value, end = _JSON.raw_decode(content, start.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and isinstance(value.get("result"), list):
            value = value["result"]
        if isinstance(value, dict):
            return _in_sequence(content, value, end), "[" not in content[: start.start()]
        if all(isinstance(element, dict) for element in value):
            return value, True
    return None


def _in_sequence(content: str, first: dict[str, Any], end: int) -> list[Any]:
    found = [first]
    while follows := re.compile(r"[\s,]*(?={)").match(content, end):
        try:
            value, end = _JSON.raw_decode(content, follows.end())
        except (ValueError, RecursionError):
            break
        found.append(value)
    return found


def rows(content: str, model: type[M]) -> list[M]:
    """Return the elements that have the wire type's shape; others are left out."""
    found = elements(content)
    valid: list[M] = []
    for element in found[0] if found else ():
        try:
            valid.append(model.model_validate(element))
        except ValidationError:
            continue
    return valid


def is_partial(content: str) -> bool:
    """Whether a list is only the first page, or was cut."""
    found = elements(content)
    return found is not None and (len(found[0]) >= DEFAULT_LIMIT or not found[1])


@dataclass
class Shelf:
    """The products that tool results name, in their order, with the stock where it is known."""

    products: dict[int, Product] = field(default_factory=dict)
    stock: dict[int, int] = field(default_factory=dict)
    more: bool = False  # the shop may have products that are not here

    def add(self, content: str) -> None:
        """Add the products of a `get_products` or `get_inventory` result."""
        items, products = rows(content, InventoryItem), rows(content, Product)
        for item in items:
            self.stock[item.productId] = item.quantity
            if item.product:
                self.products[item.productId] = item.product
            else:
                self.products.setdefault(item.productId, unnamed(item.productId))
        self.products |= {product.id: product for product in products}
        self.more |= is_partial(content)

    def left(self, product: Product) -> int | None:
        """Return how many pieces are left; None if no result says it."""
        return self.stock.get(product.id)


def unnamed(product_id: int) -> Product:
    """Return a placeholder for a product of which only the id is known."""
    return Product(id=product_id, name=f"#{product_id}", price=float("nan"), description="")


# --- finding -----------------------------------------------------------------------------------------------


def _concept(chinese: str, english: str) -> re.Pattern[str]:
    return re.compile(rf"{chinese}|(?<![a-z])(?:{english})(?![a-z])")


# Synonyms in both languages: if a sentence matches a pattern, products that match it fit.
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
    """A word of the user (`said`), and the pattern to look for in a product."""

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
    """Split the words that may describe a product: concepts, words of letters, runs of Han or kana."""
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
    """Return the queries for a large catalogue: each phrase as it is, then its words."""
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
    """Whether a sentence names something that shops sell."""
    return any(term.pattern in CONCEPTS for term in terms(text))


@dataclass(frozen=True)
class Match:
    """A product that fits some of the words, with a score to rank by and the share of words that fit."""

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
    """Replace products that a sentence names in full by tokens, the longest name first."""
    for product in sorted(products, key=lambda product: -len(product.name)):
        name = fold(product.name)
        if len(name) > 1 and not name.isdigit() and name.lower() in text.lower():
            whole = rf"(?<![a-zA-Z0-9]){re.escape(name)}(?:e?s)?(?![a-zA-Z0-9])"
            text = re.sub(whole, token(product.id), text, flags=re.IGNORECASE)
    return text

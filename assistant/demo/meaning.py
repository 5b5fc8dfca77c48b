"""What a message means: its goal, the lines of an order in it, and what it does to the order before it."""

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from assistant.demo.words import DATA, MAX_KEPT, SIGNS, Sentence, Tongue, clean, fold, found, pattern, pieces
from models import MAX_NAME, Product

MAX_PARTS = 50  # of a sentence that may be lines of an order
MAX_CUSTOMERS = 5  # in one sentence
PRODUCT = " \ue000{}\ue001 "  # in the place of a known product in a sentence
MARK = 0xE100  # of the first customer in a sentence; those of the others follow it
RANKS = ("cheapest", "dearest")
NOTHING = Sentence()


@dataclass(frozen=True)
class Line:
    """One product of an order, by id or in words, for a customer."""

    customer: str | None = None
    quantity: int | None = None  # 0 cannot be ordered
    product_id: int | None = None
    words: str = ""
    pair: bool = False  # the quantity counts pairs

    @property
    def bare(self) -> bool:
        """Whether it names no product."""
        return self.product_id is None and not self.words

    def changed(self, given: "Line") -> "Line":
        """Return this line with all that another one gives."""
        goods, amount = self if given.bare else given, self if given.quantity is None else given
        customer = given.customer or self.customer
        return Line(customer, amount.quantity, goods.product_id, goods.words, amount.pair)


@dataclass(frozen=True)
class Meaning:
    """What a message asks for."""

    goal: str
    text: Sentence  # with marks for the customers
    lines: tuple[Line, ...] = (Line(),)
    act: str = ""  # what it does to the order before it
    like: Sentence = NOTHING  # that asks the same: of "and the watch?" the one before, else itself


@dataclass
class Scene:
    """What the turns so far have come to."""

    meaning: Meaning = Meaning("hello", NOTHING)
    tongue: Tongue | None = None
    focus: tuple[int, ...] = ()  # the products that the last answer was about
    shown: tuple[int, ...] = ()  # those that it listed, in their order
    draft: tuple[Line, ...] = ()  # what was not bought yet
    asked: str = ""  # product_id, quantity or customer: what was asked for
    placed: tuple[Line, ...] = ()
    placed_id: int = 0
    shelf: dict[int, Product] = field(default_factory=dict)  # what tool results name

    def marked(self, text: Sentence) -> Sentence:
        """Put a mark for each product that a sentence names in full, or as "the second one" shown."""

        def pointed(one: re.Match[str]) -> str:
            at = Sentence(one[0]).place()
            return PRODUCT.format(self.shown[at - (at > 0)]) if 0 < abs(at) <= len(self.shown) else one[0]

        if not text.first_of(RANKS):
            text = Sentence(pattern(SIGNS["ordinal"]).sub(pointed, text))
        for product in sorted(self.shelf.values(), key=lambda product: -len(product.name)):
            name = squeezed(product.name)
            if len(name) > 1 and not name.isdigit() and name in squeezed(text):
                spaced = r"\s*".join(map(re.escape, name))
                whole = rf"(?<![a-z0-9]){spaced}(?:e?s)?(?![a-z0-9])"
                text = Sentence(re.sub(whole, PRODUCT.format(product.id), text, flags=re.IGNORECASE))
        return text


def squeezed(text: str) -> str:
    """Return a text folded, without blanks and case, to compare."""
    return re.sub(r"\s", "", fold(text)).lower()


def understand(message: str, scene: Scene, corrects: bool = False) -> Meaning:
    """Return what a message means after what went before; `corrects`: it takes back what stood before it."""
    text = Sentence(fold(message))
    as_written = str.maketrans(text, clean(message))  # names stay in traditional characters
    ordered = text.without("cancel").without("remove") if scene.draft else text
    lines = _lines(scene.marked(ordered.without("new_order", " 买 ").counted()))
    known: dict[str, Any] = {
        "limited": text.budget() != (None, None),
        "ordering": text.counted().says("buy"),
        "counting": found("<N>", text),
        "counted": lines[0].quantity is not None,
        "customer": lines[0].customer,
        "fact": text.fact() is not None and scene.asked != "product_id",
        "use": text.uses(),
    }
    goal, before = _first("goals", text, known), scene.meaning
    rest = Sentence(customers(text)[1]) if goal in ("buy", "unknown", "orders") else text
    if scene.asked == "product_id" and (alone := re.fullmatch(r"[#\s]*([0-9]{1,18})\W*", text)):
        lines = [Line(product_id=int(alone[1]))]
    elif scene.asked == "customer" and goal == "unknown" and not (known["customer"] or known["counted"]):
        name = pattern(DATA["customers"]["introduction"]).sub("", text)
        lines = [Line(name.strip(" .,!。'\"“”「」吧的")[:MAX_NAME] or None)]
    elif corrects and scene.draft and (alone := pattern(DATA["customers"]["alone"]).fullmatch(text)):
        lines = [Line(alone["name"])]
    lines = [replace(line, customer=line.customer and line.customer.translate(as_written)) for line in lines]
    given = lines[0]
    if goal in ("unknown", before.goal) and text.says("follow") and before.goal in DATA["kinds"]["followed"]:
        return replace(before, text=rest, lines=tuple(lines) if given.customer else before.lines)
    known |= vars(scene) | {kind: goal in goals for kind, goals in DATA["kinds"].items()}
    known |= {f"is_{goal}": True, f"asked_{scene.asked}": True, "asks": "?" in message, "corrects": corrects}
    known |= {"one_waits": len(scene.draft) == 1, "customer": given.customer, "words": rest.words()}
    known |= {"counted": given.quantity is not None, "goods": not all(line.bare for line in lines)}
    return Meaning(goal, rest, tuple(lines), _first("acts", text, known), rest)


def _first(table: str, text: Sentence, known: dict[str, Any]) -> str:
    """Return the first name of a table of the data file all of whose signs hold; empty for none."""

    def holds(sign: str) -> bool:
        name = sign.removeprefix("-")
        says = known[name] if name in known else name in DATA["signs"] and text.says(name)
        return bool(says) == (name == sign)

    return next((name for name, signs in DATA[table] if all(map(holds, signs.split()))), "")


@lru_cache(MAX_KEPT)
def customers(text: str) -> tuple[list[str], str]:
    """Return the customers' names, and the sentence with a mark in the place of each."""
    known, names = DATA["customers"], list[str]()
    for _ in range(MAX_CUSTOMERS):
        for named in (named for one in known["patterns"] for named in pattern(one).finditer(text)):
            parts = named.groupdict()
            name, who = parts["name"].strip(" .'").removesuffix("'s"), parts.get("who")
            if who and re.fullmatch(known["label"], name):
                name = f"{who.lower()}{' ' if who.isascii() else ''}{name}"
            elif not name or pattern(known["nobody"]).fullmatch(name) or pieces(name):
                continue
            if name not in names:
                text = f"{text[: named.start()]} {chr(MARK + len(names))}{text[named.end() :]}"
                names.append(name)
            break
    return names, text


@lru_cache(MAX_KEPT)
def _lines(text: Sentence) -> list[Line]:
    """Return what each customer orders; who has no goods of his own orders the same as the one before.

    A clause begins another customer's goods where those before have both; a mere count is of the line before.
    """
    names, said = customers(text)
    head, shared = Sentence(said.split(chr(MARK))[0]), None
    begins = names and not (head.words() or found("<N>", head))
    if each := Sentence(said).says("each"):
        said, shared = Sentence(said).without("each", count=1), pieces(each)
    first = pattern(r"<N>\s*<M>").search(said)
    sides = "unparted" if first and not Sentence(said[: first.start()]).words() else "unjoined"
    said = pattern(DATA["lines"][sides]).sub(",", said)  # 两个充电宝一个手表, 充电宝两个手表一个
    said = _ids_apart(said)
    groups: list[tuple[list[str], list[Line]]] = [([], [])]
    for part in pattern(DATA["lines"]["parted"]).split(said)[:MAX_PARTS]:
        who = [names[ord(mark) - MARK] for mark in re.findall("[\ue100-\ue1ff]", part)]
        line, (people, goods) = _line(Sentence(part), shared), groups[-1]
        if goods and goods[-1].quantity is None and line.quantity is not None and line.bare:
            goods[-1] = replace(goods[-1], quantity=line.quantity, pair=line.pair)
            people += who
            continue
        own = [] if line in (Line(), Line(quantity=shared)) else [line]
        if people and goods and (who or (own and not begins)):
            groups.append((who, own))
        else:
            people += who
            goods += own
    lines: list[Line] = []
    everybody: list[Any] = [None]
    last = [Line(quantity=shared)]
    for people, goods in groups:
        same = last[-1]  # of one umbrella for Sue and two for Ben
        last = [replace(same, quantity=one.quantity) if one.bare else one for one in goods] or last
        everybody = people or everybody
        lines += [replace(line, customer=name) for name in everybody for line in last]
    return lines


def _ids_apart(text: str) -> str:
    """Put a comma between products that follow one another by id: 商品1商品2, #1 x2 #2 x3, 2 #1 3 #2."""
    lines = DATA["lines"]
    count, apart, end = pattern(rf"(?:{lines['counts'][1]}|<N>)\s*$"), "", 0
    is_before = False  # a count stands before the first id: before the others, too
    for one in pattern(SIGNS["id"]).finditer(text):
        between = text[end : one.start()]
        counted = count.search(between)
        is_before = counted is not None if not end else is_before
        at = counted.start() if counted and is_before else len(between)
        comma = "," if end and not pattern(lines["parted"]).search(between) else ""
        apart += f"{between[:at]}{comma}{between[at:]}{one[0]}"
        end = one.end()
    return apart + text[end:]


def _line(part: Sentence, shared: int | None) -> Line:
    named, part = part.says("id"), part.without("id", count=1)
    product_id = int(named) if named else None
    for one in DATA["lines"]["counts"]:
        if count := pattern(one).search(part):
            quantity = 1 if count[1].lower() in ("a", "an", "the") else pieces(count[1])
            rest = Sentence(f"{part[: count.start()]} {part[count.end() :]}")
            pair = found("对|双|pair", count[0]) is not None
            return Line(None, quantity, product_id, rest.words(), pair)
    return Line(None, shared, product_id, part.words())


def ids(text: str) -> list[int]:
    """Return the ids of products that are named by id: 商品 3, product 3, #3, and tokens."""
    return [int(one[one.lastindex or 0]) for one in pattern(SIGNS["id"]).finditer(text)]

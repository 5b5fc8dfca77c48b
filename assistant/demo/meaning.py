"""What a sentence means, by itself and after what went before."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from assistant.demo import words as data
from assistant.demo.past import Shelf
from assistant.demo.words import DATA, Tongue, clean, first_group, fold, pattern, pieces, says, words
from models import MAX_NAME, Product

MAX_PARTS = 50  # of a sentence that may be lines of an order
OPEN = ("buy", "unknown", "recommend", "products", "thanks")  # that may be the answer to a question


@dataclass(frozen=True)
class Line:
    """One product of an order, by id or in words, for a customer; `quantity` 0 cannot be ordered.

    `pair`: the quantity counts pairs. `key` is that of a purchase of which nobody knows what became.
    """

    quantity: int | None = None
    product_id: int | None = None
    words: str = ""
    customer: str | None = None
    pair: bool = False
    key: str | None = None

    @property
    def bare(self) -> bool:
        """Whether it names no product."""
        return self.product_id is None and not self.words


@dataclass(frozen=True)
class Meaning:
    """What a message asks for: `text` is the sentence without the customer, prices are in yuan."""

    goal: str
    text: str
    customer: str | None = None
    lines: tuple[Line, ...] = ()
    low: float | None = None
    high: float | None = None
    dated: str = ""  # where the days are named, if elsewhere


@dataclass(frozen=True)
class Scene:
    """What the turns so far have come to."""

    meaning: Meaning = Meaning("hello", "")
    tongue: Tongue | None = None
    focus: tuple[int, ...] = ()  # the products that the last answer was about
    shown: tuple[int, ...] = ()  # those that it listed, in their order
    pending: tuple[Line, ...] = ()  # what was not bought yet
    asked: str = ""  # customer, quantity or product, of the pending line at `at`
    at: int = 0
    placed: tuple[Line, ...] = ()
    placed_id: int = 0
    shelf: Shelf = field(default_factory=Shelf)


def goal_of(text: str) -> str:
    """Return what a sentence wants: the first of the data file whose signs all hold."""
    known: dict[str, object] = {
        "limited": data.budget(text) != (None, None),
        "ordering": says("buy", data.counted(text)),
        "numbered": order_number(text),
        "counting": pattern("<N>").search(text),
        "fact": data.fact(text),
        "use": data.uses(text),
    }

    def holds(sign: str) -> bool:
        name = sign.removeprefix("-")
        return bool(known[name] if name in known else says(name, text)) == (name == sign)

    return next((goal for goal, signs in DATA["goals"] if all(map(holds, signs.split()))), "unknown")


def order_number(text: str) -> int:
    """Return the number of the order that is asked about; 0 for none."""
    return int(data.named(text, "lines", "order_number") or 0)


def understand(message: str, scene: Scene, corrects: bool = False) -> Meaning:
    """Return what a message means after what went before; `corrects`: it takes back what stood before it."""
    text, waits = fold(message), scene.pending
    goal, (low, high) = goal_of(text), data.budget(text)
    goal = "unknown" if goal == "fact" and scene.asked == "product" else goal
    new = Meaning(goal, text, low=low, high=high)
    agreed = says("yes", text) and not (pattern("<N>").search(text) or words(text) or scene.asked)
    if waits and (says("retry", text) or (agreed and goal in ("thanks", "unknown"))):
        return replace(new, goal="buy", lines=waits)
    if waits and goal in ("cancel", "buy", "unknown") and (goal == "cancel" or says("remove", text)):
        named = _lines(data.without("cancel", data.without("remove", text)), message, scene)
        return replace(new, goal="remove", lines=tuple(line for line in named if not line.bare))
    if goal not in (*OPEN, "orders", "restock", "quote"):
        return new
    lines = _lines(text, message, scene, corrects)
    given = lines[0] if lines else Line()
    name = as_written(customer(text)[0], message)
    if goal == "unknown" and name and given.quantity is not None:
        goal = "buy"
    rest = customer(text)[1] if goal in ("buy", "unknown", "orders") else text
    new = replace(new, goal=goal, text=rest, customer=name if goal == "orders" else None, lines=lines)
    counts = scene.meaning.goal == "orders" and goal in ("unknown", "orders")
    if counts and says("follow", text) and not words(rest):
        return replace(scene.meaning, customer=name or scene.meaning.customer, dated=text)
    follows = _answer(new, given, message, scene) or _amend(new, given, text, corrects, scene)
    return follows or new


def _lines(text: str, message: str, scene: Scene, corrects: bool = False) -> tuple[Line, ...]:
    if corrects and scene.pending and (name := pattern(DATA["customers"]["alone"]).fullmatch(text)):
        return (Line(customer=as_written(name["name"], message)),)
    said = pointed(data.counted(data.without("new_order", text, " 买 ")), scene)
    found = lines_in(mark(said, scene.shelf.products.values()))
    return tuple(replace(line, customer=as_written(line.customer, message)) for line in found)


# --- after what went before --------------------------------------------------------------------------------


def _answer(new: Meaning, given: Line, message: str, scene: Scene) -> Meaning | None:
    """Return the order with the piece that was asked for, if the message is that."""
    if not scene.pending or not scene.asked or new.goal not in OPEN or "?" in message:
        return None
    lines, count, name = list(scene.pending), given.quantity, given.customer
    if scene.asked == "customer" and not name and new.goal == "unknown" and count is None:
        name = bare_name(message)
    line = lines[scene.at]
    if scene.asked == "product" and new.goal != "thanks":
        alone = re.fullmatch(r"[#\s]*([0-9]{1,18})\W*", fold(message))
        said = Line(product_id=int(alone[1])) if alone else given
        if not said.bare:
            counted_by = line if line.quantity else said
            whose = said.customer or line.customer
            lines[scene.at] = replace(
                said, quantity=counted_by.quantity, pair=counted_by.pair, customer=whose
            )
    elif not given.bare and scene.asked != "customer":
        return None
    elif scene.asked == "quantity" and count is not None:
        lines = [one if one.quantity else replace(one, quantity=count, pair=given.pair) for one in lines]
    elif not name:
        return None
    lines = [replace(one, customer=one.customer or name) for one in lines]
    return replace(new, goal="buy", lines=tuple(lines)) if tuple(lines) != scene.pending else None


def _amend(new: Meaning, given: Line, text: str, corrects: bool, scene: Scene) -> Meaning | None:
    """Return the same again, or what is to be changed about an order; the clerk finds the products."""
    waits, bare = scene.pending, all(line.bare for line in new.lines)
    if new.goal not in ("buy", "unknown", *["products"] * corrects) or not (waits or scene.placed):
        return None
    if says("same", text) and (bare or says("same", given.words)):
        base = [replace(one, quantity=given.quantity or one.quantity) for one in scene.placed or waits]
        names = dict.fromkeys(line.customer for line in new.lines if line.customer) or [None]
        again = (replace(one, customer=name or one.customer, key=None) for name in names for one in base)
        return replace(new, goal="buy", lines=tuple(again))
    changes = says("change", text) or corrects
    if not waits:
        changed = changes and bare and (given.customer or given.quantity)
        return replace(new, goal="cannot_change") if changed else None
    if scene.asked == "product":
        return None
    changes = changes or (says("add", text) and not bare)
    counts = bare and given.quantity is not None and not given.customer and len(waits) == 1
    renamed = given.customer and given == Line(customer=given.customer) and not words(new.text)
    return replace(new, goal="change") if changes or counts or renamed else None


def pointed(text: str, scene: Scene) -> str:
    """Replace "the second one" by the token of that product in the last answer."""
    if says("cheapest", text) or says("dearest", text):
        return text

    def shown(found: re.Match[str]) -> str:
        at = data.place(found[0])
        return token(scene.shown[at - (at > 0)]) if 0 < abs(at) <= len(scene.shown) else found[0]

    return pattern(DATA["lines"]["ordinal"]).sub(shown, text)


# --- the customer ------------------------------------------------------------------------------------------


def customer(text: str) -> tuple[str | None, str]:
    """Return the customer's name, and the sentence with a mark in its place."""
    named = DATA["customers"]
    for one in named["patterns"]:
        for found in pattern(one).finditer(text):
            parts = found.groupdict()
            name, who = parts["name"].strip(" .'"), parts.get("who")
            if who and re.fullmatch(named["label"], name):
                name = f"{who.lower()}{' ' if who.isascii() else ''}{name}"
            elif not name or pattern(named["nobody"]).fullmatch(name) or data.number(name) is not None:
                continue
            return name[:MAX_NAME], f"{text[: found.start()]} \x01{text[found.end() :]}"
    return None, text


def bare_name(message: str) -> str | None:
    """Return the name in an answer to "what is the customer's name?"."""
    rest = pattern(DATA["customers"]["introduction"]).sub("", clean(message))
    return rest.strip(" .,!。'\"“”「」吧")[:MAX_NAME] or None


def as_written(name: str | None, message: str) -> str | None:
    """Return a customer's name as the message has it, in traditional characters, too."""
    at = fold(message).find(name) if name else -1
    return clean(message)[at : at + len(name)] if name and at >= 0 else name


# --- the lines ---------------------------------------------------------------------------------------------


def lines_in(text: str) -> list[Line]:
    """Return what each customer orders; several customers without lines of their own order the same."""
    names: list[str | None] = []
    rest = text
    while (found := customer(rest))[0] and found[0] not in names and len(names) < 5:
        names, rest = [*names, found[0]], found[1]
    if len(names) < 2:
        return [replace(line, customer=(names or [None])[0]) for line in order_lines(rest) or [Line()]]
    lines: list[Line] = []
    waiting: list[Line] = []
    for clause in _parted(text):
        who, own = customer(clause)
        if who and own.index("\x01") < len(own) / 2 and lines:  # 给张三买…，给李四买…
            lines += [replace(line, customer=lines[-1].customer) for line in waiting]
            waiting = []
        waiting += order_lines(own)
        if who:
            lines += [replace(line, customer=who) for line in waiting or [Line()]]
            waiting = []
    if not lines or any(line == Line(customer=line.customer) for line in lines):
        return [replace(line, customer=name) for name in names for line in order_lines(rest)]
    lines += [replace(line, customer=lines[-1].customer) for line in waiting]
    for n, line in enumerate(lines[1:], 1):  # one umbrella for Sue and two for Ben
        if line.bare:
            lines[n] = replace(line, product_id=lines[n - 1].product_id, words=lines[n - 1].words)
    return lines


def _parted(text: str) -> list[str]:
    parts = pattern(DATA["lines"]["parted"]).split(text)
    return [part for part in parts if part.strip()][:MAX_PARTS]


def order_lines(text: str) -> list[Line]:
    """Split an order into its lines; parts with neither number nor product are left out."""
    text, shared = text.replace("\x01", " "), None
    if each := pattern(DATA["lines"]["each"]).search(text):
        text, shared = _cut(text, each), pieces(first_group(each))
    first = pattern(r"<N>\s*<M>").search(text)
    if first and not words(text[: first.start()]):  # 两个充电宝一个手表
        text = pattern(DATA["lines"]["unparted"]).sub(",", text)
    else:  # 充电宝两个手表一个
        text = pattern(DATA["lines"]["unjoined"]).sub(",", text)
    lines: list[Line] = []
    for line in (_line(part, shared) for part in _parted(text)):
        if lines and lines[-1].quantity is None and line.quantity is not None and line.bare:
            lines[-1] = replace(lines[-1], quantity=line.quantity, pair=line.pair)  # 商品2，数量 3
        elif line not in (Line(), Line(shared)):
            lines.append(line)
    return lines or ([Line(shared)] if shared else [])


def _line(part: str, shared: int | None) -> Line:
    product_id = None
    if found := pattern(DATA["lines"]["id"]).search(part):
        product_id, part = int(first_group(found)), _cut(part, found)
    for one in DATA["lines"]["counts"]:
        if count := pattern(one).search(part):
            quantity = 1 if count[1].lower() in ("a", "an", "the") else pieces(count[1])
            pair = pattern("对|双|pair").search(count[0]) is not None
            return Line(quantity, product_id, words(_cut(part, count)), pair=pair)
    return Line(shared, product_id, words(part))


def _cut(text: str, found: re.Match[str]) -> str:
    return f"{text[: found.start()]} {text[found.end() :]}"


def token(product_id: int) -> str:
    """Return the token that replaces a known product in a sentence."""
    return f" \ue000{product_id}\ue001 "


def mark(text: str, products: Iterable[Product]) -> str:
    """Replace products that a sentence names in full by tokens, the longest name first."""
    for product in sorted(products, key=lambda product: -len(product.name)):
        name = fold(product.name)
        if len(name) > 1 and not name.isdigit() and name.lower() in text.lower():
            whole = rf"(?<![a-zA-Z0-9]){re.escape(name)}(?:e?s)?(?![a-zA-Z0-9])"
            text = re.sub(whole, token(product.id), text, flags=re.IGNORECASE)
    return text


def ids(text: str) -> list[int]:
    """Return the ids of products that are named by id: 商品 3, product 3, #3, and tokens."""
    return [int(first_group(found)) for found in pattern(DATA["lines"]["id"]).finditer(text)]

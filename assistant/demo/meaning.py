"""What a sentence means, by itself and after what went before."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

from assistant.demo.past import Shelf
from assistant.demo.words import (
    CJK,
    DATA,
    Tongue,
    budget,
    clean,
    counted,
    fact,
    fold,
    number,
    pattern,
    pieces,
    says,
    tongue,
    uses,
    without,
    words,
)
from models import MAX_NAME, Product

_REFUSED = ("delivery", "refund", "policy")  # what no tool here can do, and no data tells
_FIRST = ("discount", "cancel", "help", "browse")
_LAST = ("stock", "price", "want", "catalogue", "hello", "thanks")
_GOALS = {"browse": "products", "vague": "recommend", "want": "recommend", "price": "products"}
_GOALS |= {"catalogue": "products"}
_OPEN = ("buy", "unknown", "recommend", "products", "thanks")  # that may be the answer to a question


@dataclass(frozen=True)
class Line:
    """A quantity (0: a number that cannot be ordered) and a product, by id or in words."""

    quantity: int | None = None
    product_id: int | None = None
    words: str = ""


@dataclass(frozen=True)
class Order:
    """What one customer orders."""

    customer: str | None = None
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Meaning:
    """What a message asks for: `text` is the sentence without the customer, prices are in yuan."""

    goal: str
    text: str
    customer: str | None = None
    orders: tuple[Order, ...] = ()
    low: float | None = None
    high: float | None = None
    key: str | None = None  # of the purchase that is tried again
    dated: str = ""  # where the days are named, if elsewhere


@dataclass(frozen=True)
class Scene:
    """What the turns so far have come to."""

    meaning: Meaning = Meaning("hello", "")
    tongue: Tongue | None = None
    focus: tuple[int, ...] = ()  # the products that the last answer was about
    shown: tuple[int, ...] = ()  # those that it listed, in their order
    pending: tuple[Order, ...] = ()  # what was not bought yet
    asked: str = ""  # customer, quantity or product
    at: tuple[int, int] = (0, 0)  # which order, and line of it
    placed: tuple[Order, ...] = ()
    placed_id: int = 0
    key: str | None = None  # of a purchase of which nobody knows what became
    shelf: Shelf = field(default_factory=Shelf)


def understand(message: str, scene: Scene) -> Meaning:
    """Return what a message means after what went before."""
    text = fold(message)
    goal, (low, high) = goal_of(text), budget(text)
    goal = "unknown" if goal == "fact" and scene.asked == "product" else goal
    if says("retry", text) and scene.key:
        return replace(scene.meaning, goal="buy", orders=scene.pending, key=scene.key)
    if (
        says("yes", text)
        and scene.pending
        and goal in ("thanks", "unknown")
        and not _answers_more(text, scene)
    ):
        return Meaning("buy", text, orders=scene.pending)
    follows = says("follow", text) and scene.meaning.goal in ("orders", "products", "compare", "fact")
    if goal not in (*_OPEN, "orders"):
        return Meaning(goal, text, low=low, high=high)
    marked = mark(_pointed(counted(without("new_order", text)), scene), scene.shelf.products.values())
    orders = tuple(_named(order, message) for order in orders_in(marked))
    name = orders[0].customer
    if goal == "unknown" and name and any(line.quantity is not None for line in orders[0].lines):
        goal = "buy"
    new = Meaning(goal, customer(text)[1], name if goal == "orders" else None, orders, low, high)
    if follows and scene.meaning.goal == "orders" and goal in ("unknown", "orders") and not words(new.text):
        return replace(scene.meaning, customer=name or scene.meaning.customer, dated=text)
    if (scene.pending or scene.placed) and (changed := _follow(new, text, message, scene)):
        return changed
    if goal in ("recommend", "products", "orders", "thanks"):
        return replace(new, text=text if goal != "orders" else new.text)
    return new


def _answers_more(text: str, scene: Scene) -> bool:
    return bool(scene.asked or pattern("<N>").search(text) or words(text))


def goal_of(text: str) -> str:
    """Return what a sentence wants; the stronger words are searched first."""
    limited = budget(text) != (None, None)
    vague = says("vague", text) and not pattern("<N>").search(text)
    open_ended = limited or vague or says("recommend", text) or says("price", text)
    told = any(says(sign, text) for sign in ("stock", "want", "price"))
    tests: list[tuple[str, Callable[[], object]]] = [
        *((sign, partial(says, sign, text)) for sign in ("robot", *_REFUSED)),
        *((sign, partial(says, sign, text)) for sign in _FIRST if not limited),
        ("buy", partial(says, "new_order", text)),
        ("order", partial(order_number, text)),
        ("orders", partial(says, "orders", text)),
        ("compare", partial(says, "compare", text)),
        ("buy", lambda: not open_ended and says("buy", counted(text))),
        ("recommend", lambda: limited or says("recommend", text) or says("vague", text)),
        ("products", lambda: says("cheapest", text) or says("dearest", text)),
        ("fact", lambda: not told and fact(text)),
        *((sign, partial(says, sign, text)) for sign in _LAST),
        ("recommend", partial(uses, text)),
    ]
    goal = next((goal for goal, test in tests if test()), "unknown")
    return _GOALS.get(goal, goal)


def order_number(text: str) -> int:
    """Return the number of the order that is asked about; 0 for none."""
    found = pattern(DATA["lines"]["order_number"]).search(text)
    return next((int(group) for group in found.groups() if group), 0) if found else 0


# --- after what went before --------------------------------------------------------------------------------


def _follow(new: Meaning, text: str, message: str, scene: Scene) -> Meaning | None:
    order = new.orders[0]
    line = order.lines[0] if order.lines else Line()
    bare = not any(line.words or line.product_id is not None for line in order.lines)
    answers = scene.pending and scene.asked and new.goal in _OPEN and "?" not in text
    if answers and (answered := _answer(new, bare, text, message, scene)):
        return answered
    if says("same", text) and new.goal in ("buy", "unknown") and (bare or says("same", line.words)):
        return _again(new, scene)
    if not scene.pending and says("change", text) and bare and (order.customer or line.quantity):
        return Meaning("change", text)
    if not scene.pending or new.goal not in ("buy", "unknown") or scene.asked == "product":
        return None
    *others, last = scene.pending
    if says("add", text) and not bare:
        lines = (*last.lines, *order.lines)
        return replace(new, goal="buy", orders=(*others, replace(last, lines=lines)))
    if says("change", text) or (
        bare and line.quantity is not None and len(last.lines) == 1 and not order.customer
    ):
        return replace(new, goal="buy", orders=(*others, _changed(last, order, bare)))
    return None


def _answer(new: Meaning, bare: bool, text: str, message: str, scene: Scene) -> Meaning | None:
    def put(order: Order) -> Meaning:
        orders = [*scene.pending]
        orders[scene.at[0]] = order
        return Meaning("buy", new.text, orders=tuple(orders))

    order, given = scene.pending[scene.at[0]], new.orders[0]
    someone = given.customer or order.customer
    count = next((line.quantity for line in given.lines if line.quantity is not None), None)
    name = given.customer or (bare_name(message) if new.goal == "unknown" and count is None else None)
    if scene.asked == "customer" and name:
        return put(replace(order, customer=name))
    line = order.lines[scene.at[1]] if order.lines else Line()
    if scene.asked == "quantity" and bare and count is not None:
        lines = [replace(one, quantity=count) if not one.quantity else one for one in order.lines]
        return put(Order(someone, tuple(lines)))
    if scene.asked == "product" and new.goal != "thanks":
        number_alone = re.fullmatch(r"[#\s]*([0-9]{1,18})\W*", text)
        said = given.lines[0] if given.lines else Line()
        said = Line(None, int(number_alone[1])) if number_alone else said
        if said.product_id is not None or said.words:
            line = Line(line.quantity or said.quantity, said.product_id, said.words)
            return put(Order(someone, (*order.lines[: scene.at[1]], line, *order.lines[scene.at[1] + 1 :])))
    return put(replace(order, customer=given.customer)) if given.customer and bare else None


def _again(new: Meaning, scene: Scene) -> Meaning:
    base, order = (scene.placed or scene.pending)[-1], new.orders[0]
    count = next((line.quantity for line in order.lines if line.quantity is not None), None)
    lines = base.lines if count is None else tuple(replace(line, quantity=count) for line in base.lines)
    given = [order for order in new.orders if order.customer]
    names = [order.customer for order in given or [base]]
    return replace(new, goal="buy", orders=tuple(Order(name, lines) for name in names))


def _changed(last: Order, order: Order, bare: bool) -> Order:
    """Return an order with another customer, quantity or product."""
    line, lines = (order.lines[0] if order.lines else Line()), last.lines
    if bare and line.quantity is not None:
        lines = (*lines[:-1], replace(lines[-1], quantity=line.quantity))
    elif not bare:
        same = [n for n, one in enumerate(lines) if one.product_id == line.product_id is not None]
        at = same[0] if same else len(lines) - 1
        line = replace(line, quantity=line.quantity or lines[at].quantity)
        lines = (*lines[:at], line, *lines[at + 1 :])
    return Order(order.customer or last.customer, lines)


def _pointed(text: str, scene: Scene) -> str:
    """Replace "the second one" by the token of that product in the last answer."""
    found = pattern(DATA["lines"]["ordinal"]).search(text)
    if not found:
        return text
    named = DATA["lines"]["ordinals"]
    word = (found[2] or "").lower()
    place = len(scene.shown) if word == "last" else named.index(word) + 1 if word else pieces(found[1])
    return text.replace(found[0], token(scene.shown[place - 1])) if 0 < place <= len(scene.shown) else text


# --- the customer ------------------------------------------------------------------------------------------

_LETTERS = "[A-Za-zÀ-ÿ0-9.'&-]*"
_CAP = rf"(?-i:[A-ZÀ-Þ]{_LETTERS}(?: (?!Buy|Order|Please)[A-ZÀ-Þ]{_LETTERS})*)"
_PERSON = rf"{_CAP}|[小老阿{DATA['surnames']}][{CJK}]{{1,2}}?"
_END = rf"(?=\s*(?:$|[,.!?;:、。\"”」]|的|各|{DATA['customers']['verb']}|[0-9]))"
_PARTS = {
    "CALLED": DATA["customers"]["called"],
    "VERB": DATA["customers"]["verb"],
    "CAP": _CAP,
    "PERSON": f"(?P<name>{_PERSON})",
    "QUOTED": r"[\"“「'](?P<name>[^\"”」']{1,100})[\"”」']",
    "NAME": rf"(?P<name>{_CAP}|[{CJK}]{{2,20}}(?![\w]))",
    "HAN": rf"[\"“「']?(?P<name>{_CAP}|[a-z]{_LETTERS}|[0-9]+(?=\D|$)|[{CJK}·]{{1,20}}?{_END})",
}
_NAMED = [
    pattern(re.sub("<([A-Z]{3,})>", lambda found: _PARTS.get(found[1], found[0]), one))
    for one in DATA["customers"]["patterns"]
]
_JOINT = pattern(
    rf"\x01{DATA['customers']['joint']}(?P<name>{_PERSON})(?=\s*(?:$|[,.!?;]|各|每|都|要|也|{_PARTS['VERB']}|each|both))"
)
_NOBODY = pattern(DATA["customers"]["nobody"])
_LABEL = re.compile(r"[A-Za-z]|[A-Z]{2}|[A-Z]?[0-9]{1,6}")  # no name by itself: customer A


def customer(text: str) -> tuple[str | None, str]:
    """Return the customer's name, and the sentence with a mark in its place."""
    for one in (_JOINT, *_NAMED):
        for found in one.finditer(text):
            parts = found.groupdict()
            name, who = parts["name"].strip(" .'"), parts.get("who")
            if who and _LABEL.fullmatch(name):
                name = f"{who.lower()}{' ' if who.isascii() else ''}{name}"
            elif not name or _NOBODY.fullmatch(name) or number(name) is not None:
                continue
            return name[:MAX_NAME], f"{text[: found.start()]} \x01{text[found.end() :]}"
    return None, text


def bare_name(message: str) -> str | None:
    """Return the name in an answer to "what is the customer's name?"."""
    name, _ = customer(clean(message))
    rest = pattern(DATA["customers"]["introduction"]).sub("", clean(message))
    return name or rest.strip(" .,!。'\"“”「」吧")[:MAX_NAME] or None


def _named(order: Order, message: str) -> Order:
    """Return an order with the customer's name as it was written, in traditional characters, too."""
    at = fold(message).find(order.customer) if order.customer else -1
    name = clean(message)[at : at + len(order.customer or "")] if at >= 0 else order.customer
    return replace(order, customer=name)


def orders_in(text: str) -> list[Order]:
    """Return what each customer orders; several customers without lines of their own order the same."""
    name, rest = customer(text)
    another, bare = customer(rest)
    if not another or another == name:
        return [Order(name, tuple(order_lines(rest)))]
    orders: list[Order] = []
    waiting: list[Line] = []
    for clause in _PARTED.split(text, 100):
        who, rest = customer(clause)
        if who and rest.index("\x01") < len(rest) / 2 and waiting and orders:  # 给张三买…，给李四买…
            orders[-1] = replace(orders[-1], lines=(*orders[-1].lines, *waiting))
            waiting = []
        waiting += order_lines(rest)
        if who:
            orders.append(Order(who, tuple(waiting)))
            waiting = []
    if len(orders) > 1 and all(order.lines for order in orders):
        orders[-1] = replace(orders[-1], lines=(*orders[-1].lines, *waiting))
        return orders
    names: list[str | None] = [name, another]
    while (more := customer(bare))[0] and len(names) < 5:
        names, bare = [*names, more[0]], more[1]
    return [Order(one, tuple(order_lines(bare))) for one in names]


# --- the lines ---------------------------------------------------------------------------------------------

_ID = pattern(rf"\ue000([0-9]+)\ue001|{DATA['lines']['id']}")
_COUNTS = [pattern(one) for one in DATA["lines"]["counts"]]
_PARTED = pattern(DATA["lines"]["parted"].replace(r"\s])[跟与]", r"\s\ue001])[跟与]"))


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
    return [int(group) for found in _ID.finditer(text) for group in found.groups() if group]


def order_lines(text: str) -> list[Line]:
    """Split an order into its lines; parts with neither number nor product are left out."""
    text, shared = text.replace("\x01", " "), None
    if each := pattern(DATA["lines"]["each"]).search(text):
        text, shared = text.replace(each[0], " "), pieces(each[1] or each[2])
    lines: list[Line] = []
    for line in (_line(segment, shared) for segment in _PARTED.split(text, 100)):
        last = lines[-1] if lines else None
        counts_only = line.quantity is not None and line.product_id is None and not line.words
        if last and last.quantity is None and counts_only:
            lines[-1] = replace(last, quantity=line.quantity)  # 商品2，数量 3
        elif line not in (Line(), Line(shared)):
            lines.append(line)
    return lines or ([Line(shared)] if shared else [])


def _line(segment: str, shared: int | None) -> Line:
    product_id = None
    if found := _ID.search(segment):
        product_id = next(int(group) for group in found.groups() if group)
        segment = f"{segment[: found.start()]} {segment[found.end() :]}"
    for one in _COUNTS:
        if count := one.search(segment):
            quantity = 1 if count[1].lower() in ("a", "an") else pieces(count[1])
            segment = f"{segment[: count.start()]} {segment[count.end() :]}"
            return Line(quantity, product_id, words(segment))
    return Line(shared, product_id, words(segment))


def language_of(message: str, before: Scene) -> Tongue | None:
    """Return the language to answer in; a name that was asked for does not change it."""
    return before.tongue if before.asked and before.tongue else tongue(message) or before.tongue

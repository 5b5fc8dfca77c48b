"""What a message means: its goal, the lines of an order in it, and what it does to the order before it."""

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

from assistant.demo.words import DATA, MAX_KEPT, SIGNS, Sentence, Tongue, clean, fold, found, pattern, pieces
from models import MAX_NAME, Product

MAX_PARTS = 50  # of a sentence that may be lines of an order
MAX_CUSTOMERS = 5  # in one sentence
PRODUCT = " \ue000{}\ue001 "  # in the place of a known product in a sentence
MARK = 0xE100  # of the first customer in a sentence; those of the others follow it
NOTHING = Sentence()
RULES = {  # by table: names, each with its signs, and whether they have to be said
    table: [(name, [(s.lstrip("-"), s[0] != "-") for s in signs.split()]) for name, signs in DATA[table]]
    for table in ("goals", "acts")
}


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
        who = given.customer or self.customer
        return Line(who, amount.quantity, goods.product_id, goods.words, amount.pair)


@dataclass
class Scene:
    """What the last message means, and what the turns so far have come to."""

    goal: str = "hello"
    text: Sentence = NOTHING  # with marks for the customers
    like: Sentence = NOTHING  # that asks the same: of "and the watch?" the one before, else the text
    lines: tuple[Line, ...] = (Line(),)
    act: str = ""  # what it does to the order before it
    tongue: Tongue | None = None
    focus: tuple[int, ...] = ()  # the products that the last answer was about, in its order
    draft: tuple[Line, ...] = ()  # what was not bought yet
    asked: str = ""  # product_id, quantity or customer: what was asked for
    placed: tuple[Line, ...] = ()
    placed_id: int = 0
    shelf: dict[int, Product] = field(default_factory=dict)  # what tool results name

    def marked(self, text: Sentence) -> Sentence:
        """Put a mark for each product that a sentence names in full, or as "the second one" shown."""

        def pointed(one: re.Match[str]) -> str:
            at = Sentence(one[0]).place()
            return PRODUCT.format(self.focus[at - (at > 0)]) if 0 < abs(at) <= len(self.focus) > 1 else one[0]

        text = text if text.first_of(*DATA["ranks"]) else text.without("ordinal", pointed)
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


def as_written(name: str, message: str) -> str:
    """Return a name in the characters that the message has, which may be traditional ones."""
    return name.translate(str.maketrans(fold(message), clean(message)))


def understand(message: str, scene: Scene, corrects: bool = False) -> Scene:
    """Return what a message means after what went before; `corrects`: it takes back what stood before it."""
    text, draft = Sentence(fold(message)).without("denied", " 改 "), scene.draft
    names = {one.customer for one in (*scene.lines, *draft) if one.customer and not customers(text)[0]}
    text = text.without("pronoun", lambda _: min(names) if len(names) == 1 else " ")
    ordered = text.without("cancel").without("remove") if draft else text
    lines = _lines(scene.marked(ordered.without("new_order", " 买 ").counted()))
    if scene.asked == "product_id" and (alone := re.fullmatch(r"[#\s]*([0-9]{1,18})\W*", text)):
        lines = [Line(product_id=int(alone[1]))]
    who, counted, people = lines[0].customer, lines[0].quantity is not None, [line.customer for line in draft]
    known: dict[str, Any] = vars(scene) | {f"asked_{scene.asked}": True, f"was_{scene.goal}": True}
    known |= {"corrects": corrects, "one_waits": len(draft) == 1, "limited": text.budget() != (None, None)}
    known |= {"several": lines[-1].customer != who, "uses": text.rows("uses"), "facts": text.rows("facts")}
    known["elsewhere"] = scene.focus and not {line.product_id for line in draft} & {*scene.focus}
    known |= {"theirs": people.count(who) == 1, "newcomer": who and not {None, who} & {*people}}
    known |= {"among_others": {who} < {*people}, "one_placed": len(scene.placed) == 1, "many": len(lines) > 1}
    known |= {"mixed": len({line.quantity is None for line in lines}) > 1, "named": who and not who.islower()}
    known |= {"customer": who, "counted": counted, "goods": not all(line.bare for line in lines)}
    goal = _first("goals", known, text)
    rest = Sentence(customers(text)[1]) if goal in DATA["kinds"]["named"] else text
    if scene.asked == "customer" and goal in ("unknown", "thanks") and not (who or counted):
        named = DATA["customers"]
        name = pattern(named["introduction"]).sub("", text).strip(" .,!。'\"“”「」吧的")[:MAX_NAME]
        is_name = pattern(named["name"]).fullmatch(name) and not pattern(named["nobody"]).fullmatch(name)
        lines = [Line(name if is_name else None)]
        known |= {"customer": lines[0].customer, "goods": False}
    lines = [replace(line, customer=line.customer and as_written(line.customer, message)) for line in lines]
    if goal in ("unknown", scene.goal) and text.says("follow") and scene.goal in DATA["kinds"]["followed"]:
        return replace(scene, text=rest, lines=tuple(lines) if lines[0].customer else scene.lines)
    known |= {kind: goal in goals for kind, goals in DATA["kinds"].items()}
    known |= {f"is_{goal}": True, "words": rest.words()}
    act = _first("acts", known, text)
    return replace(scene, goal=goal, text=rest, like=rest, lines=tuple(lines), act=act)


def _first(table: str, known: dict[str, Any], text: Sentence) -> str:
    """Return the first name of a table of the data file all of whose signs are known, or else said."""
    for name, signs in RULES[table]:
        if all(bool(known.get(one) or (one in SIGNS and text.says(one))) == so for one, so in signs):
            return str(name)
    return ""


@lru_cache(MAX_KEPT)
def customers(text: str) -> tuple[list[str], str]:
    """Return the customers' names, and the sentence with a mark in the place of each."""
    known, names = DATA["customers"], list[str]()
    for _ in range(MAX_CUSTOMERS):
        for named in (named for one in known["patterns"] for named in pattern(one).finditer(text)):
            parts = named.groupdict()
            name, who = pattern(known["after"]).sub("", parts["name"].strip(" .'")), parts.get("who")
            if who and re.fullmatch(known["label"], name):
                name = f"{who.lower()}{' ' if who.isascii() else ''}{name}"
            elif not name or pattern(known["nobody"]).fullmatch(name) or pieces(name):
                continue
            text = f"{text[: named.start()]} {chr(MARK + len(names))}{text[named.end() :]}"
            names.append(name)
            break
    return names, text


@lru_cache(MAX_KEPT)
def _lines(text: Sentence) -> list[Line]:
    """Return what each customer orders; who has no goods of his own orders the same as the one before."""
    names, said = customers(text)
    begins, shared = names and _line(Sentence(said.split(chr(MARK))[0]), None) == Line(), None
    if each := Sentence(said).says("each"):
        said, shared = Sentence(said).without("each", count=1), pieces(each)
    groups: list[tuple[list[str], list[Line]]] = [([], [])]
    for part in _parts(said)[:MAX_PARTS]:
        who = [names[ord(mark) - MARK] for mark in re.findall("[\ue100-\ue1ff]", part)]
        line, (people, goods) = _line(Sentence(part), shared), groups[-1]
        own = [] if line in (Line(), Line(quantity=shared)) else [line]
        is_count = own and goods and line.bare and line.quantity is not None
        if is_count and (goods[-1].quantity is None or (goods[-1].bare and not who)):
            goods[-1], own = goods[-1].changed(line), []
        elif goods and (who if is_count else people and (who or (own and not begins))):
            people, goods = [], []
            groups.append((people, goods))
        people += who
        goods += own
    lines, everybody, last = list[Line](), list[Any]([None]), [Line(quantity=shared)]
    for people, goods in groups:
        same = last[-1]  # of one umbrella for Sue and two for Ben
        last = [same.changed(one) if one.bare else one for one in goods] or last
        everybody = [*dict.fromkeys(people)] or everybody
        lines += apart(last, [Line(name) for name in everybody], text, shared)
    first, *others = lines  # of two watches, one for Tom and one for Bob
    if {replace(one, customer=None, quantity=first.quantity) for one in others} != {first}:
        return lines
    all_shared = sum(one.quantity or 0 for one in others) == first.quantity
    return others if all_shared else [replace(first, quantity=0), *others]


def _parts(text: str) -> list[str]:
    """Split a sentence into what may be a line each: at joints, and where the next product begins."""
    parts: list[str] = []
    for part in pattern(DATA["lines"]["parted"]).split(text)[:MAX_PARTS]:
        atoms = list(pattern(DATA["lines"]["atoms"]).finditer(part))
        counts_first = atoms and atoms[0]["count"] and not Sentence(part[: atoms[0].start()]).words()
        one_line, cuts = ("count", "id") if counts_first else ("id", "count"), [0]
        for one, other in pairwise(atoms):
            kinds, between = (one.lastgroup, other.lastgroup), Sentence(part[one.end() : other.start()])
            if kinds != one_line and ("id" in kinds or between.words()):
                cuts.append(other.start() if counts_first else one.end())
        parts += [part[start:end] for start, end in pairwise([*cuts, len(part)])]
    return parts


def apart(lines: list[Line], given: list[Line], text: Sentence, each: int | None = None) -> list[Line]:
    """Return lines for each customer; 3 for two people may be 3 each or in all, so it is asked."""
    unclear = len(given) > 1 and (each or not text.says("apiece"))
    known = {None: None, 1: 1, each: each, (each or 0) * len(given): each}  # 4 for two, two each: 2
    clear = [replace(one, quantity=known.get(one.quantity, 0)) for one in lines] if unclear else lines
    return [line.changed(one) for one in given for line in clear]


def _line(part: Sentence, shared: int | None) -> Line:
    named, part = part.says("id"), part.without("id", count=1)
    product_id = int(named) if named else None
    count = next(filter(None, (found(one, part) for one in DATA["lines"]["counts"])), None)
    if not count:
        return Line(None, shared, product_id, part.words())
    quantity = shared or 1 if count[1].lower() in ("a", "an", "the", "your") else pieces(count[1])
    rest = Sentence(f"{part[: count.start()]} {part[count.end() :]}")
    words, before = rest.words(), part[: count.start()].strip()
    model = words and found("[a-rt-z]$", before) and before.endswith(words[-3:]) and count[0].isdigit()
    if named and found(r"<N>(?!\s*<Y>)", rest):
        return Line(None, 0, None, words)  # two products without a comma
    unclear = model or found(DATA["lines"]["shares"], rest)  # MateBook 14 is a name; 3 watches: 2 for Tom
    return Line(None, 0 if unclear else quantity, product_id, words, bool(found("对|双|pair", count[0])))

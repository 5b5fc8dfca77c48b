"""Reads the history: what the user wants, which calls were made, which products were shown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assistant.chat.history import Message
from assistant.demo.answers import bold, escaped
from assistant.demo.finder import Shelf
from assistant.demo.ordering import bare_name, customer, order_lines, token, words
from assistant.demo.past_calls import PastCall, calls_in, past_calls, text_of
from assistant.demo.phrases import (
    CJK,
    NEW_ORDER,
    NUMBER,
    Goal,
    Language,
    budget,
    first_number,
    fold,
    goal,
    language,
    pieces,
    says,
)
from assistant.demo.receipts import QUESTIONS
from models import Product

_ORDINALS = {word: place for place, word in enumerate(("first", "second", "third", "fourth", "fifth"), 1)}
_ORDINAL = re.compile(
    rf"第({NUMBER})[个款种件台](?:商品|产品)?"
    rf"|(?<![a-z])(?:the )?({'|'.join(_ORDINALS)})(?: (?:one|product|item))?(?![a-z])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Wish:
    """What a message asks for: `text` is the sentence without the customer, prices are in yuan."""

    goal: Goal
    text: str
    customer: str | None = None
    quantity: int | None = None  # for the lines that name none
    named: tuple[tuple[str, str], ...] = ()  # answers to "which product?": the unclear words, what was said
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, text: str) -> "Wish":
        """Parse one message by itself."""
        text = fold(text)
        wished, (low, high) = goal(text), budget(text)
        if wished not in (
            "buy",
            "orders",
            "unknown",
        ):  # others are about no customer, and "for …" says what for
            return cls(wished, text, low=low, high=high)
        name, rest = customer(NEW_ORDER.sub(" ", text) if wished == "buy" else text)
        return cls(wished, rest, name, low=low, high=high)


@dataclass(frozen=True)
class Conversation:
    """A history, split at the newest message of the user."""

    wish: Wish
    language: Language
    earlier: Sequence[Message]
    calls: list[PastCall]  # of this turn
    rounds: int  # of calls in this turn

    @classmethod
    def of(cls, messages: Sequence[Message]) -> "Conversation":
        """Parse the messages, from the first to the newest."""
        wish, spoken, last, bought_for = Wish("hello", ""), None, 0, None
        for at, message in enumerate(messages):
            if message.get("role") != "user":
                continue
            text = text_of(message)
            before, wish = wish, _follow(wish, text, messages[last:at])
            if wish.goal == "buy" and not wish.customer and bought_for and says("again", text):
                wish = replace(wish, customer=bought_for)
            bought_for = wish.customer if wish.goal == "buy" else bought_for
            if (
                not spoken or wish.text != before.text
            ):  # a name that was asked for does not change the language
                spoken = language(text) or spoken
            last = at
        letters = re.search(r"[a-z]", wish.text, re.IGNORECASE) and not re.search(f"[{CJK}]", wish.text)
        turn = messages[last:]
        rounds = sum(1 for message in turn if any(calls_in(message)))
        talk = cls(wish, spoken or ("en" if letters else "zh"), messages[:last], past_calls(turn), rounds)
        return replace(talk, wish=replace(wish, text=talk.pointed(wish.text)))

    def pointed(self, text: str) -> str:
        """Replace "the second one" by the token of that product in the last answer that showed some."""
        found = _ORDINAL.search(text) if self.wish.goal != "orders" else None
        if not found:
            return text
        place = _ORDINALS.get(found[2].lower(), 0) if found[2] else pieces(found[1])
        shown = self.shown()[1]
        return text.replace(found[0], token(shown[place - 1].id)) if 0 < place <= len(shown) else text

    def calls_to(self, kind: str) -> list[PastCall]:
        """Return the calls of one tool in this turn."""
        return [call for call in self.calls if call.kind == kind]

    def known(self) -> Shelf:
        """Return every product that a result has named so far; the stock may be outdated."""
        known = Shelf()
        for call in [*past_calls(self.earlier), *self.calls]:
            if call.kind in ("get_products", "get_inventory"):
                known.add(call.content)
        return known

    def bold(self) -> list[str]:
        """Return the bold texts of the newest answer that has any: product names, even without results."""
        texts = (text_of(m) for m in reversed(self.earlier) if m.get("role") == "assistant")
        return next((found for text in texts if (found := re.findall(r"\*\*(.+?)\*\*", text))), [])

    def shown(self) -> tuple[list[Product], list[Product]]:
        """Return the products of the newest answer that names any: those in bold, and all, in their order."""
        known = self.known()
        for message in reversed(self.earlier):
            text = text_of(message) if message.get("role") == "assistant" else ""
            named = [product for product in known.products.values() if _names(text, product)]
            if named:
                named.sort(key=lambda product: text.find(escaped(product.name)))
                return [product for product in named if bold(product) in text], named
        return [], []


def _names(text: str, product: Product) -> bool:
    return bold(product) in text or f"| {escaped(product.name)} |" in text


def asked(messages: Sequence[Message]) -> tuple[str, str]:
    """Return which question the newest answer ended with, and the words it quoted; both may be empty."""
    text = next((text_of(m).rstrip() for m in reversed(messages) if m.get("role") == "assistant"), "")
    what = next((key for key, forms in QUESTIONS.items() if text.endswith(tuple(forms.values()))), "")
    quoted = re.search(r"[“]([^“”]+)[”]", text)
    return what, quoted[1] if what and quoted else ""


def _follow(before: Wish, text: str, since: Sequence[Message]) -> Wish:
    """Parse a message: a new wish, or the missing part that the answer before it asked for."""
    new, (what, quoted) = Wish.of(text), asked(since)
    if before.goal != "buy" or new.goal in ("orders", "hello", "help", "cancel"):
        return new
    if says("yes", text) and any(call.code == "unconfirmed" for call in past_calls(since)):
        return before
    someone = new.customer or before.customer
    if what == "customer" and (new.customer or new.goal == "unknown"):
        return replace(before, customer=bare_name(text))
    if what == "quantity" and (count := first_number(new.text)) and not _names_product(new):
        return replace(before, quantity=pieces(count), customer=someone)
    if what and new.customer and not words(new.text):
        return replace(before, customer=new.customer)
    if what == "product" and "?" not in fold(text):
        return replace(before, named=(*before.named, (quoted, _id_or_words(new.text))), customer=someone)
    return new


def _names_product(wish: Wish) -> bool:
    return wish.goal != "unknown" and any(line.words or line.product_id for line in order_lines(wish.text))


def _id_or_words(answer: str) -> str:
    number = re.fullmatch(r"[#\s]*([0-9]{1,18})\W*", answer)
    return token(int(number[1])) if number else answer

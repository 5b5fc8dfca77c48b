"""What words mean, as the data file `words.toml` has it: signs, numbers, prices, days; and what is said."""

import math
import re
import tomllib
import unicodedata
from datetime import date, timedelta
from functools import cache, lru_cache, reduce
from pathlib import Path
from typing import Any, Literal

from dateutil.relativedelta import relativedelta
from opencc import OpenCC

from models import MAX_QUANTITY

Tongue = Literal["zh", "tw", "en"]  # simplified and traditional Chinese, English
MAX_TEXT = 500  # characters of a sentence, or of a failure, that are read
MAX_KEPT = 20_000  # searches and readings that are kept
MAX_DAYS = 3650  # that are looked back
MAX_CELL = 60  # characters of a text in a table
DATA: dict[str, Any] = tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))
PARTS: dict[str, str] = DATA["parts"] | {
    "W": "|".join(sorted(filter(str.isascii, DATA["numbers"]), key=len)[::-1]),
    "SPANS": "|".join(span[0] for span in DATA["spans"]),
    "MONEY": "|".join(bound[2] for bound in DATA["money"]["bounds"]),
}
SIGNS = {
    name: one if isinstance(one, str) else f"{one[0]}|(?<![a-z])(?:{one[1]})(?![a-z])"
    for name, one in DATA["signs"].items()
}
TO_SIMPLIFIED = lru_cache(MAX_KEPT)(OpenCC("t2s").convert)
to_traditional = cache(lambda: OpenCC("s2t"))  # when it is needed: its phrases take 65 ms to read


@cache
def pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern of the data file, in which parts stand in angle brackets."""
    while (whole := re.sub("<([A-Z]+)>", lambda found: PARTS[found[1]], text)) != text:
        text = whole
    return re.compile(text, re.IGNORECASE)


@lru_cache(MAX_KEPT)
def found(part: str, text: str) -> re.Match[str] | None:
    """Search for a pattern of the data file; a sentence is gone through again in each turn and round."""
    return pattern(part).search(text)


def clean(text: str) -> str:
    """Normalise to NFKC; remove NUL, surrogates, what marks are made of, and repeated punctuation."""
    text = re.sub("[\x00\ud800-\udfff\ue000-\ue1ff]", "", unicodedata.normalize("NFKC", text[:MAX_TEXT]))
    text = re.sub(r"\s*\n\s*", ", ", text.strip())
    return re.sub(r"([^\w\s.])(?:\s*\1)+", r"\1", text).strip()


def fold(text: str) -> str:
    """Return a sentence cleaned and in simplified characters, one for one."""
    return "".join(map(TO_SIMPLIFIED, clean(text))).replace("’", "'")


def tongue(text: str, before: Tongue | None) -> Tongue:
    """Return the language of a clean message; of a bare name or number that of the turn before."""
    english = pattern(rf"\b(?:{DATA['english']})\b").findall(text)
    if not pattern("<CJK>").search(text):
        return "en" if english else before or ("en" if re.search("[a-zA-Z]", text) else "zh")
    is_english = len(english) > 1 or text.startswith((*english[:1],))
    return "en" if is_english else "zh" if fold(text) == text.replace("’", "'") else "tw"


def number(text: str) -> float:
    """Parse 12, 1,500, 1.5k, 2千, 十二, 一千五, two hundred; 0 if it is no number."""
    words = re.findall(r"-?[0-9]+(?:\.[0-9]+)?|[a-z]+|[^\s-]", text.lower().replace(",", ""))
    digits = {one: float(one) if "." in one else int(one) for one in words if one[-1].isdigit()}
    values = [(DATA["numbers"] | digits).get(word, math.nan) for word in words]
    if len(values) > 1 and values[-1] < 10 and values[-2] >= 100 and not text.isascii():
        values.append(values[-2] / 10)  # 一千五 is 1500
    return 0 if any(map(math.isnan, values)) else _together(values)


def _together(values: list[float]) -> float:
    at = values.index(max(values)) if values else 0
    return (_together(values[:at]) or 1) * values[at] + _together(values[at + 1 :]) if values else 0


def pieces(text: str) -> int:
    """Parse a number of pieces; 0 if it cannot be ordered."""
    value = number(text)
    return int(value) if 1 <= value <= MAX_QUANTITY and value == int(value) else 0


class Sentence(str):
    """A part of a message, folded, and what the data file finds in it."""

    def says(self, sign: str) -> str:
        """Return what it says of something: what one of the expressions for that names, or the expression."""
        said = found(SIGNS[sign], self)
        return said[said.lastindex or 0] if said else ""

    def numbers(self, sign: str) -> list[float]:
        """Return the numbers in what the expressions for something name."""
        named = " ".join(one[one.lastindex or 0] for one in pattern(SIGNS[sign]).finditer(self))
        return list(map(number, pattern("<N>").findall(named)))

    def rows(self, table: str) -> list[list[Any]]:
        """Return the rows of a table whose expression it says."""
        return [row for row in DATA[table] if found(row[0], self)]

    def first_of(self, *names: str, prefix: str = "") -> str:
        """Return the first of the signs that it says; empty for none."""
        return next((name for name in names if self.says(prefix + name)), "")

    def without(self, name: str, instead: Any = " ", count: int = 0) -> "Sentence":
        """Return it with something else for each of the expressions for this, or the first `count`."""
        return Sentence(pattern(SIGNS[name]).sub(instead, self, count))

    @lru_cache(MAX_KEPT)  # noqa: B019  it keeps texts, of bounded number and length
    def counted(self) -> "Sentence":
        """Write dozens, a pair and single pieces with numbers: 一打 is 12个, 买个 is 买1个."""
        rules = DATA["counted"]
        return Sentence(reduce(lambda text, one: pattern(one[0]).sub(one[1], text), rules, str(self)))

    def budget(self) -> tuple[float | None, float | None]:
        """Return the lowest and the highest price that is asked for, in yuan; None for no bound."""
        known = DATA["money"]
        no_price = found(known["counting"], self) and not found(known["money"], self)  # less than 20 left
        for low, high, prices in () if no_price else known["bounds"]:
            named = found(prices, pattern("<DATE>").sub(" ", self))
            values = [number(one) for one in named.groups() if one] if named else [-1]
            if min(values) >= 0:
                return min(values) * low if low else None, max(values) * high if high else None
        return None, None

    def place(self) -> int:
        """Return which one it points at: 2 for the second, -1 for the last, 0 for none."""
        return DATA["ordinals"].get(self.says("ordinal").lower()) or pieces(self.says("ordinal"))

    def period(self, today: date) -> tuple[str | None, str | None]:
        """Return the first and the last day that are meant, as ISO dates; None for no bound."""
        if dates := pattern("<DATE>").findall(self):
            return min(dates), max(dates) if dates[1:] or not found(DATA["lines"]["open_end"], self) else None
        if days := self.says("days"):
            return (today - timedelta(min(pieces(days), MAX_DAYS))).isoformat(), None
        for _, *ends in self.rows("spans"):
            first, *last = [today + relativedelta(**end) for end in ends]
            ahead = relativedelta(years=int(first > today))  # "in November" is the last one that has begun
            since, *until = [(day - ahead).isoformat() for day in (first, *last)]
            return since, until[0] if until else None
        return None, None

    @lru_cache(MAX_KEPT)  # noqa: B019
    def words(self) -> str:
        """Return the words that may describe a product: no words of asking, no numbers."""
        text = str(self)
        for one in DATA["idle"]:
            text = " ".join(pattern(one).sub(" ", text).split())  # a row of blanks is searched from each on
        kept = (word.strip(".'-") for word in re.findall(r"[\w'.%-]*[^\W_][\w'.%-]*", text))
        return " ".join(word for word in kept if not re.fullmatch(r"[-0-9.]*[k百千万]?", word))


def _written(value: Any, spec: str | None) -> str:
    """Write a price (¥899), a sum (¥1798.00), or a text from outside: on one line, without markdown."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "—"
    if spec in ("price", "sum"):
        return f"¥{value:.0f}" if spec == "price" and value == int(value) else f"¥{value:.2f}"
    text = str(value)
    if spec != "raw":
        text = " ".join(text.encode("utf-8", "replace").decode().split())  # JSON can hold lone surrogates
        text = text[: MAX_CELL - 1] + "…" if spec == "cell" and len(text) > MAX_CELL else text
        text = re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", text)
    return f"\n\n{text}" if text and spec == "below" else text


def sentence(tongue: Tongue, key: str, /, **parts: object) -> str:
    """Return what is said for a key; its parts are written as it asks for after a colon."""
    text: str = DATA["say"][key][tongue == "en"]
    text = to_traditional().convert(text) if tongue == "tw" else text
    return re.sub(r"{(\w+)(?::(\w+))?}", lambda part: _written(parts.get(part[1]), part[2]), text)

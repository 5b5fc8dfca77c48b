"""What words mean: the data file, and the numbers, prices, days and language of a sentence."""

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

from opencc import OpenCC

from models import MAX_LIMIT

Tongue = Literal["zh", "tw", "en"]  # simplified and traditional Chinese, English

MAX_TEXT = 1000  # characters of a sentence that are read
CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
DATA: dict[str, Any] = tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))

_DIGITS: dict[str, int] = DATA["digits"]
_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_NUMBERS: dict[str, int] = DATA["numbers"]
_WORD = rf"(?<![a-z])(?:{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})(?![a-z])"
_HAN_DIGIT = "[零〇一二两三四五六七八九十百千万]"
# Bounded, so that a long row of digits is not searched from each digit on; never matches a part of a number.
NUMBER = (
    r"(?:(?<![0-9.])-?(?:[0-9]{1,3}(?:,[0-9]{3}){1,4}|[0-9]{1,15})(?![0-9])(?:\.[0-9]{1,9}(?![0-9]))?"
    rf"(?:\s?k(?![a-z])|[百千万])?|(?<!{_HAN_DIGIT}){_HAN_DIGIT}{{1,12}}(?!{_HAN_DIGIT})"
    rf"|{_WORD}(?:[\s-]{_WORD}){{0,4}})"
)
MEASURE: str = DATA["measure"]


@cache
def pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern of the data file."""
    parts = {"N": NUMBER, "M": MEASURE, "Y": DATA["yuan"], "CJK": CJK}
    parts["P"] = rf"(?:[¥$€]|rmb|cny)?\s*({NUMBER})"
    return re.compile(
        re.sub("<(N|M|Y|P|CJK)>", lambda found: parts[found[1]], text, flags=re.ASCII), re.IGNORECASE
    )


@cache
def _sign(name: str) -> re.Pattern[str]:
    chinese, english = DATA["signs"][name]
    return pattern(f"{chinese}|(?<![a-z])(?:{english})(?![a-z])")


def says(sign: str, text: str) -> bool:
    """Whether a sentence has one of the expressions for this."""
    return _sign(sign).search(text) is not None


def without(sign: str, text: str) -> str:
    """Return a sentence without the expressions for this."""
    return _sign(sign).sub(lambda found: " " if found[0].isascii() else " 买 ", text)


def split_at(sign: str, text: str) -> list[str]:
    """Split a sentence at the expressions for this."""
    return [part for part in _sign(sign).split(text) if part.strip()]


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
    """Normalise to NFKC; remove NUL, surrogates and the characters that tokens are made of."""
    return re.sub(
        "[\x00\ud800-\udfff\ue000\ue001]", "", unicodedata.normalize("NFKC", text[:MAX_TEXT])
    ).strip()


def fold(text: str) -> str:
    """Return a sentence cleaned and in simplified characters, one for one."""
    return "".join(map(_simplified, clean(text))).replace("’", "'")


def tongue(text: str) -> Tongue | None:
    """Return the language of a message; None for a bare name or number."""
    text = clean(text)
    english = re.findall(rf"\b(?:{DATA['english']})\b", text.lower())
    if not re.search(f"[{CJK}]", text):
        return "en" if english else None
    if len(english) > 1 or (english and text.lower().startswith(english[0])):
        return "en"
    return "zh" if fold(text) == text.replace("’", "'") else "tw"


# --- numbers -----------------------------------------------------------------------------------------------


def number(text: str) -> float | None:
    """Parse 12, 1,500, 1.5k, 2千, 十二, 一千五, two hundred; None if it is no number."""
    text = text.strip().lower().replace(",", "")
    if digits := re.fullmatch(r"(-?[0-9]+(?:\.[0-9]+)?)\s?([k百千万]?)", text):
        return float(digits[1]) * {"": 1, "k": 1000, **_UNITS}[digits[2]]
    words = re.split(r"[\s-]+", text)
    if all(word in _NUMBERS for word in words):
        return float(_english(words))
    return float(_chinese(text)) if text and all(c in _DIGITS or c in _UNITS for c in text) else None


def _chinese(text: str) -> int:
    total = section = digit = last = 0
    for sign in text:
        if sign in _DIGITS:
            digit = _DIGITS[sign]
            last = 10 if digit == 0 else last
        elif sign == "万":
            total, section, digit, last = (total + section + digit) * 10_000, 0, 0, 10_000
        else:
            last = _UNITS[sign]
            section, digit = section + (digit or 1) * last, 0
    return total + section + digit * max(last // 10, 1)  # 一千五 is 1500


def _english(words: list[str]) -> int:
    total = part = 0
    for word in words:
        value = _NUMBERS[word]
        part = (part or 1) * value if value in (12, 100, 1000) else part + value
        if value == 1000:
            total, part = total + part, 0
    return total + part


def pieces(text: str) -> int:
    """Parse a number of pieces; 0 if it cannot be ordered."""
    value = number(text) or 0
    return int(value) if 1 <= value <= 10**6 and value == int(value) else 0


def counted(text: str) -> str:
    """Write dozens, pairs and single pieces as numbers: 一打 is 12个, 买个 is 买1个."""
    text = pattern("半打").sub("6个", text)
    text = pattern(r"(?<![a-z])half (?:a )?dozen(?: of)?(?![a-z])").sub("6", text)
    text = pattern("(<N>)打(?!折)").sub(lambda found: f"{pieces(found[1]) * 12}个", text)
    text = text.replace("俩", "2个").replace("仨", "3个")
    text = pattern(r"(<N>)\s*[对双](?!比)(.{0,8})").sub(_pair, text)
    text = pattern(r"(?<![a-z])(an?|<N>) pairs? of( .{0,24})").sub(_pair, text)
    text = pattern(r"(?<![a-z])a (?=grand(?![a-z]))").sub("", text)
    return pattern("(买|来|要|订|拿|加|购)(?=[个件台块副部](?!性))").sub(r"\g<1>1", text)


def _pair(found: re.Match[str]) -> str:
    count = 1 if found[1].lower() in ("a", "an") else pieces(found[1])
    one_piece = pattern(rf"\s*(?:\S{{0,4}}?|[a-z ]*?)(?:{DATA['in_pairs']})").match(found[2])
    unit = "" if found[0].isascii() else "个"
    return f"{count if one_piece else count * 2}{unit}{found[2]}"


# --- prices and days ---------------------------------------------------------------------------------------


def budget(text: str) -> tuple[float | None, float | None]:
    """Return the lowest and the highest price that is asked for, in yuan; None for no bound."""
    money, text = DATA["money"], re.sub("[0-9]{4}-[0-9]{2}-[0-9]{2}", " ", text)
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


def pieces_below(text: str) -> int | None:
    """Return the largest number of pieces that "fewer than 20" allows; None without a number."""
    found = pattern(DATA["money"]["few"]).search(text)
    return max(pieces(found[1]) - 1, 0) if found else None


def orders_wanted(text: str) -> int | None:
    """Return how many orders are asked for: "the last 5 orders"."""
    found = pattern(DATA["money"]["newest"]).search(text)
    return min(pieces(found[1]), MAX_LIMIT) or None if found else None


def period(text: str, today: date) -> tuple[str | None, str | None]:
    """Return the first and the last day that are meant, as ISO dates; None for no bound."""
    named = DATA["periods"]
    if dates := re.findall(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        open_end = len(dates) == 1 and pattern(named["open_end"]).search(text)
        return min(dates), None if open_end else max(dates)
    if days := pattern(named["days"]).search(text):
        return (today - timedelta(min(pieces(days[1]), 3650))).isoformat(), None
    if month := _month_named(text):
        year = today.year - (month > today.month)
        end = date(year + month // 12, month % 12 + 1, 1) - timedelta(1)
        return date(year, month, 1).isoformat(), end.isoformat()
    day, monday, first = timedelta(1), today - timedelta(today.weekday()), today.replace(day=1)
    january = first.replace(month=1)
    spans: dict[str, tuple[date, date | None]] = {
        "before": (today - 2 * day, today - 2 * day),
        "today": (today, None),
        "yesterday": (today - day, today - day),
        "this_week": (monday, None),
        "last_week": (monday - 7 * day, monday - day),
        "this_month": (first, None),
        "last_month": ((first - day).replace(day=1), first - day),
        "this_year": (january, None),
        "last_year": (january.replace(year=today.year - 1), january - day),
    }
    for name, (since, until) in spans.items():
        if pattern(named[name]).search(text):
            return since.isoformat(), until.isoformat() if until else None
    return None, None


def _month_named(text: str) -> int:
    if (found := re.search(r"([0-9]{1,2})月", text)) and 1 <= int(found[1]) <= 12:
        return int(found[1])
    if found := re.search(rf"({_HAN_DIGIT}{{1,2}})月", text):
        return min(_chinese(found[1]), 12) if found[1][0] != "万" else 0
    months = enumerate(DATA["periods"]["months"], 1)
    in_english = r"(?<![a-z])(?:in|of|for|during|since) {}(?![a-z])"
    return next((n for n, name in months if pattern(in_english.format(name)).search(text)), 0)


# --- the words that describe a product ---------------------------------------------------------------------

_IDLE = re.compile(DATA["idle"]["han"])
_STOP = frozenset(DATA["idle"]["english"].split())


def words(text: str) -> str:
    """Return the words that may describe a product: no words of asking, no numbers."""
    text = re.sub("\ue000[0-9]+\ue001|\x01|[0-9]{4}-[0-9]{2}-[0-9]{2}", " ", text)
    text = pattern(DATA["periods"]["days"]).sub(" ", text)
    for name in ("between", "about", "above", "below"):
        text = pattern(DATA["money"][name]).sub(" ", text)
    text = pattern(r"[¥$€]?\s*(?<![\w.])<N>\s*<Y>|\d+月").sub(" ", text)
    text = re.sub(r"[a-zA-Z']+", lambda found: " " if found[0].lower() in _STOP else found[0], text)
    text = _IDLE.sub(" ", _IDLE.sub(" ", text))
    text = re.sub(rf"(?<!\w){NUMBER}(?!\w)", " ", text, flags=re.IGNORECASE)
    kept = (word.strip(".'-") for word in re.findall(r"[\w'.%-]*[^\W_][\w'.%-]*", text))
    return " ".join(word for word in kept if not re.fullmatch(r"[-0-9.]*[k百千万]?", word))


def uses(text: str) -> str:
    """Return words to search for the uses that a sentence names: 听歌 may want 耳机."""
    return " ".join(dict.fromkeys(_of(DATA["uses"], text)))


def fact(text: str) -> tuple[re.Pattern[str], re.Pattern[str]] | None:
    """Return how the fact that is asked for is named, and how a description tells it."""
    for asked, told in DATA["facts"].items():
        named = pattern(f"(?<![a-z])(?:{asked})(?![a-z])")
        if named.search(text):
            return named, pattern(told)
    return None


def _of(table: dict[str, str], text: str) -> Iterable[str]:
    return (word for key, found in table.items() if pattern(key).search(text) for word in found.split())

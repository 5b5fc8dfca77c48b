"""Search: the terms of a text, the same of a question, and the SQL that ranks products by what they share.

A term is a word or, in a script that puts no blanks between words, a pair of characters. Case, width,
accents, simple plurals, Traditional or Simplified characters make no difference. `product_terms` keeps each
product's terms, each with the best of the places where it stands; among them those of the synonyms, Chinese
and English, of what its texts name.
"""
# ruff: noqa: S608  the texts are put together from constants; every value is an argument

import difflib
import re
import unicodedata
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from opencc import OpenCC

from shop.filters import ProductQuery
from shop.queries import PRODUCT, Conditions, Row, Statement

VERSION = "6"  # of what `index_rows` returns: another one makes the index anew at the next start
MAX_TERM = 64  # characters; PostgreSQL indexes no text above 2,704 bytes
MAX_TERMS = 64  # of one question
MAX_POSTINGS = 5_000  # read for one question: of its terms, the commonest say least and are left out
MAX_NEIGHBOURS = 1_000  # terms looked through for the one that an unknown word was meant to be ...
MAX_LOOKED_THROUGH = 5_000  # ... and for all unknown words of one question
MIN_STEM = 4  # characters of a word that is completed: "head" finds headphones, "car" no memory card
MAX_NAME = 8  # unspaced characters of a name that is looked for with one of them wrong
MIN_LIKENESS = 0.8  # of two words that are one misspelt

# Thai, Lao, Burmese, Khmer, kana, Han, and what is drawn rather than written.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\u2600-\u27bf\U0001f300-\U0001faff\U00020000-\U0003ffff"
)
_WORD = rf"[^\W_{_UNSPACED}]+"
_RUN = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|{_WORD}(?:[-.'’]{_WORD})*")
# Accents that stand alone, and what is copied along unseen: soft hyphens, blanks of no width, directions.
_UNSEEN = re.compile("[\u0300-\u036f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_IRREGULAR = {"mice": "mouse", "men": "man", "women": "woman", "children": "child", "feet": "foot"}
_FUNCTION_WORDS = frozenset(["a", "an", "and", "for", "in", "of", "on", "or", "the", "to", "with"])
# Words that everybody spells right, in the form that `_singular` leaves them in: "thanks" is no ThinkPad.
_COMMON = """
    about above after again also always another anything around because been before being below best
    better between both bring bought buying cannot cheap cheaper cheapest cheer come could delivery
    does doing done each either else enough even every everything expensive find first friend from
    give going good great have hello help here into just know last least less like long look looking
    make many maybe more most much must need never next nice nothing often only order other over
    please price quick really right same should show since some somebody someone something sorry
    such sure take tell than thank that their them then there these they thing think this those
    though through today together tomorrow tonight under until using very want wanted week welcome
    well were what when where which while will without would year yesterday your
"""
_NO_MISSPELLINGS = frozenset(_COMMON.split())

SYNONYMS = Path(__file__).parent / "search_synonyms.txt"
ANYWHERE = "*"  # behind a character that names something wherever it stands, not at the end of a run only
AS_SYNONYM = 3  # added to the place where something is named, for what it is also called

# A word; a piece of one, or of a run of characters; the last character of a run, and one alone.
_Kind = Literal["word", "piece", "last", "alone"]
_Texts = tuple[str, ...]
Fetch = Callable[[Statement], Awaitable[Sequence[Row]]]


class _Term(NamedTuple):
    text: str
    kind: _Kind


class _Range(NamedTuple):
    """The terms from `low` up to `high`, or `low` alone."""

    low: str
    high: str | None = None

    def condition(self, where: Conditions) -> str:
        low = where.numbered(self.low)
        if self.high is None:
            return f"term = {low}"
        return f"term >= {low} AND term < {where.numbered(self.high)}"


@cache
def _converter(config: str) -> OpenCC:
    return OpenCC(config)


@cache
def _simplified(character: str) -> str:
    return _converter("t2s").convert(character)


def _folded(text: str) -> str:
    # MacBook is a Mac-Book, too.
    text = re.sub("(?<=[a-z])(?=[A-Z])", "-", unicodedata.normalize("NFKC", text))
    text = re.sub(r"(?<![\d.])(\d+)万(?=毫安|mah)", r"\g<1>0000", text.casefold())
    text = _UNSEEN.sub("", unicodedata.normalize("NFD", text))
    return "".join(map(_simplified, unicodedata.normalize("NFC", text)))


def _singular(word: str) -> str:
    if len(word) < 4 or not word.isalpha() or word.endswith(("ss", "us", "is")):
        return word
    return re.sub("(?<=x)es$|(?<=[cs]h|ss)es$|s$", "", re.sub("ies?$", "y", word))


def _singulars(word: str) -> list[str]:
    """Return what a word may be the irregular plural of: scarves, knives, mice."""
    if len(word) > MIN_STEM and word.endswith("ve"):  # as `_singular` leaves it
        return [word[:-2] + "f", word[:-2] + "fe"]
    return [_IRREGULAR[word]] if word in _IRREGULAR else []


def _terms(text: str) -> Iterator[_Term]:
    """Yield the terms of a text; of two words side by side also the one that some write for them."""
    folded, before, end = _folded(text), "", 0
    for run in _RUN.finditer(folded):
        if characters := run["unspaced"]:
            for start in range(len(characters) - 1):
                yield _Term(characters[start : start + 2], "piece")
            yield _Term(characters[-1], "last" if len(characters) > 1 else "alone")
            before = ""
        else:
            word = _singular(re.sub(r"\W", "", run[0]))
            if before and folded[end : run.start()].isspace():
                yield _Term(before + word, "piece")
            yield _Term(word, "word")
            for part in re.findall(r"[^\W\d]{2,}|\d{2,}", run[0]):  # of Wi-Fi, 256GB, K380
                yield _Term(_singular(part), "piece")
            before = word
        end = run.end()


def _units(folded: str) -> list[str]:
    """Return the words and the unspaced characters of a text, with "" at the end of each unspaced run."""
    units: list[str] = []
    for run in _RUN.finditer(folded):
        characters = run["unspaced"]
        units += [*characters, ""] if characters else [_singular(re.sub(r"\W", "", run[0]))]
    return units


@cache
def _synonyms() -> dict[_Texts, _Texts]:
    """Return, by the units of each name of the data file, the names that go with it.

    What a name only begins with is there too, with none, so that a text need not be compared with all names.
    """
    lines: dict[str, tuple[_Texts, _Texts]] = {}
    for line in _folded(SYNONYMS.read_text(encoding="utf-8")).splitlines():
        if line and not line.startswith("#"):
            names, kinds = (tuple(re.split(" *, *", side.strip())) for side in f"{line}>".split(">")[:2])
            lines[names[0]] = names, tuple(filter(None, kinds))

    def known_as(first: str) -> _Texts:
        names, kinds = lines[first]
        return sum(map(known_as, kinds), names)

    known: dict[_Texts, _Texts] = {}
    for first, (names, _) in lines.items():
        for name, units in zip(names, map(_units, names), strict=True):
            if not units[-1] and (len(units) > 2 or ANYWHERE in name):
                units.pop()  # a character alone (灯) keeps it: it names something at the end of a run (台灯)
            key = tuple(units)
            known |= {key[:length]: () for length in range(1, len(key)) if key[:length] not in known}
            known[key] = known.get(key, ()) + known_as(first)
    return known


@cache
def _terms_of(names: _Texts) -> frozenset[str]:
    return frozenset(term.text for name in names for term in _terms(name) if term.kind != "last")


def _other_terms(text: str) -> set[str]:
    """Return the terms of the synonyms of what a text names; of names that overlap, the first and longest."""
    known, units, at = _synonyms(), _units(_folded(text)), 0
    terms: set[str] = set()
    while at < len(units):
        name: _Texts = ()
        for end in range(at + 1, len(units) + 1):
            longer = tuple(units[at:end])
            if longer not in known:
                break
            name = longer if known[longer] else name
        terms |= _terms_of(known.get(name, ()))
        at += len(name) or 1
    return terms


def index_rows(id_: int, name: str, keywords: str, description: str) -> list[tuple[str, int, int]]:
    """Return a product's rows of `product_terms`: term, place (1 name, 2 keywords, 3 description), id.

    The synonyms of what a text names have places of their own, behind those of all that is written.
    """
    texts = (3, description), (2, keywords), (1, name)
    places = {term: place + AS_SYNONYM for place, text in texts for term in _other_terms(text)}
    for place, text in texts:
        places |= {term.text[:MAX_TERM]: place for term in _terms(text)}
    return [(term, place, id_) for term, place in places.items()]


def _question(text: str) -> list[_Term]:
    """Return what is looked for, also in the words that are used on the mainland for Taiwan's.

    What stands behind 的 is looked for by itself: the 锅 of 煎蛋的锅.
    """
    found = [*_terms(text), *_terms(_converter("tw2sp").convert(text)), *_terms(text.replace("的", " "))]
    found += [_Term(one, "piece") for term in found for one in _singulars(term.text)]
    asked = dict.fromkeys(term._replace(text=term.text[:MAX_TERM]) for term in found if term.kind != "last")
    return [term for term in asked if term.text not in _FUNCTION_WORDS][:MAX_TERMS]


def _starting(text: str) -> _Range:
    return _Range(text, text + "\U0010ffff")


async def _counts(fetch: Fetch, ranges: Sequence[_Range]) -> list[int]:
    where = Conditions()
    selects = [
        f"SELECT {number}, (SELECT count(*) FROM (SELECT 1 FROM product_terms WHERE {one.condition(where)}"
        f" LIMIT {MAX_POSTINGS}) AS t)"
        for number, one in enumerate(ranges)
    ]
    rows = await fetch(Statement(" UNION ALL ".join(selects), where.args)) if selects else []
    return [count for _, count in sorted(map(tuple, rows))]


async def _vocabulary(fetch: Fetch, word: str, limit: int) -> list[str]:
    """Return the terms that begin with the first two letters of a word."""
    # From one term to the next greater one: DISTINCT would read every place of each.
    next_term = "SELECT min(term) FROM product_terms WHERE term"
    vocabulary = f"""WITH RECURSIVE known (term) AS (
            {next_term} >= ?1 UNION ALL SELECT ({next_term} > known.term) FROM known WHERE known.term < ?2
        ) SELECT term FROM known WHERE term < ?2 LIMIT {limit}"""
    near = _starting(word[:2])
    return [row[0] for row in await fetch(Statement(vocabulary, [near.low, near.high]))]


async def _meant(fetch: Fetch, words: Sequence[str]) -> list[_Range]:
    """Return the terms that begin with words of no product, or else those that they may be misspelt for."""
    begun = [_starting(word) for word in words]
    meant: list[_Range] = []
    left = MAX_LOOKED_THROUGH
    for word, start, count in zip(words, begun, await _counts(fetch, begun), strict=True):
        if count:
            meant.append(start)
        elif left > 0 and word not in _NO_MISSPELLINGS:
            terms = await _vocabulary(fetch, word, min(left, MAX_NEIGHBOURS))
            left -= len(terms)
            alike = [
                term for term in terms if 2 * min(len(term), len(word)) >= MIN_LIKENESS * len(term + word)
            ]
            meant += map(_Range, difflib.get_close_matches(word, alike, cutoff=MIN_LIKENESS))
    return meant


@cache
def _nearly() -> dict[str, str]:
    """Return the names of three unspaced characters and more, by all of them but one."""
    names = (
        "".join(units) for units in _synonyms() if len(units) > 2 and all(len(unit) == 1 for unit in units)
    )
    return {
        name[:at] + "?" + name[at + 1 :]: name for name in names for at in range(len(name)) if name[at] > "z"
    }


def _misspelt(text: str) -> list[_Range]:
    """Return the terms of the names that a question has but for one character: 充点宝 for 充电宝."""
    nearly, names = _nearly(), list[str]()
    for run in _RUN.finditer(_folded(text)):
        said = run["unspaced"] or ""
        for start in range(len(said)):
            for end in range(start + 3, min(start + MAX_NAME, len(said)) + 1):
                window = said[start:end]
                one_out = (window[:at] + "?" + window[at + 1 :] for at in range(len(window)))
                names += filter(None, map(nearly.get, one_out))
    return [
        *dict.fromkeys(_Range(term.text) for name in names for term in _terms(name) if term.kind == "piece")
    ]


def _single(text: str) -> list[_Range]:
    """Return the characters of a question that name something by themselves: 茶 in 想买茶吗."""
    known = _synonyms()
    singles = dict.fromkeys(
        each for each in _units(_folded(text)) if known.get((each, "")) or known.get((each,))
    )
    return [_Range(each) for each in singles if not each.isascii()]


async def _sought(fetch: Fetch, text: str) -> list[_Range]:
    """Return what of a question is in the index: the rarest first, and no more than can be read quickly."""
    terms = _question(text)
    ranges = [_starting(term.text) if term.kind == "alone" else _Range(term.text) for term in terms]
    counts = await _counts(fetch, ranges)
    words = [term for term, count in zip(terms, counts, strict=True) if not count and term.kind == "word"]
    unknown = [term.text for term in words if term.text.isalpha() and len(term.text) >= MIN_STEM]
    more = await _meant(fetch, unknown)
    if not any(counts) and not more:
        more = _misspelt(text) or _single(text)
    ranges += more
    counts += await _counts(fetch, more)
    sought: list[_Range] = []
    total = 0
    for count, one in sorted(zip(counts, ranges, strict=True)):
        total += count
        if count and (not sought or total <= MAX_POSTINGS):
            sought.append(one)
    return sought


def _hits(one: _Range, where: Conditions) -> str:
    if one.high is None:
        return f"SELECT product_id, place FROM product_terms WHERE {one.condition(where)}"
    return f"""SELECT product_id, min(place) AS place FROM product_terms
        WHERE {one.condition(where)} GROUP BY product_id"""


def _ranked(sought: Sequence[_Range], query: ProductQuery) -> Statement:
    where = Conditions()
    hits = f"({' UNION ALL '.join(_hits(one, where) for one in sought)}) AS hits"
    where.prices(query)
    if where.conditions:
        hits += " JOIN products ON id = product_id"
    if len(sought) == 1 and not where.conditions:  # in the order of the index: nothing to group or to sort
        ranks = f"1 AS terms, place AS places, (SELECT count(*) FROM {hits}) AS total FROM {hits}"
        order = "places, product_id"
    else:
        ranks = f"count(*) AS terms, sum(place) AS places, count(*) OVER () AS total FROM {hits} {where}"
        ranks, order = f"{ranks} GROUP BY product_id", "terms DESC, places, product_id"
    sql = f"""SELECT {PRODUCT}, total
        FROM (SELECT product_id, {ranks} ORDER BY {order} {where.limit(query)}) AS ranked
        JOIN products ON id = product_id ORDER BY {order}"""
    return Statement(sql, where.args)


async def find(fetch: Fetch, query: ProductQuery) -> tuple[Sequence[Row], int]:
    """Return part of what is found, as rows of products, and its number.

    What shares more terms with the question comes first; among equals the better places, then the lower id.
    """
    sought = await _sought(fetch, query.query)
    if not sought:
        return [], 0
    rows = await fetch(_ranked(sought, query))
    if rows or not query.offset:
        return rows, rows[0][-1] if rows else 0
    first = await fetch(_ranked(sought, query.model_copy(update={"offset": 0, "limit": 1})))
    return [], first[0][-1] if first else 0

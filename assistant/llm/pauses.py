"""For how long a provider asks to be left alone: in a header, in a field of its refusal, or in words."""

import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_READ = 10_000  # characters of a refusal that are looked at
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "秒": 1, "分": 60, "小": 3600, "天": 86400}
_UNIT = r"(?:ms|s(?:ec\w{0,6})?|m(?:in\w{0,5})?|h(?:ours?)?|d(?:ays?)?)(?![a-z])|秒|分钟?|小时|天"
_SPAN = rf"(?:\d{{1,7}}(?:\.\d{{1,9}})? ?(?:{_UNIT})[ ,]{{0,2}}){{1,4}}"
_WORDS = re.compile(  # Gemini, OpenAI and Groq, Azure; Chinese gateways
    rf"(?:retry|again|resets?|wait)(?: (?:in|after|for|about)){{0,2}} (?P<en>{_SPAN})"
    rf"|(?P<zh>{_SPAN})之?[后後]",
    re.IGNORECASE,
)
_PART = re.compile(rf"(\d+(?:\.\d+)?) ?({_UNIT})", re.IGNORECASE)
_FIELD = re.compile(  # Google's RetryInfo; those of Cloudflare and gateways
    r'"retry_?(?:after|delay)_?(?P<of>ms|milli\w*|s\w*|)"\s{0,3}:\s{0,3}"?(?P<n>\d{1,9}(?:\.\d{1,9})?)(?P<unit>m?s|)"?',
    re.IGNORECASE,
)
_RESET = re.compile(r'"x-ratelimit-reset"\s{0,3}:\s{0,3}"?(\d{1,13})\b', re.IGNORECASE)  # OpenRouter


def pause_of(refusal: str) -> float | None:
    """Return for how many seconds a refusal asks to wait, where it says so anywhere."""
    told = refusal[:MAX_READ]
    if found := _FIELD.search(told):
        is_thousandth = found["of"].lower().startswith("m") or found["unit"].lower() == "ms"
        return float(found["n"]) * (UNITS["ms"] if is_thousandth else 1)
    if found := _WORDS.search(told):
        return sum(_seconds(found["en"] or found["zh"]))
    if found := _RESET.search(told):
        return _until(int(found[1]))
    return None


def pause_in(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds the headers of a refusal ask to wait."""
    value = headers.get("Retry-After", "")
    if re.fullmatch(r"\d{1,6}(\.\d*)?s?", value):
        return float(value.removesuffix("s"))
    if re.fullmatch(r"\d{1,9}", milliseconds := headers.get("Retry-After-Ms", "")):  # OpenAI, Azure
        return int(milliseconds) / 1000
    try:
        until = parsedate_to_datetime(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _seconds(span: str) -> Iterator[float]:
    for number, unit in _PART.findall(span):
        yield float(number) * UNITS["ms" if unit.lower() == "ms" else unit[0].lower()]


def _until(moment: int) -> float:
    """Return how long it is until a moment in seconds or milliseconds since 1970, or take it as a pause."""
    if moment < 10**9:
        return moment
    return max(0.0, (moment / 1000 if moment > 10**12 else moment) - time.time())

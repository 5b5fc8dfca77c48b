"""The shop's days: they begin and end at its own midnight, also where clocks are changed twice a year."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import tzlocal

from shop.errors import StoreUnavailableError

DAY = timedelta(days=1)
TIMEZONE = "SELECT value FROM facts WHERE name = 'timezone'"
SET_DAYS = "UPDATE orders SET day = ?1 WHERE ordered_at >= ?2 AND ordered_at < ?3"
ORDER_TIMES = "SELECT min(ordered_at), max(ordered_at) FROM orders"


@cache
def zone_named(name: str) -> ZoneInfo:
    """Return the zone of a database. Raises `StoreUnavailableError` where this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise StoreUnavailableError("timezone_unknown", timezone=name) from error


def settled(kept: str | None, wanted: str | None, *, move: bool) -> str:
    """Return the zone in which a database counts its days: `kept` unless it is new, or to be moved.

    Raises `StoreUnavailableError` where another one is wanted.
    """
    if wanted and kept not in (None, wanted) and not move:
        raise StoreUnavailableError("timezone_differs", kept=kept, wanted=wanted)
    chosen = wanted or kept or _machines_timezone()
    return zone_named(chosen).key


def _machines_timezone() -> str:
    try:
        return zone_named(tzlocal.get_localzone_name() or "UTC").key
    except (ZoneInfoNotFoundError, StoreUnavailableError):  # its settings contradict each other
        return "UTC"


def stored_now() -> str:
    """Return now as it is stored."""
    return stored_time(datetime.now(UTC))


def stored_time(moment: datetime) -> str:
    """Return a moment as it is stored: ISO 8601 in UTC, of one width, so that text sorts as time does."""
    try:
        return moment.astimezone(UTC).isoformat(timespec="microseconds")
    except OverflowError:  # in UTC it lies outside the years 1 to 9999
        return moment.replace(tzinfo=UTC).isoformat(timespec="microseconds")


def day_of(moment: datetime, zone: ZoneInfo) -> str:
    """Return the shop's day of a moment."""
    return moment.astimezone(zone).date().isoformat()


def first_moment(of: date, zone: ZoneInfo) -> str:
    """Return when a day begins; of a time without offset, that time in the shop."""
    if isinstance(of, datetime):
        return stored_time(of if of.tzinfo else of.replace(tzinfo=zone))
    # A midnight that clocks jump over is read by the offset before: that is the moment of the jump.
    return stored_time(datetime.combine(of, time.min, zone))


def last_moment(of: date, zone: ZoneInfo) -> str:
    """Return the last microsecond of a day; of a time, the same as `first_moment`."""
    if isinstance(of, datetime):
        return first_moment(of, zone)
    if of == date.max:
        return stored_time(datetime.max.replace(tzinfo=UTC))
    return stored_time(datetime.fromisoformat(first_moment(of + DAY, zone)) - timedelta(microseconds=1))


def day_ranges(times: Sequence[str | None], zone: ZoneInfo) -> Iterator[tuple[str, str, str]]:
    """Yield what `SET_DAYS` takes for each day in the range of `ORDER_TIMES`: day, begin and end."""
    first, last = times
    if first is None or last is None:
        return
    day = datetime.fromisoformat(first).astimezone(zone).date()
    while (begin := first_moment(day, zone)) <= last:
        yield day.isoformat(), begin, first_moment(day + DAY, zone)
        day += DAY

"""The shop's days: those of its zone, on both engines, where clocks are changed and after the zone is."""

import asyncio
import itertools
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest

import api
from models import OrderItem, PurchaseRequest
from shop import days, stock
from shop.engines import open_store
from shop.errors import StoreUnavailableError
from shop.filters import OrderQuery, SummaryQuery
from shop.postgres import run_script
from shop.queries import Many, Row, Script, Statement
from shop.sentences import failure_sentence
from shop.store import Store
from tests.support.engines import ENGINES, ask, new_url, write_old_shop

pytestmark = pytest.mark.anyio
ONE = PurchaseRequest(customerName="A", items=[OrderItem(productId=1, quantity=1)])


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


def write_orders(url: str, zone: str, *moments: str) -> None:
    """Write orders of these moments (ISO 8601 with offset), as they would have been placed then."""
    for moment in map(datetime.fromisoformat, moments):
        day = days.day_of(moment, days.zone_named(zone))
        ask(
            url,
            f"""INSERT INTO orders (customer, total_cents, units, ordered_at, day)
                VALUES ('A', 100, 1, '{days.stored_time(moment)}', '{day}')""",
        )
        ask(url, "INSERT INTO order_items SELECT max(id), 0, 1, 1, 100 FROM orders")


async def sums(shop: Store, **query: str) -> list[tuple[str, int]]:
    page = await shop.summary(SummaryQuery.model_validate({"groupBy": "day"} | query))
    return [(row.key, row.orders) for row in page.items]


async def number(shop: Store, **query: str) -> int:
    return (await shop.orders(OrderQuery.model_validate(query))).total


async def test_half_past_one_in_shanghai_belongs_to_the_day_that_began_there(url: str) -> None:
    shop = await open_store(url, timezone="Asia/Shanghai")
    write_orders(url, "Asia/Shanghai", "2026-11-27T01:30:00+08:00", "2026-11-26T23:30:00+08:00")
    assert await sums(shop) == [("2026-11-27", 1), ("2026-11-26", 1)]
    assert await sums(shop, since="2026-11-27", until="2026-11-27") == [("2026-11-27", 1)]
    assert await number(shop, since="2026-11-27") == await number(shop, until="2026-11-26") == 1
    assert await number(shop, since="20261127", until="2026-W48-5") == 1
    assert await number(shop, since="2026-11-27T01:30:00") == 1  # a time without offset is the shop's, too
    assert await number(shop, since="2026-11-26T17:30:00Z", until="2026-11-27T01:30:00+08:00") == 1
    await shop.close()


async def test_an_order_placed_now_is_of_today(url: str) -> None:
    shop = await open_store(url, timezone="Pacific/Kiritimati")  # UTC+14: no other place is as far
    before = await shop.today()
    await shop.purchase(ONE)
    ((day, orders),) = await sums(shop)
    assert (before.timezone, orders) == ("Pacific/Kiritimati", 1)
    assert day in {before.today, (await shop.today()).today}
    assert await number(shop, since=day, until=day) == 1
    await shop.close()


CHANGES = {  # zone: (day, the first and the last moment of it)
    "Europe/Berlin": ("2026-10-25", "2026-10-24T22:00:00+00:00", "2026-10-25T22:59:59.999999+00:00"),
    "America/New_York": ("2026-03-08", "2026-03-08T05:00:00+00:00", "2026-03-09T03:59:59.999999+00:00"),
    "Asia/Beirut": ("2026-03-29", "2026-03-28T22:00:00+00:00", "2026-03-29T20:59:59.999999+00:00"),
    "America/Havana": ("2026-11-01", "2026-11-01T04:00:00+00:00", "2026-11-02T04:59:59.999999+00:00"),
    "America/Nuuk": ("2026-10-24", "2026-10-24T01:00:00+00:00", "2026-10-25T01:59:59.999999+00:00"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-04-04T13:00:00+00:00", "2026-04-05T13:29:59.999999+00:00"),
}


@pytest.mark.parametrize("zone", CHANGES)
async def test_a_day_on_which_clocks_are_changed_is_longer_or_shorter(tmp_path: Path, zone: str) -> None:
    url = new_url("sqlite", tmp_path)
    day, first, last = CHANGES[zone]
    shop = await open_store(url, timezone=zone)
    step = timedelta(microseconds=1)
    before, after = datetime.fromisoformat(first) - step, datetime.fromisoformat(last) + step
    write_orders(url, zone, before.isoformat(), first, last, after.isoformat())
    assert dict(await sums(shop))[day] == await number(shop, since=day, until=day) == 2
    await shop.close()


async def test_the_first_and_the_last_day_of_the_calendar_are_days(url: str) -> None:
    for zone in ("Asia/Shanghai", "America/New_York"):
        shop = await open_store(url, timezone=zone, move_days=True)
        assert await number(shop, since="0001-01-01", until="9999-12-31") == 0
        assert await number(shop, since="9999-12-31T23:59:59", until="9999-12-31T23:59:59") == 0
        await shop.close()


async def test_another_zone_than_the_databases_is_refused_and_changes_nothing(url: str) -> None:
    await (await open_store(url, timezone="Asia/Shanghai")).close()
    with pytest.raises(StoreUnavailableError) as refused:
        await open_store(url, timezone="Europe/Berlin")
    assert "python api.py timezone Europe/Berlin" in failure_sentence(refused.value)
    shop = await open_store(url)
    assert (await shop.today()).timezone == "Asia/Shanghai"
    await shop.close()


async def test_orders_of_an_older_program_get_their_days(url: str) -> None:
    write_old_shop(url, 2)  # an order at ten in the morning, UTC
    shop = await open_store(url, timezone="Pacific/Kiritimati")
    assert await sums(shop) == [("2026-02-01", 1)]
    await shop.close()


async def test_a_zone_that_this_machine_does_not_know_is_named(url: str) -> None:
    await (await open_store(url)).close()
    ask(url, "UPDATE facts SET value = 'Mars/Olympus' WHERE name = 'timezone'")
    with pytest.raises(StoreUnavailableError) as refused:
        await open_store(url)
    assert "Mars/Olympus" in failure_sentence(refused.value)


async def test_a_new_database_takes_the_machines_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shop.days.tzlocal.get_localzone_name", lambda: "Asia/Tokyo")
    shop = await open_store(new_url("sqlite", tmp_path))
    assert (await shop.today()).timezone == "Asia/Tokyo"
    await shop.close()


async def move(url: str, zone: str) -> None:
    await asyncio.to_thread(api.command, "timezone", [zone, "--database-url", url])


async def test_the_command_moves_the_days_of_old_orders_while_the_shop_is_open(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = await open_store(url, timezone="UTC")
    write_orders(url, "UTC", "2026-11-26T17:30:00+00:00", "2026-03-29T22:30:00+00:00")
    await move(url, "Europe/Berlin")
    assert await sums(shop) == [("2026-11-26", 1), ("2026-03-30", 1)]
    await move(url, "Asia/Shanghai")
    assert await sums(shop) == [("2026-11-27", 1), ("2026-03-30", 1)]
    assert await number(shop, since="2026-11-27") == 1
    before = await shop.today()
    await shop.purchase(ONE)
    assert before.timezone == "Asia/Shanghai"
    assert (await sums(shop))[0][0] in {before.today, (await shop.today()).today}
    assert "Asia/Shanghai" in capsys.readouterr().out
    await shop.close()


@pytest.mark.parametrize("statements", [1, 2, 3])
async def test_an_order_in_flight_gets_its_day_of_the_new_zone(tmp_path: Path, statements: int) -> None:
    """Move the days after so many statements of a purchase, to where it is always another day."""
    url = new_url("postgres", tmp_path)
    shop = await open_store(url, timezone="Pacific/Kiritimati")
    began, connection = datetime.now(UTC), await asyncpg.connect(url)
    purchase = stock.place(ONE, None, None)
    moving: asyncio.Task[None] | None = None
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass"
    async with connection.transaction():
        step = next(purchase)
        with suppress(StopIteration):
            for number in itertools.count(1):
                step = purchase.send(await run_script(connection, alone(step)))
                if number == statements:
                    moving = asyncio.create_task(move(url, "Pacific/Pago_Pago"))
                    while not (moving.done() or await shop.fetch(Statement(waiting, []))):  # noqa: ASYNC110  not our lock
                        await asyncio.sleep(0)
    assert moving is not None
    await moving
    await connection.close()
    ((day, orders),) = await sums(shop)
    assert orders == 1
    assert day in {days.day_of(began, days.zone_named("Pacific/Pago_Pago")), (await shop.today()).today}
    await shop.close()


def alone(step: Statement | Many) -> Script[Sequence[Row]]:
    return (yield step)


@pytest.mark.parametrize("args", [[], ["--database-url", "sqlite:///x"]])
def test_the_command_without_a_zone_says_how_it_is_called(args: list[str]) -> None:
    with pytest.raises(SystemExit, match=r"python api\.py timezone"):
        api.command("timezone", args)


@pytest.mark.parametrize(
    "wrong",
    ["Asia/Peking", "asia/shanghai", "CST", "+08:00", "../etc/passwd", "Asia", "localtime", "Factory"],
)
def test_a_wrong_zone_is_refused_with_a_sentence(wrong: str) -> None:
    with pytest.raises(SystemExit, match=f"SHOP_TIMEZONE：没有叫 {re.escape(wrong)} 的时区"):
        api.command("timezone", [wrong])

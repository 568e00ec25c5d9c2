"""
Five years of one shop: files written by four versions of its code, opened by the newest.

2022: `OrderPlaced` has `cust`, a price in cents and the address. 2023: `cust` is `customer`. 2024: money is a text with
its currency, and `PageViewed` comes. 2025: the address is an event of its own, `OrderPlaced` is called `order-placed`.
2026: nobody views pages any more, and orders have a channel.
"""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, String, Table, insert, select

from eventfold import Aggregate, Became, Eventfold, Events, Projector, Query, Reactor, Recorded, View
from eventfold.bootstrap.planning import plan
from eventfold.cli.exits import Exit
from eventfold.cli.program import run
from eventfold.errors import UnknownEvent
from eventfold.schema.lockfile import Lockfile, check, lock

Paid = make_dataclass("Paid", [("by", str)], frozen=True)
OrderPlaced2022 = make_dataclass("OrderPlaced", [("cust", str), ("cents", int), ("address", str)], frozen=True)
OrderPlaced2023 = make_dataclass("OrderPlaced", [("customer", str), ("cents", int), ("address", str)], frozen=True)
OrderPlaced2024 = make_dataclass("OrderPlaced", [("customer", str), ("price", str), ("address", str)], frozen=True)
PageViewed = make_dataclass("PageViewed", [("page", str)], frozen=True)


@dataclass(frozen=True)
class OrderPlaced:
    customer: str
    price: str
    channel: str = "shop"


@dataclass(frozen=True)
class AddressGiven:
    address: str


def customer(old: dict[str, Any]) -> dict[str, Any]:
    return {"customer": old["cust"], "cents": old["cents"], "address": old["address"]}


def price(old: dict[str, Any]) -> dict[str, Any]:
    euros, cents = divmod(old["cents"], 100)
    return {"customer": old["customer"], "price": f"{euros}.{cents:02} EUR", "address": old["address"]}


def apart(old: dict[str, Any]) -> list[Became]:
    order = {"customer": old["customer"], "price": old["price"]}
    return [Became(OrderPlaced, order), Became(AddressGiven, {"address": old["address"]})]


def shop(events: Events, *classes: type[Any]) -> tuple[Aggregate[Any, Any, Any], Eventfold]:
    orders: Aggregate[Any, Any, Any] = Aggregate(
        "order",
        initial=(),
        decide=lambda command, seen: command,
        evolve=lambda seen, event: (*seen, event),
        events=classes,
    )
    return orders, Eventfold(deciders=[orders], events=events)


def of_2022() -> tuple[Aggregate[Any, Any, Any], Eventfold]:
    return shop(Events(), OrderPlaced2022, Paid)


def of_2023() -> tuple[Aggregate[Any, Any, Any], Eventfold]:
    events = Events()
    events.add(OrderPlaced2023, version=2, upcast={1: customer})
    return shop(events, OrderPlaced2023, Paid)


def of_2024() -> tuple[Aggregate[Any, Any, Any], Eventfold]:
    events = Events()
    events.add(OrderPlaced2024, version=3, upcast={1: customer, 2: price})
    return shop(events, OrderPlaced2024, Paid, PageViewed)


def catalogue_of_2025() -> Events:
    events = Events()
    events.add(
        OrderPlaced,
        name="order-placed",
        version=4,
        formerly=["OrderPlaced"],
        also=[AddressGiven],
        upcast={1: customer, 2: price, 3: apart},
    )
    return events


def of_2025() -> tuple[Aggregate[Any, Any, Any], Eventfold]:
    return shop(catalogue_of_2025(), OrderPlaced, AddressGiven, Paid, PageViewed)


def of_2026() -> tuple[Aggregate[Any, Any, Any], Eventfold]:
    events = catalogue_of_2025()
    events.retire("PageViewed")
    return shop(events, OrderPlaced, AddressGiven, Paid)


YEARS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "2022": (of_2022, (OrderPlaced2022("ann", 1205, "Rome"), Paid("card"))),
    "2023": (of_2023, (OrderPlaced2023("ann", 1205, "Rome"), Paid("card"))),
    "2024": (of_2024, (OrderPlaced2024("ann", "12.05 EUR", "Rome"), PageViewed("/"), Paid("card"))),
    "2025": (of_2025, (OrderPlaced("ann", "12.05 EUR"), AddressGiven("Rome"), Paid("card"), PageViewed("/"))),
}
TODAY = (OrderPlaced("ann", "12.05 EUR"), AddressGiven("Rome"), Paid("card"))


async def written(url: str, *years: str) -> None:
    for year in years:
        made, events = YEARS[year]
        orders, app = made()
        async with app.open(url) as running:
            await running.execute(orders, year, events)


@pytest.mark.parametrize("year", list(YEARS))
async def test_t44_fm19_a_file_of_each_year_is_opened_by_the_newest_code(year: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    await written(url, year)
    orders, app = of_2026()
    async with app.open(url) as running:
        loaded = await running.load(orders, year)
        assert loaded.state == TODAY
        assert loaded.version == len(YEARS[year][1])
        outcome = await running.execute(orders, year, (Paid("again"),))
        assert (outcome.version, outcome.state) == (loaded.version + 1, (*TODAY, Paid("again")))


async def test_t44_fm19_one_file_that_all_of_them_have_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    await written(url, *YEARS)
    rows = Table("addresses", MetaData(), Column("order", String, primary_key=True), Column("address", String))
    addresses = Projector("addresses", tables=[rows])

    @addresses.on(AddressGiven)
    def given(recorded: Recorded[AddressGiven], view: View) -> None:
        view.write(insert(rows), {"order": recorded.id, "address": recorded.event.address})

    orders, _ = of_2026()
    events = catalogue_of_2025()
    events.retire("PageViewed")
    app = Eventfold(deciders=[orders], processors=[addresses], events=events)
    assert [(each.will, each.events) async for each in plan(app, url)] == [("replay", 5)]  # by their names
    async with app.open(url) as running:
        await running.settled()
        assert sorted(await running.query(select(rows))) == [(year, "Rome") for year in YEARS]
        asked = [each async for each in running.read(Query.of(OrderPlaced))]
        assert [each.event for each in asked] == [OrderPlaced("ann", "12.05 EUR")] * 4
    assert [(each.will, each.events) async for each in plan(app, url)] == [("go on", 0)]


async def test_fm19_the_lockfile_of_each_year_holds_for_all_that_come_after() -> None:
    file: Lockfile | None = None
    for made in (of_2022, of_2023, of_2024, of_2025, of_2026):
        _, app = made()
        file = lock(app.catalogue, app.serializer, file)
        assert check(app.catalogue, app.serializer, file) == []
    assert file is not None
    assert {key for key in file.shapes if "rder" in key[0]} == {
        ("OrderPlaced", 1), ("OrderPlaced", 2), ("OrderPlaced", 3), ("order-placed", 4)
    }  # fmt: skip


async def test_fm19_older_code_refuses_what_newer_code_has_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    await written(url, "2024")
    orders, app = of_2023()
    async with app.open(url) as running:
        with pytest.raises(UnknownEvent, match="invalid event version 3"):
            await running.load(orders, "2024")


def deployed(version: int, start: Any, *names: str) -> Eventfold:
    orders, _ = of_2025()
    processors: list[Projector | Reactor] = [Projector("rows", version=version)]
    processors += [Reactor(name, start=start) for name in names]
    for each in processors:
        each.on(Paid)(lambda recorded, means: None)
    return Eventfold(deciders=[orders], processors=processors, events=catalogue_of_2025())


async def test_the_plan_says_what_is_replayed_sent_and_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    await written(url, "2025")

    async def told(app: Eventfold) -> dict[str, tuple[str, int]]:
        return {each.name: (each.will, each.events) async for each in plan(app, url)}

    assert await told(deployed(1, "beginning", "mails")) == {"rows": ("replay", 1), "mails": ("send", 1)}
    async with deployed(2, "now", "mails").open(url) as running:
        await running.settled()
    await written(url, "2022")
    assert await told(deployed(2, "now", "mails", "new")) == {
        "rows": ("go on", 1),
        "mails": ("send", 1),
        "new": ("start", 0),
    }
    assert (await told(deployed(3, "now")))["rows"] == ("replay", 2)
    assert (await told(deployed(1, "now")))["rows"] == ("refuse", 0)


async def test_t44_the_plan_for_a_store_of_the_first_release_is_to_migrate_it(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    copy(Path(__file__).resolve().parents[1] / "upgrade" / "releases" / "0.1.0" / "store.db", file)
    file.chmod(0o600)
    assert [each.will async for each in plan(of_2026()[1], f"sqlite:///{file}")] == ["migrate"]


app = of_2026()[1]


def test_the_plan_is_told_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path / 'none.db'}"
    assert run(["plan", url, "--app", f"{__name__}:app"]) == Exit.STORE_UNREACHABLE
    assert run(["store", "migrate", "--store", url]) == Exit.OK
    capsys.readouterr()
    assert run(["plan", url, "--app", f"{__name__}:app", "--json"]) == Exit.OK
    assert capsys.readouterr().out.split() == ["[]"]

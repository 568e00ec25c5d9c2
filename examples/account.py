"""An account, a command, a projection, and its rebuild by a restart. `python examples/account.py` runs it."""

import asyncio
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, select

from eventfold import Aggregate, Eventfold, Projector, Recorded, View, upsert


@dataclass(frozen=True)
class Deposited:
    cents: int


@dataclass(frozen=True)
class Deposit:
    cents: int


def decide(command: Deposit, balance: int) -> list[Deposited]:
    return [Deposited(command.cents)]


def evolve(balance: int, event: Deposited) -> int:
    return balance + event.cents


accounts = Aggregate("account", initial=0, decide=decide, evolve=evolve)
balances_t = Table("balances", MetaData(), Column("account", String, primary_key=True), Column("cents", Integer))
new_row: dict[str, object] = {"account": bindparam("id"), "cents": bindparam("paid")}
credit = upsert(balances_t, key=["account"], insert=new_row, set={"cents": balances_t.c.cents + bindparam("paid")})


def application(version: int) -> Eventfold:
    balances = Projector("balances", tables=[balances_t], version=version)

    @balances.on(Deposited)
    def deposited(recorded: Recorded[Deposited], view: View) -> None:
        view.write(credit, {"id": recorded.id, "paid": recorded.event.cents})

    return Eventfold(deciders=[accounts], processors=[balances])


async def main() -> None:
    with TemporaryDirectory() as folder:
        for version in (1, 2):  # a version above the last one empties the table and fills it anew
            async with application(version).open(f"sqlite:///{folder}/bank.db") as running:
                if version == 1:
                    await running.execute(accounts, "ann", Deposit(100_00))
                    await running.execute(accounts, "ann", Deposit(50))
                await running.settled()
                print(f"version {version}: {await running.query(select(balances_t))}")


if __name__ == "__main__":
    asyncio.run(main())

"""
K8: registering and logging in, by processes that share nothing but the store.

`python -m tests.acceptance.accounts commands URL` and `… queries URL` answer requests, a line of JSON each;
`eventfold run --app tests.acceptance.accounts:app` keeps the views in between.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, insert, select, update

from eventfold import Aggregate, Eventfold, Projector, Recorded, Running, View


@dataclass(frozen=True)
class Registered:
    email: str
    digest: str


@dataclass(frozen=True)
class LoggedIn:
    pass


@dataclass(frozen=True)
class Register:
    email: str
    password: str


@dataclass(frozen=True)
class LogIn:
    password: str


class Refused(Exception):
    """A rejection of the domain."""


Event: TypeAlias = Registered | LoggedIn


def digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def decide(command: Register | LogIn, kept: str | None) -> list[Event]:
    match command:
        case Register(email, password) if kept is None:
            return [Registered(email, digest(password))]
        case LogIn(password) if kept == digest(password):
            return [LoggedIn()]
        case _:
            raise Refused(type(command).__name__)


def evolve(kept: str | None, event: Registered | LoggedIn) -> str | None:
    return event.digest if isinstance(event, Registered) else kept


accounts = Aggregate("account", initial=None, decide=decide, evolve=evolve)

metadata = MetaData()
emails_t = Table("emails", metadata, Column("email", String, primary_key=True), Column("account", String))
logins_t = Table("logins", metadata, Column("account", String, primary_key=True), Column("times", Integer))
add_email = insert(emails_t).values(email=bindparam("e"), account=bindparam("a"))
add_logins = insert(logins_t).values(account=bindparam("a"), times=0)
count_login = update(logins_t).where(logins_t.c.account == bindparam("a")).values(times=logins_t.c.times + 1)

emails = Projector("emails", tables=[emails_t])
logins = Projector("logins", tables=[logins_t])


@emails.on(Registered)
def note_email(recorded: Recorded[Registered], view: View) -> None:
    view.write(add_email, {"e": recorded.event.email, "a": recorded.id})


@logins.on(Registered)
def begin_count(recorded: Recorded[Registered], view: View) -> None:
    view.write(add_logins, {"a": recorded.id})


@logins.on(LoggedIn)
def count(recorded: Recorded[LoggedIn], view: View) -> None:
    view.write(count_login, {"a": recorded.id})


app = Eventfold(deciders=[accounts], processors=[emails, logins])


async def commanded(running: Running, request: dict[str, Any]) -> object:
    match request:
        case {"register": email, "password": password}:
            outcome = await running.execute(accounts, str(running.new_id()), Register(email, password))
        case {"login": account, "password": password}:
            try:
                outcome = await running.execute(accounts, account, LogIn(password))
            except Refused:
                return "refused"
        case _:
            raise ValueError(request)
    return outcome.position


async def queried(running: Running, request: dict[str, Any]) -> object:
    if "account" in request:
        rows = await running.query(select(emails_t.c.account).where(emails_t.c.email == request["account"]))
    else:
        rows = await running.query(select(logins_t.c.times).where(logins_t.c.account == request["logins"]))
    return rows[0][0] if rows else None


async def main(role: str, url: str) -> None:
    answer: Callable[[Running, dict[str, Any]], Awaitable[object]] = {"commands": commanded, "queries": queried}[role]
    async with app.open(url, run=False) as running:
        print(json.dumps("ready"), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await answer(running, json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""`eventfold projections`: rows filled anew, compared, switched, and back; `eventfold at`: as they once were."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from eventfold.cli.exits import Exit, Refused
from eventfold.cli.options import DEFAULT_STORE, AppName, AsJson, Place, StoreUrl, loaded, looking
from eventfold.cli.printing import print_json, print_json_array, print_table, visible
from eventfold.errors import Fenced, ProcessingError, ProcessorTaken

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from eventfold import Eventfold, Running
    from eventfold.bootstrap.projections import Rebuilt
    from eventfold.processing.rebuild import Compared, Progress

__all__ = ["AT_EXAMPLES", "at", "opened", "projections", "time_of"]

REBUILD_EXAMPLES = """Examples:
  eventfold projections rebuild stock --app shop:app
  eventfold projections rebuild stock --app shop:app --verify
  eventfold projections rebuild stock --app shop:app --no-switch --json"""
VERIFY_EXAMPLES = """Examples:
  eventfold projections verify stock --app shop:app
  eventfold projections verify stock --app shop:app --json"""
SWITCH_EXAMPLES = """Examples:
  eventfold projections switch stock --app shop:app
  eventfold projections switch stock --app shop:app --verify"""
ROLLBACK_EXAMPLES = """Examples:
  eventfold projections rollback stock --app shop:app"""
DROP_OLD_EXAMPLES = """Examples:
  eventfold projections drop-old stock --app shop:app"""
DROP_NEXT_EXAMPLES = """Examples:
  eventfold projections drop-next stock --app shop:app"""
AT_EXAMPLES = """Examples:
  eventfold at stock --position 1200 --app shop:app
  eventfold at stock --time 2026-11-01T12:00:00Z --app shop:app --json"""


projections: App = App(
    name="projections",
    help="Fill the rows of a projector anew while everything goes on; compare, switch, and go back.",
    help_epilogue="""Examples:
  eventfold projections rebuild stock --app shop:app
  eventfold projections rollback stock --app shop:app""",
)


@projections.command(help_epilogue=REBUILD_EXAMPLES)
async def rebuild(
    name: str,
    /,
    *,
    app: AppName,
    verify: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    switch: Annotated[bool, Parameter(negative="--no-switch")] = True,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> Exit:
    """
    Fill a projector's tables anew beside the live ones, and switch in one transaction when they have caught up.

    Readers and writers go on. With code of a higher version this deploys it: processes of the older code stop at the
    switch. What was live is kept under stock__old, for `rollback`. Killed, it goes on where it was at the
    next call.

    Exit code 1 when the rows differ, or a function has failed; nothing is switched then.

    Args:
        name: of the projector.
        app: module:app, or module:factory() of a function that makes it.
        verify: compare with the live rows at the same position before switching.
        switch: or leave the rows beside the live ones, for `verify` and `switch`.
        json: print progress and result, each a line of JSON.
        store: URL of the store.
    """
    async with opened(loaded(app), store) as running:
        told = _Telling(name, json=json)
        rebuilt = await _whole(
            running.projections.rebuild(name, switch=switch, verify=verify, on_progress=told.progress)
        )
        return told.result(rebuilt)


@projections.command(help_epilogue=VERIFY_EXAMPLES)
async def verify(name: str, /, *, app: AppName, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> Exit:
    """
    Compare rebuilt rows that wait beside the live ones with those, both at the same position.

    Args:
        name: of the projector.
        app: module:app, or module:factory() of a function that makes it.
        json: print a line of JSON.
        store: URL of the store.
    """
    async with opened(loaded(app), store) as running:
        return _Telling(name, json=json).result(await _whole(running.projections.verify(name)))


@projections.command(help_epilogue=SWITCH_EXAMPLES)
async def switch(
    name: str,
    /,
    *,
    app: AppName,
    verify: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> Exit:
    """
    Put rebuilt rows that wait beside the live ones in their place, once they have caught up.

    Args:
        name: of the projector.
        app: module:app, or module:factory() of a function that makes it.
        verify: compare first, and do not switch if they differ.
        json: print a line of JSON.
        store: URL of the store.
    """
    async with opened(loaded(app), store) as running:
        return _Telling(name, json=json).result(await _whole(running.projections.switch(name, verify=verify)))


@projections.command(help_epilogue=ROLLBACK_EXAMPLES)
async def rollback(name: str, /, *, app: AppName, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    Let the old rows be the live ones again, and those of now the old ones. They catch up from where they were.

    If they are of an older version, stop the processes of the newer code first, and start those of the older after.

    Args:
        name: of the projector.
        app: module:app, or module:factory() of a function that makes it.
        json: print a line of JSON.
        store: URL of the store.
    """
    await _step(
        name,
        app,
        store,
        lambda running: running.projections.roll_back(name),
        "rolled back",
        f"{name} has its old rows again; once more leads forward again.",
        json=json,
    )


@projections.command(help_epilogue=DROP_OLD_EXAMPLES)
async def drop_old(name: str, /, *, app: AppName, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    Drop the old rows that the last switch has kept. From then on nothing can be rolled back.

    Args:
        name: of the projector.
        app: module:app, or module:factory() of a function that makes it.
        json: print a line of JSON.
        store: URL of the store.
    """
    await _step(
        name,
        app,
        store,
        lambda running: running.projections.drop_old(name),
        "dropped the old rows",
        f"the old rows of {name} are gone.",
        json=json,
    )


@projections.command(help_epilogue=DROP_NEXT_EXAMPLES)
async def drop_next(name: str, /, *, app: AppName, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    Give a rebuild up, and drop what it has filled.

    Args:
        name: of the projector.
        app: module:app, or module:factory() of a function that makes it.
        json: print a line of JSON.
        store: URL of the store.
    """
    await _step(
        name,
        app,
        store,
        lambda running: running.projections.drop_next(name),
        "gave the rebuild up",
        f"what was rebuilt of {name} is gone.",
        json=json,
    )


async def at(
    name: str,
    /,
    *,
    app: AppName,
    position: Place | None = None,
    time: str | None = None,
    table: str | None = None,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    Show a projector's rows as they were, filled in memory from the log. Nothing in the store is touched.

    Args:
        name: of the projector.
        app: module:app, or module:factory() of a function that makes it.
        position: up to the event at this position.
        time: up to this time, as in 2026-11-01T12:00:00Z; UTC where it names no zone.
        table: of its tables; otherwise the first.
        json: print a JSON array.
        store: URL of the store.
    """
    from sqlalchemy import select

    from eventfold.processing.projector import Projector

    mine = loaded(app)
    async with opened(mine, store) as running:
        projector = mine.processor(name)
        tables = {each.name: each for each in projector.tables} if isinstance(projector, Projector) else {}
        if table is not None and table not in tables:
            raise Refused(f"--table {table}: {name} has {', '.join(tables) or 'no tables'}")
        async with running.projections.at(name, position=position, time=time_of(time)) as then:
            shown = tables[table] if table is not None else next(iter(tables.values()), None)
            if shown is None:
                raise Refused(f"{name} has no tables")
            rows = await then.query(select(shown).order_by(*shown.primary_key.columns))
    columns = [column.name for column in shown.columns]
    if json:
        print_json_array(dict(zip(columns, row, strict=True)) for row in rows)
    else:
        print_table([(column, "left") for column in columns], rows)
        print(f"as of position {then.position}")


# ------------------------------------------------------------------------------- parts


@asynccontextmanager
async def opened(app: Eventfold, store: str) -> AsyncGenerator[Running]:
    """The application on its store as it is, running nothing."""
    async with AsyncExitStack() as stack:
        with looking():
            running = await stack.enter_async_context(app.open(store, run=False, migrate=False))
        yield running


async def _whole(work: Awaitable[Rebuilt]) -> Rebuilt:
    """Whoever rebuilds it already, or has taken it over, is told of in a sentence."""
    try:
        return await work
    except (ProcessorTaken, Fenced) as error:
        raise Refused(str(error), Exit.CONFLICT) from error
    except ProcessingError as error:
        told = f"{error}; the live rows are as they were, and what was filled can be gone on with"
        raise Refused(told, Exit.FINDINGS) from error


async def _step(
    name: str,
    app: str,
    store: str,
    work: Callable[[Running], Awaitable[None]],
    what: str,
    sentence: str,
    *,
    json: bool,
) -> None:
    async with opened(loaded(app), store) as running:
        try:
            await work(running)
        except (ProcessorTaken, Fenced) as error:
            raise Refused(str(error), Exit.CONFLICT) from error
    if json:
        print_json({"what": what, "projector": name})
    else:
        print(visible(sentence))


def time_of(text: str | None, option: str = "--time") -> datetime | None:
    """The moment, in UTC where it names no zone. Raises Refused for what is none."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{option} {text}: write 2026-11-01T12:00:00Z") from error
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _fields(progress: Progress) -> dict[str, object]:
    import msgspec

    fields: dict[str, object] = msgspec.to_builtins(progress)
    return fields


def _contents(compared: Compared) -> dict[str, object]:
    return {
        "live": {"rows": compared.live.rows, "hash": compared.live.hash},
        "rebuilt": {"rows": compared.rebuilt.rows, "hash": compared.rebuilt.hash},
    }


class _Telling:
    """Progress on standard error for people at a terminal, lines of JSON for programs; then the result."""

    def __init__(self, name: str, *, json: bool) -> None:
        self._name = name
        self._json = json
        self._shown = False

    def progress(self, progress: Progress) -> None:
        if self._json:
            print_json({"what": "progress", "projector": self._name, **_fields(progress)})
        elif sys.stderr.isatty():
            self._shown = True
            sys.stderr.write(f"\r\x1b[K{bar(progress)}")
            sys.stderr.flush()

    def result(self, rebuilt: Rebuilt) -> Exit:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
        if self._json:
            compared = [{"table": each.table, "same": each.same, **_contents(each)} for each in rebuilt.compared]
            print_json(
                {
                    "what": "rebuilt",
                    "projector": self._name,
                    "position": rebuilt.position,
                    "switched": rebuilt.switched,
                    "compared": compared,
                }
            )
        else:
            for each in rebuilt.compared:
                live, new = each.live, each.rebuilt
                verdict = "the same" if each.same else f"DIFFERENT: {live.rows:,} live, {new.rows:,} rebuilt"
                print(visible(f"{each.table}: {new.rows:,} rows, {verdict}."))
            print(visible(self._sentence(rebuilt)))
        return Exit.OK if rebuilt.same else Exit.FINDINGS

    def _sentence(self, rebuilt: Rebuilt) -> str:
        if rebuilt.switched:
            return f"{self._name} goes on with the new rows, from position {rebuilt.position}."
        return f"The new rows of {self._name} wait at position {rebuilt.position}; the live ones are as they were."


def bar(progress: Progress, width: int = 30) -> str:
    """`[#####.....]  50 %  1,000 of 2,000  500 a second  2 s left`."""
    share = min(1.0, progress.position / progress.end) if progress.end else 1.0
    full = int(share * width)
    left = "" if progress.seconds_left is None else f"  {progress.seconds_left:,.0f} s left"
    return (
        f"[{'#' * full}{'.' * (width - full)}] {share:4.0%}  {progress.position:,} of {progress.end:,}  "
        f"{progress.rate:,.0f} a second{left}"
    )

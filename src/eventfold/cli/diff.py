"""`eventfold diff`: what has changed between two points of the log, in rows, documents, or an aggregate's state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Parameter

from eventfold.cli.exits import Refused
from eventfold.cli.options import DEFAULT_STORE, AppName, AsJson, StoreUrl, loaded
from eventfold.cli.printing import json_line, print_json, print_table
from eventfold.cli.projections import opened, time_of

if TYPE_CHECKING:
    from sqlalchemy import Table

    from eventfold import Eventfold, Projector, Running

__all__ = ["DIFF_EXAMPLES", "diff"]

DIFF_EXAMPLES = """Examples:
  eventfold diff stock --from 1200 --to 1300 --app shop:app
  eventfold diff stock --from 2026-11-01T12:00:00Z --row isbn-1 --app shop:app --json
  eventfold diff book-isbn-1 --from 3 --to 8 --app shop:app"""

Fields = dict[str, Any]


async def diff(
    name: str,
    /,
    *,
    app: AppName,
    since: Annotated[str, Parameter(name="--from")],
    to: str | None = None,
    table: str | None = None,
    row: str | None = None,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    Show what has changed between two points: in the rows of a projector, or in the state of one aggregate.

    Both sides are folded from the log, in memory. Nothing in the store is touched.

    Args:
        name: of a projector, or CATEGORY-ID of an aggregate.
        app: module:app, or module:factory() of a function that makes it.
        since: a position (of an aggregate: a version), or a time as in 2026-11-01T12:00:00Z.
        to: the same; otherwise now.
        table: of the projector's tables; otherwise the first.
        row: only the one with this key; of several key columns, their values with commas between.
        json: print a line of JSON.
        store: URL of the store.
    """
    from eventfold.processing.projector import Projector

    mine = loaded(app)
    async with opened(mine, store) as running:
        projector = next((each for each in mine.processors if each.name == name), None)
        if projector is None:
            if table is not None or row is not None:
                raise Refused(f"no projector {name!r} in this application; --table and --row are for projectors")
            await _of_aggregate(running, mine, name, since, to, json=json)
        elif isinstance(projector, Projector):
            await _of_rows(running, projector, since, to, table, row, json=json)
        else:
            raise Refused(f"{name} is a {projector.kind}, which has no rows to compare")


async def _of_rows(
    running: Running,
    projector: Projector,
    since: str,
    to: str | None,
    table: str | None,
    row: str | None,
    *,
    json: bool,
) -> None:
    tables = {each.name: each for each in projector.tables}
    shown = next(iter(tables.values()), None) if table is None else tables.get(table)
    if shown is None:
        raise Refused(f"--table {table}: {projector.name} has {', '.join(tables) or 'no tables'}")
    if not shown.primary_key.columns:
        raise Refused(f"{shown.name} has no primary key, so no row can be told from another")
    at, before = await _rows_at(running, projector, shown, since)
    until, after = await _rows_at(running, projector, shown, to)
    keys = [each for each in {**before, **after} if row is None or each == row]
    changes = [_change({"key": key}, before.get(key), after.get(key)) for key in keys]
    _tell(
        {"projector": projector.name, "table": str(shown.name), "from": at, "to": until},
        [each for each in changes if each["fields"]],
        json=json,
    )


async def _rows_at(
    running: Running, projector: Projector, table: Table, point: str | None
) -> tuple[int, dict[str, Fields]]:
    import msgspec
    from sqlalchemy import select

    from eventfold import Documents

    number = await running.head() if point is None else _number(point)
    time = None if number is not None else time_of(point, "--from/--to")
    async with running.projections.at(projector, position=number, time=time) as then:
        rows = await then.query(select(table).order_by(*table.primary_key.columns))
        position = then.position
    names = [str(column.name) for column in table.columns]
    keys = [names.index(str(column.name)) for column in table.primary_key.columns]
    found: dict[str, Fields] = {}
    for each in rows:
        fields: Fields = dict(zip(names, each, strict=True))
        if isinstance(projector, Documents):
            fields["document"] = msgspec.json.decode(fields["document"])
        found[",".join(str(each[key]) for key in keys)] = dict(_flat(fields))
    return position, found


async def _of_aggregate(running: Running, app: Eventfold, name: str, since: str, to: str | None, *, json: bool) -> None:
    from eventfold.cli.records import as_record
    from eventfold.domain.aggregate import Aggregate
    from eventfold.domain.message import Stream, to_micros

    stream = Stream.parse(name)
    aggregate = next((e for e in app.deciders if isinstance(e, Aggregate) and e.name == stream.category), None)
    if aggregate is None:
        known = [each.name for each in (*app.processors, *app.deciders) if hasattr(each, "name")]
        raise Refused(f"{name} is neither a projector nor a stream of an aggregate of this application; it has {known}")
    events = [each async for each in running.source.read(stream)]

    def version(point: str | None) -> int:
        number = None if point is None else _number(point)
        if number is not None:
            return min(number, events[-1].version if events else 0)
        time = time_of(point, "--from/--to")
        known = [each.version for each in events if time is None or each.recorded_at <= to_micros(time)]
        return max(known, default=0)

    at, until = version(since), version(to)
    states: list[Fields] = []
    for each in (at, until):
        state = (await running.load(aggregate, stream.id, version=each)).state
        states.append(dict(_flat(_plain(state))))
    between = [as_record(each) for each in events if min(at, until) < each.version <= max(at, until)]
    change = _change({}, states[0], states[1])
    _tell(
        {"stream": name, "from": at, "to": until, **({"events": between} if json else {})},
        [change] if change["fields"] else [],
        json=json,
    )


def _change(of: Fields, before: Fields | None, after: Fields | None) -> Fields:
    left, right = before or {}, after or {}
    fields = {
        each: {"before": left.get(each), "after": right.get(each)}
        for each in {**left, **right}
        if each not in left or each not in right or left[each] != right[each]
    }
    what = "added" if before is None else "removed" if after is None else "changed"
    return {**of, "change": what, "fields": fields}


def _tell(head: Fields, changes: Sequence[Fields], *, json: bool) -> None:
    if json:
        print_json({**head, "changes": changes})
        return
    if changes:
        lines = [
            (each.get("key", ""), each["change"], field, _shown(values["before"]), _shown(values["after"]))
            for each in changes
            for field, values in each["fields"].items()
        ]
        print_table([(column, "left") for column in ("key", "change", "field", "before", "after")], lines)
    else:
        print("no difference")
    print(f"from {head['from']} to {head['to']}")


def _number(point: str) -> int | None:
    return int(point) if point.isascii() and point.isdigit() and len(point) < 19 else None


def _shown(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json_line(value)


def _plain(value: object) -> object:
    import msgspec

    try:
        return msgspec.to_builtins(value, str_keys=True)
    except (TypeError, ValueError):
        return repr(value)


def _flat(value: object, path: str = "") -> Iterator[tuple[str, Any]]:
    """`{"a": {"b": 1}}` as `a.b`: 1."""
    if isinstance(value, Mapping) and value:
        for name, each in cast("Mapping[object, object]", value).items():
            yield from _flat(each, f"{path}.{name}" if path else str(name))
    else:
        yield path or "state", value

"""`eventfold managers`: look after the processes of process managers, wherever they run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from cyclopts import App, Parameter

from eventfold.cli.exits import Exit, Refused
from eventfold.cli.options import DEFAULT_STORE, AsJson, Count, StoreUrl, login_name, open_for_reading
from eventfold.cli.printing import print_json, print_json_array, print_table, visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventfold.bootstrap.processes import Process
    from eventfold.domain.message import StoredEvent
    from eventfold.ports.timers import Timer

__all__ = ["managers"]

LS_EXAMPLES: Final = """Examples:
  eventfold managers ls
  eventfold managers ls loan --stuck
  eventfold managers ls loan --all --json --store sqlite:///bookstore.db"""
SHOW_EXAMPLES: Final = """Examples:
  eventfold managers show loan isbn-1
  eventfold managers show loan isbn-1 --json"""
NUDGE_EXAMPLES: Final = """Examples:
  eventfold managers nudge loan isbn-1
  eventfold managers nudge loan isbn-1 --timer due --actor ops --reason 'the reader has died'"""
CANCEL_EXAMPLES: Final = """Examples:
  eventfold managers cancel loan isbn-1 --actor ops --reason 'it was lent twice'
  eventfold managers cancel loan isbn-1 --actor ops --reason 'it was lent twice' --json"""

Manager: TypeAlias = Annotated[str, Parameter(name="MANAGER")]
Id: TypeAlias = Annotated[str, Parameter(name="ID")]

managers: App = App(
    name="managers",
    help="List and show the processes of process managers; nudge or cancel one. A manager does what it is asked for "
    "when it runs.",
    help_epilogue="""Examples:
  eventfold managers ls --stuck
  eventfold managers show loan isbn-1
  eventfold managers nudge loan isbn-1
  eventfold managers cancel loan isbn-1 --actor ops --reason 'it was lent twice'""",
)


@managers.command(help_epilogue=LS_EXAMPLES)
async def ls(
    manager: Annotated[str | None, Parameter(name="MANAGER")] = None,
    /,
    *,
    stuck: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    every: Annotated[bool, Parameter(name="--all", negative="", show_default=False)] = False,
    limit: Count = 1_000,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> Exit:
    """
    List the processes that have not come to their end, by manager and id.

    Stuck: the last input is longer ago than the manager's `stuck_after`.

    Args:
        manager: only those of this one.
        stuck: only those that are stuck. Exit code 1 when there are any.
        every: also those that are completed or cancelled.
        limit: at most so many.
        json: print a JSON array instead of a table.
        store: URL of the store.
    """
    from eventfold.adapters.system import system_clock
    from eventfold.bootstrap.processes import managers as known
    from eventfold.bootstrap.processes import processes

    async with open_for_reading(store) as stores:
        names = await known(stores) if manager is None else [manager]
        found = [each for name in names for each in await processes(stores, name, clock=system_clock)]
    wanted = {"stuck"} if stuck else {"open", "stuck", "completed", "cancelled"} if every else {"open", "stuck"}
    found = [each for each in found if each.state in wanted]
    shown = found[:limit]
    if json:
        print_json_array(map(_row, shown))
    elif not shown:
        print("No process is stuck." if stuck else "There are no processes.", file=sys.stderr)
    else:
        columns = ("manager", "id", "state", "version", "inputs", "last_input", "last_at", "next_timeout")
        print_table(
            [(name.replace("_", " "), "right" if name in {"version", "inputs"} else "left") for name in columns],
            [[row[name] for name in columns] for row in map(_row, shown)],
        )
    if len(found) > limit:
        print(f"These are the first {limit}; --limit shows more.", file=sys.stderr)
    return Exit.FINDINGS if stuck and found else Exit.OK


@managers.command(help_epilogue=SHOW_EXAMPLES)
async def show(manager: Manager, id: Id, /, *, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    Show a process: how it stands, the time-outs it waits for, its story.

    Args:
        manager: that it is of.
        id: its key.
        json: print a JSON object instead of tables.
        store: URL of the store.
    """
    from eventfold.adapters.system import system_clock
    from eventfold.bootstrap.processes import process_of, story
    from eventfold.cli.records import as_data, as_record, as_time

    async with open_for_reading(store) as stores:
        process = await process_of(stores, manager, id, clock=system_clock)
        events = await story(stores, manager, id)
        timers = await stores.timers.timers(manager, instance=id)
    if json:
        told = [as_record(each) for each in events]
        print_json({"process": _row(process), "timeouts": [_planned(each) for each in timers], "story": told})
        return
    print_table([("process", "left"), ("", "left")], [(k.replace("_", " "), v) for k, v in _row(process).items()])
    if timers:
        print_table([("time-out", "left"), ("due at", "left")], [(each.key, as_time(each.due_at)) for each in timers])
    print_table(
        [("version", "right"), ("recorded at", "left"), ("", "left"), ("data", "left")],
        [(each.version, as_time(each.recorded_at), _name(each), as_data(each)) for each in events],
    )


@managers.command(help_epilogue=NUDGE_EXAMPLES)
async def nudge(
    manager: Manager,
    id: Id,
    /,
    *,
    timer: str | None = None,
    actor: str | None = None,
    reason: str | None = None,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    Have what the process has decided last carried out once more, and its time-outs looked after. Nothing is done twice.

    Args:
        manager: that it is of.
        id: its key.
        timer: instead, let this time-out of it come now, before its time.
        actor: who asks for it; your login name unless given.
        reason: why.
        json: print how the process stands as a JSON object.
        store: URL of the store.
    """
    from eventfold.adapters.system import system_clock
    from eventfold.bootstrap import processes

    who = login_name() if actor is None else actor
    async with open_for_reading(store) as stores:
        process = await processes.process_of(stores, manager, id, clock=system_clock)
        _refuse_over(process)
        if timer is not None:
            await processes.ring(stores, manager, id, timer, actor=who)
        else:
            await processes.nudge(stores, manager, id, actor=who, reason=reason)
    _tell(process, f"{manager} {id} is nudged, and does what is left when {manager} runs.", json=json)


@managers.command(help_epilogue=CANCEL_EXAMPLES)
async def cancel(
    manager: Manager,
    id: Id,
    /,
    *,
    actor: Annotated[str, Parameter(help="Who does it; recorded in the story.")],
    reason: Annotated[str, Parameter(help="Why; recorded in the story.")],
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    End a process: its time-outs do not come any more, and what comes to it is ignored. Nothing it has done is undone.

    Args:
        manager: that it is of.
        id: its key.
        json: print how the process stands as a JSON object.
        store: URL of the store.
    """
    from eventfold.adapters.system import system_clock
    from eventfold.bootstrap import processes

    async with open_for_reading(store) as stores:
        _refuse_over(await processes.process_of(stores, manager, id, clock=system_clock))
        await processes.cancel(stores, manager, id, actor=actor, reason=reason)
        process = await processes.process_of(stores, manager, id, clock=system_clock)
    _tell(process, f"{manager} {id} is cancelled.", json=json)


def _refuse_over(process: Process) -> None:
    if process.state in {"completed", "cancelled"}:
        what = f"process {process.id!r} of manager {process.manager!r}"
        raise Refused(f"{what} is {process.state} already", Exit.CONFLICT)


def _tell(process: Process, sentence: str, *, json: bool) -> None:
    if json:
        print_json(_row(process))
    else:
        print(visible(sentence))


def _row(process: Process) -> Mapping[str, object]:
    from eventfold.cli.records import as_time

    return {
        "manager": process.manager,
        "id": process.id,
        "state": process.state,
        "version": process.begun,
        "decided_by": process.latest,
        "inputs": process.inputs,
        "last_input": process.last_input,
        "last_at": as_time(process.last_at),
        "next_timeout": None if process.due is None else as_time(process.due),
    }


def _planned(timer: Timer) -> Mapping[str, object]:
    from eventfold.cli.records import as_time

    return {"key": timer.key, "due_at": as_time(timer.due_at), "type": timer.type}


def _name(event: StoredEvent) -> str:
    return event.type.removeprefix("eventfold:")

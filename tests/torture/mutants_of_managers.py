"""Bugs to be planted in process managers and their time-outs, each with the test that must turn red."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from eventfold.adapters.sqlite import read_model as rows_on_sqlite
from eventfold.adapters.sqlite import timers as on_sqlite
from eventfold.adapters.sqlite.timers import SqliteTimers
from eventfold.errors import StoreUnavailable
from eventfold.ports import read_model
from eventfold.ports.event_store import Append
from eventfold.ports.failpoint import failpoint
from eventfold.ports.timers import Gone, Timer
from eventfold.processing import alarm_clock, management
from eventfold.processing.alarm_clock import AlarmClock, timed_out
from eventfold.processing.instance import Deciding, Instance
from eventfold.processing.management import Management
from eventfold.processing.place import Place
from eventfold.processing.process_manager import ProcessManager

__all__ = ["PLANTED"]

Patch: TypeAlias = Callable[[Any, str, Any], None]


def time_outs_come_a_little_early(patch: Patch) -> None:
    """What is due within the next second comes now."""
    patch(on_sqlite, "DUE", on_sqlite.DUE.replace("due_at <= ?", "due_at <= ? + 1000000"))


def time_outs_come_in_any_order(patch: Patch) -> None:
    patch(on_sqlite, "DUE", on_sqlite.DUE.replace("ORDER BY due_at, instance, key", "ORDER BY instance, key"))


def rows_go_before_the_event(patch: Patch) -> None:
    """A crash in between loses the time-out."""

    async def ring(clock: AlarmClock) -> bool:
        due = await clock._timers.due(clock._manager, limit=1)
        await clock._timers.keep([], [alarm_clock._gone(each) for each in due])
        if due:
            failpoint("timers.after_record")
            await clock._record(due)
        return bool(due)

    patch(AlarmClock, "ring", ring)


def time_outs_have_random_ids(patch: Patch) -> None:
    """One that comes again after a crash is another one."""

    def random(timer: Timer, *, actor: str | None = None) -> Any:
        return msgspec.structs.replace(timed_out(timer, actor=actor), event_id=uuid.uuid4().bytes)

    patch(alarm_clock, "timed_out", random)


def the_clock_gives_up(patch: Patch) -> None:
    """A store that is away once is not asked again, and nobody hears of it."""

    async def once(clock: AlarmClock, place: Place) -> None:
        try:
            while True:
                await clock.ring()
                await place.pause(alarm_clock.LOOK)
        except StoreUnavailable:
            return

    patch(AlarmClock, "run", once)


def late_time_outs_count(patch: Patch) -> None:
    """Also one that was cancelled."""
    patch(management, "_is_late", lambda instance, recorded: False)


def nothing_is_done_again(patch: Patch) -> None:
    """An input that was taken before the crash counts as done."""
    taken = Management._taken

    async def fresh(manager: Management, id: str, event: object, recorded: Any) -> Instance | None:
        before = await manager._read(id)
        return None if recorded.event_id in before.taken else await taken(manager, id, event, recorded)

    patch(Management, "_taken", fresh)


def commands_have_random_ids(patch: Patch) -> None:
    patch(management, "derived", lambda manager, what: uuid.uuid4())


def a_refusal_is_forgotten(patch: Patch) -> None:
    """The command is sent again, and may be accepted by now."""
    add = Instance.add

    def forgetful(instance: Instance, version: int, position: int, record: Any) -> None:
        add(instance, version, position, record)
        instance.refused.clear()

    patch(Instance, "add", forgetful)


def whoever_comes_second_decides_too(patch: Patch) -> None:
    """The version of the stream is not verified."""
    patch(management, "Append", lambda stream, events, expect: Append(stream, events))


def the_end_is_no_end(patch: Patch) -> None:
    patch(Instance, "over", property(lambda instance: False))


def newer_code_is_not_noticed(patch: Patch) -> None:
    read = Deciding.read

    async def blind(deciding: Deciding, id: str, facts: Any) -> Instance:
        version, deciding._manager.version = deciding._manager.version, 2**31 - 1
        try:
            return await read(deciding, id, facts)
        finally:
            deciding._manager.version = version

    patch(Deciding, "read", blind)


def the_latest_rules_decide_on_all(patch: Patch) -> None:
    patch(ProcessManager, "of_version", lambda manager, begun: manager)


def newer_code_starts_over(patch: Patch) -> None:
    for module in (read_model, rows_on_sqlite):
        patch(module, "keeps_its_place", lambda kind: False)


def time_outs_are_not_written(patch: Patch) -> None:
    keep = SqliteTimers.keep

    async def strike_out_alone(timers: SqliteTimers, planned: Sequence[Timer], gone: Sequence[Gone] = ()) -> None:
        await keep(timers, [], gone)

    patch(SqliteTimers, "keep", strike_out_alone)


PLANTED: dict[str, tuple[Callable[[Patch], None], str]] = {
    "time_outs_come_a_little_early": (time_outs_come_a_little_early, "by_the_clock_of_the_store"),
    "time_outs_come_in_any_order": (time_outs_come_in_any_order, "a_day_of_downtime"),
    "rows_go_before_the_event": (rows_go_before_the_event, "any_point and memory and timers"),
    "time_outs_have_random_ids": (time_outs_have_random_ids, "any_point and memory and timers"),
    "the_clock_gives_up": (the_clock_gives_up, "away_for_a_while"),
    "late_time_outs_count": (late_time_outs_count, "lost_or_left_over"),
    "nothing_is_done_again": (nothing_is_done_again, "any_point and memory and after_append"),
    "commands_have_random_ids": (commands_have_random_ids, "any_point and memory and after_actions"),
    "a_refusal_is_forgotten": (a_refusal_is_forgotten, "a_refusal_stands and memory"),
    "whoever_comes_second_decides_too": (whoever_comes_second_decides_too, "several_workers and memory"),
    "the_end_is_no_end": (the_end_is_no_end, "after_its_end and memory"),
    "newer_code_is_not_noticed": (newer_code_is_not_noticed, "future_shape and memory"),
    "the_latest_rules_decide_on_all": (the_latest_rules_decide_on_all, "keeps_the_rules and memory"),
    "newer_code_starts_over": (newer_code_starts_over, "keeps_the_rules and memory"),
    "time_outs_are_not_written": (time_outs_are_not_written, "once_its_time_has_come and memory"),
}
"""What is planted, and the tests of test_fm18_managers.py that must turn red."""

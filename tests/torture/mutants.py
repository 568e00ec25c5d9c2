"""
Planted bugs: a name, a patch of the product in this process, and the torture test that must turn red.

`plant` is called by the fixture `planted` and by the children, for the name in EVENTFOLD_MUTANT. A test that has not
caught its mutant proves nothing; `scripts/torture.py` and `test_mutants.py` hold each against its test.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import uuid4

import msgspec

from eventfold import Joined, Locked
from eventfold.adapters import postgres
from eventfold.adapters.codecs.json import JsonCodec
from eventfold.adapters.memory_units import MemoryUnits
from eventfold.adapters.postgres import connection as postgres_connection
from eventfold.adapters.postgres import migrate as postgres_migrate
from eventfold.adapters.postgres import transient as postgres_transient
from eventfold.adapters.postgres.administration import PostgresAdministration
from eventfold.adapters.postgres.commit import Commit
from eventfold.adapters.postgres.connection import Connections
from eventfold.adapters.postgres.following import Following
from eventfold.adapters.postgres.open_unit import OpenUnit
from eventfold.adapters.sql.generations import Copies
from eventfold.adapters.sqlite import administration as sqlite_administration
from eventfold.adapters.sqlite import checkpoint_store as sqlite_checkpoints
from eventfold.adapters.sqlite import generations as sqlite_generations
from eventfold.adapters.sqlite import group as sqlite_group
from eventfold.adapters.sqlite import migrate
from eventfold.adapters.sqlite.connection import translated
from eventfold.adapters.sqlite.generations import SqliteGenerations
from eventfold.adapters.sqlite.group import GroupCommit
from eventfold.adapters.sqlite.lock import FileLock
from eventfold.adapters.sqlite.read_model import _OpenTransaction
from eventfold.adapters.sqlite.units import SqliteUnits
from eventfold.adapters.sqlite.wakeup import WakeUp
from eventfold.bootstrap import running
from eventfold.bootstrap.runner.supervisor import Supervisor
from eventfold.commands import boundary, idempotent, locking, manager
from eventfold.commands.idempotent import Once, Request
from eventfold.commands.recording import Recorder
from eventfold.errors import Fenced, RetryTransaction, StoreBusy, StoreError, StoreUnavailable
from eventfold.ports.actions import Action, Intent
from eventfold.ports.checkpoint_store import Checkpoint, Move
from eventfold.ports.event_store import Append
from eventfold.ports.failpoint import failpoint
from eventfold.ports.migrations import Migrations
from eventfold.ports.parking import Settled
from eventfold.ports.unit import CommandTaken
from eventfold.processing import following, worker
from eventfold.processing.act import Act
from eventfold.processing.ledger import Ledger
from eventfold.processing.place import Place
from eventfold.processing.projection import Projection
from eventfold.processing.rebuild import Rebuild
from eventfold.processing.seats import Seats
from eventfold.processing.worker import Worker
from eventfold.schema.serializer import Serializer
from tests.torture.mutants_of_managers import PLANTED

Patch: TypeAlias = Callable[[Any, str, Any], None]


@dataclass(frozen=True)
class Mutant:
    """`test`: what must turn red, as arguments of pytest. `quick`: in a few seconds, so `make test` looks too."""

    plant: Callable[[Patch], None]
    test: tuple[str, ...]
    quick: bool = True


def plant(name: str, patch: Patch = setattr) -> None:
    if name:
        MUTANTS[name].plant(patch)


def saying(patch: Patch, old: str, new: str) -> None:
    """The group commit says `new` to SQLite where it means `old`."""
    init = GroupCommit.__init__

    def changed(self: Any, connection: Any, *arguments: Any, **more: Any) -> None:
        init(self, connection, *arguments, **more)
        self._execute = lambda sql, values=(): connection.execute(new if sql == old else sql, values)

    patch(GroupCommit, "__init__", changed)


def ack_before_commit(patch: Patch) -> None:
    """A group is committed when the next one begins."""
    saying(patch, "COMMIT", "SELECT 1")
    begin = GroupCommit._begin

    def late(self: Any) -> None:
        if self._connection.in_transaction:
            self._connection.execute("COMMIT")
        begin(self)

    patch(GroupCommit, "_begin", late)


def deferred_begin(patch: Patch) -> None:
    """No file lock, and transactions that ask for the right to write when they write."""
    saying(patch, "BEGIN IMMEDIATE", "BEGIN")
    patch(FileLock, "try_take", lambda lock: True)
    patch(FileLock, "take", lambda lock: None)
    patch(FileLock, "release", lambda lock: None)


def no_cas(patch: Patch) -> None:
    """The expected version is not looked at."""
    patch(GroupCommit, "_conflict", lambda *_: None)


def stale_heads(patch: Patch) -> None:
    """What is known of a stream is believed for ever, also where the transaction sees something else."""
    look = GroupCommit._look
    believed: dict[tuple[int, Any], int] = {}

    def once(self: Any, stream: Any) -> int:
        return believed.setdefault((id(self), stream), look(self, stream))

    patch(GroupCommit, "_look", once)


def rewritten(known: Migrations, old: str, new: str) -> Migrations:
    """The migrations say `new` where they mean `old`."""
    assert any(old in each.script for each in known.steps), f"{old} has gone from the migrations"
    return Migrations(msgspec.structs.replace(each, script=each.script.replace(old, new)) for each in known.steps)


def no_event_id_unique(patch: Patch) -> None:
    changed = rewritten(migrate._migrations(), "UNIQUE (event_id)", "CHECK (1)")
    patch(migrate, "_migrations", lambda: changed)
    patch(GroupCommit, "_already_stored", lambda *_: None)


def io_error_is_a_rejection(patch: Patch) -> None:
    """A commit that failed is said to have stored nothing."""
    patch(GroupCommit, "_judged", lambda self, job, error, doing: translated(error, self._path, self._busy))


def checkpoint_outside_tx(patch: Patch) -> None:
    commit = _OpenTransaction.commit

    async def apart(self: Any, writes: Any, move: Move | None) -> None:
        await commit(self, writes, None)

        def run() -> None:
            assert move is not None
            failpoint("projection.before_checkpoint")
            self._rows.advance_within(self._connection, move)
            failpoint("projection.after_checkpoint_before_commit")
            failpoint("projection.after_commit")

        if move is not None:
            await self._rows.work(run, 1)

    patch(_OpenTransaction, "commit", apart)


def skip_on_error(patch: Patch) -> None:
    """A projector goes on behind what it could not handle."""
    handle = Projection.handle

    async def handled(self: Any, events: Any, place: Any) -> None:
        try:
            await handle(self, events, place)
        except (Fenced, StoreError):
            raise
        except Exception:  # and nobody is told
            await place.advance(events[-1])

    patch(Projection, "handle", handled)


def notify_only(patch: Patch) -> None:
    """Nobody looks when nobody tells."""
    patch(WakeUp, "_look", lambda wake_up: None)


def transaction_stays_open(patch: Patch) -> None:
    """Whoever is cancelled, or fails, leaves the writing connection in the middle of a transaction."""
    patch(_OpenTransaction, "_roll_back", lambda transaction: None)


def retry_without_id(patch: Patch) -> None:
    """The caller's own bug, which ids are for: what is unknown is tried again under new ids."""
    workload: Any = importlib.import_module("tests.torture.workload")
    had_been_stored = workload.Writes._had_been_stored

    async def anew(self: Any, *appends: Append) -> bool:
        again = [
            Append(each.stream, [msgspec.structs.replace(e, event_id=uuid4().bytes) for e in each.events], each.expect)
            for each in appends
        ]
        return bool(await had_been_stored(self, *again))

    patch(workload.Writes, "_had_been_stored", anew)


def decoder_errors_escape(patch: Patch) -> None:
    patch(JsonCodec, "decoder", lambda codec, kind: msgspec.json.Decoder(kind).decode)


def names_are_imported(patch: Patch) -> None:
    """A stored name that is unknown is looked for among the modules."""
    explained = Serializer._explained

    def looked_for(self: Any, stream: Any, fact: Sequence[Any], error: Exception) -> Exception:
        with suppress(Exception):
            importlib.import_module(str(fact[2]).partition(":")[0])
        return explained(self, stream, fact, error)  # type: ignore[arg-type] # passed on as it came

    patch(Serializer, "_explained", looked_for)


def in_the_database(patch: Patch, old: str, new: str) -> None:
    """The functions of the Postgres store say `new` where they mean `old`."""
    changed = rewritten(postgres_migrate._migrations(), old, new)
    patch(postgres_migrate, "_migrations", lambda: changed)


def epoch_without_locks(patch: Patch) -> None:
    """Readers do not look at who is appending."""
    in_the_database(patch, "least(coalesce(distance, 0), 0)", "0")


def epoch_once_for_a_session(patch: Patch) -> None:
    """That the lock is held is remembered beyond the transaction, and nobody looks whether it is so."""
    in_the_database(patch, "set_config('{entered}', '1', true)", "set_config('{entered}', '1', false)")
    in_the_database(patch, "IS DISTINCT FROM '1' OR NOT EXISTS (", "IS DISTINCT FROM '1' AND NOT EXISTS (")


def epoch_too_high(patch: Patch) -> None:
    """An appender's lock carries too high a value, as if it had been read while a position was being logged."""
    reading = "coalesce(pg_sequence_last_value('{events_position_seq}'), 0)"
    in_the_database(patch, f"{reading}::bit(32)::int", f"({reading} + 2)::bit(32)::int")


def epoch_does_not_wrap(patch: Patch) -> None:
    """The 32 bits of the lock are read as a whole number."""
    in_the_database(patch, "(objid::bigint - reached) << 32 >> 32", "objid::bigint - (reached & 4294967295)")


def any_version_before(patch: Patch) -> None:
    """An expected version holds when the stream has passed it."""
    in_the_database(patch, "p_expect = actual", "p_expect <= actual")


def lost_answer_is_a_rejection(patch: Patch) -> None:
    """An append whose connection broke is said to have stored nothing."""

    async def told(self: Any, jobs: Any, outcomes: list[Any], why: Exception) -> None:
        outcomes[:] = [StoreUnavailable(str(why)) if outcome is None else outcome for outcome in outcomes]

    patch(Commit, "_find_out", told)


def answer_before_commit(patch: Patch) -> None:
    """An append is answered when it is done, and committed a moment later."""

    async def begun(self: Any, fetch: Any, connection: Any, sql: str, values: Sequence[Any]) -> Any:
        if not connection.is_in_transaction():
            await connection.execute("BEGIN")
        return await fetch(sql, *values)

    give_back = Connections.give_back
    late: set[asyncio.Task[None]] = set()

    async def committed(self: Any, connection: Any) -> None:
        await asyncio.sleep(0.02)
        await connection.execute("COMMIT")
        give_back(self, connection)

    def given_back(self: Any, connection: Any) -> None:
        if not connection.is_closed() and connection.is_in_transaction():
            late.add(asyncio.ensure_future(committed(self, connection)))
        else:
            give_back(self, connection)

    patch(Commit, "_ask", begun)
    patch(Connections, "give_back", given_back)


def commit_without_the_disk(patch: Patch) -> None:
    """Appends are answered before the server has written its log."""
    connect = postgres_connection._connect

    def careless(*arguments: Any, server_settings: dict[str, str], **more: Any) -> Any:
        return connect(*arguments, server_settings=server_settings | {"synchronous_commit": "off"}, **more)

    async def fit(*_: Any, **__: Any) -> None:
        return

    patch(postgres_connection, "_connect", careless)
    patch(postgres, "refuse_unfit", fit)


def outage_stops_a_projector(patch: Patch) -> None:
    """A subscription that cannot begin is the end, also for who had one before."""
    patch(following, "HINDRANCES", (StoreBusy, RetryTransaction))
    patch(worker, "HINDRANCES", (StoreBusy, RetryTransaction))


def checkpoint_is_believed(patch: Patch) -> None:
    """Nobody looks whether the log holds the event of a checkpoint."""

    async def believed(self: Any, checkpoint: Checkpoint) -> None:
        return

    patch(Worker, "_verify", believed)


def checkpoint_without_compare(patch: Patch) -> None:
    """A checkpoint goes wherever it is sent, whoever sends it from wherever."""
    compares = "position = ? AND epoch = ?"
    assert compares in sqlite_checkpoints.ADVANCE
    patch(
        sqlite_checkpoints, "ADVANCE", sqlite_checkpoints.ADVANCE.replace(compares, "? IS NOT NULL AND ? IS NOT NULL")
    )


def servers_are_alike(patch: Patch) -> None:
    """Whoever answers is believed to have the whole log."""

    async def believed(self: Any) -> None:
        self._history = self._horizon.history

    patch(Following, "_recognise", believed)


def copy_is_the_same_store(patch: Patch) -> None:
    """Nobody looks whether this is the database that the store was in before."""

    async def recognised(*_: Any) -> bool:
        return True

    patch(postgres, "recognise", recognised)


def migration_takes_more_than_it_adds(patch: Patch) -> None:
    """A pre migration demands a column of every event, and only this release fills it."""
    changed = rewritten(
        migrate._migrations(),
        "CREATE TABLE {store_migrations}",
        "ALTER TABLE {events} ADD COLUMN shard INTEGER;"
        "CREATE TRIGGER shard BEFORE INSERT ON {events} WHEN new.shard IS NULL"
        " BEGIN SELECT RAISE(ABORT, 'no shard'); END;"
        "CREATE TABLE {store_migrations}",
    )
    insert = sqlite_group.INSERT_EVENT.replace("metadata, data)", "metadata, data, shard)").replace("?)", "?, 1)")
    patch(migrate, "_migrations", lambda: changed)
    patch(sqlite_group, "INSERT_EVENT", insert)


def migration_shuts_out_the_release_before(patch: Patch) -> None:
    """A pre migration raises the version that code must know."""
    patch(Migrations, "oldest", lambda known, applied, *, finish: max(applied.oldest, known.latest))


def lock_is_kept_after_the_commit(patch: Patch) -> None:
    """A command under a lock releases it when the block ends."""
    attempt = Locked._attempt

    async def nothing() -> None:
        return

    async def kept(self: Any, *arguments: Any) -> Any:
        self._held._until_released.aclose = nothing
        return await attempt(self, *arguments)

    patch(Locked, "_attempt", kept)


def handlers_are_told_under_the_lock(patch: Patch) -> None:
    """What a command under a lock has recorded is told before the lock is released."""
    attempt = Locked._attempt

    async def nothing() -> None:
        return

    async def early(self: Any, *arguments: Any) -> Any:
        held = self._held._until_released
        release, held.aclose = held.aclose, nothing
        outcome = await attempt(self, *arguments)
        await self._recorder.dispatch.tell(outcome.events)
        await release()
        return outcome

    patch(Locked, "_attempt", early)


def joined_without_a_savepoint(patch: Patch) -> None:
    """What a joined block has written before it failed stays in the caller's transaction."""
    patch(OpenUnit, "whole", lambda unit: nullcontext())


def units_begin_at_once(patch: Patch) -> None:
    """A transaction takes the one writer's turn before there is a statement."""

    def at_once(units: type[SqliteUnits | MemoryUnits]) -> None:
        transact = units.transact

        async def begun(self: Any, work: Any) -> Any:
            async def begins(unit: Any) -> Any:
                await unit.run(())
                return await work(unit)

            return await transact(self, begins)

        patch(units, "transact", begun)

    at_once(SqliteUnits)
    at_once(MemoryUnits)


def commands_beside_a_transaction(patch: Patch) -> None:
    """Nobody is told that his command will wait for the block it stands in."""
    for module in (locking, manager, boundary, running):
        patch(module, "refuse_beside_transaction", lambda store: None)


def committed_tells_each_time(patch: Patch) -> None:
    """Handlers hear as often as the caller says that he has committed."""
    committed = Joined.committed

    async def again(self: Any) -> None:
        self._told = False
        await committed(self)

    patch(Joined, "committed", again)


def commands_are_not_entered(patch: Patch) -> None:
    """Nobody remembers a command that was accepted."""
    append = Recorder.append

    def forgetful(self: Any, *arguments: Any) -> Any:
        return append(self, *arguments[:5])

    patch(Recorder, "append", forgetful)


def commands_are_entered_afterwards(patch: Patch) -> None:
    """In a transaction of their own, after that of their events."""
    append = Recorder.append

    async def in_two(self: Any, *arguments: Any) -> Any:
        appended = await append(self, *arguments[:5])
        if arguments[5:] and arguments[5] is not None:
            await self.accept(arguments[5].with_events(appended))
        return appended

    patch(Recorder, "append", in_two)


def failures_are_believed(patch: Patch) -> None:
    """Who fails on what the same command has recorded a moment before is told that the command failed."""

    async def outcome(self: Any, request: Any, attempt: Any, again: Any) -> Any:
        if (accepted := await self.known(request)) is None:
            try:
                return await attempt(), False
            except CommandTaken:
                accepted = await self.known(request)
        return await again(accepted), True

    patch(Once, "outcome", outcome)


def any_command_fits_its_id(patch: Patch) -> None:
    patch(Request, "refuse_other", lambda self, digest, what: None)


def outcomes_are_told_as_of_now(patch: Patch) -> None:
    """With the state that the aggregate has when the command is sent again."""
    load: Any = vars(idempotent)["load"]

    async def latest(*arguments: Any, upto: int) -> Any:
        return msgspec.structs.replace(await load(*arguments), version=upto)

    patch(idempotent, "load", latest)


def repeated_commands_are_heard_of(patch: Patch) -> None:
    """Handlers and buses are told of a command as often as it is sent while they are told of it."""
    outcome = Once.outcome

    async def heard(self: Any, *arguments: Any) -> Any:
        return (await outcome(self, *arguments))[0], False

    patch(Once, "outcome", heard)


def removed_events_are_told_as_none(patch: Patch) -> None:
    """The outcome of a command whose events an administrator has removed."""

    async def events(self: Any, request: Any, accepted: Any) -> Any:
        first, last = accepted.first_version, accepted.last_version
        return tuple([self._serializer.decode(e) async for e in self._source.read(accepted.stream, after=first - 1)])[
            : last - first + 1
        ]

    patch(Once, "events", events)


def joined_commands_are_not_entered(patch: Patch) -> None:
    """Those of a transaction of the caller's."""
    finish = Joined.finish

    async def forgetful(self: Any) -> None:
        self._entries.clear()
        await finish(self)

    patch(Joined, "finish", forgetful)


def sweep_finds_nothing(patch: Patch) -> None:
    """What a deletion has marked, and not removed before its process died, stays in the log for ever."""

    async def none(self: Any) -> list[Any]:
        return []

    patch(PostgresAdministration, "_pending", none)


def deleted_versions_return(patch: Patch) -> None:
    """Nothing tells a process that has a stream in mind that its version has been removed."""
    patch(sqlite_administration, "NO_RETURN", "SELECT 1")


def handlers_hide_a_conflict(patch: Patch) -> None:
    """A transactional handler that fails on a version which somebody else has taken is to blame."""

    async def judge(self: Any, append: Any, condition: Any, request: Any, failed: Exception, unit: Any) -> None:
        raise failed

    patch(Recorder, "_judge", judge)


def the_drivers_own_transaction(patch: Patch) -> None:
    """A connection on which BEGIN was cancelled is lent again, and its driver believes that a transaction is open."""
    patch(postgres_transient, "in_transaction", lambda connection: connection.transaction())


def actions_are_entered_afterwards(patch: Patch) -> None:
    """The ledger of effects has an entry when the action is done, and none before."""
    intend = Ledger.intend

    async def known(self: Any, event_id: bytes, key: str) -> tuple[Intent, Action | None]:
        intent, found = await intend(self, event_id, key)
        if found is None:
            await self.withdraw(intent)
        return intent, found

    patch(Ledger, "intend", known)


def emitted_events_have_random_ids(patch: Patch) -> None:
    """What is emitted again is another event."""
    patch(Act, "_derived", lambda act, what: uuid4())


def checkpoint_a_moment_later(patch: Patch) -> None:
    """Rows are committed, and the checkpoint is moved then."""
    commit = _OpenTransaction.commit

    async def apart(self: Any, writes: Any, step: Any) -> None:
        if isinstance(step, Settled) or not writes:
            await commit(self, writes, step)
            return
        await commit(self, writes, None)
        await asyncio.sleep(0.02)
        await self._rows.work(lambda: self._rows.advance_within(self._connection, step), 1)

    patch(_OpenTransaction, "commit", apart)


def parked_events_are_overtaken(patch: Patch) -> None:
    """Nobody looks whether an earlier event of the stream is parked."""
    patch(Place, "sorted", lambda place, events, parked=None: (events, ()))


def parked_after_the_checkpoint(patch: Patch) -> None:
    """What is set aside is entered in a transaction of its own, after that of the checkpoint."""
    commit = _OpenTransaction.commit

    async def in_two(self: Any, writes: Any, step: Any) -> None:
        if isinstance(step, Settled) or not step.aside:
            await commit(self, writes, step)
            return
        await commit(self, writes, msgspec.structs.replace(step, aside=()))
        rows, connection = self._rows, self._connection
        await rows.work(lambda: rows.parking.set_aside_within(connection, step, rows._micros()), 1)

    patch(_OpenTransaction, "commit", in_two)


def every_event_is_kept(patch: Patch) -> None:
    """Whoever reads an event keeps it for ever."""
    kept: list[Any] = []
    decode_all = Serializer.decode_all

    def remembered(self: Any, events: Any) -> Any:
        decoded = decode_all(self, events)
        kept.extend(decoded)
        return decoded

    patch(Serializer, "decode_all", remembered)


def a_task_for_every_step(patch: Patch) -> None:
    """Each step of a checkpoint leaves a task behind that waits for nothing."""
    kept: list[asyncio.Task[Any]] = []
    moved = Place.moved

    async def leaving(self: Any, move: Move) -> None:
        await moved(self, move)
        kept.append(asyncio.create_task(asyncio.Event().wait()))

    patch(Place, "moved", leaving)


def leases_are_kept(patch: Patch) -> None:
    """Who ends gives nothing back, and others wait until his leases have run out."""

    async def nothing(seats: Seats) -> None:
        return

    patch(Seats, "leave", nothing)


def the_first_signal_kills(patch: Patch) -> None:
    """A runner that is told to stop does not wait for anything."""
    stop = Supervisor.stop

    def at_once(supervisor: Supervisor, why: str) -> None:
        stop(supervisor, why)
        supervisor._kill_all()

    patch(Supervisor, "stop", at_once)


def switched_in_pieces(patch: Patch) -> None:
    """The switch of a rebuild is not one transaction."""
    patch(SqliteGenerations, "_transact", SqliteGenerations._write)


def switched_before_it_has_caught_up(patch: Patch) -> None:
    """What has happened since the rebuild came near the end is left for later."""
    catch_up, once = Rebuild.catch_up, set[Rebuild]()

    async def only_once(rebuild: Rebuild, bounds: Any = None) -> None:
        if rebuild not in once:
            once.add(rebuild)
            await catch_up(rebuild, bounds)

    patch(Rebuild, "catch_up", only_once)


def sleepers_fit_rebuilt_rows(patch: Patch) -> None:
    """The epoch of the rows that are live now is the one they had."""
    patch(sqlite_generations, "RAISE_EPOCHS", "SELECT ?, ?")


def rebuilds_mean_the_live_rows(patch: Patch) -> None:
    """The statements of handlers go to the live tables, whoever calls."""
    patch(Copies, "of", lambda copies, element: element)


T01, T04, T05, T08 = "test_t01_kill.py", "test_t04_failpoints.py", "test_t05_cancellation.py", "test_t08_disk.py"
DELETION = "test_t04_deletion.py"
T15, T30 = "test_t15_lost_hints.py", "test_t30_differential.py"
T10, T11 = "test_t10_interleavings.py", "test_t11_stress.py"
T02, T13, T20, T24 = "test_t02_postgres_kill.py", "test_t13_restore.py", "test_t20_proxy.py", "test_t24_failover.py"
T21, T35 = "test_t21_fencing.py", "test_t35_soak.py"
FOLLOWING, STORM = "test_t04_processing.py", "test_t01_runner_storm.py"
T33, T40 = "test_t33_linearizable.py", "test_t40_mutated.py"
T31, REBUILDS = "test_t31_rebuild.py", "../acceptance/test_rebuild.py"
T42 = "test_t42_sigterm.py"
MANAGERS = "../acceptance/test_fm18_managers.py"
T44 = "../upgrade/test_t44_upgrade.py"
LOCKS, JOINING = "../acceptance/test_d_locks.py", "../acceptance/test_joining.py"
HANDLERS = "../acceptance/test_e_handlers.py"
COMMANDS, T20_COMMANDS = "../acceptance/test_idempotent_commands.py", "test_t20_commands.py"
MUTANTS: dict[str, Mutant] = {
    "ack_before_commit": Mutant(ack_before_commit, (T01, "-k", "kill_9"), quick=False),
    "deferred_begin": Mutant(deferred_begin, (T01, "-k", "kill_9"), quick=False),
    "checkpoint_outside_tx": Mutant(checkpoint_outside_tx, (T04, "-k", "process and projection")),
    "skip_on_error": Mutant(skip_on_error, (T04, "-k", "an_error_at and projection and auto")),
    "retry_without_id": Mutant(retry_without_id, (T04, "-k", "an_error_at and before_ack")),
    "transaction_stays_open": Mutant(transaction_stays_open, (T05, "-k", "transaction and not postgres")),
    "io_error_is_a_rejection": Mutant(io_error_is_a_rejection, (T08, "-k", "io and once and auto")),
    "notify_only": Mutant(notify_only, (T15,)),
    "no_cas": Mutant(no_cas, (T33, "-k", "history and sqlite")),
    "stale_heads": Mutant(stale_heads, (T33, "-k", "history and sqlite")),
    "no_event_id_unique": Mutant(no_event_id_unique, (T30,)),
    "decoder_errors_escape": Mutant(decoder_errors_escape, (T40, "-k", "codec")),
    "epoch_without_locks": Mutant(epoch_without_locks, (T11,)),
    "epoch_once_for_a_session": Mutant(epoch_once_for_a_session, (T10, "-k", "script and bound and not at")),
    "epoch_too_high": Mutant(epoch_too_high, (T10, "-k", "script and append")),
    "epoch_does_not_wrap": Mutant(epoch_does_not_wrap, (T10, "-k", "script and 32")),
    "any_version_before": Mutant(any_version_before, (T33, "-k", "history and postgres")),
    "lost_answer_is_a_rejection": Mutant(lost_answer_is_a_rejection, (T20,)),
    "answer_before_commit": Mutant(answer_before_commit, (T02,)),
    "commit_without_the_disk": Mutant(commit_without_the_disk, (T24, "-k", "again_and_again"), quick=False),
    "outage_stops_a_projector": Mutant(outage_stops_a_projector, (T24, "-k", "loses_its_transaction")),
    "checkpoint_is_believed": Mutant(checkpoint_is_believed, (T24, "-k", "promoted")),
    "checkpoint_without_compare": Mutant(checkpoint_without_compare, (FOLLOWING, "-k", "stands_still and after_apply")),
    "servers_are_alike": Mutant(servers_are_alike, (T24, "-k", "lost_its_end and 60")),
    "copy_is_the_same_store": Mutant(copy_is_the_same_store, (T13,)),
    "migration_takes_more_than_it_adds": Mutant(
        migration_takes_more_than_it_adds, (T44, "-k", "file and side_by_side")
    ),
    "migration_shuts_out_the_release_before": Mutant(
        migration_shuts_out_the_release_before, (T44, "-k", "database and go_back")
    ),
    "names_are_imported": Mutant(names_are_imported, (T40, "-k", "looks_like_code")),
    "lock_is_kept_after_the_commit": Mutant(lock_is_kept_after_the_commit, (LOCKS, "-k", "a_commit_releases")),
    "handlers_are_told_under_the_lock": Mutant(handlers_are_told_under_the_lock, (LOCKS, "-k", "a_commit_releases")),
    "joined_without_a_savepoint": Mutant(
        joined_without_a_savepoint, (JOINING, "-k", "leaves_nothing_in_my_transaction")
    ),
    "units_begin_at_once": Mutant(units_begin_at_once, (JOINING, "-k", "keeps_nobody_waiting")),
    "commands_beside_a_transaction": Mutant(commands_beside_a_transaction, (JOINING, "-k", "beside_the_one_writer")),
    "sweep_finds_nothing": Mutant(sweep_finds_nothing, (DELETION, "-k", "postgres and marked")),
    "deleted_versions_return": Mutant(deleted_versions_return, (DELETION, "-k", "sqlite and removed")),
    "handlers_hide_a_conflict": Mutant(handlers_hide_a_conflict, (HANDLERS, "-k", "overtaken")),
    "the_drivers_own_transaction": Mutant(the_drivers_own_transaction, (T05, "-k", "prepare and postgres and once")),
    "committed_tells_each_time": Mutant(committed_tells_each_time, (JOINING, "-k", "my_commit_stores")),
    "commands_are_not_entered": Mutant(commands_are_not_entered, (COMMANDS, "-k", "again_has_one_effect")),
    "commands_are_entered_afterwards": Mutant(commands_are_entered_afterwards, (T20_COMMANDS, "-k", "sqlite")),
    "failures_are_believed": Mutant(failures_are_believed, (COMMANDS, "-k", "at_once_it_has_one_effect")),
    "any_command_fits_its_id": Mutant(any_command_fits_its_id, (COMMANDS, "-k", "another_command")),
    "outcomes_are_told_as_of_now": Mutant(outcomes_are_told_as_of_now, (COMMANDS, "-k", "again_has_one_effect")),
    "repeated_commands_are_heard_of": Mutant(repeated_commands_are_heard_of, (COMMANDS, "-k", "nobody_is_told_again")),
    "removed_events_are_told_as_none": Mutant(removed_events_are_told_as_none, (COMMANDS, "-k", "whose_stream")),
    "joined_commands_are_not_entered": Mutant(
        joined_commands_are_not_entered, (COMMANDS, "-k", "in_a_transaction_too")
    ),
    "parked_after_the_checkpoint": Mutant(
        parked_after_the_checkpoint, (FOLLOWING, "-k", "killed and projection and after_commit")
    ),
    "parked_events_are_overtaken": Mutant(parked_events_are_overtaken, (FOLLOWING, "-k", "killed and reaction")),
    "actions_are_entered_afterwards": Mutant(actions_are_entered_afterwards, (STORM, "-k", "unknown"), quick=False),
    "emitted_events_have_random_ids": Mutant(emitted_events_have_random_ids, (STORM, "-k", "unknown"), quick=False),
    "checkpoint_a_moment_later": Mutant(checkpoint_a_moment_later, (STORM, "-k", "unknown"), quick=False),
    "every_event_is_kept": Mutant(every_event_is_kept, (T35, "-k", "sqlite"), quick=False),
    "a_task_for_every_step": Mutant(a_task_for_every_step, (T35, "-k", "sqlite"), quick=False),
    "switched_in_pieces": Mutant(switched_in_pieces, (T31, "-k", "sqlite and readers"), quick=False),
    "switched_before_it_has_caught_up": Mutant(
        switched_before_it_has_caught_up, (REBUILDS, "-k", "sqlite and never_behind")
    ),
    "sleepers_fit_rebuilt_rows": Mutant(sleepers_fit_rebuilt_rows, (REBUILDS, "-k", "sqlite and slept")),
    "rebuilds_mean_the_live_rows": Mutant(rebuilds_mean_the_live_rows, (REBUILDS, "-k", "sqlite and g17")),
    "leases_are_kept": Mutant(leases_are_kept, (T42, "-k", "sqlite"), quick=False),
    "the_first_signal_kills": Mutant(the_first_signal_kills, (T42, "-k", "sqlite"), quick=False),
    **{name: Mutant(planting, (MANAGERS, "-k", test)) for name, (planting, test) in PLANTED.items()},
}
"""`sync_normal`, `sync_off` and two more are planted by T-03 itself, against itself."""

"""Several processes on one file: nobody starves, nobody sees SQLite's words, and news travel."""

import asyncio
import fcntl
import gc
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, bindparam, insert, select

from eventfold import Eventfold, Events, Projector, Recorded, View
from eventfold.adapters.sqlite import open_sqlite
from eventfold.adapters.sqlite.filesystem import file_system_of, refuse_network
from eventfold.adapters.sqlite.group import GroupCommit, Job, Outcome
from eventfold.adapters.sqlite.lock import FREE, FileLock, lock_holder
from eventfold.adapters.sqlite.read_model import SqliteReadModel
from eventfold.adapters.system import ManualClock, uuid7
from eventfold.bootstrap.stores import open_stores
from eventfold.domain.message import NewEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import Fenced, StoreBusy, StoreUnavailable, UnsupportedByStore
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.event_store import Append
from tests.integration.children import children
from tests.integration.contending import contend
from tests.integration.opening import opened

ANN = Stream("account", "ann")
GENEROUS = 20.0


def append(stream: Stream = ANN, count: int = 1) -> Append:
    return Append(stream, [NewEvent(event_id=uuid7().bytes, type="Happened", data=b"{}") for _ in range(count)])


# ----------------------------------------------------------------------------- fairness


async def test_fm31_a_lone_task_that_commits_on_the_loop_lets_others_in(tmp_path: Path) -> None:
    counts = [done for done, _ in await contend(tmp_path / "e.db", processes=3, tasks=1, seconds=2.0)]
    assert min(counts) / max(counts) >= 0.3, counts


def test_fm31_who_had_the_lock_last_leaves_it_to_who_waits(tmp_path: Path) -> None:
    path = str(tmp_path / "e.db")
    mine, other = FileLock(path, busy=GENEROUS), FileLock(path, busy=GENEROUS)
    assert mine.try_take()
    got, done = threading.Event(), threading.Event()

    def wait() -> None:
        other.take()
        got.set()
        done.wait(GENEROUS)
        other.release()

    waiter = threading.Thread(target=wait)
    waiter.start()
    while not mine._others_wait():
        pass
    mine.release()
    assert not mine.try_take()  # free or not, it is the other's turn
    assert got.wait(GENEROUS)
    done.set()
    waiter.join()
    assert mine.try_take()
    mine.release()
    assert mine.try_take()  # nobody waits
    for lock in (mine, other):
        lock.close()


def test_fm31_who_came_first_gets_it_first(tmp_path: Path) -> None:
    path = str(tmp_path / "e.db")
    holder, early, late = (FileLock(path, busy=GENEROUS) for _ in range(3))
    assert holder.try_take()
    order: list[str] = []

    def wait(name: str, lock: FileLock) -> None:
        lock.take()
        order.append(name)
        lock.release()

    waiters: list[threading.Thread] = []
    for name, lock in (("early", early), ("late", late)):
        waiters.append(threading.Thread(target=wait, args=(name, lock)))
        waiters[-1].start()
        while not (holder if name == "early" else early)._others_wait():
            pass
    holder.release()
    for waiter in waiters:
        waiter.join()
    assert order == ["early", "late"]
    for lock in (holder, early, late):
        lock.close()


def test_fm31_nobody_is_overtaken_in_the_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for patience in ("_COURTESY", "_DOUBT"):
        monkeypatch.setattr(f"eventfold.adapters.sqlite.lock.{patience}", 10**12)
    path = str(tmp_path / "e.db")
    holder, early, late = (FileLock(path, busy=GENEROUS) for _ in range(3))
    assert holder.try_take()
    came = time.monotonic_ns()
    early._mark(fcntl.F_RDLCK, came)
    got = threading.Event()

    def wait() -> None:
        late.take()
        got.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    while not early._others_wait():
        pass
    holder.release()
    assert not got.wait(0.1)  # free, but the other came first
    early._mark(fcntl.F_UNLCK, came)
    assert got.wait(GENEROUS)
    waiter.join()
    for lock in (holder, early, late):
        lock.close()


def test_fm31_one_that_waits_and_is_stopped_keeps_nobody_out(tmp_path: Path) -> None:
    path = str(tmp_path / "e.db")
    mine, stopped = FileLock(path, busy=GENEROUS), FileLock(path, busy=GENEROUS)
    assert mine.try_take()
    mine.release()
    stopped._mark(fcntl.F_RDLCK, time.monotonic_ns())
    assert not mine.try_take()
    mine.take()
    mine.release()
    for lock in (mine, stopped):
        lock.close()


class Lending(GroupCommit):
    """Counts groups."""

    def __init__(self, real: GroupCommit) -> None:
        self.sizes: list[int] = []
        self._real = real

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        self.sizes.append(len(jobs))
        return self._real.run(jobs)


@pytest.mark.parametrize("placement", ["auto", "thread"])
async def test_five_projections_and_many_appenders_take_turns(tmp_path: Path, placement: str) -> None:
    """After a group everyone who waited gets one turn; between two groups nobody gets two."""
    async with opened(tmp_path / "e.db", writer=placement, synchronous="normal") as (store, rows):
        counting = store._writer._group_commit = Lending(store._writer._group_commit)
        turns = [0] * 5
        over = False

        async def appends(number: int) -> None:
            while not over:
                await store.append(append(Stream("s", str(number))))

        async def projects(number: int) -> None:
            while not over:
                async with rows.transaction() as transaction:
                    await transaction.commit([], None)
                turns[number] += 1

        async with asyncio.timeout(GENEROUS), asyncio.TaskGroup() as tasks:
            for number in range(12):
                tasks.create_task(appends(number))
            for number in range(5):
                tasks.create_task(projects(number))
            while len(counting.sizes) < 100:  # noqa: ASYNC110 - groups end, nobody rings
                await asyncio.sleep(0)
            groups, before = len(counting.sizes), list(turns)
            while len(counting.sizes) < groups + 200:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
            lent = [after - start for after, start in zip(turns, before, strict=True)]
            groups = len(counting.sizes) - groups
            over = True
        assert min(lent) >= groups * 0.8, (lent, groups)
        assert max(lent) <= groups * 1.2, (lent, groups)


async def test_what_comes_while_the_lock_is_waited_for_joins_the_group(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with opened(path) as (store, _):
        counting = store._writer._group_commit = Lending(store._writer._group_commit)
        other = FileLock(str(path), busy=0)
        assert other.try_take()
        first = asyncio.ensure_future(store.append(append()))
        while not other._others_wait():  # noqa: ASYNC110 - a lock has no bell
            await asyncio.sleep(0)
        later = [asyncio.ensure_future(store.append(append())) for _ in range(5)]
        await asyncio.sleep(0)
        other.release()
        outcomes = await asyncio.gather(first, *later)
        other.close()
        assert sorted(each.streams[0].version for each in outcomes) == [1, 2, 3, 4, 5, 6]
        assert counting.sizes == [6]


# -------------------------------------------------------------------------------- busy

HOLDER = """
async def main():
    store, rows, _ = await open_sqlite(path, clock=system_clock)
    await rows.prepare("p", version=1, tables=[])
    async with rows.transaction() as transaction:
        from sqlalchemy import literal, select
        await transaction.fetch([], select(literal(1)), None)
        say("ready")
        while await told() != "go":
            pass
        await transaction.commit([], None)
    await store.append(append(Stream("account", "ann")))
    await store.close()
    await rows.close()
"""


@pytest.mark.parametrize("placement", ["auto", "thread"])
async def test_fm30_a_stopped_holder_is_named_and_once_it_goes_on_everybody_does(
    tmp_path: Path, placement: str
) -> None:
    path = tmp_path / "e.db"
    async with (
        children(HOLDER, (path,)) as (holder,),
        opened(path, busy=0.3, writer=placement) as (store, rows),
    ):
        os.kill(holder.pid, signal.SIGSTOP)
        turns_of_the_loop = 0

        async def neighbour() -> None:
            nonlocal turns_of_the_loop
            while True:
                await asyncio.sleep(0.001)
                turns_of_the_loop += 1

        beside = asyncio.ensure_future(neighbour())
        tries = [store.append(append()), store.append(append()), rows.prepare("q", version=1, tables=[])]
        for late in await asyncio.gather(*tries, rows.reset("p"), return_exceptions=True):
            assert type(late) is StoreBusy, late
            assert late.holder_pid == holder.pid
            assert late.held_for >= 0.29
            assert str(holder.pid) in str(late)
            assert late.retryable
        beside.cancel()
        assert turns_of_the_loop > 50  # nobody waited on the loop
        found = lock_holder(str(path))
        assert found is not None
        assert found[0] == holder.pid
        assert await store.head() == 0  # readers do not wait
        os.kill(holder.pid, signal.SIGCONT)
        holder.tell("go")
        assert await holder.ended() == ""
        assert (await store.append(append())).streams[0].version == 2
        await rows.reset("p")
        assert lock_holder(str(path)) is None


@pytest.mark.parametrize("placement", ["auto", "thread"])
async def test_fm30_a_foreign_writer_is_waited_for_off_the_loop(tmp_path: Path, placement: str) -> None:
    """Somebody with another program, who knows nothing of the lock."""
    path = tmp_path / "e.db"
    async with opened(path, busy=1.0, writer=placement) as (store, rows):
        await store.append(append())
        foreign = apsw.Connection(str(path))
        foreign.execute("BEGIN IMMEDIATE")
        longest = 0.0

        async def neighbour() -> None:
            nonlocal longest
            while True:
                before = time.monotonic()
                await asyncio.sleep(0.001)
                longest = max(longest, time.monotonic() - before)

        beside = asyncio.ensure_future(neighbour())
        for late in (store.append(append()), rows.reset("p"), rows.prepare("p", version=1, tables=[])):
            began = time.monotonic()
            with pytest.raises(StoreBusy) as busy:
                await late
            assert busy.value.holder_pid is None
            assert time.monotonic() - began > 0.9
        beside.cancel()
        assert longest < 0.8
        waiting = [asyncio.ensure_future(late) for late in (store.append(append()), rows.reset("p"))]
        await asyncio.sleep(0.05)
        foreign.execute("ROLLBACK")
        foreign.close()
        await asyncio.gather(*waiting)
        assert [each.version async for each in store.read(ANN)] == [1, 2]


async def test_a_killed_holder_leaves_the_lock_free(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with children(HOLDER, (path,)) as (holder,), opened(path, busy=GENEROUS) as (store, _):
        waiting = asyncio.ensure_future(store.append(append()))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        holder.kill()
        assert (await waiting).streams[0].version == 1


async def test_opening_a_store_that_must_be_migrated_waits_for_the_lock_too(tmp_path: Path) -> None:
    path = str(tmp_path / "e.db")
    other = FileLock(path, busy=0)
    assert other.try_take()
    with pytest.raises(StoreBusy) as busy:
        await open_sqlite(path, clock=ManualClock(), busy=0.05)
    assert busy.value.holder_pid == os.getpid()
    other.release()
    other.close()
    async with opened(Path(path)) as (store, _):
        await store.append(append())


async def test_the_lock_is_given_back_after_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with opened(path) as (store, rows):
        for late in (store.append(Append(ANN, append().events, 7)), rows.advance(Move("p", 3, 5, b"x" * 16))):
            with pytest.raises(Exception, match=r"expected|checkpoint|epoch|position"):
                await late
            assert lock_holder(str(path)) is None

        async def handle() -> None:
            async with rows.transaction() as transaction:
                await transaction.fetch([], select(Column("name")).select_from(Table("processors", MetaData())), None)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await handle()
        assert lock_holder(str(path)) is None


async def test_sec22_a_lock_that_is_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "e.db-lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailable, match="cannot be locked"):
        await open_sqlite(str(tmp_path / "e.db"), clock=ManualClock())
    assert not (tmp_path / "elsewhere").exists()
    gc.collect()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # that it is dangerous is the point
async def test_a_forked_child_does_not_keep_its_parents_lock(tmp_path: Path) -> None:
    path = str(tmp_path / "e.db")
    lock, other = FileLock(path, busy=0), FileLock(path, busy=0)
    assert lock.try_take()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    assert not other.try_take()
    lock.close()  # as when the parent dies
    await asyncio.sleep(0.05)
    assert other.try_take()
    other.close()
    os.close(writing)
    await asyncio.to_thread(os.waitpid, child, 0)


async def test_opening_a_file_once_more_drops_no_lock_of_the_first(tmp_path: Path) -> None:
    """Closing any descriptor of a file drops all the record locks this process has on it."""
    path = tmp_path / "e.db"
    async with opened(path) as (store, _):
        await store.append(append())
        inode = path.stat().st_ino
        before = [line for line in Path("/proc/locks").read_text().splitlines() if f":{inode} " in line]
        assert before
        async with opened(path):
            during = [line for line in Path("/proc/locks").read_text().splitlines() if f":{inode} " in line]
        assert during


# ------------------------------------------------------------------------------- fenced

ROWS = Table("numbers", MetaData(), Column("n", Integer, primary_key=True))


async def test_of_two_applications_with_one_projector_only_one_gets_on(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with opened(path) as (store, one), opened(path) as (_, two):
        events = append(count=2)
        await store.append(events)
        for rows in (one, two):
            await rows.prepare("p", version=1, tables=[ROWS])
        moves = [Move("p", 0, number, events.events[number - 1].event_id) for number in (1, 2)]

        async def project(rows: SqliteReadModel, move: Move) -> None:
            async with rows.transaction() as transaction:
                await transaction.commit([], move)

        outcomes = await asyncio.gather(project(one, moves[0]), project(two, moves[1]), return_exceptions=True)
        assert [type(each) for each in outcomes if each is not None] == [Fenced]


NUMBERS = Table("numbers_of_app", MetaData(), Column("n", Integer, primary_key=True))


@dataclass(frozen=True)
class Counted:
    n: int


async def test_a_projector_outlives_a_store_that_was_busy(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "e.db"

    projector = Projector("numbers", tables=[NUMBERS])

    @projector.on(Counted)
    def counted(recorded: Recorded[Counted], view: View) -> None:
        view.write(insert(NUMBERS).values(n=bindparam("n_")), {"n_": recorded.event.n})

    events = Events()
    events.add(Counted)
    app = Eventfold(deciders=[], processors=[projector], events=events)
    async with app.open(f"sqlite:///{path}?busy=50ms") as running, opened(path) as (beside, _):
        other = FileLock(str(path), busy=0)
        assert other.try_take()
        beside._writer._exclusive._lock = FREE
        await beside.append(Append(ANN, [NewEvent(event_id=uuid7().bytes, type="Counted", data=b'{"n":7}')]))
        async with asyncio.timeout(GENEROUS):
            while "busy" not in caplog.text:  # noqa: ASYNC110 - a log has no bell
                await asyncio.sleep(0.01)
        assert running.status()["numbers"].running
        other.release()
        other.close()
        await running.wait_for("numbers", 1, timeout=GENEROUS)
        assert await running.query(select(NUMBERS)) == [(7,)]


# ------------------------------------------------------------------------------- wake-up

LISTENER = """
async def main():
    if arguments[0] == "deaf":
        import socket
        def none(*_, **__):
            raise OSError("no sockets here")
        socket.socket.bind = none
        import eventfold.adapters.sqlite.wakeup as wakeup
        wakeup._datagrams = none
    elif arguments[0] == "blind":
        import eventfold.adapters.sqlite.wakeup as wakeup
        wakeup._QUICK_LOOK = wakeup._SLOW_LOOK = 3600.0
    store, rows, _ = await open_sqlite(path, clock=system_clock)
    async with store.subscribe(Query.all(), after=0) as batches:
        async for batch in batches:
            if batch.caught_up and not batch.events:
                say("ready")
            for event in batch.events:
                say(event.position, time.monotonic())
                if event.position == int(arguments[1]):
                    await store.close()
                    await rows.close()
                    return
"""


@pytest.mark.parametrize("way", ["blind", "deaf", "both"])
async def test_a_subscriber_in_another_process_hears_of_appends(tmp_path: Path, way: str) -> None:
    """`blind`: it has the datagram alone; `deaf`: it can only look at the file."""
    path = tmp_path / "e.db"
    async with opened(path) as (store, _), children(LISTENER, (path, way, 10)) as (listener,):
        async with asyncio.timeout(GENEROUS):
            for number in range(1, 11):
                await store.append(append())
                assert (await listener.line()).split()[0] == str(number)
        assert await listener.ended() == ""


async def test_a_path_too_long_for_a_socket_is_heard_of_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / ("longer" * 20)
    folder.mkdir(parents=True)
    path = folder / "e.db"
    async with opened(path) as (store, _), children(LISTENER, (path, "blind", 2)) as (listener,):
        async with asyncio.timeout(GENEROUS):
            for number in (1, 2):
                await store.append(append())
                assert (await listener.line()).split()[0] == str(number)
        await listener.ended()
    assert sorted(each.name for each in folder.iterdir()) == ["e.db", "e.db-lock"]


async def test_what_a_killed_subscriber_left_is_removed_by_whoever_finds_it(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    waking = tmp_path / "e.db-wake"
    async with opened(path) as (store, _):
        async with children(LISTENER, (path, "both", 99)) as (listener,):
            assert len(list(waking.iterdir())) == 1
            assert stat.S_IMODE(waking.stat().st_mode) == 0o700
            listener.kill()
        assert len(list(waking.iterdir())) == 1
        await store.append(append())
        assert list(waking.iterdir()) == []
        async with store.subscribe(Query.all(), after=0) as batches:
            assert (await anext(batches)).head == 1
            assert len(list(waking.iterdir())) == 1
        assert not waking.exists()
        await store.append(append())  # the folder it knew is gone


async def test_a_subscriber_that_reads_nothing_holds_up_no_append(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with opened(path, synchronous="normal") as (store, _), children(LISTENER, (path, "both", 999)) as (stopped,):
        os.kill(stopped.pid, signal.SIGSTOP)
        async with asyncio.timeout(GENEROUS):
            for _ in range(700):  # more than the socket of a sleeper takes
                await store.append(append())
        os.kill(stopped.pid, signal.SIGCONT)
        assert (await stopped.line()).startswith("1 ")


async def test_without_a_folder_of_its_own_a_store_still_works(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    (tmp_path / "e.db-wake").write_text("in the way")
    async with opened(path) as (one, _), opened(path) as (two, _), two.subscribe(Query.all(), after=0) as batches:
        assert (await anext(batches)).events == []
        await one.append(append())
        async with asyncio.timeout(GENEROUS):
            assert len((await anext(batches)).events) == 1


async def test_two_stores_of_one_process_wake_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventfold.adapters.sqlite.wakeup._QUICK_LOOK", 3600.0)
    monkeypatch.setattr("eventfold.adapters.sqlite.wakeup._SLOW_LOOK", 3600.0)
    path = tmp_path / "e.db"
    async with opened(path) as (one, _), opened(path) as (two, _):
        for number in range(3):  # every time in a new folder
            async with two.subscribe(Query.all(), after=number) as batches:
                assert (await anext(batches)).events == []
                await one.append(append())
                async with asyncio.timeout(GENEROUS):
                    assert len((await anext(batches)).events) == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["e.db", "e.db-lock"]


def test_datagrams_are_what_this_system_has(tmp_path: Path) -> None:
    """Else the tests above have proved the slow look alone."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "s"))


# ------------------------------------------------------------------------- file systems

MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
server:/export /srv/nfs nfs4 rw 0 0
//server/share /srv/my\\040files cifs rw 0 0
tmpfs /srv/nfs/local tmpfs rw 0 0
host /mnt/host 9p rw 0 0
me@host: /mnt/far fuse.sshfs rw 0 0
/dev/sdb1 /mnt/usb fuseblk rw 0 0
server:/old /srv/both nfs rw 0 0
/dev/vdb /srv/both xfs rw 0 0
gvfs /mnt/fused fuse rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/home/e.db", "ext4"),
        ("/srv/nfs/e.db", "nfs4"),
        ("/srv/nfs/deep/er/e.db", "nfs4"),
        ("/srv/nfsother/e.db", "ext4"),
        ("/srv/my files/e.db", "cifs"),
        ("/srv/nfs/local/e.db", "tmpfs"),
        ("/mnt/host/e.db", "9p"),
        ("/mnt/far/e.db", "fuse.sshfs"),
        ("/mnt/usb/e.db", "fuseblk"),
        ("/srv/both/e.db", "xfs"),
        ("/mnt/fused/e.db", "fuse"),
    ],
)
def test_fm35_a_network_file_system_is_told_by_the_mount_table(place: str, kind: str) -> None:
    found = file_system_of(place, MOUNTS)
    assert found is not None
    assert found[0] == kind
    if kind in {"nfs4", "cifs", "9p", "fuse.sshfs", "fuse"}:
        with pytest.raises(UnsupportedByStore, match="network=allow") as refused:
            refuse_network(place, MOUNTS)
        assert not refused.value.retryable
        assert found[1] in str(refused.value)
    else:
        refuse_network(place, MOUNTS)


def test_fm35_a_link_does_not_hide_where_a_file_lies(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    with pytest.raises(UnsupportedByStore):
        refuse_network(str(tmp_path / "near" / "e.db"), f"s:/x {tmp_path / 'far'} nfs rw 0 0\n")
    refuse_network(str(tmp_path / "e.db"), "")


async def test_fm35_opening_asks_the_mount_table_and_can_be_told_not_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventfold.adapters.sqlite.mount_table", lambda: f"s:/x {tmp_path} nfs rw 0 0\n")
    url = f"sqlite:///{tmp_path}/e.db"
    with pytest.raises(UnsupportedByStore):
        async with open_stores(url, clock=ManualClock(), migrate=True):
            pass
    assert list(tmp_path.iterdir()) == []
    async with open_stores(f"{url}?network=allow", clock=ManualClock(), migrate=True) as stores:
        await stores.events.append(append())


def test_fm32_the_sqlite_within_is_one_without_the_wal_reset_bug() -> None:
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)

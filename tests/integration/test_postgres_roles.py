"""SEC-14: who may do what on a server, as a matrix of statements and roles; what doctor says where it is otherwise."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest

from eventfold import Projector, Running
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.roles import APPENDING, Roles, apply_roles, role_statements
from eventfold.adapters.system import system_clock, uuid7
from eventfold.bootstrap.inspection import examination, migrate, statistics
from eventfold.cli.exits import Exit
from eventfold.cli.program import run
from eventfold.domain.message import NewEvent, Stream
from eventfold.errors import InvalidInput, NotPermitted, StoreError, StoreUnavailable
from eventfold.ports.event_store import Append
from tests.acceptance.world import Added, application, record, stream, summing, sums, tapes
from tests.postgres import PostgresServer

PARTS = ("owner", "writer", "reader", "projector")


class Granted(NamedTuple):
    """A store whose roles have their rights, and a login for each of them."""

    schema: str
    url: Callable[[str], str]
    """Of the store, as a member of this role, or as `admin`, who runs the server."""
    raw: Callable[[str], str]
    """The same for the driver."""

    def findings(self) -> list[tuple[str, str]]:
        return [(each.what, each.command) for each in asyncio.run(examination(self.url("admin"))).findings]


def ask(url: str, *statements: str) -> Any:
    async def asked() -> Any:
        connection = await asyncpg.connect(url)
        try:
            for each in statements[:-1]:
                await connection.execute(each)
            return await connection.fetch(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(asked())


@pytest.fixture
def granted(postgres: PostgresServer, postgres_schema: str) -> Iterator[Granted]:
    schema, tables = postgres_schema, f"{postgres_schema[:24]}_{os.urandom(3).hex()}"
    place = urlsplit(postgres.url)
    logins = {part: f"{schema}_{part}_login" for part in PARTS}

    def raw(part: str) -> str:
        if part == "admin":
            return postgres.url
        host = place.netloc.rpartition("@")[2]
        return place._replace(netloc=f"{logins[part]}:secret@{host}").geturl()

    def url(part: str) -> str:
        return f"{raw(part)}?schema={schema}&options=-csearch_path%3D{tables}"

    async def made() -> None:
        await migrate(url("admin"), clock=system_clock)
        await apply_roles(postgres.url, schema=schema, direct=None, roles=Roles.of(schema), tables=tables)

    postgres.execute(f"CREATE SCHEMA {tables}")
    asyncio.run(made())
    for part, login in logins.items():
        postgres.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'secret' IN ROLE {schema}_{part}")
    yield Granted(schema, url, raw)
    postgres.execute(f"DROP SCHEMA {tables} CASCADE; DROP SCHEMA {schema} CASCADE")
    for role in (*logins.values(), *Roles.of(schema).all):
        postgres.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


# ------------------------------------------------------------------------------------------------------ the matrix

COLUMNS = "category, id, version, event_id, type, format, recorded_at, data"
VALUES = "'book', 'x', 1, gen_random_uuid(), 'Bought', 0, 1, 'x'"
APPEND_1 = (
    "SELECT {append_1}('book', 'x', -1, gen_random_uuid(), 'Bought', 1, 0::smallint, NULL, NULL, "
    "ARRAY['a:1'], NULL, NULL, '{{}}')"
)
APPEND_N = (
    "SELECT {append_n}('book', 'x', -1, ARRAY[gen_random_uuid()], ARRAY['Bought'], ARRAY[1], ARRAY[0::smallint], "
    "ARRAY[NULL], ARRAY[NULL], NULL, ARRAY[NULL]::bigint[], ARRAY[NULL]::bytea[], ARRAY['{{}}'::bytea])"
)
GROUP = (
    "ARRAY['book'], ARRAY['x'], ARRAY[-1], ARRAY[1], ARRAY[1], ARRAY[gen_random_uuid()], ARRAY['Bought'], ARRAY[1], "
    "ARRAY[0::smallint], ARRAY[NULL], ARRAY[NULL], ARRAY['{{a:1}}'], ARRAY[NULL]::bigint[], ARRAY[NULL]::bytea[], "
    "ARRAY['{{}}'::bytea]"
)
APPEND_R = f"SELECT {{append_r}}({GROUP})"
APPEND_ALL = (
    f"SELECT {{append_all}}({GROUP}, ARRAY['{{{{}}}}'], ARRAY['{{{{Bought}}}}'], ARRAY['{{{{}}}}'], 0, '{{{{}}}}')"
)
CHECKPOINT = "INSERT INTO {checkpoints} (processor, position, updated_at) VALUES ('p', 1, 1)"
REPLACE = "CREATE OR REPLACE FUNCTION {enter}() RETURNS void LANGUAGE sql AS 'SELECT'"
EVERYBODY, NOBODY = frozenset(PARTS), frozenset[str]()
OWNER, APPENDERS, PROJECTORS = {"owner"}, {"owner", "writer"}, {"owner", "projector"}
PARKED = (
    "INSERT INTO {parked} (processor, position, category, id, event_id, type, attempts, error, parked_at) "
    "VALUES ('p', 1, 'book', 'x', gen_random_uuid(), 'Bought', 1, 'no', 1)"
)
LEASE = "INSERT INTO {leases} VALUES ('p', 0, 1, 'me', 1)"
ACTION = "INSERT INTO {actions} VALUES ('p', gen_random_uuid(), 'mail', 'intended', NULL, 1, 1)"
COMMAND = (
    "INSERT INTO {commands} (command_id, request_hash, position, recorded_at) VALUES (gen_random_uuid(), 'x', 1, 1)"
)

MATRIX: dict[str, frozenset[str] | set[str]] = {
    # the log is read by all
    "SELECT * FROM {events}": EVERYBODY,
    "SELECT * FROM {events_json}": EVERYBODY,
    "SELECT * FROM {event_tags}": EVERYBODY,
    "SELECT * FROM {checkpoints}": EVERYBODY,
    "SELECT drawn FROM {horizon}()": EVERYBODY,
    "SELECT {bound}()": EVERYBODY,
    "SELECT {recognise}()": EVERYBODY,
    # states are for those who decide on them
    "SELECT * FROM {snapshots}": APPENDERS,
    "INSERT INTO {snapshots} VALUES ('book', 'x', 'state', 1, 'x', 0, 'x', 1)": APPENDERS,
    "DELETE FROM {snapshots}": APPENDERS,
    # what was replied to a command is for those who give commands, what the world has answered for those who act on it
    "SELECT * FROM {commands}": APPENDERS,
    "SELECT * FROM {actions}": PROJECTORS,
    "SELECT * FROM {timers}": PROJECTORS,
    "INSERT INTO {timers} VALUES ('m', '1', 'due', 1, 'Late', '\\x7b7d', 1)": PROJECTORS,
    COMMAND: APPENDERS,
    "UPDATE {commands} SET reply = NULL": OWNER,
    "DELETE FROM {commands}": OWNER,
    # appended to by functions
    APPEND_1: APPENDERS,
    APPEND_N: APPENDERS,
    APPEND_R: APPENDERS,
    APPEND_ALL: APPENDERS,
    # and in no other way: no position is anybody's choice
    f"INSERT INTO {{events}} ({COLUMNS}) VALUES ({VALUES})": OWNER,
    f"INSERT INTO {{events}} (position, {COLUMNS}) OVERRIDING SYSTEM VALUE VALUES (1, {VALUES})": OWNER,
    "INSERT INTO {events_json} (category) VALUES ('book')": OWNER,
    "INSERT INTO {event_tags} VALUES ('a:1', 1, 'Bought')": OWNER,
    "SELECT nextval('{events_position_seq}')": OWNER,
    "SELECT setval('{events_position_seq}', 1)": OWNER,
    "SELECT {lock_tags}(ARRAY['a:1'], NULL, true)": OWNER,
    "SELECT {enter}()": OWNER,
    "LOCK TABLE {events} IN SHARE ROW EXCLUSIVE MODE": OWNER,
    "LOCK TABLE {events} IN ACCESS EXCLUSIVE MODE": OWNER,
    # what is there stays as it is, for the owner too
    "UPDATE {events} SET data = NULL": NOBODY,
    "UPDATE {events} SET position = DEFAULT": NOBODY,
    "UPDATE {events_json} SET category = 'x'": NOBODY,
    "DELETE FROM {events}": NOBODY,
    "TRUNCATE {events}": NOBODY,
    "UPDATE {event_tags} SET tag = 'b:2'": NOBODY,
    "DELETE FROM {event_tags}": NOBODY,
    "TRUNCATE {event_tags}": NOBODY,
    "SET session_replication_role = replica": NOBODY,
    # what the store knows of itself
    "UPDATE {store} SET schema_version = 99": OWNER,
    "DELETE FROM {store_migrations}": OWNER,
    "INSERT INTO {incarnations} VALUES (gen_random_uuid(), 'x', 0, 0)": OWNER,
    "UPDATE {stream_marks} SET state = 'deleted'": OWNER,
    # processors keep their own books
    CHECKPOINT: PROJECTORS,
    "UPDATE {checkpoints} SET position = 9": PROJECTORS,
    "SELECT * FROM {checkpoints} FOR UPDATE": PROJECTORS,
    "DELETE FROM {processors}": PROJECTORS,
    "SELECT * FROM {lease_members}": EVERYBODY,
    "SELECT * FROM {leases}": EVERYBODY,
    "SELECT * FROM {parked}": EVERYBODY,
    "INSERT INTO {lease_members} VALUES ('p', 'me', 1)": PROJECTORS,
    "DELETE FROM {lease_members}": PROJECTORS,
    LEASE: PROJECTORS,
    "UPDATE {leases} SET epoch = 9": PROJECTORS,
    PARKED: PROJECTORS,
    "UPDATE {parked} SET wish = 'retry'": PROJECTORS,
    "SELECT * FROM {parked} FOR UPDATE": PROJECTORS,
    ACTION: PROJECTORS,
    "UPDATE {actions} SET status = 'done'": PROJECTORS,
    "DELETE FROM {actions}": PROJECTORS,
    "INSERT INTO {store_audit} (at, action, actor, reason, category, id) VALUES (1, 'a', 'b', 'c', 'd', 'e')": OWNER,
    "TRUNCATE {actions}": OWNER,
    "TRUNCATE {checkpoints}": OWNER,
    # how all that is built
    "CREATE TABLE {schema}.mine (x int)": OWNER,
    REPLACE: OWNER,
    "ALTER TABLE {events} ADD COLUMN mine text": OWNER,
    "ALTER TABLE {events} DISABLE TRIGGER ALL": OWNER,
    "ALTER FUNCTION {append_1} SECURITY INVOKER": OWNER,
    "DROP TABLE {events} CASCADE": OWNER,
    "CREATE TRIGGER mine BEFORE INSERT ON {events} EXECUTE FUNCTION suppress_redundant_updates_trigger()": OWNER,
}
ONCE = APPEND_1.replace("gen_random_uuid()", "'00000000-0000-0000-0000-000000000001'")


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def allowed(connection: Any, statement: str) -> bool:
    """Whether it may; nothing of it is kept. Any other error is the test's own."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return False
    except asyncpg.IntegrityConstraintViolationError:
        return True  # that is looked at after rights
    finally:
        await transaction.rollback()
    return True


@pytest.mark.parametrize("part", PARTS)
def test_c12_g06_sec14_the_matrix_of_statements_and_roles(granted: Granted, part: str) -> None:
    names = Names(granted.schema)

    async def tried() -> dict[str, bool]:
        async with connected(granted.raw("admin")) as admin:
            await admin.execute(names.fill(ONCE))
        async with connected(granted.raw(part)) as connection:
            return {each: await allowed(connection, names.fill(each)) for each in MATRIX}

    found = asyncio.run(tried())
    assert len(found) >= 12
    wrong = {each: may for each, may in found.items() if may != (part in MATRIX[each])}
    assert wrong == {}, f"{part}: {wrong}"


@pytest.mark.parametrize("part", ["writer", "reader", "projector"])
def test_sec14_nobody_becomes_the_owner(granted: Granted, part: str) -> None:
    async def tried() -> None:
        async with connected(granted.raw(part)) as connection:
            for other in {"owner", "writer", "reader", "projector"} - {part}:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(f"SET ROLE {granted.schema}_{other}")

    asyncio.run(tried())


def test_sec14_what_a_writer_makes_in_his_own_schema_never_runs_as_the_owner(granted: Granted) -> None:
    names, evil = Names(granted.schema), f"{granted.schema[:24]}_evil"
    login = f"{granted.schema}_writer_login"
    trap = "RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'run as %', current_user; END $$"
    ask(
        granted.raw("admin"),
        f"CREATE SCHEMA {evil} AUTHORIZATION {login}",
        "SELECT 1",
    )
    try:
        (row,) = ask(
            granted.raw("writer"),
            f"CREATE FUNCTION {evil}.clock_timestamp() {trap}",
            f"CREATE FUNCTION {evil}.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'run as %', current_user; END $$",
            f"CREATE OPERATOR {evil}.= (FUNCTION = {evil}.equal, LEFTARG = text, RIGHTARG = text)",
            f"GRANT USAGE ON SCHEMA {evil} TO PUBLIC",  # or it would be passed over
            f"SET search_path = {evil}, pg_catalog",
            names.fill(APPEND_1),
        )
        assert row[0][0] == 1
    finally:
        ask(granted.raw("admin"), f"DROP SCHEMA {evil} CASCADE", "SELECT 1")


# ------------------------------------------------------------------------------------------- applications as a role


@asynccontextmanager
async def opened(
    granted: Granted, part: str, *processors: Projector, migrate: bool = True, run: bool = True
) -> AsyncIterator[Running]:
    async with application(*processors).open(granted.url(part), migrate=migrate, run=run) as running:
        yield running


@pytest.mark.parametrize("migrate", [True, False])
@pytest.mark.parametrize("part", PARTS)
def test_sec14_every_role_opens_a_store_that_is_up_to_date(granted: Granted, part: str, migrate: bool) -> None:
    async def all_of_it() -> None:
        async with opened(granted, "writer") as running:
            await running.execute(tapes, "a", record(Added(1), Added(2)))
        async with opened(granted, part, migrate=migrate) as running:
            assert len(await stream(running, "a")) == 2
            assert (await running.load(tapes, "a")).state.sum == 3
            assert await running.head() == 2
            async with running.subscribe() as batches:
                assert [each.position for each in (await anext(batches)).events] == [1, 2]
        assert (await statistics(granted.url(part))).events == 2

    asyncio.run(all_of_it())


def test_sec14_a_writer_appends_in_every_way_there_is(granted: Granted) -> None:
    async def all_of_it() -> None:
        async with opened(granted, "writer", migrate=False) as running:
            await running.execute(tapes, "a", record(Added(1)))
            await running.execute(tapes, "a", record(Added(1), Added(1)))
            await asyncio.gather(*(running.execute(tapes, f"b{n}", record(Added(n))) for n in range(20)))

            def one(id: str, *tags: str) -> Append:
                return Append(Stream("odd", id), [NewEvent(event_id=uuid7().bytes, type="A", data=b"{}", tags=tags)])

            await running.sink.append(one("x", "a:1"), one("y"))
            from eventfold import Query

            read = await running.source.read_boundary(Query.of(tags=["a:1"]))
            await running.sink.append(one("z", "a:1"), condition=read.condition)
            read = await running.source.read_boundary(Query.of("A"))
            await running.sink.append(one("z", "a:1"), condition=read.condition)
            assert await running.head() == 27

            for command in (record(Added(1)), record()):  # with an id, in one statement and in a unit
                key = uuid7()
                first = await running.execute(tapes, "a", command, command_id=key)
                assert await running.execute(tapes, "a", command, command_id=key) == first
            async with running.lock(tapes, "a") as tape:
                await tape.execute(record(Added(1)), command_id=uuid7())
            assert await running.head() == 29

    asyncio.run(all_of_it())


def test_sec14_a_projector_projects_and_a_reader_sees_its_rows_once_he_may(granted: Granted) -> None:
    async def all_of_it() -> None:
        async with opened(granted, "writer") as running:
            await running.execute(tapes, "a", record(Added(1), Added(2)))
        async with opened(granted, "projector", summing()) as running:
            await running.settled()
            assert await running.query(sums) == [("a", 3)]
        async with opened(granted, "projector", summing(version=2)) as running:  # from the beginning
            await running.settled()
            assert await running.query(sums) == [("a", 3)]
        async with opened(granted, "reader", summing(), run=False) as running:
            await running.wait_for("sums", 2)
            with pytest.raises(NotPermitted, match=rf"'{granted.schema}_reader_login'.* sums"):
                await running.query(sums)

    asyncio.run(all_of_it())


def test_sec14_what_a_role_may_not_do_is_an_error_that_names_the_role(granted: Granted) -> None:
    login = f"{granted.schema}_reader_login"

    async def refused(part: str, *processors: Projector) -> StoreError:
        with pytest.raises(StoreError) as raised:
            async with opened(granted, part, *processors) as running:
                await running.execute(tapes, "a", record(Added(1)))
        return raised.value

    error = asyncio.run(refused("reader"))
    assert isinstance(error, NotPermitted)
    assert error.role == login
    for word in (repr(login), "append_1", "eventfold store roles"):
        assert word in str(error)
    assert "secret" not in str(error)
    for part in ("writer", "reader"):
        error = asyncio.run(refused(part, summing()))
        assert isinstance(error, NotPermitted)
        assert error.role == f"{granted.schema}_{part}_login"
    assert isinstance(asyncio.run(refused("projector")), NotPermitted)


def test_sec14_a_group_of_appends_is_refused_one_by_one(granted: Granted) -> None:
    async def all_of_it() -> None:
        async with opened(granted, "reader") as running:
            outcomes = await asyncio.gather(
                *(running.execute(tapes, f"b{n}", record(Added(n))) for n in range(10)), return_exceptions=True
            )
            assert [type(each) for each in outcomes] == [NotPermitted] * 10
            assert await running.head() == 0

    asyncio.run(all_of_it())


@pytest.mark.parametrize("part", PARTS)
def test_sec14_only_the_owner_administers(granted: Granted, part: str) -> None:
    async def all_of_it() -> None:
        async with opened(granted, "writer") as running:
            outcome = await running.execute(tapes, "a", record(Added(1), Added(2)))
        event_id = UUID(bytes=outcome.events[-1].stored.event_id)
        async with opened(granted, part) as running:
            acts = running.administration
            for act in (
                lambda: acts.truncate(tapes, "a", before_version=2, actor="ann", reason="a test"),
                lambda: acts.erase(event_id, actor="ann", reason="a test"),
                lambda: acts.delete(tapes, "a", actor="ann", reason="a test"),
            ):
                if part == "owner":
                    await act()
                else:
                    with pytest.raises(NotPermitted, match=f"{part}_login"):
                        await act()
            assert (await running.load(tapes, "a")).version == (0 if part == "owner" else 2)

    asyncio.run(all_of_it())


@pytest.mark.parametrize("part", ["writer", "reader", "projector"])
def test_sec14_a_migration_is_the_owners(granted: Granted, part: str) -> None:
    ask(granted.raw("admin"), f"DELETE FROM {granted.schema}.store_migrations WHERE number = 4", "SELECT 1")
    with pytest.raises(NotPermitted, match=part):
        asyncio.run(migrate(granted.url(part), clock=system_clock))


@pytest.mark.parametrize("part", ["writer", "reader", "projector"])
def test_fm03_a_role_that_comes_first_to_a_copy_writes_down_what_it_is(granted: Granted, part: str) -> None:
    ask(granted.raw("admin"), f"UPDATE {granted.schema}.store SET fingerprint = 'elsewhere'", "SELECT 1")

    async def open_twice() -> None:
        for _ in range(2):
            async with opened(granted, part):
                pass

    asyncio.run(open_twice())
    assert len(ask(granted.raw("admin"), f"SELECT * FROM {granted.schema}.incarnations")) == 2


BEFORE_PROCESSING = (
    "DROP TABLE {lease_members}",
    "ALTER TABLE {parked} DROP COLUMN type, DROP COLUMN wish, DROP COLUMN edited, DROP COLUMN reason",
    "ALTER TABLE {processors} DROP COLUMN query",
    "REVOKE ALL ON {actions}, {commands} FROM {w}, {r}, {p}",
    "DELETE FROM {store_migrations} WHERE number = 5",
)


@pytest.mark.parametrize("part", ["admin", "owner"])
def test_sec14_roles_of_the_release_before_get_what_is_new_with_the_migration(granted: Granted, part: str) -> None:
    names = Names(granted.schema)
    roles = {part[0]: f"{granted.schema}_{part}" for part in ("writer", "reader", "projector")}
    places = {key: roles.get(key, f"{{{key}}}") for key in [*names._quoted, *roles]}
    before = [names.fill(each.format_map(places)) for each in BEFORE_PROCESSING]
    ask(granted.raw("admin"), *before, "SELECT 1")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        ask(granted.raw("writer"), names.fill(COMMAND))
    asyncio.run(migrate(granted.url(part), clock=system_clock))
    assert granted.findings() == []


# ---------------------------------------------------------------------------------------- the command, and doctor


def test_the_command_prints_what_it_applies_and_twice_is_as_once(
    granted: Granted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["store", "roles", "--json", "--store", granted.url("admin")]) == Exit.OK
    statements = json.loads(capsys.readouterr().out)
    assert statements == list(role_statements(Names(granted.schema), Roles.of(granted.schema)))
    assert granted.findings() == []
    for _ in range(2):
        assert run(["store", "roles", "--apply", "--store", granted.url("admin")]) == Exit.OK
    assert capsys.readouterr().out == "The roles have their rights.\n" * 2
    assert granted.findings() == []
    assert run(["store", "roles", "--store", granted.url("admin")]) == Exit.OK
    printed = capsys.readouterr().out
    assert f'GRANT SELECT ON SEQUENCE "{granted.schema}"."events_position_seq" TO "{granted.schema}_writer"' in printed
    ask(granted.raw("admin"), printed, "SELECT 1")  # as psql would
    assert granted.findings() == []


@pytest.mark.parametrize("part", PARTS)
def test_every_role_may_ask_the_doctor(granted: Granted, part: str) -> None:
    examined = asyncio.run(examination(granted.url(part), deep=True))
    assert (examined.findings, examined.facts["append_only"]) == ([], True)
    assert examined.facts["role"] == f"{granted.schema}_{part}_login"


def test_who_may_make_roles_and_owns_the_store_applies_them_without_being_a_superuser(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    keeper, place = f"{postgres_schema}_keeper", urlsplit(postgres.url)
    raw = place._replace(netloc=f"{keeper}:secret@{place.netloc.rpartition('@')[2]}").geturl()
    database = place.path.strip("/")
    roles = Roles.of(postgres_schema)

    async def all_of_it() -> None:
        await migrate(f"{raw}?schema={postgres_schema}", clock=system_clock)
        for _ in range(2):
            await apply_roles(raw, schema=postgres_schema, direct=None, roles=roles, tables=postgres_schema)
        examined = await examination(f"{raw}?schema={postgres_schema}")
        assert examined.findings == []
        await migrate(f"{raw}?schema={postgres_schema}", clock=system_clock, finish=True)

    postgres.execute(f"CREATE ROLE {keeper} LOGIN CREATEROLE PASSWORD 'secret'")
    postgres.execute(f"GRANT CREATE ON DATABASE {database} TO {keeper}")
    try:
        asyncio.run(all_of_it())
    finally:
        postgres.execute(f"DROP SCHEMA IF EXISTS {postgres_schema} CASCADE")
        for each in (*roles.all, keeper):
            postgres.execute(f"DROP OWNED BY {each} CASCADE")
        for each in (*roles.all, keeper):
            postgres.execute(f"DROP ROLE {each}")


def test_views_of_categories_are_the_owners_and_for_all_to_read(
    granted: Granted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["store", "views", "tape", "--store", granted.url("admin")]) == Exit.OK
    assert run(["store", "roles", "--apply", "--store", granted.url("admin")]) == Exit.OK
    for part in PARTS:
        assert ask(granted.raw(part), f"SELECT * FROM {granted.schema}.tape_events") == []
    capsys.readouterr()


def test_names_are_options_and_each_is_checked(granted: Granted, capsys: pytest.CaptureFixture[str]) -> None:
    url = granted.url("admin")
    assert run(["store", "roles", "--writer", "clerk", "--tables", "shop_views", "--store", url]) == Exit.OK
    printed = capsys.readouterr().out
    assert 'TO "clerk"' in printed
    assert f"{granted.schema}_writer" not in printed
    assert f'GRANT USAGE, CREATE ON SCHEMA "shop_views" TO "{granted.schema}_projector"' in printed
    for name in ('x"; DROP TABLE y; --', "Clerk", "", "pg_clerk", "a" * 64, f"{granted.schema}_owner"):
        if name:
            assert run(["store", "roles", "--writer", name, "--store", url]) == Exit.USAGE
    assert run(["store", "roles", "--tables", 'x"', "--store", url]) == Exit.USAGE
    capsys.readouterr()


def test_a_file_has_no_roles_and_says_what_it_has(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["store", "roles", "--store", f"sqlite:///{tmp_path / 'a.db'}"]) != Exit.OK
    assert "chmod" in capsys.readouterr().err


WRONG: dict[str, tuple[str, str]] = {
    "GRANT INSERT ON {events} TO {w}": ("may INSERT on", "store roles --apply"),
    "GRANT UPDATE (data) ON {events} TO {w}": ("may UPDATE on", "store roles --apply"),
    "GRANT DELETE ON {checkpoints} TO {r}": ("may DELETE on", "store roles --apply"),
    "GRANT SELECT ON {snapshots} TO {r}": ("may SELECT on", "store roles --apply"),
    "GRANT EXECUTE ON FUNCTION {append_1} TO {r}": ("may EXECUTE on", "store roles --apply"),
    "GRANT SELECT ON {actions} TO {r}": ("may SELECT on", "store roles --apply"),
    "GRANT UPDATE ON {commands} TO {w}": ("may UPDATE on", "store roles --apply"),
    "GRANT INSERT ON {commands} TO {p}": ("may INSERT on", "store roles --apply"),
    "REVOKE INSERT ON {commands} FROM {w}": ("may not INSERT on", "store roles --apply"),
    "REVOKE SELECT ON {actions} FROM {p}": ("may not SELECT on", "store roles --apply"),
    "REVOKE DELETE ON {lease_members} FROM {p}": ("may not DELETE on", "store roles --apply"),
    "REVOKE SELECT ON {event_tags} FROM {w}": ("may not SELECT on", "store roles --apply"),
    "REVOKE EXECUTE ON FUNCTION {append_n} FROM {w}": ("may not EXECUTE on", "store roles --apply"),
    "REVOKE UPDATE ON {checkpoints} FROM {p}": ("may not UPDATE on", "store roles --apply"),
    "REVOKE EXECUTE ON FUNCTION {horizon} FROM {r}": ("may not EXECUTE on", "store roles --apply"),
    "REVOKE SELECT ON SEQUENCE {events_position_seq} FROM {r}": ("may not SELECT on", "store roles --apply"),
    "REVOKE USAGE ON SCHEMA {schema} FROM {r}": ("may not USAGE on", "store roles --apply"),
    "ALTER FUNCTION {append_r} SECURITY INVOKER": ("does not run as its owner", "store roles --apply"),
    "ALTER FUNCTION {append_r} RESET search_path": ("does not run as its owner", "store roles --apply"),
    "GRANT DELETE ON {events} TO PUBLIC": ("PUBLIC may DELETE on", "psql"),
    "GRANT INSERT ON {events} TO {login}": ("may INSERT on", "psql"),
    "ALTER TABLE {events} DISABLE TRIGGER append_only": ("switched off or gone", "psql"),
    "DROP TRIGGER append_only ON {event_tags}": ("switched off or gone", "psql"),
    "GRANT {o} TO {w}": ("is a member of", "psql"),
    "ALTER ROLE {w} SUPERUSER": ("may do everything", "psql"),
}


@pytest.mark.parametrize("statement", WRONG)
def test_doctor_finds_what_is_too_much_or_missing_and_its_command_mends_it(
    granted: Granted, statement: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names, schema = Names(granted.schema), granted.schema
    roles = {part[0]: f"{schema}_{part}" for part in PARTS} | {"login": f"{schema}_reader_login"}
    filled = names.fill(statement.format_map({key: roles.get(key, f"{{{key}}}") for key in [*names._quoted, *roles]}))
    ask(granted.raw("admin"), filled, "SELECT 1")
    findings = granted.findings()
    what, command = WRONG[statement]
    assert any(what in said and command in mend for said, mend in findings), findings
    for mend in dict.fromkeys(mend for _, mend in findings):
        if mend.startswith("psql"):
            import shlex

            ask(granted.raw("admin"), shlex.split(mend)[2], "SELECT 1")
        else:
            assert run(["store", "roles", "--apply", "--store", granted.url("admin")]) == Exit.OK
    assert granted.findings() == []
    capsys.readouterr()


def test_a_missing_role_is_found_where_there_are_others(granted: Granted) -> None:
    ask(
        granted.raw("admin"),
        f"DROP ROLE {granted.schema}_reader_login",
        f"DROP OWNED BY {granted.schema}_reader",
        f"DROP ROLE {granted.schema}_reader",
        "SELECT 1",
    )
    try:
        (finding,) = granted.findings()
        assert "is missing" in finding[0]
    finally:
        ask(
            granted.raw("admin"),
            f"CREATE ROLE {granted.schema}_reader",
            f"CREATE ROLE {granted.schema}_reader_login",
            "SELECT 1",
        )


def test_without_roles_there_is_nothing_to_find(postgres: PostgresServer, postgres_schema: str) -> None:
    url = f"{postgres.url}?schema={postgres_schema}"
    asyncio.run(migrate(url, clock=system_clock))
    assert asyncio.run(examination(url)).findings == []


def test_sec14_each_function_that_appends_is_its_owners_in_a_fresh_store(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    """Whatever migration has replaced it last."""
    asyncio.run(migrate(f"{postgres.url}?schema={postgres_schema}", clock=system_clock))
    of_schema = f"pronamespace = '{postgres_schema}'::regnamespace AND proname LIKE 'append%'"
    found = ask(
        postgres.url,
        "SELECT proname::text, prosecdef, array_to_string(proconfig, ' ') LIKE '%search_path=pg_catalog, pg_temp%', "
        f"has_function_privilege('public', oid, 'EXECUTE') FROM pg_proc WHERE {of_schema}",
    )
    assert {tuple(row) for row in found} == {(name, True, True, False) for name in APPENDING}


# --------------------------------------------------------------------------- who could append before there were roles


def test_who_could_insert_before_may_append_afterwards(postgres: PostgresServer, postgres_schema: str) -> None:
    """What is taken from everybody is given to who could insert: the release before must not be locked out."""
    names, login = Names(postgres_schema), f"{postgres_schema}_old"
    asyncio.run(migrate(f"{postgres.url}?schema={postgres_schema}", clock=system_clock))
    script = (names_of_migration()).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    place = urlsplit(postgres.url)
    as_old = place._replace(netloc=f"{login}:secret@{place.netloc.rpartition('@')[2]}").geturl()
    ask(
        postgres.url,
        f"CREATE ROLE {login} LOGIN PASSWORD 'secret'",
        f"GRANT USAGE ON SCHEMA {postgres_schema} TO {login}",
        "SELECT 1",
    )
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            ask(as_old, names.fill(APPEND_1))
        ask(
            postgres.url,
            names.fill(f"GRANT INSERT, SELECT ON {{events}}, {{event_tags}} TO {login}"),
            names.fill(script),
            "SELECT 1",
        )
        assert ask(as_old, names.fill(APPEND_1))[0][0][0] == 1
    finally:
        ask(postgres.url, f"DROP OWNED BY {login}", f"DROP ROLE {login}", "SELECT 1")


def names_of_migration() -> str:
    from eventfold.adapters.postgres.migrate import _migrations

    return next(each.script for each in _migrations().steps if each.name == "roles")


def test_a_server_that_lets_nobody_in_is_still_another_thing(postgres: PostgresServer) -> None:
    place = urlsplit(postgres.url)
    stranger = place._replace(netloc=f"nobody_{os.urandom(3).hex()}@{place.netloc.rpartition('@')[2]}").geturl()
    with pytest.raises(StoreUnavailable, match="does not let us in"):
        asyncio.run(statistics(stranger))


def test_roles_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInput, match="each needs a name of its own"):
        Roles.of("shop", writer="shop_owner")

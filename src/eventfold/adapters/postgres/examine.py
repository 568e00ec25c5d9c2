"""What a store on this server is worth, and what is wrong with it: facts in words, findings with their remedy."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, Final

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.horizon import holders
from eventfold.adapters.postgres.migrate import found_version, latest_version
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.rights import of_rights, without_guard
from eventfold.adapters.postgres.server import SEQUENCE_CACHE
from eventfold.adapters.postgres.session import session
from eventfold.adapters.postgres.survey import SIZE
from eventfold.errors import StoreNotMigrated
from eventfold.ports.inspection import Examination, Finding

__all__ = ["examine"]

_SURVIVES: Final = "it survives kill -9, a crash of the system and a power cut, if the disk does what it is told"
_LOST_BY_A_CRASH: Final = (
    "a crash of the server may take the last acknowledged events, and give their positions away again"
)
_DAMAGED_BY_A_CRASH: Final = "a crash of the system may destroy the database"

SETTINGS: Final = """
SELECT current_database() AS database, current_setting('server_version') AS version,
       current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('synchronous_standby_names') AS standbys,
       current_setting('default_transaction_isolation') AS isolation,
       current_setting('server_encoding') AS encoding,
       pg_backend_pid() AS session, current_user::text AS role,
       pg_notification_queue_usage() AS notifications
"""
PREPARED: Final = """
SELECT gid, owner::text, extract(epoch FROM clock_timestamp() - prepared)::float8 FROM pg_prepared_xacts
WHERE database = current_database() ORDER BY prepared
"""
STREAMS_WITH_GAPS: Final = """
SELECT category || '-' || id FROM {events} AS e LEFT JOIN {stream_marks} AS m USING (category, id)
WHERE e.version >= coalesce(m.before_version, 0) GROUP BY category, id
HAVING count(*) <> max(e.version) - min(e.version) + 1 OR min(e.version) <> coalesce(max(m.before_version), 1) LIMIT 5
"""
PENDING_REMOVALS: Final = "SELECT count(*) FROM {stream_marks} WHERE pending IS NOT NULL"
TAGS_WITHOUT_EVENT: Final = """
SELECT t.tag || ' at ' || t.position FROM {event_tags} AS t LEFT JOIN {events} AS e USING (position)
WHERE e.position IS NULL OR NOT t.tag = ANY (coalesce(e.tags, '{{}}')) LIMIT 5
"""
EVENTS_WITHOUT_TAG: Final = """
SELECT tag || ' at ' || e.position FROM {events} AS e, unnest(e.tags) AS tag
WHERE NOT EXISTS (SELECT FROM {event_tags} AS t WHERE t.tag = tag AND t.position = e.position) LIMIT 5
"""
_QUEUE_FILLS: Final = 0.25


async def examine(dsn: str, *, url: str, schema: str, direct: str | None, deep: bool = False) -> Examination:
    """
    Look at the server, at the tables and at who keeps readers from reading on.

    Args:
        url: of the store, as the commands of the findings shall name it, without a password.
        deep: hold streams, events and tags against each other.

    Raises:
        StoreNotMigrated: nothing of ours is there.
        NotAStore, StoreTooNew, StoreUnavailable.
    """
    names = Names(schema)
    connections = Connections(dsn, direct=direct, most=2)
    try:
        async with session(connections) as connection:
            found = await found_version(connection, names, connections.where, migrate=True)
            if found == 0:
                raise StoreNotMigrated(f"{connections.where}, schema {schema}", 0, latest_version())
            settings = await connection.fetchrow(SETTINGS)
            cache = await connection.fetchval(names.fill(SEQUENCE_CACHE))
            unguarded = await without_guard(connection, names)
            prepared = await connection.fetch(PREPARED)
            size = await connection.fetchval(SIZE, schema)
            damage = await _damage(connection, names) if deep else None
            of_roles = await of_rights(connection, names, shlex.quote(url)) if found == latest_version() else []
            removals = await connection.fetchval(names.fill(PENDING_REMOVALS)) if found == latest_version() else 0
            pooler = connection.get_server_pid() != settings["session"]
        holding = await holders(connections, names)
    finally:
        await connections.close()
    facts: dict[str, object] = {
        "server": connections.where,
        "store_schema": schema,
        "acknowledgement": _acknowledgement(settings),
        "fsync": settings["fsync"],
        "synchronous_commit": settings["synchronous_commit"],
        "synchronous_standbys": settings["standbys"] or "none",
        "schema": found,
        "schema_needed": latest_version(),
        "postgresql": settings["version"],
        "asyncpg": version("asyncpg"),
        "encoding": settings["encoding"],
        "default_isolation": settings["isolation"],
        "role": settings["role"],
        "append_only": not unguarded,
        "pooler": "yes" if pooler else "no",
        "sequence_cache": cache,
        "size": size,
        "notification_queue": f"{settings['notifications']:.0%}",
        "prepared_transactions": len(prepared),
        "readers_held_back_by": len(holding),
        "pending_removals": removals,
        "integrity": "not looked at: --deep" if not deep else damage or "ok",
    }
    url = shlex.quote(url)
    findings = [
        *_of_the_tables(url, names, found, cache, damage),
        *_of_the_server(settings, direct, pooler=pooler),
        *(_of_the_guard(names, unguarded) if found == latest_version() else ()),
        *_of_removals(url, removals),
        *of_roles,
        *_of_others(holding, prepared),
    ]
    return Examination(facts, findings)


def _acknowledgement(settings: Any) -> str:
    if settings["fsync"] == "off":
        return f"fsync is off: {_DAMAGED_BY_A_CRASH}"
    if settings["synchronous_commit"] == "off":
        return f"synchronous_commit is off: {_LOST_BY_A_CRASH}"
    if settings["standbys"] and settings["synchronous_commit"] != "local":
        return f"an acknowledged event is on the disk here and with {settings['standbys']}: {_SURVIVES}"
    return f"an acknowledged event is on the server's disk: {_SURVIVES}"


async def _damage(connection: Connection, names: Names) -> str | None:
    found: list[str] = []
    for what, statement in (
        ("stream whose versions have gaps", STREAMS_WITH_GAPS),
        ("tag without its event", TAGS_WITHOUT_EVENT),
        ("event without its tag", EVENTS_WITHOUT_TAG),
    ):
        found += [f"{what}: {each}" for (each,) in await connection.fetch(names.fill(statement))]
    return "; ".join(found) or None


def _of_the_tables(url: str, names: Names, found: int, cache: int, damage: str | None) -> Iterator[Finding]:
    if found < latest_version():
        what = f"the tables are at schema version {found}, this release needs {latest_version()}"
        yield Finding(what, f"eventfold store migrate --store {url}")
    if cache != 1:
        yield Finding(
            f"the sequence of positions hands out {cache} at a time, so subscribers would skip events",
            _psql(names.fill("ALTER SEQUENCE {events_position_seq} CACHE 1")),
        )
    if damage is not None:
        yield Finding(f"the tables contradict each other: {damage}", f"eventfold doctor --deep --json --store {url}")


def _of_removals(url: str, removals: int) -> Iterator[Finding]:
    if removals:
        yield Finding(
            f"{removals} stream(s) that were deleted or truncated have events in the log still",
            f"eventfold admin sweep --store {url}",
        )


def _of_the_guard(names: Names, unguarded: Sequence[str]) -> Iterator[Finding]:
    for table in unguarded:
        name = names.fill(f"{{{table}}}")
        yield Finding(
            f"the trigger that keeps {names.plain(table)} append-only is switched off or gone",
            _psql(
                names.fill(
                    f"DROP TRIGGER IF EXISTS append_only ON {name}; CREATE TRIGGER append_only BEFORE UPDATE OR DELETE "
                    f"OR TRUNCATE ON {name} FOR EACH STATEMENT EXECUTE FUNCTION {{refuse_change}}()"
                )
            ),
        )


def _of_the_server(settings: Any, direct: str | None, *, pooler: bool) -> Iterator[Finding]:
    if settings["fsync"] == "off":
        yield Finding(f"fsync is off: {_DAMAGED_BY_A_CRASH}", _psql("ALTER SYSTEM SET fsync = on", _RELOAD))
    if settings["full_page_writes"] == "off":
        yield Finding(
            f"full_page_writes is off: {_DAMAGED_BY_A_CRASH}", _psql("ALTER SYSTEM SET full_page_writes = on", _RELOAD)
        )
    if settings["synchronous_commit"] == "off":
        yield Finding(
            f"synchronous_commit is off: {_LOST_BY_A_CRASH}", _psql("ALTER SYSTEM SET synchronous_commit = on", _RELOAD)
        )
    if settings["encoding"] != "UTF8":
        yield Finding(
            f"the database's encoding is {settings['encoding']}: what it cannot spell is refused",
            "createdb --encoding UTF8 --template template0 another",
        )
    if pooler and direct is None:
        yield Finding(
            "a pooler stands before the server: notifications do not come through it, and statements may fail",
            "eventfold doctor --store 'postgresql://…?direct=postgresql%3A%2F%2Fserver%2Fdatabase'",
        )
    if settings["notifications"] > _QUEUE_FILLS:
        yield Finding(
            f"the queue of notifications is {settings['notifications']:.0%} full: once it is, commits fail; a session "
            "listens within a long transaction",
            _psql("SELECT pid, state, xact_start, application_name, query FROM pg_stat_activity ORDER BY xact_start"),
        )


def _of_others(holding: Sequence[Any], prepared: Sequence[Any]) -> Iterator[Finding]:
    for each in holding:
        if each.pid is not None:
            yield Finding(
                f"{each.what} has held readers back for {each.seconds:.1f} s",
                _psql(f"SELECT pg_terminate_backend({each.pid})"),
            )
    for gid, owner, seconds in prepared:
        yield Finding(
            f"the prepared transaction {gid!r} of {owner} is {seconds:.0f} s old: it keeps its locks, and readers back "
            "if it has appended, until somebody ends it",
            _psql(f"ROLLBACK PREPARED {_literal(gid)}"),
        )


_RELOAD: Final = "SELECT pg_reload_conf()"


def _psql(*statements: str) -> str:
    """To be given the address by PGHOST and the like, or added by hand: a command that is printed holds no password."""
    return shlex.join(["psql", *(part for each in statements for part in ("-c", each))])


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

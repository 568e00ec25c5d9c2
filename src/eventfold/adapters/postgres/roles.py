"""
Who may do what with a store on a server: an owner, and those who write, read and project.

Rights are those of group roles without a login; people and programs become members of them. The owner's rights are the
table owner's. A writer reads, and appends by calling functions: no right on a table lets anybody choose a position.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from eventfold.adapters.postgres.connection import Connections
from eventfold.adapters.postgres.migrate import found_version
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.session import unit
from eventfold.adapters.postgres.views import VIEW_OF_A_CATEGORY
from eventfold.errors import InvalidInput

__all__ = [
    "APPENDING",
    "BOOKKEEPING",
    "EFFECTS",
    "ENTERING",
    "KEEPING",
    "READABLE",
    "READING",
    "Roles",
    "apply_roles",
    "role_statements",
]

_ROLE: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")

READABLE: Final = (
    "events", "event_tags", "events_json", "stream_marks", "store", "store_migrations", "incarnations", "processors",
    "leases", "lease_members", "checkpoints", "parked", "removed_events",
)  # fmt: skip
"""What readers, writers and projectors may SELECT from. Payloads elsewhere are nobody's but who makes them."""
BOOKKEEPING: Final = ("processors", "leases", "lease_members", "checkpoints", "parked")
"""What projectors write of their own."""
EFFECTS: Final = ("actions", "timers")
"""What projectors write of their own too, and nobody else reads: what the world has answered, what is to come."""
ENTERING: Final = ("commands",)
"""What writers add to and look up, and nobody else reads: what was replied to a command."""
KEEPING: Final = ("snapshots",)
"""What writers keep for themselves, and nobody else reads: states."""
READING: Final = ("bound", "horizon", "recognise")
"""Functions that whoever reads calls."""
APPENDING: Final = ("append_1", "append_n", "append_r", "append_all")
"""Functions that run as the owner."""

_SHARED_BY_ALL: Final = "public"


class Roles(msgspec.Struct, frozen=True):
    """The names of the four. Raises InvalidInput for one that is none, the server's own, or there twice."""

    owner: str
    writer: str
    reader: str
    projector: str

    def __post_init__(self) -> None:
        for each in self.all:
            if not _ROLE.fullmatch(each) or each.startswith("pg_"):
                raise InvalidInput(f"role {each!r}: lower-case letters, digits, '_', no digit first, 1 to 63, no pg_")
        if len(set(self.all)) < len(self.all):
            raise InvalidInput(f"roles {', '.join(self.all)}: each needs a name of its own")

    @property
    def all(self) -> tuple[str, str, str, str]:
        return self.owner, self.writer, self.reader, self.projector

    @classmethod
    def of(cls, schema: str, **named: str | None) -> Roles:
        """`shop_owner`, `shop_writer` … for the schema `shop`, unless named otherwise."""
        return cls(**{part: named.get(part) or f"{schema}_{part}" for part in cls.__struct_fields__})


def role_statements(names: Names, roles: Roles, *, tables: str = _SHARED_BY_ALL) -> Sequence[str]:
    """
    SQL that makes the roles and gives them their rights, and takes what they or everybody had beyond. Twice is as once.

    Args:
        tables: the schema of the projectors' tables.

    Raises:
        InvalidInput: the schema's name is none.
    """
    rows = Names(tables).fill("{schema}")
    return list(_statements(names, roles, rows))


def _statements(names: Names, roles: Roles, rows: str) -> Iterator[str]:
    owner, writer, reader, projector = (f'"{each}"' for each in roles.all)
    readers = f"{writer}, {reader}, {projector}"
    for role in roles.all:
        yield (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
            f'THEN CREATE ROLE "{role}" NOLOGIN; END IF; END $$'
        )
    # Who is no superuser gives tables only to a role that he is a member of.
    yield (
        "DO $$ BEGIN IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AND current_user <> "  # noqa: S608 - a checked name
        f"'{roles.owner}' THEN GRANT {owner} TO CURRENT_USER; END IF; END $$"
    )
    yield names.fill(f"GRANT USAGE, CREATE ON SCHEMA {{schema}} TO {owner}")
    for table in names.tables:
        yield names.fill(f"ALTER TABLE {{{table}}} OWNER TO {owner}")
    yield names.fill(f"ALTER SEQUENCE {{removals}} OWNER TO {owner}")
    for function in names.functions:
        yield names.fill(f"ALTER FUNCTION {{{function}}} OWNER TO {owner}")
    for function in APPENDING:
        yield names.fill(f"ALTER FUNCTION {{{function}}} SECURITY DEFINER SET search_path = pg_catalog, pg_temp")

    everybody = f"PUBLIC, {readers}"
    if names.schema != _SHARED_BY_ALL:
        yield names.fill(f"REVOKE ALL ON SCHEMA {{schema}} FROM {everybody}")
    yield names.fill(f"REVOKE ALL ON {_list(names, names.tables)} FROM {everybody}")
    yield names.fill(f"REVOKE ALL ON SEQUENCE {{events_position_seq}}, {{removals}} FROM {everybody}")
    yield names.fill(f"REVOKE ALL ON FUNCTION {_list(names, names.functions)} FROM {everybody}")

    yield names.fill(f"GRANT USAGE ON SCHEMA {{schema}} TO {readers}")
    yield names.fill(f"GRANT SELECT ON {_list(names, READABLE)} TO {readers}")
    yield names.fill(f"GRANT SELECT ON SEQUENCE {{events_position_seq}} TO {readers}")
    yield names.fill(f"GRANT EXECUTE ON FUNCTION {_list(names, READING)} TO {readers}")
    yield names.fill(f"GRANT EXECUTE ON FUNCTION {_list(names, APPENDING)} TO {writer}")
    yield names.fill(f"GRANT SELECT, INSERT ON {_list(names, ENTERING)} TO {writer}")
    yield names.fill(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {_list(names, KEEPING)} TO {writer}")
    yield names.fill(f"GRANT INSERT, UPDATE, DELETE ON {_list(names, BOOKKEEPING)} TO {projector}")
    yield names.fill(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {_list(names, EFFECTS)} TO {projector}")
    yield (
        "DO $$ DECLARE made text; BEGIN FOR made IN SELECT c.oid::regclass FROM pg_class AS c "  # noqa: S608 - checked names
        f"WHERE c.relnamespace = '{names.schema}'::regnamespace AND c.relkind = 'v' "
        f"AND obj_description(c.oid, 'pg_class') LIKE '{VIEW_OF_A_CATEGORY}%' LOOP "
        f"EXECUTE 'ALTER VIEW ' || made || ' OWNER TO {owner}'; "
        f"EXECUTE 'GRANT SELECT ON ' || made || ' TO {readers}'; END LOOP; END $$"
    )
    yield f"GRANT USAGE, CREATE ON SCHEMA {rows} TO {projector}"
    yield f"GRANT USAGE ON SCHEMA {rows} TO {writer}, {reader}"


def _list(names: Names, wanted: Iterable[str]) -> str:
    return names.fill(", ".join(f"{{{each}}}" for each in wanted))


async def apply_roles(dsn: str, *, schema: str, direct: str | None, roles: Roles, tables: str) -> None:
    """
    Make the roles and give them their rights, all or nothing. Others may have the store open.

    Raises:
        InvalidInput: a name is none.
        NotPermitted: the role of the URL may not make roles, or does not own the tables.
        StoreNotMigrated, NotAStore, StoreTooNew: this is no store of this release, and nothing was touched.
        StoreUnavailable: it cannot be reached.
    """
    names = Names(schema)
    statements = role_statements(names, roles, tables=tables)
    connections = Connections(dsn, direct=direct, most=1)
    try:
        async with unit(connections, for_user=True) as connection:
            await found_version(connection, names, connections.where, migrate=False)
            for each in statements:
                await connection.execute(each)
    finally:
        await connections.close()

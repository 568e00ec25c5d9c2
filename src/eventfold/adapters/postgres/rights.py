"""Whether everybody may do with a store on a server what is theirs to do, and no more."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Mapping
from typing import Final

from eventfold.adapters.postgres.connection import Connection
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.roles import (
    APPENDING,
    BOOKKEEPING,
    EFFECTS,
    ENTERING,
    KEEPING,
    READABLE,
    READING,
    Roles,
)
from eventfold.ports.inspection import Finding

__all__ = ["of_rights", "without_guard"]

_PRIVILEGES: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")

THERE: Final = "SELECT rolname::text, rolsuper FROM pg_roles WHERE rolname = ANY($1::text[])"
ON_TABLES: Final = """
SELECT r.role, t.name, p.privilege,
       CASE WHEN p.privilege IN ('DELETE', 'TRUNCATE') THEN has_table_privilege(r.role, t.name, p.privilege)
            ELSE has_any_column_privilege(r.role, t.name, p.privilege) END
  FROM unnest($1::text[]) AS r(role), unnest($2::text[]) AS t(name), unnest($3::text[]) AS p(privilege)
"""
ON_FUNCTIONS: Final = """
SELECT r.role, f.name, has_function_privilege(r.role, p.oid, 'EXECUTE')
  FROM unnest($1::text[]) AS r(role), unnest($2::text[]) AS f(name)
  JOIN pg_proc AS p ON p.proname = f.name AND p.pronamespace = $3::text::regnamespace
"""
ON_THE_REST: Final = """
SELECT role, has_schema_privilege(role, $2::text, 'USAGE'), has_sequence_privilege(role, $3::text, 'SELECT'),
       has_sequence_privilege(role, $3::text, 'USAGE') OR has_sequence_privilege(role, $3::text, 'UPDATE')
  FROM unnest($1::text[]) AS r(role)
"""
DEFINERS: Final = """
SELECT proname::text FROM pg_proc
 WHERE pronamespace = $1::text::regnamespace AND proname = ANY($2::text[])
   AND NOT (prosecdef AND coalesce(proconfig::text, '') LIKE '%search_path=%') ORDER BY 1
"""
OWNERS: Final = """
SELECT r.role, m.role FROM unnest($1::text[]) AS r(role), unnest($1::text[]) AS m(role)
 WHERE r.role <> m.role AND pg_has_role(r.role, m.role, 'MEMBER')
"""
CHANGERS: Final = """
SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.privilege_type
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL (
     SELECT c.relacl AS acl UNION ALL SELECT attacl FROM pg_attribute WHERE attrelid = c.oid) AS granted
 CROSS JOIN LATERAL aclexplode(granted.acl) AS a
 WHERE c.oid = ANY($1::text[]::regclass[]) AND a.grantee <> c.relowner AND a.privilege_type = ANY($2::text[])
   AND NOT (a.grantee <> 0 AND pg_get_userbyid(a.grantee) = ANY($3::text[]))
 ORDER BY 1, 2, 3
"""


GUARDED: Final = """
SELECT t.name FROM unnest($1::text[], $2::text[]) AS t(name, full_name)
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = t.full_name::regclass AND tgname = 'append_only'
                      AND tgenabled IN ('O', 'A'))
"""


async def without_guard(connection: Connection, names: Names) -> list[str]:
    """Which of the tables of the log can be changed by who may, because no trigger refuses it."""
    log = ["events", "event_tags"]
    found = await connection.fetch(GUARDED, log, [names.fill(f"{{{each}}}") for each in log])
    return [name for (name,) in found]


async def of_rights(connection: Connection, names: Names, url: str) -> list[Finding]:
    """
    What is missing and what is too much, with the command that mends it.

    Looked at are the roles of the usual names, `shop_writer` and so on for the schema `shop`, and whoever else was
    given a right to change the log.

    Args:
        url: of the store, quoted for a shell and without its password.
    """
    roles = Roles.of(names.schema)
    there: Mapping[str, bool] = dict(await connection.fetch(THERE, list(roles.all)))
    found = [each async for each in _of_changers(connection, names, there)]
    if not there:
        return found
    mend = f"eventfold store roles --apply --store {url}"
    members = await connection.fetch(OWNERS, list(there))
    for member, of in members:
        found.append(
            Finding(
                f"the role {member!r} is a member of {of!r}, and may do what that may",
                _psql(f"REVOKE {of} FROM {member}"),
            )
        )
    for role, is_super in there.items():
        if is_super:
            found.append(Finding(f"the role {role!r} may do everything", _psql(f"ALTER ROLE {role} NOSUPERUSER")))
    judged = [role for role in there if not there[role] and role not in {member for member, _ in members}]
    found += [Finding(f"the role {role!r} is missing", mend) for role in roles.all if role not in there]
    found += [Finding(what, mend) for what in await _wrong(connection, names, roles, judged)]
    running = await connection.fetch(DEFINERS, names.schema, list(APPENDING))
    found += [
        Finding(f"the function {names.plain(name)} does not run as its owner with a fixed search_path", mend)
        for (name,) in running
    ]
    return found


async def _of_changers(connection: Connection, names: Names, there: Mapping[str, bool]) -> AsyncIterator[Finding]:
    """Who was given a right to change the log. INSERT can forge positions, and with our roles nobody needs it."""
    log = [names.fill("{events}"), names.fill("{event_tags}")]
    rights = ["UPDATE", "DELETE", "TRUNCATE", *(["INSERT"] if there else [])]
    for role, table, privilege in await connection.fetch(CHANGERS, log, rights, list(there)):
        yield Finding(f"{role} may {privilege} on {table}", _psql(f"REVOKE {privilege} ON {table} FROM {role}"))


async def _wrong(connection: Connection, names: Names, roles: Roles, judged: list[str]) -> list[str]:
    return [
        *[each async for each in _wrong_on_tables(connection, names, roles, judged)],
        *[each async for each in _wrong_on_functions(connection, names, roles, judged)],
        *[each async for each in _wrong_on_the_rest(connection, names, roles, judged)],
    ]


async def _wrong_on_tables(connection: Connection, names: Names, roles: Roles, judged: list[str]) -> AsyncIterator[str]:
    tables = {names.fill(f"{{{each}}}"): each for each in names.tables}
    for role, table, privilege, has in await connection.fetch(ON_TABLES, judged, list(tables), list(_PRIVILEGES)):
        should = may(roles, role, tables[table], privilege)
        if has != should:
            yield _told(role, privilege, names.plain(tables[table]), has=has)


async def _wrong_on_functions(
    connection: Connection, names: Names, roles: Roles, judged: list[str]
) -> AsyncIterator[str]:
    for role, function, has in await connection.fetch(ON_FUNCTIONS, judged, [*READING, *APPENDING], names.schema):
        should = role == roles.owner or function in READING or role == roles.writer
        if has != should:
            yield _told(role, "EXECUTE", f"{names.plain(function)}()", has=has)


async def _wrong_on_the_rest(
    connection: Connection, names: Names, roles: Roles, judged: list[str]
) -> AsyncIterator[str]:
    sequence = names.fill("{events_position_seq}")
    for role, enters, sees, draws in await connection.fetch(ON_THE_REST, judged, names.schema, sequence):
        if not enters:
            yield _told(role, "USAGE", f"the schema {names.schema}", has=False)
        if not sees:
            yield _told(role, "SELECT", "the sequence of positions", has=False)
        if draws and role != roles.owner:
            yield _told(role, "UPDATE", "the sequence of positions", has=True)


def may(roles: Roles, role: str, table: str, privilege: str) -> bool:
    """What `eventfold store roles` prints, as a question."""
    if role == roles.owner:
        return True
    if privilege == "SELECT" and table in READABLE:
        return True
    if table in ENTERING:
        return role == roles.writer and privilege in {"SELECT", "INSERT"}
    if table in KEEPING:
        return role == roles.writer and privilege != "TRUNCATE"
    if table in EFFECTS:
        return role == roles.projector and privilege != "TRUNCATE"
    return role == roles.projector and table in BOOKKEEPING and privilege not in {"SELECT", "TRUNCATE"}


def _told(role: str, privilege: str, on: str, *, has: bool) -> str:
    return f"the role {role!r} {'may' if has else 'may not'} {privilege} on {on}, but should{' not' if has else ''}"


def _psql(statement: str) -> str:
    return shlex.join(["psql", "-c", statement])

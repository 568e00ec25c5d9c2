"""What a store's file is worth, and what is wrong with it: facts in words, findings with their remedy."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import apsw

from eventfold.adapters.sqlite.connection import Connection, Synchronous
from eventfold.adapters.sqlite.filesystem import file_system_of, mount_table, refuse_network
from eventfold.adapters.sqlite.lock import lock_holder
from eventfold.adapters.sqlite.migrate import found_version, latest_version
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.survey import looking
from eventfold.adapters.sqlite.wal import WAL_LIMIT, wal_readers, wal_size
from eventfold.errors import StoreNotMigrated, StoreUnavailable, UnsupportedByStore
from eventfold.ports.inspection import Examination, Finding

__all__ = ["ACKNOWLEDGED", "examine"]

ACKNOWLEDGED: Final[Mapping[Synchronous, str]] = {
    "full": "an acknowledged event is on the disk: it survives kill -9, a crash of the system and a power cut, "
    "if the disk does what it is told",
    "normal": "an acknowledged event survives kill -9; a crash of the system or a power cut may take the last ones, "
    "whole appends, never torn ones",
}
_ALL_IS_WELL: Final = "ok"


def examine(
    path: str, *, url: str, prefix: str, busy: float, synchronous: Synchronous, deep: bool = False
) -> Examination:
    """
    Look at the file, its surroundings and its tables' version.

    Args:
        url: of the store, as the commands of the findings shall name it.
        deep: read every page of it.

    Raises:
        StoreNotMigrated: nothing lies there, or nothing of ours.
        NotAStore, StoreTooNew, StoreUnavailable, StoreBusy.
    """
    with looking(path, busy=busy) as connection:
        found = found_version(connection, Names(prefix), path, migrate=True)
        if found == 0:
            raise StoreNotMigrated(path, 0, latest_version())
        damage = _damage(connection, deep=deep)
    file_system = file_system_of(path, mount_table())
    mode = stat.S_IMODE(Path(path).stat().st_mode)
    holder = _lock_holder(path)
    url, quoted = shlex.quote(url), shlex.quote(path)
    facts: dict[str, object] = {
        "file": str(Path(path).absolute()),
        "acknowledgement": ACKNOWLEDGED[synchronous],
        "synchronous": synchronous,
        "schema": found,
        "schema_needed": latest_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "apsw": apsw.apsw_version(),
        "file_system": None if file_system is None else file_system[0],
        "mounted_at": None if file_system is None else file_system[1],
        "permissions": f"{mode:04o}",
        "size": Path(path).stat().st_size,
        "wal_size": wal_size(path),
        "lock_held_by": None if holder is None else holder[0],
        "lock_held_for": None if holder is None else round(holder[1], 3),
        "integrity": damage if damage or deep else "not looked at: --deep",
    }
    if deep and not damage:
        facts["integrity"] = _ALL_IS_WELL
    findings = [
        *_of_the_tables(url, quoted, found, damage),
        *_of_the_file(url, path, mode),
        *_of_others(path, holder, busy),
    ]
    return Examination(facts, findings)


def _damage(connection: Connection, *, deep: bool) -> str | None:
    if not deep:
        return None
    try:
        found: list[Any] = [text for (text,) in connection.execute("PRAGMA integrity_check(5)").fetchall()]
    except apsw.CorruptError as error:
        return str(error)
    found += [f"a row of {row[0]} refers to none of {row[2]}" for row in _broken_references(connection)]
    return None if found == [_ALL_IS_WELL] else "; ".join(map(str, found[:5]))


def _broken_references(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute("PRAGMA foreign_key_check").fetchall()


def _lock_holder(path: str) -> tuple[int | None, float] | None:
    try:
        return lock_holder(path)
    except OSError as error:
        raise StoreUnavailable(f"{path}-lock cannot be looked at: {error.strerror}") from error


def _of_the_tables(url: str, path: str, found: int, damage: str | None) -> Iterator[Finding]:
    if found < latest_version():
        what = f"the tables are at schema version {found}, this release needs {latest_version()}"
        yield Finding(what, f"eventfold store migrate --store {url}")
    if damage is not None:
        yield Finding(f"the file is damaged: {damage}", f"sqlite3 {path} .recover | sqlite3 {path}.recovered")


def _of_the_file(url: str, path: str, mode: int) -> Iterator[Finding]:
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        files = shlex.join(
            f"{path}{end}" for end in ("", "-wal", "-shm", "-lock", "-streams") if Path(f"{path}{end}").exists()
        )
        yield Finding(f"others than the owner may open the file ({mode:04o})", f"chmod go= {files}")
    if not os.access(path, os.W_OK) or not os.access(Path(path).parent, os.W_OK):
        yield Finding(
            "this user cannot write the file, or its folder", shlex.join(["ls", "-ld", str(Path(path).parent), path])
        )
    try:
        refuse_network(path, mount_table())
    except UnsupportedByStore as error:
        yield Finding(str(error), f"eventfold store backup /a/local/disk/{Path(path).name} --store {url}")


def _of_others(path: str, holder: tuple[int | None, float] | None, busy: float) -> Iterator[Finding]:
    if holder is not None and holder[1] >= busy:
        pid, seconds = holder
        who = "a process" if pid is None else f"process {pid}"
        command = shlex.join(["fuser", "-v", f"{path}-lock"]) if pid is None else f"ps -o pid,stat,etime,args -p {pid}"
        yield Finding(f"{who} has held the lock for {seconds:.0f} s: nobody else can write", command)
    if wal_size(path) > WAL_LIMIT:
        readers = wal_readers(path)
        what = f"the write-ahead log has {wal_size(path) >> 20} MiB; a reader keeps it from being written back"
        command = (
            f"ps -o pid,stat,etime,args -p {','.join(map(str, readers))}"
            if readers
            else shlex.join(["fuser", "-v", path])
        )
        yield Finding(what, command)

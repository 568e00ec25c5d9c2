"""
The numbered migrations of a store's tables, and which code may use a store that has had some of them.

A *pre* migration only adds, so the release before goes on working beside this one. A *post* migration, whose name
begins with `post_`, comes when no such release is left: somebody says so with `eventfold store migrate --finish`. That
raises the store's `schema_version`: the newest migration that code must know to use the store.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from importlib import resources
from typing import Final

import msgspec

from eventfold.errors import StoreNotMigrated, StoreTooNew

__all__ = ["Applied", "Migration", "Migrations"]

_FILE: Final = re.compile(r"(\d{4})_(\w+)\.sql")


class Migration(msgspec.Struct, frozen=True):
    """One step, `0005_post_no_old_marks.sql`: its number, its name, its SQL with the places of names open."""

    number: int
    name: str
    script: str

    @property
    def is_post(self) -> bool:
        return self.name.startswith("post_")


class Applied(msgspec.Struct, frozen=True):
    """
    What a store has had.

    Args:
        oldest: `schema_version`, the newest migration that code must know to use it; 0 without any tables.
        numbers: of the migrations.
    """

    oldest: int
    numbers: frozenset[int]

    @classmethod
    def of(cls, oldest: int, recorded: Iterable[int] | None) -> Applied:
        """Without a record of what was applied, as in release 0.1.0, the version says it all."""
        return cls(oldest, frozenset(range(1, oldest + 1) if recorded is None else recorded))


class Migrations:
    """All steps that this release knows, in their order."""

    def __init__(self, steps: Iterable[Migration]) -> None:
        self.steps: tuple[Migration, ...] = tuple(sorted(steps, key=lambda each: each.number))
        self.latest: int = self.steps[-1].number

    @classmethod
    def of(cls, package: str) -> Migrations:
        """Those in the folder `migrations` of a package."""
        folder = resources.files(package) / "migrations"
        found = ((_FILE.fullmatch(file.name), file) for file in folder.iterdir())
        return cls(Migration(int(match[1]), match[2], file.read_text("utf-8")) for match, file in found if match)

    def version(self, applied: Applied) -> int:
        """The newest one up to which no pre migration is missing: `latest` when nothing is to be done. 0: no tables."""
        missing = [each.number for each in self.steps if not each.is_post and each.number not in applied.numbers]
        return missing[0] - 1 if missing else self.latest

    def pending(self, applied: Applied, *, finish: bool) -> tuple[Migration, ...]:
        """What is to be applied now. A store without tables gets everything at once."""
        everything = finish or not applied.numbers
        return tuple(
            each for each in self.steps if each.number not in applied.numbers and (everything or not each.is_post)
        )

    def oldest(self, applied: Applied, *, finish: bool) -> int:
        """The store's `schema_version` once `pending` is applied."""
        return max(applied.oldest, self.latest) if finish or not applied.numbers else applied.oldest

    def is_done(self, applied: Applied, *, finish: bool) -> bool:
        return not self.pending(applied, finish=finish) and self.oldest(applied, finish=finish) == applied.oldest

    def judge(self, applied: Applied, where: str, *, migrate: bool) -> int:
        """
        `version`, if this release may use the store.

        Raises:
            StoreTooNew: a newer release was there, and has said that no older one is left.
            StoreNotMigrated: something is missing and may not be made.
        """
        if applied.oldest > self.latest:
            raise StoreTooNew(where, applied.oldest, self.latest)
        version = self.version(applied)
        if version < self.latest and not migrate:
            raise StoreNotMigrated(where, version, self.latest)
        return version

    def refuse_unfinished(self, applied: Applied, where: str, number: int) -> None:
        """
        Raises:
            StoreNotMigrated: code that does not know this migration may still use the store; with the command.
        """
        if applied.oldest < number:
            raise StoreNotMigrated(where, applied.oldest, number, finish=True)

    def to_record(self, recorded: AbstractSet[int], applied: Applied, *, finish: bool) -> tuple[Migration, ...]:
        """What the table of applied migrations has to learn once `pending` is applied."""
        now = applied.numbers | {each.number for each in self.pending(applied, finish=finish)}
        return tuple(each for each in self.steps if each.number in now - recorded)

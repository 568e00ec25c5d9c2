"""Views as folds: one JSON document for each key, with a version."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    delete,
    select,
    update,
)

from eventfold.adapters.sql import upsert
from eventfold.domain.message import Recorded
from eventfold.errors import InvalidInput, RetryTransaction
from eventfold.processing.projector import Projector
from eventfold.processing.view import View

__all__ = ["Document", "Documents"]

D = TypeVar("D")
E = TypeVar("E")


class Document(msgspec.Struct, Generic[D], frozen=True):
    """
    A view as it is stored.

    Args:
        version: how many events are folded into it.
        position: of the last of them.
    """

    value: D
    version: int
    position: int


class Documents(Projector, Generic[D]):
    """
    A projector whose rows are documents: each is the fold of its events, stored as JSON with a version.

    An update that others were quicker with is a conflict, and done again from what they have stored. Read one with
    `running.view(documents, key)`, or the table (`id`, `version`, `position`, `document`) with `running.query`.

    Args:
        name: of the projector, its checkpoint and its table. Stored.
        initial: what a document is before its first event. Its class, which must say its fields (a dataclass, a
            msgspec.Struct), is that of all of them. Never changed: the fold returns another one.
        fold: `fold(document, recorded)` gives the next document; None removes it.
        events: the classes it folds.
        key: whose document an event belongs to; by default that of its stream's id. With `partitions`, events of
            different streams come to one document in any order.
        more: as of `Projector`: version, query, on_error, partitions, …

    Raises:
        InvalidInput: no events, an initial value that is no JSON, or as `Projector`.
    """

    def __init__(
        self,
        name: str,
        *,
        initial: D,
        fold: Callable[[D, Recorded[E]], D | None],
        events: Sequence[type[E]],
        key: Callable[[Recorded[E]], str] = lambda recorded: recorded.id,
        **more: Any,
    ) -> None:
        self.table: Table = Table(
            name,
            MetaData(),
            Column("id", String, primary_key=True),
            Column("version", Integer, nullable=False),
            Column("position", BigInteger, nullable=False),
            Column("document", Text, nullable=False),
        )
        super().__init__(name, tables=[self.table], **more)
        try:
            self._decoder = msgspec.json.Decoder(type(initial))
            self._decoder.decode(msgspec.json.encode(initial))
        except (TypeError, msgspec.MsgspecError) as error:
            raise InvalidInput(
                f"documents {name!r}: initial={initial!r} does not come back from JSON: {error}"
            ) from error
        self._initial = initial
        self._fold: Callable[[D, Any], D | None] = fold
        self._key: Callable[[Any], str] = key
        table, columns = self.table, self.table.c
        values = {each.name: bindparam(f"{each.name}_", type_=each.type) for each in table.columns}
        self._insert = upsert(table, key=["id"], insert=values, set={})
        self._update = (
            update(table)
            .where(columns.id == bindparam("id_"), columns.position == bindparam("expected", type_=BigInteger))
            .values({name: values[name] for name in ("version", "position", "document")})
        )
        self._several = select(table).where(columns.id.in_(bindparam("ids", expanding=True)))
        self._one = select(table).where(columns.id == bindparam("id_"))
        self.delete = delete(table).where(columns.id == bindparam("id_"))
        """Removes the document `id_`, for a function of `on_deleted`."""
        self.on_batch(*events)(self._folded)

    async def _folded(self, batch: Sequence[Recorded[Any]], view: View) -> None:
        by_key: dict[str, list[Recorded[Any]]] = {}
        for recorded in batch:
            by_key.setdefault(self._key(recorded), []).append(recorded)
        keys = {"ids": list(by_key)}
        there = {row[0]: self._document(row) for row in await view.fetch(self._several, keys)}
        written: dict[str, int] = {}
        gone: list[str] = []
        for key, events in by_key.items():
            found = there.get(key) or Document(self._initial, 0, 0)
            version, value = found.version, found.value
            for recorded in events:
                following = self._fold(value, recorded)
                version, value = (0, self._initial) if following is None else (version + 1, following)
            if not version:
                gone.append(key)
            written[key] = events[-1].position
            row = {"version_": version, "position_": written[key], "document_": msgspec.json.encode(value).decode()}
            if found.version:
                view.write(self._update, {"id_": key, "expected": found.position, **row})
            else:
                view.write(self._insert, {"id_": key, **row})
        # A position is that of one event, so whoever finds another one there was not the one who wrote.
        now = {row[0]: row[2] for row in await view.fetch(self._several, keys)}
        for key, position in written.items():
            if now.get(key) != position:
                raise RetryTransaction(
                    f"document {key!r} of {self.name!r} was changed by somebody else in the meantime; nothing was kept"
                )
        for key in gone:
            view.write(self.delete, {"id_": key})

    async def read(self, query: Callable[..., Awaitable[Sequence[Sequence[Any]]]], key: str) -> Document[D] | None:
        """The document of this key through `running.query` or its like; None where there is none."""
        found = await query(self._one, {"id_": key})
        return self._document(found[0]) if found else None

    def _document(self, row: Sequence[Any]) -> Document[D]:
        return Document(self._decoder.decode(row[3]), row[1], row[2])

    def __repr__(self) -> str:
        return f"Documents({self.name!r}, version={self.version})"

"""What a read model in SQL does with a statement before it runs: compile it, bind values, keep to its own tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from eventfold.adapters.sql.statements import Statements
from eventfold.errors import UnsupportedStatement
from eventfold.ports.read_model import Bound, Params

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.sql.selectable import SelectBase

    from eventfold.ports.read_model import Writing

__all__ = ["BindsStatements"]

_NO_PARAMS: Final[Params] = {}


class BindsStatements:
    """The part of a read model that needs no connection. Whoever inherits it says which tables are the store's own."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._statements = Statements(dialect)
        self._theirs: set[str] = set()

    def _refuse_our_own(self, table: str) -> None:
        """Raises InvalidInput for a table that no projector may write."""
        raise NotImplementedError

    def bind(self, statement: Writing, row: Params | None) -> Bound:
        values = row or _NO_PARAMS
        compiled = self._statements.find(statement, values)
        if compiled.table not in self._theirs:
            if not compiled.table:
                raise UnsupportedStatement("write() takes insert, update, delete; read with await view.fetch(select)")
            self._refuse_our_own(compiled.table)
            self._theirs.add(compiled.table)
        return compiled, compiled.bind(values)

    def prepared(
        self, select: SelectBase, params: Params | None
    ) -> tuple[str, tuple[Any, ...], Callable[[Sequence[Any]], tuple[Any, ...]]]:
        values = params or _NO_PARAMS
        compiled = self._statements.find(select, values)  # type: ignore[arg-type] # anything else is refused there
        if compiled.table or compiled.row is None:
            raise UnsupportedStatement("a query takes a select; rows are written by projectors, with view.write()")
        return compiled.sql, compiled.bind(values), compiled.row

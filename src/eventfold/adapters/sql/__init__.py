"""
SQLAlchemy Core as the language of read models.

A statement is compiled once for a dialect and run on the store's own connections; no engine, no pool, no session.
Importing this package imports SQLAlchemy, so only adapters do it, and late.
"""

from eventfold.adapters.sql.binding import BindsStatements
from eventfold.adapters.sql.dialects import postgres_dialect, sqlite_dialect
from eventfold.adapters.sql.statements import Compiled, StatementRebuilt, Statements
from eventfold.adapters.sql.tables import SUPPORTED_TYPES, check_table, ddl_create, ddl_drop
from eventfold.adapters.sql.upserts import upsert

__all__ = [
    "SUPPORTED_TYPES",
    "BindsStatements",
    "Compiled",
    "StatementRebuilt",
    "Statements",
    "check_table",
    "ddl_create",
    "ddl_drop",
    "postgres_dialect",
    "sqlite_dialect",
    "upsert",
]

-- What this store has had, so that a migration that only adds need not refuse the release before.
CREATE TABLE {store_migrations} (
    number     INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

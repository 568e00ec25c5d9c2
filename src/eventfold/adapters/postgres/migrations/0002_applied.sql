-- What this store has had, so that a migration that only adds need not refuse the release before.
CREATE TABLE {store_migrations} (
    number     integer PRIMARY KEY,
    name       text    COLLATE "C" NOT NULL,
    applied_at bigint  NOT NULL
);

-- The log. AUTOINCREMENT, or SQLite would give the positions of a deleted tail to other events.
-- Times are microseconds since 1970 in UTC. schema_version NULL reads as 0, occurred_at NULL as recorded_at.
-- data is TEXT for JSON, BLOB for other formats, NULL only after erasure.
CREATE TABLE {events} (
    position       INTEGER PRIMARY KEY AUTOINCREMENT,
    category       TEXT    NOT NULL,
    id             TEXT    NOT NULL,
    version        INTEGER NOT NULL CHECK (version > 0),
    event_id       BLOB    NOT NULL CHECK (length(event_id) = 16),
    type           TEXT    NOT NULL,
    schema_version INTEGER,
    format         INTEGER NOT NULL,
    correlation_id TEXT,
    causation_id   TEXT,
    tags           TEXT,
    occurred_at    INTEGER,
    recorded_at    INTEGER NOT NULL,
    metadata       TEXT,
    data           ANY,
    UNIQUE (category, id, version),
    UNIQUE (event_id)
) STRICT;
CREATE INDEX {events_category} ON {events} (category, position);

CREATE TABLE {event_tags} (
    tag      TEXT    NOT NULL,
    position INTEGER NOT NULL,
    type     TEXT    NOT NULL,
    PRIMARY KEY (tag, position)
) STRICT, WITHOUT ROWID;

-- Only exceptional streams: no row per stream on the way of an append.
CREATE TABLE {stream_marks} (
    category       TEXT    NOT NULL,
    id             TEXT    NOT NULL,
    state          TEXT    NOT NULL CHECK (state IN ('truncated', 'deleted', 'archived')),
    before_version INTEGER NOT NULL,
    position       INTEGER NOT NULL,
    reason         TEXT,
    actor          TEXT,
    at             INTEGER NOT NULL,
    PRIMARY KEY (category, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE {store} (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    schema_version INTEGER NOT NULL,
    store_id       BLOB    NOT NULL,
    incarnation    BLOB    NOT NULL,
    fingerprint    TEXT    NOT NULL,
    created_at     INTEGER NOT NULL
) STRICT;

CREATE TABLE {incarnations} (
    incarnation   BLOB    PRIMARY KEY,
    fingerprint   TEXT    NOT NULL,
    head_position INTEGER NOT NULL,
    since         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE {processors} (
    name              TEXT    PRIMARY KEY,
    kind              TEXT    NOT NULL,
    active_generation INTEGER NOT NULL DEFAULT 0,
    partitions        INTEGER NOT NULL DEFAULT 1,
    start             TEXT    NOT NULL DEFAULT 'beginning',
    paused            INTEGER NOT NULL DEFAULT 0,
    code_version      INTEGER NOT NULL,
    query_hash        BLOB,
    last_error        TEXT,
    updated_at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE {leases} (
    processor   TEXT    NOT NULL,
    partition   INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    owner       TEXT    NOT NULL,
    lease_until INTEGER NOT NULL,
    PRIMARY KEY (processor, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE {checkpoints} (
    processor   TEXT    NOT NULL,
    generation  INTEGER NOT NULL DEFAULT 0,
    partition   INTEGER NOT NULL DEFAULT 0,
    position    INTEGER NOT NULL,
    event_id    BLOB,
    incarnation BLOB,
    epoch       INTEGER NOT NULL DEFAULT 0,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (processor, generation, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE {snapshots} (
    category    TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    fingerprint BLOB    NOT NULL,
    format      INTEGER NOT NULL,
    data        ANY     NOT NULL,
    saved_at    INTEGER NOT NULL,
    PRIMARY KEY (category, id, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE {commands} (
    command_id    BLOB    PRIMARY KEY,
    request_hash  BLOB    NOT NULL,
    category      TEXT,
    id            TEXT,
    first_version INTEGER,
    last_version  INTEGER,
    position      INTEGER NOT NULL,
    reply         ANY,
    recorded_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE {actions} (
    reactor  TEXT    NOT NULL,
    event_id BLOB    NOT NULL,
    key      TEXT    NOT NULL,
    status   TEXT    NOT NULL CHECK (status IN ('intended', 'done', 'unknown')),
    result   ANY,
    epoch    INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (reactor, event_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE {parked} (
    processor   TEXT    NOT NULL,
    generation  INTEGER NOT NULL DEFAULT 0,
    position    INTEGER NOT NULL,
    partition   INTEGER NOT NULL DEFAULT 0,
    category    TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    event_id    BLOB    NOT NULL,
    behind      INTEGER NOT NULL DEFAULT 0,
    attempts    INTEGER NOT NULL,
    error       TEXT    NOT NULL,
    parked_at   INTEGER NOT NULL,
    resolved_at INTEGER,
    resolution  TEXT,
    actor       TEXT,
    PRIMARY KEY (processor, generation, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX {parked_open} ON {parked} (processor, category, id) WHERE resolved_at IS NULL;

CREATE TABLE {timers} (
    manager           TEXT    NOT NULL,
    instance          TEXT    NOT NULL,
    key               TEXT    NOT NULL,
    due_at            INTEGER NOT NULL,
    type              TEXT    NOT NULL,
    data              ANY     NOT NULL,
    schedule_position INTEGER NOT NULL,
    PRIMARY KEY (manager, instance, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX {timers_due} ON {timers} (due_at);

-- SQL reads events through this view: times as text, the bytes as they are.
CREATE VIEW {events_json} AS
SELECT position,
       category,
       id,
       version,
       lower(hex(event_id)) AS event_id,
       type,
       coalesce(schema_version, 0) AS schema_version,
       correlation_id,
       causation_id,
       tags,
       strftime('%Y-%m-%dT%H:%M:%fZ', coalesce(occurred_at, recorded_at) / 1e6, 'unixepoch') AS occurred_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', recorded_at / 1e6, 'unixepoch') AS recorded_at,
       metadata,
       data
FROM {events};

-- What administrators have done. Numbers are never given twice, so a missing one is one that somebody took away.
CREATE TABLE {store_audit} (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    action   TEXT    NOT NULL,
    actor    TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    category TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    version  INTEGER,
    event_id BLOB
) STRICT;

-- Where removed events were: whoever has read so far can still prove that this is the log he has read.
CREATE TABLE {removed_events} (
    position INTEGER PRIMARY KEY,
    event_id BLOB    NOT NULL
) STRICT;

-- Holds a row within an administrator's transaction, and never outside of one: events change for nobody else.
CREATE TABLE {store_acting} (
    one INTEGER PRIMARY KEY CHECK (one = 1)
) STRICT;

CREATE TRIGGER {events_no_update} BEFORE UPDATE ON {events} WHEN NOT EXISTS (SELECT 1 FROM {store_acting})
BEGIN
    SELECT RAISE(ABORT, 'events are facts: they are appended, and changed by `eventfold admin` alone');
END;
CREATE TRIGGER {events_no_delete} BEFORE DELETE ON {events} WHEN NOT EXISTS (SELECT 1 FROM {store_acting})
BEGIN
    SELECT RAISE(ABORT, 'events are facts: they are appended, and removed by `eventfold admin` alone');
END;
CREATE TRIGGER {event_tags_no_update} BEFORE UPDATE ON {event_tags} WHEN NOT EXISTS (SELECT 1 FROM {store_acting})
BEGIN
    SELECT RAISE(ABORT, 'tags belong to events, which are facts');
END;
CREATE TRIGGER {event_tags_no_delete} BEFORE DELETE ON {event_tags} WHEN NOT EXISTS (SELECT 1 FROM {store_acting})
BEGIN
    SELECT RAISE(ABORT, 'tags belong to events, which are facts');
END;

-- The log. Positions are drawn one at a time (cache 1): the order of a session's draws is the order of its events.
-- Times are microseconds since 1970 in UTC, as on the other stores: exact over the whole range of what an append may
-- say, and integers all the way, where a timestamp costs a conversion for every event that is read.
-- SQL reads them as timestamps in events_json. schema_version NULL reads as 0, occurred_at NULL as recorded_at;
-- data is NULL only after erasure. All text compares byte by byte, whatever the database's locale is.
CREATE TABLE {events} (
    position       bigint   GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    category       text     COLLATE "C" NOT NULL,
    id             text     COLLATE "C" NOT NULL,
    version        integer  NOT NULL CHECK (version > 0),
    event_id       uuid     NOT NULL,
    type           text     COLLATE "C" NOT NULL,
    schema_version integer,
    format         smallint NOT NULL,
    correlation_id text     COLLATE "C",
    causation_id   text     COLLATE "C",
    tags           text[]   COLLATE "C",
    occurred_at    bigint,
    recorded_at    bigint   NOT NULL,
    metadata       bytea,
    data           bytea,
    CONSTRAINT events_version UNIQUE (category, id, version),
    CONSTRAINT events_event_id UNIQUE (event_id)
);
CREATE INDEX events_category ON {events} (category, position);

CREATE TABLE {event_tags} (
    tag      text   COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    type     text   COLLATE "C" NOT NULL,
    PRIMARY KEY (tag, position)
);

-- Only exceptional streams: no row per stream on the way of an append.
CREATE TABLE {stream_marks} (
    category       text    COLLATE "C" NOT NULL,
    id             text    COLLATE "C" NOT NULL,
    state          text    COLLATE "C" NOT NULL CHECK (state IN ('truncated', 'deleted', 'archived')),
    before_version integer NOT NULL,
    position       bigint  NOT NULL,
    reason         text,
    actor          text,
    at             bigint  NOT NULL,
    PRIMARY KEY (category, id)
);

CREATE TABLE {store} (
    one            integer PRIMARY KEY CHECK (one = 1),
    schema_version integer NOT NULL,
    store_id       uuid    NOT NULL,
    incarnation    uuid    NOT NULL,
    fingerprint    text    NOT NULL,
    created_at     bigint  NOT NULL
);

CREATE TABLE {incarnations} (
    incarnation   uuid   PRIMARY KEY,
    fingerprint   text   NOT NULL,
    head_position bigint NOT NULL,
    since         bigint NOT NULL
);

CREATE TABLE {processors} (
    name              text    COLLATE "C" PRIMARY KEY,
    kind              text    NOT NULL,
    active_generation integer NOT NULL DEFAULT 0,
    partitions        integer NOT NULL DEFAULT 1,
    start             text    NOT NULL DEFAULT 'beginning',
    paused            integer NOT NULL DEFAULT 0,
    code_version      integer NOT NULL,
    query_hash        bytea,
    last_error        text,
    updated_at        bigint  NOT NULL
);

CREATE TABLE {leases} (
    processor   text    COLLATE "C" NOT NULL,
    partition   integer NOT NULL,
    epoch       bigint  NOT NULL,
    owner       text    NOT NULL,
    lease_until bigint  NOT NULL,
    PRIMARY KEY (processor, partition)
);

CREATE TABLE {checkpoints} (
    processor   text    COLLATE "C" NOT NULL,
    generation  integer NOT NULL DEFAULT 0,
    partition   integer NOT NULL DEFAULT 0,
    position    bigint  NOT NULL,
    event_id    uuid,
    incarnation uuid,
    epoch       bigint  NOT NULL DEFAULT 0,
    updated_at  bigint  NOT NULL,
    PRIMARY KEY (processor, generation, partition)
);

CREATE TABLE {snapshots} (
    category    text     COLLATE "C" NOT NULL,
    id          text     COLLATE "C" NOT NULL,
    kind        text     COLLATE "C" NOT NULL,
    version     integer  NOT NULL,
    fingerprint bytea    NOT NULL,
    format      smallint NOT NULL,
    data        bytea    NOT NULL,
    saved_at    bigint   NOT NULL,
    PRIMARY KEY (category, id, kind)
);

CREATE TABLE {commands} (
    command_id    uuid    PRIMARY KEY,
    request_hash  bytea   NOT NULL,
    category      text    COLLATE "C",
    id            text    COLLATE "C",
    first_version integer,
    last_version  integer,
    position      bigint  NOT NULL,
    reply         bytea,
    recorded_at   bigint  NOT NULL
);

CREATE TABLE {actions} (
    reactor  text   COLLATE "C" NOT NULL,
    event_id uuid   NOT NULL,
    key      text   COLLATE "C" NOT NULL,
    status   text   NOT NULL CHECK (status IN ('intended', 'done', 'unknown')),
    result   bytea,
    epoch    bigint NOT NULL,
    at       bigint NOT NULL,
    PRIMARY KEY (reactor, event_id, key)
);

CREATE TABLE {parked} (
    processor   text    COLLATE "C" NOT NULL,
    generation  integer NOT NULL DEFAULT 0,
    position    bigint  NOT NULL,
    partition   integer NOT NULL DEFAULT 0,
    category    text    COLLATE "C" NOT NULL,
    id          text    COLLATE "C" NOT NULL,
    event_id    uuid    NOT NULL,
    behind      boolean NOT NULL DEFAULT false,
    attempts    integer NOT NULL,
    error       text    NOT NULL,
    parked_at   bigint  NOT NULL,
    resolved_at bigint,
    resolution  text,
    actor       text,
    PRIMARY KEY (processor, generation, position)
);
CREATE INDEX parked_open ON {parked} (processor, category, id) WHERE resolved_at IS NULL;

CREATE TABLE {timers} (
    manager           text   COLLATE "C" NOT NULL,
    instance          text   COLLATE "C" NOT NULL,
    key               text   COLLATE "C" NOT NULL,
    due_at            bigint NOT NULL,
    type              text   COLLATE "C" NOT NULL,
    data              bytea  NOT NULL,
    schedule_position bigint NOT NULL,
    PRIMARY KEY (manager, instance, key)
);
CREATE INDEX timers_due ON {timers} (due_at);

-- SQL reads events through this view: JSON as text, other formats as the hexadecimal digits of their bytes. Moments
-- outside of what a timestamp holds are NULL here and whole in the table.
CREATE VIEW {events_json} AS
SELECT position,
       category,
       id,
       version,
       event_id,
       type,
       coalesce(schema_version, 0) AS schema_version,
       correlation_id,
       causation_id,
       tags,
       CASE WHEN coalesce(occurred_at, recorded_at) BETWEEN -62135596800000000 AND 253402300799999999
            THEN timestamptz '1970-01-01 00:00:00Z' + coalesce(occurred_at, recorded_at) * interval '1 microsecond'
       END AS occurred_at,
       timestamptz '1970-01-01 00:00:00Z' + recorded_at * interval '1 microsecond' AS recorded_at,
       convert_from(metadata, 'UTF8') AS metadata,
       CASE WHEN format = 0 THEN convert_from(data, 'UTF8') ELSE encode(data, 'hex') END AS data
FROM {events};

-- ------------------------------------------------------------------------------------------- the appender epoch
-- An appender holds, until its transaction ends, a shared lock that carries the value of the sequence it saw before it
-- drew a position. All that it may still bring to light lies above that value, so a reader stops at the smallest one.
-- The lock's key is the table's oid and the low 32 bits of the value.

-- For a transaction of several appends: once, as late as possible, and always before the first position is drawn.
CREATE FUNCTION {enter}() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- a local setting dies with its savepoint, exactly as the lock does
    IF current_setting('{entered}', true) IS DISTINCT FROM '1' THEN
        PERFORM pg_advisory_xact_lock_shared('{events}'::regclass::oid::int,
                                             coalesce(pg_sequence_last_value('{events_position_seq}'), 0)::bit(32)::int);
        PERFORM set_config('{entered}', '1', true);
    END IF;
END $$;

-- What a reader may show in a LATER statement: every event at or below it is visible then, or never will be.
CREATE FUNCTION {bound}() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    reached  bigint;
    distance bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the bound of the log needs READ COMMITTED' USING ERRCODE = '25001';
    END IF;
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'the bound of the log is known on the primary only' USING ERRCODE = '25006';
    END IF;
    -- never SELECT last_value: it may show a value ahead of its time, which is a skip
    reached := coalesce(pg_sequence_last_value('{events_position_seq}'), 0);
    -- then the locks: one that is taken from here on carries at least this value. The distance is signed, so that the
    -- 32 bits may wrap.
    SELECT min((objid::bigint - reached) << 32 >> 32) INTO distance
      FROM pg_locks
     WHERE locktype = 'advisory' AND classid = '{events}'::regclass AND objsubid = 2 AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
    RETURN reached + least(coalesce(distance, 0), 0);
END $$;

-- What a reader goes by: the last committed event at or below the bound. In one call, so that a pooler cannot put a
-- crash of the server between: after one, positions that were drawn and not committed are drawn again. And whose history
-- it is: a standby that was promoted, or a copy, may have lost the end of what was read before. The timeline is that of
-- the log that is written now; the control file tells it only after the next checkpoint.
CREATE FUNCTION {horizon}(OUT drawn bigint, OUT bound bigint, OUT head bigint, OUT head_id uuid, OUT history text)
LANGUAGE plpgsql AS $$
BEGIN
    drawn := coalesce(pg_sequence_last_value('{events_position_seq}'), 0);
    bound := {bound}();
    SELECT e.position, e.event_id INTO head, head_id FROM {events} AS e  -- a later statement
     WHERE e.position <= bound ORDER BY e.position DESC LIMIT 1;
    head := coalesce(head, 0);
    history := concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
                         left(pg_walfile_name(pg_current_wal_lsn()), 8));
END $$;

-- ------------------------------------------------------------------------------------------------------ appends
-- p_expect: a version (0: no stream yet), -1 anything, -2 an existing stream. The version is read before a position is
-- drawn, so that the order of a stream is the order of its positions, and the epoch's lock is taken between the two:
-- in statements of their own, for the snapshot of a statement is older than what it waits for.
-- Each function is a transaction of its own; within somebody's transaction append_all is the one to call.
-- Their plans must not hang on statistics: one that was made while the table was empty would walk through all of it, for
-- as long as the session lasts. So no sequential scans, and append_all, with its many statements, is planned once.

-- Tags: who writes one holds it shared, who makes a condition on one holds it alone, until the end of the transaction.
-- What is not about a tag, or about too many, is about the whole table: every INSERT waits for that moment, and pays
-- nothing otherwise. Nobody takes a weak lock on the table and a strong one later: two of those would wait for each
-- other for ever.
CREATE FUNCTION {lock_tags}(written text[], asked text[], broad boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found record;
BEGIN
    IF broad OR (SELECT count(DISTINCT tag) > 64 FROM unnest(written || asked) AS t(tag)) THEN
        LOCK TABLE {events} IN SHARE ROW EXCLUSIVE MODE;
        RETURN;
    END IF;
    IF cardinality(asked) > 0 THEN
        LOCK TABLE {events} IN ROW EXCLUSIVE MODE;  -- before the condition is looked at, or a broad one slips between
    END IF;
    FOR found IN
        SELECT key, bool_or(condition) AS alone
          FROM (SELECT hashtext(tag) AS key, false AS condition FROM unnest(written) AS w(tag)
                UNION ALL SELECT hashtext(tag), true FROM unnest(asked) AS a(tag)) AS keys
         GROUP BY key ORDER BY key
    LOOP
        IF found.alone THEN
            PERFORM pg_advisory_xact_lock('{event_tags}'::regclass::oid::int, found.key);
        ELSE
            PERFORM pg_advisory_xact_lock_shared('{event_tags}'::regclass::oid::int, found.key);
        END IF;
    END LOOP;
END $$;

-- One event. NULL: not stored, append_all knows why. unique_violation: a rival was quicker, or an id is taken; looking
-- for that beforehand (ON CONFLICT) costs every append a tenth.
CREATE FUNCTION {append_1}(
    p_category text, p_id text, p_expect bigint, p_event_id uuid, p_type text, p_schema_version integer,
    p_format smallint, p_correlation_id text, p_causation_id text, p_tags text[], p_occurred_at bigint, p_metadata bytea,
    p_data bytea
) RETURNS bigint[] LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    head  bigint;
    place bigint;
    now_  bigint;
BEGIN
    IF p_tags IS NOT NULL THEN
        PERFORM {lock_tags}(p_tags, NULL, false);
    END IF;
    head := coalesce((SELECT e.version FROM {events} AS e WHERE e.category = p_category AND e.id = p_id
                       ORDER BY e.version DESC LIMIT 1), 0);
    IF NOT (p_expect = -1 OR p_expect = head OR (p_expect = -2 AND head > 0)) THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock_shared('{events}'::regclass::oid::int,
                                         coalesce(pg_sequence_last_value('{events_position_seq}'), 0)::bit(32)::int);
    now_ := extract(epoch FROM clock_timestamp()) * 1000000;
    INSERT INTO {events} (category, id, version, event_id, type, schema_version, format, correlation_id, causation_id,
                          tags, occurred_at, recorded_at, metadata, data)
    VALUES (p_category, p_id, head + 1, p_event_id, p_type, p_schema_version, p_format, p_correlation_id,
            p_causation_id, p_tags, p_occurred_at, now_, p_metadata, p_data)
    RETURNING position INTO place;
    IF p_tags IS NOT NULL THEN
        INSERT INTO {event_tags} (tag, position, type) SELECT DISTINCT t.tag, place, p_type FROM unnest(p_tags) AS t(tag);
    END IF;
    RETURN ARRAY[head + 1, now_, place];
END $$;

-- Several events of one stream. NULL: not stored. unique_violation: a rival was quicker, or an id is taken.
CREATE FUNCTION {append_n}(
    p_category text, p_id text, p_expect bigint, e_event_id uuid[], e_type text[], e_schema_version integer[],
    e_format smallint[], e_correlation_id text[], e_causation_id text[], e_tags text[], e_occurred_at bigint[],
    e_metadata bytea[], e_data bytea[]
) RETURNS bigint[] LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    head   bigint;
    places bigint[];
    now_   bigint;
BEGIN
    IF e_tags IS NOT NULL THEN
        PERFORM {lock_tags}(ARRAY(SELECT t.tag FROM unnest(e_tags) AS e(tags), unnest(e.tags::text[]) AS t(tag)),
                            NULL, false);
    END IF;
    head := coalesce((SELECT e.version FROM {events} AS e WHERE e.category = p_category AND e.id = p_id
                       ORDER BY e.version DESC LIMIT 1), 0);
    IF NOT (p_expect = -1 OR p_expect = head OR (p_expect = -2 AND head > 0)) THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock_shared('{events}'::regclass::oid::int,
                                         coalesce(pg_sequence_last_value('{events_position_seq}'), 0)::bit(32)::int);
    now_ := extract(epoch FROM clock_timestamp()) * 1000000;
    WITH inserted AS (
        INSERT INTO {events} (category, id, version, event_id, type, schema_version, format, correlation_id,
                              causation_id, tags, occurred_at, recorded_at, metadata, data)
        SELECT p_category, p_id, head + e.no, e.event_id, e.type, e.schema_version, e.format, e.correlation_id,
               e.causation_id, e.tags::text[], e.occurred_at, now_, e.metadata, e.data
          FROM unnest(e_event_id, e_type, e_schema_version, e_format, e_correlation_id, e_causation_id, e_tags,
                      e_occurred_at, e_metadata, e_data)
               WITH ORDINALITY AS e(event_id, type, schema_version, format, correlation_id, causation_id, tags,
                                    occurred_at, metadata, data, no)
         ORDER BY e.no
        RETURNING position)
    SELECT array_agg(position ORDER BY position) INTO places FROM inserted;
    IF e_tags IS NOT NULL THEN
        INSERT INTO {event_tags} (tag, position, type)
        SELECT DISTINCT t.tag, places[e.no], e.type
          FROM unnest(e_type, e_tags) WITH ORDINALITY AS e(type, tags, no), unnest(e.tags::text[]) AS t(tag);
    END IF;
    RETURN ARRAY[head + cardinality(places), now_] || places;
END $$;

-- A group: appends to different streams, sorted by stream; e_app says whose an event is, e_no its place there. Heads
-- come back NULL where the expectation does not hold, positions for all the others in their order.
CREATE FUNCTION {append_r}(
    p_category text[], p_id text[], p_expect bigint[], e_app integer[], e_no integer[], e_event_id uuid[],
    e_type text[], e_schema_version integer[], e_format smallint[], e_correlation_id text[], e_causation_id text[],
    e_tags text[], e_occurred_at bigint[], e_metadata bytea[], e_data bytea[],
    OUT heads bigint[], OUT recorded bigint, OUT places bigint[]
) LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    IF e_tags IS NOT NULL THEN
        PERFORM {lock_tags}(ARRAY(SELECT t.tag FROM unnest(e_tags) AS e(tags), unnest(e.tags::text[]) AS t(tag)),
                            NULL, false);
    END IF;
    SELECT array_agg(CASE WHEN s.expect = -1 OR s.expect = v.head OR (s.expect = -2 AND v.head > 0) THEN v.head END
                     ORDER BY s.app)
      INTO heads
      FROM unnest(p_category, p_id, p_expect) WITH ORDINALITY AS s(category, id, expect, app)
     CROSS JOIN LATERAL (SELECT coalesce((SELECT e.version FROM {events} AS e
                                           WHERE e.category = s.category AND e.id = s.id
                                           ORDER BY e.version DESC LIMIT 1), 0) AS head) AS v;
    PERFORM pg_advisory_xact_lock_shared('{events}'::regclass::oid::int,
                                         coalesce(pg_sequence_last_value('{events_position_seq}'), 0)::bit(32)::int);
    recorded := extract(epoch FROM clock_timestamp()) * 1000000;
    WITH inserted AS (
        INSERT INTO {events} (category, id, version, event_id, type, schema_version, format, correlation_id,
                              causation_id, tags, occurred_at, recorded_at, metadata, data)
        SELECT p_category[e.app], p_id[e.app], heads[e.app] + e.no, e.event_id, e.type, e.schema_version, e.format,
               e.correlation_id, e.causation_id, e.tags::text[], e.occurred_at, recorded, e.metadata, e.data
          FROM unnest(e_app, e_no, e_event_id, e_type, e_schema_version, e_format, e_correlation_id, e_causation_id,
                      e_tags, e_occurred_at, e_metadata, e_data)
               WITH ORDINALITY AS e(app, no, event_id, type, schema_version, format, correlation_id, causation_id,
                                    tags, occurred_at, metadata, data, row)
         WHERE heads[e.app] IS NOT NULL
         ORDER BY e.row
        RETURNING position)
    SELECT array_agg(position ORDER BY position) INTO places FROM inserted;
    IF e_tags IS NOT NULL THEN
        INSERT INTO {event_tags} (tag, position, type)
        SELECT DISTINCT t.tag, places[e.row], e.type
          FROM (SELECT u.type, u.tags, row_number() OVER (ORDER BY u.row) AS row
                  FROM unnest(e_app, e_type, e_tags) WITH ORDINALITY AS u(app, type, tags, row)
                 WHERE heads[u.app] IS NOT NULL) AS e,
               unnest(e.tags::text[]) AS t(tag);
    END IF;
END $$;

-- Appends that belong together, on a condition perhaps, with a reason when they are not stored: `known` (ids are
-- stored; of each event where, and whether it is the same), `boundary`, `conflict`, `again` (rivals were quicker,
-- again and again). The condition: for each alternative its categories, types and tags, as texts of arrays.
CREATE FUNCTION {append_all}(
    p_category text[], p_id text[], p_expect bigint[], e_app integer[], e_no integer[], e_event_id uuid[],
    e_type text[], e_schema_version integer[], e_format smallint[], e_correlation_id text[], e_causation_id text[],
    e_tags text[], e_occurred_at bigint[], e_metadata bytea[], e_data bytea[],
    c_categories text[], c_types text[], c_tags text[], c_after bigint, c_seen bigint[],
    OUT status text, OUT culprit bigint, OUT actual bigint, OUT heads bigint[], OUT recorded bigint[],
    OUT places bigint[], OUT same boolean[]
) LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    now_       bigint;
    categories text[];
    types      text[];
    tags_      text[];
    match      bigint;
BEGIN
    IF c_after IS NOT NULL AND current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'an append on a condition needs READ COMMITTED' USING ERRCODE = '25001';
    END IF;
    IF e_tags IS NOT NULL OR c_after IS NOT NULL THEN
        PERFORM {lock_tags}(
            ARRAY(SELECT t.tag FROM unnest(e_tags) AS e(tags), unnest(e.tags::text[]) AS t(tag)),
            ARRAY(SELECT (c.tags::text[])[1] FROM unnest(c_tags) AS c(tags) WHERE c.tags <> '{{}}'),
            '{{}}' = ANY(coalesce(c_tags, ARRAY[]::text[])));
    END IF;
    FOR attempt IN 1..20 LOOP
        status := 'known';  -- ids before expectations
        SELECT array_agg(x.position ORDER BY e.row), array_agg(x.version ORDER BY e.row),
               array_agg(x.recorded_at ORDER BY e.row),
               array_agg(x.category = p_category[e.app] AND x.id = p_id[e.app] AND x.type = e.type
                         AND coalesce(x.schema_version, 0) = e.schema_version AND x.data = e.data ORDER BY e.row)
          INTO places, heads, recorded, same
          FROM unnest(e_app, e_event_id, e_type, e_schema_version, e_data)
               WITH ORDINALITY AS e(app, event_id, type, schema_version, data, row)
          LEFT JOIN LATERAL (SELECT * FROM {events} AS y WHERE y.event_id = e.event_id LIMIT 1) AS x ON true;
        IF EXISTS (SELECT FROM unnest(places) AS p(place) WHERE place IS NOT NULL) THEN
            RETURN;
        END IF;

        status := 'conflict';  -- then expectations
        SELECT array_agg(v.head ORDER BY s.app),
               min(s.app) FILTER (WHERE NOT (s.expect = -1 OR s.expect = v.head OR (s.expect = -2 AND v.head > 0)))
          INTO heads, culprit
          FROM unnest(p_category, p_id, p_expect) WITH ORDINALITY AS s(category, id, expect, app)
         CROSS JOIN LATERAL (SELECT coalesce((SELECT e.version FROM {events} AS e
                                               WHERE e.category = s.category AND e.id = s.id
                                               ORDER BY e.version DESC LIMIT 1), 0) AS head) AS v;
        IF culprit IS NOT NULL THEN
            actual := heads[culprit];
            RETURN;
        END IF;

        status := 'boundary';  -- then the condition
        IF c_after IS NOT NULL THEN
            FOR i IN 1..cardinality(c_tags) LOOP
                categories := nullif(c_categories[i], '{{}}')::text[];
                types := nullif(c_types[i], '{{}}')::text[];
                tags_ := nullif(c_tags[i], '{{}}')::text[];
                IF tags_ IS NULL THEN
                    match := (SELECT e.position FROM {events} AS e
                               WHERE e.position > c_after AND e.type = ANY(types)
                                 AND (categories IS NULL OR e.category = ANY(categories))
                                 AND NOT e.position = ANY(c_seen)
                               ORDER BY e.position LIMIT 1);
                ELSE
                    match := (SELECT t.position FROM {event_tags} AS t
                               WHERE t.tag = tags_[1] AND t.position > c_after
                                 AND (types IS NULL OR t.type = ANY(types))
                                 AND NOT t.position = ANY(c_seen)
                                 AND NOT EXISTS (
                                     SELECT FROM unnest(tags_[2:]) AS o(tag)
                                      WHERE NOT EXISTS (SELECT FROM {event_tags} AS u
                                                         WHERE u.tag = o.tag AND u.position = t.position))
                                 AND (categories IS NULL OR EXISTS (
                                     SELECT FROM {events} AS e
                                      WHERE e.position = t.position AND e.category = ANY(categories)))
                               ORDER BY t.position LIMIT 1);
                END IF;
                actual := least(actual, match);
            END LOOP;
            IF actual IS NOT NULL THEN
                RETURN;
            END IF;
        END IF;

        BEGIN
            PERFORM pg_advisory_xact_lock_shared(
                '{events}'::regclass::oid::int,
                coalesce(pg_sequence_last_value('{events_position_seq}'), 0)::bit(32)::int);
            now_ := extract(epoch FROM clock_timestamp()) * 1000000;
            WITH inserted AS (
                INSERT INTO {events} (category, id, version, event_id, type, schema_version, format, correlation_id,
                                      causation_id, tags, occurred_at, recorded_at, metadata, data)
                SELECT p_category[e.app], p_id[e.app], heads[e.app] + e.no, e.event_id, e.type, e.schema_version,
                       e.format, e.correlation_id, e.causation_id, e.tags::text[], e.occurred_at, now_, e.metadata,
                       e.data
                  FROM unnest(e_app, e_no, e_event_id, e_type, e_schema_version, e_format, e_correlation_id,
                              e_causation_id, e_tags, e_occurred_at, e_metadata, e_data)
                       WITH ORDINALITY AS e(app, no, event_id, type, schema_version, format, correlation_id,
                                            causation_id, tags, occurred_at, metadata, data, row)
                 ORDER BY e.row
                RETURNING position)
            SELECT array_agg(position ORDER BY position) INTO places FROM inserted;
            IF e_tags IS NOT NULL THEN
                INSERT INTO {event_tags} (tag, position, type)
                SELECT DISTINCT t.tag, places[e.row], e.type
                  FROM unnest(e_type, e_tags) WITH ORDINALITY AS e(type, tags, row), unnest(e.tags::text[]) AS t(tag);
            END IF;
            status := 'committed';
            recorded := ARRAY[now_];
            RETURN;
        EXCEPTION WHEN unique_violation THEN
            status := 'again';  -- a rival has committed meanwhile: look once more, and see it
        END;
    END LOOP;
END $$;

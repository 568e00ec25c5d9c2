-- What administrators have done. A missing number is one that was rolled back, or that somebody took away.
CREATE TABLE {store_audit} (
    number   bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    at       bigint NOT NULL,
    action   text   COLLATE "C" NOT NULL,
    actor    text   COLLATE "C" NOT NULL,
    reason   text   COLLATE "C" NOT NULL,
    category text   COLLATE "C" NOT NULL,
    id       text   COLLATE "C" NOT NULL,
    version  integer,
    event_id uuid
);

-- Where removed events were: whoever has read so far can still prove that this is the log he has read.
CREATE TABLE {removed_events} (
    position bigint PRIMARY KEY,
    event_id uuid   NOT NULL
);

-- Set while events of the stream that nobody sees any more are still in the log: the number of the act in the audit.
ALTER TABLE {stream_marks} ADD COLUMN pending bigint;
CREATE INDEX stream_marks_pending ON {stream_marks} (pending) WHERE pending IS NOT NULL;

-- The last act whose events are being removed. It is set outside of transactions, as sequences are: so a transaction
-- whose snapshot is older than the act can tell.
CREATE SEQUENCE {removals} CACHE 1;

-- Events change for nobody but an administrator's transaction, which says so. It costs an append nothing.
CREATE FUNCTION {refuse_change}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('{administrator}', true) IS DISTINCT FROM '1' THEN
        RAISE EXCEPTION 'events are facts: they are appended; changed and removed by `eventfold admin` alone'
              USING ERRCODE = '42501';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {events}
    FOR EACH STATEMENT EXECUTE FUNCTION {refuse_change}();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {event_tags}
    FOR EACH STATEMENT EXECUTE FUNCTION {refuse_change}();

-- ---------------------------------------------------------------------------------------------- appends, once more
-- Two things are new. The last event of a stream may be the tombstone of a deleted one: then there is no stream, and the
-- next event gets the version above it. And the epoch's lock is taken BEFORE the version is read: who removes events
-- waits for all who held it when the mark was committed, and whoever takes it later sees the mark. Without that a version
-- whose row is gone could be given twice, for the unique index would not know it any more.

-- The setting says that the lock is held, so that a transaction of many appends has one lock. But anybody may set it, so
-- it is believed only where the lock is there: one of this session, for all that is drawn from now on.
CREATE OR REPLACE FUNCTION {enter}() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    reached bigint := coalesce(pg_sequence_last_value('{events_position_seq}'), 0);
BEGIN
    -- a local setting dies with its savepoint, exactly as the lock does
    IF current_setting('{entered}', true) IS DISTINCT FROM '1' OR NOT EXISTS (
        SELECT FROM pg_locks
         WHERE pid = pg_backend_pid() AND locktype = 'advisory' AND classid = '{events}'::regclass AND objsubid = 2
           AND granted AND (objid::bigint - reached) << 32 >> 32 <= 0
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    THEN
        PERFORM pg_advisory_xact_lock_shared('{events}'::regclass::oid::int, reached::bit(32)::int);
        PERFORM set_config('{entered}', '1', true);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION {append_1}(
    p_category text, p_id text, p_expect bigint, p_event_id uuid, p_type text, p_schema_version integer,
    p_format smallint, p_correlation_id text, p_causation_id text, p_tags text[], p_occurred_at bigint, p_metadata bytea,
    p_data bytea
) RETURNS bigint[] LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    head   bigint;
    kind   text;
    actual bigint;
    place  bigint;
    now_   bigint;
BEGIN
    IF p_tags IS NOT NULL THEN
        PERFORM {lock_tags}(p_tags, NULL, false);
    END IF;
    PERFORM pg_advisory_xact_lock_shared('{events}'::regclass::oid::int,
                                         coalesce(pg_sequence_last_value('{events_position_seq}'), 0)::bit(32)::int);
    SELECT e.version, e.type INTO head, kind FROM {events} AS e WHERE e.category = p_category AND e.id = p_id
     ORDER BY e.version DESC LIMIT 1;
    head := coalesce(head, 0);
    actual := CASE WHEN kind = 'eventfold:StreamDeleted' THEN 0 ELSE head END;
    IF NOT (p_expect = -1 OR p_expect = actual OR (p_expect = -2 AND actual > 0)) THEN
        RETURN NULL;
    END IF;
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

CREATE OR REPLACE FUNCTION {append_n}(
    p_category text, p_id text, p_expect bigint, e_event_id uuid[], e_type text[], e_schema_version integer[],
    e_format smallint[], e_correlation_id text[], e_causation_id text[], e_tags text[], e_occurred_at bigint[],
    e_metadata bytea[], e_data bytea[]
) RETURNS bigint[] LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    head   bigint;
    kind   text;
    actual bigint;
    places bigint[];
    now_   bigint;
BEGIN
    IF e_tags IS NOT NULL THEN
        PERFORM {lock_tags}(ARRAY(SELECT t.tag FROM unnest(e_tags) AS e(tags), unnest(e.tags::text[]) AS t(tag)),
                            NULL, false);
    END IF;
    PERFORM pg_advisory_xact_lock_shared('{events}'::regclass::oid::int,
                                         coalesce(pg_sequence_last_value('{events_position_seq}'), 0)::bit(32)::int);
    SELECT e.version, e.type INTO head, kind FROM {events} AS e WHERE e.category = p_category AND e.id = p_id
     ORDER BY e.version DESC LIMIT 1;
    head := coalesce(head, 0);
    actual := CASE WHEN kind = 'eventfold:StreamDeleted' THEN 0 ELSE head END;
    IF NOT (p_expect = -1 OR p_expect = actual OR (p_expect = -2 AND actual > 0)) THEN
        RETURN NULL;
    END IF;
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

CREATE OR REPLACE FUNCTION {append_r}(
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
    PERFORM pg_advisory_xact_lock_shared('{events}'::regclass::oid::int,
                                         coalesce(pg_sequence_last_value('{events_position_seq}'), 0)::bit(32)::int);
    SELECT array_agg(CASE WHEN s.expect = -1 OR s.expect = a.actual OR (s.expect = -2 AND a.actual > 0)
                          THEN coalesce(v.head, 0) END
                     ORDER BY s.app)
      INTO heads
      FROM unnest(p_category, p_id, p_expect) WITH ORDINALITY AS s(category, id, expect, app)
      LEFT JOIN LATERAL (SELECT e.version AS head, e.type FROM {events} AS e
                          WHERE e.category = s.category AND e.id = s.id
                          ORDER BY e.version DESC LIMIT 1) AS v ON true
     CROSS JOIN LATERAL (SELECT CASE WHEN v.type = 'eventfold:StreamDeleted' THEN 0
                                     ELSE coalesce(v.head, 0) END AS actual) AS a;
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

-- Here the lock is taken within the block that may be rolled back, and the lock with it: who is refused inside a long
-- transaction keeps no reader waiting. EF001 is that refusal.
CREATE OR REPLACE FUNCTION {append_all}(
    p_category text[], p_id text[], p_expect bigint[], e_app integer[], e_no integer[], e_event_id uuid[],
    e_type text[], e_schema_version integer[], e_format smallint[], e_correlation_id text[], e_causation_id text[],
    e_tags text[], e_occurred_at bigint[], e_metadata bytea[], e_data bytea[],
    c_categories text[], c_types text[], c_tags text[], c_after bigint, c_seen bigint[],
    OUT status text, OUT culprit bigint, OUT actual bigint, OUT heads bigint[], OUT recorded bigint[],
    OUT places bigint[], OUT same boolean[]
) LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    now_       bigint;
    actuals    bigint[];
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

        BEGIN
            PERFORM {enter}();  -- once in a transaction, however many appends it holds

            IF current_setting('transaction_isolation') <> 'read committed'
               AND coalesce(pg_sequence_last_value('{removals}'), 0)
                   > coalesce((SELECT max(a.number) FROM {store_audit} AS a), 0) THEN
                RAISE EXCEPTION 'events were removed after this transaction had begun' USING ERRCODE = '40001';
            END IF;

            status := 'conflict';  -- then expectations
            SELECT array_agg(coalesce(v.head, 0) ORDER BY s.app), array_agg(a.actual ORDER BY s.app),
                   min(s.app) FILTER (WHERE NOT (s.expect = -1 OR s.expect = a.actual
                                                 OR (s.expect = -2 AND a.actual > 0)))
              INTO heads, actuals, culprit
              FROM unnest(p_category, p_id, p_expect) WITH ORDINALITY AS s(category, id, expect, app)
              LEFT JOIN LATERAL (SELECT e.version AS head, e.type FROM {events} AS e
                                  WHERE e.category = s.category AND e.id = s.id
                                  ORDER BY e.version DESC LIMIT 1) AS v ON true
             CROSS JOIN LATERAL (SELECT CASE WHEN v.type = 'eventfold:StreamDeleted' THEN 0
                                             ELSE coalesce(v.head, 0) END AS actual) AS a;
            IF culprit IS NOT NULL THEN
                actual := actuals[culprit];
                RAISE EXCEPTION 'refused' USING ERRCODE = 'EF001';
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
                    RAISE EXCEPTION 'refused' USING ERRCODE = 'EF001';
                END IF;
            END IF;

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
        EXCEPTION
            WHEN SQLSTATE 'EF001' THEN
                RETURN;
            WHEN unique_violation THEN
                status := 'again';  -- a rival has committed meanwhile: look once more, and see it
                actual := NULL;
        END;
    END LOOP;
END $$;

-- ------------------------------------------------------------------------------------------------------ deletion
-- The tombstone takes the version after the last one. So it meets everybody who appends to the stream in the unique
-- index: of two one is first, and the other one looks again. No version: there is no stream.
CREATE FUNCTION {bury}(p_category text, p_id text, p_event_id uuid, OUT version bigint, OUT place bigint)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    kind text;
BEGIN
    FOR attempt IN 1..100 LOOP
        BEGIN
            PERFORM pg_advisory_xact_lock_shared(
                '{events}'::regclass::oid::int,
                coalesce(pg_sequence_last_value('{events_position_seq}'), 0)::bit(32)::int);
            version := NULL;
            SELECT e.version, e.type INTO version, kind FROM {events} AS e
             WHERE e.category = p_category AND e.id = p_id ORDER BY e.version DESC LIMIT 1;
            IF version IS NULL OR kind = 'eventfold:StreamDeleted' THEN
                version := NULL;
                RETURN;
            END IF;
            INSERT INTO {events} (category, id, version, event_id, type, schema_version, format, recorded_at, data)
            VALUES (p_category, p_id, version + 1, p_event_id, 'eventfold:StreamDeleted', 1, 0,
                    extract(epoch FROM clock_timestamp()) * 1000000,
                    convert_to(format('{{"category":%s,"id":%s,"version":%s}}', to_json(p_category), to_json(p_id), version),
                               'UTF8'))
            RETURNING position INTO place;
            RETURN;
        EXCEPTION WHEN unique_violation THEN
            NULL;  -- a rival has committed meanwhile
        END;
    END LOOP;
    RAISE EXCEPTION 'others append to this stream again and again' USING ERRCODE = '55P03';
END $$;

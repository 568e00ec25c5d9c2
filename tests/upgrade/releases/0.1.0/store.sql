SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;

CREATE SCHEMA eventfold;

CREATE FUNCTION eventfold.append_1(p_category text, p_id text, p_expect bigint, p_event_id uuid, p_type text, p_schema_version integer, p_format smallint, p_correlation_id text, p_causation_id text, p_tags text[], p_occurred_at bigint, p_metadata bytea, p_data bytea) RETURNS bigint[]
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
DECLARE
    head  bigint;
    place bigint;
    now_  bigint;
BEGIN
    IF p_tags IS NOT NULL THEN
        PERFORM "eventfold"."lock_tags"(p_tags, NULL, false);
    END IF;
    head := coalesce((SELECT e.version FROM "eventfold"."events" AS e WHERE e.category = p_category AND e.id = p_id
                       ORDER BY e.version DESC LIMIT 1), 0);
    IF NOT (p_expect = -1 OR p_expect = head OR (p_expect = -2 AND head > 0)) THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock_shared('"eventfold"."events"'::regclass::oid::int,
                                         coalesce(pg_sequence_last_value('"eventfold"."events_position_seq"'), 0)::bit(32)::int);
    now_ := extract(epoch FROM clock_timestamp()) * 1000000;
    INSERT INTO "eventfold"."events" (category, id, version, event_id, type, schema_version, format, correlation_id, causation_id,
                          tags, occurred_at, recorded_at, metadata, data)
    VALUES (p_category, p_id, head + 1, p_event_id, p_type, p_schema_version, p_format, p_correlation_id,
            p_causation_id, p_tags, p_occurred_at, now_, p_metadata, p_data)
    RETURNING position INTO place;
    IF p_tags IS NOT NULL THEN
        INSERT INTO "eventfold"."event_tags" (tag, position, type) SELECT DISTINCT t.tag, place, p_type FROM unnest(p_tags) AS t(tag);
    END IF;
    RETURN ARRAY[head + 1, now_, place];
END $$;

CREATE FUNCTION eventfold.append_all(p_category text[], p_id text[], p_expect bigint[], e_app integer[], e_no integer[], e_event_id uuid[], e_type text[], e_schema_version integer[], e_format smallint[], e_correlation_id text[], e_causation_id text[], e_tags text[], e_occurred_at bigint[], e_metadata bytea[], e_data bytea[], c_categories text[], c_types text[], c_tags text[], c_after bigint, c_seen bigint[], OUT status text, OUT culprit bigint, OUT actual bigint, OUT heads bigint[], OUT recorded bigint[], OUT places bigint[], OUT same boolean[]) RETURNS record
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
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
        PERFORM "eventfold"."lock_tags"(
            ARRAY(SELECT t.tag FROM unnest(e_tags) AS e(tags), unnest(e.tags::text[]) AS t(tag)),
            ARRAY(SELECT (c.tags::text[])[1] FROM unnest(c_tags) AS c(tags) WHERE c.tags <> '{}'),
            '{}' = ANY(coalesce(c_tags, ARRAY[]::text[])));
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
          LEFT JOIN LATERAL (SELECT * FROM "eventfold"."events" AS y WHERE y.event_id = e.event_id LIMIT 1) AS x ON true;
        IF EXISTS (SELECT FROM unnest(places) AS p(place) WHERE place IS NOT NULL) THEN
            RETURN;
        END IF;

        status := 'conflict';  -- then expectations
        SELECT array_agg(v.head ORDER BY s.app),
               min(s.app) FILTER (WHERE NOT (s.expect = -1 OR s.expect = v.head OR (s.expect = -2 AND v.head > 0)))
          INTO heads, culprit
          FROM unnest(p_category, p_id, p_expect) WITH ORDINALITY AS s(category, id, expect, app)
         CROSS JOIN LATERAL (SELECT coalesce((SELECT e.version FROM "eventfold"."events" AS e
                                               WHERE e.category = s.category AND e.id = s.id
                                               ORDER BY e.version DESC LIMIT 1), 0) AS head) AS v;
        IF culprit IS NOT NULL THEN
            actual := heads[culprit];
            RETURN;
        END IF;

        status := 'boundary';  -- then the condition
        IF c_after IS NOT NULL THEN
            FOR i IN 1..cardinality(c_tags) LOOP
                categories := nullif(c_categories[i], '{}')::text[];
                types := nullif(c_types[i], '{}')::text[];
                tags_ := nullif(c_tags[i], '{}')::text[];
                IF tags_ IS NULL THEN
                    match := (SELECT e.position FROM "eventfold"."events" AS e
                               WHERE e.position > c_after AND e.type = ANY(types)
                                 AND (categories IS NULL OR e.category = ANY(categories))
                                 AND NOT e.position = ANY(c_seen)
                               ORDER BY e.position LIMIT 1);
                ELSE
                    match := (SELECT t.position FROM "eventfold"."event_tags" AS t
                               WHERE t.tag = tags_[1] AND t.position > c_after
                                 AND (types IS NULL OR t.type = ANY(types))
                                 AND NOT t.position = ANY(c_seen)
                                 AND NOT EXISTS (
                                     SELECT FROM unnest(tags_[2:]) AS o(tag)
                                      WHERE NOT EXISTS (SELECT FROM "eventfold"."event_tags" AS u
                                                         WHERE u.tag = o.tag AND u.position = t.position))
                                 AND (categories IS NULL OR EXISTS (
                                     SELECT FROM "eventfold"."events" AS e
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
                '"eventfold"."events"'::regclass::oid::int,
                coalesce(pg_sequence_last_value('"eventfold"."events_position_seq"'), 0)::bit(32)::int);
            now_ := extract(epoch FROM clock_timestamp()) * 1000000;
            WITH inserted AS (
                INSERT INTO "eventfold"."events" (category, id, version, event_id, type, schema_version, format, correlation_id,
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
                INSERT INTO "eventfold"."event_tags" (tag, position, type)
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

CREATE FUNCTION eventfold.append_n(p_category text, p_id text, p_expect bigint, e_event_id uuid[], e_type text[], e_schema_version integer[], e_format smallint[], e_correlation_id text[], e_causation_id text[], e_tags text[], e_occurred_at bigint[], e_metadata bytea[], e_data bytea[]) RETURNS bigint[]
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
DECLARE
    head   bigint;
    places bigint[];
    now_   bigint;
BEGIN
    IF e_tags IS NOT NULL THEN
        PERFORM "eventfold"."lock_tags"(ARRAY(SELECT t.tag FROM unnest(e_tags) AS e(tags), unnest(e.tags::text[]) AS t(tag)),
                            NULL, false);
    END IF;
    head := coalesce((SELECT e.version FROM "eventfold"."events" AS e WHERE e.category = p_category AND e.id = p_id
                       ORDER BY e.version DESC LIMIT 1), 0);
    IF NOT (p_expect = -1 OR p_expect = head OR (p_expect = -2 AND head > 0)) THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock_shared('"eventfold"."events"'::regclass::oid::int,
                                         coalesce(pg_sequence_last_value('"eventfold"."events_position_seq"'), 0)::bit(32)::int);
    now_ := extract(epoch FROM clock_timestamp()) * 1000000;
    WITH inserted AS (
        INSERT INTO "eventfold"."events" (category, id, version, event_id, type, schema_version, format, correlation_id,
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
        INSERT INTO "eventfold"."event_tags" (tag, position, type)
        SELECT DISTINCT t.tag, places[e.no], e.type
          FROM unnest(e_type, e_tags) WITH ORDINALITY AS e(type, tags, no), unnest(e.tags::text[]) AS t(tag);
    END IF;
    RETURN ARRAY[head + cardinality(places), now_] || places;
END $$;

CREATE FUNCTION eventfold.append_r(p_category text[], p_id text[], p_expect bigint[], e_app integer[], e_no integer[], e_event_id uuid[], e_type text[], e_schema_version integer[], e_format smallint[], e_correlation_id text[], e_causation_id text[], e_tags text[], e_occurred_at bigint[], e_metadata bytea[], e_data bytea[], OUT heads bigint[], OUT recorded bigint, OUT places bigint[]) RETURNS record
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
BEGIN
    IF e_tags IS NOT NULL THEN
        PERFORM "eventfold"."lock_tags"(ARRAY(SELECT t.tag FROM unnest(e_tags) AS e(tags), unnest(e.tags::text[]) AS t(tag)),
                            NULL, false);
    END IF;
    SELECT array_agg(CASE WHEN s.expect = -1 OR s.expect = v.head OR (s.expect = -2 AND v.head > 0) THEN v.head END
                     ORDER BY s.app)
      INTO heads
      FROM unnest(p_category, p_id, p_expect) WITH ORDINALITY AS s(category, id, expect, app)
     CROSS JOIN LATERAL (SELECT coalesce((SELECT e.version FROM "eventfold"."events" AS e
                                           WHERE e.category = s.category AND e.id = s.id
                                           ORDER BY e.version DESC LIMIT 1), 0) AS head) AS v;
    PERFORM pg_advisory_xact_lock_shared('"eventfold"."events"'::regclass::oid::int,
                                         coalesce(pg_sequence_last_value('"eventfold"."events_position_seq"'), 0)::bit(32)::int);
    recorded := extract(epoch FROM clock_timestamp()) * 1000000;
    WITH inserted AS (
        INSERT INTO "eventfold"."events" (category, id, version, event_id, type, schema_version, format, correlation_id,
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
        INSERT INTO "eventfold"."event_tags" (tag, position, type)
        SELECT DISTINCT t.tag, places[e.row], e.type
          FROM (SELECT u.type, u.tags, row_number() OVER (ORDER BY u.row) AS row
                  FROM unnest(e_app, e_type, e_tags) WITH ORDINALITY AS u(app, type, tags, row)
                 WHERE heads[u.app] IS NOT NULL) AS e,
               unnest(e.tags::text[]) AS t(tag);
    END IF;
END $$;

CREATE FUNCTION eventfold.bound() RETURNS bigint
    LANGUAGE plpgsql
    AS $$
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
    reached := coalesce(pg_sequence_last_value('"eventfold"."events_position_seq"'), 0);
    -- then the locks: one that is taken from here on carries at least this value. The distance is signed, so that the
    -- 32 bits may wrap.
    SELECT min((objid::bigint - reached) << 32 >> 32) INTO distance
      FROM pg_locks
     WHERE locktype = 'advisory' AND classid = '"eventfold"."events"'::regclass AND objsubid = 2 AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
    RETURN reached + least(coalesce(distance, 0), 0);
END $$;

CREATE FUNCTION eventfold.enter() RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    -- a local setting dies with its savepoint, exactly as the lock does
    IF current_setting('eventfold.entered', true) IS DISTINCT FROM '1' THEN
        PERFORM pg_advisory_xact_lock_shared('"eventfold"."events"'::regclass::oid::int,
                                             coalesce(pg_sequence_last_value('"eventfold"."events_position_seq"'), 0)::bit(32)::int);
        PERFORM set_config('eventfold.entered', '1', true);
    END IF;
END $$;

CREATE FUNCTION eventfold.horizon(OUT drawn bigint, OUT bound bigint, OUT head bigint, OUT head_id uuid, OUT history text) RETURNS record
    LANGUAGE plpgsql
    AS $$
BEGIN
    drawn := coalesce(pg_sequence_last_value('"eventfold"."events_position_seq"'), 0);
    bound := "eventfold"."bound"();
    SELECT e.position, e.event_id INTO head, head_id FROM "eventfold"."events" AS e  -- a later statement
     WHERE e.position <= bound ORDER BY e.position DESC LIMIT 1;
    head := coalesce(head, 0);
    history := concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
                         left(pg_walfile_name(pg_current_wal_lsn()), 8));
END $$;

CREATE FUNCTION eventfold.lock_tags(written text[], asked text[], broad boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    found record;
BEGIN
    IF broad OR (SELECT count(DISTINCT tag) > 64 FROM unnest(written || asked) AS t(tag)) THEN
        LOCK TABLE "eventfold"."events" IN SHARE ROW EXCLUSIVE MODE;
        RETURN;
    END IF;
    IF cardinality(asked) > 0 THEN
        LOCK TABLE "eventfold"."events" IN ROW EXCLUSIVE MODE;  -- before the condition is looked at, or a broad one slips between
    END IF;
    FOR found IN
        SELECT key, bool_or(condition) AS alone
          FROM (SELECT hashtext(tag) AS key, false AS condition FROM unnest(written) AS w(tag)
                UNION ALL SELECT hashtext(tag), true FROM unnest(asked) AS a(tag)) AS keys
         GROUP BY key ORDER BY key
    LOOP
        IF found.alone THEN
            PERFORM pg_advisory_xact_lock('"eventfold"."event_tags"'::regclass::oid::int, found.key);
        ELSE
            PERFORM pg_advisory_xact_lock_shared('"eventfold"."event_tags"'::regclass::oid::int, found.key);
        END IF;
    END LOOP;
END $$;

CREATE TABLE eventfold.actions (
    reactor text NOT NULL COLLATE pg_catalog."C",
    event_id uuid NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL,
    result bytea,
    epoch bigint NOT NULL,
    at bigint NOT NULL,
    CONSTRAINT actions_status_check CHECK ((status = ANY (ARRAY['intended'::text, 'done'::text, 'unknown'::text])))
);

CREATE TABLE eventfold.checkpoints (
    processor text NOT NULL COLLATE pg_catalog."C",
    generation integer DEFAULT 0 NOT NULL,
    partition integer DEFAULT 0 NOT NULL,
    "position" bigint NOT NULL,
    event_id uuid,
    incarnation uuid,
    epoch bigint DEFAULT 0 NOT NULL,
    updated_at bigint NOT NULL
);

CREATE TABLE eventfold.commands (
    command_id uuid NOT NULL,
    request_hash bytea NOT NULL,
    category text COLLATE pg_catalog."C",
    id text COLLATE pg_catalog."C",
    first_version integer,
    last_version integer,
    "position" bigint NOT NULL,
    reply bytea,
    recorded_at bigint NOT NULL
);

CREATE TABLE eventfold.event_tags (
    tag text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C"
);

CREATE TABLE eventfold.events (
    "position" bigint NOT NULL,
    category text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL,
    event_id uuid NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    schema_version integer,
    format smallint NOT NULL,
    correlation_id text COLLATE pg_catalog."C",
    causation_id text COLLATE pg_catalog."C",
    tags text[] COLLATE pg_catalog."C",
    occurred_at bigint,
    recorded_at bigint NOT NULL,
    metadata bytea,
    data bytea,
    CONSTRAINT events_version_check CHECK ((version > 0))
);

CREATE VIEW eventfold.events_json AS
 SELECT "position",
    category,
    id,
    version,
    event_id,
    type,
    COALESCE(schema_version, 0) AS schema_version,
    correlation_id,
    causation_id,
    tags,
        CASE
            WHEN ((COALESCE(occurred_at, recorded_at) >= '-62135596800000000'::bigint) AND (COALESCE(occurred_at, recorded_at) <= '253402300799999999'::bigint)) THEN ('1970-01-01 00:00:00+00'::timestamp with time zone + ((COALESCE(occurred_at, recorded_at))::double precision * '00:00:00.000001'::interval))
            ELSE NULL::timestamp with time zone
        END AS occurred_at,
    ('1970-01-01 00:00:00+00'::timestamp with time zone + ((recorded_at)::double precision * '00:00:00.000001'::interval)) AS recorded_at,
    convert_from(metadata, 'UTF8'::name) AS metadata,
        CASE
            WHEN (format = 0) THEN convert_from(data, 'UTF8'::name)
            ELSE encode(data, 'hex'::text)
        END AS data
   FROM eventfold.events;

ALTER TABLE eventfold.events ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME eventfold.events_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE eventfold.incarnations (
    incarnation uuid NOT NULL,
    fingerprint text NOT NULL,
    head_position bigint NOT NULL,
    since bigint NOT NULL
);

CREATE TABLE eventfold.leases (
    processor text NOT NULL COLLATE pg_catalog."C",
    partition integer NOT NULL,
    epoch bigint NOT NULL,
    owner text NOT NULL,
    lease_until bigint NOT NULL
);

CREATE TABLE eventfold.parked (
    processor text NOT NULL COLLATE pg_catalog."C",
    generation integer DEFAULT 0 NOT NULL,
    "position" bigint NOT NULL,
    partition integer DEFAULT 0 NOT NULL,
    category text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    event_id uuid NOT NULL,
    behind boolean DEFAULT false NOT NULL,
    attempts integer NOT NULL,
    error text NOT NULL,
    parked_at bigint NOT NULL,
    resolved_at bigint,
    resolution text,
    actor text
);

CREATE TABLE eventfold.processors (
    name text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    active_generation integer DEFAULT 0 NOT NULL,
    partitions integer DEFAULT 1 NOT NULL,
    start text DEFAULT 'beginning'::text NOT NULL,
    paused integer DEFAULT 0 NOT NULL,
    code_version integer NOT NULL,
    query_hash bytea,
    last_error text,
    updated_at bigint NOT NULL
);

CREATE TABLE eventfold.snapshots (
    category text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL,
    fingerprint bytea NOT NULL,
    format smallint NOT NULL,
    data bytea NOT NULL,
    saved_at bigint NOT NULL
);

CREATE TABLE eventfold.store (
    one integer NOT NULL,
    schema_version integer NOT NULL,
    store_id uuid NOT NULL,
    incarnation uuid NOT NULL,
    fingerprint text NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT store_one_check CHECK ((one = 1))
);

CREATE TABLE eventfold.stream_marks (
    category text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    before_version integer NOT NULL,
    "position" bigint NOT NULL,
    reason text,
    actor text,
    at bigint NOT NULL,
    CONSTRAINT stream_marks_state_check CHECK ((state = ANY (ARRAY['truncated'::text, 'deleted'::text, 'archived'::text])))
);

CREATE TABLE eventfold.timers (
    manager text NOT NULL COLLATE pg_catalog."C",
    instance text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    due_at bigint NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    data bytea NOT NULL,
    schedule_position bigint NOT NULL
);

CREATE TABLE public.sums (
    tape character varying NOT NULL,
    sum integer NOT NULL
);

INSERT INTO eventfold.checkpoints VALUES ('sums', 0, 0, 317, '00000000-0400-0000-0000-000000000069', '516ca2bd-e636-4479-8bfd-fdf4342cc7a9', 0, 1795576616599169);

INSERT INTO eventfold.event_tags VALUES ('n:0', 168, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:0', 170, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:0', 169, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 166, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:0', 166, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 169, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 170, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:0', 167, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 168, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 167, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:1', 173, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 174, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 171, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 172, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:1', 175, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:1', 172, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 175, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 173, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:1', 174, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:1', 171, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:2', 178, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:2', 177, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 178, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 177, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:2', 176, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:2', 179, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 179, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 176, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 180, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:2', 180, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:4', 189, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:3', 184, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:3', 188, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:3', 186, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 188, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:5', 194, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 194, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:5', 196, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:4', 193, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 186, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:5', 197, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:3', 187, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 195, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 198, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:4', 191, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 187, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 197, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 190, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 193, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 191, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 196, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:4', 190, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 192, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 185, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:4', 192, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 184, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:5', 195, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 189, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:5', 198, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:3', 185, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:6', 203, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 202, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:6', 205, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 204, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 201, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:6', 201, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 205, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 203, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:6', 204, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:6', 202, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:7', 206, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 209, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:7', 210, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 210, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:7', 208, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 207, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 206, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 208, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:7', 209, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:7', 207, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 215, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 212, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 213, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:8', 213, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:8', 211, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:8', 212, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 211, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:8', 215, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 214, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:8', 214, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 219, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:9', 229, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:10', 221, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:10', 218, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 222, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 218, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 224, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:10', 217, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:10', 219, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 226, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:9', 231, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:11', 226, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:11', 225, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 220, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 227, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 225, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 223, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 231, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 228, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:9', 227, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:11', 224, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 229, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 230, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:9', 230, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:11', 223, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:9', 228, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 221, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 217, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:11', 222, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:10', 220, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:12', 237, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:12', 238, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:12', 239, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 238, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:12', 240, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 239, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 236, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:12', 236, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 240, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 237, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 243, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 244, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 242, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:13', 245, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 245, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:13', 242, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:13', 243, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 241, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:13', 244, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:13', 241, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 250, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 247, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:14', 247, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:14', 246, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 249, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:14', 248, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 248, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:14', 249, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 246, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:14', 250, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:17', 268, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:17', 265, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 266, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 268, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:17', 264, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:16', 259, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:17', 266, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:16', 262, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 261, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 260, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 254, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:15', 255, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:15', 258, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:16', 263, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 265, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:17', 267, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 256, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 255, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 258, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 257, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:15', 257, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 267, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:15', 254, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:16', 260, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:15', 256, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 259, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 262, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:16', 261, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 263, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 264, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:18', 275, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:18', 272, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 275, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:18', 274, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:18', 271, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 274, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 272, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 273, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:18', 273, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 271, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:3', 279, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:4', 280, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:2', 278, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:19', 279, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:19', 276, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:19', 277, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:1', 277, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:19', 278, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('k:0', 276, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('n:19', 280, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:29', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:24', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:20', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:2', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:34', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:40', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:27', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:47', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:23', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:15', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:25', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:19', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:18', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:17', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:10', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:4', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:0', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:54', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:32', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:56', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:46', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:5', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:13', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:6', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:52', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:49', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:22', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:55', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:48', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:35', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:8', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:43', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:51', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:38', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:53', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:44', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:1', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:57', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:33', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:7', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:11', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:45', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:31', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:21', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:41', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:50', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:16', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:36', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:14', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:9', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:26', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:28', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:58', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:59', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:42', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:39', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:12', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:3', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:37', 287, 'Strange');
INSERT INTO eventfold.event_tags VALUES ('tag:30', 287, 'Strange');

INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (1, 'odd', 'plain-0', 1, '00000010-0000-0000-0000-000000000000', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616367964, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (2, 'odd', 'plain-1', 1, '00000010-0000-0000-0000-000000000001', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616371617, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (3, 'odd', 'plain-2', 1, '00000010-0000-0000-0000-000000000002', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616376094, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (4, 'tape', 't0', 1, '00000000-0400-0000-0000-000000000001', 'Added', 1, 0, 'c0', NULL, NULL, NULL, 1795576616378964, '\x7b226e756d626572223a307d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (5, 'odd', 'plain-3', 1, '00000010-0000-0000-0000-000000000003', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616389013, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (6, 'odd', 'plain-4', 1, '00000010-0000-0000-0000-000000000004', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616389013, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (7, 'odd', 'plain-5', 1, '00000010-0000-0000-0000-000000000005', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616389013, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (8, 'tape', 't3', 1, '00000000-0400-0000-0000-000000000002', 'Added', 1, 0, 'c3', NULL, NULL, NULL, 1795576616392712, '\x7b226e756d626572223a337d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (9, 'tape', 't3', 2, '00000000-0400-0000-0000-000000000003', 'Added', 1, 0, 'c3', NULL, NULL, NULL, 1795576616392712, '\x7b226e756d626572223a337d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (10, 'tape', 't3', 3, '00000000-0400-0000-0000-000000000004', 'Added', 1, 0, 'c3', NULL, NULL, NULL, 1795576616392712, '\x7b226e756d626572223a337d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (11, 'tape', 't3', 4, '00000000-0400-0000-0000-000000000005', 'Added', 1, 0, 'c3', NULL, NULL, NULL, 1795576616392712, '\x7b226e756d626572223a337d', '\x7b226e223a337d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (12, 'odd', 'plain-6', 1, '00000010-0000-0000-0000-000000000006', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616394338, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (13, 'odd', 'plain-7', 1, '00000010-0000-0000-0000-000000000007', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616395539, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (14, 'odd', 'plain-8', 1, '00000010-0000-0000-0000-000000000008', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616396138, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (15, 'tape', 't6', 1, '00000000-0400-0000-0000-000000000006', 'Added', 1, 0, 'c6', NULL, NULL, NULL, 1795576616397153, '\x7b226e756d626572223a367d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (16, 'tape', 't6', 2, '00000000-0400-0000-0000-000000000007', 'Added', 1, 0, 'c6', NULL, NULL, NULL, 1795576616397153, '\x7b226e756d626572223a367d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (17, 'tape', 't6', 3, '00000000-0400-0000-0000-000000000008', 'Added', 1, 0, 'c6', NULL, NULL, NULL, 1795576616397153, '\x7b226e756d626572223a367d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (18, 'odd', 'plain-10', 1, '00000010-0000-0000-0000-00000000000a', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616398564, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (19, 'odd', 'plain-11', 1, '00000010-0000-0000-0000-00000000000b', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616398564, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (20, 'odd', 'plain-9', 1, '00000010-0000-0000-0000-000000000009', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616398564, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (21, 'tape', 't2', 1, '00000000-0400-0000-0000-000000000009', 'Added', 1, 0, 'c9', NULL, NULL, NULL, 1795576616399811, '\x7b226e756d626572223a397d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (22, 'tape', 't2', 2, '00000000-0400-0000-0000-00000000000a', 'Added', 1, 0, 'c9', NULL, NULL, NULL, 1795576616399811, '\x7b226e756d626572223a397d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (23, 'odd', 'plain-12', 1, '00000010-0000-0000-0000-00000000000c', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616400646, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (24, 'odd', 'plain-13', 1, '00000010-0000-0000-0000-00000000000d', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616401514, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (25, 'odd', 'plain-14', 1, '00000010-0000-0000-0000-00000000000e', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616402689, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (26, 'tape', 't5', 1, '00000000-0400-0000-0000-00000000000b', 'Added', 1, 0, 'c12', NULL, NULL, NULL, 1795576616405560, '\x7b226e756d626572223a31327d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (27, 'odd', 'plain-15', 1, '00000010-0000-0000-0000-00000000000f', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616418613, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (28, 'odd', 'plain-16', 1, '00000010-0000-0000-0000-000000000010', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616418613, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (29, 'odd', 'plain-17', 1, '00000010-0000-0000-0000-000000000011', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616418613, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (30, 'tape', 't1', 1, '00000000-0400-0000-0000-00000000000c', 'Added', 1, 0, 'c15', NULL, NULL, NULL, 1795576616421298, '\x7b226e756d626572223a31357d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (31, 'tape', 't1', 2, '00000000-0400-0000-0000-00000000000d', 'Added', 1, 0, 'c15', NULL, NULL, NULL, 1795576616421298, '\x7b226e756d626572223a31357d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (32, 'tape', 't1', 3, '00000000-0400-0000-0000-00000000000e', 'Added', 1, 0, 'c15', NULL, NULL, NULL, 1795576616421298, '\x7b226e756d626572223a31357d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (33, 'tape', 't1', 4, '00000000-0400-0000-0000-00000000000f', 'Added', 1, 0, 'c15', NULL, NULL, NULL, 1795576616421298, '\x7b226e756d626572223a31357d', '\x7b226e223a337d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (34, 'odd', 'plain-18', 1, '00000010-0000-0000-0000-000000000012', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616422958, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (35, 'odd', 'plain-19', 1, '00000010-0000-0000-0000-000000000013', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616424074, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (36, 'odd', 'plain-20', 1, '00000010-0000-0000-0000-000000000014', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616424672, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (37, 'tape', 't4', 1, '00000000-0400-0000-0000-000000000010', 'Added', 1, 0, 'c18', NULL, NULL, NULL, 1795576616426118, '\x7b226e756d626572223a31387d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (38, 'tape', 't4', 2, '00000000-0400-0000-0000-000000000011', 'Added', 1, 0, 'c18', NULL, NULL, NULL, 1795576616426118, '\x7b226e756d626572223a31387d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (39, 'tape', 't4', 3, '00000000-0400-0000-0000-000000000012', 'Added', 1, 0, 'c18', NULL, NULL, NULL, 1795576616426118, '\x7b226e756d626572223a31387d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (40, 'odd', 'plain-21', 1, '00000010-0000-0000-0000-000000000015', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616427484, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (41, 'odd', 'plain-22', 1, '00000010-0000-0000-0000-000000000016', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616427484, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (42, 'odd', 'plain-23', 1, '00000010-0000-0000-0000-000000000017', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616427484, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (43, 'tape', 't0', 2, '00000000-0400-0000-0000-000000000013', 'Added', 1, 0, 'c21', NULL, NULL, NULL, 1795576616428677, '\x7b226e756d626572223a32317d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (44, 'tape', 't0', 3, '00000000-0400-0000-0000-000000000014', 'Added', 1, 0, 'c21', NULL, NULL, NULL, 1795576616428677, '\x7b226e756d626572223a32317d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (45, 'odd', 'plain-24', 1, '00000010-0000-0000-0000-000000000018', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616429827, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (46, 'odd', 'plain-25', 1, '00000010-0000-0000-0000-000000000019', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616430735, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (47, 'odd', 'plain-26', 1, '00000010-0000-0000-0000-00000000001a', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616432842, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (48, 'tape', 't3', 5, '00000000-0400-0000-0000-000000000015', 'Added', 1, 0, 'c24', NULL, NULL, NULL, 1795576616433745, '\x7b226e756d626572223a32347d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (49, 'odd', 'plain-27', 1, '00000010-0000-0000-0000-00000000001b', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616435137, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (50, 'odd', 'plain-28', 1, '00000010-0000-0000-0000-00000000001c', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616435137, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (51, 'odd', 'plain-29', 1, '00000010-0000-0000-0000-00000000001d', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616435137, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (52, 'tape', 't6', 4, '00000000-0400-0000-0000-000000000016', 'Added', 1, 0, 'c27', NULL, NULL, NULL, 1795576616445722, '\x7b226e756d626572223a32377d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (53, 'tape', 't6', 5, '00000000-0400-0000-0000-000000000017', 'Added', 1, 0, 'c27', NULL, NULL, NULL, 1795576616445722, '\x7b226e756d626572223a32377d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (54, 'tape', 't6', 6, '00000000-0400-0000-0000-000000000018', 'Added', 1, 0, 'c27', NULL, NULL, NULL, 1795576616445722, '\x7b226e756d626572223a32377d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (55, 'tape', 't6', 7, '00000000-0400-0000-0000-000000000019', 'Added', 1, 0, 'c27', NULL, NULL, NULL, 1795576616445722, '\x7b226e756d626572223a32377d', '\x7b226e223a337d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (56, 'odd', 'plain-30', 1, '00000010-0000-0000-0000-00000000001e', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616447479, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (57, 'odd', 'plain-31', 1, '00000010-0000-0000-0000-00000000001f', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616448679, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (58, 'odd', 'plain-32', 1, '00000010-0000-0000-0000-000000000020', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616451963, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (59, 'tape', 't2', 3, '00000000-0400-0000-0000-00000000001a', 'Added', 1, 0, 'c30', NULL, NULL, NULL, 1795576616452791, '\x7b226e756d626572223a33307d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (60, 'tape', 't2', 4, '00000000-0400-0000-0000-00000000001b', 'Added', 1, 0, 'c30', NULL, NULL, NULL, 1795576616452791, '\x7b226e756d626572223a33307d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (61, 'tape', 't2', 5, '00000000-0400-0000-0000-00000000001c', 'Added', 1, 0, 'c30', NULL, NULL, NULL, 1795576616452791, '\x7b226e756d626572223a33307d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (62, 'odd', 'plain-33', 1, '00000010-0000-0000-0000-000000000021', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616460097, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (63, 'odd', 'plain-34', 1, '00000010-0000-0000-0000-000000000022', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616460097, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (64, 'odd', 'plain-35', 1, '00000010-0000-0000-0000-000000000023', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616460097, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (65, 'tape', 't5', 2, '00000000-0400-0000-0000-00000000001d', 'Added', 1, 0, 'c33', NULL, NULL, NULL, 1795576616461061, '\x7b226e756d626572223a33337d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (66, 'tape', 't5', 3, '00000000-0400-0000-0000-00000000001e', 'Added', 1, 0, 'c33', NULL, NULL, NULL, 1795576616461061, '\x7b226e756d626572223a33337d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (67, 'odd', 'plain-36', 1, '00000010-0000-0000-0000-000000000024', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616461954, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (68, 'odd', 'plain-37', 1, '00000010-0000-0000-0000-000000000025', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616463949, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (69, 'odd', 'plain-38', 1, '00000010-0000-0000-0000-000000000026', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616466411, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (70, 'tape', 't1', 5, '00000000-0400-0000-0000-00000000001f', 'Added', 1, 0, 'c36', NULL, NULL, NULL, 1795576616467259, '\x7b226e756d626572223a33367d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (150, 'odd', 'plain-81', 1, '00000010-0000-0000-0000-000000000051', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616542648, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (151, 'odd', 'plain-82', 1, '00000010-0000-0000-0000-000000000052', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616542648, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (152, 'odd', 'plain-83', 1, '00000010-0000-0000-0000-000000000053', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616542648, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (153, 'tape', 't4', 9, '00000000-0400-0000-0000-000000000045', 'Added', 1, 0, 'c81', NULL, NULL, NULL, 1795576616543446, '\x7b226e756d626572223a38317d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (154, 'tape', 't4', 10, '00000000-0400-0000-0000-000000000046', 'Added', 1, 0, 'c81', NULL, NULL, NULL, 1795576616543446, '\x7b226e756d626572223a38317d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (155, 'odd', 'plain-84', 1, '00000010-0000-0000-0000-000000000054', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616544180, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (156, 'odd', 'plain-85', 1, '00000010-0000-0000-0000-000000000055', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616544719, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (157, 'odd', 'plain-86', 1, '00000010-0000-0000-0000-000000000056', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616546273, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (158, 'tape', 't0', 11, '00000000-0400-0000-0000-000000000047', 'Added', 1, 0, 'c84', NULL, NULL, NULL, 1795576616546954, '\x7b226e756d626572223a38347d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (159, 'odd', 'plain-87', 1, '00000010-0000-0000-0000-000000000057', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616547644, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (160, 'odd', 'plain-88', 1, '00000010-0000-0000-0000-000000000058', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616547644, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (161, 'odd', 'plain-89', 1, '00000010-0000-0000-0000-000000000059', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616547644, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (162, 'tape', 't3', 11, '00000000-0400-0000-0000-000000000048', 'Added', 1, 0, 'c87', NULL, NULL, NULL, 1795576616549122, '\x7b226e756d626572223a38377d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (163, 'tape', 't3', 12, '00000000-0400-0000-0000-000000000049', 'Added', 1, 0, 'c87', NULL, NULL, NULL, 1795576616549122, '\x7b226e756d626572223a38377d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (164, 'tape', 't3', 13, '00000000-0400-0000-0000-00000000004a', 'Added', 1, 0, 'c87', NULL, NULL, NULL, 1795576616549122, '\x7b226e756d626572223a38377d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (165, 'tape', 't3', 14, '00000000-0400-0000-0000-00000000004b', 'Added', 1, 0, 'c87', NULL, NULL, NULL, 1795576616549122, '\x7b226e756d626572223a38377d', '\x7b226e223a337d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (166, 'odd', 'several-0', 1, '00000010-0000-0000-0000-000000000064', 'Strange', 1, 0, NULL, NULL, '{n:0,k:0}', NULL, 1795576616551048, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (167, 'odd', 'several-0', 2, '00000010-0000-0000-0000-000000000065', 'Strange', 1, 0, NULL, NULL, '{n:0,k:1}', NULL, 1795576616551048, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (168, 'odd', 'several-0', 3, '00000010-0000-0000-0000-000000000066', 'Strange', 1, 0, NULL, NULL, '{n:0,k:2}', NULL, 1795576616551048, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (169, 'odd', 'several-0', 4, '00000010-0000-0000-0000-000000000067', 'Strange', 1, 0, NULL, NULL, '{n:0,k:3}', NULL, 1795576616551048, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (170, 'odd', 'several-0', 5, '00000010-0000-0000-0000-000000000068', 'Strange', 1, 0, NULL, NULL, '{n:0,k:4}', NULL, 1795576616551048, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (171, 'odd', 'several-1', 1, '00000010-0000-0000-0000-00000000006e', 'Strange', 1, 0, NULL, NULL, '{n:1,k:0}', NULL, 1795576616552600, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (172, 'odd', 'several-1', 2, '00000010-0000-0000-0000-00000000006f', 'Strange', 1, 0, NULL, NULL, '{n:1,k:1}', NULL, 1795576616552600, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (173, 'odd', 'several-1', 3, '00000010-0000-0000-0000-000000000070', 'Strange', 1, 0, NULL, NULL, '{n:1,k:2}', NULL, 1795576616552600, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (174, 'odd', 'several-1', 4, '00000010-0000-0000-0000-000000000071', 'Strange', 1, 0, NULL, NULL, '{n:1,k:3}', NULL, 1795576616552600, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (175, 'odd', 'several-1', 5, '00000010-0000-0000-0000-000000000072', 'Strange', 1, 0, NULL, NULL, '{n:1,k:4}', NULL, 1795576616552600, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (176, 'odd', 'several-2', 1, '00000010-0000-0000-0000-000000000078', 'Strange', 1, 0, NULL, NULL, '{n:2,k:0}', NULL, 1795576616554782, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (177, 'odd', 'several-2', 2, '00000010-0000-0000-0000-000000000079', 'Strange', 1, 0, NULL, NULL, '{n:2,k:1}', NULL, 1795576616554782, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (178, 'odd', 'several-2', 3, '00000010-0000-0000-0000-00000000007a', 'Strange', 1, 0, NULL, NULL, '{n:2,k:2}', NULL, 1795576616554782, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (179, 'odd', 'several-2', 4, '00000010-0000-0000-0000-00000000007b', 'Strange', 1, 0, NULL, NULL, '{n:2,k:3}', NULL, 1795576616554782, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (180, 'odd', 'several-2', 5, '00000010-0000-0000-0000-00000000007c', 'Strange', 1, 0, NULL, NULL, '{n:2,k:4}', NULL, 1795576616554782, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (181, 'tape', 't6', 11, '00000000-0400-0000-0000-00000000004c', 'Added', 1, 0, 'c90', NULL, NULL, NULL, 1795576616556584, '\x7b226e756d626572223a39307d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (182, 'tape', 't6', 12, '00000000-0400-0000-0000-00000000004d', 'Added', 1, 0, 'c90', NULL, NULL, NULL, 1795576616556584, '\x7b226e756d626572223a39307d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (183, 'tape', 't6', 13, '00000000-0400-0000-0000-00000000004e', 'Added', 1, 0, 'c90', NULL, NULL, NULL, 1795576616556584, '\x7b226e756d626572223a39307d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (184, 'odd', 'several-3', 1, '00000010-0000-0000-0000-000000000082', 'Strange', 1, 0, NULL, NULL, '{n:3,k:0}', NULL, 1795576616558686, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (185, 'odd', 'several-3', 2, '00000010-0000-0000-0000-000000000083', 'Strange', 1, 0, NULL, NULL, '{n:3,k:1}', NULL, 1795576616558686, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (186, 'odd', 'several-3', 3, '00000010-0000-0000-0000-000000000084', 'Strange', 1, 0, NULL, NULL, '{n:3,k:2}', NULL, 1795576616558686, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (187, 'odd', 'several-3', 4, '00000010-0000-0000-0000-000000000085', 'Strange', 1, 0, NULL, NULL, '{n:3,k:3}', NULL, 1795576616558686, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (188, 'odd', 'several-3', 5, '00000010-0000-0000-0000-000000000086', 'Strange', 1, 0, NULL, NULL, '{n:3,k:4}', NULL, 1795576616558686, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (189, 'odd', 'several-4', 1, '00000010-0000-0000-0000-00000000008c', 'Strange', 1, 0, NULL, NULL, '{n:4,k:0}', NULL, 1795576616558686, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (190, 'odd', 'several-4', 2, '00000010-0000-0000-0000-00000000008d', 'Strange', 1, 0, NULL, NULL, '{n:4,k:1}', NULL, 1795576616558686, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (191, 'odd', 'several-4', 3, '00000010-0000-0000-0000-00000000008e', 'Strange', 1, 0, NULL, NULL, '{n:4,k:2}', NULL, 1795576616558686, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (192, 'odd', 'several-4', 4, '00000010-0000-0000-0000-00000000008f', 'Strange', 1, 0, NULL, NULL, '{n:4,k:3}', NULL, 1795576616558686, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (193, 'odd', 'several-4', 5, '00000010-0000-0000-0000-000000000090', 'Strange', 1, 0, NULL, NULL, '{n:4,k:4}', NULL, 1795576616558686, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (194, 'odd', 'several-5', 1, '00000010-0000-0000-0000-000000000096', 'Strange', 1, 0, NULL, NULL, '{n:5,k:0}', NULL, 1795576616558686, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (195, 'odd', 'several-5', 2, '00000010-0000-0000-0000-000000000097', 'Strange', 1, 0, NULL, NULL, '{n:5,k:1}', NULL, 1795576616558686, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (196, 'odd', 'several-5', 3, '00000010-0000-0000-0000-000000000098', 'Strange', 1, 0, NULL, NULL, '{n:5,k:2}', NULL, 1795576616558686, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (197, 'odd', 'several-5', 4, '00000010-0000-0000-0000-000000000099', 'Strange', 1, 0, NULL, NULL, '{n:5,k:3}', NULL, 1795576616558686, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (198, 'odd', 'several-5', 5, '00000010-0000-0000-0000-00000000009a', 'Strange', 1, 0, NULL, NULL, '{n:5,k:4}', NULL, 1795576616558686, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (199, 'tape', 't2', 11, '00000000-0400-0000-0000-00000000004f', 'Added', 1, 0, 'c93', NULL, NULL, NULL, 1795576616560684, '\x7b226e756d626572223a39337d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (200, 'tape', 't2', 12, '00000000-0400-0000-0000-000000000050', 'Added', 1, 0, 'c93', NULL, NULL, NULL, 1795576616560684, '\x7b226e756d626572223a39337d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (201, 'odd', 'several-6', 1, '00000010-0000-0000-0000-0000000000a0', 'Strange', 1, 0, NULL, NULL, '{n:6,k:0}', NULL, 1795576616562188, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (202, 'odd', 'several-6', 2, '00000010-0000-0000-0000-0000000000a1', 'Strange', 1, 0, NULL, NULL, '{n:6,k:1}', NULL, 1795576616562188, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (203, 'odd', 'several-6', 3, '00000010-0000-0000-0000-0000000000a2', 'Strange', 1, 0, NULL, NULL, '{n:6,k:2}', NULL, 1795576616562188, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (204, 'odd', 'several-6', 4, '00000010-0000-0000-0000-0000000000a3', 'Strange', 1, 0, NULL, NULL, '{n:6,k:3}', NULL, 1795576616562188, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (205, 'odd', 'several-6', 5, '00000010-0000-0000-0000-0000000000a4', 'Strange', 1, 0, NULL, NULL, '{n:6,k:4}', NULL, 1795576616562188, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (206, 'odd', 'several-7', 1, '00000010-0000-0000-0000-0000000000aa', 'Strange', 1, 0, NULL, NULL, '{n:7,k:0}', NULL, 1795576616563802, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (207, 'odd', 'several-7', 2, '00000010-0000-0000-0000-0000000000ab', 'Strange', 1, 0, NULL, NULL, '{n:7,k:1}', NULL, 1795576616563802, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (71, 'odd', 'plain-39', 1, '00000010-0000-0000-0000-000000000027', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616468920, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (72, 'odd', 'plain-40', 1, '00000010-0000-0000-0000-000000000028', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616468920, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (73, 'odd', 'plain-41', 1, '00000010-0000-0000-0000-000000000029', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616468920, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (74, 'tape', 't4', 4, '00000000-0400-0000-0000-000000000020', 'Added', 1, 0, 'c39', NULL, NULL, NULL, 1795576616470029, '\x7b226e756d626572223a33397d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (75, 'tape', 't4', 5, '00000000-0400-0000-0000-000000000021', 'Added', 1, 0, 'c39', NULL, NULL, NULL, 1795576616470029, '\x7b226e756d626572223a33397d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (76, 'tape', 't4', 6, '00000000-0400-0000-0000-000000000022', 'Added', 1, 0, 'c39', NULL, NULL, NULL, 1795576616470029, '\x7b226e756d626572223a33397d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (77, 'tape', 't4', 7, '00000000-0400-0000-0000-000000000023', 'Added', 1, 0, 'c39', NULL, NULL, NULL, 1795576616470029, '\x7b226e756d626572223a33397d', '\x7b226e223a337d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (78, 'odd', 'plain-42', 1, '00000010-0000-0000-0000-00000000002a', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616470914, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (79, 'odd', 'plain-43', 1, '00000010-0000-0000-0000-00000000002b', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616471568, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (80, 'odd', 'plain-44', 1, '00000010-0000-0000-0000-00000000002c', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616473904, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (81, 'tape', 't0', 4, '00000000-0400-0000-0000-000000000024', 'Added', 1, 0, 'c42', NULL, NULL, NULL, 1795576616475095, '\x7b226e756d626572223a34327d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (82, 'tape', 't0', 5, '00000000-0400-0000-0000-000000000025', 'Added', 1, 0, 'c42', NULL, NULL, NULL, 1795576616475095, '\x7b226e756d626572223a34327d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (83, 'tape', 't0', 6, '00000000-0400-0000-0000-000000000026', 'Added', 1, 0, 'c42', NULL, NULL, NULL, 1795576616475095, '\x7b226e756d626572223a34327d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (84, 'odd', 'plain-45', 1, '00000010-0000-0000-0000-00000000002d', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616476524, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (85, 'odd', 'plain-46', 1, '00000010-0000-0000-0000-00000000002e', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616476524, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (86, 'odd', 'plain-47', 1, '00000010-0000-0000-0000-00000000002f', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616476524, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (87, 'tape', 't3', 6, '00000000-0400-0000-0000-000000000027', 'Added', 1, 0, 'c45', NULL, NULL, NULL, 1795576616478092, '\x7b226e756d626572223a34357d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (88, 'tape', 't3', 7, '00000000-0400-0000-0000-000000000028', 'Added', 1, 0, 'c45', NULL, NULL, NULL, 1795576616478092, '\x7b226e756d626572223a34357d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (89, 'odd', 'plain-48', 1, '00000010-0000-0000-0000-000000000030', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616478887, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (90, 'odd', 'plain-49', 1, '00000010-0000-0000-0000-000000000031', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616479656, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (91, 'odd', 'plain-50', 1, '00000010-0000-0000-0000-000000000032', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616481026, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (92, 'tape', 't6', 8, '00000000-0400-0000-0000-000000000029', 'Added', 1, 0, 'c48', NULL, NULL, NULL, 1795576616483154, '\x7b226e756d626572223a34387d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (93, 'odd', 'plain-51', 1, '00000010-0000-0000-0000-000000000033', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616484477, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (94, 'odd', 'plain-52', 1, '00000010-0000-0000-0000-000000000034', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616484477, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (95, 'odd', 'plain-53', 1, '00000010-0000-0000-0000-000000000035', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616484477, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (96, 'tape', 't2', 6, '00000000-0400-0000-0000-00000000002a', 'Added', 1, 0, 'c51', NULL, NULL, NULL, 1795576616485586, '\x7b226e756d626572223a35317d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (97, 'tape', 't2', 7, '00000000-0400-0000-0000-00000000002b', 'Added', 1, 0, 'c51', NULL, NULL, NULL, 1795576616485586, '\x7b226e756d626572223a35317d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (98, 'tape', 't2', 8, '00000000-0400-0000-0000-00000000002c', 'Added', 1, 0, 'c51', NULL, NULL, NULL, 1795576616485586, '\x7b226e756d626572223a35317d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (99, 'tape', 't2', 9, '00000000-0400-0000-0000-00000000002d', 'Added', 1, 0, 'c51', NULL, NULL, NULL, 1795576616485586, '\x7b226e756d626572223a35317d', '\x7b226e223a337d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (100, 'odd', 'plain-54', 1, '00000010-0000-0000-0000-000000000036', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616486481, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (101, 'odd', 'plain-55', 1, '00000010-0000-0000-0000-000000000037', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616487155, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (102, 'odd', 'plain-56', 1, '00000010-0000-0000-0000-000000000038', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616487770, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (103, 'tape', 't5', 4, '00000000-0400-0000-0000-00000000002e', 'Added', 1, 0, 'c54', NULL, NULL, NULL, 1795576616488764, '\x7b226e756d626572223a35347d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (104, 'tape', 't5', 5, '00000000-0400-0000-0000-00000000002f', 'Added', 1, 0, 'c54', NULL, NULL, NULL, 1795576616488764, '\x7b226e756d626572223a35347d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (105, 'tape', 't5', 6, '00000000-0400-0000-0000-000000000030', 'Added', 1, 0, 'c54', NULL, NULL, NULL, 1795576616488764, '\x7b226e756d626572223a35347d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (106, 'odd', 'plain-57', 1, '00000010-0000-0000-0000-000000000039', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616490130, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (107, 'odd', 'plain-58', 1, '00000010-0000-0000-0000-00000000003a', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616490130, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (108, 'odd', 'plain-59', 1, '00000010-0000-0000-0000-00000000003b', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616490130, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (109, 'tape', 't1', 6, '00000000-0400-0000-0000-000000000031', 'Added', 1, 0, 'c57', NULL, NULL, NULL, 1795576616490996, '\x7b226e756d626572223a35377d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (110, 'tape', 't1', 7, '00000000-0400-0000-0000-000000000032', 'Added', 1, 0, 'c57', NULL, NULL, NULL, 1795576616490996, '\x7b226e756d626572223a35377d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (111, 'odd', 'plain-60', 1, '00000010-0000-0000-0000-00000000003c', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616491497, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (112, 'odd', 'plain-61', 1, '00000010-0000-0000-0000-00000000003d', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616493364, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (113, 'odd', 'plain-62', 1, '00000010-0000-0000-0000-00000000003e', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616494994, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (114, 'tape', 't4', 8, '00000000-0400-0000-0000-000000000033', 'Added', 1, 0, 'c60', NULL, NULL, NULL, 1795576616495728, '\x7b226e756d626572223a36307d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (115, 'odd', 'plain-63', 1, '00000010-0000-0000-0000-00000000003f', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616496382, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (116, 'odd', 'plain-64', 1, '00000010-0000-0000-0000-000000000040', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616496382, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (117, 'odd', 'plain-65', 1, '00000010-0000-0000-0000-000000000041', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616496382, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (118, 'tape', 't0', 7, '00000000-0400-0000-0000-000000000034', 'Added', 1, 0, 'c63', NULL, NULL, NULL, 1795576616497208, '\x7b226e756d626572223a36337d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (119, 'tape', 't0', 8, '00000000-0400-0000-0000-000000000035', 'Added', 1, 0, 'c63', NULL, NULL, NULL, 1795576616497208, '\x7b226e756d626572223a36337d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (120, 'tape', 't0', 9, '00000000-0400-0000-0000-000000000036', 'Added', 1, 0, 'c63', NULL, NULL, NULL, 1795576616497208, '\x7b226e756d626572223a36337d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (121, 'tape', 't0', 10, '00000000-0400-0000-0000-000000000037', 'Added', 1, 0, 'c63', NULL, NULL, NULL, 1795576616497208, '\x7b226e756d626572223a36337d', '\x7b226e223a337d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (122, 'odd', 'plain-66', 1, '00000010-0000-0000-0000-000000000042', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616497903, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (123, 'odd', 'plain-67', 1, '00000010-0000-0000-0000-000000000043', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616501710, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (124, 'odd', 'plain-68', 1, '00000010-0000-0000-0000-000000000044', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616505862, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (125, 'tape', 't3', 8, '00000000-0400-0000-0000-000000000038', 'Added', 1, 0, 'c66', NULL, NULL, NULL, 1795576616506860, '\x7b226e756d626572223a36367d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (126, 'tape', 't3', 9, '00000000-0400-0000-0000-000000000039', 'Added', 1, 0, 'c66', NULL, NULL, NULL, 1795576616506860, '\x7b226e756d626572223a36367d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (127, 'tape', 't3', 10, '00000000-0400-0000-0000-00000000003a', 'Added', 1, 0, 'c66', NULL, NULL, NULL, 1795576616506860, '\x7b226e756d626572223a36367d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (128, 'odd', 'plain-69', 1, '00000010-0000-0000-0000-000000000045', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616514072, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (129, 'odd', 'plain-70', 1, '00000010-0000-0000-0000-000000000046', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616514072, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (130, 'odd', 'plain-71', 1, '00000010-0000-0000-0000-000000000047', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616514072, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (131, 'tape', 't6', 9, '00000000-0400-0000-0000-00000000003b', 'Added', 1, 0, 'c69', NULL, NULL, NULL, 1795576616530445, '\x7b226e756d626572223a36397d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (132, 'tape', 't6', 10, '00000000-0400-0000-0000-00000000003c', 'Added', 1, 0, 'c69', NULL, NULL, NULL, 1795576616530445, '\x7b226e756d626572223a36397d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (133, 'odd', 'plain-72', 1, '00000010-0000-0000-0000-000000000048', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616531056, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (134, 'odd', 'plain-73', 1, '00000010-0000-0000-0000-000000000049', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616531810, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (135, 'odd', 'plain-74', 1, '00000010-0000-0000-0000-00000000004a', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616532121, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (136, 'tape', 't2', 10, '00000000-0400-0000-0000-00000000003d', 'Added', 1, 0, 'c72', NULL, NULL, NULL, 1795576616532593, '\x7b226e756d626572223a37327d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (137, 'odd', 'plain-75', 1, '00000010-0000-0000-0000-00000000004b', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616533424, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (138, 'odd', 'plain-76', 1, '00000010-0000-0000-0000-00000000004c', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616533424, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (139, 'odd', 'plain-77', 1, '00000010-0000-0000-0000-00000000004d', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616533424, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (140, 'tape', 't5', 7, '00000000-0400-0000-0000-00000000003e', 'Added', 1, 0, 'c75', NULL, NULL, NULL, 1795576616534520, '\x7b226e756d626572223a37357d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (141, 'tape', 't5', 8, '00000000-0400-0000-0000-00000000003f', 'Added', 1, 0, 'c75', NULL, NULL, NULL, 1795576616534520, '\x7b226e756d626572223a37357d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (142, 'tape', 't5', 9, '00000000-0400-0000-0000-000000000040', 'Added', 1, 0, 'c75', NULL, NULL, NULL, 1795576616534520, '\x7b226e756d626572223a37357d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (143, 'tape', 't5', 10, '00000000-0400-0000-0000-000000000041', 'Added', 1, 0, 'c75', NULL, NULL, NULL, 1795576616534520, '\x7b226e756d626572223a37357d', '\x7b226e223a337d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (144, 'odd', 'plain-78', 1, '00000010-0000-0000-0000-00000000004e', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616535198, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (145, 'odd', 'plain-79', 1, '00000010-0000-0000-0000-00000000004f', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616536008, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (146, 'odd', 'plain-80', 1, '00000010-0000-0000-0000-000000000050', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616539190, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (147, 'tape', 't1', 8, '00000000-0400-0000-0000-000000000042', 'Added', 1, 0, 'c78', NULL, NULL, NULL, 1795576616541568, '\x7b226e756d626572223a37387d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (148, 'tape', 't1', 9, '00000000-0400-0000-0000-000000000043', 'Added', 1, 0, 'c78', NULL, NULL, NULL, 1795576616541568, '\x7b226e756d626572223a37387d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (149, 'tape', 't1', 10, '00000000-0400-0000-0000-000000000044', 'Added', 1, 0, 'c78', NULL, NULL, NULL, 1795576616541568, '\x7b226e756d626572223a37387d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (254, 'odd', 'several-15', 1, '00000010-0000-0000-0000-0000000000fa', 'Strange', 1, 0, NULL, NULL, '{n:15,k:0}', NULL, 1795576616575584, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (255, 'odd', 'several-15', 2, '00000010-0000-0000-0000-0000000000fb', 'Strange', 1, 0, NULL, NULL, '{n:15,k:1}', NULL, 1795576616575584, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (256, 'odd', 'several-15', 3, '00000010-0000-0000-0000-0000000000fc', 'Strange', 1, 0, NULL, NULL, '{n:15,k:2}', NULL, 1795576616575584, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (257, 'odd', 'several-15', 4, '00000010-0000-0000-0000-0000000000fd', 'Strange', 1, 0, NULL, NULL, '{n:15,k:3}', NULL, 1795576616575584, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (258, 'odd', 'several-15', 5, '00000010-0000-0000-0000-0000000000fe', 'Strange', 1, 0, NULL, NULL, '{n:15,k:4}', NULL, 1795576616575584, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (259, 'odd', 'several-16', 1, '00000010-0000-0000-0000-000000000104', 'Strange', 1, 0, NULL, NULL, '{n:16,k:0}', NULL, 1795576616575584, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (260, 'odd', 'several-16', 2, '00000010-0000-0000-0000-000000000105', 'Strange', 1, 0, NULL, NULL, '{n:16,k:1}', NULL, 1795576616575584, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (261, 'odd', 'several-16', 3, '00000010-0000-0000-0000-000000000106', 'Strange', 1, 0, NULL, NULL, '{n:16,k:2}', NULL, 1795576616575584, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (262, 'odd', 'several-16', 4, '00000010-0000-0000-0000-000000000107', 'Strange', 1, 0, NULL, NULL, '{n:16,k:3}', NULL, 1795576616575584, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (263, 'odd', 'several-16', 5, '00000010-0000-0000-0000-000000000108', 'Strange', 1, 0, NULL, NULL, '{n:16,k:4}', NULL, 1795576616575584, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (264, 'odd', 'several-17', 1, '00000010-0000-0000-0000-00000000010e', 'Strange', 1, 0, NULL, NULL, '{n:17,k:0}', NULL, 1795576616575584, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (265, 'odd', 'several-17', 2, '00000010-0000-0000-0000-00000000010f', 'Strange', 1, 0, NULL, NULL, '{n:17,k:1}', NULL, 1795576616575584, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (266, 'odd', 'several-17', 3, '00000010-0000-0000-0000-000000000110', 'Strange', 1, 0, NULL, NULL, '{n:17,k:2}', NULL, 1795576616575584, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (267, 'odd', 'several-17', 4, '00000010-0000-0000-0000-000000000111', 'Strange', 1, 0, NULL, NULL, '{n:17,k:3}', NULL, 1795576616575584, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (268, 'odd', 'several-17', 5, '00000010-0000-0000-0000-000000000112', 'Strange', 1, 0, NULL, NULL, '{n:17,k:4}', NULL, 1795576616575584, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (269, 'tape', 't0', 12, '00000000-0400-0000-0000-000000000059', 'Added', 1, 0, 'c105', NULL, NULL, NULL, 1795576616577350, '\x7b226e756d626572223a3130357d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (270, 'tape', 't0', 13, '00000000-0400-0000-0000-00000000005a', 'Added', 1, 0, 'c105', NULL, NULL, NULL, 1795576616577350, '\x7b226e756d626572223a3130357d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (271, 'odd', 'several-18', 1, '00000010-0000-0000-0000-000000000118', 'Strange', 1, 0, NULL, NULL, '{n:18,k:0}', NULL, 1795576616578605, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (272, 'odd', 'several-18', 2, '00000010-0000-0000-0000-000000000119', 'Strange', 1, 0, NULL, NULL, '{n:18,k:1}', NULL, 1795576616578605, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (273, 'odd', 'several-18', 3, '00000010-0000-0000-0000-00000000011a', 'Strange', 1, 0, NULL, NULL, '{n:18,k:2}', NULL, 1795576616578605, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (274, 'odd', 'several-18', 4, '00000010-0000-0000-0000-00000000011b', 'Strange', 1, 0, NULL, NULL, '{n:18,k:3}', NULL, 1795576616578605, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (275, 'odd', 'several-18', 5, '00000010-0000-0000-0000-00000000011c', 'Strange', 1, 0, NULL, NULL, '{n:18,k:4}', NULL, 1795576616578605, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (276, 'odd', 'several-19', 1, '00000010-0000-0000-0000-000000000122', 'Strange', 1, 0, NULL, NULL, '{n:19,k:0}', NULL, 1795576616579966, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (277, 'odd', 'several-19', 2, '00000010-0000-0000-0000-000000000123', 'Strange', 1, 0, NULL, NULL, '{n:19,k:1}', NULL, 1795576616579966, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (278, 'odd', 'several-19', 3, '00000010-0000-0000-0000-000000000124', 'Strange', 1, 0, NULL, NULL, '{n:19,k:2}', NULL, 1795576616579966, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (279, 'odd', 'several-19', 4, '00000010-0000-0000-0000-000000000125', 'Strange', 1, 0, NULL, NULL, '{n:19,k:3}', NULL, 1795576616579966, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (280, 'odd', 'several-19', 5, '00000010-0000-0000-0000-000000000126', 'Strange', 1, 0, NULL, NULL, '{n:19,k:4}', NULL, 1795576616579966, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (281, 'odd', 'special', 1, '00000010-0000-0000-0000-0000000003e8', 'Ünïcödé', 1, 0, NULL, NULL, NULL, NULL, 1795576616581731, NULL, '\x7b2274657874223a22e697a5e69cace8aa9e205c753030303020f09f9880227d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (282, 'odd', 'special', 2, '00000010-0000-0000-0000-0000000003e9', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616581731, NULL, '\x7b226174223a227878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878227d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (283, 'odd', 'special', 3, '00000010-0000-0000-0000-0000000003ea', 'Strange', 0, 0, NULL, NULL, NULL, NULL, 1795576616581731, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (284, 'odd', 'special', 4, '00000010-0000-0000-0000-0000000003eb', 'Strange', 7, 1, NULL, NULL, NULL, NULL, 1795576616581731, NULL, '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (285, 'odd', 'special', 5, '00000010-0000-0000-0000-0000000003ec', 'Strange', 1, 0, 'ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', 'because', NULL, -62135596800000000, 1795576616581731, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (286, 'odd', 'special', 6, '00000010-0000-0000-0000-0000000003ed', 'Strange', 1, 0, NULL, NULL, NULL, 253402300799999999, 1795576616581731, '\x7b2275736572223a22416e6e20f09f9880227d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (287, 'odd', 'special', 7, '00000010-0000-0000-0000-0000000003ee', 'Strange', 1, 0, NULL, NULL, '{tag:0,tag:1,tag:2,tag:3,tag:4,tag:5,tag:6,tag:7,tag:8,tag:9,tag:10,tag:11,tag:12,tag:13,tag:14,tag:15,tag:16,tag:17,tag:18,tag:19,tag:20,tag:21,tag:22,tag:23,tag:24,tag:25,tag:26,tag:27,tag:28,tag:29,tag:30,tag:31,tag:32,tag:33,tag:34,tag:35,tag:36,tag:37,tag:38,tag:39,tag:40,tag:41,tag:42,tag:43,tag:44,tag:45,tag:46,tag:47,tag:48,tag:49,tag:50,tag:51,tag:52,tag:53,tag:54,tag:55,tag:56,tag:57,tag:58,tag:59}', NULL, 1795576616581731, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (288, 'odd', 'special', 8, '00000010-0000-0000-0000-0000000003ef', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616581731, NULL, '\x6e756c6c');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (289, 'tape', 't3', 15, '00000000-0400-0000-0000-00000000005b', 'Added', 1, 0, 'c108', NULL, NULL, NULL, 1795576616583399, '\x7b226e756d626572223a3130387d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (290, 'odd', 'a-b-c', 1, '00000010-0000-0000-0000-0000000007d0', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616584366, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (291, 'odd', 'Ünï', 1, '00000010-0000-0000-0000-0000000007d1', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616584366, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (292, 'odd', '日本', 1, '00000010-0000-0000-0000-0000000007d2', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616584366, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (293, 'tape', 't6', 14, '00000000-0400-0000-0000-00000000005c', 'Added', 1, 0, 'c111', NULL, NULL, NULL, 1795576616585902, '\x7b226e756d626572223a3131317d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (294, 'tape', 't6', 15, '00000000-0400-0000-0000-00000000005d', 'Added', 1, 0, 'c111', NULL, NULL, NULL, 1795576616585902, '\x7b226e756d626572223a3131317d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (208, 'odd', 'several-7', 3, '00000010-0000-0000-0000-0000000000ac', 'Strange', 1, 0, NULL, NULL, '{n:7,k:2}', NULL, 1795576616563802, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (209, 'odd', 'several-7', 4, '00000010-0000-0000-0000-0000000000ad', 'Strange', 1, 0, NULL, NULL, '{n:7,k:3}', NULL, 1795576616563802, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (210, 'odd', 'several-7', 5, '00000010-0000-0000-0000-0000000000ae', 'Strange', 1, 0, NULL, NULL, '{n:7,k:4}', NULL, 1795576616563802, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (211, 'odd', 'several-8', 1, '00000010-0000-0000-0000-0000000000b4', 'Strange', 1, 0, NULL, NULL, '{n:8,k:0}', NULL, 1795576616565060, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (212, 'odd', 'several-8', 2, '00000010-0000-0000-0000-0000000000b5', 'Strange', 1, 0, NULL, NULL, '{n:8,k:1}', NULL, 1795576616565060, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (213, 'odd', 'several-8', 3, '00000010-0000-0000-0000-0000000000b6', 'Strange', 1, 0, NULL, NULL, '{n:8,k:2}', NULL, 1795576616565060, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (214, 'odd', 'several-8', 4, '00000010-0000-0000-0000-0000000000b7', 'Strange', 1, 0, NULL, NULL, '{n:8,k:3}', NULL, 1795576616565060, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (215, 'odd', 'several-8', 5, '00000010-0000-0000-0000-0000000000b8', 'Strange', 1, 0, NULL, NULL, '{n:8,k:4}', NULL, 1795576616565060, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (216, 'tape', 't5', 11, '00000000-0400-0000-0000-000000000051', 'Added', 1, 0, 'c96', NULL, NULL, NULL, 1795576616566181, '\x7b226e756d626572223a39367d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (217, 'odd', 'several-10', 1, '00000010-0000-0000-0000-0000000000c8', 'Strange', 1, 0, NULL, NULL, '{n:10,k:0}', NULL, 1795576616567488, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (218, 'odd', 'several-10', 2, '00000010-0000-0000-0000-0000000000c9', 'Strange', 1, 0, NULL, NULL, '{n:10,k:1}', NULL, 1795576616567488, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (219, 'odd', 'several-10', 3, '00000010-0000-0000-0000-0000000000ca', 'Strange', 1, 0, NULL, NULL, '{n:10,k:2}', NULL, 1795576616567488, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (220, 'odd', 'several-10', 4, '00000010-0000-0000-0000-0000000000cb', 'Strange', 1, 0, NULL, NULL, '{n:10,k:3}', NULL, 1795576616567488, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (221, 'odd', 'several-10', 5, '00000010-0000-0000-0000-0000000000cc', 'Strange', 1, 0, NULL, NULL, '{n:10,k:4}', NULL, 1795576616567488, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (222, 'odd', 'several-11', 1, '00000010-0000-0000-0000-0000000000d2', 'Strange', 1, 0, NULL, NULL, '{n:11,k:0}', NULL, 1795576616567488, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (223, 'odd', 'several-11', 2, '00000010-0000-0000-0000-0000000000d3', 'Strange', 1, 0, NULL, NULL, '{n:11,k:1}', NULL, 1795576616567488, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (224, 'odd', 'several-11', 3, '00000010-0000-0000-0000-0000000000d4', 'Strange', 1, 0, NULL, NULL, '{n:11,k:2}', NULL, 1795576616567488, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (225, 'odd', 'several-11', 4, '00000010-0000-0000-0000-0000000000d5', 'Strange', 1, 0, NULL, NULL, '{n:11,k:3}', NULL, 1795576616567488, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (226, 'odd', 'several-11', 5, '00000010-0000-0000-0000-0000000000d6', 'Strange', 1, 0, NULL, NULL, '{n:11,k:4}', NULL, 1795576616567488, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (227, 'odd', 'several-9', 1, '00000010-0000-0000-0000-0000000000be', 'Strange', 1, 0, NULL, NULL, '{n:9,k:0}', NULL, 1795576616567488, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (228, 'odd', 'several-9', 2, '00000010-0000-0000-0000-0000000000bf', 'Strange', 1, 0, NULL, NULL, '{n:9,k:1}', NULL, 1795576616567488, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (229, 'odd', 'several-9', 3, '00000010-0000-0000-0000-0000000000c0', 'Strange', 1, 0, NULL, NULL, '{n:9,k:2}', NULL, 1795576616567488, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (230, 'odd', 'several-9', 4, '00000010-0000-0000-0000-0000000000c1', 'Strange', 1, 0, NULL, NULL, '{n:9,k:3}', NULL, 1795576616567488, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (231, 'odd', 'several-9', 5, '00000010-0000-0000-0000-0000000000c2', 'Strange', 1, 0, NULL, NULL, '{n:9,k:4}', NULL, 1795576616567488, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (232, 'tape', 't1', 11, '00000000-0400-0000-0000-000000000052', 'Added', 1, 0, 'c99', NULL, NULL, NULL, 1795576616568925, '\x7b226e756d626572223a39397d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (233, 'tape', 't1', 12, '00000000-0400-0000-0000-000000000053', 'Added', 1, 0, 'c99', NULL, NULL, NULL, 1795576616568925, '\x7b226e756d626572223a39397d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (234, 'tape', 't1', 13, '00000000-0400-0000-0000-000000000054', 'Added', 1, 0, 'c99', NULL, NULL, NULL, 1795576616568925, '\x7b226e756d626572223a39397d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (235, 'tape', 't1', 14, '00000000-0400-0000-0000-000000000055', 'Added', 1, 0, 'c99', NULL, NULL, NULL, 1795576616568925, '\x7b226e756d626572223a39397d', '\x7b226e223a337d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (236, 'odd', 'several-12', 1, '00000010-0000-0000-0000-0000000000dc', 'Strange', 1, 0, NULL, NULL, '{n:12,k:0}', NULL, 1795576616569734, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (237, 'odd', 'several-12', 2, '00000010-0000-0000-0000-0000000000dd', 'Strange', 1, 0, NULL, NULL, '{n:12,k:1}', NULL, 1795576616569734, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (238, 'odd', 'several-12', 3, '00000010-0000-0000-0000-0000000000de', 'Strange', 1, 0, NULL, NULL, '{n:12,k:2}', NULL, 1795576616569734, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (239, 'odd', 'several-12', 4, '00000010-0000-0000-0000-0000000000df', 'Strange', 1, 0, NULL, NULL, '{n:12,k:3}', NULL, 1795576616569734, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (240, 'odd', 'several-12', 5, '00000010-0000-0000-0000-0000000000e0', 'Strange', 1, 0, NULL, NULL, '{n:12,k:4}', NULL, 1795576616569734, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (241, 'odd', 'several-13', 1, '00000010-0000-0000-0000-0000000000e6', 'Strange', 1, 0, NULL, NULL, '{n:13,k:0}', NULL, 1795576616570844, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (242, 'odd', 'several-13', 2, '00000010-0000-0000-0000-0000000000e7', 'Strange', 1, 0, NULL, NULL, '{n:13,k:1}', NULL, 1795576616570844, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (243, 'odd', 'several-13', 3, '00000010-0000-0000-0000-0000000000e8', 'Strange', 1, 0, NULL, NULL, '{n:13,k:2}', NULL, 1795576616570844, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (244, 'odd', 'several-13', 4, '00000010-0000-0000-0000-0000000000e9', 'Strange', 1, 0, NULL, NULL, '{n:13,k:3}', NULL, 1795576616570844, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (245, 'odd', 'several-13', 5, '00000010-0000-0000-0000-0000000000ea', 'Strange', 1, 0, NULL, NULL, '{n:13,k:4}', NULL, 1795576616570844, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (246, 'odd', 'several-14', 1, '00000010-0000-0000-0000-0000000000f0', 'Strange', 1, 0, NULL, NULL, '{n:14,k:0}', NULL, 1795576616571947, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (247, 'odd', 'several-14', 2, '00000010-0000-0000-0000-0000000000f1', 'Strange', 1, 0, NULL, NULL, '{n:14,k:1}', NULL, 1795576616571947, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (248, 'odd', 'several-14', 3, '00000010-0000-0000-0000-0000000000f2', 'Strange', 1, 0, NULL, NULL, '{n:14,k:2}', NULL, 1795576616571947, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (249, 'odd', 'several-14', 4, '00000010-0000-0000-0000-0000000000f3', 'Strange', 1, 0, NULL, NULL, '{n:14,k:3}', NULL, 1795576616571947, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (250, 'odd', 'several-14', 5, '00000010-0000-0000-0000-0000000000f4', 'Strange', 1, 0, NULL, NULL, '{n:14,k:4}', NULL, 1795576616571947, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (251, 'tape', 't4', 11, '00000000-0400-0000-0000-000000000056', 'Added', 1, 0, 'c102', NULL, NULL, NULL, 1795576616573793, '\x7b226e756d626572223a3130327d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (252, 'tape', 't4', 12, '00000000-0400-0000-0000-000000000057', 'Added', 1, 0, 'c102', NULL, NULL, NULL, 1795576616573793, '\x7b226e756d626572223a3130327d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (253, 'tape', 't4', 13, '00000000-0400-0000-0000-000000000058', 'Added', 1, 0, 'c102', NULL, NULL, NULL, 1795576616573793, '\x7b226e756d626572223a3130327d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (295, 'tape', 't6', 16, '00000000-0400-0000-0000-00000000005e', 'Added', 1, 0, 'c111', NULL, NULL, NULL, 1795576616585902, '\x7b226e756d626572223a3131317d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (296, 'tape', 't6', 17, '00000000-0400-0000-0000-00000000005f', 'Added', 1, 0, 'c111', NULL, NULL, NULL, 1795576616585902, '\x7b226e756d626572223a3131317d', '\x7b226e223a337d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (297, 'odd', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', 1, '00000010-0000-0000-0000-0000000007d3', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616586806, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (298, 'odd', '''; DROP TABLE events; --', 1, '00000010-0000-0000-0000-0000000007d4', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616587604, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (299, 'odd', '"%_\', 1, '00000010-0000-0000-0000-0000000007d5', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616588471, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (300, 'tape', 't2', 13, '00000000-0400-0000-0000-000000000060', 'Added', 1, 0, 'c114', NULL, NULL, NULL, 1795576616589146, '\x7b226e756d626572223a3131347d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (301, 'tape', 't2', 14, '00000000-0400-0000-0000-000000000061', 'Added', 1, 0, 'c114', NULL, NULL, NULL, 1795576616589146, '\x7b226e756d626572223a3131347d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (302, 'tape', 't2', 15, '00000000-0400-0000-0000-000000000062', 'Added', 1, 0, 'c114', NULL, NULL, NULL, 1795576616589146, '\x7b226e756d626572223a3131347d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (303, 'odd', 'plain-0', 2, '00000010-0000-0000-0000-000000000bb8', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616590466, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (304, 'odd', 'plain-1', 2, '00000010-0000-0000-0000-000000000bb9', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616590466, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (305, 'odd', 'plain-2', 2, '00000010-0000-0000-0000-000000000bba', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616590466, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (306, 'tape', 't5', 12, '00000000-0400-0000-0000-000000000063', 'Added', 1, 0, 'c117', NULL, NULL, NULL, 1795576616591442, '\x7b226e756d626572223a3131377d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (307, 'tape', 't5', 13, '00000000-0400-0000-0000-000000000064', 'Added', 1, 0, 'c117', NULL, NULL, NULL, 1795576616591442, '\x7b226e756d626572223a3131377d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (308, 'odd', 'plain-3', 2, '00000010-0000-0000-0000-000000000bbb', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616592299, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (309, 'odd', 'plain-4', 2, '00000010-0000-0000-0000-000000000bbc', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616592718, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (310, 'odd', 'plain-5', 2, '00000010-0000-0000-0000-000000000bbd', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616593864, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (311, 'tape', 't1', 15, '00000000-0400-0000-0000-000000000065', 'Added', 1, 0, 'c120', NULL, NULL, NULL, 1795576616594663, '\x7b226e756d626572223a3132307d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (312, 'odd', 'plain-6', 2, '00000010-0000-0000-0000-000000000bbe', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616595691, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (313, 'odd', 'plain-7', 2, '00000010-0000-0000-0000-000000000bbf', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616595691, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (314, 'tape', 't4', 14, '00000000-0400-0000-0000-000000000066', 'Added', 1, 0, 'c123', NULL, NULL, NULL, 1795576616596880, '\x7b226e756d626572223a3132337d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (315, 'tape', 't4', 15, '00000000-0400-0000-0000-000000000067', 'Added', 1, 0, 'c123', NULL, NULL, NULL, 1795576616596880, '\x7b226e756d626572223a3132337d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (316, 'tape', 't4', 16, '00000000-0400-0000-0000-000000000068', 'Added', 1, 0, 'c123', NULL, NULL, NULL, 1795576616596880, '\x7b226e756d626572223a3132337d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (317, 'tape', 't4', 17, '00000000-0400-0000-0000-000000000069', 'Added', 1, 0, 'c123', NULL, NULL, NULL, 1795576616596880, '\x7b226e756d626572223a3132337d', '\x7b226e223a337d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (318, 'odd', 'plain-8', 2, '00000010-0000-0000-0000-000000000bc0', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616631893, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (319, 'odd', 'plain-9', 2, '00000010-0000-0000-0000-000000000bc1', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616633626, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (320, 'odd', 'plain-10', 2, '00000010-0000-0000-0000-000000000bc2', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616635267, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (321, 'tape', 't0', 14, '00000000-0400-0000-0000-00000000006a', 'Added', 1, 0, 'c0', NULL, NULL, NULL, 1795576616638800, '\x7b226e756d626572223a307d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (322, 'odd', 'plain-11', 2, '00000010-0000-0000-0000-000000000bc3', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616644768, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (323, 'odd', 'plain-12', 2, '00000010-0000-0000-0000-000000000bc4', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616644768, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (324, 'odd', 'plain-13', 2, '00000010-0000-0000-0000-000000000bc5', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616644768, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (325, 'tape', 't3', 16, '00000000-0400-0000-0000-00000000006b', 'Added', 1, 0, 'c3', NULL, NULL, NULL, 1795576616646772, '\x7b226e756d626572223a337d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (326, 'tape', 't3', 17, '00000000-0400-0000-0000-00000000006c', 'Added', 1, 0, 'c3', NULL, NULL, NULL, 1795576616646772, '\x7b226e756d626572223a337d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (327, 'tape', 't3', 18, '00000000-0400-0000-0000-00000000006d', 'Added', 1, 0, 'c3', NULL, NULL, NULL, 1795576616646772, '\x7b226e756d626572223a337d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (328, 'tape', 't3', 19, '00000000-0400-0000-0000-00000000006e', 'Added', 1, 0, 'c3', NULL, NULL, NULL, 1795576616646772, '\x7b226e756d626572223a337d', '\x7b226e223a337d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (329, 'odd', 'plain-14', 2, '00000010-0000-0000-0000-000000000bc6', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616647854, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (330, 'odd', 'plain-15', 2, '00000010-0000-0000-0000-000000000bc7', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616648349, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (331, 'odd', 'plain-16', 2, '00000010-0000-0000-0000-000000000bc8', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616649964, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (332, 'tape', 't6', 18, '00000000-0400-0000-0000-00000000006f', 'Added', 1, 0, 'c6', NULL, NULL, NULL, 1795576616653685, '\x7b226e756d626572223a367d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (333, 'tape', 't6', 19, '00000000-0400-0000-0000-000000000070', 'Added', 1, 0, 'c6', NULL, NULL, NULL, 1795576616653685, '\x7b226e756d626572223a367d', '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (334, 'tape', 't6', 20, '00000000-0400-0000-0000-000000000071', 'Added', 1, 0, 'c6', NULL, NULL, NULL, 1795576616653685, '\x7b226e756d626572223a367d', '\x7b226e223a327d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (335, 'odd', 'plain-17', 2, '00000010-0000-0000-0000-000000000bc9', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616661561, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (336, 'odd', 'plain-18', 2, '00000010-0000-0000-0000-000000000bca', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616661561, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (337, 'odd', 'plain-19', 2, '00000010-0000-0000-0000-000000000bcb', 'Strange', 1, 0, NULL, NULL, NULL, NULL, 1795576616661561, NULL, '\x7b226e223a317d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (338, 'tape', 't2', 16, '00000000-0400-0000-0000-000000000072', 'Added', 1, 0, 'c9', NULL, NULL, NULL, 1795576616663013, '\x7b226e756d626572223a397d', '\x7b226e223a307d');
INSERT INTO eventfold.events OVERRIDING SYSTEM VALUE VALUES (339, 'tape', 't2', 17, '00000000-0400-0000-0000-000000000073', 'Added', 1, 0, 'c9', NULL, NULL, NULL, 1795576616663013, '\x7b226e756d626572223a397d', '\x7b226e223a317d');

INSERT INTO eventfold.incarnations VALUES ('516ca2bd-e636-4479-8bfd-fdf4342cc7a9', '7711942841012113167/1/5', 0, 1795576616331365);

INSERT INTO eventfold.processors VALUES ('sums', 'projector', 0, 1, 'beginning', 0, 1, NULL, NULL, 1795576616349811);

INSERT INTO eventfold.store VALUES (1, 1, 'f49a841e-ebed-4b6e-bc76-43dcc6401f75', '516ca2bd-e636-4479-8bfd-fdf4342cc7a9', '7711942841012113167/1/5', 1795576616333436);

INSERT INTO public.sums VALUES ('t0', 11);
INSERT INTO public.sums VALUES ('t3', 16);
INSERT INTO public.sums VALUES ('t6', 19);
INSERT INTO public.sums VALUES ('t2', 14);
INSERT INTO public.sums VALUES ('t5', 11);
INSERT INTO public.sums VALUES ('t1', 16);
INSERT INTO public.sums VALUES ('t4', 19);

SELECT pg_catalog.setval('eventfold.events_position_seq', 339, true);

ALTER TABLE ONLY eventfold.actions
    ADD CONSTRAINT actions_pkey PRIMARY KEY (reactor, event_id, key);

ALTER TABLE ONLY eventfold.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (processor, generation, partition);

ALTER TABLE ONLY eventfold.commands
    ADD CONSTRAINT commands_pkey PRIMARY KEY (command_id);

ALTER TABLE ONLY eventfold.event_tags
    ADD CONSTRAINT event_tags_pkey PRIMARY KEY (tag, "position");

ALTER TABLE ONLY eventfold.events
    ADD CONSTRAINT events_event_id UNIQUE (event_id);

ALTER TABLE ONLY eventfold.events
    ADD CONSTRAINT events_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY eventfold.events
    ADD CONSTRAINT events_version UNIQUE (category, id, version);

ALTER TABLE ONLY eventfold.incarnations
    ADD CONSTRAINT incarnations_pkey PRIMARY KEY (incarnation);

ALTER TABLE ONLY eventfold.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (processor, partition);

ALTER TABLE ONLY eventfold.parked
    ADD CONSTRAINT parked_pkey PRIMARY KEY (processor, generation, "position");

ALTER TABLE ONLY eventfold.processors
    ADD CONSTRAINT processors_pkey PRIMARY KEY (name);

ALTER TABLE ONLY eventfold.snapshots
    ADD CONSTRAINT snapshots_pkey PRIMARY KEY (category, id, kind);

ALTER TABLE ONLY eventfold.store
    ADD CONSTRAINT store_pkey PRIMARY KEY (one);

ALTER TABLE ONLY eventfold.stream_marks
    ADD CONSTRAINT stream_marks_pkey PRIMARY KEY (category, id);

ALTER TABLE ONLY eventfold.timers
    ADD CONSTRAINT timers_pkey PRIMARY KEY (manager, instance, key);

ALTER TABLE ONLY public.sums
    ADD CONSTRAINT sums_pkey PRIMARY KEY (tape);

CREATE INDEX events_category ON eventfold.events USING btree (category, "position");

CREATE INDEX parked_open ON eventfold.parked USING btree (processor, category, id) WHERE (resolved_at IS NULL);

CREATE INDEX timers_due ON eventfold.timers USING btree (due_at);

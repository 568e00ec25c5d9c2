-- Who appends needs no right on the tables: the functions run as their owner, and nothing else draws positions. With a
-- plain INSERT somebody could choose his own (OVERRIDING SYSTEM VALUE), below what subscribers have read. Names are
-- looked up in one place, whatever the caller's search_path is. A later CREATE OR REPLACE says both again.
ALTER FUNCTION {append_1} SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION {append_n} SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION {append_r} SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION {append_all} SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

-- So not everybody may call them any more, only those who could insert until now.
DO $do$
DECLARE
    holder text;
BEGIN
    REVOKE EXECUTE ON FUNCTION {append_1}, {append_n}, {append_r}, {append_all} FROM PUBLIC;
    FOR holder IN
        SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
          FROM (SELECT relacl AS acl FROM pg_class WHERE oid = '{events}'::regclass
                UNION ALL SELECT attacl FROM pg_attribute WHERE attrelid = '{events}'::regclass) AS granted,
               aclexplode(granted.acl) AS a
         WHERE a.privilege_type = 'INSERT'
    LOOP
        EXECUTE 'GRANT EXECUTE ON FUNCTION {append_1}, {append_n}, {append_r}, {append_all} TO ' || holder;
    END LOOP;
END $do$;

-- Whether this is the database that the store was in before: a restored dump, a copy or a promoted standby is not, and is
-- another incarnation from then on. Who may only read finds that out too, and writes down nothing but this fact.
CREATE FUNCTION {recognise}() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    here  text := concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
                            (SELECT timeline_id FROM pg_control_checkpoint()),
                            (SELECT oid FROM pg_database WHERE datname = current_database()));
    fresh uuid := gen_random_uuid();
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('eventfold migrates ' || nspname, 0))
       FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = '{events}'::regclass;
    IF EXISTS (SELECT FROM {store} WHERE fingerprint = here) THEN
        RETURN true;
    END IF;
    INSERT INTO {incarnations} (incarnation, fingerprint, head_position, since)
    VALUES (fresh, here, coalesce((SELECT max(position) FROM {events}), 0),
            (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
    UPDATE {store} SET incarnation = fresh, fingerprint = here;
    RETURN false;
END $$;

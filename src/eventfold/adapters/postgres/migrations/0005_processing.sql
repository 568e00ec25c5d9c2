-- Events that were set aside: what somebody asks for, and the data that he gives in place of the event's own.
ALTER TABLE {parked}
    ADD COLUMN type   text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN wish   text CHECK (wish IN ('retry', 'drop')),
    ADD COLUMN edited bytea,
    ADD COLUMN reason text;
-- Whoever runs a processor asks for wishes a few times a second, and nearly always there are none.
CREATE INDEX parked_wished ON {parked} (processor, partition) WHERE wish IS NOT NULL AND resolved_at IS NULL;

ALTER TABLE {processors} ADD COLUMN query text;

-- Who wants to run a processor at the moment. A partition that is somebody's is in {leases}.
CREATE TABLE {lease_members} (
    processor text   COLLATE "C" NOT NULL,
    owner     text   COLLATE "C" NOT NULL,
    until     bigint NOT NULL,
    PRIMARY KEY (processor, owner)
);

-- Whoever brings the store up to date may be one of several who may. The new table is its owner's as all others are; who
-- keeps the books of processors keeps the new ones too, and who appends enters his commands. The release before had no
-- use for them, so nobody was given the rights.
DO $do$
DECLARE
    master oid := (SELECT relowner FROM pg_class WHERE oid = '{checkpoints}'::regclass);
    holder text;
    given  text;
BEGIN
    IF master <> (SELECT relowner FROM pg_class WHERE oid = '{lease_members}'::regclass) THEN
        EXECUTE format('ALTER TABLE {lease_members} OWNER TO %I', pg_get_userbyid(master));
    END IF;
    FOR holder, given IN
        SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
               CASE WHEN p.privilege = 'SELECT' THEN 'SELECT ON {lease_members}'
                    ELSE 'SELECT, INSERT, UPDATE, DELETE ON {lease_members}, {actions}' END
          FROM pg_class AS c, aclexplode(c.relacl) AS a, (VALUES ('SELECT'), ('UPDATE')) AS p(privilege)
         WHERE c.oid = '{checkpoints}'::regclass AND a.privilege_type = p.privilege AND a.grantee <> master
        UNION
        SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
               'SELECT, INSERT ON {commands}'
          FROM pg_proc AS f, aclexplode(f.proacl) AS a
         WHERE f.oid = '{append_all}'::regproc AND a.privilege_type = 'EXECUTE' AND a.grantee <> f.proowner
    LOOP
        EXECUTE format('GRANT %s TO %s', given, holder);
    END LOOP;
END $do$;

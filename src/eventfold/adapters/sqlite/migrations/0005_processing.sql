-- What the read side needs in production. It only adds, so the release before goes on beside it.
ALTER TABLE {processors} ADD COLUMN query TEXT;

ALTER TABLE {parked} ADD COLUMN type TEXT NOT NULL DEFAULT '';
ALTER TABLE {parked} ADD COLUMN wish TEXT CHECK (wish IN ('retry', 'drop'));
ALTER TABLE {parked} ADD COLUMN edited BLOB;
ALTER TABLE {parked} ADD COLUMN reason TEXT;
CREATE INDEX {parked_wished} ON {parked} (processor, partition) WHERE wish IS NOT NULL AND resolved_at IS NULL;
CREATE INDEX {parked_ends} ON {parked} (resolution, processor);

-- For how long it was given: one that holds for much longer than that was given before the clock was put back.
ALTER TABLE {leases} ADD COLUMN lease_for INTEGER NOT NULL DEFAULT 0;

-- Who wants to run a processor, whether or not there is a partition for him.
CREATE TABLE {lease_members} (
    processor TEXT    NOT NULL,
    owner     TEXT    NOT NULL,
    until     INTEGER NOT NULL,
    PRIMARY KEY (processor, owner)
) STRICT, WITHOUT ROWID;

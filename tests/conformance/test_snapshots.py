"""Snapshots on every store."""

from eventfold.testing.conformance import SnapshotStoreConformance
from tests.conformance.places import BehindPgBouncer, InAFile, InMemory, OnAServer


class TestH6InMemory(InMemory, SnapshotStoreConformance):
    pass


class TestH6Sqlite(InAFile, SnapshotStoreConformance):
    pass


class TestH6Postgres(OnAServer, SnapshotStoreConformance):
    pass


class TestH6PgBouncer(BehindPgBouncer, SnapshotStoreConformance):
    pass

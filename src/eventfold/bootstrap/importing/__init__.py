"""Events of other stores, brought into one of ours: ids, versions and times are kept."""

from eventfold.bootstrap.importing.eventsourcing import eventsourcing_events
from eventfold.bootstrap.importing.message_db import message_db_events
from eventfold.bootstrap.importing.run import CategoryImported, Imported, Translate, import_events

__all__ = [
    "CategoryImported",
    "Imported",
    "Translate",
    "eventsourcing_events",
    "import_events",
    "message_db_events",
]

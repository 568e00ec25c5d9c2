"""A projector of sums that cannot bear some numbers."""

from collections.abc import Collection
from typing import Any

from eventfold import Projector, Recorded, View
from tests.acceptance.world import Added, added, sums_t

__all__ = ["poisoned"]


def poisoned(bad: Collection[int] = (), **options: Any) -> Projector:
    """Fails at a number for as long as it is in `bad`, which may change meanwhile."""
    projector = Projector("sums", tables=[sums_t], **options)

    @projector.on(Added)
    def handle(recorded: Recorded[Added], view: View) -> None:
        if recorded.event.n in bad:
            raise ValueError(f"{recorded.event.n} is poison")
        added(recorded, view)

    return projector

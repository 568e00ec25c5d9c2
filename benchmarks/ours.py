"""Eventfold, used through its public door."""

from __future__ import annotations

from material import CATEGORY, LinePlaced, Place, decide, evolve

from eventfold import Aggregate

orders: Aggregate[Place, int, LinePlaced] = Aggregate(
    CATEGORY, initial=0, decide=decide, evolve=evolve, events=[LinePlaced]
)


def url(place: str, **options: str) -> str:
    """Of a file, or of a database whose URL this is already."""
    asked = "&".join(f"{name}={value}" for name, value in options.items())
    address = place if place.startswith("postgresql:") else f"sqlite:///{place}"
    return address + (f"?{asked}" if asked else "")

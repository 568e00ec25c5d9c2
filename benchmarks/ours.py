"""Eventfold, used through its public door."""

from __future__ import annotations

from material import CATEGORY, LinePlaced, Place, decide, evolve

from eventfold import Aggregate

orders: Aggregate[Place, int, LinePlaced] = Aggregate(
    CATEGORY, initial=0, decide=decide, evolve=evolve, events=[LinePlaced]
)


def url(path: str, **options: str) -> str:
    asked = "&".join(f"{name}={value}" for name, value in options.items())
    return f"sqlite:///{path}" + (f"?{asked}" if asked else "")

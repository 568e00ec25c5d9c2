"""
The synchronous face: for Django, Flask, scripts and notebooks.

`with eventfold.sync.open(app, url) as running`, then `running.execute(books, "isbn-1", Buy(3))` from any thread.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from eventfold.bootstrap.application import LEASE, Eventfold
from eventfold.sync.face import Administering, AsOf, Joined, Locked, Projections, Running
from eventfold.sync.portal import Portal

__all__ = ["Administering", "AsOf", "Joined", "Locked", "Projections", "Running", "open"]


def open(
    app: Eventfold,
    url: str,
    *,
    run: bool | Collection[str] = True,
    migrate: bool = True,
    lease: timedelta | None = LEASE,
    standby: bool = True,
    within_loop: bool = False,
) -> Running:
    """
    The application on a store, until `close()` or the end of a `with`. It runs on an event loop in a thread of its own.

    A child of a fork cannot use it: open it in each worker, not before the server forks.

    Args:
        run, migrate, lease, standby: as of `app.open`.
        within_loop: also let calls through from a thread with a running event loop, which stands still meanwhile: what
            a notebook wants, and nobody else.

    Raises:
        InsideEventLoop: an event loop runs in this thread.
        what `app.open` raises.
    """
    portal = Portal(
        lambda: app.open(url, run=run, migrate=migrate, lease=lease, standby=standby), within_loop=within_loop
    )
    return Running(portal, portal.opened)

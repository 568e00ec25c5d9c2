"""`eventfold run`: the processors of an application, each in a process of its own, until a signal ends them."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter

from eventfold.cli.exits import Exit, Refused
from eventfold.cli.options import DEFAULT_STORE, AsJson, StoreUrl, loading
from eventfold.cli.printing import print_json, visible
from eventfold.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from eventfold.bootstrap.runner import Happening

__all__ = ["RUN_EXAMPLES", "run_app"]

RUN_EXAMPLES = """Examples:
  eventfold run --app shop:app
  eventfold run --app shop.wiring:make() --store postgresql://localhost/shop --only stock,mails
  eventfold run --app shop:app --processes stock=4 --drain 20s --kill 40s --json
  EVENTFOLD_HEALTH_TOKEN=secret eventfold run --app shop:app --health-port 8090"""

Names: TypeAlias = Annotated[list[str] | None, Parameter(negative="")]


def run_app(
    *,
    app: str,
    only: Names = None,
    processes: Names = None,
    lease: str = "10s",
    drain: str = "10s",
    kill: str = "30s",
    standby: Annotated[bool, Parameter(negative="--no-standby")] = True,
    health_port: int | None = None,
    health_host: str = "127.0.0.1",
    health_token: Annotated[str | None, Parameter(env_var="EVENTFOLD_HEALTH_TOKEN", show_default=False)] = None,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> Exit:
    """
    Run the processors of an application, each in a child process, until TERM or Ctrl-C.

    Then every child finishes the batch in hand and lets go of its leases. A second signal ends them at once. A child
    that dies is started again, after a pause that grows. Start it on several machines: those that have no share of a
    processor stand by.

    Exit code 0 when the last child of every processor has succeeded, 130 when a second signal has ended some, else 1.

    Args:
        app: module:app, or module:factory() of a function that makes it.
        only: these processors, separated by commas; all of them otherwise.
        processes: how many processes share a processor's partitions, as in stock=4,mails=2; one otherwise.
        lease: how long a process that has vanished keeps its partitions from others.
        drain: time to finish the batch in hand; what takes longer is undone.
        kill: time after which a child that is there still is killed.
        standby: wait for a processor that others run; or fail.
        health_port: answer /live, /ready and /details over HTTP; 0 for a free port. Needs eventfold[web].
        health_host: where to listen; 0.0.0.0 is everywhere.
        health_token: what /details asks for, as Authorization: Bearer TOKEN; better in the variable.
        json: print what happens, each a line of JSON.
        store: URL of the store; a file that is missing is made.
    """
    from eventfold.bootstrap.runner import Health, Runner

    def tell(happening: Happening) -> None:
        try:
            if json:
                print_json(_record(happening))
            else:
                print(visible(_sentence(happening)), flush=True)
        except BrokenPipeError:  # whoever read has gone, which is no reason to stop
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    health = None if health_port is None else Health(port=health_port, host=health_host, token=health_token)
    with loading():
        runner = Runner(
            app,
            store,
            only=None if only is None else _names(only),
            processes=_counts(processes or ()),
            lease=_duration("--lease", lease),
            standby=standby,
            drain=_duration("--drain", drain),
            kill=_duration("--kill", kill),
            health=health,
            tell=tell,
        )
        return Exit(runner.run())


def _names(given: Sequence[str]) -> list[str]:
    return [name.strip() for each in given for name in each.split(",") if name.strip()]


def _counts(given: Sequence[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in _names(given):
        name, _, count = each.partition("=")
        if not count.isdecimal():
            raise Refused(f"--processes {each}: write NAME=NUMBER, as in stock=4")
        counts[name.strip()] = int(count)
    return counts


def _duration(option: str, text: str) -> timedelta:
    from eventfold.bootstrap.urls import duration

    try:
        return duration(text)
    except InvalidInput as error:
        raise Refused(f"{option}: {error}") from error


def _record(happening: Happening) -> dict[str, object]:
    import msgspec

    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    told: dict[str, object] = msgspec.to_builtins(happening)
    return {"at": at, **told}


def _sentence(happening: Happening) -> str:
    match happening.what:
        case "stopping":
            return f"stopping because of {happening.why}: children finish what is in hand; once more ends them at once"
        case "now":
            return f"{happening.why} again: ending now"
        case "health":
            return f"health is answered for at {happening.why}"
        case "done":
            return f"done, exit status {happening.exit_status}"
        case _:
            number = "" if happening.number in {None, 1} else f" {happening.number}"
            process = "" if happening.pid is None else f" (process {happening.pid})"
            return f"{happening.processor}{number}{process} {_fate(happening)}"


def _fate(happening: Happening) -> str:
    match happening.what:
        case "ended" if happening.signal is not None:
            return f"was ended by {_signal(happening.signal)}"
        case "ended":
            return f"ended, exit status {happening.exit_status}"
        case "restarting":
            return f"starts again in {happening.delay:g} s"
        case "cancelled":
            return "could not finish what was in hand in time, and has undone it"
        case "killed":
            return "took too long, and is killed"
        case "left":
            return "is left as it is"
        case "ready":
            return "is ready"
        case "starting":
            return "starts"
        case what:
            return f"{what}: {happening.why}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

"""The commands, and what becomes of their errors."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from cyclopts import App

from eventfold import __version__
from eventfold.cli.admin import admin
from eventfold.cli.demo.command import FLIGHTS_EXAMPLES, flights
from eventfold.cli.diff import DIFF_EXAMPLES, diff
from eventfold.cli.doctor import DOCTOR_EXAMPLES, doctor
from eventfold.cli.event import EVENT_EXAMPLES, event
from eventfold.cli.exits import EXIT_CODES, Exit, report
from eventfold.cli.importing import importing
from eventfold.cli.init import INIT_EXAMPLES, init
from eventfold.cli.managers import managers
from eventfold.cli.parked.commands import parked
from eventfold.cli.plan import PLAN_EXAMPLES, plan
from eventfold.cli.printing import Screen
from eventfold.cli.processors import processors
from eventfold.cli.projections import AT_EXAMPLES, at, projections
from eventfold.cli.run import RUN_EXAMPLES, run_app
from eventfold.cli.schema import schema
from eventfold.cli.snapshots import snapshots
from eventfold.cli.sql import SQL_EXAMPLES, sql
from eventfold.cli.stats import STATS_EXAMPLES, stats
from eventfold.cli.store import store
from eventfold.cli.streams import STREAM_EXAMPLES, STREAMS_EXAMPLES, stream, streams
from eventfold.cli.tail import TAIL_EXAMPLES, tail

__all__ = ["app", "run"]

app: App = App(
    name="eventfold",
    version=__version__,
    help="Event-sourced applications: begin one, look into its store, keep it well, try a demo.",
    help_format="plaintext",
    help_epilogue=f"""Examples:
  eventfold init bank
  eventfold demo flights
  eventfold streams --store sqlite:///flights.db
  eventfold COMMAND --help

EVENTFOLD_STORE names the store where --store does not. EVENTFOLD_TRACEBACK=1 shows where an error comes from.
{EXIT_CODES}""",
    console=Screen(),
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)
demo: App = App(
    name="demo",
    help="Run a whole small system on real data.",
    help_epilogue=FLIGHTS_EXAMPLES,
)
app.command(demo)
demo.command(flights, help_epilogue=FLIGHTS_EXAMPLES)
app.command(init, help_epilogue=INIT_EXAMPLES)
app.command(streams, help_epilogue=STREAMS_EXAMPLES)
app.command(stream, help_epilogue=STREAM_EXAMPLES)
app.command(event, help_epilogue=EVENT_EXAMPLES)
app.command(tail, help_epilogue=TAIL_EXAMPLES)
app.command(sql, help_epilogue=SQL_EXAMPLES)
app.command(stats, help_epilogue=STATS_EXAMPLES)
app.command(run_app, name="run", help_epilogue=RUN_EXAMPLES)
app.command(processors)
app.command(projections)
app.command(at, help_epilogue=AT_EXAMPLES)
app.command(diff, help_epilogue=DIFF_EXAMPLES)
app.command(parked)
app.command(schema)
app.command(plan, help_epilogue=PLAN_EXAMPLES)
app.command(managers)
app.command(snapshots)
app.command(doctor, help_epilogue=DOCTOR_EXAMPLES)
app.command(store)
app.command(admin)
app.command(importing)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; nothing is raised but SystemExit."""
    logging.getLogger("eventfold").addHandler(logging.NullHandler())  # the sentence at the end says it all
    try:
        code: object = app(arguments, exit_on_error=False, print_error=False)
    except BrokenPipeError:
        return Exit.OK  # whoever read has seen enough
    except (Exception, KeyboardInterrupt) as error:
        return report(error)
    return code if isinstance(code, Exit) else Exit.OK

"""The command line. This file stays light: everything else is imported once `main` runs."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments of this process name, and exit with its code."""
    import os
    import sys
    from io import TextIOWrapper

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Unicode shows what it can
    try:
        from eventfold.cli.program import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while importing, too
        code = 130
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has gone. Python would complain once more when it closes the stream at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(code)

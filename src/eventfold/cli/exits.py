"""What a command tells the shell, and how an error becomes one sentence."""

from __future__ import annotations

import os
import sys
import traceback
from enum import IntEnum
from typing import Final

from cyclopts import CycloptsError

from eventfold.cli.printing import visible
from eventfold.errors import AppendOutcomeUnknown, Conflict, InvalidInput, StoreError

__all__ = ["EXIT_CODES", "Exit", "Refused", "report"]


class Exit(IntEnum):
    OK = 0
    FINDINGS = 1
    USAGE = 2
    APP_CANNOT_LOAD = 3
    STORE_UNREACHABLE = 4
    CONFLICT = 5
    INTERRUPTED = 130


EXIT_CODES: Final = (
    "Exit codes: 0 ok · 1 findings, or an unexpected failure · 2 usage · 3 the application cannot be loaded · "
    "4 the store cannot be reached · 5 conflict · 130 interrupted"
)


class Refused(Exception):
    """A command says no, in a sentence of its own."""

    def __init__(self, sentence: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(sentence)
        self.code = code


def report(error: BaseException) -> Exit:
    """Say on standard error what happened, and return the code for it. EVENTFOLD_TRACEBACK=1 shows where, too."""
    error = _first(error)
    if os.environ.get("EVENTFOLD_TRACEBACK") == "1":
        traceback.print_exception(error)
    code, sentence = _judged(error)
    sentence = "; ".join([sentence, *getattr(error, "__notes__", ())])
    print(f"eventfold: {visible(' '.join(sentence.split()))}", file=sys.stderr)
    return code


def _first(error: BaseException) -> BaseException:
    """Of a task group's errors the first is why the others were cancelled."""
    match error:
        case BaseExceptionGroup(exceptions=(BaseException() as first, *_)):
            return _first(first)
        case _:
            return error


def _judged(error: BaseException) -> tuple[Exit, str]:
    match error:
        case Refused():
            return error.code, str(error)
        case CycloptsError():
            return Exit.USAGE, f"{error} (see --help)"
        case InvalidInput():
            return Exit.USAGE, str(error)
        case StoreError() | AppendOutcomeUnknown():
            return Exit.STORE_UNREACHABLE, str(error)
        case Conflict():
            return Exit.CONFLICT, str(error)
        case KeyboardInterrupt():
            return Exit.INTERRUPTED, "interrupted"
        case _:
            hint = "; EVENTFOLD_TRACEBACK=1 shows where"
            return Exit.FINDINGS, f"{type(error).__name__}: {error}{hint}"

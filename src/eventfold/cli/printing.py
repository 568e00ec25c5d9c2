"""What reaches the terminal: tables for people, JSON for programs. Nothing that is stored can steer the terminal."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, TypeAlias

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = [
    "Column",
    "Screen",
    "json_line",
    "print_json",
    "print_json_array",
    "print_table",
    "screen",
    "this_program",
    "visible",
]

Column: TypeAlias = tuple[str, Literal["left", "right"]]

_AS_WIDE_AS_IT_IS: Final = 1 << 20
"""Without a terminal nothing is wrapped, whatever its width."""


def visible(text: str) -> str:
    """The text with everything escaped that is not printed but obeyed: control characters, changes of direction."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def json_line(value: object) -> str:
    """Compact JSON on one line, safe to print: what is not printable is escaped, as JSON allows within its texts."""
    text = msgspec.json.encode(value).decode()
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def print_json(value: object) -> None:
    """One value, at once: a reader of a pipe does not wait for more."""
    sys.stdout.write(f"{json_line(value)}\n")
    sys.stdout.flush()


def print_json_array(items: Iterable[object]) -> None:
    """A JSON array, one item a line."""
    separator = "["
    for item in items:
        sys.stdout.write(f"{separator}{json_line(item)}")
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[" else "]\n")


def this_program() -> str:
    """How the reader can call us again: by name where the shell finds this very program, else by its path."""
    called = Path(sys.argv[0])
    if called.name != "eventfold":
        return f"{shlex.quote(os.path.relpath(sys.executable))} -m eventfold"
    found = shutil.which("eventfold")
    if found is not None and Path(found).resolve() == called.resolve():
        return "eventfold"
    return shlex.quote(os.path.relpath(called))


class Screen(Console):
    """A console that leaves a closed pipe to `main`."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError  # rich would end the process here


def screen(*, stderr: bool = False) -> Console:
    """Standard output or standard error, without markup: texts are data."""
    stream = sys.stderr if stderr else sys.stdout
    given = stream.isatty() or "COLUMNS" in os.environ
    return Screen(stderr=stderr, width=None if given else _AS_WIDE_AS_IT_IS, markup=False, highlight=False, emoji=False)


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """A table on standard output. Cells are data: nothing in them is markup. None is an empty cell."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for name, justify in columns:
        table.add_column(Text(visible(name)), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else visible(str(cell))) for cell in row))
    screen().print(table)

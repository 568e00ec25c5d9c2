"""`eventfold init`: a new project that runs."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

from eventfold import __version__
from eventfold.cli.exits import Refused
from eventfold.cli.options import AsJson
from eventfold.cli.printing import print_json, visible

__all__ = ["INIT_EXAMPLES", "init"]

INIT_EXAMPLES = """Examples:
  eventfold init bank
  eventfold init bank --dir projects
  eventfold init bank --json"""

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,49}")
_SUFFIX: Final = ".txt"
"""So that no tool takes a template for a program of ours."""


def init(name: str, /, *, dir: Path = Path(), json: AsJson = False) -> None:
    """
    Make a folder with a small project: a domain, its wiring, a program that runs and tests that pass.

    Nothing that is there is ever overwritten.

    Args:
        name: of the project and its folder: lower-case letters, digits, - and _, a letter first, at most 50.
        dir: where the folder is made.
        json: print a JSON object.
    """
    if not _NAME.fullmatch(name):
        raise Refused(f"{name!r} is no name for a project: lower-case letters, digits, - and _, a letter first")
    if not dir.is_dir():
        raise Refused(f"there is no folder {dir}; make it first")
    folder = dir / name
    try:
        folder.mkdir()
    except FileExistsError:
        raise Refused(f"{folder} is there already, and nothing is overwritten; choose another name or --dir") from None
    except OSError as error:
        raise Refused(f"{folder} cannot be made: {error.strerror}") from error
    files = sorted(_written(folder, name))
    if json:
        print_json({"folder": str(folder), "files": files})
    else:
        print(visible(f"{folder} holds {', '.join(files)}. Next:"))
        print(visible(f"  cd {folder} && python main.py && pytest"))


def _written(folder: Path, name: str) -> list[str]:
    templates = resources.files("eventfold.cli") / "template"
    files: list[str] = []
    for template in templates.iterdir():
        if not template.name.endswith(_SUFFIX):
            continue
        text = Template(template.read_text("utf-8")).substitute(name=name, release=__version__)
        file = folder / template.name.removesuffix(_SUFFIX)
        with file.open("x", encoding="utf-8") as writing:
            writing.write(text)
        files.append(file.name)
    return files

"""
From `module:app` or `module:factory()` to an application.

The name comes from whoever types the command, who may run anything anyway; never from what is stored.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

from eventfold.bootstrap.application import Eventfold
from eventfold.errors import CannotLoad

__all__ = ["load"]

E = TypeVar("E", bound=BaseException)

_OURS: Final = re.compile(rf"^{re.escape(__file__)}$|^<frozen importlib|[/\\]importlib[/\\]__init__\.py$")
_NAME: Final = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_][\w.]*)(\(\))?")


def load(name: str) -> Eventfold:
    """
    The application of this name. Its module is looked for in the working directory first, then as always.

    Args:
        name: `package.module:name` of an Eventfold, or `package.module:name()` of a function that makes one.

    Raises:
        CannotLoad: no such module, no such name in it, another kind of thing; or the module, or the function, failed:
            then the cause is chained.
    """
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise CannotLoad(name, "write module:app, or module:factory() for a function that makes one")
    module = _imported(name, parts[1])
    found: Any = module
    for attribute in parts[2].split("."):
        if not hasattr(found, attribute):
            raise CannotLoad(name, f"{_named(found)} has no {attribute!r}{_suggestion(attribute, found, module)}")
        found = getattr(found, attribute)
    if parts[3]:
        found = _made(name, found)
    elif not isinstance(found, Eventfold) and callable(found):
        raise CannotLoad(name, f"that is {_kind(found)}, no Eventfold; if it makes one, write {name}()")
    if not isinstance(found, Eventfold):
        raise CannotLoad(name, f"that is {_kind(found)}, no Eventfold{_instead(module)}")
    return found


def _imported(name: str, module: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module == missing or module.startswith(f"{missing}."):
            raise CannotLoad(
                name, f"there is no module {missing!r}, neither in {here} nor on the path{_near(missing, _modules())}"
            ) from None
        raise CannotLoad(name, f"importing it failed: {_in_words(error)}") from _theirs(error)
    except (Exception, SystemExit) as error:
        raise CannotLoad(name, f"importing it failed: {_in_words(error)}") from _theirs(error)


def _made(name: str, factory: Any) -> Any:
    if not callable(factory):
        raise CannotLoad(name, f"that is {_kind(factory)}, and no function; leave the () away")
    try:
        return factory()
    except (Exception, SystemExit) as error:
        raise CannotLoad(name, f"the function failed: {_in_words(error)}") from _theirs(error)


def _theirs(error: E) -> E:
    """With the part of the traceback that is the application's."""
    traceback = error.__traceback__
    while traceback is not None and _OURS.search(traceback.tb_frame.f_code.co_filename):
        traceback = traceback.tb_next
    return error.with_traceback(traceback)


# --------------------------------------------------------------------------- wording


def _suggestion(attribute: str, found: Any, module: ModuleType) -> str:
    return _near(attribute, dir(found)) or _instead(module)


def _instead(module: ModuleType) -> str:
    """What in the module is an application."""
    apps = sorted(name for name, value in vars(module).items() if isinstance(value, Eventfold))
    return f"; {module.__name__} has {', '.join(map(repr, apps))}" if apps else ""


def _near(name: str, names: Iterable[str]) -> str:
    close = get_close_matches(name, list(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _modules() -> Iterable[str]:
    return [each.stem if each.is_file() else each.name for each in Path.cwd().iterdir() if each.suffix in {"", ".py"}]


def _kind(thing: object) -> str:
    name = type(thing).__name__
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"


def _named(thing: object) -> str:
    return getattr(thing, "__name__", type(thing).__name__)


def _in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

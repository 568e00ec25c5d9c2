"""What the commands have in common: which store, which application, and whether a program reads the answer."""

from __future__ import annotations

import getpass
import traceback
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from eventfold.cli.exits import Exit, Refused
from eventfold.errors import CannotLoad, StoreNotMigrated

if TYPE_CHECKING:
    from eventfold import Eventfold
    from eventfold.bootstrap.stores import Stores

__all__ = [
    "DEFAULT_STORE",
    "AppName",
    "AsJson",
    "Count",
    "Place",
    "Seconds",
    "StoreUrl",
    "loaded",
    "loading",
    "login_name",
    "looking",
    "open_for_reading",
]

DEFAULT_STORE: Final = "sqlite:///eventfold.db"

StoreUrl: TypeAlias = Annotated[str, Parameter(name="--store", env_var="EVENTFOLD_STORE", help="URL of the store.")]
AppName: TypeAlias = Annotated[str, Parameter(name="--app", help="module:app, or module:factory().")]
AsJson: TypeAlias = Annotated[bool, Parameter(name="--json", negative="", show_default=False)]
Count: TypeAlias = Annotated[int, Parameter(validator=Number(gte=1))]
Place: TypeAlias = Annotated[int, Parameter(validator=Number(gte=0))]
Seconds: TypeAlias = Annotated[float, Parameter(validator=Number(gte=0))]


def login_name() -> str:
    """Who asks. Raises Refused where nobody knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise Refused("nobody knows your login name: say --actor who you are") from error


def loaded(app: str) -> Eventfold:
    """The application of that name. Raises Refused."""
    from eventfold.bootstrap.runner.loading import load

    with loading():
        return load(app)


@contextmanager
def loading() -> Generator[None]:
    """Inside, an application that cannot be loaded is refused, after what its module has raised."""
    try:
        yield
    except CannotLoad as error:
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        raise Refused(f"--app {error}", Exit.APP_CANNOT_LOAD) from error


@asynccontextmanager
async def open_for_reading(url: str) -> AsyncGenerator[Stores]:
    """The store as it is. Raises StoreError where there is none: looking makes nothing."""
    from eventfold.adapters.system import system_clock
    from eventfold.bootstrap.stores import open_stores

    async with AsyncExitStack() as stack:
        with looking():
            stores = await stack.enter_async_context(open_stores(url, clock=system_clock, migrate=False))
        yield stores


@contextmanager
def looking() -> Generator[None]:
    """Inside, a store that is missing or old is refused with the way out."""
    try:
        yield
    except StoreNotMigrated as error:
        if error.found:
            sentence = f"{error.store} is at schema version {error.found}, {error.wanted} is needed"
            raise Refused(f"{sentence}; run `eventfold store migrate`", Exit.STORE_UNREACHABLE) from error
        sentence = f"{error.store} is no store of Eventfold yet; name another with --store or EVENTFOLD_STORE"
        raise Refused(sentence, Exit.STORE_UNREACHABLE) from error

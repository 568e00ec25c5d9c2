"""The public door, seen from outside."""

import importlib
import subprocess
import sys

import pytest

import eventfold


@pytest.mark.parametrize("name", sorted(eventfold.__all__))
def test_each_name_can_be_imported_first(name: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from eventfold import {name}; print({name}.__name__ if hasattr({name}, '__name__') else '')",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_dir_shows_the_door_and_nothing_else() -> None:
    assert dir(eventfold) == sorted(eventfold.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'eventfold' has no attribute 'Sourcerer'"):
        importlib.import_module("eventfold").Sourcerer  # noqa: B018 - looking is the point


def test_the_domain_needs_no_event_loop_and_no_store() -> None:
    program = (
        "import sys; from eventfold import Aggregate, Decider, Events, Query, Recorded, Stream; "
        "print(sorted({'asyncio', 'apsw', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

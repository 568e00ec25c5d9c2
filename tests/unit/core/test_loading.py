"""From `module:app` to an application, and what is said when there is none."""

import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventfold import Eventfold
from eventfold.bootstrap.runner import load
from eventfold.errors import CannotLoad

SHOP = """
from eventfold import Eventfold
app = Eventfold()
class wiring:
    spare = Eventfold()
number = 7
def make():
    return Eventfold()
def broken():
    return 1 / 0
def other():
    return 7
"""


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "shop_of_tests.py").write_text(SHOP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("name", ["shop_of_tests:app", "shop_of_tests:make()", "shop_of_tests:wiring.spare"])
def test_an_application_of_the_working_directory(name: str) -> None:
    assert isinstance(load(name), Eventfold)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("shop_of_tests", r"write module:app, or module:factory\(\)"),
        ("shop_of_tests:app; import os", "write module:app"),
        ("shop_of_tests:make('x')", "write module:app"),
        ("../shop_of_tests:app", "write module:app"),
        ("shop_of_test:app", "there is no module 'shop_of_test', .*; did you mean 'shop_of_tests'"),
        ("shop_of_tests.inner:app", "there is no module 'shop_of_tests.inner'|importing it failed"),
        ("shop_of_tests:ap", "shop_of_tests has no 'ap'; did you mean 'app'"),
        ("shop_of_tests:xyz", "shop_of_tests has no 'xyz'; shop_of_tests has 'app'"),
        ("shop_of_tests:wiring.spar", "wiring has no 'spar'; did you mean 'spare'"),
        ("shop_of_tests:number", "that is an int, no Eventfold; shop_of_tests has 'app'"),
        ("shop_of_tests:make", r"that is a function, no Eventfold; if it makes one, write shop_of_tests:make\(\)"),
        ("shop_of_tests:number()", r"that is an int, and no function; leave the \(\) away"),
        ("shop_of_tests:other()", "that is an int, no Eventfold"),
        ("shop_of_tests:broken()", "the function failed: ZeroDivisionError"),
    ],
)
def test_what_is_none_is_said_in_words(name: str, why: str) -> None:
    with pytest.raises(CannotLoad, match=why) as refused:
        load(name)
    assert refused.value.name == name


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("x = 1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit('go away')", "SystemExit: go away"),
        ("def f(:", "SyntaxError"),
    ],
)
def test_a_module_that_fails_is_shown_with_its_own_traceback(shop: Path, source: str, why: str) -> None:
    (shop / "bad_shop_of_tests.py").write_text(f"\n{source}\n", encoding="utf-8")
    with pytest.raises(CannotLoad, match=f"importing it failed: {why}") as refused:
        load("bad_shop_of_tests:app")
    cause = refused.value.__cause__
    assert cause is not None
    shown = "".join(traceback.format_exception(cause))
    assert 'bad_shop_of_tests.py", line 2' in shown
    assert "loading.py" not in shown
    assert "importlib" not in shown

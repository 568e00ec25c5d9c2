"""As for the torture tests: run with EVENTFOLD_MUTANT=name, T-44 must turn red."""

import os

import pytest

from tests.torture import mutants


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    mutants.plant(os.environ.get("EVENTFOLD_MUTANT", ""), monkeypatch.setattr)

"""A torture test that is run with EVENTFOLD_MUTANT=name has that bug planted, and must turn red."""

import os

import pytest

from tests.torture import mutants


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    mutants.plant(os.environ.get("EVENTFOLD_MUTANT", ""), monkeypatch.setattr)

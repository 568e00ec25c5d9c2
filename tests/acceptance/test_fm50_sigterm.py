"""FM-50, in small: SIGTERM at random moments. T-42 is the same in full."""

from pathlib import Path
from random import Random

import pytest

from tests.sigterms import terminated


@pytest.mark.slow
async def test_fm50_g20_sigterm_at_any_moment_loses_and_doubles_nothing_and_leaves_no_lease(tmp_path: Path) -> None:
    outcome = await terminated(f"sqlite:///{tmp_path}/store.db", tmp_path, Random(50), signals=6)
    assert outcome.signals == 6
    assert outcome.at_work >= 4

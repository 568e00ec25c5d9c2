"""The page of guarantees is written from the tests that there are."""

import re

from scripts import guarantees


def test_the_page_of_guarantees_names_the_tests_that_prove_them() -> None:
    assert guarantees.main(["--check"]) == 0, "run python scripts/guarantees.py"


def test_every_guarantee_has_its_section() -> None:
    page = guarantees.written({each.id: ["tests/torture/test_x.py::test_it"] for each in guarantees.GUARANTEES})
    assert len(re.findall(r"^## G-\d\d", page, re.MULTILINE)) == len(guarantees.GUARANTEES)
    assert "torture/test_x.py::test_it" in page

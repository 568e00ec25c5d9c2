"""The chapters of the bookstore: each is a program that asserts its end, run on every store."""

import asyncio
from importlib import import_module
from pathlib import Path

import pytest

CHAPTERS = Path(__file__).resolve().parents[2] / "examples" / "bookstore" / "chapters"
NAMES = [
    "aggregate_deletion",
    "custom_bus",
    "custom_error_handling",
    "eventual_view",
    "locking_strategies",
    "saga",
    "shared_view",
    "store_crud",
    "transactional_view",
]


def test_every_chapter_is_run() -> None:
    assert sorted(path.stem for path in CHAPTERS.glob("*.py")) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_the_chapter_ends_as_it_says(name: str, url: str) -> None:
    async with asyncio.timeout(60):  # whoever waits for ever has failed as well
        await import_module(f"bookstore.chapters.{name}").main(url)

"""Who gets how many partitions, and which owner is gone."""

import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from eventfold.domain.partition import partition_of
from eventfold.processing.seats import fair_share, is_gone, new_owner

MEMBERS = ("a", "b", "c")


@given(
    st.integers(1, 40),
    st.lists(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=8, unique=True),
    st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 40)),
)
def test_i8_shares_add_up_and_differ_by_one_at_most(partitions: int, members: list[str], held: dict[str, int]) -> None:
    shares = [fair_share(partitions, members, held, each) for each in members]
    assert sum(shares) == partitions
    assert max(shares) - min(shares) <= 1


def test_i8_who_has_the_one_more_keeps_it() -> None:
    assert [fair_share(1, MEMBERS, {"b": 1}, each) for each in MEMBERS] == [0, 1, 0]
    assert [fair_share(4, MEMBERS, {"c": 4}, each) for each in MEMBERS] == [1, 1, 2]


def test_i8_an_owner_is_gone_only_when_it_was_a_process_of_this_host() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = new_owner().split(":")[0]
    assert is_gone(f"{host}:{ended.pid}:00000000")
    assert not is_gone(new_owner())
    assert not is_gone(f"elsewhere:{ended.pid}:00000000")
    assert not is_gone(f"{host}:1:00000000")
    assert not is_gone(f"{host}:{2**70}:00000000")
    assert not is_gone("somebody")
    assert not is_gone("")
    assert str(os.getpid()) in new_owner()


def test_i8_the_partition_of_a_stream_is_for_life() -> None:
    """These are in stores: a release that puts them elsewhere breaks the order of streams."""
    assert [partition_of("book", each, 8) for each in ("isbn-1", "isbn-2", "ü", "", "x" * 255)] == [6, 4, 2, 1, 5]
    assert all(partition_of("book", str(each), 1) == 0 for each in range(10))
    counts = [0] * 4
    for number in range(10_000):
        counts[partition_of("order", f"order-{number}", 4)] += 1
    assert all(2_300 < each < 2_700 for each in counts)

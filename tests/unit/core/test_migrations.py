"""The upgrade rule, on migrations that there are not yet."""

from importlib import resources

import pytest

from eventfold.errors import StoreNotMigrated, StoreTooNew
from eventfold.ports.migrations import Applied, Migration, Migrations

FIRST = [Migration(1, "log", "one")]
SECOND = [
    *FIRST,
    Migration(2, "applied", "two"),
    Migration(4, "roles", "four"),
    Migration(3, "administration", "three"),
]
THIRD = [*SECOND, Migration(5, "post_no_marks", "five"), Migration(6, "quicker", "six")]
NOTHING = Applied.of(0, ())
RELEASES = [Migrations(steps) for steps in (FIRST, SECOND, THIRD)]
FIRST_RELEASE, SECOND_RELEASE, THIRD_RELEASE = RELEASES


def after(known: Migrations, applied: Applied, *, finish: bool = False) -> Applied:
    """What a store has had once this release has brought it up to date."""
    known.judge(applied, "x.db", migrate=True)
    now = [*applied.numbers, *(each.number for each in known.pending(applied, finish=finish))]
    done = Applied.of(known.oldest(applied, finish=finish), now)
    assert known.is_done(done, finish=finish)
    assert known.judge(done, "x.db", migrate=False) == known.latest
    return done


def numbers(known: Migrations, applied: Applied, *, finish: bool = False) -> list[int]:
    return [each.number for each in known.pending(applied, finish=finish)]


@pytest.mark.parametrize("known", RELEASES)
def test_a_fresh_store_gets_everything_in_order_and_is_of_this_release_alone(known: Migrations) -> None:
    assert numbers(known, NOTHING) == [each.number for each in known.steps] == list(range(1, known.latest + 1))
    assert after(known, NOTHING) == Applied.of(known.latest, range(1, known.latest + 1))
    assert known.version(NOTHING) == 0
    assert not known.is_done(NOTHING, finish=False)


def test_before_there_was_a_record_the_version_said_it_all() -> None:
    assert Applied.of(1, None) == Applied.of(1, [1])
    assert SECOND_RELEASE.version(Applied.of(1, None)) == 1


def test_a_pre_migration_leaves_the_store_to_the_release_before() -> None:
    store = after(FIRST_RELEASE, NOTHING)
    assert numbers(SECOND_RELEASE, store) == [2, 3, 4]
    store = after(SECOND_RELEASE, store)
    assert store.oldest == 1
    assert FIRST_RELEASE.judge(store, "x.db", migrate=False) == 1
    assert numbers(FIRST_RELEASE, store) == []


def test_a_post_migration_waits_until_somebody_says_that_no_older_release_is_left() -> None:
    store = after(THIRD_RELEASE, after(SECOND_RELEASE, NOTHING))
    assert (store.oldest, sorted(store.numbers)) == (4, [1, 2, 3, 4, 6])
    assert THIRD_RELEASE.version(store) == 6, "nothing that has to be there is missing"
    assert SECOND_RELEASE.judge(store, "x.db", migrate=False) == 4
    with pytest.raises(StoreNotMigrated, match=r"store migrate --finish") as refused:
        THIRD_RELEASE.refuse_unfinished(store, "x.db", 5)
    assert (refused.value.found, refused.value.wanted, refused.value.finish) == (4, 5, True)
    assert numbers(THIRD_RELEASE, store, finish=True) == [5]
    store = after(THIRD_RELEASE, store, finish=True)
    assert store == Applied.of(6, range(1, 7))
    THIRD_RELEASE.refuse_unfinished(store, "x.db", 5)
    for older in (FIRST_RELEASE, SECOND_RELEASE):
        with pytest.raises(StoreTooNew) as new:
            older.judge(store, "x.db", migrate=True)
        assert (new.value.found, new.value.supported) == (6, older.latest)


def test_to_finish_without_a_post_migration_still_ends_the_release_before() -> None:
    store = after(SECOND_RELEASE, after(FIRST_RELEASE, NOTHING))
    assert not SECOND_RELEASE.is_done(store, finish=True)
    store = after(SECOND_RELEASE, store, finish=True)
    assert store.oldest == 4
    with pytest.raises(StoreTooNew):
        FIRST_RELEASE.judge(store, "x.db", migrate=True)


def test_what_a_newer_release_has_added_is_not_undone_by_finishing_with_this_one() -> None:
    store = after(THIRD_RELEASE, after(SECOND_RELEASE, NOTHING))
    finished = after(SECOND_RELEASE, store, finish=True)
    assert finished == store, "4 was the oldest already"
    assert max(after(THIRD_RELEASE, store, finish=True).oldest, 6) == 6


def test_two_releases_are_skipped_in_one_go() -> None:
    store = after(THIRD_RELEASE, after(FIRST_RELEASE, NOTHING))
    assert (store.oldest, sorted(store.numbers)) == (1, [1, 2, 3, 4, 6])


def test_what_is_missing_may_not_be_made_unasked() -> None:
    with pytest.raises(StoreNotMigrated) as refused:
        SECOND_RELEASE.judge(Applied.of(1, [1, 2]), "x.db", migrate=False)
    assert (refused.value.found, refused.value.wanted, refused.value.finish) == (2, 4, False)


def test_the_record_learns_what_is_new_and_what_was_there_before_it() -> None:
    old = Applied.of(1, None)
    assert [each.number for each in SECOND_RELEASE.to_record(frozenset(), old, finish=False)] == [1, 2, 3, 4]
    assert [
        each.number for each in THIRD_RELEASE.to_record({1, 2, 3, 4}, Applied.of(1, range(1, 5)), finish=False)
    ] == [6]


def test_both_kinds_of_store_have_the_same_steps() -> None:
    sqlite, postgres = (Migrations.of(f"eventfold.adapters.{kind}") for kind in ("sqlite", "postgres"))
    assert [(each.number, each.name) for each in sqlite.steps] == [(each.number, each.name) for each in postgres.steps]
    assert [each.number for each in sqlite.steps] == list(range(1, sqlite.latest + 1))
    for kind, known in (("sqlite", sqlite), ("postgres", postgres)):
        files = [file.name for file in (resources.files(f"eventfold.adapters.{kind}") / "migrations").iterdir()]
        assert len(files) == len(known.steps), "a file there is no migration"

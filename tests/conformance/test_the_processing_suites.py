"""The suites of leases, of the ledger and of parked events catch what is planted, and the honest ones pass."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

HERE = Path(__file__).parent
HONEST = ("SqliteLeases", "SqliteActions", "SqliteParkingLot")
CAUGHT_BY = {
    "RaisesTheEpochOfTheLeaseAlone": "test_fm11_g14_whoever_was_taken_over_cannot_go_on",
    "NeverLetsALeaseRunOut": "test_fm24_a_lease_runs_out_by_the_clock_of_the_store",
    "GivesItToWhoeverAsks": "test_i8_what_somebody_has_is_not_taken_and_he_goes_on",
    "CountsEpochsInTheLeaseAlone": "test_fm11_the_epoch_rises_also_over_a_table_that_was_wiped",
    "CountsEpochsInTheCheckpointAlone": "test_fm11_the_epoch_rises_also_where_the_processor_was_sent_back",
    "StartsFromTheBeginning": "test_fm11_g14_whoever_was_taken_over_cannot_go_on",
    "ReleasesForAnybody": "test_fm11_a_former_owner_releases_nothing",
    "ReleasesNothing": "test_i8_one_that_is_released_is_free_at_once",
    "KeepsWhatWasTakenOver": "test_i8_a_beat_prolongs_what_one_has",
    "ProlongsForTheOwnerWhateverHisEpoch": "test_i8_whoever_has_it_takes_it_again_under_a_higher_epoch",
    "SaysThatItProlongs": "test_i8_one_that_has_run_out_is_kept_while_nobody_else_has_it",
    "LetsMembersStayForEver": "test_i8_members_are_those_who_have_beaten_of_late",
    "LetsNobodyLeave": "test_i8_members_are_those_who_have_beaten_of_late",
    "ReleasesWhenOneLeaves": "test_i8_leaving_releases_nothing_and_releasing_is_no_leave",
    "LeavesWhenOneReleases": "test_i8_leaving_releases_nothing_and_releasing_is_no_leave",
    "HasMembersOfAllProcessors": "test_i8_members_are_those_who_have_beaten_of_late",
    "LooksAtTheFirstPartition": "test_i8_partitions_and_processors_do_not_meddle_with_each_other",
    "TakesTheDeadForLiving": "test_i8_the_lease_of_one_who_is_known_to_be_dead_is_taken_at_once",
    "TakesAnybodyForDead": "test_i8_the_lease_of_one_who_is_known_to_be_dead_is_taken_at_once",
    "RefusesTheOwnerHimself": "test_i8_whoever_has_it_takes_it_again_under_a_higher_epoch",
    "LooksBeforeItsTurn": "test_i8_of_many_who_want_it_at_the_same_moment_one_gets_it",
    "LetsGoOfWhatHasRunOut": "test_i8_one_that_has_run_out_is_kept_while_nobody_else_has_it",
    "ListsLeasesOfAll": "test_i8_leases_are_listed_for_others_to_see",
    "KnowsOnlyPlainNames": "test_i8_names_are_only_names",
    "TakesLeasesAfterItsEnd": "test_g04_leases_are_refused_after_closing",
    "ForgetsTheEpochOfWhoPrepares": "test_g17_a_higher_version_starts_anew_under_the_epoch_of_whoever_prepares_it",
    "LeavesTheCheckpointWhereItIs": "test_g17_a_higher_version_starts_anew_under_the_epoch_of_whoever_prepares_it",
    "ForgetsTheLeasesOfWhatIsDropped": "test_fm11_the_epoch_rises_also_where_the_processor_was_sent_back",
    "SendsNobodyBack": "test_fm11_the_epoch_rises_also_where_the_processor_was_sent_back",
    # of the ledger
    "BeginsAgain": "test_i11_what_is_new_is_entered_and_what_is_known_is_told",
    "TakesALaterResult": "test_i11_what_is_done_stays_with_its_first_result",
    "StrikesOutWhatIsDone": "test_i11_what_is_done_stays_with_its_first_result",
    "StrikesOutNothing": "test_i11_what_was_not_done_is_struck_out_and_may_be_begun_again",
    "StrikesOutOnlyWhatIsIntended": "test_i11_what_was_not_done_is_struck_out_and_may_be_begun_again",
    "DoubtsWhatIsDone": "test_i11_what_is_done_stays_with_its_first_result",
    "NeverDoubts": "test_i11_what_is_in_doubt_stays_so_until_somebody_knows",
    "LosesWhatWasStruckOut": "test_i11_what_was_struck_out_meanwhile_is_not_lost",
    "TellsOfANeighbour": "test_i11_reactors_events_and_keys_are_told_apart",
    "KeepsHalfABatch": "test_i11_what_is_no_key_is_refused_with_all_of_its_batch",
    "ForgivesTheSameTwice": "test_i11_one_that_is_named_twice_is_refused_with_all_of_its_batch",
    "AnswersInAnotherOrder": "test_i11_what_is_new_is_entered_and_what_is_known_is_told",
    "CutsLargeBatches": "test_i11_a_large_batch_is_one_transaction",
    "MakesSomethingOfNothing": "test_i11_nothing_at_once_is_nothing",
    "ListsTheOldestFirst": "test_i11_the_latest_are_listed_first_of_one_event_or_one_status",
    "ListsEveryStatus": "test_i11_the_latest_are_listed_first_of_one_event_or_one_status",
    "ReadsAfterItsEnd": "test_g04_the_ledger_is_refused_after_closing",
    "LooksBeforeItEnters": "test_i11_of_those_who_begin_it_at_the_same_moment_one_does_it",
    # of the parking lot
    "ForgetsTheType": "test_fm17_what_is_set_aside_is_listed_with_all_that_is_known_of_it",
    "ParksNothing": "test_fm17_rows_step_and_parked_events_are_kept_together",
    "ParksBeforeItSteps": "test_fm17_or_not_at_all",
    "ParksWhatIsSkipped": "test_g16_skipped_ones_are_counted_and_listed_but_nobody_waits_for_them",
    "ChokesOnHalfACharacter": "test_fm17_an_error_that_no_text_can_hold_is_kept_in_other_words",
    "ParksAHundredAtMost": "test_fm17_many_are_set_aside_in_one_step",
    "ListsByPositionAlone": "test_g16_they_are_listed_by_processor_and_position",
    "OpensAllPartitions": "test_g16_open_streams_are_those_of_one_partition",
    "GivesOnlyWhatWasAskedFor": "test_fm17_who_asks_for_one_gets_its_stream_in_order",
    "KeepsTheFirstWish": "test_fm17_a_later_wish_replaces_an_earlier_one",
    "LetsThoseBehindOvertake": "test_fm17_what_stands_behind_may_be_dropped_but_not_retried",
    "RefusesToDropFromTheMiddle": "test_fm17_what_stands_behind_may_be_dropped_but_not_retried",
    "TakesAnyWish": "test_fm17_a_wish_for_nothing_is_refused",
    "AsksForWhatIsEdited": "test_fm17_an_edit_is_for_the_processor_alone",
    "RemembersTheWish": "test_fm17_rows_of_a_retry_are_kept_with_its_end",
    "SettlesBeforeTheRows": "test_fm17_an_error_on_the_way_leaves_it_open",
    "SettlesForAnybody": "test_g14_fm11_only_the_owner_of_the_partition_settles",
    "LooksAtTheCheckpointOfTheFirstPartition": "test_g14_it_is_the_epoch_of_its_own_partition",
    "SettlesWhatIsSettled": "test_fm17_what_is_settled_is_not_settled_again",
    "LetsTheWishEnd": "test_fm17_the_wish_goes_on_to_those_behind",
    "TakesTheWishOver": "test_fm17_what_somebody_else_has_asked_for_stays_his_wish",
    "RetriesWhatIsAhead": "test_fm17_dropping_one_from_the_middle_asks_for_nothing_else",
    "TriesForEver": "test_fm17_one_more_failure_is_counted_and_stands_behind_nobody",
    "RemembersAllItHasParked": "test_i10_who_begins_anew_has_parked_nothing",
    "CountsAfterItsEnd": "test_g04_the_lot_is_refused_after_closing",
}
Verdict = dict[str, dict[str, set[str]]]


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    """By defect: the names of the behaviours that failed and of those that passed, of one run in a bare project."""
    folder = tmp_path_factory.mktemp("third_party")
    (folder / "pytest.ini").write_text("[pytest]\npython_files = planted_processing.py\n", "utf-8")
    (folder / "planted_processing.py").write_bytes((HERE / "planted_processing.py").read_bytes())
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", f"--junitxml={report}"]
    run = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=240)
    assert report.exists(), run.stdout + run.stderr
    found: Verdict = defaultdict(lambda: {"failed": set(), "passed": set()})
    for case in ET.parse(report).iter("testcase"):  # our own file
        name = case.attrib["classname"].rpartition(".Test")[2]
        failed = case.find("failure") is not None or case.find("error") is not None
        found[name]["failed" if failed else "passed"].add(case.attrib["name"].partition("[")[0])
    return found


def test_c16_the_honest_ones_pass_everything(verdict: Verdict) -> None:
    for honest in HONEST:
        assert verdict[honest]["failed"] == set()
        assert len(verdict[honest]["passed"]) > 10
    assert set(verdict) == {*HONEST, *CAUGHT_BY}


@pytest.mark.parametrize("defect", CAUGHT_BY)
def test_c16_a_planted_defect_is_caught(verdict: Verdict, defect: str) -> None:
    assert CAUGHT_BY[defect] in verdict[defect]["failed"]


def test_c16_every_behaviour_of_the_suites_is_broken_by_some_defect(verdict: Verdict) -> None:
    caught = set().union(*(each["failed"] for each in verdict.values()))
    never = set().union(*(verdict[honest]["passed"] for honest in HONEST)) - caught
    assert not never, f"no planted defect breaks {sorted(never)}; plant one, for a test that cannot fail is a defect"

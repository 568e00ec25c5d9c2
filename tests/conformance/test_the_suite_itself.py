"""A suite that has not caught its planted bug proves nothing."""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

HERE = Path(__file__).parent
DEFECTS = re.findall(
    r"^class (\w+)\(MemoryEventStore\):", (HERE / "planted_defects.py").read_text("utf-8"), re.MULTILINE
)
UNIT_DEFECTS = re.findall(
    r"^class (\w+)\(MemoryUnits\):", (HERE / "planted_defects.py").read_text("utf-8"), re.MULTILINE
)
COMMAND_DEFECTS = [
    name
    for name in re.findall(
        r"^class Test(\w+)\(PatientCommands\):", (HERE / "planted_defects.py").read_text("utf-8"), re.MULTILINE
    )
    if name != "HonestCommands"
]

CAUGHT_BY = {
    "IgnoresTheExpectation": ["test_c3_g02_of_two_writers_expecting_no_stream_one_wins"],
    "LosesTags": ["test_b1_everything_about_an_event_comes_back_as_it_was"],
    "FollowsByVersion": ["test_trap1_two_streams_of_a_category_are_followed_by_position_not_by_version"],
    "AdvancesByOneTooMany": ["test_trap2_the_cursor_is_right_at_the_edge_of_a_page"],
    "SkipsWhenThePageIsFull": ["test_g08_g09_catches_up_over_several_pages_and_then_goes_live"],
    "DeliversTwice": ["test_c5_g08_g09_nothing_is_lost_doubled_or_moved_while_writers_race"],
    "PromisesTooMuch": ["test_fm13_the_head_of_a_batch_is_never_ahead_of_an_undelivered_event"],
    "NeverRings": ["test_g08_many_subscribers_each_get_everything"],
    "KeepsNobodyWaitingForTheEnd": ["test_g08_closing_ends_those_who_wait"],
    "DuplicatesOnRetry": ["test_fm07_g05_a_repeated_append_returns_the_original_places"],
    "LooksAtVersionsFirst": ["test_fm07_g05_ids_are_looked_up_before_the_expectation"],
    "ForgivesOtherContent": ["test_fm07_other_content_under_a_known_id_is_refused"],
    "StoresOneAfterTheOther": ["test_a5_g01_one_wrong_expectation_of_several_stores_nothing"],
    "ChecksLongBeforeItStores": ["test_c3_g02_of_ten_writers_expecting_one_version_one_wins"],
    "SortsTheBatch": ["test_c1_the_order_of_a_batch_is_kept"],
    "MakesJsonPretty": ["test_b1_fm25_bytes_of_every_format_come_back_identical"],
    "KnowsOnlyItsOwnTime": [
        "test_b1_recorded_at_is_the_stores_and_one_for_the_batch",
        "test_b1_occurred_at_is_kept_to_the_microsecond_also_mixed_in_one_batch",
    ],
    "DoesNotTellUpperFromLower": ["test_sec06_every_valid_id_is_a_stream_of_its_own"],
    "RunsPastTheBound": ["test_c7_trap9_a_filter_that_skips_the_bound_ends_before_it"],
    "CountsInclusively": ["test_c6_after_and_limit_cut_a_stream"],
    "ReadsOnlyOnePage": ["test_g09_loading_gives_the_same_facts_a_page_at_a_time"],
    "HandsOutItsOwnList": ["test_g06_what_a_store_gave_is_nobodys_to_change"],
    "HasOneHeadForAll": ["test_c6_the_head_is_0_for_an_empty_store_and_the_last_of_a_query"],
    "ListsStreamsAsTheyCame": ["test_c6_streams_are_listed_in_the_order_of_category_and_id"],
    "TakesAppendsAfterItsEnd": ["test_g04_an_append_after_closing_is_refused"],
    "TakesAnything": [
        "test_c4_an_append_without_events_is_refused",
        "test_most_bytes_fit_and_one_more_does_not",
        "test_sec06_an_impossible_id_is_refused_wherever_it_comes",
    ],
    "ShowsWhatIsNotThereYet": ["test_c5_g08_g09_nothing_is_lost_doubled_or_moved_while_writers_race"],
    "LagsBehind": ["test_g07_an_append_that_returned_can_be_read"],
    "KnowsOnlyNumbers": ["test_c2_a_new_stream_fits_these_expectations"],
    "OrdersByTheClock": ["test_b1_order_does_not_depend_on_the_clock"],
    "RepeatsTheEdgeOfAPage": ["test_c5_a_page_that_was_read_does_not_change_while_others_append"],
    "LimitsToAPage": ["test_c6_a_limit_beyond_a_page_is_kept"],
    "StartsAtTheEventBefore": ["test_c6_limit_1_after_the_first_gives_exactly_the_second"],
    "LoadsTheLatestWhateverIsAsked": ["test_c6_loading_a_stream_at_a_version"],
    "ListsOnlyAPageOfStreams": ["test_c6_more_streams_than_a_page_are_all_listed"],
    "RefusesBroadQueries": ["test_c7_a_broad_query_is_answered_too"],
    "FiltersAfterThePage": ["test_c7_a_filter_over_several_pages_loses_nothing"],
    "EndsBeforeTheBound": ["test_c7_trap9_a_range_never_runs_past_its_bound"],
    "ForgetsWhoIsOnTheWay": ["test_g04_appends_on_their_way_are_stored_or_refused_and_never_left_waiting"],
    "CannotBeClosedTwice": ["test_g04_closing_twice_is_fine_also_at_the_same_moment"],
    "HasPositionsOfItsStreams": ["test_g10_positions_grow_with_every_event"],
    "AnswersInAnotherOrder": ["test_g11_several_streams_land_together"],
    "IgnoresTheCondition": [
        "test_of_many_appends_on_one_condition_exactly_one_wins",
        "test_a_matching_event_of_a_plain_append_is_a_conflict_and_nothing_is_stored",
    ],
    "TakesTheBoundAfterTheRead": ["test_a_condition_of_a_read_that_races_with_writers_covers_all_it_did_not_see"],
    "ReadsOnWhileOthersWrite": ["test_events_and_condition_are_of_one_moment"],
    "ReadsAPageOfABoundary": ["test_a_boundary_larger_than_a_page_is_read_whole"],
    "ChecksTheFirstAlternative": ["test_every_alternative_of_a_condition_counts"],
    "TakesTheWholeLogForTheBoundary": ["test_an_unrelated_event_is_no_conflict"],
    "ForgetsTheExpectationBesideACondition": ["test_a_condition_and_an_expectation_must_both_hold"],
    "DoesNotSeeItsNeighbours": ["test_a_neighbour_of_the_same_moment_is_seen"],
    "LooksAtConditionsFirst": ["test_fm07_ids_are_looked_up_before_the_condition"],
    "FindsBoundariesOfAnyQuery": [
        "test_a_boundary_finds_the_events_of_its_query_in_order",
        "test_a_boundary_without_type_or_tag_is_refused",
        "test_a_boundary_with_unresolved_classes_is_refused",
    ],
    # of units
    "StoresEventsAtOnce": [
        "test_e3_work_that_raises_leaves_nothing",
        "test_e3_nobody_sees_a_unit_before_it_commits",
        "test_g08_subscribers_hear_of_a_unit_when_it_has_committed",
    ],
    "ForgetsTheRows": ["test_e3_events_and_rows_are_stored_together"],
    "IsTornByWhoGivesUp": ["test_t05_fm52_a_unit_that_is_given_up_is_stored_whole_or_not_at_all"],
    "KeepsWhatHasFailed": [
        "test_e3_work_that_raises_leaves_nothing",
        "test_a_conflict_that_is_not_caught_leaves_nothing",
    ],
    "LosesTheResult": ["test_the_result_of_the_work_comes_back"],
    "DoesNotSeeItsOwnAppends": ["test_a_unit_sees_what_it_has_appended_and_written"],
    "LoadsTheWholeStream": ["test_a_unit_loads_a_part_of_a_stream"],
    "IgnoresTheConditionInAUnit": ["test_a_condition_sees_others_and_the_unit_itself"],
    "ChecksConditionsAgainstOthersAlone": ["test_a_condition_sees_others_and_the_unit_itself"],
    "DoesNotKnowWhatIsStored": ["test_fm07_g05_events_that_are_stored_already_are_not_stored_again"],
    "IgnoresTheExpectationInAUnit": ["test_a_conflict_that_is_not_caught_leaves_nothing"],
    "AppendsInParts": ["test_a_conflict_leaves_the_transaction_as_it_was"],
    "EndsWithAConflict": ["test_a_conflict_leaves_the_transaction_as_it_was"],
    "ForgivesRefusedRows": ["test_a_row_that_is_refused_undoes_everything_even_if_the_work_does_not_mind"],
    "OutlivesItsWork": ["test_a_unit_is_over_when_its_work_is"],
    "TakesUnitsAfterItsEnd": ["test_g04_after_closing_everything_is_refused"],
    "ForgetsUnitsOnTheirWay": ["test_g04_a_unit_under_way_at_closing_is_stored_whole_or_refused"],
    "LetsOthersInBetween": ["test_plain_appends_beside_units_lose_nothing_and_keep_their_order"],
    "LocksNothing": ["test_d1_d2_who_locks_a_stream_waits_and_sees_what_was_stored"],
    "LocksTheWholeCategory": ["test_d3_another_stream_is_not_locked"],
    "LocksTheStore": ["test_d1_plain_readers_and_writers_do_not_wait_for_a_lock"],
    "WaitsForeverForALock": ["test_d3_waiting_for_a_lock_ends_with_the_timeout"],
    "KeepsTheLock": ["test_d3_a_lock_is_released_by_the_commit"],
    "KeepsTheLockOfWhoFails": ["test_d3_a_lock_is_released_by_an_error_and_by_the_end_of_its_block"],
    "LocksForWhoHasGivenUp": ["test_t05_d3_who_gives_up_waiting_for_a_lock_does_not_keep_it_from_others"],
    "ReleasesTheLockOfWorkThatFails": ["test_d3_work_that_fails_keeps_the_lock_and_can_be_tried_again"],
    "WorksWithoutItsLock": [
        "test_d3_a_lock_does_its_work_once",
        "test_d3_a_lock_whose_block_has_ended_does_no_work",
    ],
    "HasRoomForThreeLocks": ["test_d3_many_locks_do_not_keep_appends_from_the_store"],
    # of commands
    "TakesAnIdAgain": [
        "test_fm10_an_id_is_taken_once_and_what_comes_with_it_later_is_not_stored",
        "test_fm10_an_id_is_taken_once_also_within_a_transaction",
        "test_fm10_of_many_at_once_one_is_accepted",
        "test_fm10_under_a_lock_too",
    ],
    "AcceptsAtOnce": [
        "test_fm10_work_that_raises_has_accepted_nothing",
        "test_fm10_nobody_sees_a_command_before_its_transaction_commits",
    ],
    "LosesTheReply": ["test_fm10_what_was_accepted_is_told_as_it_was"],
    "TellsNoTime": ["test_fm10_the_store_tells_the_time_where_nobody_else_does"],
    "AcceptsNothingWithoutEvents": ["test_fm10_a_command_needs_no_events"],
    "AcceptsAfterTheCommit": ["test_t05_fm10_fm52_what_is_given_up_is_accepted_with_its_events_or_not_at_all"],
    "DoesNotSeeItsOwnCommands": ["test_fm10_a_unit_sees_what_was_accepted_before_and_within_it"],
    "AppendsWithoutTheCommand": ["test_fm10_an_append_enters_its_command"],
    "EntersTheCommandBeforeItsEvents": [
        "test_fm10_an_append_that_is_refused_enters_nothing",
        "test_t05_fm10_fm52_an_append_that_is_given_up_enters_its_command_with_its_events_or_not_at_all",
    ],
    "AppendsBeforeItLooks": [
        "test_fm10_an_append_whose_id_is_taken_stores_nothing",
        "test_fm10_of_many_appends_at_once_one_has_the_id_and_neighbours_are_not_harmed",
    ],
    "RingsNoBellForACommand": ["test_g08_fm10_subscribers_hear_of_an_append_with_a_command"],
    "KnowsWhatNeverWas": ["test_fm10_an_unknown_command_has_come_to_nothing"],
    "TellsAfterItsEnd": ["test_g04_after_closing_everything_is_refused"],
    "WaitsBeforeTheFirstBatch": ["test_g08_the_first_batch_comes_at_once_also_from_an_empty_store"],
}

PARALLEL = ["-p", "no:cacheprovider", "-n", "2"]
QUICK = """
from hypothesis import Phase, settings

settings.register_profile("quick", phases=[Phase.generate], max_examples=25, database=None, derandomize=True)
settings.load_profile("quick")
"""
Verdict = dict[str, dict[str, set[str]]]


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    """By store: the names of the behaviours that failed and of those that passed, of one run in a bare project."""
    folder = tmp_path_factory.mktemp("third_party")
    (folder / "pytest.ini").write_text("[pytest]\npython_files = planted_defects.py\n", "utf-8")
    (folder / "planted_defects.py").write_bytes((HERE / "planted_defects.py").read_bytes())
    (folder / "conftest.py").write_text(QUICK, "utf-8")
    report = folder / "report.xml"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=no", *PARALLEL, f"--junitxml={report}"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert report.exists(), run.stdout + run.stderr
    found: Verdict = defaultdict(lambda: {"failed": set(), "passed": set()})
    for case in ET.parse(report).iter("testcase"):  # our own file
        store = case.attrib["classname"].rpartition(".Test")[2]
        failed = case.find("failure") is not None or case.find("error") is not None
        found[store]["failed" if failed else "passed"].add(case.attrib["name"].partition("[")[0])
    return found


def test_c15_c16_the_honest_store_passes_everything(verdict: Verdict) -> None:
    for honest, least in (("MemoryEventStore", 60), ("MemoryUnits", 30), ("HonestCommands", 10)):
        assert verdict[honest]["failed"] == set()
        assert len(verdict[honest]["passed"]) > least


@pytest.mark.parametrize("defect", DEFECTS + UNIT_DEFECTS + COMMAND_DEFECTS)
def test_c16_a_planted_defect_is_caught_by_the_behaviour_it_breaks(verdict: Verdict, defect: str) -> None:
    failed, passed = verdict[defect]["failed"], verdict[defect]["passed"]
    assert set(CAUGHT_BY[defect]) <= failed
    assert len(passed - failed) > len(failed), f"the report names nearly everything, which helps nobody: {failed}"


def test_c16_every_behaviour_of_the_suite_is_broken_by_some_defect(verdict: Verdict) -> None:
    caught = set().union(*(each["failed"] for each in verdict.values()))
    honest = ("MemoryEventStore", "MemoryUnits", "HonestCommands")
    never = set().union(*(verdict[each]["passed"] for each in honest)) - caught
    assert not never, f"no planted defect breaks {sorted(never)}; plant one, for a test that cannot fail is a defect"

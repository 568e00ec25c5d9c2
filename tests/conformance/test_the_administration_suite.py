"""The suite of the administration catches what is planted, and the honest one passes."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

HERE = Path(__file__).parent
CAUGHT_BY = {
    "UsesVersionsAgain": "test_c11_a_new_story_goes_on_above_the_versions_of_the_old_one",
    "ShowsTheTombstone": "test_c11_a_deleted_stream_reads_as_if_it_had_never_been",
    "TakesATombstoneForAnEvent": "test_c11_who_decided_on_the_old_story_gets_a_conflict",
    "ForgetsRemovedIds": "test_c11_who_has_read_removed_events_can_prove_it",
    "LeavesTheEventsInTheLog": "test_c11_a_tombstone_tells_those_who_follow_the_log",
    "TellsNobody": "test_c11_a_subscriber_who_waits_is_woken",
    "RemovesTombstonesByTruncating": "test_c11_a_truncated_stream_can_be_deleted_and_the_other_way_round",
    "FoldsHalfAStory": "test_c11_a_truncated_stream_cannot_be_folded_from_its_beginning",
    "DeletesBeforeItAsks": "test_c11_when_what_belongs_to_it_fails_the_deletion_has_not_happened",
    "KeepsNoAudit": "test_c12_every_act_is_in_the_audit",
    "NeedsNoReason": "test_c12_nobody_acts_without_name_and_reason",
    "EmptiesAStreamByTruncating": "test_c11_the_last_event_of_a_stream_stays",
    "ErasesThePayloadOnly": "test_c12_an_erased_event_keeps_its_place_and_nothing_else",
    "ReplacesWithAnything": "test_c12_a_payload_that_an_append_would_refuse_is_refused",
    "ImportsUnderItsOwnTime": "test_events_of_another_store_keep_ids_versions_and_times",
}


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """By administration: what failed, of one run in a bare project."""
    folder = tmp_path_factory.mktemp("third_party")
    (folder / "pytest.ini").write_text("[pytest]\npython_files = planted_administration.py\n", "utf-8")
    (folder / "planted_administration.py").write_bytes((HERE / "planted_administration.py").read_bytes())
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", f"--junitxml={report}"]
    run = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=240)
    assert report.exists(), run.stdout + run.stderr
    found: dict[str, set[str]] = defaultdict(set)
    for case in ET.parse(report).iter("testcase"):  # our own file
        name = case.attrib["classname"].rpartition(".Test")[2]
        found[name] |= set()
        if case.find("failure") is not None or case.find("error") is not None:
            found[name].add(case.attrib["name"].partition("[")[0])
    return found


def test_c16_the_honest_administration_passes_everything(failed: dict[str, set[str]]) -> None:
    assert failed["MemoryAdministration"] == set()
    assert set(failed) == {"MemoryAdministration", *CAUGHT_BY}


@pytest.mark.parametrize("defect", CAUGHT_BY)
def test_c16_a_planted_defect_is_caught(failed: dict[str, set[str]], defect: str) -> None:
    assert CAUGHT_BY[defect] in failed[defect]

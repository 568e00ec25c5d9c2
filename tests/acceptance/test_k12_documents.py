"""K12: a view is a fold over envelopes, stored as JSON with a version."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from eventfold import Document, Documents, ProcessorFailure, Recorded, StreamDeleted, View
from eventfold.errors import InvalidInput, RetryTransaction
from eventfold.processing.view import BatchView
from tests.acceptance.world import Added, Noted, Place, Server, application, record, tapes
from tests.postgres import PostgresServer


@dataclass(frozen=True)
class Total:
    sum: int = 0
    notes: tuple[str, ...] = ()
    last: int = 0


def fold(total: Total, recorded: Recorded[Added | Noted]) -> Total | None:
    match recorded.event:
        case Added(n):
            return Total(total.sum + n, total.notes, recorded.version)
        case Noted("gone"):
            return None
        case Noted(text):
            return Total(total.sum, (*total.notes, text), recorded.version)


def together(recorded: Recorded[Any]) -> str:
    return "all"


def totals(**more: Any) -> Documents[Total]:
    return Documents("totals", initial=Total(), fold=fold, events=[Added, Noted], **more)


async def test_k12_a_view_is_a_fold_with_a_version_and_an_unknown_one_is_none(place: Place) -> None:
    documents = totals()
    async with place.open(application(documents)) as running:
        assert await running.view(documents, "t") is None
        for n in range(5):
            await running.execute(tapes, "t", record(Added(n), Noted(f'"{n}" ü')))
        await running.execute(tapes, "other", record(Added(7)))
        await running.settled()
        notes = tuple(f'"{n}" ü' for n in range(5))
        assert await running.view(documents, "t") == Document(Total(10, notes, 10), version=10, position=10)
        assert await running.view(documents, "other") == Document(Total(7, (), 1), version=1, position=11)
        async with running.projections.at(documents, position=3) as then:
            assert await then.view(documents, "t") == Document(Total(1, ('"0" ü',), 3), 3, 3)
            assert await then.view(documents, "other") is None
        await running.execute(tapes, "t", record(Noted("gone")))
        await running.settled()
        assert await running.view(documents, "t") is None
        await running.execute(tapes, "t", record(Noted("gone"), Added(1)))
        await running.settled()
        assert await running.view(documents, "t") == Document(Total(1, (), 13), version=1, position=14)


async def test_k12_documents_are_rebuilt_beside_the_live_ones(place: Place) -> None:
    documents = totals()
    async with place.open(application(documents)) as running:
        for n in range(20):
            await running.execute(tapes, f"t{n % 3}", record(Added(n)))
        await running.settled()
        before = await running.query(select(documents.table).order_by(documents.table.c.id))
        rebuilt = await running.projections.rebuild(documents, verify=True)
        assert rebuilt.switched
        await running.execute(tapes, "t0", record(Added(100)))
        await running.settled()
        found = await running.view(documents, "t0")
        assert found is not None
        assert (found.value.sum, found.version) == (sum(range(0, 20, 3)) + 100, 8)
        after = await running.query(select(documents.table).order_by(documents.table.c.id))
        assert after[1:] == before[1:]


async def test_k12_of_two_who_have_read_the_same_document_one_meets_a_conflict_and_tries_again(
    postgres: PostgresServer, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{postgres.url}?schema={postgres_schema}&options=-csearch_path%3D{postgres_schema}"
    documents = totals(partitions=2, key=together)
    failures: list[ProcessorFailure] = []
    both_have_read, fetch, reads = asyncio.Barrier(2), BatchView.fetch, [0]

    async def meeting(view: BatchView, *arguments: Any) -> Any:
        found = await fetch(view, *arguments)
        reads[0] += 1
        if reads[0] <= 2:
            await both_have_read.wait()
        return found

    app = application(documents, on_processor_error=failures.append)
    async with Server(url).open(app, run=False) as running:
        for n in range(20):
            await running.execute(tapes, f"t{n}", record(Added(1)))
    monkeypatch.setattr(BatchView, "fetch", meeting)
    async with Server(url).open(app) as running:
        await running.settled()
        found = await running.view(documents, "all")
    assert found is not None
    assert (found.value.sum, found.version) == (20, 20)
    assert [(each.verdict, type(each.error.cause)) for each in failures] == [("tries again", RetryTransaction)]


async def test_k12_the_document_of_a_deleted_stream_can_go(place: Place) -> None:
    documents = totals()

    @documents.on_deleted("tape")
    def deleted(recorded: Recorded[StreamDeleted], view: View) -> None:
        view.write(documents.delete, {"id_": recorded.id})

    async with place.open(application(documents)) as running:
        for tape in ("a", "b"):
            await running.execute(tapes, tape, record(Added(1)))
        await running.administration.delete(tapes, "a", actor="me", reason="asked")
        await running.settled()
        assert await running.view(documents, "a") is None
        assert await running.view(documents, "b") is not None


async def test_documents_of_others_are_refused(place: Place) -> None:
    async with place.open(application()) as running:
        with pytest.raises(InvalidInput, match="no processor 'totals'"):
            await running.view(totals(), "t")


def test_documents_that_do_not_come_back_from_json_are_refused() -> None:
    with pytest.raises(InvalidInput, match="does not come back from JSON"):
        Documents("x", initial=object(), fold=lambda document, _: document, events=[Added])

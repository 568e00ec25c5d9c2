"""Who handles what: registration, and the query that follows from it."""

from dataclasses import dataclass
from typing import Any

import pytest

from eventfold import Projector, Query
from eventfold.domain.query import Alternative
from eventfold.errors import InvalidInput


@dataclass(frozen=True)
class A:
    pass


@dataclass(frozen=True)
class B:
    pass


@dataclass(frozen=True)
class C:
    pass


def handler(recorded: Any, view: Any) -> None: ...


def test_the_decorator_gives_the_function_back() -> None:
    projector = Projector("p")
    assert projector.on(A)(handler) is handler
    assert projector.on_batch(B)(handler) is handler
    assert projector.on_any()(handler) is handler


@pytest.mark.parametrize("first", ["on", "on_batch"])
@pytest.mark.parametrize("second", ["on", "on_batch"])
def test_one_class_has_one_handler(first: str, second: str) -> None:
    projector = Projector("p")
    getattr(projector, first)(A)(handler)
    with pytest.raises(InvalidInput, match="'p' has a handler for A already"):
        getattr(projector, second)(B, A)(handler)
    with pytest.raises(InvalidInput):
        getattr(Projector("p"), first)(A, A)(handler)


def test_there_is_one_handler_for_every_event() -> None:
    projector = Projector("p")
    projector.on_any()(handler)
    with pytest.raises(InvalidInput, match="has a handler for every event already"):
        projector.on_any()(handler)


@pytest.mark.parametrize("classes", [(), (A(),), ("A",), (A, None), (handler,)])
@pytest.mark.parametrize("how", ["on", "on_batch"])
def test_handlers_are_for_classes(classes: Any, how: str) -> None:
    with pytest.raises(InvalidInput, match=r"on\(\) takes event classes.*for every event use on_any\(\)"):
        getattr(Projector("p"), how)(*classes)


def test_a_handler_is_a_function() -> None:
    not_one: Any = 7
    with pytest.raises(InvalidInput, match="7 is no function"):
        Projector("p").on(A)(not_one)


def test_the_query_follows_from_the_handlers() -> None:
    projector = Projector("p")
    projector.on(A)(handler)
    projector.on_batch(B)(handler)
    assert projector.query == Query.of(A, B)
    projector.on_any()(handler)
    assert projector.query == Query.all()


@pytest.mark.parametrize(
    ("narrowed", "follows"),
    [
        (Query.all(), Query.of(A, B)),
        (Query.of(A), Query.of(A)),
        (Query.of(A, C), Query.of(A)),
        (Query.of("A"), Query.of("A")),
        (Query.of(categories=["x"]), Query.of(A, B, categories=["x"])),
        (Query.of(A, tags=["t"]) | Query.of(C), Query.of(A, tags=["t"])),
        (
            Query.of(A, tags=["t"]) | Query.of(B),
            Query((*Query.of(A, tags=["t"]).alternatives, Alternative(types=frozenset({B})))),
        ),
    ],
)
def test_a_query_narrows_what_the_handlers_take(narrowed: Query, follows: Query) -> None:
    projector = Projector("p", query=narrowed)
    projector.on(A, B)(handler)
    assert projector.query == follows


def test_a_query_that_leaves_nothing_is_refused() -> None:
    projector = Projector("p", query=Query.of(C))
    projector.on(A)(handler)
    with pytest.raises(InvalidInput, match="handles nothing of its query"):
        _ = projector.query


def test_the_query_of_a_catch_all_is_its_own() -> None:
    projector = Projector("p", query=Query.of(categories=["x"]))
    projector.on_any()(handler)
    projector.on(A)(handler)
    assert projector.query == Query.of(categories=["x"])


@pytest.mark.parametrize("name", ["", "1a", "a b", "é", "x" * 101, "a/b"])
def test_a_projector_has_a_name(name: str) -> None:
    with pytest.raises(InvalidInput, match="is no name for a projector"):
        Projector(name)


def test_versions_of_a_projector_start_at_one() -> None:
    with pytest.raises(InvalidInput, match="version 0; versions start at 1"):
        Projector("p", version=0)
    assert repr(Projector("p", version=3)) == "Projector('p', version=3)"

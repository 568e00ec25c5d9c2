"""What a reactor is told about itself, and what it refuses."""

from dataclasses import dataclass
from typing import Any

import pytest

from eventfold import Park, Query, Reactor, Retry, Skip, Stop
from eventfold.errors import InvalidInput


@dataclass(frozen=True)
class A:
    pass


@dataclass(frozen=True)
class B:
    pass


async def handler(recorded: Any, act: Any) -> None: ...


async def check(recorded: Any, key: str) -> bool:
    return True


def test_i11_what_is_not_said_is_the_careful_thing() -> None:
    reactor = Reactor("mails", start="now")
    assert (reactor.kind, reactor.version, reactor.tables) == ("reactor", 1, ())
    assert (reactor.start, reactor.emits, reactor.on_error, reactor.unknown) == ("now", frozenset(), Stop(), "park")
    assert (reactor.partitions, reactor.concurrency, reactor.position_every) == (1, 1, 1)
    assert repr(reactor) == "Reactor('mails', start='now')"


def test_i11_what_is_said_counts() -> None:
    reactor = Reactor(
        "mails",
        start="beginning",
        emits=[A, B],
        query=Query.of(A),
        on_error=Park(),
        partitions=3,
        concurrency=16,
        unknown=check,
        position_every=100,
    )
    assert (reactor.start, reactor.on_error) == ("beginning", Park())
    assert reactor.emits == {A, B}
    assert (reactor.partitions, reactor.concurrency, reactor.position_every) == (3, 16, 100)
    assert reactor.unknown is check


def test_i5_a_reactor_must_say_where_it_starts() -> None:
    with pytest.raises(TypeError, match="start"):
        Reactor("mails")  # type: ignore[call-arg] # that is the point
    for start in ("Now", "", None, 0, True):
        with pytest.raises(InvalidInput, match=r"start=.*'now' to leave alone.*'beginning' to answer that too"):
            Reactor("mails", start=start)  # type: ignore[arg-type] # that is the point


@pytest.mark.parametrize("name", ["", "1a", "a b", "é", "x" * 101, "a/b", 7])
def test_a_reactor_has_a_name(name: Any) -> None:
    with pytest.raises(InvalidInput, match="is no name for a reactor"):
        Reactor(name, start="now")


@pytest.mark.parametrize("emits", [A, "A", [A()], ["A"], 7, None])
def test_i11_what_it_emits_are_classes(emits: Any) -> None:
    with pytest.raises(InvalidInput, match="pass a list of event classes"):
        Reactor("mails", start="now", emits=emits)


@pytest.mark.parametrize("unknown", ["Park", "stop", "", None, 7, [], True])
def test_i11_there_are_three_ways_to_go_on_with_what_is_unknown(unknown: Any) -> None:
    with pytest.raises(InvalidInput, match="write 'park', 'repeat' or a function"):
        Reactor("mails", start="now", unknown=unknown)


@pytest.mark.parametrize("number", [0, -1, 1.5, "2", None, True, 1_000_000])
@pytest.mark.parametrize("what", ["partitions", "concurrency", "position_every"])
def test_numbers_are_numbers_from_one(what: str, number: Any) -> None:
    with pytest.raises(InvalidInput, match=f"'mails': {what}="):
        Reactor("mails", start="now", **{what: number})


@pytest.mark.parametrize("policy", [Stop(), Retry.constant(1.0), Park(), Skip()])
def test_i3_every_error_policy_is_taken(policy: Any) -> None:
    assert Reactor("mails", start="now", on_error=policy).on_error == policy
    with pytest.raises(InvalidInput, match="'mails': on_error="):
        Reactor("mails", start="now", on_error=type(policy))  # type: ignore[arg-type] # that is the point


def test_i4_handlers_are_registered_as_with_a_projector() -> None:
    reactor = Reactor("mails", start="now")
    assert reactor.on(A)(handler) is handler
    assert reactor.on_any()(handler) is handler
    with pytest.raises(InvalidInput, match="'mails' has a handler for A already"):
        reactor.on(B, A)(handler)
    with pytest.raises(InvalidInput, match="has a handler for every event already"):
        reactor.on_any()(handler)
    with pytest.raises(InvalidInput, match=r"on\(\) takes event classes"):
        reactor.on(A())  # type: ignore[call-overload] # that is the point
    assert not hasattr(reactor, "on_batch")


def test_the_query_follows_from_the_handlers() -> None:
    reactor = Reactor("mails", start="now", query=Query.of(categories=["user"]))
    with pytest.raises(InvalidInput, match=r"add one with @mails.on\(SomeEvent\)"):
        _ = reactor.query
    reactor.on(A)(handler)
    assert reactor.query == Query.of(A, categories=["user"])
    reactor.on_any()(handler)
    assert reactor.query == Query.of(categories=["user"])

"""
What must hold in every domain, tried on histories that Hypothesis makes up.

    check(books, invariants=[left_is_never_negative])

The commands come from the annotation of `decide`; what fails is shown as the shortest history that was found.
"""

from __future__ import annotations

import copy
import inspect
import secrets
import sys
import types
import typing
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from time import monotonic
from typing import Any, Final, Generic, NoReturn, TypeVar, cast, get_args, get_origin

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from eventfold.adapters.codecs.json import JsonCodec
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.decider import Decider, fold
from eventfold.errors import InvalidInput

__all__ = ["PropertyBroken", "Seen", "check"]

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")


class PropertyBroken(AssertionError):
    """A property does not hold: which, why, and the shortest history that shows it."""

    def __init__(self, property: str, why: str, trial: _Trial[Any, Any, Any]) -> None:
        self.property = property
        self.why = why
        self.history: tuple[Any, ...] = tuple(trial.events)
        self.state: Any = trial.state
        self.command: Any = trial.command
        story = "\n           ".join(trial.story) or "none"
        again = f"given({', '.join(['decider', *map(repr, trial.events)])})"
        lines = [f"{property}: {why}", f"  history  {story}", f"  state    {trial.state!r}"]
        if trial.command is not None:
            lines += [f"  command  {trial.command!r}", f"  decided  {trial.decided!r}"]
            again += f".when({trial.command!r})"
        super().__init__("\n".join([*lines, f"  again    {again}"]))


@dataclass
class Seen:
    """What the histories held. An event or a rejection that is missing here has not been tried."""

    histories: int = 0
    commands: int = 0
    events: Counter[str] = field(default_factory=Counter[str])
    rejections: Counter[str] = field(default_factory=Counter[str])


def check(
    decider: Decider[C, S, E],
    /,
    *,
    commands: st.SearchStrategy[C] | None = None,
    invariants: Sequence[Callable[[S], bool | None]] = (),
    relations: Sequence[Callable[[S, C, Sequence[E]], bool | None]] = (),
    rejections: Sequence[type[Exception]] = (),
    events: Sequence[type[E]] = (),
    examples: int = 200,
    length: int = 20,
    seconds: float = 20.0,
    seed: int | None = 0,
) -> Seen:
    """
    Try commands on a decider, history after history, until a property breaks.

    Args:
        commands: by default whatever the annotation of `decide` names, with values that are small and often repeat.
        invariants: what holds for every state. Each returns a truth, or asserts.
        relations: what holds for every decision: the state it was based on, the command, the events. As above.
        rejections: exceptions of Python itself that are meant as a refusal, such as ValueError.
        events: the event classes, where the annotation of `evolve` does not name them.
        examples: how many histories.
        length: how many commands a history has at most.
        seconds: when no new history is begun; the shortest one that fails is sought for as long again.
        seed: the same seed, the same histories. None draws one, and a failure names it.

    Raises:
        PropertyBroken: an AssertionError that names the property.
        CannotInferEvents, InvalidInput: the classes of events, or of commands, cannot be read from the annotations.
    """
    __tracebackhide__ = True
    asked: st.SearchStrategy[C] = _commands(decider) if commands is None else commands
    seen = Seen()
    known = tuple(events) or getattr(decider, "events", ()) or _events(decider)
    initial = _copy(decider.initial)  # for evolve may change the decider's own, which is to be found
    states = _classes(_hints(decider.evolve).get("return", type(initial)))
    trial = partial(_Trial[C, S, E], decider, initial, known, states, invariants, relations, tuple(rejections), seen)
    found: list[tuple[int, int, PropertyBroken]] = []
    began = monotonic()

    def one_history(asked: list[C]) -> None:
        if seen.histories and monotonic() - began > seconds * (2 if found else 1):
            return
        try:
            trial().run(asked)
        except PropertyBroken as broken:
            if found and found[0][2].property != broken.property:
                return  # another fault than the one whose shortest history is sought
            found.append((len(asked), len(repr(asked)), broken))
            raise

    histories = st.lists(asked, max_size=length) | st.lists(asked, min_size=length // 2, max_size=length)
    run = hypothesis.settings(_SETTINGS, max_examples=examples)(hypothesis.given(histories)(one_history))
    chosen = secrets.randbits(32) if seed is None else seed
    try:
        hypothesis.seed(chosen)(run)()
    except (PropertyBroken, Flaky):
        if not found:
            raise
    if found:
        shortest = min(reversed(found), key=lambda each: each[:2])[2]
        vars(shortest).pop("__notes__", None)  # Hypothesis says the same in its own words
        shortest.add_note(f"  seed     {chosen}")
        raise shortest.with_traceback(None)
    if not seen.events:
        raise PropertyBroken("something is decided", f"no event came of {seen}; pass commands=", trial())
    return seen


_SETTINGS: Final = hypothesis.settings(
    deadline=None,
    database=None,
    print_blob=False,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.nested_given],
    phases=[Phase.generate, Phase.shrink],
    verbosity=Verbosity.quiet,
)


@dataclass
class _Trial(Generic[C, S, E]):
    """One history, up to the first property that breaks."""

    decider: Decider[C, S, E]
    initial: S
    known: tuple[type[Any], ...]
    states: tuple[type[Any], ...]
    invariants: Sequence[Callable[[S], object]]
    relations: Sequence[Callable[[S, C, Sequence[E]], object]]
    rejections: tuple[type[Exception], ...]
    seen: Seen
    command: C | None = None
    decided: Sequence[E] | Exception | None = None
    events: list[E] = field(default_factory=list[Any])
    decoded: list[E] = field(default_factory=list[Any])
    story: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.state: S = _copy(self.initial)
        self.seen.histories += 1

    def run(self, commands: Sequence[C]) -> None:
        self.must_hold("invariant", self.invariants, self.state)
        for command in commands:
            self.ask(command)
        self.command = None
        half = len(self.events) // 2
        self.fold_again("a second time", self.events)
        self.fold_again("in two halves", self.events[:half], self.events[half:])
        self.fold_again("after a round trip", self.decoded)

    def ask(self, command: C) -> None:
        self.seen.commands += 1
        self.command, self.decided = command, None
        with self.unchanged("decide changes nothing", command=command, state=self.state):
            self.decided = decided = self.decide(command, self.state)
        again = self.decide(_copy(command), _copy(self.state))
        alike = type(again) is type(decided) if isinstance(decided, Exception) else _same(again, decided)
        if not alike:
            self.broken("decide is deterministic", f"asked again, it decided {again!r}")
        if isinstance(decided, Exception):
            if _is_of_python(decided) and not isinstance(decided, self.rejections):
                why = f"{decided!r} is an error of the program, unless rejections= names it"
                self.broken("a rejection is no accident", why, decided)
            self.seen.rejections[type(decided).__name__] += 1
            self.story.append(f"{command!r} -> {decided!r}")
            return
        state = self.state
        decoded = [self.round_trip(event) for event in decided]
        for event in decided:
            state = self.evolve(state, event)
        self.must_hold("relation", self.relations, self.state, command, decided)
        self.must_hold("invariant", self.invariants, state)
        self.seen.events.update(type(event).__name__ for event in decided)
        self.story.append(f"{command!r} -> {', '.join(map(repr, decided)) or 'nothing'}")
        self.events += decided
        self.decoded += decoded
        self.state = state

    def decide(self, command: C, state: S) -> Sequence[E] | Exception:
        try:
            decided: object = self.decider.decide(command, state)
        except Exception as error:
            return error
        if not isinstance(decided, list | tuple):
            self.broken("decide gives a list of events", f"{decided!r} is none; where nothing happens, return []")
        events = cast("Sequence[E]", decided)
        for event in events:
            if type(event) not in self.known:
                self.broken("decide gives events that evolve knows", f"{event!r} is no {_named(self.known)}")
        return events

    def evolve(self, state: S, event: E) -> S:
        with self.unchanged("evolve changes nothing", event=event, state=state):
            try:
                after = self.decider.evolve(state, event)
            except Exception as error:
                self.broken("evolve accepts what decide gave", f"{error!r} on {event!r}", error)
        if not isinstance(after, self.states):
            self.broken("evolve gives a state", f"{after!r} on {event!r} is no {_named(self.states)}")
        return after

    def round_trip(self, event: E) -> E:
        try:
            encode, decode = _encoder_and_decoder(cast("Any", type(event)))
            data = encode(event)
            back: E = decode(data)
            canonical = encode(back) == data
        except Exception as error:
            self.broken("events come back from the store", f"{event!r}: {error}", error)
        if not (canonical and _same(back, event)):
            self.broken("events come back from the store", f"{event!r} would come back as {back!r}")
        return back

    def fold_again(self, how: str, *parts: Sequence[E]) -> None:
        state = _copy(self.initial)
        try:
            for part in parts:
                state = _copy(fold(self.decider, part, state))
        except Exception as error:
            self.broken("the fold is deterministic", f"folded {how}: {error!r}", error)
        if not _same(state, self.state):
            self.broken("the fold is deterministic", f"folded {how}, the events give {state!r}")

    def must_hold(self, what: str, statements: Sequence[Callable[..., object]], *given: object) -> None:
        for statement in statements:
            name = f"{what} {getattr(statement, '__name__', repr(statement))}"
            shown = ", ".join(map(repr, given))
            try:
                held = statement(*given)
            except Exception as error:
                self.broken(name, f"{error!r} for {shown}", error)
            if held is not None and not held:
                self.broken(name, f"{held!r} for {shown}")

    @contextmanager
    def unchanged(self, property: str, **given: object) -> Generator[None]:
        before = {name: _copy(value) for name, value in given.items()}
        yield
        for name, value in given.items():
            if not _same(before[name], value):
                self.broken(property, f"the {name} it was given, {before[name]!r}, became {value!r}")

    def broken(self, property: str, why: str, cause: Exception | None = None) -> NoReturn:
        raise PropertyBroken(property, why, self) from cause


@lru_cache
def _encoder_and_decoder(kind: type[Any]) -> tuple[Callable[[Any], bytes], Callable[[bytes | str], Any]]:
    return JsonCodec().encoder(kind), JsonCodec().decoder(kind)


def _is_of_python(error: Exception) -> bool:
    origin = type(error).__module__.partition(".")[0]
    return origin in sys.stdlib_module_names or origin == "eventfold"


def _named(classes: tuple[type[Any], ...]) -> str:
    return " | ".join(each.__name__ for each in classes)


def _copy(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:
        return value  # and nothing can be said of its changes


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) or _held(one) == _held(other)


def _held(value: Any) -> Any:
    """What is inside, so that classes without a `==` of their own can be compared, too."""
    kind = cast("Any", type(value))
    if issubclass(kind, dict):
        return kind, [(_held(key), _held(each)) for key, each in value.items()]
    if issubclass(kind, list | tuple | set | frozenset):
        held = [_held(each) for each in value]
        return kind, sorted(map(repr, held)) if issubclass(kind, AbstractSet) else held
    inside = None if issubclass(kind, type) else value.__getstate__()
    return value if inside is None else (kind, _held(inside))


# ------------------------------------------------------------------ what annotations say


def _hints(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(getattr(function, "__func__", function), include_extras=True)
    except Exception:
        return {}  # whoever cannot do without says so


def _parts(annotation: Any) -> list[Any]:
    annotation = getattr(annotation, "__value__", annotation)  # `type Command = A | B` of Python 3.12
    if get_origin(annotation) in {typing.Union, types.UnionType}:
        return [part for each in get_args(annotation) for part in _parts(each)]
    return [annotation]


def _classes(annotation: Any) -> tuple[type[Any], ...]:
    """For isinstance; `object` where the annotation says what only a type checker understands."""
    kinds: list[Any] = [get_origin(part) or part for part in _parts(annotation)]
    if not all(isinstance(each, type) for each in kinds) or any(
        typing.is_typeddict(each) or getattr(each, "_is_protocol", False) for each in kinds
    ):
        return (object,)
    return (*kinds, int) if float in kinds else tuple(kinds)


def _events(decider: Decider[Any, Any, Any]) -> tuple[type[Any], ...]:
    return Aggregate[Any, Any, Any]("any", initial=None, decide=decider.decide, evolve=decider.evolve).events


def _commands(decider: Decider[Any, Any, Any]) -> st.SearchStrategy[Any]:
    first = next(iter(inspect.signature(decider.decide).parameters))
    annotation = _hints(decider.decide).get(first, Any)
    if annotation in {Any, object} or isinstance(annotation, TypeVar):
        raise InvalidInput("no classes of commands can be read from the annotation of decide; pass commands=")
    return _values(annotation, dict(_SMALL))


_ROUND: Final = [near for round in (10, 100, 1000) for near in (round, round + 1, round - 1)]
"""Limits are round numbers, and faults are beside them."""
_STORABLE: Final = st.characters(codec="utf-8", exclude_characters="\0")
_SMALL: Final[dict[Any, st.SearchStrategy[Any]]] = {
    int: st.integers(0, 12) | st.sampled_from(_ROUND) | st.integers(0, 100) | st.integers(-(2**31), 2**31),
    float: st.integers(0, 12).map(float) | st.floats(-1e9, 1e9),
    str: st.sampled_from("ab") | st.sampled_from("abc") | st.text(_STORABLE, max_size=20),
    Decimal: st.decimals(-(10**6), 10**6, places=2),
    date: st.dates(date(2000, 1, 1), date(2099, 1, 1)),
    datetime: st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 # its way
    timedelta: st.timedeltas(timedelta(-999), timedelta(999)),
}
_COLLECTIONS: Final[dict[Any, Any]] = {each: each for each in (list, tuple, set, frozenset, dict)} | {
    Sequence: list,
    AbstractSet: frozenset,
    Mapping: dict,
}
_SHAPED: Final = ("__dataclass_fields__", "__struct_fields__", "__attrs_attrs__", "model_fields")


def _values(annotation: Any, known: dict[Any, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """As `st.from_type`, but storable, and so small that one command meets another."""
    kind, *others = _parts(annotation)
    if others:
        return st.one_of([_values(each, known) for each in (kind, *others)])
    if kind not in known:
        known[kind] = st.deferred(lambda: _built(kind, known))  # a class may hold itself
    return known[kind]


def _built(kind: Any, known: dict[Any, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    make: Any = _COLLECTIONS.get(get_origin(kind))
    if make is not None:
        inner = [_values(each, known) for each in get_args(kind) if each is not ...]
        if make is dict:
            return st.dictionaries(*inner, max_size=3)
        if get_origin(kind) is tuple and ... not in get_args(kind):
            return cast("st.SearchStrategy[Any]", st.tuples(*inner))
        return st.lists(*inner, max_size=3).map(make)
    if hasattr(kind, "__supertype__"):  # a NewType
        return _values(kind.__supertype__, known)
    if any(hasattr(kind, mark) for mark in _SHAPED):
        hints = typing.get_type_hints(kind, include_extras=True)
        names = inspect.signature(kind).parameters
        fields = {name: _values(hints.get(name, hints.get(f"_{name}")), known) for name in names}
        return st.fixed_dictionaries(fields).map(partial(_made, kind)).filter(lambda made: made is not None)
    if getattr(kind, "__init__", None) is object.__init__ and kind.__subclasses__():  # it only gathers others
        return st.one_of([_values(each, known) for each in kind.__subclasses__()])
    return st.from_type(kind)


def _made(kind: Callable[..., Any], fields: dict[str, Any]) -> Any:
    try:
        return kind(**fields)
    except Exception:
        return None  # a constructor may say no

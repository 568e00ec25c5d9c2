"""What the functions of a reactor have at hand: to act once, to emit, to execute."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, NoReturn, ParamSpec, TypeAlias, TypeVar, cast, overload
from uuid import UUID, uuid5

import msgspec

from eventfold.commands.context import refuse_beside_transaction, refuse_inside_projection
from eventfold.commands.decision import Outcome
from eventfold.commands.recording import Recorder
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.boundary import Boundary
from eventfold.domain.message import Recorded
from eventfold.errors import (
    ActionUnknown,
    InvalidInput,
    StoreUnavailable,
    Unencodable,
)
from eventfold.ports.actions import Action, Intent, checked_intents
from eventfold.ports.failpoint import failpoint
from eventfold.processing.emitting import emit_once
from eventfold.processing.event_handler import Executes
from eventfold.processing.ledger import Ledger
from eventfold.processing.results import Lost, Result, result_of

__all__ = ["Act", "Check", "Means", "Unknown", "checked_unknown"]

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
T = TypeVar("T")
P = ParamSpec("P")

Check: TypeAlias = Callable[[Recorded[Any], str], Awaitable[bool]]
"""`await check(recorded, key)`: whether the action has been done after all."""
Unknown: TypeAlias = Literal["park", "repeat"] | Check

_NAMESPACE: Final = UUID("6c1f0a53-7c0e-5d0b-9a4e-2f6a1d9c8e70")  # for life: ids that are stored come from it


class Means(msgspec.Struct, frozen=True):
    """What all functions of one reactor act with."""

    reactor: str
    emits: frozenset[type[Any]]
    unknown: Unknown
    recorder: Recorder
    execute: Executes


class Act:
    """
    Belongs to one event and one attempt at it; whoever keeps it for later is refused.

    Events and commands of the n-th call for an event have an id that follows from the event, so call in the same order
    every time: not from several tasks at once.
    """

    def __init__(self, means: Means, ledger: Ledger, recorded: Recorded[Any], attempt: int) -> None:
        self.recorded: Recorded[Any] = recorded
        """The event in hand."""
        self.attempt: int = attempt
        """1, and one more after each failure; after a restart it begins at 1 again."""
        self._means = means
        self._ledger = ledger
        self._event_id: bytes = recorded.stored.event_id
        self._begun: set[str] = set()
        self._emitted = self._executed = 0
        self._over = False

    @property
    def delivery_id(self) -> UUID:
        """The same whenever this event comes to this reactor: an idempotency key for services that take one."""
        return self._derived("delivery")

    # ------------------------------------------------------------------------ the world

    @overload
    async def once(
        self, key: str, function: Callable[..., Awaitable[T]], /, *args: Any, unknown: Unknown, **kwargs: Any
    ) -> T: ...
    @overload
    async def once(self, key: str, function: Callable[..., T], /, *args: Any, unknown: Unknown, **kwargs: Any) -> T: ...
    @overload
    async def once(self, key: str, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    async def once(self, key: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    async def once(self, key: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """
        Call the function with these arguments, once for this event, also through a crash.

        The ledger has an entry before the call, and what it gave after it. When the event comes again, the function is
        not called any more; what it gave comes from the ledger, in the type that it is annotated with. If it raises, it
        is taken as not done, and is called again at the next attempt; only a time-out, a broken connection or a
        cancellation leave that open, and so does the end of the process in the midst of it.

        Args:
            key: tells it from what else is done for the event; 1 to 255 characters.
            function: `async def`, or a plain one that does not block.
            unknown: instead of the reactor's: what becomes of it when nobody can say whether it was done.

        Raises:
            whatever the function raises.
            ActionUnknown: nobody can say; or it was done and gave something, and nobody can say what.
            Unencodable: it is done, and the ledger cannot keep what it gave.
            InvalidInput: the key is none or taken for this event, or the function returns what cannot be kept.
        """
        self._refuse_if_over()
        result = result_of(_checked_function(function))
        checked_intents([Intent(self._means.reactor, self._event_id, key)])
        if key in self._begun:
            raise InvalidInput(
                f"reactor {self._means.reactor!r}: {key!r} is done for this event already; each thing that is done for "
                "an event has a key of its own"
            )
        unknown = checked_unknown(self._means.reactor, kwargs.pop("unknown", self._means.unknown))
        self._begun.add(key)
        try:
            intent, found = await self._ledger.intend(self._event_id, key)
            if found is not None and await self._is_done(intent, found, unknown):
                return self._known(result, found)
            if not self._ledger.sure():
                await self._refused(intent, found)
            return await self._called(intent, result, function, args, kwargs)
        except BaseException:
            self._begun.discard(key)
            raise

    async def _is_done(self, intent: Intent, found: Action, unknown: Unknown) -> bool:
        """Raises ActionUnknown where nobody can say, and that is what counts."""
        if found.status == "done":
            return True
        if unknown == "repeat":
            await self._ledger.doubt(intent)  # under our epoch, so that whoever began it cannot strike it out
            return False
        if unknown == "park":
            await self._ledger.doubt(intent)
            raise ActionUnknown(self.recorded, self._means.reactor, intent.key)
        check = cast("Callable[[Recorded[Any], str], Awaitable[object]]", unknown)
        answer = await check(self.recorded, intent.key)
        if not isinstance(answer, bool):  # a forgotten `return` must not have it done twice
            name = getattr(check, "__qualname__", repr(check))
            raise InvalidInput(
                f"{name} was asked whether {intent.key!r} was done, and says {answer!r}; return True or False"
            )
        if answer:
            await self._ledger.settle(intent, None)
        else:
            await self._ledger.doubt(intent)
        return answer

    def _known(self, result: Result, found: Action) -> Any:
        try:
            return result.known(found.result)
        except Lost as lost:
            raise ActionUnknown(self.recorded, self._means.reactor, found.key) from lost

    async def _refused(self, intent: Intent, found: Action | None) -> NoReturn:
        """Somebody else may have the event in hand by now: he must not find unknown what nobody has begun."""
        if found is None:
            await self._ledger.withdraw(intent)
        raise StoreUnavailable(
            f"reactor {self._means.reactor!r}: its lease has run out before it could be renewed, so {intent.key!r} is "
            "not done before it is certain that nobody else does it"
        )

    async def _called(
        self,
        intent: Intent,
        result: Result,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        failpoint("actions.before_call")
        try:
            given = function(*args, **kwargs)
            if inspect.isawaitable(given):
                given = await given
        except Exception as error:
            if not _may_be_done(error):
                await self._ledger.withdraw(intent)
            raise
        failpoint("actions.after_call")
        try:
            kept, back = result.kept(given)
        except Unencodable:
            await self._ledger.settle(intent, None)
            raise
        await self._ledger.settle(intent, kept)
        failpoint("actions.after_settle")
        return back

    # ------------------------------------------------------------------------ the store

    async def emit(self, event: object, *, stream: tuple[str, str], metadata: Mapping[str, Any] | None = None) -> None:
        """
        Record an event at the end of a stream, once for the event in hand, also through a crash.

        It has the event in hand as its cause, and its conversation. Event handlers and buses hear of it when it is new.
        At a repetition what was emitted first stands, also where it would be something else now; that is logged.

        Args:
            stream: category and id.

        Raises:
            InvalidInput: a class that the reactor has not declared as one that it emits.
            what an append raises.
        """
        self._refuse_if_over()
        name, recorder = self._means.reactor, self._means.recorder
        cls = type(event)
        if cls not in self._means.emits:
            declared = sorted(each.__name__ for each in self._means.emits)
            raise InvalidInput(
                f"reactor {name!r} emits {declared}, and not {cls.__name__}: declare it, "
                f"Reactor({name!r}, emits=[{cls.__name__}])"
            )
        refuse_inside_projection()
        refuse_beside_transaction(recorder)
        self._emitted += 1
        id = self._derived(f"event {self._emitted}")
        await emit_once(recorder, f"reactor {name!r}", self.recorded.event_id, event, id, stream, metadata)

    @overload
    async def execute(
        self, aggregate: Aggregate[C, S, E], id: str, command: C, /, *, metadata: Mapping[str, Any] | None = None
    ) -> Outcome[S, E, None]: ...
    @overload
    async def execute(
        self, boundary: Boundary[C, S, E], command: C, /, *, metadata: Mapping[str, Any] | None = None
    ) -> Outcome[S, E, None]: ...

    async def execute(
        self, decider: Any, /, *id_and_command: Any, metadata: Mapping[str, Any] | None = None
    ) -> Outcome[Any, Any, None]:
        """
        As `Running.execute`, in the conversation of the event in hand, and once for it: a repetition gives the same
        outcome.

        A rejection is decided again at each repetition.
        """
        self._refuse_if_over()
        self._executed += 1
        id = self._derived(f"command {self._executed}")
        return await self._means.execute(decider, *id_and_command, metadata=metadata, command_id=id)

    # ---------------------------------------------------------------------------- parts

    def close(self) -> None:
        """Whoever has kept it is refused from now on."""
        self._over = True

    def _derived(self, what: str) -> UUID:
        return uuid5(_NAMESPACE, f"{self._means.reactor} {self._event_id.hex()} {what}")

    def _refuse_if_over(self) -> None:
        if self._over:
            raise InvalidInput("this act belonged to an event that is over; act within the handler, and await it")


def checked_unknown(reactor: str, unknown: object) -> Unknown:
    """Raises InvalidInput for what is no way to go on."""
    if unknown in ("park", "repeat") or callable(unknown):
        return cast("Unknown", unknown)
    raise InvalidInput(
        f"reactor {reactor!r}: unknown={unknown!r}; write 'park', 'repeat' or a function: `async def check(recorded, "
        "key) -> bool`, which tells whether it was done"
    )


def _checked_function(function: object) -> Callable[..., Any]:
    if callable(function):
        return function
    if inspect.iscoroutine(function):
        function.close()
    raise InvalidInput(
        f"{function!r} is no function; it is not to be called beforehand: act.once('mail', send_mail, to=address)"
    )


def _may_be_done(error: BaseException) -> bool:
    """
    Whether the function may have had its effect although it has raised: somebody did not answer in time, or no more.

    Such an error is often wrapped in another one. `raise NotSent() from None` says that it is certain.
    """
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        if isinstance(each, BaseExceptionGroup):
            return any(_may_be_done(one) for one in cast("BaseExceptionGroup[BaseException]", each).exceptions)
        if isinstance(each, TimeoutError | ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
            return True
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return False

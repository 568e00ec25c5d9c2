"""What becomes of an event that a processor could not handle: the processor stops, tries again, parks or skips it."""

from __future__ import annotations

import random
from typing import Final, TypeAlias

import msgspec

from eventfold.errors import InvalidInput, SchemaError

__all__ = ["Attempts", "ErrorPolicy", "Park", "Retry", "Skip", "Stop", "checked_policy"]


class Stop(msgspec.Struct, frozen=True):
    """The processor stops at the event, keeps its place and says why. Nothing is skipped: this is the default."""


_STOP: Final = Stop()


class Park(msgspec.Struct, frozen=True):
    """
    The event is set aside, and so is what comes later in its stream, so that order is kept; other streams go on.

    `eventfold parked` lists what is parked, and retries or drops it.

    Args:
        most: open events of the processor; with so many it is not the events that are wrong, and it stops.
    """

    most: int = 10_000

    def __post_init__(self) -> None:
        if self.most < 1:
            raise InvalidInput(f"Park(most={self.most}): at least 1")


class Skip(msgspec.Struct, frozen=True):
    """The event is left out for good. It is logged as an error, counted, and listed by `eventfold parked ls --all`."""


class Retry(msgspec.Struct, frozen=True):
    """
    The event is handled again after a while, everything behind it waits. Written `Retry.constant(1.0)` or
    `Retry.exponential(cap=60.0, attempts=8, then=Park())`.

    An event that cannot be decoded is as undecodable the next time, so `then` counts for it at once. What the store
    cannot do for a while is no event's fault: it is tried again whatever the policy.

    Args:
        first: seconds before the second attempt.
        factor: by which the pause grows with each attempt on the same event.
        cap: the longest pause, in seconds.
        jitter: a random part on top, at most this much of the pause: 0.1 is a tenth.
        attempts: how often it is handled at most, the first time included; None: for ever.
        then: what becomes of it after that.
    """

    first: float = 1.0
    factor: float = 2.0
    cap: float = 64.0
    jitter: float = 0.0
    attempts: int | None = None
    then: Stop | Park | Skip = Stop()

    def __post_init__(self) -> None:
        if not (0 <= self.first <= self.cap and self.factor >= 1 and 0 <= self.jitter <= 1):
            raise InvalidInput(f"{self!r}: 0 ≤ first ≤ cap, factor ≥ 1, 0 ≤ jitter ≤ 1, all in seconds or as a factor")
        if self.attempts is not None and self.attempts < 1:
            raise InvalidInput(f"Retry(attempts={self.attempts}): at least 1, or None for ever")

    @classmethod
    def constant(
        cls, delay: float = 1.0, *, jitter: float = 0.0, attempts: int | None = None, then: Stop | Park | Skip = _STOP
    ) -> Retry:
        """The same pause every time, in seconds."""
        return cls(delay, 1.0, max(delay, 0.0), jitter, attempts, then)

    @classmethod
    def exponential(
        cls,
        first: float = 1.0,
        *,
        factor: float = 2.0,
        cap: float = 64.0,
        jitter: float = 0.0,
        attempts: int | None = None,
        then: Stop | Park | Skip = _STOP,
    ) -> Retry:
        """1, 2, 4 … 64, 64 seconds as it stands; another event starts at the first pause again."""
        return cls(first, factor, cap, jitter, attempts, then)


ErrorPolicy: TypeAlias = Stop | Retry | Park | Skip


def checked_policy(processor: str, policy: object) -> ErrorPolicy:
    """Raises InvalidInput for what is no error policy."""
    if isinstance(policy, Stop | Retry | Park | Skip):
        return policy
    raise InvalidInput(f"{processor!r}: on_error={policy!r}; write Stop(), Park(), Skip() or Retry.exponential(…)")


_PERMANENT: Final = (SchemaError,)


class Attempts:
    """How often the event in hand was tried, and how long to wait before the next time."""

    def __init__(self, policy: ErrorPolicy) -> None:
        self._policy = policy
        self._event: bytes | None = None
        self._pause = 0.0
        self.count: int = 0
        """Attempts on the event, all in vain."""

    def failed(self, event_id: bytes, error: Exception) -> float | Stop | Park | Skip:
        """Seconds to wait before it is tried again, or what becomes of it."""
        policy = self._policy
        if event_id == self._event:
            self.count += 1
        else:
            self._event, self.count, self._pause = event_id, 1, 0.0
        if not isinstance(policy, Retry):
            return policy
        if isinstance(error, _PERMANENT) or (policy.attempts is not None and self.count >= policy.attempts):
            return policy.then
        self._pause = min(self._pause * policy.factor, policy.cap) if self._pause else policy.first
        return self._with_jitter(policy)

    def hindered(self) -> float | None:
        """Seconds to wait after something that is no event's fault, which does not forget the event; None: unsaid."""
        if not isinstance(self._policy, Retry):
            return None
        self._pause = self._policy.first
        return self._with_jitter(self._policy)

    def succeeded(self) -> None:
        self._event, self.count, self._pause = None, 0, 0.0

    def _with_jitter(self, policy: Retry) -> float:
        if not policy.jitter:
            return self._pause
        return self._pause * (1 + policy.jitter * random.random())  # noqa: S311 - so that many do not come at once

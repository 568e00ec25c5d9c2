"""From the shape in which an event was stored to the one it has today: steps on plain data, one after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, cast

import msgspec

from eventfold.errors import InvalidInput
from eventfold.ports.codec import Undecodable

__all__ = [
    "Became",
    "Broken",
    "Hook",
    "Origin",
    "Step",
    "Steps",
    "Taken",
    "Upcaster",
    "Upcasts",
    "number_of",
    "version_text",
]

Step: TypeAlias = Callable[[Any], object]
"""Pure: the old fields as plain data in, those of the next version out."""
Hook: TypeAlias = Callable[[Any, int], object]
"""Pure: the fields and the version in which they are stored in, today's fields out."""

_SEMANTIC: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_PART: Final = 1_000
_LARGEST: Final = 2**31 - 1
_MOST_PARTS: Final = 1_000


class Upcaster(msgspec.Struct, frozen=True):
    """A step to this version from whatever is older: `Upcaster("2.0", step)`."""

    to: int | str
    step: Step


class Became(msgspec.Struct, frozen=True):
    """
    What a step may return instead of fields, in a list: one for each event that the old one is read as.

    Args:
        event: its class.
        data: its fields, plain.
        version: of these fields, where they are not of today.
    """

    event: type[Any]
    data: Any
    version: int | str | None = None


Steps: TypeAlias = "Mapping[int, Step] | Sequence[Upcaster] | Hook"


class Taken(NamedTuple):
    """A step that was taken; `target` None where it leads to other names."""

    name: str
    version: int
    target: int | None

    def __str__(self) -> str:
        return _words(self.name, self.version) + ("" if self.target is None else f" → {_words(self.name, self.target)}")


class Broken(Undecodable):
    """An upcaster has failed, or given what it should not. For the serializer, which knows the place."""

    def __init__(self, step: Taken | str | None, why: str) -> None:
        self.step: str = "" if step is None else str(step)
        super().__init__(why)


def number_of(version: int | str) -> int:
    """
    The stored number of a version: itself, or that of a semantic one, which sorts as the version does.

    `2` in a text is 2.0.0, and of `2.3.4.5` the first three count.

    Raises:
        InvalidInput: it is no version.
    """
    if isinstance(version, int):
        return version
    if not _SEMANTIC.fullmatch(version):
        raise InvalidInput(f"{version!r} is no version: write '2', '2.1' or '2.1.0'")
    major, minor, patch = (*map(int, version.split(".")[:3]), 0, 0)[:3]
    if not major or minor >= _PART or patch >= _PART or major * _PART * _PART > _LARGEST - _PART * _PART:
        raise InvalidInput(f"{version!r}: semantic versions are 1.0.0 to 2146.999.999")
    return (major * _PART + minor) * _PART + patch


def version_text(number: int) -> str:
    """How people write it."""
    if number < _PART * _PART:
        return str(number)
    rest, patch = divmod(number, _PART)
    return f"{rest // _PART}.{rest % _PART}.{patch}"


class Origin(msgspec.Struct, frozen=True):
    """
    What a stored name has been.

    Args:
        name: the stored name.
        current: the version that its class has today; None when no class is stored under it any more.
        own: its class.
        others: classes of what else it is read as.
        steps: `(from, to, step)`, in their order; `from` None is whatever is older than `to`.
        hook: instead of steps, called with every stored body.
    """

    name: str
    current: int | None = None
    own: type[Any] | None = None
    others: tuple[type[Any], ...] = ()
    steps: tuple[tuple[int | None, int | None, Step], ...] = ()
    hook: Hook | None = None

    @classmethod
    def of(
        cls,
        name: str,
        steps: Steps | None,
        *,
        current: int | None = None,
        own: type[Any] | None = None,
        others: Sequence[type[Any]] = (),
    ) -> Origin:
        """Raises InvalidInput for steps that do not lead to the current version."""
        if steps is None:
            return cls(name, current, own, tuple(others))
        if callable(steps):
            return cls(name, current, own, tuple(others), hook=steps)
        if isinstance(steps, Mapping):
            found = _from_mapping(name, cast("Mapping[object, object]", steps), current)
        else:
            found = _from_list(name, cast("Sequence[object]", steps), current)
        return cls(name, current, own, tuple(others), found)

    def step_from(self, version: int) -> tuple[int | None, Step] | None:
        for source, target, step in self.steps:
            if source == version or (source is None and target is not None and version < target):
                return target, step
        return None

    def is_read(self, version: int) -> bool:
        """Whether this code can read what is stored in the version."""
        if self.hook is not None or version == self.current or self.step_from(version) is not None:
            return True
        return self.current is not None and self._is_loose and version < self.current

    @property
    def _is_loose(self) -> bool:
        """Semantic versions: one between the last step and today needs no step."""
        return any(source is None for source, _, _ in self.steps)

    @property
    def versions(self) -> list[int]:
        known = {source for source, _, _ in self.steps if source is not None} | {
            target for _, target, _ in self.steps if target is not None
        }
        return sorted(known | ({self.current} if self.current is not None else set()))


def _from_mapping(
    name: str, steps: Mapping[object, object], current: int | None
) -> tuple[tuple[int | None, int | None, Step], ...]:
    for version, step in steps.items():
        if type(version) is not int or version < 0 or not callable(step):
            raise InvalidInput(f"{name!r}: upcast={{{version!r}: {step!r}}}; a version that is stored, and a function")
    sources = sorted(cast("Mapping[int, Step]", steps))
    if current is not None:
        missing = sorted(set(range(sources[0] if sources else current, current)) - set(sources))
        beyond = [each for each in sources if each >= current]
        if missing:
            raise InvalidInput(f"{name!r}: version {current}, and there is no upcaster from {missing[0]}: add it")
        if beyond:
            raise InvalidInput(f"{name!r}: an upcaster from {beyond[0]}, and the version is {current}: raise it")
    last = sources[-1] if sources else None
    return tuple(
        (each, None if current is None and each == last else each + 1, cast("Step", steps[each])) for each in sources
    )


def _from_list(
    name: str, steps: Sequence[object], current: int | None
) -> tuple[tuple[int | None, int | None, Step], ...]:
    found: list[tuple[int | None, int | None, Step]] = []
    before = -1
    for each in steps:
        if not isinstance(each, Upcaster) or not callable(each.step):
            raise InvalidInput(f"{name!r}: upcast=[{each!r}]; write Upcaster(version, function)")
        target = number_of(each.to)
        if target <= before or current is None or target > current:
            raise InvalidInput(f"{name!r}: Upcaster({each.to!r}): they go up, to the version of the class at most")
        before = target
        found.append((None, target, each.step))
    return tuple(found)


class Upcasts:
    """The way from every stored name and version to today's."""

    def __init__(self, origins: Mapping[str, Origin], home: Mapping[type[Any], str]) -> None:
        self._origins = origins
        self._home = home

    def parts(self, name: str, version: int, data: object) -> list[tuple[type[Any], Any, Taken | None]]:
        """
        What it is today: classes with their fields, and the last step that gave them.

        Raises:
            Broken: a step raises, gives no such thing, leads nowhere or in a circle.
        """
        found: list[tuple[type[Any], Any, Taken | None]] = []
        self._go((name, version), data, (), None, found)
        return found

    def _go(
        self,
        place: tuple[str, int],
        data: object,
        trail: tuple[tuple[str, int], ...],
        last: Taken | None,
        found: list[tuple[type[Any], Any, Taken | None]],
    ) -> None:
        name, version = place
        if place in trail:
            way = " → ".join(_words(*each) for each in (*trail, place))
            raise Broken(last, f"its upcasters go in a circle: {way}")
        origin = self._origins.get(name)
        if origin is None:
            raise Broken(last, f"there is no upcaster from {_words(*place)}")
        step = (origin.current, _of(origin.hook, version)) if origin.hook is not None else origin.step_from(version)
        if step is None:
            if origin.own is None or not origin.is_read(version):
                raise Broken(last, f"there is no upcaster from {_words(*place)}")
            if len(found) == _MOST_PARTS:
                raise Broken(last, f"it is read as more than {_MOST_PARTS:,} events")
            found.append((origin.own, data, last))
            return
        target, function = step
        taken = Taken(name, version, target)
        try:
            made = function(data)
        except Exception as error:  # it is the user's code: any error may come out of it
            raise Broken(taken, f"{type(error).__name__}: {error}") from error
        if isinstance(made, Mapping):
            fields = cast("object", made)
            if target is None:
                raise Broken(taken, "no class is stored under that name any more; return a list of Became(…)")
            if origin.hook is not None and origin.own is not None:
                found.append((origin.own, fields, taken))
            else:
                self._go((name, target), fields, (*trail, place), taken, found)
            return
        for became in _all_became(taken, made):
            cls, at = became.event, became.version
            if cls is not origin.own and cls not in origin.others:
                raise Broken(taken, f"it gives a {_name(cls)}, which the catalogue does not say of {name!r}")
            home = self._home[cls]
            number = self._origins[home].current if at is None else number_of(at)
            assert number is not None, "classes have versions"
            self._go((home, number), became.data, (*trail, place), taken, found)


def _of(hook: Hook, version: int) -> Step:
    return lambda data: hook(data, version)


def _all_became(taken: Taken, made: object) -> Sequence[Became]:
    kind = type(made).__name__
    if isinstance(made, Became):
        return [made]
    if isinstance(made, list | tuple):
        several = cast("Sequence[object]", made)
        if all(isinstance(each, Became) for each in several):
            return cast("Sequence[Became]", several)
    raise Broken(taken, f"it gives a {kind}; an upcaster returns a mapping, or a list of Became(…)")


def _words(name: str, version: int) -> str:
    return f"{name} {version_text(version)}"


def _name(cls: object) -> str:
    return getattr(cls, "__name__", repr(cls))

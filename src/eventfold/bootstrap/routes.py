"""Which aggregate a command is for, by its class alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from eventfold.domain.aggregate import Aggregate, command_classes
from eventfold.domain.boundary import Boundary
from eventfold.errors import DuplicateName, InvalidInput

__all__ = ["Routes"]

_Aggregate: TypeAlias = Aggregate[Any, Any, Any]


class Routes:
    """
    Args:
        deciders: of the application; those that say `identify` can be found.

    Raises:
        CannotInferEvents: one of them has no annotation on its `decide`.
        DuplicateName: two of them take commands of one class.
    """

    def __init__(self, deciders: Sequence[_Aggregate | Boundary[Any, Any, Any]]) -> None:
        self._routes: dict[type[Any], _Aggregate] = {}
        for each in deciders:
            if isinstance(each, Aggregate) and each.identify is not None:
                for cls in command_classes(each.name, each.decide):
                    other = self._routes.setdefault(cls, each)
                    if other is not each:
                        raise DuplicateName(cls.__name__, other, each, "only one aggregate may identify= such commands")

    def find(self, command: object) -> tuple[_Aggregate, str]:
        """
        The aggregate and the id that the command is for; of a class that nobody takes, by the nearest class above it.

        Raises:
            InvalidInput: nobody takes it.
            whatever `identify` raises.
        """
        for cls in type(command).__mro__:
            aggregate = self._routes.get(cls)
            if aggregate is not None and aggregate.identify is not None:
                return aggregate, aggregate.identify(command)
        known = sorted(each.__name__ for each in self._routes)
        raise InvalidInput(
            f"no aggregate with identify= takes {type(command).__name__}; commands that can be dispatched: {known}"
        )

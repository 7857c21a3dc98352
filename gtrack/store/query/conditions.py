"""What a filter says, checked and with all names resolved: no text to read any more, and no SQL yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from gtrack.store.query.fields import Field, Place
from gtrack.store.query.moments import Moment

Names: TypeAlias = Callable[[str], Sequence[str]]
"""All names that the runs have of a kind: ``params``, ``metrics`` or ``tags``."""
Constant: TypeAlias = "str | float | bool | Moment"


class Operator(str, Enum):
    """How two values are compared."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    LIKE = "LIKE"
    ILIKE = "ILIKE"
    IN = "IN"
    NOT_IN = "NOT IN"
    IS_NULL = "IS NULL"
    IS_NOT_NULL = "IS NOT NULL"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Target:
    """What is asked for.

    Attributes:
        place: where it is.
        field: the column there and what it holds.
        key: the name of the metric, parameter, tag, input or package; empty elsewhere.
    """

    place: Place
    field: Field
    key: str = ""


@dataclass(frozen=True)
class Test:
    """One comparison; ``values`` has one value, several for ``IN``, none for ``IS NULL``."""

    __test__ = False  # pytest takes every class of this name for its own

    target: Target
    operator: Operator
    values: tuple[Constant, ...] = ()


@dataclass(frozen=True)
class And:
    """All of them."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Or:
    """At least one of them."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Not:
    """Every run that the part is not true of: also those that lack what it asks for."""

    part: Condition


Condition: TypeAlias = "Test | And | Or | Not"


def tests(condition: Condition | None) -> Iterator[Test]:
    """Yield the comparisons of a condition, as often as they stand in it."""
    if isinstance(condition, Test):
        yield condition
    elif isinstance(condition, Not):
        yield from tests(condition.part)
    elif condition is not None:
        for part in condition.parts:
            yield from tests(part)


@dataclass(frozen=True)
class Order:
    """What runs are sorted by."""

    target: Target
    descending: bool = False

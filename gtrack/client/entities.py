"""The small values that MLflow's client takes and gives, under its names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TypeVar

from gtrack.errors import InvalidValue
from gtrack.records import Number

_Item = TypeVar("_Item")


class RunStatus(str, Enum):
    """How a run stands, as ``run.info.status`` says it."""

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    def __str__(self) -> str:
        return self.value

    @staticmethod
    def to_string(status: str) -> str:
        """Return a status as text."""
        return str(status)

    @staticmethod
    def from_string(text: str) -> RunStatus:
        """Return the status of a text.

        Raises:
            InvalidValue: there is none of the name.
        """
        try:
            return RunStatus(str(text).upper())
        except ValueError:
            raise InvalidValue(f"No run has the status {text!r}; it is one of {', '.join(RunStatus)}.") from None

    @staticmethod
    def is_terminated(status: str) -> bool:
        """Tell whether a run of this status has ended."""
        return str(status) in {"FINISHED", "FAILED", "KILLED"}

    @staticmethod
    def all_status() -> list[RunStatus]:
        """Return all of them."""
        return list(RunStatus)


class ViewType(IntEnum):
    """Which runs or experiments are meant. What was deleted is only in the history of the runs branch, in no answer."""

    ACTIVE_ONLY = 1
    DELETED_ONLY = 2
    ALL = 3


@dataclass(frozen=True)
class Metric:
    """One value of a metric.

    Attributes:
        key: the name of the metric.
        value: a number.
        timestamp: milliseconds since the epoch; now, when None.
        step: position on the x axis; without one the value stands for the run and makes no history.
    """

    key: str
    value: Number
    timestamp: int | None = None
    step: Number | None = None


@dataclass(frozen=True)
class Param:
    """A parameter and its value, of any type that a parameter can have."""

    key: str
    value: object


@dataclass(frozen=True)
class RunTag:
    """A tag of a run."""

    key: str
    value: object


@dataclass(frozen=True)
class ExperimentTag:
    """A tag of an experiment."""

    key: str
    value: object


@dataclass(frozen=True)
class FileInfo:
    """A file or directory below a run's artifacts: its path, and its size in bytes; None of a directory."""

    path: str
    is_dir: bool
    file_size: int | None = None


class PagedList(list[_Item]):
    """A list with ``token``: what gets the next page; None when this is the last one."""

    def __init__(self, items: list[_Item], token: str | None = None) -> None:
        super().__init__(items)
        self.token = token

    def to_list(self) -> list[_Item]:
        """Return a plain list of the same items."""
        return list(self)


def offset_of(token: object) -> int:
    """Return where the page of a token begins.

    Raises:
        InvalidValue: no answer gave such a token.
    """
    text = token or "0"
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 12):
        raise InvalidValue(f"{token!r} is no page token; take the .token of the page before.")
    return int(text)


def page(items: list[_Item], begin: int, size: int | None) -> PagedList[_Item]:
    """Return the items from ``begin`` on, ``size`` at the most, with the token of what follows.

    Raises:
        InvalidValue: a negative size.
    """
    check_size(size)
    end = len(items) if size is None else begin + size
    return PagedList(items[begin:end], str(end) if end < len(items) else None)


def check_size(size: object) -> None:
    """Refuse a size that no page can have.

    Raises:
        InvalidValue: no whole number from 1 up.
    """
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise InvalidValue(f"max_results is a whole number from 1 up, or None for all, not {size!r}.")

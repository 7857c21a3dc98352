"""The run that a library's training is recorded in: the one that is active where it begins, else one of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from gtrack.errors import InvalidValue, ParamConflict, UsageError
from gtrack.fluent.active import FluentRun, active, active_run, process, start_run
from gtrack.fluent.lingering import late, linger
from gtrack.formats.values import plain_value
from gtrack.integrations.problems import warn
from gtrack.records import Status
from gtrack.variables import RUN_DIR_VARIABLE
from gtrack.writer import ActiveRun

Function = tuple[str, str]
"""A function of a library: the package that it is defined in, or below, and its name."""

_unfinished: dict[str, tuple[Function, int]] = {}
"""The runs that were opened for a training which has not ended: id to the function that trains and how deep it was nested."""


class TrainingRun:
    """A run while a library trains, and after: what it evaluates later goes into the same run.

    Attributes:
        run: what logs into it.
        own: whether it was opened for the training, and ends with it.
    """

    def __init__(self, run: FluentRun, *, own: bool) -> None:
        self.run = run
        self.own = own
        self._over = False
        self._failed = False

    @classmethod
    def begin(cls, who: str, *, trains: Function | None = None, child: bool = False, **about: Any) -> TrainingRun:
        """Return the run for a training that begins now.

        Under ``gtrack run`` that is the launched run until a script starts one; it is not ended then, as the script may have
        more to say.

        Args:
            who: who asks, for messages.
            trains: the library's function that calls back, when nobody tells how it ends: a run that was opened for an
                earlier call of it which is no longer under way was left by an exception, and is ended as failed.
            child: open a run of its own below the active one.
            about: what ``start_run`` takes, for a run of its own; for the active one only ``tags`` count.

        Raises:
            GTrackError: there is no repository, or the run cannot be written.
        """
        if trains is not None:
            _end_left_over(trains)
        current = active_run()
        if current is None and os.environ.get(RUN_DIR_VARIABLE) and not process.launched_taken:
            current = active(who)
        if current is not None and not child:
            if about.get("tags"):
                current.set_tags(about["tags"])
            return cls(current, own=False)
        run = start_run(nested=current is not None, **about)
        if trains is not None:
            _unfinished[run.id] = trains, _depth(trains)
        return cls(run, own=True)

    @property
    def over(self) -> bool:
        """Whether the training has ended."""
        return self._over

    @property
    def failed(self) -> bool:
        """Whether a run of its own has ended otherwise than well."""
        return self.own and self._failed

    @contextmanager
    def writing(self) -> Iterator[ActiveRun]:
        """Give what logs into the run: after the training the run that is active by then, else the training's."""
        current = active_run() if self._over else self.run
        if current is not None and not current.ended:
            yield current
        else:
            with late(self.run) as writer:
                yield writer

    def end(self, error: BaseException | None = None) -> None:
        """End the run when it was opened for the training; one that ended well goes on taking what comes late.

        Raises:
            CommitFailed: it cannot be written.
        """
        self.end_as(self.run.status_of(error) if self.own else Status.FINISHED)

    def end_as(self, status: Status) -> None:
        """End the run as ``status``; see ``end``."""
        self._over = True
        self._failed = status is not Status.FINISHED
        _unfinished.pop(self.run.id, None)
        if self.own and not self.run.ended:
            if status is Status.FINISHED and not self.run.joined:
                linger(self.run)
            else:
                self.run.end(status)


def _end_left_over(trains: Function) -> None:
    while (current := active_run()) is not None and current.id in _unfinished:
        function, depth = _unfinished[current.id]
        if function != trains or _depth(trains) > depth:  # a training inside a training
            return
        del _unfinished[current.id]
        current.end(Status.FAILED)


def _depth(trains: Function) -> int:
    """Return how many calls of the library's function are under way in this thread; one of that name may be the script's."""
    package, function = trains
    count = 0
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - the only way to ask who calls
    while frame is not None:
        if frame.f_code.co_name == function:
            module = str(frame.f_globals.get("__name__", ""))
            count += module == package or module.startswith(f"{package}.")
        frame = frame.f_back
    return count


def add_params(
    run: ActiveRun, params: Mapping[str, Any], refused: Callable[[str, Exception], None] | None = None
) -> None:
    """Log parameters that a library tells: a function by its name, what cannot be written as its text, None left out.

    Args:
        run: where.
        params: name to value; mappings nest.
        refused: is told of each that cannot be logged: the run has it with another value, which it keeps, as the user's own
            come first. They are a warning when None.

    Raises:
        GTrackError: the run cannot be written.
    """
    known = {str(name): _plain(value) for name, value in params.items() if value is not None}
    try:
        run.log_params(known)
    except (ParamConflict, UsageError):
        tell = refused if refused is not None else _warn
        for name, value in known.items():
            try:
                run.log_params({name: value})
            except (ParamConflict, UsageError) as error:
                tell(f"the parameter {name}", error)


def _warn(what: str, error: Exception) -> None:
    warn(f"{what} is not recorded: {error}")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_plain(item) for item in value]
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    try:
        return plain_value(value, "parameter")
    except InvalidValue:
        return str(value)


def check_rows(log_every_epoch: bool | None, log_every_n_steps: int | None) -> None:  # noqa: FBT001 - an argument of autolog
    """Check that metrics are asked for in one way.

    Raises:
        InvalidValue: for each epoch and every so many batches, or neither; or a number below 1.
    """
    by_epoch = log_every_n_steps is None if log_every_epoch is None else log_every_epoch
    if by_epoch == (log_every_n_steps is not None):
        raise InvalidValue("Metrics are logged for each epoch, or every log_every_n_steps batches: choose one.")
    if log_every_n_steps is not None and log_every_n_steps < 1:
        raise InvalidValue(f"log_every_n_steps is a number of batches, 1 or more, not {log_every_n_steps}.")

"""Hand the run that is active here to another thread or process.

Each thread has its own stack of active runs, and a worker's is empty. ``propagate`` takes the run along: inside, the verbs log
into it and ``start_run(nested=True)`` starts children of it. What it returns can be pickled, so a process pool takes it too; the
run itself stays where it was started, a worker process joins it by its live directory.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from gtrack.errors import GTrackError, InvalidValue
from gtrack.fluent.active import FluentRun, Handed, active, handed_here, process, project_here, stack_here
from gtrack.records import Run

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

P = ParamSpec("P")
R = TypeVar("R")


class Propagation:
    """A run on its way to another thread or process: a context manager, which any number of them may enter at once.

    Runs that are started inside and left open are ended at its end; the run itself goes on.

    Attributes:
        run_id: the run's id.
        name: likewise.
        experiment: likewise.
    """

    def __init__(self, run_id: str, name: str, experiment: str, directory: Path | None) -> None:
        self.run_id = run_id
        self.name = name
        self.experiment = experiment
        self._directory = directory

    def __reduce__(self) -> tuple[Any, ...]:
        return Propagation, (self.run_id, self.name, self.experiment, self._directory)

    @property
    def run(self) -> FluentRun | None:
        """What logs into the run in this process; None when it has ended."""
        with process.lock:
            found = (
                process.open.get(self.run_id) or process.inherited.get(self.run_id) or process.joined.get(self.run_id)
            )
            if found is None and self._directory is not None and self._directory.is_dir():
                found = _join(self._directory)
        return found if found is not None and not found.ended and found.directory.is_dir() else None

    def __enter__(self) -> Self:
        run = self.run
        _entered.set((*_entered.get(), (stack_here.get(), handed_here.get())))
        handed_here.set(Handed(self.run_id, self.name, self.experiment, run))
        stack_here.set((run,) if run is not None else ())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        *outer, (stack, handed) = _entered.get()
        try:
            started = [run for run in stack_here.get() if run.id != self.run_id]
            if started:
                started[0].end(started[0].status_of(error))
        finally:
            _entered.set(tuple(outer))
            stack_here.set(stack)
            handed_here.set(handed)

    def __repr__(self) -> str:
        return f"<Propagation of {self.name} {self.run_id[:8]}>"


_entered: ContextVar[tuple[tuple[tuple[FluentRun, ...], Handed | None], ...]] = ContextVar("gtrack_entered", default=())


class Propagated(Generic[P, R]):
    """A function that runs inside a propagated run, wherever it is called; it can be pickled when the function can."""

    def __init__(self, function: Callable[P, R], propagation: Propagation) -> None:
        update_wrapper(self, function)
        self._function = function
        self._propagation = propagation

    def __reduce__(self) -> tuple[Any, ...]:
        return Propagated, (self._function, self._propagation)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function inside the run."""
        with self._propagation:
            return self._function(*args, **kwargs)


@overload
def propagate(target: Callable[P, R], run: FluentRun | Run | str | None = None) -> Propagated[P, R]: ...


@overload
def propagate(target: FluentRun | Run | str | None = None) -> Propagation: ...


def propagate(
    target: Callable[..., Any] | FluentRun | Run | str | None = None, run: FluentRun | Run | str | None = None
) -> Propagated[Any, Any] | Propagation:
    """Hand a run to other threads or processes: inside, verbs log into it, and ``start_run(nested=True)`` is a child of it.

    ``ThreadPoolExecutor().map(gtrack.propagate(work), items)``, ``Thread(target=gtrack.propagate(work))``, the same with process
    pools and joblib; or ``with gtrack.propagate(run):`` in the worker itself. asyncio's tasks need none of it.

    Args:
        target: the function that is to run in the worker; or the run, as for ``run``.
        run: what ``start_run`` or ``get_run`` returned, or a run reference; the run that is active here when None, opened now
            where there is none, as by every verb.

    Returns:
        The function that hands the run over before it calls ``target``; or a context manager that can be pickled.

    Raises:
        NoActiveRun: no run is active in this thread, and others have some.
        RunNotFound: no such run.
        InvalidValue: a coroutine function or a generator function, whose body runs after its call; or what is no run.
    """
    if not callable(target):
        if target is not None and run is not None:
            raise InvalidValue("propagate takes a function and a run, not two runs.")
        return _propagation(target if run is None else run)
    called = getattr(target, "func", target)  # functools.partial
    if inspect.iscoroutinefunction(called) or inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
        raise InvalidValue(
            f"propagate cannot wrap {getattr(called, '__name__', called)!r}: its body runs after its call has returned. "
            "asyncio's tasks have the run of whoever starts them; elsewhere use 'with gtrack.propagate(run):' inside it."
        )
    return Propagated(target, _propagation(run))


def _propagation(run: object) -> Propagation:
    if run is None:
        run = active("propagate")
    if isinstance(run, Propagation):
        return run
    if isinstance(run, str):
        run = process.open.get(run) or project_here().resolve(run)
    if isinstance(run, FluentRun):
        return Propagation(run.id, run.name, run.experiment, run.directory)
    if isinstance(run, Run):
        live = project_here().live.find(run.id)
        return Propagation(run.id, run.name, run.experiment, live.path if live is not None else None)
    raise InvalidValue(f"propagate takes a function, a run, or a run reference, not {type(run).__name__}.")


def _join(directory: Path) -> FluentRun | None:
    """Return the run of another process, joined once in this one; None when it ends just now."""
    try:
        joined = FluentRun.join(directory)
    except GTrackError:
        if directory.is_dir():
            raise
        return None
    process.joined[joined.id] = joined
    return joined

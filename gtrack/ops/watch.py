"""Where the running runs stand: how far each is, and the course of its metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gtrack.project import Project
from gtrack.records import History, Number, Run, Status

_TOTALS: Final = (
    ("epochs", "n_epochs", "num_epochs", "max_epochs", "num_train_epochs"),
    ("steps", "n_steps", "num_steps", "max_steps", "total_steps", "iterations", "n_iter", "max_iter"),
)


@dataclass(frozen=True)
class Standing:
    """Where one running run stands.

    Attributes:
        run: the run, with the values of its metrics so far.
        step: the step that was logged last; None when none was.
        total: how many steps there will be, as a parameter such as ``epochs`` says; None when none does.
        series: the values of each metric that has a history, in the order of logging.
    """

    run: Run
    step: Number | None = None
    total: int | None = None
    series: dict[str, list[Number]] = field(default_factory=dict)

    @property
    def progress(self) -> float | None:
        """The part that is done, from 0 to 1, steps being counted from 0; None when it cannot be told."""
        if self.step is None or self.total is None or self.step >= self.total:
            return None
        return max((self.step + 1) / self.total, 0.0)


def watch(project: Project) -> list[Standing]:
    """Return where the running runs stand, the newest first."""
    runs = [run for run in project.live.runs() if run.status is Status.RUNNING]
    runs.sort(key=lambda run: (run.started is not None, run.started, run.id), reverse=True)
    return [_standing(run, project.history(run.id)) for run in runs if project.live.find(run.id) is not None]


def _standing(run: Run, history: History) -> Standing:
    series = {name: [value for _, value in history.series(name)] for name in history.columns}
    return Standing(run, history.steps[-1] if history.steps else None, _total(run), series)


def _total(run: Run) -> int | None:
    """Return how many steps the parameters promise; nothing when they promise both epochs and steps."""
    params = run.flat_params
    found: list[int] = []
    for names in _TOTALS:
        found += _counts([params.get(name) for name in names])[:1]
    return found[0] if len(found) == 1 else None


def _counts(values: Sequence[object]) -> list[int]:
    return [value for value in values if type(value) is int and value > 0]

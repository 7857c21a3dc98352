"""Which run a fit is recorded in, and how one that the fit opened ends."""

from __future__ import annotations

import os
from dataclasses import dataclass

from gtrack.errors import GTrackError
from gtrack.fluent.active import FluentRun, active, active_run, process, start_run
from gtrack.fluent.lingering import keeping, linger
from gtrack.integrations.sklearn.settings import Settings, switch
from gtrack.records import Status
from gtrack.variables import RUN_DIR_VARIABLE


@dataclass(frozen=True)
class FitRun:
    """The run that a fit is recorded in.

    Attributes:
        run: the run.
        own: whether the fit opened it, and ends it.
    """

    run: FluentRun
    own: bool

    def end(self) -> None:
        """End it as finished, when the fit opened it; the metrics that come later still go into it.

        Raises:
            GTrackError: it cannot be written.
        """
        if self.own and switch.in_worker:  # a worker may end without a word, and nobody would commit what lingers
            self.run.end(Status.FINISHED)
        elif self.own:
            linger(self.run)

    def fail(self, error: BaseException) -> None:
        """End it as the error says, when the fit opened it.

        Raises:
            GTrackError: it cannot be committed.
        """
        if self.own:
            self.run.end(self.run.status_of(error))


def run_for_fit(settings: Settings) -> FitRun | None:
    """Return the run that a fit is recorded in here; None where it is not.

    It is the run that is active here; under ``gtrack run`` the launched one; else one of its own. In a process that works for
    another one only a run counts that this process itself started.

    Raises:
        GTrackError: no run can be opened.
    """
    here = active_run()
    if switch.in_worker and (here is None or here.id not in process.open):
        return None
    if here is None and os.environ.get(RUN_DIR_VARIABLE) and not process.launched_taken:
        # Asking for parameters is the one verb that does not say that the script logs its metrics by itself.
        here = active("params")
    if here is not None and not settings.exclusive:
        return FitRun(here, own=False)
    with keeping():
        return FitRun(start_run(nested=here is not None), own=True)


def start_child(parent: FluentRun) -> FluentRun:
    """Start a run below another one.

    Raises:
        GTrackError: it cannot be opened.
    """
    if parent.ended:
        raise GTrackError(f"Run {parent.name} ({parent.id[:8]}) has ended.")
    with keeping():
        return start_run(parent_run_id=parent.id, experiment=parent.experiment, log_system_metrics=False)

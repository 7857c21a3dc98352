"""An active run as scripts written for MLflow know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from gtrack.errors import RunNotFound
from gtrack.formats.mlflow_tags import split_tags
from gtrack.formats.names import check_run_name
from gtrack.formats.values import text_tags
from gtrack.records import DELETED, Run, RunData, RunInfo, Status
from gtrack.writer import ActiveRun


class CompatibleRun(ActiveRun):
    """An active run with ``.info`` and ``.data``, whose MLflow tags are the facts that they name.

    Attributes:
        detached: whether a client made it: it is on nobody's stack, and no verb means it unless its id is given.
        ends_at: when it is said to have ended; the moment that it does, when None.
    """

    detached = False
    ends_at: datetime | None = None
    _begun: RunInfo | None = None

    @property
    def info(self) -> RunInfo:
        """What it is, as scripts written for MLflow ask: ``run.info.run_id``."""
        if self.ended:
            try:
                self._begun = self.record().info
            except RunNotFound:
                if self._begun is None:
                    raise
                return replace(self._begun, lifecycle_stage=DELETED)
            return self._begun
        if self._begun is None:
            self._begun = self.live.without_history().info
        return replace(self._begun, run_name=self.name, experiment_id=self.experiment)

    def end(self, status: str | Status = Status.FINISHED, exit_code: int | None = None) -> Run:
        """End the run and commit it; see ``ActiveRun.end``."""
        run = super().end(status, exit_code)
        self._begun = run.info
        return run

    @property
    def data(self) -> RunData:
        """What it holds by now, as scripts written for MLflow ask: ``run.data.metrics["f1"]``."""
        return self.record().data

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags: name to text; other values become text. MLflow's own (``mlflow.runName``) are the facts that they name.

        Raises:
            InvalidName: a name that cannot be written.
        """
        said = split_tags(text_tags(tags, "set_tags"))
        if said.tags or not tags:
            super().set_tags(said.tags)
        if said.name is not None:
            self.retitle(said.name)
        if said.notes is not None:
            self.set_notes(said.notes)
        if said.parent is not None:
            self.parent = said.parent
            self.live.edit(lambda head: head.update(parent=said.parent))

    def retitle(self, name: str) -> None:
        """Give the run another name, also where ``start_run`` gave it one; one from the command line stays.

        Raises:
            InvalidName: a name that cannot be written.
        """
        if self.joined:
            self.rename(name)
            return
        checked = check_run_name(name)
        self.live.edit(lambda head: head.update(name=checked))
        self.name = checked

    def stop_sampling(self) -> None:
        """Sample the machine no more."""
        if self._sampler is not None:
            self._sampler.stop()
            self._sampler = None

    def _end_time(self) -> datetime:
        return self.ends_at or super()._end_time()

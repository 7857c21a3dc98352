"""A logger for PyTorch Lightning, as ``lightning`` or as ``pytorch_lightning``."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from gtrack.errors import InvalidValue, MissingLibrary
from gtrack.fluent.active import FluentRun, get_run, start_run
from gtrack.fluent.late import open_here
from gtrack.fluent.lingering import late
from gtrack.fluent.propagate import Propagation, propagate
from gtrack.integrations.lightning_checkpoints import keep_checkpoints
from gtrack.integrations.training_run import TrainingRun, add_params
from gtrack.records import Status

_ENDS = {"success": Status.FINISHED, "finished": Status.FINISHED, "failed": Status.FAILED}


def _loggers() -> Any:
    """Return the module of the loggers of the Lightning that the script uses: both may be installed, and are two libraries."""
    names = ["lightning.pytorch", "pytorch_lightning"]
    names.sort(key=lambda name: name not in sys.modules)
    for name in names:
        try:
            return import_module(f"{name}.loggers.logger")
        except ImportError:
            continue
    raise MissingLibrary("gtrack.lightning needs PyTorch Lightning: pip install 'gtrack[lightning]'.")


_library = _loggers()
_rank_zero_only = import_module("lightning_utilities.core.rank_zero").rank_zero_only


class GtrackLogger(_library.Logger):  # type: ignore[misc,name-defined]  # which library it is, is known when it runs
    """Records a training of Lightning: ``Trainer(logger=gtrack.lightning.GtrackLogger())``.

    It logs into the run that is active where the training begins, or into one of its own that ends with it. What ``test`` and
    ``validate`` find afterwards goes into the same run. Only the process of rank zero logs.

    Args:
        experiment_name: of a run of its own; below the active run when there is one.
        run_name: likewise.
        tags: tags of the run.
        save_dir: where Lightning puts its checkpoints: ``save_dir/EXPERIMENT/RUN_ID/checkpoints``.
        log_model: True keeps the checkpoints that are there at the end, as artifacts below ``checkpoints``; ``"all"`` keeps
            each as it is saved, also those that Lightning removes later.
        prefix: what the name of each metric begins with, followed by a ``-``.
        run_id: a reference to a run to go on with.

    Raises:
        InvalidValue: another ``log_model``.
    """

    LOGGER_JOIN_CHAR = "-"

    def __init__(
        self,
        experiment_name: str | None = None,
        run_name: str | None = None,
        tags: Mapping[str, object] | None = None,
        save_dir: str | Path | None = "lightning_logs",
        log_model: bool | Literal["all"] = False,  # noqa: FBT001, FBT002 - the same
        prefix: str = "",
        run_id: str | None = None,
    ) -> None:
        super().__init__()
        if log_model not in {True, False, "all"}:
            raise InvalidValue(f"log_model is True, False or 'all', not {log_model!r}.")
        self._experiment_name = experiment_name
        self._run_name = run_name
        self._tags = tags
        self._save_dir = save_dir
        self._log_model = log_model
        self._prefix = prefix
        self._run_id = run_id
        self._training: TrainingRun | None = None
        self._handed: Propagation | None = None
        self._kept: dict[str, float] = {}
        self._callback: Any = None

    def __getstate__(self) -> dict[str, Any]:
        handed = propagate(self._training.run) if self._training is not None else self._handed
        return {**self.__dict__, "_training": None, "_callback": None, "_handed": handed}

    @property
    @_library.rank_zero_experiment  # type: ignore[untyped-decorator]
    def experiment(self) -> FluentRun:
        """The run: ``self.logger.experiment.log_bytes(…)``; elsewhere than in rank zero something that does nothing."""
        return self._opened().run

    def _opened(self) -> TrainingRun:
        if self._training is None:
            joined = self._handed.run if self._handed is not None else None
            self._training = TrainingRun(joined, own=False) if joined is not None else self._begin()
            self._run_id = self._training.run.id
        elif self._training.failed:
            self._training = TrainingRun(start_run(run_id=self._training.run.id, nested=True), own=True)
        return self._training

    def _begin(self) -> TrainingRun:
        if self._run_id is not None:
            run_id = get_run(self._run_id).id
            known = open_here(run_id)
            return TrainingRun(known or start_run(run_id=run_id, nested=True, tags=self._tags), own=known is None)
        about: dict[str, Any] = {"experiment": self._experiment_name, "run_name": self._run_name}
        return TrainingRun.begin("GtrackLogger", child=any(about.values()), tags=self._tags, **about)

    @property
    def name(self) -> str | None:
        """The run's experiment."""
        return self._training.run.experiment if self._training is not None else self._experiment_name

    @property
    def version(self) -> str | None:
        """The run's id; None before the training begins."""
        return self._run_id

    @property
    def run_id(self) -> str | None:
        """The same."""
        return self._run_id

    @property
    def save_dir(self) -> str | None:
        """Where Lightning puts its checkpoints."""
        return str(self._save_dir) if self._save_dir is not None else None

    @_rank_zero_only  # type: ignore[untyped-decorator]
    def log_hyperparams(self, params: Mapping[str, Any] | Namespace, *_: Any, **__: Any) -> None:
        """Log parameters; mappings and namespaces nest."""
        with late(self._opened().run) as run:
            add_params(run, _mapping(params))

    @_rank_zero_only  # type: ignore[untyped-decorator]
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log a row of metrics."""
        begin = f"{self._prefix}{self.LOGGER_JOIN_CHAR}" if self._prefix else ""
        with late(self._opened().run) as run:
            run.log_metrics({f"{begin}{name}": value for name, value in metrics.items()}, step=step)

    @_rank_zero_only  # type: ignore[untyped-decorator]
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Keep checkpoints, now or at the end."""
        if self._log_model == "all" or (self._log_model and checkpoint_callback.save_top_k == -1):
            self._keep(checkpoint_callback)
        elif self._log_model:
            self._callback = checkpoint_callback

    def _keep(self, callback: Any) -> None:
        with late(self._opened().run) as run:
            keep_checkpoints(run, callback, self._kept)

    @_rank_zero_only  # type: ignore[untyped-decorator]
    def finalize(self, status: str) -> None:
        """Keep the last checkpoints, and end a run of its own as ``status`` says; a KeyboardInterrupt kills it."""
        if self._training is None:
            return
        if self._callback is not None:
            self._keep(self._callback)
            self._callback = None
        error = sys.exc_info()[1] if status == "failed" else None
        if error is not None and not self._training.over:
            self._training.end(error)
        elif not self._training.over or status == "failed":
            self._training.end_as(_ENDS.get(status, Status.KILLED))


def _mapping(params: Mapping[str, Any] | Namespace) -> dict[str, Any]:
    items = vars(params) if isinstance(params, Namespace) else params
    return {
        str(name): _mapping(value) if isinstance(value, (Mapping, Namespace)) else value
        for name, value in items.items()
    }

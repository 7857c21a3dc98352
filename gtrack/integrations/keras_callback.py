"""A callback for Keras 3, with any backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gtrack.errors import MissingLibrary
from gtrack.fluent.models import log_model
from gtrack.integrations.automatic_model import log_automatic_model
from gtrack.integrations.problems import Problems
from gtrack.integrations.training_run import TrainingRun, add_params, check_rows
from gtrack.writer import ActiveRun

try:
    from keras.callbacks import Callback
except ImportError as error:
    raise MissingLibrary("gtrack.keras needs Keras 3 and one of its backends: pip install 'gtrack[keras]'.") from error

_FIT = "keras", "fit"


class GtrackCallback(Callback):  # type: ignore[misc]  # Keras has no types
    """Records ``fit``: metrics, parameters of the optimizer, ``model_summary.txt`` and, when asked, the model.

    ``model.fit(…, callbacks=[gtrack.keras.GtrackCallback()])`` logs into the active run, or into one of its own that ends with
    the training. Of ``model.evaluate(…, callbacks=[…])`` it records the metrics, as ``validation_loss`` and so on.

    Args:
        log_every_epoch: a row of metrics for each epoch; the step is the epoch, from 0. On unless ``log_every_n_steps``.
        log_every_n_steps: a row for each so many batches instead; the step is the number of updates so far.
        log_model: keep the model at the end, as the artifact ``model``.
        registered_model_name: register it under this name.
        run_name: name of a run of its own.
        tags: tags of the run.

    Raises:
        InvalidValue: rows of both kinds, or of none.
    """

    def __init__(
        self,
        log_every_epoch: bool | None = None,  # noqa: FBT001 - as this field knows it
        log_every_n_steps: int | None = None,
        *,
        log_model: bool = False,
        registered_model_name: str | None = None,
        run_name: str | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__()
        check_rows(log_every_epoch, log_every_n_steps)
        self._every = log_every_n_steps
        self._log_model = log_model or registered_model_name is not None
        self._registered_as = registered_model_name
        self._run_name = run_name
        self._tags = tags
        self._training: TrainingRun | None = None

    @property
    def run_id(self) -> str | None:
        """The id of the run; None before the first training."""
        return self._training.run.id if self._training is not None else None

    def on_train_begin(self, _logs: Mapping[str, Any] | None = None) -> None:
        """Open a run where none is active, and log what the training begins with."""
        self._training = TrainingRun.begin("GtrackCallback", trains=_FIT, run_name=self._run_name, tags=self._tags)
        optimizer = self.model.optimizer
        config = optimizer.get_config() if optimizer is not None else {}
        given = {
            "epochs": self.params.get("epochs"),
            "steps_per_epoch": self.params.get("steps"),
            "loss": getattr(self.model, "loss", None),
        }
        run = self._training.run
        add_params(run, {**given, **{f"optimizer_{name}": value for name, value in config.items()}})
        lines: list[str] = []
        self.model.summary(print_fn=lambda line, *_, **__: lines.append(line))
        run.log_bytes("\n".join([*lines, ""]).encode(errors="replace"), "model_summary.txt")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Log a row for an epoch."""
        if self._every is None and logs and self._training is not None:
            self._training.run.log_metrics(dict(logs), step=epoch)

    def on_train_batch_end(self, _batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Log a row every so many batches."""
        if self._every is not None and logs and self._training is not None:
            step = int(self.model.optimizer.iterations.numpy())
            if step % self._every == 0:
                self._training.run.log_metrics(dict(logs), step=step)

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Log what ``evaluate`` found; inside ``fit`` the rows have it."""
        if not logs or (self._training is not None and not self._training.over):
            return
        alone = self._training is None
        if self._training is None:
            self._training = TrainingRun.begin("GtrackCallback", run_name=self._run_name, tags=self._tags)
        with self._training.writing() as run:
            run.log_metrics({f"validation_{name}": value for name, value in logs.items()})
        if alone:
            self._training.end()

    def on_train_end(self, _logs: Mapping[str, Any] | None = None) -> None:
        """Keep the model when asked, and end a run of its own."""
        if self._training is not None:
            if self._log_model:
                log_model(self.model, registered_model_name=self._registered_as)
            self._training.end()


class AutologCallback(GtrackCallback):
    """A callback that the script knows nothing of: what goes wrong in it is a problem to tell of, and not raised.

    Args:
        problems: collects what could not be recorded; after the first the rest is not tried.
        before: is called with the run before the training begins.
        more: what ``GtrackCallback`` takes.
    """

    def __init__(self, problems: Problems, before: Callable[[ActiveRun], None], **more: Any) -> None:
        super().__init__(**more)
        self._problems = problems
        self._before = before

    def on_train_begin(self, _logs: Mapping[str, Any] | None = None) -> None:
        """Open a run, quietly."""
        with self._problems.of("this training"):
            super().on_train_begin(_logs)
            if self._training is not None:
                self._before(self._training.run)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Log a row, quietly."""
        if not self._problems.found:
            with self._problems.of("the metrics"):
                super().on_epoch_end(epoch, logs)

    def on_train_batch_end(self, _batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Log a row, quietly."""
        if not self._problems.found:
            with self._problems.of("the metrics"):
                super().on_train_batch_end(_batch, logs)

    def on_test_end(self, _logs: Mapping[str, Any] | None = None) -> None:
        """Leave it to the rows."""

    def on_train_end(self, _logs: Mapping[str, Any] | None = None) -> None:
        """Keep the model, quietly; the run ends when ``fit`` does."""
        if self._training is not None and self._log_model:
            with self._problems.of("the model"):
                log_automatic_model(self._training.run, self.model, registered_model_name=self._registered_as)

    def close(self, error: BaseException | None, *, silent: bool) -> None:
        """Say what could not be recorded, and end a run of its own."""
        run = self._training.run if self._training is not None else None
        self._problems.say(None if run is None or run.ended else run, silent=silent)
        if self._training is not None:
            with self._problems.of("the end of the run"):
                self._training.end(error)
            self._problems.say(None, silent=silent)

"""A callback for the Trainer of Hugging Face transformers."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gtrack.errors import MissingLibrary
from gtrack.fluent.models import log_model
from gtrack.fluent.verbs import log_artifacts
from gtrack.integrations.training_run import Function, TrainingRun, add_params

try:
    from transformers.trainer_callback import TrainerCallback
except ImportError as error:
    raise MissingLibrary(
        "gtrack.transformers needs transformers and PyTorch: pip install 'gtrack[transformers]'."
    ) from error

_TRAIN = "transformers", "train"


class GtrackCallback(TrainerCallback):  # type: ignore[misc]  # read without types, as PyTorch is below them
    """Records a training: ``Trainer(…, callbacks=[gtrack.transformers.GtrackCallback()])``.

    It logs into the active run, or into one of its own that ends with the training; what ``evaluate`` finds afterwards goes there
    too. Parameters are the training arguments, and the model's configuration below ``model``. Each trial of a
    hyperparameter search is a run of its own. Only the main process logs.

    Args:
        log_model: keep the model at the end, as ``save_pretrained`` writes it, with what prepares its input, below the artifact
            ``model``; a module that has no ``save_pretrained`` as ``log_model`` writes it.
        experiment: of a run of its own.
        run_name: name of it; ``TrainingArguments.run_name`` when None.
        tags: tags of the run.
    """

    def __init__(
        self,
        *,
        log_model: bool = False,
        experiment: str | None = None,
        run_name: str | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> None:
        self._log_model = log_model
        self._experiment = experiment
        self._run_name = run_name
        self._tags = tags
        self._training: TrainingRun | None = None

    @property
    def run_id(self) -> str | None:
        """The id of the run; None before the first training."""
        return self._training.run.id if self._training is not None else None

    def on_train_begin(self, args: Any, state: Any, _control: Any, model: Any = None, **_: Any) -> None:
        """Open a run where none is active, and log the parameters."""
        if state.is_world_process_zero:
            self._training = self._begin(args, state, _TRAIN)
            config = getattr(model, "config", None)
            add_params(
                self._training.run, {**_known(args), **({"model": _known(config)} if config is not None else {})}
            )

    def _begin(self, args: Any, state: Any, trains: Function | None) -> TrainingRun:
        name = self._run_name or (state.trial_name if state.is_hyper_param_search else None)
        if name is None and args.run_name and args.run_name != args.output_dir:  # which older versions put there
            name = args.run_name
        return TrainingRun.begin(
            "GtrackCallback",
            trains=trains,
            child=state.is_hyper_param_search,
            experiment=self._experiment,
            run_name=name,
            tags=self._tags,
        )

    def on_log(self, args: Any, state: Any, _control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Log a row at the global step."""
        if not logs or not state.is_world_process_zero:
            return
        alone = self._training is None
        if self._training is None:
            self._training = self._begin(args, state, None)
        with self._training.writing() as run:
            run.log_metrics({name: value for name, value in logs.items() if _is_number(value)}, step=state.global_step)
        if alone:
            self._training.end()

    def on_train_end(
        self, _args: Any, state: Any, _control: Any, model: Any = None, processing_class: Any = None, **_: Any
    ) -> None:
        """Keep the model when asked, and end a run of its own."""
        if self._training is None or self._training.over:
            return
        if state.best_metric is not None:
            self._training.run.log_metrics({"best_metric": state.best_metric})
        if self._log_model:
            _keep(model, processing_class)
        self._training.end()


def _known(about: Any) -> dict[str, Any]:
    return {name: value for name, value in about.to_dict().items() if value is not None and not name.endswith("_token")}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) or getattr(value, "shape", None) == ()


def _keep(model: Any, processing_class: Any) -> None:
    if not hasattr(model, "save_pretrained"):
        log_model(model)
        return
    with tempfile.TemporaryDirectory(prefix="gtrack-") as directory:
        model.save_pretrained(directory)
        if hasattr(processing_class, "save_pretrained"):
            processing_class.save_pretrained(directory)
        log_artifacts(Path(directory), "model")

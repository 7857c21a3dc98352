"""Autologging of Keras: every ``fit`` gets a callback of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from gtrack.capture.data import describe
from gtrack.fluent.active import active_run
from gtrack.integrations.nesting import inside, is_inside
from gtrack.integrations.patching import Autologging, replace_method
from gtrack.integrations.problems import Problems
from gtrack.integrations.training_run import add_params, check_rows
from gtrack.writer import ActiveRun

_ARGUMENTS = ("batch_size", "validation_split", "shuffle", "class_weight", "initial_epoch", "validation_freq")


@dataclass(frozen=True)
class _Settings:
    """What ``autolog`` was told; see there."""

    log_every_epoch: bool | None
    log_every_n_steps: int | None
    log_models: bool
    log_datasets: bool
    exclusive: bool
    silent: bool
    registered_model_name: str | None
    extra_tags: Mapping[str, object] | None


def _fit(fit: Any, model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    settings = _autologging.settings
    if settings is None or is_inside() or (settings.exclusive and active_run() is not None):
        return fit(*args, **kwargs)
    try:
        bound = inspect.signature(fit).bind(*args, **kwargs)
    except TypeError:  # it is for Keras to say what is wrong
        return fit(*args, **kwargs)
    home = import_module("gtrack.integrations.keras_callback")  # here, as it imports Keras
    problems = Problems(f"{type(model).__name__}.fit")
    given = bound.arguments.get("callbacks")
    callbacks = list(given) if isinstance(given, (list, tuple)) else [given] if given is not None else []
    if any(isinstance(one, home.GtrackCallback) for one in callbacks):
        return fit(*args, **kwargs)
    ours = home.AutologCallback(
        problems,
        lambda run: _before(run, bound.arguments, settings, problems),
        log_every_epoch=settings.log_every_epoch,
        log_every_n_steps=settings.log_every_n_steps,
        log_model=settings.log_models,
        registered_model_name=settings.registered_model_name if settings.log_models else None,
        tags=settings.extra_tags,
    )
    bound.arguments["callbacks"] = [*callbacks, ours]
    try:
        with inside():
            history = fit(*bound.args, **bound.kwargs)
    except BaseException as error:
        ours.close(error, silent=settings.silent)
        raise
    ours.close(None, silent=settings.silent)
    return history


def _before(run: ActiveRun, given: Mapping[str, Any], settings: _Settings, problems: Problems) -> None:
    add_params(run, {name: given[name] for name in _ARGUMENTS if name in given}, problems.add)
    if settings.log_datasets:
        for name, what in (("x", "train"), ("y", "train_target")):
            if hasattr(given.get(name), "shape"):  # a generator or a loader has no version without being used up
                with problems.of("the data"):
                    run.log_input(describe(given[name], what))


def _patch(module: ModuleType) -> Callable[[], None]:
    return replace_method(module.Model, "fit", _fit)


_autologging: Autologging[_Settings] = Autologging("keras", _patch)


def autolog(  # noqa: PLR0913 - what this field knows it by
    *,
    log_every_epoch: bool | None = None,
    log_every_n_steps: int | None = None,
    log_models: bool = True,
    log_datasets: bool = True,
    disable: bool = False,
    exclusive: bool = False,
    silent: bool = False,
    registered_model_name: str | None = None,
    extra_tags: Mapping[str, object] | None = None,
) -> None:
    """Record every ``fit`` of a Keras model from now on, as ``GtrackCallback`` does.

    Args:
        log_every_epoch: as for ``GtrackCallback``.
        log_every_n_steps: as for ``GtrackCallback``.
        log_models: keep the model, as the artifact ``model``.
        log_datasets: record digest and shape of ``x`` and ``y``, where they are arrays.
        disable: switch it off; Keras is as it was.
        exclusive: record nothing where a run is active that the script started itself.
        silent: warn of nothing.
        registered_model_name: register each model under this name.
        extra_tags: tags for each run.

    Raises:
        InvalidValue: rows for each epoch and every so many batches, or of neither.
    """
    if disable:
        _autologging.off()
        return
    check_rows(log_every_epoch, log_every_n_steps)
    _autologging.on(
        _Settings(
            log_every_epoch,
            log_every_n_steps,
            log_models,
            log_datasets,
            exclusive,
            silent,
            registered_model_name,
            extra_tags,
        )
    )

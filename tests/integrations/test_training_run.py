"""The run of a training whose end nobody tells: found by who calls back."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from gtrack.integrations.training_run import TrainingRun
from gtrack.records import Status
from tests.integrations.conftest import Tracked

_LIBRARY = """
def train(size, callback):
    callback(size)
"""


@pytest.fixture
def library() -> Any:
    """Return a module of a package ``learn`` whose function ``train`` calls back."""
    module = ModuleType("learn.trainer")
    exec(_LIBRARY, vars(module))
    return module


def fits_in(memory: int) -> Any:
    def callback(size: int) -> None:
        training = TrainingRun.begin("callback", trains=("learn", "train"), run_name=f"size{size}")
        training.run.log_params({"size": size})
        if size > memory:
            raise MemoryError
        training.run.log_metrics({"loss": 1.0})
        training.end()

    return callback


def test_a_retry_inside_a_function_that_is_called_as_the_librarys_has_a_run_of_its_own(
    tracked: Tracked, library: Any
) -> None:
    def train(size: int) -> None:
        try:
            library.train(size, fits_in(4))
        except MemoryError:
            train(size // 2)

    train(8)
    assert [(run.name, run.status, run.params, set(run.metrics)) for run in tracked.runs()] == [
        ("size8", Status.FAILED, {"size": 8}, set()),
        ("size4", Status.FINISHED, {"size": 4}, {"loss"}),
    ]


def test_a_first_try_elsewhere_does_not_take_what_such_a_function_trains(tracked: Tracked, library: Any) -> None:
    with pytest.raises(MemoryError):
        library.train(8, fits_in(4))

    def train() -> None:
        library.train(2, fits_in(4))

    train()
    assert [(run.name, run.status) for run in tracked.runs()] == [
        ("size8", Status.FAILED),
        ("size2", Status.FINISHED),
    ]


def test_a_training_inside_a_training_of_the_library_goes_into_its_run(tracked: Tracked, library: Any) -> None:
    def outer(size: int) -> None:
        training = TrainingRun.begin("callback", trains=("learn", "train"), run_name="outer")
        library.train(size, fits_in(4))
        training.end()

    library.train(2, outer)
    run = tracked.only()
    assert (run.name, run.status, set(run.metrics)) == ("outer", Status.FINISHED, {"loss"})

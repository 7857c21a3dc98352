"""Training with Keras: the callback, and autologging."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import gtrack
from gtrack.errors import InvalidValue, NotARepository
from gtrack.fluent.models import get_model_info, load_model, log_model
from gtrack.records import Status
from tests.integrations.conftest import Tracked

pytestmark = [
    pytest.mark.slow,  # Keras with PyTorch beneath takes seconds to import
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning"),  # Keras of itself
]

generator = np.random.default_rng(0)
X = generator.random((32, 4)).astype("float32")
Y = (X[:, 0] > 0.5).astype("float32")


@pytest.fixture(scope="module")
def keras() -> ModuleType:
    return import_module("keras")


@pytest.fixture(autouse=True)
def switched_off(keras: ModuleType) -> Iterator[None]:
    keras.utils.set_random_seed(0)
    yield
    gtrack_keras().autolog(disable=True)


def gtrack_keras() -> Any:
    import gtrack.keras

    return gtrack.keras


def a_model(keras: ModuleType) -> Any:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy", metrics=["accuracy"])
    return model


def test_the_callback_records_a_training_in_a_run_of_its_own(tracked: Tracked, keras: ModuleType) -> None:
    callback = gtrack_keras().GtrackCallback(log_model=True, run_name="first", tags={"team": "churn"})
    model = a_model(keras)
    history = model.fit(X, Y, epochs=3, batch_size=8, validation_split=0.25, verbose=0, callbacks=[callback]).history
    run = tracked.only()
    assert run.id == callback.run_id
    assert (run.name, run.tags, run.status, run.live) == ("first", {"team": "churn"}, Status.FINISHED, False)
    assert {"accuracy", "loss", "val_accuracy", "val_loss"} == set(history)
    for metric, values in history.items():
        assert tracked.curve(run, metric) == list(enumerate(values))
    assert run.params["epochs"] == 3
    assert run.params["steps_per_epoch"] == 3
    assert run.params["loss"] == "binary_crossentropy"
    assert run.params["optimizer_learning_rate"] == 0.5
    assert b"dense" in gtrack.get_artifact(run.id, "model_summary.txt")
    loaded = load_model(f"runs:/{run.id}/model")
    assert (loaded.predict(X, verbose=0) == model.predict(X, verbose=0)).all()


def test_rows_every_so_many_batches(tracked: Tracked, keras: ModuleType) -> None:
    callback = gtrack_keras().GtrackCallback(log_every_n_steps=2)
    a_model(keras).fit(X, Y, epochs=2, batch_size=8, verbose=0, callbacks=[callback])
    assert [step for step, _ in tracked.curve(tracked.only(), "loss")] == [2, 4, 6, 8]


def test_the_active_run_is_used_and_left_open(tracked: Tracked, keras: ModuleType) -> None:
    callback = gtrack_keras().GtrackCallback(tags={"a": 1})
    with gtrack.start_run("mine") as mine:
        gtrack.log_param("epochs", "many")
        with pytest.warns(UserWarning, match="the parameter epochs is not recorded: .*'many'"):
            a_model(keras).fit(X, Y, epochs=1, verbose=0, callbacks=[callback])
        assert gtrack.active_run() is mine
        gtrack.log_metric("f1", 0.5)
    run = tracked.only()
    assert (run.params["epochs"], run.tags, run.metrics["f1"]) == ("many", {"a": "1"}, 0.5)
    assert "loss" in run.metrics


def test_what_is_evaluated_afterwards_goes_into_the_same_run(tracked: Tracked, keras: ModuleType) -> None:
    callback = gtrack_keras().GtrackCallback()
    model = a_model(keras)
    model.fit(X, Y, epochs=1, verbose=0, callbacks=[callback])
    found = model.evaluate(X, Y, verbose=0, callbacks=[callback], return_dict=True)
    run = tracked.only()
    assert run.metrics["validation_loss"] == pytest.approx(found["loss"])
    assert not run.live
    other = gtrack_keras().GtrackCallback()
    model.evaluate(X, Y, verbose=0, callbacks=[other])
    _, second = tracked.runs()
    assert (second.id, second.live, set(second.metrics)) == (
        other.run_id,
        False,
        {"validation_loss", "validation_accuracy"},
    )


def test_a_training_that_was_left_by_an_error_is_failed_when_the_next_begins(
    tracked: Tracked, keras: ModuleType
) -> None:
    class Stops(keras.callbacks.Callback):  # type: ignore[misc,name-defined]  # Keras has no types
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise RuntimeError("no more")

    callback = gtrack_keras().GtrackCallback()
    with pytest.raises(RuntimeError, match="no more"):
        a_model(keras).fit(X, Y, epochs=3, verbose=0, callbacks=[callback, Stops()])
    a_model(keras).fit(X, Y, epochs=2, verbose=0, callbacks=[gtrack_keras().GtrackCallback()])
    left, whole = tracked.runs()
    assert (left.status, len(tracked.curve(left, "loss"))) == (Status.FAILED, 1)
    assert (whole.status, whole.parent, len(tracked.curve(whole, "loss"))) == (Status.FINISHED, None, 2)


def test_a_training_inside_a_training_leaves_the_outer_run_alone(tracked: Tracked, keras: ModuleType) -> None:
    class Probes(keras.callbacks.Callback):  # type: ignore[misc,name-defined]  # Keras has no types
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            a_model(keras).fit(X, Y, epochs=1, verbose=0, callbacks=[gtrack_keras().GtrackCallback()])

    callback = gtrack_keras().GtrackCallback()
    a_model(keras).fit(X, Y, epochs=1, verbose=0, callbacks=[callback, Probes()])
    run = tracked.only()
    assert (run.id, run.status) == (callback.run_id, Status.FINISHED)


@pytest.mark.parametrize(
    "given",
    [
        {"log_every_epoch": False},
        {"log_every_epoch": True, "log_every_n_steps": 2},
        {"log_every_n_steps": 0},
    ],
)
def test_rows_that_cannot_be(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match="log_every_n_steps"):
        gtrack_keras().GtrackCallback(**given)
    with pytest.raises(InvalidValue, match="log_every_n_steps"):
        gtrack_keras().autolog(**given)


def test_the_callback_tells_that_there_is_no_repository(keras: ModuleType) -> None:
    with pytest.raises(NotARepository):
        a_model(keras).fit(X, Y, verbose=0, callbacks=[gtrack_keras().GtrackCallback()])


# Autologging


def test_autologging_records_every_fit(tracked: Tracked, keras: ModuleType) -> None:
    plain = a_model(keras)
    keras.utils.set_random_seed(1)
    plain.fit(X, Y, epochs=2, batch_size=8, verbose=0)
    signature = inspect.signature(keras.Model.fit)
    gtrack_keras().autolog(extra_tags={"team": "churn"})
    keras.utils.set_random_seed(0)
    model = a_model(keras)
    mine: list[Any] = []
    keras.utils.set_random_seed(1)
    history = model.fit(X, Y, epochs=2, batch_size=8, verbose=0, callbacks=mine)
    assert mine == []
    assert (model.predict(X, verbose=0) == plain.predict(X, verbose=0)).all()
    assert inspect.signature(keras.Model.fit) == signature
    assert pickle.loads(pickle.dumps(keras.Model.fit)) == keras.Model.fit
    assert pickle.loads(pickle.dumps(history.model.fit)).__name__ == "fit"
    run = tracked.only()
    assert tracked.curve(run, "loss") == list(enumerate(history.history["loss"]))
    assert (run.params["batch_size"], run.params["epochs"], run.tags) == (8, 2, {"team": "churn"})
    assert [(one.name, one.rows) for one in run.inputs] == [("train", 32), ("train_target", 32)]
    assert "model/MLmodel" in tracked.artifacts(run)
    assert not run.warnings


def test_autologging_is_undone_and_leaves_a_users_callback_alone(tracked: Tracked, keras: ModuleType) -> None:
    gtrack_keras().autolog(log_models=False)
    callback = gtrack_keras().GtrackCallback()
    a_model(keras).fit(X, Y, verbose=0, callbacks=[callback])
    assert tracked.only().id == callback.run_id
    gtrack_keras().autolog(disable=True)
    assert "fit" not in vars(keras.Model)
    a_model(keras).fit(X, Y, verbose=0)
    assert len(tracked.runs()) == 1


def test_autologging_ends_a_run_that_an_error_left(tracked: Tracked, keras: ModuleType) -> None:
    class Stops(keras.callbacks.Callback):  # type: ignore[misc,name-defined]  # Keras has no types
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

    gtrack_keras().autolog()
    with pytest.raises(KeyboardInterrupt):
        a_model(keras).fit(X, Y, verbose=0, callbacks=[Stops()])
    assert (tracked.only().status, tracked.only().live) == (Status.KILLED, False)


def test_autologging_without_a_repository_is_one_warning(keras: ModuleType) -> None:
    gtrack_keras().autolog()
    with pytest.warns(UserWarning, match=r"Sequential.fit: not recorded: this training .*git repository") as told:
        a_model(keras).fit(X, Y, epochs=2, verbose=0)
    assert len([one for one in told if one.category is UserWarning]) == 1
    gtrack_keras().autolog(silent=True)
    a_model(keras).fit(X, Y, epochs=2, verbose=0)


def test_exclusive_leaves_the_users_run_alone(tracked: Tracked, keras: ModuleType) -> None:
    gtrack_keras().autolog(exclusive=True)
    with gtrack.start_run():
        a_model(keras).fit(X, Y, verbose=0)
    assert tracked.only().params == {}


def test_a_model_that_the_script_logs_takes_the_place_of_the_automatic_one(tracked: Tracked, keras: ModuleType) -> None:
    gtrack_keras().autolog()
    with gtrack.start_run() as run:
        model = a_model(keras)
        model.fit(X, Y, epochs=1, verbose=0)
        log_model(model, metadata={"mine": True})
    assert get_model_info(f"runs:/{run.id}/model").metadata == {"mine": True}

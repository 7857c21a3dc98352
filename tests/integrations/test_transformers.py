"""The callback for the Trainer of transformers, with a model made from a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import gtrack
from gtrack.errors import NotARepository
from gtrack.records import Status
from tests.integrations.conftest import Tracked

pytestmark = pytest.mark.slow  # transformers takes seconds to import


def a_trainer(directory: Path, *callbacks: Any, **more: Any) -> Any:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    config = BertConfig(vocab_size=20, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    rows = [{"input_ids": torch.tensor([1, 2, at]), "labels": torch.tensor(at % 2)} for at in range(8)]
    arguments = TrainingArguments(
        output_dir=str(directory / "output"),
        per_device_train_batch_size=4,
        report_to="none",
        use_cpu=True,
        save_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        **{"max_steps": 4, "logging_steps": 1, "seed": 1, **more},
    )
    return Trainer(
        model=BertForSequenceClassification(config),
        args=arguments,
        train_dataset=rows,
        eval_dataset=rows,
        callbacks=list(callbacks),
    )


def a_callback(**more: Any) -> Any:
    from gtrack.transformers import GtrackCallback

    return GtrackCallback(**more)


def test_a_training_is_recorded_in_a_run_of_its_own(tracked: Tracked, tmp_path: Path) -> None:
    from transformers import BertForSequenceClassification

    callback = a_callback(log_model=True, experiment="texts", run_name="first", tags={"team": "nlp"})
    trainer = a_trainer(tmp_path, callback)
    trainer.train()
    run = tracked.only()
    assert run.id == callback.run_id
    assert (run.name, run.experiment, run.tags) == ("first", "texts", {"team": "nlp"})
    assert (run.status, run.live) == (Status.FINISHED, False)
    assert (run.params["max_steps"], run.params["seed"], run.params["learning_rate"]) == (4, 1, 5e-5)
    model = run.params["model"]
    assert isinstance(model, dict)
    assert model["hidden_size"] == 16
    assert "hub_token" not in run.params
    logged = {row["step"]: row["loss"] for row in trainer.state.log_history if "loss" in row}
    assert dict(tracked.curve(run, "loss")) == pytest.approx(logged)
    assert list(logged) == [1, 2, 3, 4]
    assert run.metrics["train_loss"] == pytest.approx(trainer.state.log_history[-1]["train_loss"])
    loaded = BertForSequenceClassification.from_pretrained(_materialised(run, tracked, tmp_path))
    for name, weights in trainer.model.state_dict().items():
        assert (loaded.state_dict()[name] == weights).all()


def _materialised(run: gtrack.Run, tracked: Tracked, tmp_path: Path) -> Path:
    for path in tracked.artifacts(run):
        target = tmp_path / "kept" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gtrack.get_artifact(run.id, path))
    return tmp_path / "kept" / "model"


def test_what_is_evaluated_afterwards_goes_into_the_same_run(tracked: Tracked, tmp_path: Path) -> None:
    trainer = a_trainer(tmp_path, a_callback())
    trainer.train()
    found = trainer.evaluate()
    run = tracked.only()
    assert run.metrics["eval_loss"] == pytest.approx(found["eval_loss"])
    assert not run.live
    with gtrack.start_run("mine"):
        trainer.evaluate()
    _, mine = tracked.runs()
    assert set(mine.metrics) >= {"eval_loss"}


def test_an_evaluation_alone_has_a_run_too(tracked: Tracked, tmp_path: Path) -> None:
    a_trainer(tmp_path, a_callback()).evaluate()
    run = tracked.only()
    assert "eval_loss" in run.metrics
    assert (run.live, run.status) == (False, Status.FINISHED)


def test_the_active_run_is_used_and_left_open(tracked: Tracked, tmp_path: Path) -> None:
    trainer = a_trainer(tmp_path, a_callback(), max_steps=1)
    with gtrack.start_run("mine") as mine:
        gtrack.log_param("seed", "mine")
        with pytest.warns(UserWarning, match="the parameter seed is not recorded"):
            trainer.train()
        assert gtrack.active_run() is mine
    run = tracked.only()
    assert (run.name, run.params["seed"], run.params["max_steps"]) == ("mine", "mine", 1)
    assert "loss" in run.metrics


def test_every_training_has_a_run_and_one_that_an_error_left_is_failed(tracked: Tracked, tmp_path: Path) -> None:
    from transformers import TrainerCallback

    class Stops(TrainerCallback):  # type: ignore[misc]  # transformers is read without types
        def on_step_end(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("no more")

    trainer = a_trainer(tmp_path, a_callback(), Stops(), run_name="tried")
    with pytest.raises(RuntimeError, match="no more"):
        trainer.train()
    trainer.remove_callback(Stops)
    trainer.train()
    left, whole = tracked.runs()
    assert (left.status, whole.status) == (Status.FAILED, Status.FINISHED)
    assert (left.name, whole.name, whole.parent) == ("tried", "tried", None)


def test_only_the_main_process_logs(tracked: Tracked, tmp_path: Path) -> None:
    callback = a_callback()
    trainer = a_trainer(tmp_path, callback)
    trainer.state.is_world_process_zero = False
    callback.on_train_begin(trainer.args, trainer.state, trainer.control, model=trainer.model)
    callback.on_log(trainer.args, trainer.state, trainer.control, logs={"loss": 1.0})
    callback.on_train_end(trainer.args, trainer.state, trainer.control)
    assert tracked.runs() == []
    assert callback.run_id is None


def test_trials_of_a_search_are_runs_below_the_active_one(tracked: Tracked, tmp_path: Path) -> None:
    callback = a_callback()
    trainer = a_trainer(tmp_path, callback)
    state = trainer.state
    state.is_hyper_param_search = True
    with gtrack.start_run("search") as search:
        for trial in ("run-0", "run-1"):
            state.trial_name = trial
            callback.on_train_begin(trainer.args, state, trainer.control, model=trainer.model)
            callback.on_train_end(trainer.args, state, trainer.control)
        assert gtrack.active_run() is search
    assert [(run.name, run.parent) for run in tracked.runs()] == [
        ("search", None),
        ("run-0", search.id),
        ("run-1", search.id),
    ]


def test_there_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(NotARepository):
        a_trainer(tmp_path, a_callback()).train()

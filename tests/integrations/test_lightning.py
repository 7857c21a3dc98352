"""The logger for PyTorch Lightning, with real trainers of both of its packages."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import textwrap
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

import gtrack
from gtrack.errors import InvalidValue, NotARepository
from gtrack.records import Status
from tests.integrations.conftest import Tracked

pytestmark = [
    pytest.mark.slow,  # Lightning takes seconds to import
    # What Lightning and PyTorch say of each other and of this machine.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*treespec.*"),
    pytest.mark.filterwarnings("ignore:.*logging interval"),
    pytest.mark.filterwarnings("ignore:.*no `val_dataloader`"),
]


def a_logger(**more: Any) -> Any:
    from gtrack.lightning import GtrackLogger

    return GtrackLogger(**more)


def a_module(error: BaseException | None = None) -> Any:
    import lightning
    import torch

    class Line(lightning.LightningModule):  # type: ignore[misc]  # Lightning is read without types
        def __init__(self, lr: float = 0.1, optimizer: Any = None) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(4, 1)

        def _loss(self, batch: Any) -> Any:
            return self.layer(batch[0]).pow(2).mean()

        def training_step(self, batch: Any, index: int) -> Any:
            if error is not None and index == 1:
                raise error
            loss = self._loss(batch)
            self.log("loss", loss)
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("val_loss", self._loss(batch))

        def test_step(self, batch: Any, index: int) -> None:
            self.log("test_loss", self._loss(batch))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)

    return Line(lr=0.05, optimizer={"name": "sgd", "betas": (0.9, 0.99)})


def batches() -> Any:
    import torch

    rows = torch.utils.data.TensorDataset(torch.ones(8, 4))
    return torch.utils.data.DataLoader(rows, batch_size=4)


def a_trainer(logger: Any, *callbacks: Any, epochs: int = 2) -> Any:
    import lightning

    return lightning.Trainer(
        max_epochs=epochs,
        logger=logger,
        accelerator="cpu",
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=bool(callbacks),
        callbacks=list(callbacks),
    )


def test_a_training_is_recorded_in_a_run_of_its_own(tracked: Tracked) -> None:
    logger = a_logger(experiment_name="lines", run_name="first", tags={"team": "a"}, prefix="fit")
    trainer = a_trainer(logger)
    trainer.fit(a_module(), batches(), batches())
    run = tracked.only()
    assert (logger.run_id, logger.version, logger.name) == (run.id, run.id, "lines")
    assert (run.name, run.experiment, run.tags) == ("first", "lines", {"team": "a"})
    assert (run.status, run.live) == (Status.FINISHED, False)
    assert run.params == {"lr": 0.05, "optimizer": {"name": "sgd", "betas": [0.9, 0.99]}}
    assert [step for step, _ in tracked.curve(run, "fit-loss")] == [0, 1, 2, 3]
    assert [step for step, _ in tracked.curve(run, "fit-val_loss")] == [1, 3]
    assert not tracked.artifacts(run)


def test_what_is_tested_afterwards_goes_into_the_same_run(tracked: Tracked) -> None:
    trainer = a_trainer(a_logger())
    module = a_module()
    trainer.fit(module, batches())
    found = trainer.test(module, batches(), verbose=False)
    run = tracked.only()
    assert run.metrics["test_loss"] == pytest.approx(found[0]["test_loss"])
    assert (run.status, run.live) == (Status.FINISHED, False)


def test_the_active_run_is_used_and_verbs_log_beside(tracked: Tracked) -> None:
    with gtrack.start_run("mine") as mine:
        logger = a_logger(tags={"a": 1})
        trainer = a_trainer(logger, epochs=1)
        trainer.fit(a_module(), batches())
        assert logger.experiment is gtrack.active_run() is mine
        gtrack.log_metric("f1", 0.5)
    run = tracked.only()
    assert (run.name, run.params["lr"], run.metrics["f1"], run.tags) == ("mine", 0.05, 0.5, {"a": "1"})


def test_a_named_run_is_a_child_of_the_active_one(tracked: Tracked) -> None:
    with gtrack.start_run("folds") as folds:
        for fold in range(2):
            a_trainer(a_logger(run_name=f"fold {fold}"), epochs=1).fit(a_module(), batches())
        assert gtrack.active_run() is folds
    parent, *children = tracked.runs()
    assert parent.id == folds.id
    assert [(run.name, run.parent) for run in children] == [("fold 0", folds.id), ("fold 1", folds.id)]


def test_a_run_is_gone_on_with(tracked: Tracked) -> None:
    logger = a_logger()
    a_trainer(logger, epochs=1).fit(a_module(), batches())
    again = a_logger(run_id=logger.run_id[:8])
    again.log_metrics({"later": 1.0}, step=10)
    again.finalize("success")
    assert tracked.curve(tracked.only(), "later") == [(10, 1.0)]
    with gtrack.start_run("mine") as mine:
        joined = a_logger(run_id=mine.id)
        joined.log_metrics({"loss": 1.0})
        joined.finalize("success")
        assert gtrack.active_run() is mine


@pytest.mark.parametrize(
    ("error", "raised", "status"),
    [(RuntimeError("no more"), RuntimeError, Status.FAILED), (KeyboardInterrupt(), SystemExit, Status.KILLED)],
)
def test_a_training_that_is_left_by_an_error(
    tracked: Tracked, error: BaseException, raised: type[BaseException], status: Status
) -> None:
    import signal

    before = signal.getsignal(signal.SIGINT)
    logger = a_logger()
    try:
        with pytest.raises(raised):
            a_trainer(logger).fit(a_module(error), batches())
    finally:
        signal.signal(signal.SIGINT, before)  # Lightning shuts it off for good
    run = tracked.only()
    assert (run.status, run.live, gtrack.active_run()) == (status, False, None)
    a_trainer(logger).fit(a_module(), batches())
    assert (tracked.only().status, tracked.only().live) == (Status.FINISHED, False)


def test_the_checkpoints_at_the_end(tracked: Tracked, tmp_path: Path) -> None:
    from lightning.pytorch.callbacks import ModelCheckpoint

    keep = ModelCheckpoint(monitor="val_loss", save_last=True)
    a_trainer(a_logger(log_model=True, save_dir=tmp_path), keep).fit(a_module(), batches(), batches())
    run = tracked.only()
    best = Path(keep.best_model_path)
    assert best.is_relative_to(tmp_path / run.experiment / run.id / "checkpoints")
    assert tracked.artifacts(run) == {"checkpoints.json", f"checkpoints/{best.name}", "checkpoints/last.ckpt"}
    assert gtrack.get_artifact(run.id, f"checkpoints/{best.name}") == best.read_bytes()
    about = json.loads(gtrack.get_artifact(run.id, "checkpoints.json"))
    assert (about["best"], about["monitor"], about["mode"]) == (best.name, "val_loss", "min")
    assert about["scores"] == {best.name: pytest.approx(float(keep.best_model_score))}


def test_all_checkpoints_as_they_are_saved(tracked: Tracked, tmp_path: Path) -> None:
    from lightning.pytorch.callbacks import ModelCheckpoint

    keep = ModelCheckpoint(monitor="val_loss", mode="min", save_top_k=1, filename="{epoch}")
    a_trainer(a_logger(log_model="all", save_dir=tmp_path), keep, epochs=3).fit(a_module(), batches(), batches())
    kept = {path for path in tracked.artifacts(tracked.only()) if path.endswith(".ckpt")}
    assert kept == {f"checkpoints/epoch={epoch}.ckpt" for epoch in range(3)}
    assert len(list(tmp_path.rglob("*.ckpt"))) == 1


def test_hyperparameters_of_any_kind(tracked: Tracked) -> None:
    logger = a_logger()
    logger.log_hyperparams(Namespace(lr=0.1, model=Namespace(act=max, path=Path("a/b"), odd=object)))
    with pytest.warns(UserWarning, match="the parameter lr is not recorded: .*cannot become 0.2"):
        logger.log_hyperparams({"lr": 0.2, "depth": 3})
    logger.finalize("success")
    assert tracked.only().params == {
        "lr": 0.1,
        "depth": 3,
        "model": {"act": "max", "path": "a/b", "odd": "object"},
    }


def test_only_rank_zero_logs(tracked: Tracked, monkeypatch: pytest.MonkeyPatch) -> None:
    from lightning.pytorch.utilities.rank_zero import rank_zero_only

    logger = a_logger()
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger.log_metrics({"loss": 1.0})
    logger.log_hyperparams({"lr": 1})
    logger.experiment.log_bytes(b"", "x")
    logger.finalize("success")
    assert (logger.version, tracked.runs()) == (None, [])


def test_a_copy_logs_into_the_same_run_and_leaves_it_open(tracked: Tracked) -> None:
    logger = a_logger()
    logger.log_metrics({"loss": 2.0}, step=0)
    again = pickle.loads(pickle.dumps(logger))
    again.log_metrics({"loss": 1.0}, step=1)
    again.finalize("success")
    assert tracked.only().live
    logger.finalize("success")
    assert (tracked.curve(tracked.only(), "loss"), tracked.only().live) == ([(0, 2.0), (1, 1.0)], False)


def test_a_logger_that_was_not_used_leaves_nothing(tracked: Tracked) -> None:
    logger = a_logger(save_dir=None)
    logger.finalize("success")
    assert (tracked.runs(), logger.save_dir, logger.name) == ([], None, None)


def test_log_model_is_checked() -> None:
    with pytest.raises(InvalidValue, match="True, False or 'all', not 'best'"):
        a_logger(log_model="best")


def test_there_is_no_repository() -> None:
    with pytest.raises(NotARepository):
        a_logger().log_metrics({"loss": 1.0})


def test_the_other_package_of_lightning_in_another_process_with_the_run_of_this_one(tracked: Tracked) -> None:
    logger = a_logger()
    logger.log_metrics({"loss": 2.0}, step=100)
    script = textwrap.dedent("""
        import pickle
        import sys
        import pytorch_lightning as pl
        import torch
        from gtrack.lightning import GtrackLogger

        assert issubclass(GtrackLogger, pl.loggers.Logger)

        class Line(pl.LightningModule):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(4, 1)
            def training_step(self, batch, index):
                loss = self.layer(batch).mean()
                self.log("loss", loss)
                return loss
            def configure_optimizers(self):
                return torch.optim.SGD(self.parameters(), lr=0.1)

        logger = pickle.load(sys.stdin.buffer)
        pl.Trainer(max_epochs=1, logger=logger, accelerator="cpu", log_every_n_steps=1,
                   enable_progress_bar=False, enable_checkpointing=False).fit(
            Line(), torch.utils.data.DataLoader(torch.ones(8, 4), batch_size=4))
    """)
    subprocess.run([sys.executable, "-c", script], input=pickle.dumps(logger), check=True, cwd=tracked.root)
    assert tracked.only().live
    logger.finalize("success")
    run = tracked.only()
    assert (run.id, run.status, run.live) == (logger.run_id, Status.FINISHED, False)
    assert [step for step, _ in tracked.curve(run, "loss")] == [100, 0, 1]

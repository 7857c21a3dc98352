"""The trackers that are measured: each does the same four things in its own way.

All imports of a tracker are inside its methods: the worker imports only the one that it measures. To add one, write a class
with the methods of ``Peer`` and name it in ``PEERS``.
"""
# ruff: noqa: ARG002, D102 - every method does what ``Peer`` says, and not every tracker needs all that it is given

from __future__ import annotations

import json
import os
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from gtrack.formats.run_dir import HISTORY


class Peer(Protocol):
    """A tracker.

    Attributes:
        name: what the table calls it.
        module: what is imported; it is measured only where this is installed.
        verb: the name in it that begins a run; a module may load what this needs only when it is asked for.
    """

    name: str
    module: str
    verb: str

    def prepare(self, directory: Path) -> None:
        """Do what a user does once for a project, not once for a run; ``directory`` is a git repository."""

    def start(self, directory: Path) -> None:
        """Begin a run."""

    def log_params(self, values: Mapping[str, Any]) -> None:
        """Record the parameters of the run."""

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record a row of metrics."""

    def finish(self) -> None:
        """End the run, so that it is kept."""

    def kept(self, directory: Path) -> int:
        """Return how many rows a reader finds in ``directory``, where a process with one run was killed."""


class GTrack:
    """This project."""

    name = "gtrack"
    module = "gtrack"
    verb = "start_run"

    def prepare(self, directory: Path) -> None:
        os.chdir(directory)

    def start(self, directory: Path) -> None:
        import gtrack

        gtrack.start_run(experiment="bench")

    def log_params(self, values: Mapping[str, Any]) -> None:
        import gtrack

        gtrack.log_params(values)

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        import gtrack

        gtrack.log_metrics(values, step=step)

    def finish(self) -> None:
        import gtrack

        gtrack.end_run()

    def kept(self, directory: Path) -> int:
        from gtrack.project import Project

        project = Project.open(directory)
        with closing(project.repo.objects):
            project.recover()
            return sum(len(project.history(run_id)) for run_id in project.store.ids())


class JsonLines:
    """A buffered file with one JSON object a line: what nothing that keeps a row can be much faster than."""

    name = "JSONL file"
    module = "json"
    verb = "dumps"

    def prepare(self, directory: Path) -> None:
        pass

    def start(self, directory: Path) -> None:
        self._file = (directory / HISTORY).open("w")

    def log_params(self, values: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(values) + "\n")

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        self._file.write(json.dumps({"step": step, **values}) + "\n")

    def finish(self) -> None:
        self._file.close()

    def kept(self, directory: Path) -> int:
        return (directory / HISTORY).read_text().count("\n")


class Mlflow:
    """mlflow with its default store, an SQLite file."""

    name = "mlflow"
    module = "mlflow"
    verb = "start_run"

    def prepare(self, directory: Path) -> None:
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{directory}/mlflow.db")

    def start(self, directory: Path) -> None:
        import mlflow

        mlflow.start_run()

    def log_params(self, values: Mapping[str, Any]) -> None:
        import mlflow

        mlflow.log_params(dict(values))

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        import mlflow

        mlflow.log_metrics(dict(values), step=step)

    def finish(self) -> None:
        import mlflow

        mlflow.end_run()

    def kept(self, directory: Path) -> int:
        with sqlite3.connect(directory / "mlflow.db") as database:
            return int(database.execute("SELECT count(DISTINCT step) FROM metrics").fetchone()[0])


class Wandb:
    """wandb in its offline mode."""

    name = "wandb offline"
    module = "wandb"
    verb = "init"

    def prepare(self, directory: Path) -> None:
        pass

    def start(self, directory: Path) -> None:
        import wandb

        settings = wandb.Settings(silent=True, console="off")
        self._run = wandb.init(
            project="bench", mode="offline", dir=directory, settings=settings, reinit="finish_previous"
        )

    def log_params(self, values: Mapping[str, Any]) -> None:
        self._run.config.update(dict(values))

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def finish(self) -> None:
        self._run.finish()

    def kept(self, directory: Path) -> int:
        from wandb.proto.wandb_internal_pb2 import Record

        rows = 0
        for path in (directory / "wandb").glob("offline-run-*/*.wandb"):
            for data in _level_db_records(path.read_bytes()):
                rows += Record.FromString(data).WhichOneof("record_type") == "history"
        return rows


def _level_db_records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a LevelDB log, as a ``.wandb`` file is one with 7 bytes of its own in front.

    Blocks of 32 KiB; each piece of a record has a checksum (4 bytes), a length (2) and a kind (whole, first, middle, last).
    """
    block, whole, last = 32768, 1, 4
    position, record = 7, b""
    while position + 7 <= len(data):
        left_in_block = block - position % block
        if left_in_block < 7:
            position += left_in_block
            continue
        length, kind = struct.unpack_from("<HB", data, position + 4)
        piece = data[position + 7 : position + 7 + length]
        if kind == 0 or len(piece) < length:
            return
        record += piece
        position += 7 + length
        if kind in {whole, last}:
            yield record
            record = b""


class TensorboardX:
    """tensorboardX, with its scalars and the parameters as text."""

    name = "tensorboardX"
    module = "tensorboardX"
    verb = "SummaryWriter"

    def prepare(self, directory: Path) -> None:
        self._runs = 0

    def start(self, directory: Path) -> None:
        import tensorboardX

        self._runs += 1
        self._writer = tensorboardX.SummaryWriter(str(directory / "runs" / str(self._runs)))

    def log_params(self, values: Mapping[str, Any]) -> None:
        self._writer.add_text("params", json.dumps(values))

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def finish(self) -> None:
        self._writer.close()

    def kept(self, directory: Path) -> int:
        steps = set()
        for path in directory.glob("runs/*/events.*"):
            steps |= {step for step, names in _events(path.read_bytes()) if names}
        return len(steps)


def _events(data: bytes) -> list[tuple[int, int]]:
    """Return step and number of values of each event: a record is its length, a checksum, the event, a checksum."""
    from tensorboardX.proto.event_pb2 import Event

    events, position = [], 0
    while position + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, position)
        body = data[position + 12 : position + 12 + length]
        if len(body) < length:
            break
        event = Event.FromString(body)
        events.append((event.step, len(event.summary.value) if event.step else 0))
        position += 16 + length
    return events


class Trackio:
    """trackio, which keeps a run in a local SQLite file."""

    name = "trackio"
    module = "trackio"
    verb = "init"

    def prepare(self, directory: Path) -> None:
        os.environ["TRACKIO_DIR"] = str(directory / "trackio")

    def start(self, directory: Path) -> None:
        import trackio

        self._run = trackio.init(project="bench", embed=False, auto_log_gpu=False, auto_log_cpu=False)

    def log_params(self, values: Mapping[str, Any]) -> None:
        self._run.config.update(values)

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        import trackio

        trackio.log(dict(values), step=step)

    def finish(self) -> None:
        import trackio

        trackio.finish()

    def kept(self, directory: Path) -> int:
        rows = 0
        for path in (directory / "trackio").rglob("*.db"):
            with sqlite3.connect(path) as database:
                rows += database.execute("SELECT count(DISTINCT step) FROM metrics").fetchone()[0]
        return rows


class Dvclive:
    """dvclive, saving each run as a DVC experiment."""

    name = "dvclive"
    module = "dvclive"
    verb = "Live"

    def prepare(self, directory: Path) -> None:
        os.chdir(directory)
        if not (directory / ".dvc").exists():
            subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=directory, check=True)
            subprocess.run(["git", "commit", "--quiet", "--message", "dvc init"], cwd=directory, check=True)

    def start(self, directory: Path) -> None:
        import dvclive

        self._live = dvclive.Live(str(directory / "dvclive"), save_dvc_exp=True)

    def log_params(self, values: Mapping[str, Any]) -> None:
        self._live.log_params(dict(values))

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        self._live.step = step
        for name, value in values.items():
            self._live.log_metric(name, value)
        self._live.next_step()

    def finish(self) -> None:
        self._live.end()

    def kept(self, directory: Path) -> int:
        lines = [path.read_text().count("\n") - 1 for path in directory.glob("dvclive/plots/metrics/**/*.tsv")]
        return min(lines, default=0)


PEERS: tuple[Peer, ...] = (GTrack(), JsonLines(), TensorboardX(), Trackio(), Wandb(), Mlflow(), Dvclive())
"""In the order of the columns of the table."""


def is_installed(peer: Peer) -> bool:
    """Return whether the tracker can be measured here."""
    return find_spec(peer.module) is not None

"""A repository with many runs, made by one git fast-import stream: the ground that the benchmarks stand on.

``python -m benchmarks.generate DIRECTORY 1000`` makes one to look at.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO

from gtrack.capture.environment import capture
from gtrack.formats.history import RowEncoder
from gtrack.formats.names import ARTIFACTS, experiment_path, new_run_name, run_path
from gtrack.formats.run_dir import (
    ENVIRONMENT,
    HISTORY,
    METRICS,
    PARAMS,
    RUN,
    encode_experiment,
    encode_run,
)
from gtrack.formats.yamlio import dumps
from gtrack.records import CodeState, Experiment, Run, Status, Value

EXPERIMENT = "churn"
PARAMETERS = 10
METRICS_LOGGED = 5
ROWS = 100

_BRANCH = "refs/heads/gtrack/runs"
_TAGGED = "refs/heads/tagged"
_HISTORIES = 200
_RUNS_PER_COMMIT = 1000
_IDENTITY = "Ana <ana@example.org>"
_BEGIN = datetime(2025, 1, 1, tzinfo=timezone.utc)
_METRIC_NAMES = ("loss", "val/loss", "accuracy", "val/accuracy", "val/roc_auc")


def make_repository(directory: Path) -> str:
    """Make a repository with one commit of code in ``directory`` and return the id of the commit."""
    directory.mkdir(parents=True, exist_ok=True)
    _git(directory, "init", "--quiet", "--initial-branch=main")
    _git(directory, "config", "user.name", "Ana")
    _git(directory, "config", "user.email", "ana@example.org")
    (directory / "train.py").write_text("n_estimators = 100\nprint('accuracy: 0.9')\n")
    (directory / ".gitignore").write_text("__pycache__/\n")
    _git(directory, "add", "--all")
    _git(directory, "commit", "--quiet", "--message", "Train a forest")
    return _git(directory, "rev-parse", "HEAD")


def add_runs(directory: Path, count: int, seed: int = 0, rows: int = ROWS) -> None:
    """Add ``count`` runs to the runs branch of the repository in ``directory``, in the layout of the format.

    Every run has 10 parameters and 5 metrics of its own; histories are drawn from 200 different ones, and all share one
    environment, as runs of one machine do. 1,000 runs share a commit of the branch.

    Args:
        directory: top of a repository without a runs branch.
        count: how many runs.
        seed: the same seed makes the same runs, but for their names.
        rows: how many rows each history has.
    """
    code = CodeState(commit=_git(directory, "rev-parse", "HEAD"), branch="main")
    command = ["git", "-C", str(directory), "fast-import", "--quiet", "--done"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        _write_stream(process.stdin, count, rows, code, random.Random(seed))
        process.stdin.close()
        if process.wait() != 0:
            raise SystemExit(f"git fast-import failed with exit code {process.returncode}.")


def add_committed_runs(directory: Path, count: int, seed: int = 0, *, digits: int = 17, artifact: int = 0) -> None:
    """Add ``count`` runs to whatever the runs branch holds, each with the two commits that gtrack makes of a run.

    Args:
        directory: top of a repository.
        count: how many runs.
        seed: the same seed makes the same runs, but for their names; other seeds make other runs.
        digits: the digits that metrics in histories have; each run has a history of its own here.
        artifact: the size in bytes of an artifact of each run, which nothing can compress; none when 0.
    """
    head, chance = _git(directory, "rev-parse", "HEAD"), random.Random(f"committed {seed}")
    code = CodeState(commit=head, branch="main")
    tip = _git(directory, "for-each-ref", "--format=%(objectname)", _BRANCH)
    machine = dumps(capture()).encode()
    command = ["git", "-C", str(directory), "fast-import", "--quiet", "--done"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for number in range(count):
            run, files = _committed_run(number, code, chance, digits)
            files[ENVIRONMENT] = machine
            if artifact:
                files[f"{ARTIFACTS}/weights.bin"] = chance.randbytes(artifact)
            seconds = int(run.ended.timestamp()) if run.ended else 0
            message = f"{run.experiment}: {run.name} {run.status}\n\nRun: {run.id}\nExperiment: {run.experiment}\n"
            head_lines = f"committer {_IDENTITY} {seconds} +0000\ndata {len(message)}\n{message}"
            top = run_path(run.experiment, run.id)
            changes = b"".join(_inline(f"{top}/{name}", data) for name, data in files.items())
            own = f"commit refs/gtrack/own\nmark :{number + 1}\n{head_lines}from {head}\n"
            process.stdin.write(own.encode() + changes + b"\n")
            before = "" if number or not tip else f"from {tip}\n"
            process.stdin.write(
                f"commit {_BRANCH}\n{head_lines}{before}merge :{number + 1}\n".encode() + changes + b"\n"
            )
        process.stdin.write(f"reset refs/gtrack/own\nfrom {'0' * len(head)}\n\ndone\n".encode())
        process.stdin.close()
        if process.wait() != 0:
            raise SystemExit(f"git fast-import failed with exit code {process.returncode}.")


def add_registry(directory: Path, count: int, models: int = 10) -> None:
    """Add ``count`` registry tags to the repository in ``directory``: half of them versions, half assignments to stages.

    Each version is on a commit of its own, as the run commits are that gtrack makes.

    Args:
        directory: top of a repository.
        count: how many tags.
        models: among how many models they are shared.
    """
    commit = _git(directory, "rev-parse", "HEAD")
    command = ["git", "-C", str(directory), "fast-import", "--quiet", "--done"]
    stream = []
    for number in range(count // 2):
        model, version = f"model-{number % models}", number // models + 1
        stream.append(
            f"commit {_TAGGED}\nmark :{number + 1}\ncommitter {_IDENTITY} 0 +0000\ndata 1\nx\nfrom {commit}\n\n"
        )
        stage = ("staging", "production")[version % 2]
        about = f"Run: {number:032x}\nArtifact: model\nModel-Version: {version}\nMetrics: f1=0.{900 + number % 100}"
        for name in (f"{model}@v{version}.0.0", f"{model}#{stage}#{version}"):
            message = f"{name}\n\n{about}\n"
            when = int(_BEGIN.timestamp()) + number
            stream.append(
                f"tag {name}\nfrom :{number + 1}\ntagger {_IDENTITY} {when} +0000\ndata {len(message)}\n{message}\n"
            )
    subprocess.run(command, input="".join([*stream, "done\n"]).encode(), check=True)
    _git(directory, "pack-refs", "--all")


def _write_stream(out: IO[bytes], count: int, rows: int, code: CodeState, chance: random.Random) -> None:
    histories = [_history(random.Random(number), rows) for number in range(min(count, _HISTORIES))]
    for mark, data in enumerate([dumps(capture()).encode(), *histories], start=1):
        out.write(b"blob\nmark :%d\ndata %d\n%s\n" % (mark, len(data), data))
    for first in range(0, count, _RUNS_PER_COMMIT):
        size = min(_RUNS_PER_COMMIT, count - first)
        seconds = int((_BEGIN + timedelta(minutes=first + size)).timestamp())
        subject = f"{EXPERIMENT}: {size} runs"
        out.write(f"commit {_BRANCH}\ncommitter {_IDENTITY} {seconds} +0000\ndata {len(subject)}\n{subject}\n".encode())
        if first == 0:
            about = encode_experiment(Experiment(EXPERIMENT, created=_BEGIN, purpose="who leaves, and why"))
            out.write(_inline(experiment_path(EXPERIMENT), about))
        for number in range(first, first + size):
            out.writelines(_run_files(number, code, chance, len(histories)))
    out.write(b"done\n")


def _committed_run(number: int, code: CodeState, chance: random.Random, digits: int) -> tuple[Run, dict[str, bytes]]:
    run, rows = _new_run(number, code, chance), _rows(chance, ROWS, digits)
    files = {
        RUN: encode_run(run),
        PARAMS: dumps(parameters(chance)).encode(),
        METRICS: dumps(dict(rows[-1])).encode(),
        HISTORY: _encoded(rows),
    }
    return run, files


def _run_files(number: int, code: CodeState, chance: random.Random, histories: int) -> Iterator[bytes]:
    run = _new_run(number, code, chance)
    top = run_path(EXPERIMENT, run.id)
    yield _inline(f"{top}/{RUN}", encode_run(run))
    yield _inline(f"{top}/{PARAMS}", dumps(parameters(chance)).encode())
    yield _inline(f"{top}/{METRICS}", dumps(metrics(chance)).encode())
    yield f"M 100644 :{2 + number % histories} {top}/{HISTORY}\nM 100644 :1 {top}/{ENVIRONMENT}\n".encode()


def _new_run(number: int, code: CodeState, chance: random.Random) -> Run:
    run_id = f"{chance.getrandbits(128):032x}"
    started = _BEGIN + timedelta(minutes=number, microseconds=chance.randrange(10**6))
    return Run(
        id=run_id,
        name=new_run_name(),
        experiment=EXPERIMENT,
        status=Status.FINISHED if chance.random() < 0.95 else Status.FAILED,
        started=started,
        ended=started + timedelta(seconds=chance.uniform(1, 600)),
        user=_IDENTITY,
        host="box",
        command=("python", "train.py"),
        exit_code=0,
        code=code,
        tags={"team": chance.choice(["red", "blue"])},
    )


def parameters(chance: random.Random) -> dict[str, Value]:
    """Return the ten parameters of one run."""
    return {
        "n_estimators": chance.choice([50, 100, 200, 500]),
        "max_depth": chance.choice([None, 4, 8, 16]),
        "learning_rate": round(10 ** chance.uniform(-4, -1), 6),
        "subsample": round(chance.uniform(0.5, 1), 3),
        "criterion": chance.choice(["gini", "entropy", "log_loss"]),
        "bootstrap": chance.random() < 0.5,
        "class_weight": chance.choice([None, "balanced"]),
        "min_samples_leaf": chance.randrange(1, 20),
        "max_features": chance.choice(["sqrt", "log2", 0.5]),
        "seed": chance.randrange(1000),
    }


def metrics(chance: random.Random) -> dict[str, float]:
    """Return the five metrics of one row."""
    return {name: chance.random() for name in _METRIC_NAMES}


def _history(chance: random.Random, count: int) -> bytes:
    return _encoded(_rows(chance, count))


def _rows(chance: random.Random, count: int, digits: int = 17) -> list[dict[str, float]]:
    found = []
    for step in range(count):
        loss = math.exp(-step / 30) + chance.gauss(0, 0.02)
        values = (loss, loss * 1.1, 1 - loss / 2, 1 - loss / 1.8, 1 - loss / 3)
        found.append({name: float(f"{one:.{digits}g}") for name, one in zip(_METRIC_NAMES, values, strict=True)})
    return found


def _encoded(rows: list[dict[str, float]]) -> bytes:
    encoder, begin = RowEncoder(), _BEGIN.timestamp()
    return b"".join(encoder.encode(step, begin + step, row) for step, row in enumerate(rows))


def _inline(path: str, data: bytes) -> bytes:
    return b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data)


def _git(directory: Path, *args: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", "-C", str(directory), *args], env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> None:
    """Make a repository with runs, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="where to make the repository; it must not exist")
    parser.add_argument("count", type=int, help="number of runs")
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same runs (default: 0)")
    options = parser.parse_args()
    if options.directory.exists():
        parser.error(f"{options.directory} exists")
    make_repository(options.directory)
    add_runs(options.directory, options.count, options.seed)


if __name__ == "__main__":
    main()

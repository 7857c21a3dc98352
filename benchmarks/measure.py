"""What is measured, and how: each function starts fresh processes in fresh repositories and returns numbers."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.generate import ROWS, add_registry, add_runs, make_repository
from benchmarks.peers import Peer

ROOT = Path(__file__).resolve().parent.parent
_SETTLE = 2.0
_TIMEOUT = 300
_TURNS = 5


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes:
        repeats: how often what is fast enough is repeated; medians are taken.
        rows: rows of metrics in one run.
        few: stored runs in the small repository.
        some: stored runs in the repository that is listed.
        many: stored runs in the large repository.
        found: runs that are asked for in MLflow.
        long: rows in each of a hundred long histories.
        tags: tags of the model registry.
        cloned: runs that are cloned, without their artifacts.
        cloned_mb: MB of these artifacts.
        large_mb: MB of a large artifact.
    """

    repeats: int = 20
    rows: int = 10_000
    few: int = 100
    some: int = 1_000
    many: int = 100_000
    found: int = 10_000
    long: int = 10_000
    tags: int = 5_000
    cloned: int = 10_000
    cloned_mb: int = 10_000
    large_mb: int = 1_000


QUICK = Size(
    repeats=5,
    rows=2_000,
    many=10_000,
    found=300,
    long=1_000,
    cloned=1_000,
    cloned_mb=200,
    large_mb=200,
)


class NotMeasured(Exception):
    """A measurement failed; the message is what the process said last."""


def work(task: str, peer: Peer, directory: Path, number: int) -> dict[str, float]:
    """Do a task of ``benchmarks.work`` in a process of its own and return what it found.

    Raises:
        NotMeasured: it failed, or took more than five minutes.
    """
    command = [sys.executable, "-m", "benchmarks.work", task, peer.name, str(directory), str(number)]
    done = _run(command, ROOT)
    return {} if task == "kill" else _found(done, f"{peer.name}, {task}")


def finding(task: str, directory: Path, **variables: str) -> dict[str, float]:
    """Do a task of ``benchmarks.finding`` in a process of its own, with variables of its environment; return what it found.

    Raises:
        NotMeasured: it failed, or took more than fifteen minutes.
    """
    command = [sys.executable, "-m", "benchmarks.finding", task, str(directory)]
    return _found(_run(command, ROOT, 3 * _TIMEOUT, **variables), task)


def grid(tracker: str, mode: str, directory: Path) -> float:
    """Return the seconds of ``benchmarks.grid`` in a process of its own.

    Raises:
        NotMeasured: it failed, or took more than fifteen minutes.
    """
    command = [sys.executable, "-m", "benchmarks.grid", tracker, mode, str(directory)]
    return _found(_run(command, ROOT, 3 * _TIMEOUT), f"{tracker}, grid, {mode}")["seconds"]


def kept_megabytes(directory: Path) -> float:
    """Return how much a repository holds after ``git gc``, or a directory as it is."""
    if (directory / ".git").is_dir():
        _run(["git", "gc", "--quiet", "--prune=now"], directory)
        directory /= ".git/objects"
    return megabytes_in(directory)


def megabytes_in(directory: Path) -> float:
    """Return how much all files below a directory hold."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) / 1e6


def _found(done: subprocess.CompletedProcess[str], what: str) -> dict[str, float]:
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        raise NotMeasured(f"{what}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    found: dict[str, float] = json.loads(lines[-1])
    return found


def _run(
    command: Sequence[str], directory: Path, timeout: float = _TIMEOUT, **variables: str
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=directory,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotMeasured(f"{' '.join(command[:4])}: no end after {timeout:.0f} s") from error


def import_seconds(peer: Peer, size: Size) -> float:
    """Return the seconds that it takes in a fresh interpreter with warm caches until the verb that begins a run is there."""
    program = (
        f"import time; start = time.perf_counter(); from {peer.module} import {peer.verb}; "
        "print(time.perf_counter() - start)"
    )
    times = []
    for _ in range(max(3, size.repeats // 4) + 1):
        done = _run([sys.executable, "-c", program], ROOT)
        if done.returncode != 0:
            raise NotMeasured(f"import {peer.module}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        times.append(float(done.stdout.split()[-1]))
    return statistics.median(times[1:])


def run_seconds(peer: Peer, size: Size, place: Path) -> float:
    """Return the seconds of a complete run of 10 parameters and 5 metrics, in a process that has had one before."""
    make_repository(place)
    return work("runs", peer, place, size.repeats)["seconds"]


def row_rates(peer: Peer, size: Size, place: Path) -> tuple[float, float]:
    """Return rows of 5 metrics a second: of the calls alone, and with the end of the run, when they are kept."""
    make_repository(place)
    found = work("rows", peer, place, size.rows)
    return found["rate"], found["rows"] / (found["rows"] / found["rate"] + found["finish"])


def kept_after_kill(peer: Peer, size: Size, place: Path) -> tuple[int, int]:
    """Return how many rows are left, and how many were logged, of a process that SIGKILL hit after its last call."""
    make_repository(place)
    work("kill", peer, place, size.rows)
    time.sleep(_SETTLE)  # a helper process of the tracker may still be writing
    found = work("kept", peer, place, 0)
    return int(found["kept"]), int(found["logged"])


def commit_seconds(peer: Peer, size: Size, few: Path, many: Path) -> tuple[float, float, float]:
    """Return the seconds in which the end of a run commits it, in a repository with few runs and in one with many.

    The two are measured in turn, so that both see the same machine; the third number is the median of the ratios.
    """
    times: dict[Path, list[float]] = {few: [], many: []}
    for _ in range(_TURNS):
        for place, found in times.items():
            found.append(work("runs", peer, place, size.repeats)["finish"])
    ratio = statistics.median(late / early for early, late in zip(times[few], times[many], strict=True))
    return statistics.median(times[few]), statistics.median(times[many]), ratio


def launch_overhead(size: Size, place: Path) -> float:
    """Return the seconds that ``gtrack run`` of an empty script takes beyond ``python`` of it."""
    (place / "empty.py").touch()
    _run(["git", "add", "empty.py"], place)
    _run(["git", "commit", "--quiet", "--message", "Add an empty script"], place)
    plain, tracked = [], []
    for _ in range(max(5, size.repeats // 2)):
        plain.append(timed([sys.executable, "empty.py"], place))
        tracked.append(timed([*gtrack_command(), "run", "empty.py"], place))
    return statistics.median(tracked) - statistics.median(plain)


def command_seconds(size: Size, place: Path, *words: str) -> float:
    """Return the seconds of a command of gtrack, from its start to its end."""
    return statistics.median(timed([*gtrack_command(), *words], place) for _ in range(max(5, size.repeats // 2)))


def gtrack_command() -> list[str]:
    """Return the installed command beside this Python, or the module."""
    script = shutil.which("gtrack", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "gtrack"]


def timed(command: Sequence[str], directory: Path) -> float:
    """Return the seconds of a command, from its start to its end.

    Raises:
        NotMeasured: it failed.
    """
    start = time.perf_counter()
    done = _run(command, directory)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise NotMeasured(f"{' '.join(command)}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return seconds


def stored(place: Path, count: int, rows: int = ROWS) -> Path:
    """Make a repository with ``count`` runs at ``place`` and return it."""
    make_repository(place)
    add_runs(place, count, rows=rows)
    return place


def registered(place: Path, tags: int) -> Path:
    """Make a repository with registry tags at ``place`` and return it."""
    make_repository(place)
    add_registry(place, tags)
    return place

"""The measured process: ``python -m benchmarks.work TASK PEER DIRECTORY NUMBER`` prints one JSON object.

A process of its own for each measurement, so that none warms up, or slows down, another.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.generate import metrics, parameters
from benchmarks.peers import PEERS, Peer

_BUDGET = 20.0
"""Seconds after which a slow peer is not measured any longer."""


def measure_runs(peer: Peer, directory: Path, number: int) -> dict[str, float]:
    """Return the median seconds of complete runs of 10 parameters and 5 metrics, and of ``finish`` alone.

    The first run is not counted: it pays for what a process pays once.
    """
    chance = random.Random(0)
    peer.prepare(directory)
    whole, finish = [], []
    end = time.perf_counter() + _BUDGET
    for _ in range(number + 1):
        values, row = parameters(chance), metrics(chance)
        start = time.perf_counter()
        peer.start(directory)
        peer.log_params(values)
        peer.log_metrics(row, 0)
        before = time.perf_counter()
        peer.finish()
        now = time.perf_counter()
        whole.append(now - start)
        finish.append(now - before)
        if now > end:
            break
    return {"seconds": statistics.median(whole[1:] or whole), "finish": statistics.median(finish[1:] or finish)}


def measure_rows(peer: Peer, directory: Path, number: int) -> dict[str, float]:
    """Return how many rows of 5 metrics a second the calls take, and the seconds that the end takes."""
    peer.prepare(directory)
    peer.start(directory)
    count, seconds = _log_rows(peer, number)
    start = time.perf_counter()
    peer.finish()
    return {"rate": count / seconds, "rows": count, "finish": time.perf_counter() - start}


def _log_rows(peer: Peer, number: int) -> tuple[int, float]:
    chance = random.Random(0)
    rows = [metrics(chance) for _ in range(1000)]
    start = time.perf_counter()
    count = 0
    for step in range(1, number + 1):
        peer.log_metrics(rows[step % 1000], step)
        count = step
        if not step % 100 and time.perf_counter() - start > _BUDGET:
            break
    return count, time.perf_counter() - start


def measure_kill(peer: Peer, directory: Path, number: int) -> dict[str, float]:
    """Log rows and die by SIGKILL at once; the number of rows is in the file ``logged``."""
    peer.prepare(directory)
    peer.start(directory)
    count, _ = _log_rows(peer, number)
    (directory / ".logged").write_text(str(count))
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def measure_kept(peer: Peer, directory: Path, _number: int) -> dict[str, float]:
    """Return how many rows are left of those that ``measure_kill`` logged."""
    return {"kept": peer.kept(directory), "logged": int((directory / ".logged").read_text())}


TASKS: dict[str, Callable[[Peer, Path, int], dict[str, float]]] = {
    "runs": measure_runs,
    "rows": measure_rows,
    "kill": measure_kill,
    "kept": measure_kept,
}


def main() -> None:
    """Do one task and print what was found as the last line of stdout."""
    task, name, directory, number = sys.argv[1:]
    peer = next(peer for peer in PEERS if peer.name == name)
    with contextlib.redirect_stdout(sys.stderr):  # the peers talk
        found = TASKS[task](peer, Path(directory), int(number))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()

"""THREADS threads with RUNS runs each, every one with values of its own; prints `id mark` for each."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import gtrack


def work(thread: int) -> None:
    for number in range(int(sys.argv[3])):
        mark = f"{sys.argv[1]}-{thread}-{number}"
        with gtrack.start_run(mark, experiment=f"engine {sys.argv[1]}") as run:
            gtrack.log_param("mark", mark)
            for step in range(50):
                gtrack.log_metrics({"thread": float(thread), "number": float(number)}, step=step)
            gtrack.set_tag("mark", mark)
            gtrack.log_text(mark, f"marks/{mark}.txt")
        print(f"{run.id} {mark}\n", end="", flush=True)


threads = int(sys.argv[2])
with ThreadPoolExecutor(threads) as pool:
    list(pool.map(work, range(threads)))

"""A run that prints its id and goes on until a line comes in."""

from __future__ import annotations

import sys

import gtrack

with gtrack.start_run(*sys.argv[1:], experiment="engine") as run:
    gtrack.log_metric("loss", 0.5, step=0)
    print(run.id, flush=True)
    sys.stdin.readline()
    gtrack.log_metric("loss", 0.25, step=1)

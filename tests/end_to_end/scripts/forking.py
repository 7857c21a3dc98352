"""A run whose forked child logs and leaves by the front door."""

from __future__ import annotations

import gc
import os
import sys

import gtrack

with gtrack.start_run(experiment="engine") as run:
    gtrack.log_metric("parent", 1.0, step=0)
    print(run.id, flush=True)
    child = os.fork()
    if child == 0:
        gtrack.log_metric("child", 1.0, step=0)
        del run
        gc.collect()
        sys.exit(0)
    os.waitpid(child, 0)
    print("child gone", flush=True)
    sys.stdin.readline()
    gtrack.log_metric("parent", 2.0, step=1)

"""A run with an artifact that does not compress; prints its id before it ends."""

from __future__ import annotations

import resource
import sys
from random import Random

import gtrack

with gtrack.start_run("big", experiment="engine") as run:
    for number in range(200):
        gtrack.log_metric("loss", 0.5, step=number)
    run.log_bytes(Random(0).randbytes(300_000), "model.bin")
    print(run.id, flush=True)
    # From here on the disk is full, as it were: no file of this process or its children grows above so many bytes.
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))

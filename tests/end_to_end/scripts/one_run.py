"""One whole run; prints its id."""

from __future__ import annotations

import sys

import gtrack

with gtrack.start_run(*sys.argv[1:], experiment="engine") as run:
    gtrack.log_param("lr", 0.1)
    for step in range(3):
        gtrack.log_metric("loss", 1 / (step + 1), step=step)
    gtrack.log_text("hello\n", "notes/hello.txt")
print(run.id)

"""A run that prints its id, ends as soon as a line comes in, and prints `done` when it is in git."""

from __future__ import annotations

import sys

import gtrack

run = gtrack.start_run("ends", experiment="engine")
gtrack.log_param("lr", 0.1)
for step in range(100):
    gtrack.log_metric("loss", 1 / (step + 1), step=step)
gtrack.log_text("hello\n" * 1000, "notes/hello.txt")
print(run.id, flush=True)
sys.stdin.readline()
gtrack.end_run()
print("done", flush=True)

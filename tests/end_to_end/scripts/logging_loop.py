"""Log for ever, and say after each call what it was: `step`, once it is logged."""

from __future__ import annotations

import os
import sys

import gtrack

run = gtrack.start_run("loop", experiment="engine")
gtrack.log_params({"lr": 0.1, "layers": [1, 2]})
os.write(1, f"{run.id}\n".encode())
step = 0
while True:
    if sys.argv[1] == "rows":
        gtrack.log_metrics({"loss": 1 / (step + 1), "val": float(step)}, step=step)
    else:
        gtrack.log_param(f"p{step}", step)
        gtrack.log_metric(f"m{step}", step)
    os.write(1, f"{step}\n".encode())
    step += 1

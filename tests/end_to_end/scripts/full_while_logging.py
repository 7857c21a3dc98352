"""Log until an error comes, of which the first word is printed; then end the run as well as it goes."""

from __future__ import annotations

import sys

import gtrack

run = gtrack.start_run("full", experiment="engine")
logged = 0
try:
    while True:
        if sys.argv[1] == "rows":
            gtrack.log_metrics({"loss": 0.5}, step=logged)
        elif sys.argv[1] == "params":
            gtrack.log_param(f"parameter {logged:08}", "x" * 90)
        else:
            gtrack.log_text("x" * 2000 * logged, f"{logged}.txt")
        logged += 1
except gtrack.GTrackError as error:
    print(run.id, logged, f"{type(error).__name__}: {error}", sep="\n")
run.directory.joinpath("output.log").unlink(missing_ok=True)
gtrack.end_run("failed")

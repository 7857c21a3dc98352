"""A run that keeps the files that it is given; prints its id."""

from __future__ import annotations

import sys

import gtrack

with gtrack.start_run(experiment="engine") as run:
    for path in sys.argv[1:]:
        gtrack.log_artifact(path)
print(run.id)

"""A run whose block raises."""

from __future__ import annotations

import gtrack

with gtrack.start_run(experiment="engine"):
    gtrack.log_param("lr", 1 / 0)

"""Log into files that lie on a full device."""

from __future__ import annotations

import gtrack

run = gtrack.start_run(experiment="engine")
print(run.id)
for name in ("params.yaml", "metrics.yaml", "history.yaml"):
    run.directory.joinpath(name).symlink_to("/dev/full")
for call in (
    lambda: gtrack.log_param("lr", 0.1),
    lambda: gtrack.log_metric("f1", 0.5),
    lambda: gtrack.log_metric("loss", 0.5, step=0),
):
    try:
        call()
    except gtrack.GTrackError as error:
        print(f"{type(error).__name__}: {error}")
for name in ("params.yaml", "metrics.yaml", "history.yaml"):
    run.directory.joinpath(name).unlink()
gtrack.end_run()

"""Print id and status of every run that is here, and whether it is live."""

from __future__ import annotations

from gtrack.project import Project

project = Project.open()
for run in [*(live.run() for live in project.live.directories()), *project.store.runs()]:
    print(run.id, run.status, *(["live"] if run.live else []))

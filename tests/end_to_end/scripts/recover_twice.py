"""What `gtrack recover` does, and does again: the second time there must be nothing left to do."""

from __future__ import annotations

from gtrack.project import Project

for time in range(2):
    if time:
        print("then")
    for found in Project.open().recover():
        print(found.run.id, found.run.status, *([f"({found.error})"] if found.error else []))

"""What `gtrack recover` does: print id and status of every dead run, and why one could not be committed."""

from __future__ import annotations

from gtrack.project import Project

for found in Project.open().recover():
    print(found.run.id, found.run.status, *([f"({found.error})"] if found.error else []))

"""Change the tags of a run that has ended."""

from __future__ import annotations

import sys

from gtrack.project import Project

project = Project.open()
for colour in ("red", "blue"):
    project.store.edit(
        sys.argv[1], lambda head, colour=colour: head["tags"].update(colour=colour), f"tag colour={colour}"
    )

"""Register a model that came from no run: it gets one of its own, with the model as its artifact."""

from __future__ import annotations

import sys
from pathlib import Path

from gtrack.models.mlmodel import MLMODEL
from gtrack.project import Project
from gtrack.records import ModelVersion
from gtrack.registry.tag_names import check_bump, check_model, check_version
from gtrack.registry.writing import Terms
from gtrack.store.artifacts import walk
from gtrack.writer import ActiveRun

_ARTIFACT = "model"


def is_model_directory(path: str) -> bool:
    """Tell whether there is a model directory at ``path``."""
    return Path(path, MLMODEL).is_file()


def register_directory(
    project: Project,
    path: str,
    name: str,
    *,
    bump: str = "major",
    version: str | None = None,
    reason: str | None = None,
    terms: Terms | None = None,
) -> ModelVersion:
    """Make a run that holds a model directory, and register it.

    Args:
        project: where.
        path: the model directory.
        name: the model that it is a version of.
        bump: as for ``Registry.register``.
        version: likewise.
        reason: likewise.
        terms: how the tag is made.

    Raises:
        InvalidName: ``name`` or ``version`` is outside the grammar.
        ArtifactError: the directory holds what is no file, or cannot be read.
        GTrackError: the run cannot be written, or not be registered.
    """
    check_model(name)
    check_bump(bump)
    if version is not None:
        check_version(version)
    files = list(walk(Path(path)))
    with ActiveRun.start(
        project, tags={"registered_from": path}, notes=reason, command=[sys.executable, *sys.argv]
    ) as run:
        for inside, file in files:
            run.log_artifact(file, f"{_ARTIFACT}/{inside}")
    return project.registry.register(
        name, run.id, _ARTIFACT, bump=bump, version=version, reason=reason, terms=terms or Terms()
    )

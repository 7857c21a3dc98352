"""Which runs are model versions: those that neither a rule nor a purge takes away."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gtrack.project import Project


def registered_runs(project: Project) -> set[str]:
    """Return the ids of the runs that a version of any model is of, those that were taken back among them."""
    models = project.registry_reader.ledger().models.values()
    return {one.run_id for model in models for one in (*model.versions, *model.withdrawn) if one.run_id is not None}

"""One registered model with all its versions, and the run of each as its tag holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gtrack.ops.lineage import runs_held
from gtrack.ops.model_stages import Placing, placings
from gtrack.records import ModelVersion, RegisteredModel, Run
from gtrack.registry.lookup import known_model
from gtrack.registry.tag_names import check_model

if TYPE_CHECKING:
    from gtrack.project import Project


@dataclass(frozen=True)
class ModelOverview:
    """A model and its versions.

    Attributes:
        model: the model.
        versions: those that are told, the newest first, the ones that were taken back among them.
        total: how many there are in all.
        runs: version number to its run as its tag's commit holds it; not of versions whose run is not here.
        placings: what is in each stage.
    """

    model: RegisteredModel
    versions: tuple[ModelVersion, ...] = ()
    total: int = 0
    runs: Mapping[int, Run] = field(default_factory=dict)
    placings: tuple[Placing, ...] = ()


def model_overview(project: Project, name: str, limit: int | None = None) -> ModelOverview:
    """Return a model with its versions.

    Args:
        project: where it is registered.
        name: the model.
        limit: how many versions at the most, the newest; all when None.

    Raises:
        InvalidName: nothing can be called so.
        ModelNotFound: no model is; the message names the nearest.
    """
    ledger = project.registry_reader.ledger(check_model(name))
    model = ledger.models.get(name) or known_model(project.registry_reader.ledger(), name)
    versions = sorted((*model.versions, *model.withdrawn), key=lambda one: one.version, reverse=True)
    shown = tuple(versions[:limit])
    return ModelOverview(
        model,
        shown,
        total=len(versions),
        runs=runs_held(project, shown),
        placings=tuple(placings(model, ledger.events[name])),
    )

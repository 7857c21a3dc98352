"""What is known of a model without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gtrack.models.signature import ModelSignature

PYTHON_FUNCTION = "python_function"


@dataclass(frozen=True)
class ModelInfo:
    """A written model.

    Attributes:
        flavours: flavour to what its loader needs, as in ``MLmodel``; ``python_function`` is how others serve it.
        artifact_path: where it lies below the artifacts of its run.
        model_uri: ``runs:/ID/path``; None for a directory that belongs to no run.
        run_id: of the run that logged it; None without one.
        signature: columns or tensors that go in and come out; None when nobody said.
        model_uuid: 32 hexadecimal digits, different for each one written.
        utc_time_created: such as ``2026-11-22 19:40:01.123456``.
        requirements: the lines of ``requirements.txt``.
        metadata: what its author added.
        registered_model_version: the version it was registered as, None when it was not, or not yet.
        example: what ``MLmodel`` says of the input example; None without one.
        digests: sha256 of the files whose loading can run code, taken from the bytes as they were written; empty where
            the model was only read.
    """

    flavours: Mapping[str, Mapping[str, Any]]
    artifact_path: str = "model"
    model_uri: str | None = None
    run_id: str | None = None
    signature: ModelSignature | None = None
    model_uuid: str | None = None
    utc_time_created: str | None = None
    requirements: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    registered_model_version: int | None = None
    example: Mapping[str, Any] | None = None
    digests: tuple[str, ...] = ()

    @property
    def flavors(self) -> Mapping[str, Mapping[str, Any]]:
        """The flavours, as MLflow spells them."""
        return self.flavours

"""Whether a run has the model that is to be registered."""

from __future__ import annotations

from collections.abc import Sequence

from gtrack.errors import ArtifactNotFound

_MODEL_FILE = "/MLmodel"


def check_artifact(paths: Sequence[str], run: str, wanted: str) -> None:
    """Check that a run has something at a path, a file or a directory.

    Args:
        paths: of all artifacts of the run.
        run: what the message calls it.
        wanted: the path.

    Raises:
        ArtifactNotFound: it has not; the message lists the models that it has, or its artifacts where it has no model.
    """
    if not any(path == wanted or path.startswith(f"{wanted}/") for path in paths):
        models = [path.removesuffix(_MODEL_FILE) for path in paths if path.endswith(_MODEL_FILE)]
        raise ArtifactNotFound.of(run, wanted, models or paths)

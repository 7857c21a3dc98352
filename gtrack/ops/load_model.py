"""Load a model by its URI, with the trust that this machine's own models have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gtrack.errors import NotARepository
from gtrack.models.directory import load_pyfunc
from gtrack.models.pyfunc import PyFuncModel
from gtrack.ops.model_trust import trusted_digests
from gtrack.ops.model_uri import at_hand, local_directory, place_of
from gtrack.project import Project


@contextmanager
def model_at(uri: str | Path, project: Callable[[], Project]) -> Iterator[tuple[Path, frozenset[str]]]:
    """Give the directory of a model, and the digests of what was written on this machine.

    Args:
        uri: ``runs:/…``, ``models:/…`` or a local directory, which needs no repository.
        project: opens the project.

    Raises:
        InvalidValue: another kind of URI.
        NotARepository: it is no local directory, and there is no repository.
        GTrackError: there is no such run or model.
    """
    local = local_directory(uri)
    if local is None:
        found = project()
        with at_hand(found, place_of(found, str(uri))) as directory:
            yield directory, trusted_digests(found.repo)
        return
    try:
        trusted = trusted_digests(project().repo)
    except NotARepository:
        trusted = frozenset()
    yield local, trusted


def open_pyfunc(uri: str | Path, project: Callable[[], Project], *, trust: bool | Sequence[str] = False) -> PyFuncModel:
    """Return the model that a URI names, ready to be asked.

    Args:
        uri: as for ``model_at``.
        project: opens the project.
        trust: as for ``gtrack.load_model``.

    Raises:
        GTrackError: there is no such model, or it cannot be loaded.
    """
    with model_at(uri, project) as (directory, trusted):
        return load_pyfunc(directory, trust=trust, trusted=trusted)

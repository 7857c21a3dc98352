"""Which files of models were written on this machine: their digests are kept in the repository's git directory.

``<common git dir>/gtrack/trusted`` has one sha256 per line, followed by ``artifact of`` and another one where the file lay among
the artifacts of the Python model with that pickle: it counts beside that one only, and never as a model.
No remote can write there, so a file whose digest it holds is ours whatever ``run.yaml`` claims. Losing it only means that trust
has to be said again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from gtrack.errors import ArtifactError
from gtrack.git.repo import Repository
from gtrack.models.trust import ARTIFACT_OF
from gtrack.store.live import append_whole

_DIGEST = re.compile(rf"^[0-9a-f]{{64}}(?: {ARTIFACT_OF} [0-9a-f]{{64}})?$".encode(), re.MULTILINE)


def trusted_file(repo: Repository) -> Path:
    """Return where the digests are."""
    return repo.common_dir / "gtrack" / "trusted"


def remember(repo: Repository, digests: Sequence[str]) -> None:
    """Add digests of files that were just written, by one ``write``.

    Raises:
        ArtifactError: it cannot be written.
    """
    if not digests:
        return
    path = trusted_file(repo)
    try:
        path.parent.mkdir(exist_ok=True)
        # A line break first: a last line that a power cut tore does not take the next one along.
        append_whole(path, "".join(["\n", *(f"{digest}\n" for digest in digests)]).encode())
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be written, which says that a model was made here: {error.strerror or error}."
        ) from error


def trusted_digests(repo: Repository) -> frozenset[str]:
    """Return the digests of the files that were written here; a line that is none counts for nothing."""
    try:
        data = trusted_file(repo).read_bytes()
    except OSError:
        return frozenset()
    return frozenset(line.decode() for line in _DIGEST.findall(data))

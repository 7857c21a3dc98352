"""Which version a run becomes, and when it cannot become one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gtrack.errors import VersionExists
from gtrack.registry.tag_names import FIRST_VERSION, bumped, precedence

if TYPE_CHECKING:
    from gtrack.records import ModelVersion


def version_of(versions: Sequence[ModelVersion], commit: str, run_id: str) -> ModelVersion | None:
    """Return the version that a run is: the one on its commit, else the one on an earlier commit of the same run; None if none.

    Args:
        versions: of the model.
        commit: the run's commit.
        run_id: the run.
    """
    on_it = next((one for one in versions if one.commit == commit), None)
    return on_it or next((one for one in versions if one.run_id == run_id), None)


def check_same(there: ModelVersion, artifact: str, wanted: str | None) -> None:
    """Check that what is to be registered of a run is what it is registered as.

    Args:
        there: the version that the run is.
        artifact: path of the model below its artifacts.
        wanted: the version that was asked for.

    Raises:
        VersionExists: it is another version, or the version is another artifact.
    """
    who = f"Run {(there.run_id or there.commit)[:8]} is version {there.version} of {there.name} ({there.semver})"
    if wanted is not None and wanted != there.semver:
        raise VersionExists(f"{who}; a run is one version of a model, so it cannot be {wanted} too.")
    if there.run_id is not None and there.artifact != artifact:
        raise VersionExists(
            f"{who} by its artifact {there.artifact!r}; a run is one version of a model. Register {artifact!r} as a model of "
            "another name, or log it in a run of its own."
        )


def next_version(known: Sequence[ModelVersion], wanted: str | None, bump: str) -> str:
    """Return the version that a run becomes.

    Args:
        known: all versions that the model ever had.
        wanted: the version that was asked for.
        bump: else, the part of the highest one that is raised.

    Raises:
        VersionExists: ``wanted`` is taken.
    """
    if wanted is not None:
        taken = next((one for one in known if one.semver == wanted), None)
        if taken is not None:
            whose = f"run {taken.run_id[:8]}" if taken.run_id else f"commit {taken.commit[:8]}"
            gone = "" if taken.registered else " (it was taken back, but a version is never another run's)"
            raise VersionExists(
                f"{taken.name}@{wanted} is registered already: it is version {taken.version}, of {whose}{gone}."
            )
        return wanted
    highest = max((one.semver for one in known), key=precedence, default=None)
    return FIRST_VERSION if highest is None else bumped(highest, bump)

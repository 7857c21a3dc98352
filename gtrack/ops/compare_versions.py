"""Compare model versions: their runs, as the commits hold them that the versions' tags are on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gtrack.errors import FormatError, UsageError
from gtrack.formats.names import run_path
from gtrack.ops.code import CodeChange, code_change, files_between
from gtrack.ops.compare import Comparison, compare
from gtrack.ops.lineage import Held, held
from gtrack.project import Project
from gtrack.records import ModelVersion, Run, Value


@dataclass(frozen=True)
class VersionComparison:
    """Versions side by side; the first is what the others are compared with.

    Attributes:
        versions: the versions.
        runs: their runs, under their own names.
        comparison: of these runs, called by the versions: ``churn@3``.
        code: how the code of each but the first differs from the first's.
        problems: what could not be compared, a sentence each.
    """

    versions: tuple[ModelVersion, ...]
    runs: tuple[Run, ...]
    comparison: Comparison
    code: tuple[CodeChange, ...]
    problems: tuple[str, ...] = ()


def compare_versions(project: Project, refs: Sequence[str]) -> VersionComparison:
    """Put model versions side by side.

    Args:
        project: where they are registered.
        refs: two or more of ``churn@3``, ``churn@v1.4.0``, ``churn#production``, or ``churn`` for its latest version.

    Raises:
        UsageError: fewer than two, one that is no such reference, or two that name the same version or the same run.
        ModelNotFound: there is no such model, no such version of it, or nothing in the stage.
        RunNotFound: a version's run cannot be read in this clone; the message says what to fetch.
        GitError: git cannot compare their code.
    """
    versions = _different(project, refs)
    found = [held(project, version) for version in versions]
    _check_runs(versions, found)
    problems: list[str] = []
    titled = [replace(one.run, name=title(version)) for version, one in zip(versions, found, strict=True)]
    environments = [_environment(one, run.name, problems) for one, run in zip(found, titled, strict=True)]
    return VersionComparison(
        tuple(versions),
        tuple(one.run for one in found),
        compare(titled, environments),
        tuple(_code(project, titled, versions, at) for at in range(1, len(titled))),
        tuple(problems),
    )


def title(version: ModelVersion) -> str:
    """Return what a version is called where it stands beside others: ``churn@3``."""
    return f"{version.name}@{version.version}"


def _different(project: Project, refs: Sequence[str]) -> list[ModelVersion]:
    if len(refs) < 2:
        raise UsageError("diff compares two versions or more: gtrack models diff churn#production churn@5.")
    found: dict[str, tuple[str, ModelVersion]] = {}
    for ref in refs:
        version = project.registry_reader.version(ref)
        if version.tag in found:
            other = found[version.tag][0]
            raise UsageError(f"{other!r} and {ref!r} are the same version, {title(version)} ({version.semver}).")
        found[version.tag] = ref, version
    return [version for _, version in found.values()]


def _check_runs(versions: Sequence[ModelVersion], found: Sequence[Held]) -> None:
    by_id: dict[str, ModelVersion] = {}
    for version, one in zip(versions, found, strict=True):
        other = by_id.setdefault(one.run.id, version)
        if other is not version:
            raise UsageError(
                f"{title(other)} and {title(version)} are the same run, {one.run.name} ({one.run.short_id})."
            )


def _environment(found: Held, name: str, problems: list[str]) -> Mapping[str, Value]:
    try:
        return found.environment()
    except FormatError as error:
        problems.append(f"{name}: {error}")
        return {}


def _code(project: Project, runs: Sequence[Run], versions: Sequence[ModelVersion], at: int) -> CodeChange:
    """Return how the code differs; a clone that has the tags without what was before them has it in their own commits."""
    change = code_change(project.repo, runs[0], runs[at])
    one, two = runs[0], runs[at]
    if change.problem is None or one.code.commit is None or two.code.commit is None:
        return change
    without_runs = [f":(top,exclude,literal){run_path(run.experiment, run.id)}" for run in (one, two)]
    files = files_between(project.repo, versions[0].commit, versions[at].commit, ":(top)", *without_runs)
    return CodeChange(one.code.commit, two.code.commit, files=files)

"""Propose that a version of a model comes into a stage, or that a stage is emptied: an entry of `.gtrack/stages.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gtrack.errors import GTrackError, ModelNotFound, UsageError
from gtrack.formats.stages_file import Wanted, with_entry
from gtrack.ops.known_stage import check_known_stage
from gtrack.ops.predict import write_whole
from gtrack.ops.proposals.proposed import PATH, checked
from gtrack.project import Project
from gtrack.records import ModelVersion
from gtrack.registry.policy import Case, Verdict, judge_leaving
from gtrack.registry.registry import Registry
from gtrack.registry.tag_names import check_stage


@dataclass(frozen=True)
class Proposal:
    """An entry of the file.

    Attributes:
        entry: what it asks for.
        path: the file.
        changed: whether it did not say so before.
        version: what shall come into the stage; None when that shall be empty.
        current: what is in the stage now.
        verdicts: what the stage demands, and what was found here and now; nothing where the tags say so already.
    """

    entry: Wanted
    path: Path
    changed: bool
    version: ModelVersion | None
    current: ModelVersion | None
    verdicts: tuple[Verdict, ...]


def propose(
    project: Project, version: ModelVersion, stage: str, *, reason: str | None = None, dry_run: bool = False
) -> Proposal:
    """Write into `.gtrack/stages.yaml` that a version shall be in a stage. It is judged, and written whatever comes of that.

    Args:
        project: the project; its working tree is written to.
        version: a registered version.
        stage: the stage; MLflow's in any case.
        reason: why.
        dry_run: write nothing.

    Raises:
        InvalidName: nothing can be called as the stage is.
        UsageError: the stage is a misspelt one.
        FormatError: the file that is there cannot be read.
        GTrackError: there is no working tree, or it cannot be written.
    """
    into = check_stage(stage)
    check_known_stage(project.registry, into)
    outlook = project.registry.outlook(version.name, version.semver, into, reason=reason)
    entry = Wanted(version.name, into, version.semver, _clean(reason))
    path, changed = _write(project, entry, dry_run=dry_run)
    return Proposal(entry, path, changed, version, outlook.current, outlook.verdicts)


def propose_empty(
    project: Project,
    model: str,
    stage: str,
    *,
    version: ModelVersion | None = None,
    reason: str | None = None,
    dry_run: bool = False,
) -> Proposal:
    """Write into `.gtrack/stages.yaml` that nothing of a model shall be in a stage; see ``propose``.

    Args:
        project: the project; its working tree is written to.
        model: the model.
        stage: the stage.
        version: the version that is meant, when it is said: it must be the only one in the stage.
        reason: why.
        dry_run: write nothing.

    Raises:
        ModelNotFound: there is no such model, or nothing of it is in the stage.
        UsageError: other versions are in the stage, too.
        FormatError: the file that is there cannot be read.
        GTrackError: there is no working tree, or it cannot be written.
    """
    out_of, registry = check_stage(stage), project.registry
    current = registry.version(f"{model}#{out_of}")
    others = [one for one in registry.model(model).stages.get(out_of, ()) if version and one != version.version]
    if version is not None and out_of not in version.stages:
        raise ModelNotFound(
            f"{model} v{version.version} is not in {out_of}: {', '.join(version.stages) or 'it is in no stage'}."
        )
    if others:
        told = ", ".join(f"v{one}" for one in others)
        raise UsageError(
            f"{PATH} can only say that a stage is empty, and {told} of {model} is in {out_of}, too. "
            f"Without a version all are meant: gtrack demote {model} {out_of} --propose."
        )
    entry = Wanted(model, out_of, None, _clean(reason))
    path, changed = _write(project, entry, dry_run=dry_run)
    verdicts = leaving(registry, current, out_of, who=str(project.identity()), reason=reason)
    return Proposal(entry, path, changed, None, current, tuple(verdicts))


def leaving(
    registry: Registry,
    version: ModelVersion,
    stage: str,
    *,
    who: str,
    reason: str | None,
    approvals: Sequence[str] = (),
) -> list[Verdict]:
    """Return what a stage demands of who takes a version out of it."""
    policy = registry.rules.of(stage)
    return judge_leaving(policy, Case(version, stage, who, reason, tuple(approvals), sign=policy.signed))


def file_in(project: Project) -> Path:
    """Return where the file is in the working tree.

    Raises:
        GTrackError: there is no working tree.
    """
    if project.repo.root is None:
        raise GTrackError(
            f"{project.repo.git_dir} is a bare repository, without a file to write to. Use a clone of it."
        )
    return project.repo.root / PATH


def _write(project: Project, entry: Wanted, *, dry_run: bool) -> tuple[Path, bool]:
    path = file_in(project)
    before = path.read_bytes() if path.exists() else b""
    checked(before, PATH)
    after = with_entry(before, PATH, entry)
    if after != before and not dry_run:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, after)
    return path, after != before


def _clean(reason: str | None) -> str | None:
    return (reason or "").strip() or None

"""Judge what a branch proposes in `.gtrack/stages.yaml`, by the settings of what it is to be merged into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gtrack.errors import FormatError, GTrackError
from gtrack.formats.stages_file import Wanted, differing, dropped
from gtrack.formats.yamlio import load_mapping
from gtrack.ops.compare_versions import VersionComparison, compare_versions, title
from gtrack.ops.known_stage import check_known_stage
from gtrack.ops.lineage import held
from gtrack.ops.proposals.proposal import file_in, leaving
from gtrack.ops.proposals.proposed import (
    PATH,
    SETTINGS,
    Origin,
    checked,
    commit_of,
    fetching,
    merge_base,
    origin_between,
    origin_of,
    registry_by,
    wanted_at,
)
from gtrack.ops.proposals.standing import Standing, fulfilled, standing
from gtrack.project import Project
from gtrack.records import ModelVersion, Run
from gtrack.registry.policy import Verdict, unmet
from gtrack.registry.registry import Registry
from gtrack.registry.writing import Terms


@dataclass(frozen=True)
class Finding:
    """What became of judging one entry.

    Attributes:
        entry: what it asks for.
        version: the version that shall come into the stage; None when the stage shall be empty, or there is no such version.
        current: what is in the stage now.
        verdicts: what the stage demands, and what was found; nothing where the tags say so already.
        run: the run of ``version``, None where it cannot be read here.
        comparison: of ``version`` against ``current``; None where there are no two to be compared.
        problem: why it cannot be judged; empty when it can.
        already: whether the tags say so already.
        author: who proposes it.
    """

    entry: Wanted
    version: ModelVersion | None = None
    current: ModelVersion | None = None
    verdicts: tuple[Verdict, ...] = ()
    run: Run | None = None
    comparison: VersionComparison | None = None
    problem: str = ""
    already: bool = False
    author: str = ""

    @property
    def may(self) -> bool:
        """Whether it may be merged."""
        return not self.problem and not unmet(self.verdicts)


@dataclass(frozen=True)
class Check:
    """What became of judging what a branch proposes.

    Attributes:
        findings: one for each entry that is proposed.
        base: what it is to be merged into, as it was given; None when it was compared with what the tags say.
        judged_by: the commit whose settings say what stages demand.
        notes: what else a reader should know, a sentence each.
    """

    findings: tuple[Finding, ...]
    base: str | None
    judged_by: str
    notes: tuple[str, ...] = field(default=())

    @property
    def may(self) -> bool:
        """Whether all of it may be merged."""
        return all(one.may for one in self.findings)


def check(project: Project, *, base: str | None = None, approvals: Sequence[str] = ()) -> Check:
    """Judge every entry of the file of HEAD that differs from where HEAD and ``base`` went apart.

    Args:
        project: the project.
        base: what it is to be merged into, ``origin/main`` say: what its settings demand counts, whatever the branch makes of
            them. Without it, the entries that the tags do not fulfil yet are judged by the settings of HEAD.
        approvals: who approves, beside those whom the trailers of the commits name.

    Raises:
        ConfigError: the settings are wrong.
        FormatError: the file cannot be read.
        GTrackError: what must be known is not in this clone; the message says what to fetch.
    """
    repo = project.repo
    head = commit_of(repo, "HEAD")
    after = wanted_at(repo, head)
    notes = _uncommitted(project, after)
    judge_commit, origin = head, None
    if base is not None:
        judge_commit = commit_of(repo, base)
        parted = merge_base(repo, base, judge_commit, head)
        before = _before(project, parted, notes)
        origin = origin_between(repo, parted, head)
        notes += _dropped(before, after) + _settings_changed(project, parted, head)
        after = differing(before, after)
    findings = []
    for entry in after:
        by = origin or origin_of(repo, head, entry)
        with registry_by(project, judge_commit, by.author) as registry:
            if base is None and _is_settled(registry, entry, by):
                continue
            findings.append(_finding(project, registry, entry, by, approvals))
    return Check(tuple(findings), base, judge_commit, tuple(notes))


def _is_settled(registry: Registry, entry: Wanted, origin: Origin) -> bool:
    try:
        return standing(registry, entry, origin.seconds) is not Standing.OPEN
    except GTrackError:
        return False  # what is wrong is told where it is judged


def _finding(project: Project, registry: Registry, entry: Wanted, origin: Origin, approvals: Sequence[str]) -> Finding:
    author = str(origin.author)
    version: ModelVersion | None = None
    current: ModelVersion | None = None
    try:
        check_known_stage(registry, entry.stage)
        model = registry.model(entry.model)
        current = model.in_stage(entry.stage)
        if entry.version is not None:
            version = registry.find(entry.model, entry.version)
        if fulfilled(registry, model, entry):
            return Finding(entry, version, current, already=True, author=author)
        approving = (*origin.approvals, *(one for one in approvals if one not in origin.approvals))
        verdicts: Sequence[Verdict] = ()
        if entry.version is not None:
            terms = Terms(approvals=approving)
            verdicts = registry.outlook(
                entry.model, entry.version, entry.stage, reason=entry.reason, terms=terms
            ).verdicts
        elif current is not None:
            verdicts = leaving(registry, current, entry.stage, who=author, reason=entry.reason, approvals=approving)
    except GTrackError as error:
        return Finding(entry, version, current, problem=_explained(project, registry, entry, error), author=author)
    run, comparison = _beside(project, version, current)
    return Finding(entry, version, current, tuple(verdicts), run, comparison, author=author)


def _beside(
    project: Project, version: ModelVersion | None, current: ModelVersion | None
) -> tuple[Run | None, VersionComparison | None]:
    if version is None:
        return None, None
    try:
        run = held(project, version).run
    except GTrackError:
        return None, None  # the verdicts say that it is not known
    if current is None or current.version == version.version:
        return run, None
    try:
        return run, compare_versions(project, [title(current), title(version)])
    except GTrackError:  # the current version may be of no run, of the same one, or not be here
        return run, None


def _explained(project: Project, registry: Registry, entry: Wanted, error: GTrackError) -> str:
    """Say what is wrong, and what could be the reason in the clone of a machine."""
    ledger = registry.ledger()
    wrong = [one for one in ledger.problems if one.tag.startswith((f"{entry.model}@", f"{entry.model}#"))]
    told = [str(error), *(f"The tag {one.tag} is passed over: {one.text}." for one in wrong[:3])]
    if wrong or not ledger.tags:
        told.append(f"Are the tags fetched as they are? {fetching(project.repo)}")
    return " ".join(told)


def _before(project: Project, commit: str, notes: list[str]) -> list[Wanted]:
    try:
        return wanted_at(project.repo, commit)
    except FormatError as error:
        notes.append(f"Every entry is looked at, since what was there before cannot be read: {error}")
        return []


def _dropped(before: Sequence[Wanted], after: Sequence[Wanted]) -> list[str]:
    return [
        f"{one.model} is no longer named for {one.stage}; the stage stays as it is. To empty it: version: null."
        for one in dropped(before, after)
    ]


def _uncommitted(project: Project, committed: Sequence[Wanted]) -> list[str]:
    if project.repo.root is None:
        return []
    path = file_in(project)
    try:
        here = checked(path.read_bytes(), PATH) if path.exists() else []
    except FormatError as error:
        return [f"What is not committed is not looked at, and cannot be read: {error}"]
    if here == list(committed):
        return []
    return [
        f"{PATH} in the working tree says something else than that of HEAD: what is not committed is not looked at."
    ]


def _settings_changed(project: Project, before: str, after: str) -> list[str]:
    def demanded(commit: str) -> object:
        found = project.repo.objects.get(f"{commit}:{SETTINGS}")
        return load_mapping(found.data, SETTINGS).get("registry") if found is not None else None

    if demanded(before) == demanded(after):
        return []
    return [
        "This branch changes what stages demand. They demand here what they did before; the change counts once it is merged."
    ]

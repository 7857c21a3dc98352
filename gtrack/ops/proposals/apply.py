"""Make the tags that `.gtrack/stages.yaml` asks for, after it was merged."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from gtrack.errors import GTrackError
from gtrack.formats.stages_file import Wanted, differing
from gtrack.git.refs import list_refs
from gtrack.git.remotes import fetch_refs, list_remote_refs
from gtrack.git.repo import Repository
from gtrack.git.tags import TAGS
from gtrack.ops.known_stage import check_known_stage
from gtrack.ops.proposals.proposal import leaving
from gtrack.ops.proposals.proposed import commit_of, origin_of, readable_at, registry_by, wanted_at
from gtrack.ops.proposals.standing import Standing, standing
from gtrack.project import Project
from gtrack.records import ModelVersion
from gtrack.registry.policy import PolicyFailed, Verdict, unmet
from gtrack.registry.registry import Registry
from gtrack.registry.renaming import Renamed
from gtrack.registry.tag_names import parse
from gtrack.registry.writing import Terms


@dataclass(frozen=True)
class Applied:
    """What became of one entry.

    Attributes:
        entry: what it asks for.
        standing: ``DONE`` when the tags said so already, ``OVERTAKEN`` when they did since the merge, ``OPEN`` when there was
            something to do.
        tags: the tags that were made, or would be; none when nothing was to be done, or it failed.
        version: what is in the stage, or leaves it.
        verdicts: what the stage demands, where it demands more than there is.
        problem: why it was not done; empty when it was, or nothing was to be done.
        renumbered: tags that were made here before and could not be published as they were made.
    """

    entry: Wanted
    standing: Standing
    tags: tuple[str, ...] = ()
    version: ModelVersion | None = None
    verdicts: tuple[Verdict, ...] = ()
    problem: str = ""
    renumbered: tuple[Renamed, ...] = ()


def apply(
    project: Project,
    *,
    base: str | None = None,
    sign: bool | None = None,
    remote: str | None = None,
    approvals: Sequence[str] = (),
    dry_run: bool = False,
) -> list[Applied]:
    """Make the tags that the file of HEAD asks for and that are not there yet; each entry on its own.

    A tag is made in the name of the author of the commit that proposed it, with the approvals that the commits name which
    brought it. What was done since the merge, and undone by somebody, is not done again.

    Args:
        project: the project.
        base: what the branch was before the merge: its settings count, so that nothing is judged by what came with it. The
            settings of HEAD, when None.
        sign: as for ``Terms``.
        remote: publish them there at once; they stay here when None.
        approvals: who approves of what is new since ``base``, beside those whom the commits name.
        dry_run: make nothing.

    Raises:
        ConfigError: the settings are wrong.
        FormatError: the file cannot be read.
        GTrackError: what must be known is not in this clone; the message says what to fetch.
    """
    head = commit_of(project.repo, "HEAD")
    judge_commit = head if base is None else commit_of(project.repo, base)
    entries = wanted_at(project.repo, head)
    fresh = entries if base is None else differing(readable_at(project.repo, judge_commit), entries)
    published = _brought(project.repo, remote, entries) if remote is not None and not dry_run else None
    done = []
    for entry in entries:
        origin = origin_of(project.repo, head, entry)
        more = approvals if entry in fresh else ()  # what others merged before was not what they approved
        approving = (*origin.approvals, *(one for one in more if one not in origin.approvals))
        with registry_by(project, judge_commit, origin.author) as registry:
            again: list[Renamed] = []
            terms = Terms(sign, remote, approving, tell=again.append)
            doing = _Doing(registry, entry, str(origin.author), terms, published, dry_run=dry_run)
            done.append(replace(doing.outcome(origin.seconds), renumbered=tuple(again)))
    return done


def _brought(repo: Repository, remote: str, entries: Sequence[Wanted]) -> frozenset[str]:
    """Fetch the tags about the models that are not here yet, so that nothing is decided without them; return what is there."""
    models = {entry.model for entry in entries}
    there = {}
    for ref in list_remote_refs(repo, remote, f"{TAGS}*") if models else ():
        said = parse(ref.removeprefix(TAGS))
        if said is not None and said.model in models:
            there[ref] = said
    here = list_refs(repo, TAGS)
    missing = [f"{ref}:{ref}" for ref in there if ref not in here]
    if missing:
        fetch_refs(repo, remote, missing)
    return frozenset(ref.removeprefix(TAGS) for ref in there)


@dataclass(frozen=True)
class _Doing:
    """One entry that is being applied.

    Attributes:
        published: the tags that the remote has; None when nothing is published.
    """

    registry: Registry
    entry: Wanted
    who: str
    terms: Terms
    published: frozenset[str] | None
    dry_run: bool

    def outcome(self, since: int) -> Applied:
        entry = self.entry
        try:
            check_known_stage(self.registry, entry.stage)
            found = standing(self.registry, entry, since)
            if found is not Standing.OPEN and not (found is Standing.DONE and self._only_here()):
                return Applied(entry, found, version=self.registry.model(entry.model).in_stage(entry.stage))
            return self._empty() if entry.version is None else self._fill(entry.version)
        except PolicyFailed as error:
            said = str(error).partition("\n")[0]
            return Applied(entry, Standing.OPEN, verdicts=error.verdicts, problem=said)
        except GTrackError as error:
            return Applied(entry, Standing.OPEN, problem=str(error))

    def _fill(self, version: str) -> Applied:
        entry, terms = self.entry, self.terms
        if self.dry_run:
            outlook = self.registry.outlook(entry.model, version, entry.stage, reason=entry.reason, terms=terms)
            return self._foreseen(outlook.tags, outlook.version, outlook.verdicts)
        before = self._published()
        made = self.registry.assign(entry.model, version, entry.stage, reason=entry.reason, terms=terms)
        return Applied(entry, Standing.OPEN, tuple(one for one in self._tags() if one not in before), made)

    def _empty(self) -> Applied:
        entry, registry = self.entry, self.registry
        before, numbers = self._published(), registry.model(entry.model).stages.get(entry.stage, ())
        there = registry.find(entry.model, numbers[-1])
        if self.dry_run:
            verdicts = leaving(
                registry, there, entry.stage, who=self.who, reason=entry.reason, approvals=self.terms.approvals
            )
            return self._foreseen([f"{entry.model}#{entry.stage}!"], there, verdicts)
        for number in numbers:
            registry.unassign(entry.model, number, entry.stage, reason=entry.reason, terms=self.terms)
        return Applied(entry, Standing.OPEN, tuple(one for one in self._tags() if one not in before), there)

    def _only_here(self) -> bool:
        """Tell whether what the entry asks for was done without being published."""
        tags = self._tags()
        return self.published is not None and self.entry.version is not None and tags[-1] not in self.published

    def _published(self) -> Collection[str]:
        return self._tags() if self.published is None else self.published

    def _foreseen(self, tags: Sequence[str], version: ModelVersion, verdicts: Sequence[Verdict]) -> Applied:
        failed = unmet(verdicts)
        if not failed:
            return Applied(self.entry, Standing.OPEN, tuple(tags), version)
        said = f"{len(failed)} of {len(verdicts)} conditions are not met."
        return Applied(self.entry, Standing.OPEN, (), version, tuple(verdicts), said)

    def _tags(self) -> list[str]:
        """Return the tags about the stage, in the order of their counters."""
        return [event.tag for event in self.registry.events(self.entry.model) if event.stage == self.entry.stage]

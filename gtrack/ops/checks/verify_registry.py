"""Verify the model registry: that every tag says what its commit holds, that none is missing, forged or changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.git.signing import Signature, SignatureState
from gtrack.ops.checks.findings import AGAIN, ASTRAY, FETCH, ODD, POLICY, UNSURE, Finding, Severity, error, note
from gtrack.ops.checks.registry_changes import Known, counters, gaps
from gtrack.ops.checks.tag_claims import Holding, Place, disagreement, holdings, missing_artifacts, read_head, said_in
from gtrack.ops.checks.tag_judgement import before_it, evidence_in, judge_tag
from gtrack.ops.model_history import UNSIGNED, signature
from gtrack.records import ModelVersion, Run, Status
from gtrack.registry import messages
from gtrack.registry.policy import LEFT_BEHIND, unmet
from gtrack.registry.tag_names import Action, parse
from gtrack.store.branch import BranchReader, Location

if TYPE_CHECKING:
    from gtrack.git.tags import Tag
    from gtrack.project import Project
    from gtrack.registry.ledger import Event, Ledger
    from gtrack.registry.policy import Evidence

Progress = Callable[[int, int], None]
_PROCESSES = 4


@dataclass(frozen=True)
class Verification:
    """What became of verifying the registry.

    Attributes:
        findings: errors first.
        tags: how many tags were looked at.
        models: how many models they are of.
        signatures: how many signatures are good.
        compared: with how many tags of the last known state they were compared; None when there was no such state.
    """

    findings: tuple[Finding, ...]
    tags: int
    models: int
    signatures: int
    compared: int | None

    @property
    def errors(self) -> list[Finding]:
        """The errors among the findings."""
        return [one for one in self.findings if one.severity is Severity.ERROR]

    @property
    def notes(self) -> list[Finding]:
        """The notes among the findings."""
        return [one for one in self.findings if one.severity is Severity.NOTE]


def verify_registry(
    project: Project, *, accept: bool = False, progress: Progress = lambda _done, _all: None
) -> Verification:
    """Verify all registry tags of a repository, and remember them as its last known state.

    Args:
        project: the repository.
        accept: take the tags as they are for the known state, whatever was changed or removed since.
        progress: is told how many of how many signatures were verified.

    Raises:
        ConfigError: what the settings say of stages is wrong.
        GitError: git refuses.
    """
    ledger = project.registry.ledger()
    look = _Look(project, ledger, progress)
    findings = [*look.not_understood(), *look.forged(), *look.held(), *look.counted(), *look.signed(), *look.promoted()]
    state = Known(project, ledger)
    findings += state.compare(accept=accept)
    findings += gaps(ledger, state, accept=accept)
    findings += state.keep(accept=accept)
    findings.sort(key=lambda one: one.severity is not Severity.ERROR)
    return Verification(
        tuple(findings),
        len(look.tags),
        len(ledger.counters),
        look.good,
        None if state.known is None else len(state.known.tags),
    )


class _Look:
    """One look at all tags: each check gives what it finds.

    Args:
        project: the repository.
        ledger: what its tags say.
        progress: is told of signatures.
    """

    def __init__(self, project: Project, ledger: Ledger, progress: Progress) -> None:
        self._project = project
        self._registry = project.registry
        self._ledger = ledger
        self._progress = progress
        self.tags: list[Tag] = [tag for tag in ledger.tags if parse(tag.name) is not None]
        self.good = 0
        self._events = [event for events in ledger.events.values() for event in events]
        self._versions = {
            (name, one.version): one
            for name, model in ledger.models.items()
            for one in (*model.versions, *model.withdrawn)
        }
        self._holdings: Mapping[Place, Holding] = {}
        self._runs: Mapping[Location, Run] = {}
        self._signatures: Mapping[str, Signature] = {}

    def not_understood(self) -> Iterator[Finding]:
        """Find the tags that mean nothing, or not what they should."""
        lacking = {tag.name for tag in self.tags if not tag.kind}
        for one in self._ledger.problems:
            if parse(one.tag) is None:  # as other tools call theirs: package@1.0.0
                yield note(one.tag, f"{one.text}; it counts for nothing", ODD)
            elif one.tag in lacking:
                yield error(one.tag, one.text, FETCH)
            else:
                yield error(one.tag, one.text, ODD)

    def forged(self) -> Iterator[Finding]:
        """Find tag objects that hang on another name than they say: somebody made one promotion of another."""
        annotated = [tag for tag in self.tags if tag.annotated]
        for tag, found in zip(annotated, self._project.repo.objects.many([tag.oid for tag in annotated]), strict=True):
            head = read_head(found.data) if found is not None and found.kind == "tag" else None
            if found is not None and head is None:
                yield error(tag.name, "its tag object is damaged", AGAIN)
            elif head is not None and head.name != tag.name:
                yield error(tag.name, f"its tag object says that it is {head.name!r}: a tag under another name", AGAIN)

    # What their commits hold

    def held(self) -> Iterator[Finding]:
        """Compare what tags say of commit, run, artifact and metrics with what is there."""
        repo = self._project.repo
        said = {event.tag: self._claim(event) for event in self._events}
        places = [claim[0] for claim in said.values() if claim is not None]
        self._holdings = holdings(repo, places)
        lying = sorted({one.run for one in self._holdings.values() if one.run is not None}, key=lambda one: one.tree)
        self._runs = dict(zip(lying, BranchReader(repo, None).runs(lying), strict=True))
        artifacts = [(self._holdings[claim[0]].run, claim[1]) for claim in said.values() if claim is not None]
        wanted = sorted(
            {(run, path) for run, path in artifacts if run is not None}, key=lambda one: (one[0].tree, one[1])
        )
        absent = {one for one, gone in zip(wanted, missing_artifacts(repo, wanted), strict=True) if gone}
        commits = sorted({event.commit for event in self._events})
        here = {oid for oid, one in zip(commits, repo.objects.many(commits), strict=True) if one is not None}
        yield from self._astray({place[0] for place, one in self._holdings.items() if one.run is not None})
        for event in self._events:
            claim = said[event.tag]
            if event.commit not in here:
                yield error(event.tag, f"its commit {event.commit[:10]} is not here", FETCH)
            elif claim is None:
                yield from self._without_run(event)
            else:
                yield from self._with_run(event, *claim, absent)

    def _astray(self, commits: set[str]) -> Iterator[Finding]:
        """Find runs that never were on the runs branch; nothing is asked where its history is not here."""
        repo, tip = self._project.repo, self._project.store.tip()
        if not commits or tip is None or (repo.common_dir / "shallow").exists():
            return
        asked = "".join(f"{commit}\n" for commit in sorted(commits))
        found = repo.run("rev-list", "--stdin", stdin=f"{asked}^{tip}\n".encode()).decode().split()
        lost = commits.intersection(found)
        for event in self._events:
            if event.commit in lost and event.action is Action.REGISTER:
                yield note(
                    event.tag, f"its run never was on {self._project.config.branch}, as far as that is here", ASTRAY
                )

    def _claim(self, event: Event) -> tuple[Place, str] | None:
        """Return commit, run and artifact of an event: what its tag says, else what its version is."""
        version = self._version(event)
        run_id = said_in(event, messages.RUN) or (version.run_id if version is not None else None)
        artifact = said_in(event, messages.ARTIFACT) or (version.artifact if version is not None else None) or "model"
        return None if not run_id else ((event.commit, run_id), artifact)

    def _version(self, event: Event) -> ModelVersion | None:
        return None if event.version is None else self._versions.get((event.model, event.version))

    def _without_run(self, event: Event) -> Iterator[Finding]:
        if event.action is Action.REGISTER:
            yield note(
                event.tag, f"its commit {event.commit[:10]} is that of no run; it is a version of the code alone"
            )

    def _with_run(
        self, event: Event, place: Place, artifact: str, absent: set[tuple[Location, str]]
    ) -> Iterator[Finding]:
        holding = self._holdings[place]
        fault = holding.fault(place[1], place[0])
        if fault is not None:
            yield error(event.tag, fault, AGAIN)
        if holding.run is None:
            return
        if (holding.run, artifact) in absent:
            what = f"run {place[1][:8]} has no artifact {artifact!r} in its commit {place[0][:10]}"
            if said_in(event, messages.ARTIFACT):
                yield error(event.tag, what, AGAIN)
            elif event.action is Action.REGISTER:
                yield note(event.tag, f"it does not say which artifact it is of, and {what}")
        yield from self._disagreements(event, self._runs[holding.run])

    def _disagreements(self, event: Event, run: Run) -> Iterator[Finding]:
        version = self._version(event)
        fault = None if version is None else disagreement(event, version)
        if fault is not None:
            yield error(event.tag, fault, AGAIN)
        for problem in run.problems:
            yield note(event.tag, f"its run is damaged: {problem}")
        for name, value in messages.read_metrics(said_in(event, messages.METRICS)).items():
            found = run.metrics.get(name)
            if found is None or f"{found:.6g}" != f"{value:.6g}":
                told = "has none" if found is None else f"has {found:.6g}"
                yield note(event.tag, f"it says {name}={value:.6g}, and its run {told} in that commit", AGAIN)

    # Counters

    def counted(self) -> Iterator[Finding]:
        """Find counters that two tags have."""
        for model, numbers in counters(self.tags).items():
            for number, names in numbers.items():
                if len(names) > 1:
                    what = f"counter {number} of {model} is also that of {', '.join(names[1:])}: of pushes at the same moment"
                    yield note(names[0], f"{what}; their times tell the order")

    # Signatures and policies

    def signed(self) -> Iterator[Finding]:
        """Verify the signatures; each takes a process or two."""
        events = [event for event in self._events if event.signed]
        done: dict[str, Signature] = {}
        with ThreadPoolExecutor(_PROCESSES) as pool:
            for event, found in zip(events, pool.map(lambda one: signature(self._project, one), events), strict=True):
                done[event.tag] = found
                self._progress(len(done), len(events))
        self._signatures = done
        self.good = sum(one.state is SignatureState.GOOD for one in done.values())
        for event in events:
            found = done[event.tag]
            text = f": {found.text}" if found.text else ""
            if found.state is SignatureState.BAD:
                yield error(event.tag, f"its signature is bad{text}", AGAIN)
            elif found.state is SignatureState.UNKNOWN:
                what = f"its signature {f'by {found.key} ' if found.key else ''}cannot be verified{text}"
                demanded = event.stage is not None and self._registry.rules.of(event.stage).signed
                if demanded:
                    yield error(event.tag, f"{what}; {event.stage} demands signatures", UNSURE)
                else:
                    yield note(event.tag, what, UNSURE)

    def promoted(self) -> Iterator[Finding]:
        """Find promotions that today's policies would refuse, and that do not say that they were forced."""
        evidence = evidence_in(self._project.repo, self._project.index)
        for events in self._ledger.events.values():
            for at, event in enumerate(events):
                version = self._version(event)
                if event.action is Action.ASSIGN and version is not None and not said_in(event, messages.FORCED):
                    found = self._unfulfilled(event, version, events[:at], evidence)
                    if found:
                        yield note(event.tag, f"{event.stage} would not have it today: {'; '.join(found)}", POLICY)

    def _unfulfilled(
        self, event: Event, version: ModelVersion, events: Sequence[Event], evidence: Evidence
    ) -> list[str]:
        policy = self._registry.rules.of(event.stage or "")
        if policy.is_open:  # all that is asked of the run is known already
            holding = self._holdings.get((event.commit, version.run_id or ""))
            run = self._runs.get(holding.run) if holding is not None and holding.run is not None else None
            if run is None or run.status is Status.FINISHED or event.stage == LEFT_BEHIND:
                return []
            return [f"✗ the run finished: {run.status}"]
        before = None if event.before is None else self._versions.get((event.model, event.before))
        made = self._signatures.get(event.tag, UNSIGNED)
        found = judge_tag(policy, event, before_it(version), made, evidence, current=before, events=events)
        return [str(one) for one in unmet(found)]

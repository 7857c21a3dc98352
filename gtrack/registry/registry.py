"""The model registry of a repository: reads all registry tags at once, and makes new ones.

Contract: every question looks at the tags anew, by one git process, so there is nothing to invalidate. A write is one ref
transaction, which happens wholly or not at all; a tag is never moved. Several threads and processes may use it at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gtrack.errors import ArtifactNotFound, ModelNotFound, RunNotFound, UsageError, VersionExists
from gtrack.formats.names import ARTIFACTS, check_artifact_path, run_path
from gtrack.git.refs import branch_with
from gtrack.git.signing import Signature, verify
from gtrack.records import MLFLOW_STAGES, ModelVersion, RegisteredModel, Run
from gtrack.registry import messages
from gtrack.registry.acts import Act
from gtrack.registry.artifact import check_artifact
from gtrack.registry.ledger import Ledger
from gtrack.registry.lookup import find_version, refer, same_version
from gtrack.registry.next_version import check_same, next_version, version_of
from gtrack.registry.plans import Moves, Plan
from gtrack.registry.policy import Case, Evidence, PolicyFailed, Verdict, judge, judge_leaving, unmet
from gtrack.registry.reader import RegistryReader
from gtrack.registry.stage_policy import UNDEFINED, StagePolicy, parse_stages
from gtrack.registry.tag_names import Action, TagName, check_bump, check_model, check_stage, check_version
from gtrack.registry.writing import TagWriter, Terms
from gtrack.store.one_run import OneRun

if TYPE_CHECKING:
    from gtrack.git.objects import Identity
    from gtrack.git.repo import Repository
    from gtrack.store.runs import RunStore

_HERE = Terms()


@dataclass(frozen=True)
class Rules:
    """What the settings say of the registry.

    Attributes:
        stages: what each stage demands; one that is not named demands nothing.
        allowed_signers: whose SSH signatures count; what git's own settings say, when None.
    """

    stages: Mapping[str, StagePolicy] = field(default_factory=lambda: parse_stages({}, ""))
    allowed_signers: Path | None = None

    def of(self, stage: str) -> StagePolicy:
        """Return what a stage demands."""
        return self.stages.get(stage, UNDEFINED)


@dataclass(frozen=True)
class Outlook:
    """What a promotion would do.

    Attributes:
        version: what would be promoted; of a run that is not registered yet, the version that it would become.
        tags: the names of the tags that would be made, in order.
        verdicts: what the stage demands, and what was found; nothing where nothing is to be done.
        current: what is in the stage now.
    """

    version: ModelVersion
    tags: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    current: ModelVersion | None = None


@dataclass(frozen=True)
class _Registering:
    """The registering of one run: what makes it, and how its version is found afterwards."""

    plan: Plan
    commit: str
    run_id: str

    def found(self, model: RegisteredModel) -> ModelVersion:
        found = version_of(model.versions, self.commit, self.run_id)
        if found is None:  # somebody took it back since
            raise ModelNotFound(
                f"Run {self.run_id[:8]} was registered as {model.name}, and taken back by another writer at once."
            )
        return found


class Registry(RegistryReader):
    """Versions and stages of models.

    Args:
        repo: the repository.
        store: its runs.
        branch: the name of their branch, for messages.
        identity: who makes tags.
        rules: what stages demand, and which hold one version: whatever comes into them takes the place of what was there.
        reproductions: gives the finished runs that reproduce a run, by its id.
    """

    def __init__(
        self,
        repo: Repository,
        store: RunStore,
        branch: str,
        identity: Callable[[], Identity],
        rules: Rules | None = None,
        reproductions: Callable[[str], Sequence[Run]] = lambda _: (),
    ) -> None:
        self.rules = rules or Rules()
        super().__init__(repo, store, branch, {stage for stage, one in self.rules.stages.items() if one.exclusive})
        self._identity = identity
        self._writer = TagWriter(repo, self, identity)
        self._evidence = Evidence(self._run_at, lambda commit, names: branch_with(repo, commit, names), reproductions)

    # Registering

    def register(
        self,
        name: str,
        run_id: str,
        artifact: str = "model",
        *,
        bump: str = "major",
        version: str | None = None,
        reason: str | None = None,
        commit: str | None = None,
        terms: Terms = _HERE,
    ) -> ModelVersion:
        """Register what a run made as the next version of a model.

        A run is one version of a model: registering the same artifact of it again returns the version that it is, also when
        the run was committed anew since, with more metrics, say. The version stays on the commit that it is on.

        Args:
            name: the model.
            run_id: a run that has ended.
            artifact: path of the model below the artifacts of the run.
            bump: the part of the highest version that is raised: ``major``, ``minor`` or ``patch``.
            version: the version itself, ``v1.4.0``, instead.
            reason: why, kept with the tag.
            commit: the run's own commit, when the caller has just made it; else it is looked for.
            terms: how it is made.

        Raises:
            InvalidName: ``name`` or ``version`` is outside the grammar, which the message shows.
            UsageError: another ``bump``.
            RunNotFound: there is no such run, or its commit is not in this clone.
            ArtifactNotFound: the run has nothing at ``artifact``; the message lists what it has.
            VersionExists: the version is registered, or the run is another one, or the version that the run is holds another
                content of ``artifact``.
            GitError: git refuses the tag.
        """
        registering = self._registering(
            name, run_id, artifact, bump=bump, version=version, reason=reason, commit=commit
        )
        self._writer.write(name, registering.plan, terms, sign=self._writer.signs(terms))
        return registering.found(self._known(self.ledger(name), name))

    def _registering(
        self,
        name: str,
        run_id: str,
        artifact: str,
        *,
        bump: str,
        version: str | None,
        reason: str | None,
        commit: str | None = None,
    ) -> _Registering:
        check_model(name)
        wanted = check_version(version) if version is not None else None
        check_bump(bump)
        run = self._store.run(run_id)
        at = commit or self._run_commit(run_id)
        self._check_artifact(run.experiment, run_id, at, check_artifact_path(artifact))
        said = [(messages.RUN, run_id), (messages.EXPERIMENT, run.experiment), (messages.ARTIFACT, artifact)]

        def plan(ledger: Ledger) -> list[Act]:
            model = ledger.models.get(name) or RegisteredModel(name)
            known = [*model.versions, *model.withdrawn]
            there = version_of(known, at, run_id)
            if there is not None:
                check_same(there, artifact, wanted)
                self._check_content(there, f"{run_path(run.experiment, run_id)}/{ARTIFACTS}/{artifact}", at)
                chosen, number = there.semver, there.version
                if there.registered:
                    return []
            else:
                chosen, number = next_version(known, wanted, bump), max((one.version for one in known), default=0) + 1
            tag = TagName(Action.REGISTER, name, chosen, counter=ledger.counters.get(name, 0) + 1 if there else None)
            rest = [(messages.METRICS, messages.short_metrics(run.metrics)), (messages.REASON, reason)]
            on = there.commit if there is not None else at
            return [Act(tag, on, None, [*said, (messages.ORDINAL, str(number)), *rest])]

        return _Registering(plan, at, run_id)

    def _check_content(self, there: ModelVersion, place: str, commit: str) -> None:
        """Check that a later commit of a run holds at ``place`` what the version holds that the run is."""
        before, now = (self._repo.objects.get(f"{one}:{place}") for one in (there.commit, commit))
        if before is not None and now is not None and before.oid != now.oid:
            raise VersionExists(
                f"Run {(there.run_id or there.commit)[:8]} is version {there.version} of {there.name} ({there.semver}), and its "
                f"artifact {there.artifact!r} was changed since; a version stays what it is. Log the model in a run of its own."
            )

    def _run_commit(self, run_id: str) -> str:
        found = self._store.run_commit(run_id)
        if found is None or self._repo.objects.get(found) is None:
            raise RunNotFound(
                f"The commit of run {run_id[:8]}, which a model version is a tag on, is not in this clone: its history of "
                f"{self._branch} is cut off. Fetch the rest: {self._fetch()}."
            )
        return found

    def _check_artifact(self, experiment: str, run_id: str, commit: str, path: str) -> None:
        place = f"{run_path(experiment, run_id)}/{ARTIFACTS}"
        if self._repo.objects.get(f"{commit}:{place}/{path}") is not None:
            return
        check_artifact([one.path for one in self._store.artifacts(run_id)], run_id[:8], path)
        raise ArtifactNotFound(
            f"{path!r} was added to run {run_id[:8]} after it had ended, so its commit, which a version is a tag on, does not "
            "have it. Log the model in a run."
        )

    # Stages

    def assign(
        self,
        name: str,
        version: int | str,
        stage: str,
        *,
        reason: str | None = None,
        exclusive: bool | None = None,
        terms: Terms = _HERE,
    ) -> ModelVersion:
        """Put a version into a stage; an earlier one may come back the same way. Nothing is done where it is there already.

        Args:
            name: the model.
            version: as for ``find``.
            stage: the stage; MLflow's in any case.
            reason: why, kept with the tag.
            exclusive: take the other versions out of the stage; so it is for exclusive stages anyhow, when None.
            terms: how it is made.

        Raises:
            InvalidName: a name outside the grammar.
            UsageError: ``exclusive=False`` for a stage that holds one version.
            ModelNotFound: there is no such model or version.
            PolicyFailed: it does not fulfil what the stage demands.
            GitError: git refuses the tag.
        """
        into = check_stage(stage)
        if exclusive is False and into in self.exclusive:
            raise UsageError(
                f"The stage {into} holds one version: what comes into it takes the place of what was there."
            )
        meant = self._meant(name, version)

        def plan(ledger: Ledger) -> list[Act]:
            model, one = self._chosen(ledger, name, meant)
            return self._entering(ledger, model, one, _Entry(into, reason, terms, alone=bool(exclusive)))

        model = self._write(name, plan, terms, [into])
        return meant(model)

    def register_and_assign(
        self,
        name: str,
        run_id: str,
        stage: str,
        artifact: str = "model",
        *,
        bump: str = "major",
        version: str | None = None,
        reason: str | None = None,
        terms: Terms = _HERE,
    ) -> ModelVersion:
        """Register what a run made and put that version into a stage: both, or neither. See ``register`` and ``assign``."""
        into, registering = (
            check_stage(stage),
            self._registering(name, run_id, artifact, bump=bump, version=version, reason=reason),
        )

        def plan(ledger: Ledger) -> list[Act]:
            first = registering.plan(ledger)
            then = self._after(ledger, first)
            one = registering.found(then.models[name])
            return [*first, *self._entering(then, then.models[name], one, _Entry(into, reason, terms))]

        return registering.found(self._write(name, plan, terms, [into]))

    def outlook(
        self, name: str, version: int | str, stage: str, *, reason: str | None = None, terms: Terms = _HERE
    ) -> Outlook:
        """Return what ``assign`` would do, and whether the stage would have it. Nothing is written."""
        ledger, into = self.ledger(check_model(name)), check_stage(stage)
        model, one = self._chosen(ledger, name, self._meant(name, version))
        return self._outlook(ledger, model, one, _Entry(into, reason, terms))

    def outlook_of_run(
        self,
        name: str,
        run_id: str,
        stage: str,
        artifact: str = "model",
        *,
        bump: str = "major",
        version: str | None = None,
        reason: str | None = None,
        terms: Terms = _HERE,
    ) -> Outlook:
        """Return what ``register_and_assign`` would do; see ``outlook``."""
        into = check_stage(stage)
        registering = self._registering(name, run_id, artifact, bump=bump, version=version, reason=reason)
        ledger = self.ledger(name)
        first = registering.plan(ledger)
        then = self._after(ledger, first)
        one = registering.found(then.models[name])
        found = self._outlook(then, then.models[name], one, _Entry(into, reason, terms))
        return replace(found, tags=(*(str(act.name) for act in first), *found.tags))

    def _outlook(self, ledger: Ledger, model: RegisteredModel, one: ModelVersion, entry: _Entry) -> Outlook:
        acts = Moves(ledger, model, self.exclusive, entry.reason).enter(one, entry.stage, alone=entry.alone)
        return Outlook(
            one,
            tuple(str(act.name) for act in acts),
            tuple(self.verdicts(ledger, model, one, entry)) if acts else (),
            model.in_stage(entry.stage),
        )

    def unassign(
        self, name: str, version: int | str, stage: str, *, reason: str | None = None, terms: Terms = _HERE
    ) -> ModelVersion:
        """Take a version out of a stage; an exclusive stage is empty then.

        Args:
            name: the model.
            version: as for ``find``.
            stage: the stage.
            reason: why, kept with the tag.
            terms: how it is made.

        Raises:
            InvalidName: a name outside the grammar.
            ModelNotFound: there is no such model or version, or it is not in the stage.
            PolicyFailed: who may do so, and how, is another matter for this stage.
            GitError: git refuses the tag.
        """
        out_of = check_stage(stage)
        meant = self._meant(name, version)

        def plan(ledger: Ledger) -> list[Act]:
            model, one = self._chosen(ledger, name, meant)
            trailers = self._leaving(ledger, model, one, _Entry(out_of, reason, terms))
            return Moves(ledger, model, self.exclusive, reason, trailers).leave(one, out_of)

        model = self._write(name, plan, terms, [out_of])
        return meant(model)

    def transition(
        self,
        name: str,
        version: int | str,
        stage: str | None,
        *,
        archive_existing: bool = False,
        reason: str | None = None,
        terms: Terms = _HERE,
    ) -> ModelVersion:
        """Move a version as MLflow does, to whom it is in one of ``staging``, ``production`` and ``archived``, or in none.

        Args:
            name: the model.
            version: as for ``find``.
            stage: where to; None for nowhere. Into a stage that MLflow does not know it comes beside the one that it is in.
            archive_existing: move the versions that are in the stage to ``archived``.
            reason: why, kept with the tags.
            terms: how it is made.

        Raises:
            InvalidName: a name outside the grammar.
            ModelNotFound: there is no such model or version.
            PolicyFailed: it does not fulfil what a stage demands.
            GitError: git refuses a tag.
        """
        into = check_stage(stage) if stage is not None else None
        meant = self._meant(name, version)

        def plan(ledger: Ledger) -> list[Act]:
            model, one = self._chosen(ledger, name, meant)
            trailers: list[tuple[str, str]] = []
            for left in one.stages:
                if left in MLFLOW_STAGES and left != into and (into is None or into in MLFLOW_STAGES):
                    trailers += self._leaving(ledger, model, one, _Entry(left, reason, terms))
            if into is not None and model.in_stage(into) != one:
                trailers += self._permit(ledger, model, one, _Entry(into, reason, terms))
            moves = Moves(ledger, model, self.exclusive, reason, list(dict.fromkeys(trailers)))
            return moves.transition(one, into, archive_existing=archive_existing)

        model = self._write(name, plan, terms, [into] if into else [])
        return meant(model)

    # Taking back

    def deregister(self, name: str, version: int | str, *, reason: str | None = None, terms: Terms = _HERE) -> None:
        """Take a version back, out of every stage too; its number and its tags stay, and nothing else can be called so.

        Raises:
            ModelNotFound: there is no such model or version.
            PolicyFailed: who may take it out of its stages is another matter.
            GitError: git refuses a tag.
        """
        meant = self._meant(name, version)

        def plan(ledger: Ledger) -> list[Act]:
            model, one = self._chosen(ledger, name, meant)
            trailers = [
                trailer
                for stage in one.stages
                for trailer in self._leaving(ledger, model, one, _Entry(stage, reason, terms))
            ]
            return Moves(ledger, model, self.exclusive, reason, list(dict.fromkeys(trailers))).withdraw(one)

        self._write(name, plan, terms, [])

    def deprecate(self, name: str, *, reason: str | None = None, terms: Terms = _HERE) -> RegisteredModel:
        """Retire a model: it stays, with all its versions, and says that it should not be used.

        Raises:
            ModelNotFound: there is no such model, or it has no version left.
            GitError: git refuses the tag.
        """

        def plan(ledger: Ledger) -> list[Act]:
            return Moves(ledger, self._known(ledger, name), self.exclusive, reason).retire()

        return self._write(name, plan, terms, [])

    # Policies

    def verdicts(
        self,
        ledger: Ledger,
        model: RegisteredModel,
        one: ModelVersion,
        entry: _Entry,
        signature: Signature | None = None,
    ) -> list[Verdict]:
        """Return what a stage demands of a version, and what was found."""
        return judge(self.rules.of(entry.stage), self._case(ledger, model, one, entry, signature), self._evidence)

    def _case(
        self,
        ledger: Ledger,
        model: RegisteredModel,
        one: ModelVersion,
        entry: _Entry,
        signature: Signature | None = None,
    ) -> Case:
        return Case(
            one,
            entry.stage,
            str(self._identity()),
            entry.reason,
            entry.terms.approvals,
            signature,
            self._writer.signs(entry.terms, demanded=self.rules.of(entry.stage).signed),
            model.in_stage(entry.stage),
            ledger.events.get(model.name, ()),
        )

    def _entering(self, ledger: Ledger, model: RegisteredModel, one: ModelVersion, entry: _Entry) -> list[Act]:
        if not Moves(ledger, model, self.exclusive).enter(one, entry.stage, alone=entry.alone):
            return []
        trailers = self._permit(ledger, model, one, entry)
        return Moves(ledger, model, self.exclusive, entry.reason, trailers).enter(one, entry.stage, alone=entry.alone)

    def _permit(
        self, ledger: Ledger, model: RegisteredModel, one: ModelVersion, entry: _Entry
    ) -> list[tuple[str, str]]:
        """Return what the tag says of its approvals, and of what it is forced against.

        Raises:
            PolicyFailed: the stage does not have it.
        """
        verdicts = self.verdicts(ledger, model, one, entry)
        return self._settled(f"{model.name} v{one.version} is not promoted to {entry.stage}", verdicts, entry)

    def _leaving(
        self, ledger: Ledger, model: RegisteredModel, one: ModelVersion, entry: _Entry
    ) -> list[tuple[str, str]]:
        verdicts = judge_leaving(self.rules.of(entry.stage), self._case(ledger, model, one, entry))
        return self._settled(f"{model.name} v{one.version} stays in {entry.stage}", verdicts, entry)

    def _settled(self, what: str, verdicts: Sequence[Verdict], entry: _Entry) -> list[tuple[str, str]]:
        failed = unmet(verdicts)
        if failed and not entry.terms.force:
            allowed = " --force would do it all the same." if self.rules.of(entry.stage).force else ""
            raise _failed(what, verdicts, allowed)
        if failed and not self.rules.of(entry.stage).force:
            raise _failed(what, verdicts, " The settings of this stage do not allow --force.")
        forced = [(messages.FORCED, "; ".join(one.condition for one in failed))] if failed else []
        return [*((messages.APPROVED, who) for who in entry.terms.approvals), *forced]

    # Writing

    def _write(self, name: str, plan: Plan, terms: Terms, stages: Sequence[str]) -> RegisteredModel:
        """Make the tags that ``plan`` asks for; a signature that a stage demands is looked at before they have names."""
        check_model(name)
        wary = [stage for stage in stages if self.rules.of(stage).asks_who]
        sign = self._writer.signs(terms, demanded=any(self.rules.of(stage).signed for stage in stages))

        def accept(acts: Sequence[Act], oids: Sequence[str]) -> None:
            for act, oid in zip(acts, oids, strict=True):
                policy = self.rules.of(act.name.stage or "")
                if act.name.stage in wary and not (terms.force and policy.force):
                    signature = verify(self._repo, oid, self.rules.allowed_signers)
                    one = ModelVersion(name, 0, "", act.about or "", commit=act.commit)
                    case = Case(one, act.name.stage or "", str(self._identity()), signature=signature, sign=sign)
                    verdicts = judge_leaving(replace(policy, reason=False), case)
                    if unmet(verdicts):
                        raise _failed(f"{act.name} is not made", verdicts, "")

        self._writer.write(name, plan, terms, sign=sign, accept=accept)
        return self._known(self.ledger(name), name)

    def _after(self, ledger: Ledger, acts: Sequence[Act]) -> Ledger:
        """Return what the tags would say after ``acts``."""
        who, now = str(self._identity()), int(time.time())
        return self.folded([*ledger.tags, *(act.made("", who, now) for act in acts)]) if acts else ledger

    def _meant(self, name: str, version: int | str) -> Callable[[RegisteredModel], ModelVersion]:
        """Return what finds again the version that is meant now, also when its tag gets another number on its way to a remote."""
        wanted = refer(f"{check_model(name)}@{version}")
        model = self.ledger(name).models.get(name)
        try:
            now = find_version(model, wanted) if model is not None else None
        except ModelNotFound:  # the remote may have it
            now = None
        return lambda model: find_version(model, wanted) if now is None else same_version(model, now)

    def _chosen(
        self, ledger: Ledger, name: str, meant: Callable[[RegisteredModel], ModelVersion]
    ) -> tuple[RegisteredModel, ModelVersion]:
        model = self._known(ledger, name)
        one = meant(model)
        if self._repo.objects.get(one.commit) is None:
            raise RunNotFound(
                f"Commit {one.commit[:8]}, which {one.tag} is on, is not in this clone. Fetch it: {self._fetch()}."
            )
        return model, one

    def _run_at(self, version: ModelVersion) -> OneRun | None:
        return OneRun.at(self._repo, version.commit, version.run_id) if version.run_id else None


@dataclass(frozen=True)
class _Entry:
    """A version that is to come into a stage, or out of it: which stage, why and how."""

    stage: str
    reason: str | None
    terms: Terms
    alone: bool = False


def _failed(what: str, verdicts: Sequence[Verdict], then: str) -> PolicyFailed:
    lines = "".join(f"\n  {one}" for one in verdicts)
    count = f"{len(unmet(verdicts))} of {len(verdicts)} conditions" if len(verdicts) > 1 else "its condition"
    return PolicyFailed(f"{what}: {count} {'are' if len(verdicts) > 1 else 'is'} not met.{then}{lines}", verdicts)

"""The model registry of a repository: reads all registry tags at once, and makes new ones.

Contract: every question looks at the tags anew, by one git process, so there is nothing to invalidate. A write is one ref
transaction, which happens wholly or not at all; a tag is never moved. Several threads and processes may use it at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from gtrack.errors import (
    ArtifactNotFound,
    GTrackError,
    ModelNotFound,
    RefChanged,
    RunNotFound,
    UsageError,
    VersionExists,
)
from gtrack.formats.names import ARTIFACTS, RUN_ID, check_artifact_path, run_path
from gtrack.git.tags import create_tags, list_tags
from gtrack.records import MLFLOW_STAGES, ModelVersion, RegisteredModel
from gtrack.registry import messages
from gtrack.registry.acts import Act, Acts
from gtrack.registry.artifact import check_artifact
from gtrack.registry.ledger import EXCLUSIVE, Event, Ledger, Problem, fold
from gtrack.registry.lookup import find_version, known_model, refer
from gtrack.registry.next_version import check_same, next_version, version_of
from gtrack.registry.tag_names import (
    Action,
    TagName,
    check_bump,
    check_model,
    check_stage,
    check_version,
    model_in_tag,
    parse_reference,
)
from gtrack.store.locks import turn

if TYPE_CHECKING:
    from gtrack.git.objects import Identity
    from gtrack.git.repo import Repository
    from gtrack.git.tags import Tag
    from gtrack.store.runs import RunStore

_TRIES = 20
_LOCK_SECONDS = 10.0


class Registry:
    """Versions and stages of models.

    Args:
        repo: the repository.
        store: its runs.
        branch: the name of their branch, for messages.
        identity: who makes tags.
        exclusive: the stages that hold one version: whatever comes into them takes the place of what was there.
    """

    def __init__(
        self,
        repo: Repository,
        store: RunStore,
        branch: str,
        identity: Callable[[], Identity],
        exclusive: Collection[str] = EXCLUSIVE,
    ) -> None:
        self._repo = repo
        self._store = store
        self._branch = branch
        self._identity = identity
        self.exclusive = frozenset(exclusive)

    # Reading

    def ledger(self, name: str | None = None) -> Ledger:
        """Return what the tags say now, of one model or of all.

        Raises:
            GitError: git refuses.
        """
        # A stage may have slashes, and a pattern's * stops at them; models have none of the marks of patterns.
        place = model_in_tag(name) if name is not None else "**/*"
        tags = list_tags(self._repo, f"{place}[@#]*", f"{place}[@#]*/**")
        runs = self._runs_of(tags)
        return fold(tags, runs.get, self.exclusive)

    def _runs_of(self, tags: Sequence[Tag]) -> dict[str, str]:
        """Return commit to run, for the commits whose tags do not say it themselves."""
        silent = {tag.target for tag in tags if tag.kind == "commit" and f"\n{messages.RUN}: " not in tag.message}
        wanted = sorted(silent)
        found: dict[str, str] = {}
        for oid, commit in zip(wanted, self._repo.objects.many(wanted), strict=True):
            text = commit.data.decode(errors="replace").partition("\n\n")[2] if commit else ""
            run_id = next(iter(messages.trailers_of(text).get(messages.RUN, ())), "")
            if RUN_ID.match(run_id):
                found[oid] = run_id
        return found

    def models(self) -> list[RegisteredModel]:
        """Return all registered models, by name."""
        return list(self.ledger().models.values())

    def model(self, name: str) -> RegisteredModel:
        """Return one model.

        Raises:
            InvalidName: nothing can be called so.
            ModelNotFound: none is.
        """
        return self._known(self.ledger(check_model(name)), name)

    def _known(self, ledger: Ledger, name: str) -> RegisteredModel:
        return ledger.models.get(name) or known_model(self.ledger(), name)

    def versions(self, name: str | None = None) -> list[ModelVersion]:
        """Return the versions of a model, or of all, in their order.

        Raises:
            ModelNotFound: there is no such model.
        """
        models = self.models() if name is None else [self.model(name)]
        return [version for model in models for version in model.versions]

    def version(self, ref: str) -> ModelVersion:
        """Return the version that a reference names.

        Args:
            ref: ``churn@3`` or ``churn@v3`` (the third version), ``churn@v1.4.0``, ``churn@latest`` (the highest number),
                ``churn@greatest`` (the highest semantic version), ``churn#production`` (what is in that stage); of ``churn``
                alone, the latest.

        Raises:
            UsageError: it is no such reference.
            ModelNotFound: there is no such model, no such version of it, or nothing in the stage.
        """
        wanted = refer(ref)
        return find_version(self._known(self.ledger(wanted.model), wanted.model), wanted)

    def runs(self) -> list[tuple[str, str, str | None]]:
        """Return run, model and stage of all versions: a row for each stage that one is in, or one without a stage."""
        return [
            (version.run_id, version.name, stage)
            for version in self.versions()
            if version.run_id is not None
            for stage in version.stages or (None,)
        ]

    def find(self, name: str, version: int | str) -> ModelVersion:
        """Return a version of a model by its number, or as in ``version``: ``3``, ``"3"``, ``"v1.4.0"``, ``"latest"``.

        Raises:
            InvalidName: nothing can be called so.
            UsageError: that names no version.
            ModelNotFound: there is no such model, or no such version of it.
        """
        return self.version(f"{check_model(name)}@{version}")

    def events(self, name: str) -> tuple[Event, ...]:
        """Return everything that was done to a model, the oldest first.

        Raises:
            ModelNotFound: there is no such model.
        """
        ledger = self.ledger(check_model(name))
        self._known(ledger, name)
        return ledger.events[name]

    def problems(self) -> tuple[Problem, ...]:
        """Return the tags that were not understood, and why."""
        return self.ledger().problems

    def run_of(self, ref: str) -> str | None:
        """Return the id of the run that ``model@version`` or ``model#stage`` comes from; None when no such model is registered.

        Raises:
            RunNotFound: nothing answers to the reference, it comes from no run, or that run is not here; the message says
                what to fetch.
        """
        wanted = parse_reference(ref)
        model = self.ledger(wanted.model).models.get(wanted.model) if wanted is not None else None
        if wanted is None or model is None:
            return None
        try:
            version = find_version(model, wanted)
        except ModelNotFound as error:
            raise RunNotFound(str(error)) from error
        if version.run_id is None:
            raise RunNotFound(f"{version.tag} is on commit {version.commit[:8]}, which is no run's: no run is {ref!r}.")
        if self._store.branch().locate(version.run_id) is None:
            raise RunNotFound(self._absent(version, version.run_id))
        return version.run_id

    def _absent(self, version: ModelVersion, run_id: str) -> str:
        what = f"Run {run_id[:8]}, which {version.tag} is of, is not on {self._branch} here."
        if self._store.tip() is None:
            return f"{what} This clone has no such branch; fetch it: {self._fetch()}."
        if self._repo.objects.get(version.commit) is not None:
            return f"{what} It was removed there; its own commit still has it: git show --stat {version.tag}."
        return f"{what} Fetch the branch: {self._fetch()}."

    def _fetch(self) -> str:
        keys = [key for key in self._repo.config() if key.startswith("remote.") and key.endswith(".url")]
        remotes = sorted(key.removeprefix("remote.").removesuffix(".url") for key in keys)
        remote = "origin" if "origin" in remotes or not remotes else remotes[0]
        shallow = "--unshallow " if (self._repo.common_dir / "shallow").exists() else ""
        return f"git fetch {shallow}--tags {remote} {self._branch}:refs/remotes/{remote}/{self._branch}"

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

        Raises:
            InvalidName: ``name`` or ``version`` is outside the grammar, which the message shows.
            UsageError: another ``bump``.
            RunNotFound: there is no such run, or its commit is not in this clone.
            ArtifactNotFound: the run has nothing at ``artifact``; the message lists what it has.
            VersionExists: the version is registered, or the run is another one, or the version that the run is holds another
                content of ``artifact``.
            GitError: git refuses the tag.
        """
        check_model(name)
        wanted = check_version(version) if version is not None else None
        check_bump(bump)
        run = self._store.run(run_id)
        at = commit or self._run_commit(run_id)
        self._check_artifact(run.experiment, run_id, at, check_artifact_path(artifact))
        said = [
            (messages.RUN, run_id),
            (messages.EXPERIMENT, run.experiment),
            (messages.ARTIFACT, artifact),
        ]

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

        model = self._write(name, plan)
        found = version_of(model.versions, at, run_id)
        if found is None:  # somebody took it back since
            raise ModelNotFound(f"Run {run_id[:8]} was registered as {name}, and taken back by another writer at once.")
        return found

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
        trailers: Sequence[tuple[str, str]] = (),
    ) -> ModelVersion:
        """Put a version into a stage; an earlier one may come back the same way. Nothing is done where it is there already.

        Args:
            name: the model.
            version: as for ``find``.
            stage: the stage; MLflow's in any case.
            reason: why, kept with the tag.
            exclusive: take the other versions out of the stage; so it is for exclusive stages anyhow, when None.
            trailers: further ones for the message.

        Raises:
            InvalidName: a name outside the grammar.
            UsageError: ``exclusive=False`` for a stage that holds one version.
            ModelNotFound: there is no such model or version.
            GitError: git refuses the tag.
        """
        into = check_stage(stage)
        if exclusive is False and into in self.exclusive:
            raise UsageError(
                f"The stage {into} holds one version: what comes into it takes the place of what was there."
            )

        def plan(ledger: Ledger) -> list[Act]:
            model, one = self._chosen(ledger, name, version)
            others = [number for number in model.stages.get(into, ()) if number != one.version]
            acts = Acts(ledger, model, reason, trailers)
            if exclusive and into not in self.exclusive:
                acts.leave(into, others)
            if model.in_stage(into) != one:
                acts.enter(into, one)
            return acts.made

        return self._version_after(self._write(name, plan), version)

    def unassign(self, name: str, version: int | str, stage: str, *, reason: str | None = None) -> ModelVersion:
        """Take a version out of a stage; an exclusive stage is empty then.

        Args:
            name: the model.
            version: as for ``find``.
            stage: the stage.
            reason: why, kept with the tag.

        Raises:
            InvalidName: a name outside the grammar.
            ModelNotFound: there is no such model or version, or it is not in the stage.
            GitError: git refuses the tag.
        """
        out_of = check_stage(stage)

        def plan(ledger: Ledger) -> list[Act]:
            model, one = self._chosen(ledger, name, version)
            if out_of not in one.stages:
                where = f"it is in {', '.join(one.stages)}" if one.stages else "it is in no stage"
                raise ModelNotFound(f"Version {one.version} of {name} ({one.semver}) is not in {out_of}: {where}.")
            acts = Acts(ledger, model, reason)
            acts.leave(out_of, [one.version, *self._hidden(ledger, name, out_of)])
            return acts.made

        return self._version_after(self._write(name, plan), version)

    def _hidden(self, ledger: Ledger, name: str, stage: str) -> Sequence[int]:
        """Return the versions that would come to light again in a stage that is to be empty, here and for GTO."""
        return ledger.shadowed.get((name, stage), ()) if stage in self.exclusive else ()

    def transition(
        self,
        name: str,
        version: int | str,
        stage: str | None,
        *,
        archive_existing: bool = False,
        reason: str | None = None,
    ) -> ModelVersion:
        """Move a version as MLflow does, to whom it is in one of ``staging``, ``production`` and ``archived``, or in none.

        Args:
            name: the model.
            version: as for ``find``.
            stage: where to; None for nowhere. Into a stage that MLflow does not know it comes beside the one that it is in.
            archive_existing: move the versions that are in the stage to ``archived``.
            reason: why, kept with the tags.

        Raises:
            InvalidName: a name outside the grammar.
            ModelNotFound: there is no such model or version.
            GitError: git refuses a tag.
        """
        into = check_stage(stage) if stage is not None else None

        def plan(ledger: Ledger) -> list[Act]:
            model, one = self._chosen(ledger, name, version)
            acts = Acts(ledger, model, reason)
            if into is None or into in MLFLOW_STAGES:
                for other in one.stages:
                    if other in MLFLOW_STAGES and other != into:
                        acts.leave(other, [one.version, *self._hidden(ledger, name, other)])
            if into is None:
                return acts.made
            for number in model.stages.get(into, ()) if archive_existing and into != MLFLOW_STAGES[-1] else ():
                if number != one.version:
                    acts.leave(into, [number])
                    acts.enter(MLFLOW_STAGES[-1], acts.versions[number])
            if model.in_stage(into) != one:
                acts.enter(into, one)
            return acts.made

        return self._version_after(self._write(name, plan), version)

    # Taking back

    def deregister(self, name: str, version: int | str, *, reason: str | None = None) -> None:
        """Take a version back, out of every stage too; its number and its tags stay, and nothing else can be called so.

        Raises:
            ModelNotFound: there is no such model or version.
            GitError: git refuses a tag.
        """

        def plan(ledger: Ledger) -> list[Act]:
            model, one = self._chosen(ledger, name, version)
            acts = Acts(ledger, model, reason)
            for stage in one.stages:
                acts.leave(stage, [one.version, *self._hidden(ledger, name, stage)])
            taken = any(
                event.action is Action.DEREGISTER and event.semver == one.semver for event in ledger.events[name]
            )
            acts.add(TagName(Action.DEREGISTER, name, one.semver), one, counted=taken)
            return acts.made

        self._write(name, plan)

    def deprecate(self, name: str, *, reason: str | None = None) -> RegisteredModel:
        """Retire a model: it stays, with all its versions, and says that it should not be used.

        Raises:
            ModelNotFound: there is no such model, or it has no version left.
            GitError: git refuses the tag.
        """

        def plan(ledger: Ledger) -> list[Act]:
            model = self._known(ledger, name)
            if model.deprecated:
                return []
            last = next(iter((*reversed(model.versions), *reversed(model.withdrawn))), None)
            if last is None:
                raise ModelNotFound(f"Model {name} has no version, and so nothing that could be retired.")
            acts = Acts(ledger, model, reason)
            taken = any(event.action is Action.DEPRECATE for event in ledger.events[name])
            acts.add(TagName(Action.DEPRECATE, name), last, counted=taken)
            return acts.made

        return self._write(name, plan)

    # Writing

    def _chosen(self, ledger: Ledger, name: str, version: int | str) -> tuple[RegisteredModel, ModelVersion]:
        model = self._known(ledger, name)
        one = find_version(model, refer(f"{name}@{version}"))
        if self._repo.objects.get(one.commit) is None:
            raise RunNotFound(
                f"Commit {one.commit[:8]}, which {one.tag} is on, is not in this clone. Fetch it: {self._fetch()}."
            )
        return model, one

    def _version_after(self, model: RegisteredModel, version: int | str) -> ModelVersion:
        return find_version(model, refer(f"{model.name}@{version}"))

    def _write(self, name: str, plan: Callable[[Ledger], list[Act]]) -> RegisteredModel:
        """Make the tags that ``plan`` asks for; it is asked again when another writer was quicker.

        Returns:
            The model as it is then.
        """
        check_model(name)
        # So that two stages do not get one number; without a lock, the refs still decide.
        with turn(self._repo.common_dir / "gtrack" / "registry.lock", _LOCK_SECONDS):
            for attempt in range(1, _TRIES + 1):
                ledger = self.ledger(name)
                acts = plan(ledger)
                if not acts:
                    return self._known(ledger, name)
                tags = [act.tag() for act in acts]
                try:
                    create_tags(self._repo, tags, self._identity())
                    break
                except RefChanged as error:
                    wrong = next((one for one in ledger.problems if one.tag in {tag.name for tag in tags}), None)
                    if wrong is not None:
                        raise GTrackError(
                            f"{wrong.tag} cannot be made: there is a tag of this name, and {wrong.text}. Remove it first: "
                            f"git tag -d '{wrong.tag}'."
                        ) from error
                    if attempt == _TRIES:
                        raise
                    time.sleep(random.SystemRandom().uniform(0, 0.02 * attempt))
        return self._known(self.ledger(name), name)

"""Read the model registry of a repository: what all its registry tags say together.

Contract: every question looks at the tags anew, by one git process, so there is nothing to invalidate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gtrack.errors import GTrackError, ModelNotFound, RunNotFound
from gtrack.formats.names import RUN_ID
from gtrack.git.tags import list_tags
from gtrack.records import ModelVersion, RegisteredModel
from gtrack.registry import messages
from gtrack.registry.ledger import Event, Ledger, Problem, fold
from gtrack.registry.lookup import find_version, known_model, refer
from gtrack.registry.tag_names import check_model, model_in_tag, parse_reference

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.git.tags import Tag
    from gtrack.registry.renaming import Renamed
    from gtrack.store.runs import RunStore


class RegistryReader:
    """Versions and stages of models, as the tags say.

    Args:
        repo: the repository.
        store: its runs.
        branch: the name of their branch, for messages.
        exclusive: the stages that hold one version.
    """

    def __init__(self, repo: Repository, store: RunStore, branch: str, exclusive: Collection[str]) -> None:
        self._repo = repo
        self._store = store
        self._branch = branch
        self.exclusive = frozenset(exclusive)

    def ledger(self, name: str | None = None) -> Ledger:
        """Return what the tags say now, of one model or of all.

        Raises:
            GitError: git refuses.
        """
        # A stage may have slashes, and a pattern's * stops at them; models have none of the marks of patterns.
        place = model_in_tag(name) if name is not None else "**/*"
        tags = list_tags(self._repo, f"{place}[@#]*", f"{place}[@#]*/**")
        return self.folded(tags)

    def folded(self, tags: Sequence[Tag]) -> Ledger:
        """Return what follows from ``tags``; the run of one that does not say it is that of its commit."""
        return fold(tags, self._runs_of(tags).get, self.exclusive)

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

    def with_run_names(self, renamed: Iterable[Renamed]) -> tuple[Renamed, ...]:
        """Return the same with the names of runs in the place of their ids, where the runs are here."""
        return tuple(replace(one, run=self._called(one.run)) for one in renamed)

    def _called(self, run_id: str) -> str:
        try:
            return self._store.run(run_id).name if run_id else ""
        except GTrackError:  # it is not here, or cannot be read: its id names it
            return run_id[:8]

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

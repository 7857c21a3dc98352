"""The runs of a repository, on the runs branch.

Contract: reading sees one tip of the branch at a time; several threads and processes may read and write at once. A write is
one ``git fast-import`` stream and one ref transaction, so it happens wholly or not at all, and is on disk when it returns.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from gtrack.errors import (
    CommitFailed,
    ExperimentNotFound,
    FormatError,
    GitError,
    RefChanged,
    RunNotFound,
    UsageError,
)
from gtrack.formats import run_dir
from gtrack.formats.history import parse_history
from gtrack.formats.names import ARTIFACTS, EXPERIMENTS, experiment_directory, experiment_path, on_one_line, run_path
from gtrack.formats.yamlio import dumps, load_mapping
from gtrack.git.lfs import adopt
from gtrack.git.lfs import store as lfs_store
from gtrack.git.objects import Change, FastImport, Identity
from gtrack.git.promisor import is_partial, missing
from gtrack.git.refs import Update, newest, update
from gtrack.git.worktree import checked_out, releases
from gtrack.records import Artifact, Experiment, History, Run
from gtrack.store.attributes import Attributes
from gtrack.store.branch import BranchReader, Location
from gtrack.store.large.digests import Digests
from gtrack.store.live import EXPERIMENT_NEWS, edit_head
from gtrack.store.locks import turn
from gtrack.store.resumed import changed_since
from gtrack.store.run_commits import find_run_commit, last_state

if TYPE_CHECKING:
    from pathlib import Path

    from gtrack.config import Config
    from gtrack.git.lfs import Pointer
    from gtrack.git.progress import Tell
    from gtrack.git.repo import Repository
    from gtrack.records import Value
    from gtrack.store.artifact_reader import ArtifactReader
    from gtrack.store.large.content import Content
    from gtrack.store.live import LiveDir

AnyT = TypeVar("AnyT")
BuiltT = TypeVar("BuiltT", bound="Built")

_TRIES = 40
_LOCK_SECONDS = 30.0
_MEGABYTE = 1024 * 1024
_GITATTRIBUTES = f"{ARTIFACTS}/.gitattributes"


class Built(Protocol):
    """What a new state of the branch came with, such as a ``Merged``."""

    @property
    def commit(self) -> str:
        """The branch's new commit."""


class RunStore:
    """Lists, reads, commits and edits the runs on the runs branch."""

    def __init__(self, repo: Repository, config: Config, identity: Callable[[], Identity]) -> None:
        self._repo = repo
        self._config = config
        self._identity = identity

    # Reading

    @cached_property
    def _reader(self) -> ArtifactReader:
        from gtrack.store.artifact_reader import ArtifactReader  # noqa: PLC0415 - threads and stores that few calls need

        return ArtifactReader(self._repo, self._config)

    def branch(self) -> BranchReader:
        """Return the branch as of now."""
        return BranchReader(self._repo, self.tip())

    def tip(self) -> str | None:
        """Return the newest commit of the runs branch; in a clone that has no such branch yet, of the one it was cloned from."""
        return newest(self._repo, self._config.branch)

    def ids(self) -> list[str]:
        """Return the ids of all committed runs."""
        return [location.id for location in self.branch().locations()]

    def _located(self, run_id: str, at: str | None = None) -> tuple[BranchReader, Location]:
        branch = self.branch() if at is None else BranchReader(self._repo, at)
        location = branch.locate(run_id)
        if location is None:
            raise RunNotFound.of(run_id)
        return branch, location

    def runs(self, ids: Sequence[str] | None = None) -> list[Run]:
        """Return committed runs, all or those of ``ids`` (unknown ones left out), with parameters, metrics and inputs."""
        branch = self.branch()
        locations = branch.locations()
        if ids is not None:
            by_id = {location.id: location for location in locations}
            locations = [by_id[run_id] for run_id in ids if run_id in by_id]
        return branch.runs(locations)

    def newest(self, count: int | None, experiment: str | None = None, statuses: Sequence[str] = ()) -> list[Run]:
        """Return the committed runs that started last, newest first; all of them when ``count`` is None."""
        branch = self.branch()
        glances = branch.glances(branch.locations(experiment))
        if statuses:
            glances = [glance for glance in glances if glance.status in statuses]
        never = datetime.min.replace(tzinfo=timezone.utc)
        glances.sort(key=lambda glance: (glance.started or never, glance.location.id), reverse=True)
        return branch.runs([glance.location for glance in glances[:count]])

    def run(self, run_id: str) -> Run:
        """Return one committed run.

        Raises:
            RunNotFound: it is not on the branch.
        """
        branch, location = self._located(run_id)
        return branch.runs([location])[0]

    def tree(self, run_id: str) -> str:
        """Return the id of the tree of a run directory: another one whenever anything in it was changed.

        Raises:
            RunNotFound: it is not on the branch.
        """
        return self._located(run_id)[1].tree

    def file(self, run_id: str, name: str) -> bytes | None:
        """Return the bytes of a file of a run directory; None when there is none."""
        branch, location = self._located(run_id)
        return branch.file(location, name)

    def is_here(self, run_id: str, name: str) -> bool:
        """Tell whether reading a file of a run directory takes no remote; so it is also of one that there is not."""
        if not is_partial(self._repo):
            return True
        branch, location = self._located(run_id)
        return not missing(self._repo, [entry.oid for entry in branch.tree(location.tree) if entry.name == name])

    def history(self, run_id: str) -> History:
        """Return the rows of ``history.yaml``."""
        return parse_history(self.file(run_id, run_dir.HISTORY) or b"")

    def artifacts(self, run_id: str, at: str | None = None) -> list[Artifact]:
        """Return the artifacts, by path; as a commit holds them, when one is given by ``at``."""
        branch, location = self._located(run_id, at)
        return [artifact for artifact, _ in branch.artifacts(location).values()]

    def artifact_bytes(self, run_id: str, path: str, at: str | None = None) -> bytes:
        """Return the content of one artifact in memory, however large it is; see ``artifact``."""
        from gtrack.store.large.content import Content, used  # noqa: PLC0415 - as for ``_reader``

        return used(lambda: self.artifact(run_id, path, at), Content.read)

    def artifact(self, run_id: str, path: str, at: str | None = None) -> Content:
        """Return the content of one artifact, which is fetched when it is not here; as a commit holds it, when ``at`` is one.

        Raises:
            ArtifactNotFound: the run has none at ``path``.
            ArtifactError: it is not here, and nowhere to be had.
        """
        branch, location = self._located(run_id, at)
        return self._reader.content(branch, location, path)

    def bring(self, wanted: Mapping[str, Collection[str]], at: str | None = None, tell: Tell = lambda *_: None) -> int:
        """Bring artifacts that are not here, all in one request: large ones, and what a partial clone left with its remote.

        Args:
            wanted: run id to the paths of its artifacts; what is not on the branch, or has no such artifact, is passed over.
            at: the commit that they are taken from; as they are now, when None.
            tell: is told how far it is.

        Returns:
            How many were fetched.

        Raises:
            ArtifactError: some are nowhere to be had.
        """
        branch = self.branch() if at is None else BranchReader(self._repo, at)
        asked = [
            (location, path)
            for run_id, paths in wanted.items()
            if (location := branch.locate(run_id)) is not None
            for path in paths
        ]
        return self._reader.bring(branch, asked, tell)

    def experiments(self) -> list[Experiment]:
        """Return the experiments that have runs or a description of their own."""
        branch = self.branch()
        return [self._experiment(branch, name) for name in branch.experiment_trees()]

    def experiment(self, name: str) -> Experiment:
        """Return one experiment; one that is only a name when nothing is known of it."""
        return self._experiment(self.branch(), name)

    def _experiment(self, branch: BranchReader, name: str) -> Experiment:
        found = self._repo.objects.get(f"{branch.tip}:{experiment_path(name)}") if branch.tip else None
        try:
            return run_dir.decode_experiment(found.data if found else None, name)
        except FormatError:
            return Experiment(name)

    # Writing

    def _write(
        self, build: Callable[[BranchReader, FastImport], str], also: Sequence[Update], reason: str
    ) -> list[str]:
        """Build a commit on the branch's tip and move the branch to it; again from the new tip while others are quicker.

        Returns:
            The ids of the commits that were made, in order.

        Raises:
            GitError: git refuses, or the branch kept moving or stayed locked.
        """

        def attempt() -> tuple[list[Update], list[str]]:
            branch = self.branch()
            with FastImport(self._repo) as stream:
                mark = build(branch, stream)
            return [*self._moves(branch, stream.oids[mark]), *also], list(stream.oids.values())

        return self._move(attempt, reason)

    def _moves(self, branch: BranchReader, commit: str) -> list[Update]:
        """Return what moves the branch from where it was read to a commit."""
        old = branch.tip if branch.tip and branch.tip == self._repo.resolve(self._config.ref) else ""
        return [Update(self._config.ref, commit, old)] if commit != old else []

    def integrate(self, build: Callable[[str | None], BuiltT], reason: str) -> BuiltT:
        """Move the branch to a commit that is built from where it is; again from there while others are quicker.

        Args:
            build: is given the branch's newest commit, None where this clone has no such branch, and returns what has the new
                one for its ``commit``. What it makes is on disk before the branch is moved, by compare-and-swap: a process
                that is killed leaves the branch where it was, or where it shall be.
            reason: what is done, for the reflog.

        Returns:
            What ``build`` returned last.

        Raises:
            GitError: git refuses, or the branch kept moving or stayed locked.
        """

        def attempt() -> tuple[list[Update], BuiltT]:
            tip = self._repo.resolve(self._config.ref)
            built = build(tip)
            return [Update(self._config.ref, built.commit, tip or "")] if built.commit != tip else [], built

        return self._move(attempt, reason)

    def _move(self, attempt: Callable[[], tuple[list[Update], AnyT]], reason: str) -> AnyT:
        """Carry out the updates of refs that an attempt asks for, again and again while others are quicker."""
        place = checked_out(self._repo, self._config.ref)
        if place is not None:
            raise GitError(
                f"The branch {self._config.branch} is checked out in {place}, and a run would move it away under those files. "
                "Check out another branch there."
            )
        # Only for speed: without the lock, compare-and-swap still decides.
        with turn(self._repo.common_dir / "gtrack" / "commit.lock", _LOCK_SECONDS):
            for number in range(1, _TRIES + 1):
                updates, made = attempt()
                try:
                    if updates:
                        update(self._repo, updates, self._identity(), reason)
                    return made
                except RefChanged:
                    if number == _TRIES:
                        raise
                    time.sleep(random.SystemRandom().uniform(0, 0.02 * number))
        raise RefChanged(f"{self._config.ref} kept moving.")

    def run_commit(self, run_id: str) -> str | None:
        """Return the commit of a run's own, the code with that run directory; None when the history here does not have it."""
        tip = self.tip()
        return find_run_commit(self._repo, tip, run_id) if tip else None

    def commit(self, live: LiveDir, run: Run) -> str:
        """Commit a finished live directory: the run commit on the code commit, and the branch commit that merges it.

        Args:
            live: the directory, in its final form; it stays where it is.
            run: what its ``run.yaml`` says.

        Returns:
            The id of the run commit.

        Raises:
            CommitFailed: nothing was committed; the message says why, and that the directory stays.
        """
        try:
            code = run.code.commit if run.code.commit and self._repo.objects.get(run.code.commit) else None
            also = releases(code) if code and code != run.code.head else []
            subject = f"{run.experiment}: {run.name} {run.status}"
            return self._move(lambda: self._attempt(live, run, code, also), subject)
        except (GitError, OSError) as error:
            reason = str(error) if isinstance(error, GitError) else error.strerror or str(error)
            raise CommitFailed(
                f"Run {run.name} ({run.short_id}) is complete but could not be committed to {self._config.branch}: {reason}\n"
                f"Nothing is lost: it stays in {live.path}. When that is mended, 'gtrack recover' commits it."
            ) from error

    def _attempt(self, live: LiveDir, run: Run, code: str | None, also: Sequence[Update]) -> tuple[list[Update], str]:
        """Make the commits of a live directory; return what moves the branch there, and the run commit."""
        branch = self.branch()
        before = changed_since(self._repo, branch, live)
        with FastImport(self._repo) as stream:
            mark = self._build(before or branch, stream, live, run, code)
        run_commit, commit = next(iter(stream.oids.values())), stream.oids[mark]
        if before is not None:  # what came to the run while it went on, by a pull or an edit at that moment, stays
            from gtrack.store.merge.replay import replay  # noqa: PLC0415 - nobody else who makes runs needs it

            commit = replay(self._repo, branch.tip, before.tip, commit, self._identity()).commit or commit
        return [*self._moves(branch, commit), *also], run_commit

    def _build(self, branch: BranchReader, stream: FastImport, live: LiveDir, run: Run, code: str | None) -> str:
        place = run_path(run.experiment, run.id)
        earlier = branch.locate(run.id)
        changes = self._changes(branch, stream, live, place, earlier)
        message = _message(run, code)
        seconds = int((run.ended or datetime.now(timezone.utc)).timestamp())
        run_commit = stream.commit([code] if code else [], changes, message, self._identity(), seconds)
        if earlier is not None and earlier.experiment != run.experiment:
            changes.insert(0, Change(run_path(earlier.experiment, run.id), None))
        changes += self._experiment_changes(branch, stream, run, live.read(EXPERIMENT_NEWS))
        tip = branch.tip
        parents = [tip, run_commit] if tip else [run_commit]
        return stream.commit(parents, changes, message, self._identity(), int(time.time()), from_empty=tip is None)

    def _changes(
        self, branch: BranchReader, stream: FastImport, live: LiveDir, place: str, earlier: Location | None
    ) -> list[Change]:
        """Return what puts the run directory in place; a resumed run keeps the artifacts that it had."""
        changes, attributes = [], Attributes(b"")
        if earlier is not None:
            kept = next((e.oid for e in branch.tree(earlier.tree) if e.name == ARTIFACTS), None)
            if kept is not None:
                changes.append(Change(f"{place}/{ARTIFACTS}", kept, "040000"))
                attributes = Attributes(branch.file(earlier, _GITATTRIBUTES) or b"")
        before, digests = attributes.encode(), Digests(live.path)
        for inside, path in live.files():
            artifact = inside.removeprefix(f"{ARTIFACTS}/")
            if artifact != inside and self._is_large(artifact, path) and attributes.add(artifact):
                source = stream.blob(self._adopt(path, digests.pointer(path)).encode())
            else:
                attributes.discard(artifact)
                source = stream.blob_file(path)
            changes.append(Change(f"{place}/{inside}", source))
        if attributes.encode() != before:
            changes.append(Change(f"{place}/{_GITATTRIBUTES}", stream.blob(attributes.encode())))
        return changes

    def _adopt(self, path: Path, known: Pointer | None) -> Pointer:
        """Make an object of the LFS store of a live artifact, and return its pointer; it is read only when that is not known."""
        if known is None:
            return lfs_store(self._repo, path)
        adopt(self._repo, path, known)
        return known

    def _is_large(self, artifact: str, path: Path) -> bool:
        size = path.stat().st_size
        names = (artifact, artifact.rpartition("/")[2])
        by_name = any(fnmatchcase(name, pattern) for pattern in self._config.lfs for name in names)
        # An empty file has no pointer: git-lfs leaves it empty.
        return size > 0 and (by_name or size >= self._config.lfs_above_mb * _MEGABYTE)

    def _experiment_changes(
        self, branch: BranchReader, stream: FastImport, run: Run, news: bytes | None
    ) -> list[Change]:
        path = experiment_path(run.experiment)
        found = self._repo.objects.get(f"{branch.tip}:{path}") if branch.tip else None
        if found is not None and news is None:
            return []
        known = self._experiment(branch, run.experiment)
        try:
            said = run_dir.decode_experiment(news, run.experiment)
        except FormatError:  # `LiveDir.finish` has said so in the run
            said = Experiment(run.experiment)
        wanted = replace(
            known,
            created=known.created or run.started,
            purpose=said.purpose or known.purpose,
            tags={**known.tags, **said.tags},
            objective=said.objective or known.objective,
        )
        return (
            []
            if found is not None and wanted == known
            else [Change(path, stream.blob(run_dir.encode_experiment(wanted)))]
        )

    def is_committed(self, live: LiveDir) -> bool:
        """Tell whether the branch already holds this very directory (its process died between commit and removal)."""
        branch = self.branch()
        location = branch.locate(live.id)
        return location is not None and branch.file(location, run_dir.RUN) == live.read(run_dir.RUN)

    def edit(self, run_id: str, change: Callable[[dict[str, Any]], None], what: str) -> Run:
        """Change what ``run.yaml`` of a committed run holds, by a branch commit of its own.

        Args:
            run_id: the run.
            change: changes the mapping in place; called again when another writer was quicker.
            what: what is done, for the commit's subject.

        Raises:
            RunNotFound: it is not on the branch.
            GitError: git refuses.
        """

        def build(branch: BranchReader, stream: FastImport) -> str:
            location = branch.locate(run_id)
            if location is None or branch.tip is None:
                raise RunNotFound.of(run_id)
            run = branch.runs([location])[0]
            try:
                head = edit_head(branch.file(location, run_dir.RUN), change)
            except FormatError as error:
                raise FormatError(
                    f"Run {run.name} ({run_id[:8]}) is damaged and cannot be {what}: {error} "
                    f"'gtrack verify {run_id[:8]}' tells more, 'gtrack audit --run {run_id[:8]}' who did it."
                ) from error
            place = f"{run_path(location.experiment, run_id)}/{run_dir.RUN}"
            edited = [Change(place, stream.blob(dumps(head).encode()))]
            subject = f"{location.experiment}: {run.name} {what}"
            return self._commit_alone(branch, stream, edited, subject, location.experiment, run_id)

        self._write(build, (), f"{run_id[:8]} {what}")
        return self.run(run_id)

    def edit_experiment(self, name: str, change: Callable[[Experiment | None], Experiment], what: str) -> Experiment:
        """Change what is said of an experiment, by a branch commit of its own; one that is not there yet is made.

        Args:
            name: the experiment.
            change: gives what shall be said, of what is; called again when another writer was quicker. It gets None for
                an experiment that has neither runs nor a description, and may raise: then nothing is written.
            what: what is done, for the commit's subject.

        Raises:
            GitError: git refuses.
        """

        def build(branch: BranchReader, stream: FastImport) -> str:
            known = self._experiment(branch, name) if name in branch.experiment_trees() else None
            change_of = Change(experiment_path(name), stream.blob(run_dir.encode_experiment(change(known))))
            return self._commit_alone(branch, stream, [change_of], f"{name}: {what}", name)

        self._write(build, (), f"{name}: {what}")
        return self.experiment(name)

    def remove(self, run_id: str) -> None:
        """Take a run off the branch, by a commit of its own: the branch's history, and the run's own commit, keep it.

        Raises:
            RunNotFound: it is not on the branch.
            GitError: git refuses.
        """

        def build(branch: BranchReader, stream: FastImport) -> str:
            location = branch.locate(run_id)
            if location is None:
                raise RunNotFound.of(run_id)
            run = branch.runs([location])[0]
            gone = [Change(run_path(location.experiment, run_id), None)]
            subject = f"{location.experiment}: {run.name} removed"
            return self._commit_alone(branch, stream, gone, subject, location.experiment, run_id)

        self._write(build, (), f"{run_id[:8]} removed")

    def remove_experiment(self, name: str) -> None:
        """Take an experiment with all its runs off the branch, by a commit of its own; see ``remove``.

        Raises:
            ExperimentNotFound: it is not on the branch.
            GitError: git refuses.
        """

        def build(branch: BranchReader, stream: FastImport) -> str:
            known = branch.experiment_trees()
            if name not in known:
                raise ExperimentNotFound.of(name, known)
            gone = [Change(experiment_directory(name), None)]
            return self._commit_alone(branch, stream, gone, f"{name}: removed", name)

        self._write(build, (), f"{name}: removed")

    def restore(self, run_id: str) -> Run:
        """Put a run that was removed back, as it was, by a commit of its own.

        Raises:
            RunNotFound: the branch never held it.
            GitError: git refuses.
        """

        def build(branch: BranchReader, stream: FastImport) -> str:
            if branch.locate(run_id) is not None:
                raise UsageError(f"Run {run_id[:8]} is there: nothing is to be restored.")
            before, location = self._last_seen(branch, run_id)
            from gtrack.store.merge.contents import check_run  # noqa: PLC0415 - merging is nothing that readers need

            check_run(self._repo, run_id, location.tree, before.tip)
            back = [Change(run_path(location.experiment, run_id), location.tree, "040000")]
            subject = f"{location.experiment}: {before.runs([location])[0].name} restored"
            return self._commit_alone(branch, stream, back, subject, location.experiment, run_id)

        self._write(build, (), f"{run_id[:8]} restored")
        return self.run(run_id)

    def restore_experiment(self, name: str) -> Experiment:
        """Put an experiment that was removed back, with the runs that it had, by a commit of its own.

        Raises:
            ExperimentNotFound: the branch never held it.
            UsageError: it is there.
            FormatError: it holds what no experiment may hold.
            GitError: git refuses.
        """

        def build(branch: BranchReader, stream: FastImport) -> str:
            known = branch.experiment_trees()
            if name in known:
                raise UsageError(f"The experiment {name!r} is there: nothing is to be restored.")
            path = f":(literal){experiment_directory(name)}"
            before = last_state(self._repo, branch.tip, path, lambda one: name in one.experiment_trees())
            if before is None or before.tip is None:
                raise ExperimentNotFound.of(name, known)
            from gtrack.store.merge.contents import check_experiment_at  # noqa: PLC0415 - as in ``restore``

            check_experiment_at(self._repo, name, before.tip)
            back = [Change(experiment_directory(name), before.experiment_trees()[name], "040000")]
            return self._commit_alone(branch, stream, back, f"{name}: restored", name)

        self._write(build, (), f"{name}: restored")
        return self.experiment(name)

    def _last_seen(self, branch: BranchReader, run_id: str) -> tuple[BranchReader, Location]:
        """Return the last state of the branch that had a run which it no longer has, and where the run was then."""
        path = f":(glob){EXPERIMENTS}/*/{run_id[:2]}/{run_id}/*"
        before = last_state(self._repo, branch.tip, path, lambda one: one.locate(run_id) is not None)
        location = before.locate(run_id) if before is not None else None
        if before is None or location is None:
            raise RunNotFound.of(run_id, " Nor was there ever one on this branch.")
        return before, location

    def _commit_alone(
        self,
        branch: BranchReader,
        stream: FastImport,
        changes: Sequence[Change],
        subject: str,
        experiment: str,
        run_id: str | None = None,
    ) -> str:
        """Add a branch commit without a run commit, and return its mark."""
        trailers = ([f"Run: {run_id}"] if run_id else []) + [f"Experiment: {on_one_line(experiment)}"]
        message = f"{on_one_line(subject)}\n\n" + "\n".join(trailers) + "\n"
        parents = [branch.tip] if branch.tip else []
        return stream.commit(parents, changes, message, self._identity(), int(time.time()))

    def head(self, run_id: str) -> dict[str, Any]:
        """Return what ``run.yaml`` of a committed run holds, keys that this gtrack does not know among it."""
        return edit_head(self.file(run_id, run_dir.RUN), lambda _: None)

    def environment(self, run_id: str) -> dict[str, Value]:
        """Return what ``environment.yaml`` holds; nothing when there is none."""
        data = self.file(run_id, run_dir.ENVIRONMENT)
        return load_mapping(data, run_dir.ENVIRONMENT) if data else {}


def _message(run: Run, code: str | None) -> str:
    trailers = [f"Run: {run.id}", f"Experiment: {on_one_line(run.experiment)}"]
    if code:
        trailers.append(f"Code-Commit: {code}")
    return on_one_line(f"{run.experiment}: {run.name} {run.status}") + "\n\n" + "\n".join(trailers) + "\n"

"""A project: a repository with its settings, its store of runs and its live directories, wired together.

Every command opens one, and most ask the index alone: what reads and writes the branch itself, looks at the working tree and the
machine, or knows the registry is imported by what asks for it. Together that takes four times as long as the rest.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gtrack.config import DIRECTORY, FILE, TEMPLATE, Config, load
from gtrack.errors import ArtifactNotFound, ConfigError, FormatError, GTrackError, NotARepository, RunNotFound
from gtrack.formats import run_dir
from gtrack.formats.history import parse_history
from gtrack.formats.names import ARTIFACTS, experiment_path
from gtrack.formats.yamlio import load_mapping
from gtrack.git.refs import newest
from gtrack.git.repo import Repository
from gtrack.records import Artifact, CodeState, Status
from gtrack.store.live import PROMISES, LiveStore, ignore_text
from gtrack.store.liveness import read_exit
from gtrack.variables import REPO_VARIABLE

if TYPE_CHECKING:
    from gtrack.git.objects import Identity
    from gtrack.git.worktree import WorktreeState
    from gtrack.records import Experiment, History, LeftOut, Run, Value
    from gtrack.registry.reader import RegistryReader
    from gtrack.registry.registry import Registry
    from gtrack.store.index import Index
    from gtrack.store.large.content import Content
    from gtrack.store.live import LiveDir
    from gtrack.store.references import References
    from gtrack.store.runs import RunStore

_MEGABYTE = 1024 * 1024
# git counts the loose objects in one of 256 folders and multiplies: 27 there is its own default of 6700 in all.
_LOOSE_SAMPLE, _LOOSE_ENOUGH = "17", 27
_PACKS_ENOUGH = 50
_MAINTENANCE_SECONDS = 60.0


@dataclass(frozen=True)
class Recovered:
    """What became of a dead run.

    Attributes:
        run: the run.
        error: why it was not committed; None when it was.
        unkept: what it could not be registered as, a sentence each.
        had_ended: whether it had ended before its process died, and only waited for its commit.
    """

    run: Run
    error: GTrackError | None = None
    unkept: tuple[str, ...] = ()
    had_ended: bool = False


class Project:
    """A repository that gtrack works in; one per repository and process, safe for several threads.

    Attributes:
        repo: the git repository.
        config: the project's settings.
        live: the live directories of all its working trees.
    """

    def __init__(self, repo: Repository, config: Config) -> None:
        self.repo = repo
        self.config = config
        self.live = LiveStore(repo.worktree_roots())
        self._lock = threading.RLock()
        self._identity: Identity | None = None
        self._git_config: dict[str, str] | None = None
        self._code: CodeState | None = None
        self._machine: dict[str, Value] | None = None
        self._maintained = 0.0

    @classmethod
    def open(cls, start: str | Path | None = None) -> Project:
        """Return the project that a directory is in.

        Args:
            start: the directory; ``GTRACK_REPO``, else the current directory, when None.

        Raises:
            NotARepository: it is in none.
            ConfigError: its settings are wrong.
        """
        repo = Repository.find(Path(start or os.environ.get(REPO_VARIABLE) or Path.cwd()))
        return cls(repo, load(repo.root))

    def close(self) -> None:
        """Close the index and end the git process that reads objects; the next question starts them again."""
        if "index" in vars(self):
            self.index.close()
        self.repo.objects.close()

    @cached_property
    def store(self) -> RunStore:
        """The committed runs."""
        from gtrack.store.runs import RunStore  # noqa: PLC0415 - see the module

        return RunStore(self.repo, self.config, self.identity)

    @cached_property
    def index(self) -> Index:
        """Answers questions over all runs."""
        from gtrack.store.index import Index  # noqa: PLC0415 - see the module

        repo, config = self.repo, self.config
        return Index(repo, config.ref, self.live, lambda: newest(repo, config.branch), self._registered)

    @cached_property
    def references(self) -> References:
        """Resolves what people call runs."""
        from gtrack.store.references import References  # noqa: PLC0415 - see the module

        return References(self.store, self.live, self.index, self._run_of_version)

    @cached_property
    def registry_reader(self) -> RegistryReader:
        """The versions and stages of models for those who only look; ``registry`` makes some, too.

        Raises:
            ConfigError: what the settings say of its stages is wrong.
        """
        from gtrack.registry.reading import open_reader  # noqa: PLC0415 - see the module

        return open_reader(self.repo, self.store, self.config)

    @cached_property
    def registry(self) -> Registry:
        """The versions and stages of models.

        Raises:
            ConfigError: what the settings say of its stages is wrong.
        """
        from gtrack.registry.opening import open_registry  # noqa: PLC0415 - see the module

        root = self.repo.root or self.repo.git_dir
        return open_registry(self.repo, self.store, self.index, self.config, self.identity, root)

    def _registered(self) -> list[tuple[str, str, str | None]]:
        return self.registry_reader.runs()

    def _run_of_version(self, ref: str) -> str | None:
        return self.registry_reader.run_of(ref)

    def _fulfil(self, live: LiveDir, run: Run, commit: str | None = None) -> tuple[str, ...]:
        if not live.has(PROMISES):
            return ()
        from gtrack.registry.pending import fulfil  # noqa: PLC0415 - see the module

        return fulfil(self.registry, live, run, commit)

    def git_config(self) -> dict[str, str]:
        """Return git's settings here, read once."""
        with self._lock:
            if self._git_config is None:
                self._git_config = self.repo.config()
            return self._git_config

    def identity(self) -> Identity:
        """Return who commits: git's identity, or user and host name where git has none."""
        with self._lock:
            if self._identity is None:
                import socket  # noqa: PLC0415 - see the module

                from gtrack.git.objects import Identity  # noqa: PLC0415 - see the module

                config, env = self.git_config(), os.environ
                names = env.get("GIT_AUTHOR_NAME"), config.get("user.name"), _user_name()
                emails = env.get("GIT_AUTHOR_EMAIL"), config.get("user.email"), env.get("EMAIL")
                made_up = f"{_user_name()}@{socket.gethostname()}"
                self._identity = Identity(_first_text(*names), _first_text(*emails, made_up))
            return self._identity

    def worktree(self) -> WorktreeState:
        """Return the state of the working tree now.

        Raises:
            GTrackError: the repository is bare.
        """
        if self.repo.root is None:
            raise GTrackError(
                f"{self.repo.git_dir} is a bare repository: runs can be read from it, but not made in it. Use a clone of it."
            )
        from gtrack.git.worktree import read_state  # noqa: PLC0415 - see the module

        return read_state(self.repo)

    def code_state(self, *, take_snapshot: bool = True) -> CodeState:
        """Return the code that this process runs, recorded when it is first asked for: that is the code that Python imported.

        Args:
            take_snapshot: commit a dirty working tree; else only say that it was dirty.

        Raises:
            GTrackError: the repository is bare.
            ConfigError: the runs branch itself is checked out.
            GitError: the working tree cannot be recorded.
        """
        with self._lock:
            if self._code is None:
                self._code = self._record_code(take_snapshot=take_snapshot)
            return self._code

    def _record_code(self, *, take_snapshot: bool) -> CodeState:
        state = self.worktree()
        if state.branch == self.config.branch:
            raise ConfigError(
                f"The branch {state.branch} is checked out, and it is the one that runs are written to. Check out another one, "
                "or name another for the runs (branch: in .gtrack/config.yaml)."
            )
        commit = state.head
        left_out: tuple[LeftOut, ...] = ()
        if state.dirty and take_snapshot:
            from gtrack.git.worktree import snapshot  # noqa: PLC0415 - see the module

            limit = int(self.config.snapshot_max_file_mb * _MEGABYTE)
            commit, left_out = snapshot(self.repo, state, self.identity(), limit)
        return CodeState(commit, state.head, state.branch, state.dirty, self._remote(state.branch), left_out)

    def _remote(self, branch: str | None) -> str | None:
        config = self.git_config()
        names = [config.get(f"branch.{branch}.remote".lower()), "origin"]
        names += sorted(key.split(".", 1)[1].rsplit(".", 1)[0] for key in config if key.startswith("remote."))
        urls = (config.get(f"remote.{name}.url".lower()) for name in names if name)
        found = next((url for url in urls if url), None)
        if found is None:
            return None
        from gtrack.capture.environment import redact_url  # noqa: PLC0415 - see the module

        return redact_url(found)

    def machine(self) -> dict[str, Value]:
        """Return what ``environment.yaml`` holds of this process's machine and packages, looked at once."""
        with self._lock:
            if self._machine is None:
                from gtrack.capture.environment import DEFAULT_VARIABLES, capture  # noqa: PLC0415 - see the module

                self._machine = capture((*DEFAULT_VARIABLES, *self.config.environment_variables))
            return self._machine

    def definition(self, experiment: str) -> Experiment | None:
        """Return what ``experiments/<name>/experiment.yaml`` in the working tree says of an experiment; None without one.

        Raises:
            ConfigError: it cannot be read.
        """
        path = (self.repo.root or self.repo.git_dir) / experiment_path(experiment)
        try:
            return run_dir.decode_experiment(path.read_bytes(), experiment)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, FormatError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from error

    def resolve(self, ref: str) -> Run:
        """Return the run that a reference names, live or committed; see ``store.references``.

        Raises:
            RunNotFound: none does.
            AmbiguousRun: it is a prefix of several ids.
        """
        return self.references.resolve(ref)

    def file(self, run_id: str, name: str) -> bytes | None:
        """Return the bytes of a file of a run directory, live or committed; None when there is none."""
        live = self.live.find(run_id)
        data = live.read(name) if live is not None else None
        # A directory that is gone now was committed since it was found.
        return data if live is not None and live.path.is_dir() else self.store.file(run_id, name)

    def history(self, run_id: str) -> History:
        """Return the rows of ``history.yaml`` of a run, live or committed."""
        return parse_history(self.file(run_id, run_dir.HISTORY) or b"")

    def environment(self, run_id: str) -> dict[str, Value]:
        """Return what ``environment.yaml`` of a run holds; nothing when it has none.

        Raises:
            FormatError: it is damaged.
        """
        data = self.file(run_id, run_dir.ENVIRONMENT)
        return load_mapping(data, run_dir.ENVIRONMENT) if data else {}

    def artifacts(self, run_id: str) -> list[Artifact]:
        """Return the artifacts of a run, live or committed, by path."""
        live = self.live.find(run_id)
        found: dict[str, Artifact] = {}
        try:
            found = {artifact.path: artifact for artifact in self.store.artifacts(run_id)}
        except RunNotFound:
            if live is None:
                raise
        for path, file in live.files() if live is not None else ():
            if path.startswith(f"{ARTIFACTS}/"):
                inside = path.removeprefix(f"{ARTIFACTS}/")
                found[inside] = Artifact(inside, file.stat().st_size)
        return sorted(found.values(), key=lambda artifact: artifact.path)

    def get_ready(self, *, resuming: bool = False) -> None:
        """Import now what it takes to commit a run.

        A run may end with its process, when Python can start no thread, and so not import whatever might; and an import that
        compiles code, as that of every dataclass does, makes Python forget that it was interrupted, and with what to exit.

        Args:
            resuming: whether it is a run that was committed before.
        """
        from gtrack.capture.environment import capture  # noqa: F401, PLC0415 - as above
        from gtrack.store import runs  # noqa: F401, PLC0415 - as above

        if resuming:
            from gtrack.store.merge import replay  # noqa: F401, PLC0415 - as above
        if self.config.auto_push:
            from gtrack.store import auto_push  # noqa: F401, PLC0415 - as above

    def artifact_bytes(self, run_id: str, path: str) -> bytes:
        """Return the content of an artifact of a run in memory, however large it is; see ``artifact``."""
        from gtrack.store.large.content import Content, used  # noqa: PLC0415 - see the module

        return used(lambda: self.artifact(run_id, path), Content.read)

    def artifact(self, run_id: str, path: str) -> Content:
        """Return the content of an artifact of a run, live or committed; it is fetched when it is not here.

        Raises:
            ArtifactNotFound: the run has none at ``path``.
            ArtifactError: it is not here, and nowhere to be had.
        """
        live = self.live.find(run_id)
        if live is None:
            return self.store.artifact(run_id, path)
        known = [artifact.path for artifact in self.artifacts(run_id)]
        if path not in known:
            raise ArtifactNotFound.of(run_id[:8], path, known)
        from gtrack.store.large.content import FileContent  # noqa: PLC0415 - see the module

        found = FileContent.of(f"{path} of run {run_id[:8]}", live.artifacts / path)
        return found if found is not None else self.store.artifact(run_id, path)

    def commit(self, live: LiveDir, run: Run) -> tuple[str, ...]:
        """Commit a finished live directory, and register the models that it promised; the directory stays where it is.

        Returns:
            What could not be registered, a sentence each: the run is committed all the same.

        Raises:
            CommitFailed: nothing was committed; see ``RunStore.commit``.
        """
        return self._kept(live, run, self.store.commit(live, run))

    def _kept(self, live: LiveDir, run: Run, commit: str | None = None) -> tuple[str, ...]:
        """Do what follows the commit of a run; again when its process died on the way."""
        unkept = self._fulfil(live, run, commit)
        if self.config.auto_push:
            from gtrack.store.auto_push import AutoPush  # noqa: PLC0415 - see the module

            AutoPush(self.repo).want()
        return unkept

    @staticmethod
    def tell(unkept: Sequence[str], to: Callable[[str], object] | None = None) -> None:
        """Tell what ``commit`` could not register, ``to`` whoever listens, else as warnings."""
        for text in unkept:
            if to is not None:
                to(text)
            else:
                warnings.warn(f"gtrack: {text}", stacklevel=2)

    def recover(self) -> list[Recovered]:
        """Commit the runs whose process is gone, with everything that they had written; say what became of each.

        A run that had not ended is ``killed``; one that had, or whose launched script had, but that could not be committed
        then, keeps its status. A run whose launcher is gone but whose script goes on is alive.
        """
        found = [one for live in self.live.directories() if (one := self._recover(live)) is not None]
        with suppress(OSError):  # a read-only working tree keeps its litter
            self.live.sweep()
        return found

    def _recover(self, live: LiveDir) -> Recovered | None:
        run: Run | None = None
        had_ended = False
        try:
            if live.is_alive() or not live.claim():
                return None
            if not live.path.exists():  # another process was quicker
                live.release()
                return None
            run = live.run()
            had_ended = run.ended is not None
            if run.ended is None or run.problems:
                note = read_exit(live.path)
                had_ended = had_ended or note is not None
                status = Status.KILLED if run.status is Status.RUNNING else run.status
                run = live.finish(status, run.ended or (note.ended if note else None), run.exit_code, None)
            unkept = self._kept(live, run) if self.store.is_committed(live) else self.commit(live, run)
            live.remove()
            return Recovered(run, unkept=unkept, had_ended=had_ended)
        except GTrackError as error:
            live.release()
            return Recovered(run or live.run(), error, had_ended=had_ended)
        except OSError as error:
            live.release()
            reason = GTrackError(f"{live.path} cannot be recovered: {error.strerror or error}.")
            return Recovered(run or run_dir.decode_run(lambda _: None, live.id, ""), reason)

    def maintain(self) -> None:
        """Start ``git maintenance run --auto`` in the background when git itself would find it due; wait for nothing."""
        now = time.monotonic()
        if now - self._maintained < _MAINTENANCE_SECONDS and self._maintained:
            return
        objects = self.repo.common_dir / "objects"
        loose = sum(1 for _ in (objects / _LOOSE_SAMPLE).glob("*"))
        packs = sum(
            1 for _ in (objects / "pack").glob("*.pack")
        )  # a run of a hundred files and more is a pack of its own
        if loose > _LOOSE_ENOUGH or packs > _PACKS_ENOUGH:
            self._maintained = now
            self.repo.start_detached("maintenance", "run", "--auto", "--quiet")


def initialise(path: Path) -> Project:
    """Make a directory a project, keeping whatever is there: a git repository, `.gtrack/config.yaml` and `.gtrack/.gitignore`.

    Raises:
        GTrackError: it cannot be made one.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        try:
            repo = Repository.find(path)
        except NotARepository:
            repo = Repository.create(path)
        if repo.root is None:
            raise GTrackError(
                f"{path} is in a bare repository, which has no working tree to hold settings. Use a clone of it."
            )
        directory = repo.root / DIRECTORY
        directory.mkdir(exist_ok=True)
        if not (directory / FILE).exists():
            (directory / FILE).write_text(TEMPLATE, encoding="utf-8")
        (directory / ".gitignore").write_text(ignore_text(), encoding="utf-8")
    except OSError as error:
        raise GTrackError(f"{path} cannot be made a project: {error.strerror or error}.") from error
    return Project(repo, load(repo.root))


def _user_name() -> str:
    import getpass  # noqa: PLC0415 - see the module

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user without a name
        return "unknown"


def _first_text(*candidates: str | None) -> str:
    """Return the first candidate with something in it, in UTF-8: a variable of the environment can hold any bytes."""
    return next(text for one in candidates if (text := (one or "").strip().encode(errors="replace").decode()))

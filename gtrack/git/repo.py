"""Find a repository and run git in it.

Every git process is started here: with the inherited ``GIT_*`` variables that name another repository taken away (inside a hook
they point at the wrong index), messages in English, hooks and automatic maintenance off, and objects and refs fsynced (git's
default leaves loose objects out: https://git-scm.com/docs/git-config#Documentation/git-config.txt-corefsync).
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import IO

from gtrack.errors import GitError, NotARepository, UsageError

# What `git rev-parse --local-env-vars` lists, less the GIT_CONFIG_* that carry a user's own settings (safe.directory in CI).
_INHERITED = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_CONFIG",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
)
_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsync": "committed,loose-object,reference",
    "core.fsyncMethod": "batch",
    "core.quotePath": "false",
    "core.safecrlf": "false",
    "core.filesRefLockTimeout": "2000",
    "core.splitIndex": "false",
    "gc.auto": "0",
    "color.ui": "false",
}
_ENVIRONMENT = {"LANGUAGE": "C", "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
_NOTHING: Mapping[str, str] = {}
_BATCH = 200  # requests in flight; 200 names of 200 bytes fit a pipe, so neither side can wait for the other


@dataclass(frozen=True)
class GitObject:
    """What ``cat-file --batch`` gives: the object's id, its type (``blob``, ``tree`` …) and its bytes."""

    oid: str
    kind: str
    data: bytes


class CatFile:
    """A persistent ``git cat-file --batch``: any object or revision by name, without a process each.

    Safe to use from several threads: requests take turns.
    """

    def __init__(self, directory: Path, command: list[str]) -> None:
        self._directory = directory
        self._command = command
        self._lock = threading.Lock()
        self._process: Popen[bytes] | None = None
        self._owner = 0
        self._end: Callable[[], object] | None = None

    def get(self, name: str) -> GitObject | None:
        """Return the object that ``name`` (an id, or any revision such as ``branch:path``) names; None when there is none."""
        return next(self.many([name]))

    def many(self, names: Iterable[str]) -> Iterator[GitObject | None]:
        """Yield the object of each name in turn, None where there is none."""
        pending = list(names)
        for at in range(0, len(pending), _BATCH):
            with self._lock:
                found = self._exchange(pending[at : at + _BATCH])
            yield from found

    def stream(self, names: Sequence[str]) -> Iterator[GitObject | None]:
        """Yield what ``many`` does, one at a time from a process of its own: git unpacks the next ones while one is looked at.

        Args:
            names: ids of objects.
        """
        parts = [names[at : at + _BATCH // 2] for at in range(0, len(names), _BATCH // 2)]
        process = _start(self._directory, self._command)
        try:
            for at in range(len(parts) + 1):
                if at < len(parts):
                    self._send(process, parts[at])
                for _ in parts[at - 1] if at else ():
                    yield self._read(process)
        finally:
            process.kill()
            _hang_up(process, os.getpid())

    def close(self) -> None:
        """End the process; the next request starts a new one. It is also ended when this object is collected."""
        self._process = None
        if self._end is not None:
            self._end()

    def _exchange(self, names: list[str]) -> list[GitObject | None]:
        process = self._running()
        try:
            self._send(process, names)
            return [self._read(process) for _ in names]
        except BaseException:  # whatever happened, an exchange cut short leaves answers in the pipe
            self._process = None
            process.kill()
            process.communicate()
            raise

    def _send(self, process: Popen[bytes], names: Iterable[str]) -> None:
        for name in names:
            if "\n" in name or name.startswith("-"):
                raise UsageError(f"{name!r} is no name of a git object.")
        _pipe(process.stdin).write("".join(f"{name}\n" for name in names).encode())
        _pipe(process.stdin).flush()

    def _running(self) -> Popen[bytes]:
        if self._process is None or self._owner != os.getpid():  # a forked child must not share its parent's pipe
            self._process = _start(self._directory, self._command)
            self._owner = os.getpid()
            self._end = weakref.finalize(self, _hang_up, self._process, self._owner)
            self._end.atexit = False  # runs that are open then are committed by another exit handler, maybe a later one
        return self._process

    def _read(self, process: Popen[bytes]) -> GitObject | None:
        stdout = _pipe(process.stdout)
        header = stdout.readline()
        if not header:
            said = _text(_pipe(process.stderr).read())
            if "promisor remote" in said:  # a partial clone, and what was asked for is not here
                reason = " ".join(said.split())
                raise GitError(f"This clone left what is asked for with its remote, which does not give it: {reason}")
            raise GitError(f"git cat-file stopped: {said or 'no message'}")
        if header.endswith((b" missing\n", b" ambiguous\n")):
            return None
        oid, kind, size = header.split()
        data = stdout.read(int(size) + 1)
        if len(data) <= int(size):  # damaged: git finds that out on the way
            said = _text(_pipe(process.stderr).read())
            raise GitError(f"git cat-file stopped in {oid.decode()[:10]}: {said or 'no message'}")
        return GitObject(oid.decode(), kind.decode(), data[:-1])


def _hang_up(process: Popen[bytes], owner: int) -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    if os.getpid() == owner:
        process.wait()
    else:  # a forked child has copies of the pipes, not the process
        process.returncode = 0


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise GitError("git was started without a pipe.")
    return stream


class Repository:
    """A git repository, possibly bare or a linked worktree.

    Attributes:
        root: top of the working tree; None when there is none (a bare repository).
        git_dir: this worktree's own git directory.
        common_dir: the git directory that all worktrees share: objects and branches.
        null_oid: the id that means "no object", of the length that this repository's hash has.
    """

    def __init__(self, root: Path | None, git_dir: Path, common_dir: Path, *, sha256: bool) -> None:
        self.root = root
        self.git_dir = git_dir
        self.common_dir = common_dir
        self.null_oid = "0" * (64 if sha256 else 40)
        self.objects = CatFile(root or git_dir, self._command("cat-file", "--batch"))

    @classmethod
    def find(cls, start: Path) -> Repository:
        """Return the repository that ``start`` is in.

        Raises:
            NotARepository: there is none, or ``start`` is no directory.
            GitError: git will not use it (another owner, an unknown format).
        """
        if not start.is_dir():
            raise NotARepository.at(str(start))
        question = ("--is-inside-work-tree", "--is-bare-repository", "--absolute-git-dir", "--path-format=absolute")
        command = ["rev-parse", *question, "--git-common-dir", "--show-object-format", "--show-cdup"]
        status, out, err = _answer_at(start, *command)
        if status != 0:
            if b"not a git repository" in err:
                raise NotARepository.at(str(start))
            raise GitError(f"git cannot use the repository at {start}: {_text(err)}")
        inside, _bare, git_dir, common_dir, object_format, *cdup = os.fsdecode(out).removesuffix("\n").split("\n")
        root = (start / (cdup[0] if cdup else "")).resolve() if inside == "true" else None
        return cls(root, Path(git_dir), Path(common_dir), sha256=object_format == "sha256")

    @classmethod
    def create(cls, path: Path, *options: str) -> Repository:
        """Make ``path`` a git repository, as ``git init`` does with ``options``, and return it.

        Raises:
            GitError: git cannot.
        """
        status, _, err = _answer_at(path, "init", "--quiet", *options)
        if status != 0:
            raise GitError(f"git cannot make a repository at {path}: {_text(err)}")
        return cls.find(path)

    def _command(self, *args: str) -> list[str]:
        settings = [part for key, value in _SETTINGS.items() for part in ("-c", f"{key}={value}")]
        return ["git", "-C", str(self.root or self.git_dir), *settings, *args]

    def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        ok: tuple[int, ...] = (0,),
    ) -> bytes:
        """Run git and return what it printed.

        Args:
            args: the git command and its arguments.
            stdin: what it reads; nothing when None.
            env: further environment variables of that process.
            ok: exit codes that are no failure.

        Raises:
            GitError: any other exit code; the message is git's.
        """
        code, out, err = self.answer(*args, stdin=stdin, env=env)
        if code not in ok:
            said = _text(err) or f"no message, exit code {code}"
            raise GitError(f"git {args[0]} failed in {self.root or self.git_dir}: {said}")
        return out

    def answer(
        self, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None, asks: bool = False
    ) -> tuple[int, bytes, bytes]:
        """Run git and return its exit code and what it wrote to stdout and to stderr; the arguments are those of ``start``."""
        process = self.start(*args, stdin=stdin is not None, env=env, asks=asks)
        out, err = process.communicate(stdin)
        return process.returncode, out, err

    def start(
        self, *args: str, stdin: bool = True, env: Mapping[str, str] | None = None, asks: bool = False
    ) -> Popen[bytes]:
        """Start git with pipes and return the running process, which the caller ends.

        Args:
            args: the git command and its arguments.
            stdin: whether it reads something.
            env: further environment variables of that process.
            asks: whether what git calls may ask something at the terminal, such as for the passphrase of a key.
        """
        return _start(self.root or self.git_dir, self._command(*args), env or {}, stdin=stdin, asks=asks)

    def start_detached(self, *args: str) -> None:
        """Start git with the user's own settings, outlive it or be outlived."""
        process = Popen(self.own_command(*args), stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)
        threading.Thread(target=process.wait, daemon=True).start()

    def own_command(self, *args: str) -> list[str]:
        """Return the words that run git here with the user's own settings and hooks."""
        return [*_prefix(), "git", "-C", str(self.root or self.git_dir), *args]

    def resolve(self, name: str) -> str | None:
        """Return the id of the object that a revision names now; None when it names none."""
        found = self.objects.get(name)
        return found.oid if found else None

    def config(self) -> dict[str, str]:
        """Return git's settings here, keys in lower case; the last of several values counts."""
        entries = self.run("config", "--list", "-z").decode(errors="replace").split("\0")
        pairs = (entry.partition("\n") for entry in entries if entry)
        return {key.lower(): value for key, _, value in pairs}

    def worktree_roots(self) -> list[Path]:
        """Return the tops of all working trees of this repository that exist, this one first."""
        roots = [self.root] if self.root else []
        if self.common_dir.name == ".git":
            roots.append(self.common_dir.parent)
        elif self.git_dir != self.common_dir:
            # A linked worktree of a submodule, or of a bare repository: only the settings tell where the first one is.
            main = self.run("config", "--file", str(self.common_dir / "config"), "core.worktree", ok=(0, 1))
            roots += [self.common_dir / os.fsdecode(main.rstrip(b"\n"))] if main else []
        for link in sorted(self.common_dir.glob("worktrees/*/gitdir")):
            # `git worktree add --relative-paths` (2.48) names it relative to where the link lies.
            there = link.read_text(encoding="utf-8", errors="surrogateescape").rstrip("\n")
            roots.append((link.parent / there).parent)
        roots = [root.resolve() for root in roots]
        return [root for at, root in enumerate(roots) if root not in roots[:at] and root.is_dir()]


def command_at(directory: Path, *args: str) -> list[str]:
    """Return the words that run git in a directory that need not be in a repository, with the user's own settings."""
    return [*_prefix(), "git", "-C", str(directory), *args]


def _answer_at(directory: Path, *args: str) -> tuple[int, bytes, bytes]:
    """Run git in a directory that need not be in a repository; return its exit code and what it wrote to stdout and stderr."""
    place = directory.absolute()
    process = _start(place, ["git", "-C", str(place), *args], stdin=False)
    out, err = process.communicate()
    return process.returncode, out, err


def _start(
    directory: Path, command: list[str], env: Mapping[str, str] = _NOTHING, *, stdin: bool = True, asks: bool = False
) -> Popen[bytes]:
    inherited = {name: said for name, said in os.environ.items() if name not in _INHERITED}
    # git begins where it is, before it goes to where ``-C`` says: the directory that this process is in may be gone.
    place = directory if os.access(directory, os.X_OK) else None
    try:
        return Popen(
            command,
            cwd=place,
            env={**inherited, **_ENVIRONMENT, **env},
            stdin=PIPE if stdin else DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            # In a session of its own: Ctrl-C at the terminal is for the user's program, not for the git that keeps its runs.
            start_new_session=not asks,
        )
    except FileNotFoundError as error:
        if error.filename != command[0]:
            raise
        raise GitError("There is no git on the PATH. Install it: https://git-scm.com/downloads.") from error


def _prefix() -> list[str]:
    """Return the words that take inherited repository variables away."""
    inherited = [name for name in _INHERITED if name in os.environ]
    return ["env", *(word for name in inherited for word in ("-u", name))] if inherited else []


def _text(stderr: bytes) -> str:
    return stderr.decode(errors="replace").strip().removeprefix("fatal: ").removeprefix("error: ")

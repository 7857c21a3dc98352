"""What `.gtrack/stages.yaml` asks for at a commit, who brought it there, and the registry by the settings of another commit."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gtrack.config import DIRECTORY, FILE, Config, parse
from gtrack.errors import FormatError, GTrackError, InvalidName
from gtrack.formats import stages_file
from gtrack.formats.stages_file import Wanted, parse_stages
from gtrack.git.objects import Identity
from gtrack.git.repo import Repository
from gtrack.project import Project
from gtrack.registry.messages import trailers_of
from gtrack.registry.opening import open_registry
from gtrack.registry.registry import Registry
from gtrack.registry.tag_names import check_model, check_stage

PATH = f"{DIRECTORY}/{stages_file.FILE}"
SETTINGS = f"{DIRECTORY}/{FILE}"

_APPROVING = frozenset({"approved-by", "reviewed-by"})
_ADDRESS = re.compile(r"<([^<>]*)>")
_FORMAT = "--format=%H%x00%an%x00%ae%x00%ct%x00%B"


@dataclass(frozen=True)
class Origin:
    """How entries came to where they are judged.

    Attributes:
        author: who proposes: the author of the newest commit that touches the file.
        approvals: who approves, by the trailers ``Approved-By:`` and ``Reviewed-by:`` of the commits; nobody who touched the
            file themselves.
        seconds: when they came there, since the epoch, by the clock of who brought them.
    """

    author: Identity
    approvals: tuple[str, ...] = ()
    seconds: int = 0


@dataclass(frozen=True)
class _Commit:
    oid: str
    author: Identity
    seconds: int
    message: str


def commit_of(repo: Repository, revision: str) -> str:
    """Return the id of the commit that a revision names.

    Raises:
        GTrackError: it names none that is here; the message says what to fetch.
    """
    found = repo.objects.get(f"{revision}^{{commit}}")
    if found is not None:
        return found.oid
    if revision == "HEAD":
        raise GTrackError("There is no commit yet, so nothing is proposed. Commit the file first.")
    raise GTrackError(f"{revision} names no commit in this clone. Fetch it: {fetching(repo, revision)}.")


def is_shallow(repo: Repository) -> bool:
    """Tell whether the history that is here is cut off."""
    return (repo.common_dir / "shallow").exists()


def fetching(repo: Repository, revision: str = "") -> str:
    """Return the command that fetches the whole history, all tags as they are, and a branch where ``revision`` is one's."""
    remotes = sorted({key.split(".")[1] for key in repo.config() if re.match(r"remote\.[^.]+\.url\Z", key)})
    remote, _, branch = revision.partition("/")
    if remote not in remotes or not branch:
        remote, branch = ("origin" if "origin" in remotes or not remotes else remotes[0]), ""
    wanted = [f"'+refs/heads/{branch}:refs/remotes/{remote}/{branch}'"] if branch else []
    shallow = ["--unshallow"] if is_shallow(repo) else []
    return " ".join(["git fetch --force", *shallow, remote, *wanted, "'refs/tags/*:refs/tags/*'"])


def wanted_at(repo: Repository, commit: str) -> list[Wanted]:
    """Return what the file asks for at a commit; nothing where there is none.

    Raises:
        FormatError: it cannot be read; the message has the line.
    """
    found = repo.objects.get(f"{commit}:{PATH}")
    return checked(found.data, f"{PATH} of {commit[:8]}") if found is not None else []


def checked(data: bytes, where: str) -> list[Wanted]:
    """Return the entries of a file under the names that the registry has for them.

    Raises:
        FormatError: it cannot be read, or a model or stage cannot be called so; the message has the line.
    """
    entries: dict[tuple[str, str], Wanted] = {}
    for one in parse_stages(data, where):
        try:
            entry = replace(one, model=check_model(one.model), stage=check_stage(one.stage))
        except InvalidName as error:
            raise FormatError(f"{where}, line {one.line}: {error}") from error
        if entry.place in entries:
            raise FormatError(
                f"{where}, line {one.line}: {one.model}.{one.stage} is the stage of line {entries[entry.place].line} once more."
            )
        entries[entry.place] = entry
    return list(entries.values())


def merge_base(repo: Repository, base: str, base_commit: str, head: str) -> str:
    """Return the commit from which ``base`` and ``head`` went apart.

    Raises:
        GTrackError: the history that is here does not tell.
    """
    code, found, _ = repo.answer("merge-base", base_commit, head)
    if code == 0:
        return found.decode().split()[0]
    why = "the history is cut off" if is_shallow(repo) else "they have no commit in common"
    raise GTrackError(
        f"It cannot be told from where HEAD and {base} went apart: {why}. Fetch the rest: {fetching(repo, base)}."
    )


def origin_between(repo: Repository, before: str, head: str) -> Origin:
    """Return who proposes what the commits after ``before`` up to ``head`` change in the file, and who approves of it."""
    commits = _commits(repo, f"{before}..{head}")
    touching = _commits(repo, "--no-merges", f"{before}..{head}", "--", f":(top,literal){PATH}")
    return _origin(touching or commits[:1] or _commits(repo, "-1", head), commits)


def origin_of(repo: Repository, head: str, entry: Wanted) -> Origin:
    """Return who brought an entry, as it is now, to the branch that ``head`` is the end of, and when.

    Raises:
        GTrackError: the history that is here does not tell.
    """
    cut_off = _cut_off(repo)
    path = f":(top,literal){PATH}"
    for commit in repo.run("rev-list", "--first-parent", head, "--", path).decode().split():
        if commit in cut_off:
            raise GTrackError(
                f"The history of this clone is cut off, so it cannot be told who proposed {entry.model} for {entry.stage}. "
                f"Fetch the rest: {fetching(repo)}."
            )
        parent = repo.objects.get(f"{commit}^1")
        if parent is None:
            return _origin(_commits(repo, "-1", commit), _commits(repo, "-1", commit))
        if entry not in readable_at(repo, parent.oid):
            origin = origin_between(repo, parent.oid, commit)
            return replace(origin, seconds=_commits(repo, "-1", commit)[0].seconds)
    return _origin(_commits(repo, "-1", head), ())


def readable_at(repo: Repository, commit: str) -> Sequence[Wanted]:
    """Return what the file asks for at a commit; nothing where it cannot be read."""
    try:
        return wanted_at(repo, commit)
    except FormatError:
        return ()


def _cut_off(repo: Repository) -> set[str]:
    place = repo.common_dir / "shallow"
    return set(place.read_text(encoding="ascii").split()) if place.exists() else set()


def _commits(repo: Repository, *which: str) -> list[_Commit]:
    """Return commits, the newest first. Names are as the commits have them: a .mailmap could be of who proposes."""
    asked = ("log", "-z", "--no-show-signature", "--no-notes", "--no-color", "--encoding=UTF-8", _FORMAT, *which)
    parts = repo.run(*asked).decode(errors="replace").split("\0")
    return [
        _Commit(oid, Identity(name, address), int(seconds), message)
        for oid, name, address, seconds, message in zip(*(parts[at::5] for at in range(5)), strict=False)
    ]


def _origin(touching: Sequence[_Commit], commits: Sequence[_Commit]) -> Origin:
    mine = {_address(str(one.author)) for one in touching}
    said: dict[str, str] = {}
    for one in reversed(commits):
        for name, values in trailers_of(one.message).items():
            for who in values if name.lower() in _APPROVING else ():
                said.setdefault(_address(who), who)
    approvals = tuple(who for address, who in said.items() if address and address not in mine)
    return Origin(touching[0].author, approvals, touching[0].seconds)


def _address(who: str) -> str:
    found = _ADDRESS.search(who)
    return (found[1] if found and found[1] else who).strip().casefold()


@contextmanager
def registry_by(project: Project, commit: str, author: Identity) -> Iterator[Registry]:
    """Give the registry with the settings of a commit, and with who proposes as the one who promotes.

    What a branch changes of the settings must not judge the branch, nor may the keys that it adds to the allowed signers.

    Args:
        project: the project.
        commit: the commit whose settings count.
        author: who makes tags.

    Raises:
        ConfigError: the settings of that commit are wrong.
    """
    repo = project.repo
    found = repo.objects.get(f"{commit}:{SETTINGS}")
    config = parse(found.data, f"{SETTINGS} of {commit[:8]}") if found is not None else Config()
    config = replace(config, branch=project.config.branch)
    with tempfile.TemporaryDirectory(prefix="gtrack-signers-") as directory:
        root = Path(directory)
        if config.allowed_signers is not None:
            signers = repo.objects.get(f"{commit}:{config.allowed_signers}")
            place = root / config.allowed_signers
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(signers.data if signers is not None else b"")
        yield open_registry(repo, project.store, project.index, config, lambda: author, root)

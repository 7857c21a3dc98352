"""Whether the code of runs is here, and each run commit is that code and its one run directory."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from gtrack.errors import GitError
from gtrack.formats import run_dir
from gtrack.formats.names import EXPERIMENTS
from gtrack.git.promisor import commits_here, is_partial, promisor_remotes
from gtrack.git.refs import is_ancestor, list_refs
from gtrack.ops.checks.faults import BRING, BRING_MORE, DAMAGED, Fault, few, remark, wrong
from gtrack.ops.checks.walk import NO_FETCH, FileChange, differences, empty_tree

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.ops.checks.run_files import Directory

_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_TREE = re.compile(rb"\Atree ([0-9a-f]+)\n((?:parent [0-9a-f]+\n)*)")


@dataclass(frozen=True)
class Own:
    """The run commit of a run.

    Attributes:
        commit: its id.
        taken: ``files_of`` what the branch took in with it; None when it had the run before.
        is_back: whether the run was restored with it: then ``taken`` is without ``run.yaml``.
    """

    commit: str
    taken: bytes | None = None
    is_back: bool = False


def check_code(
    repo: Repository,
    directories: Sequence[Directory],
    code: Mapping[str, str],
    own: Mapping[str, Own],
    *,
    is_cut: bool,
) -> Iterator[Fault]:
    """Find runs whose code is not here, or whose own commit is not what it should be.

    Args:
        repo: the repository.
        directories: of the runs.
        code: run id to the code commit that it names.
        own: run id to its run commit, and what the branch took in then.
        is_cut: whether the branch's history is not wholly here: a run without a commit of its own may have one elsewhere.
    """
    shallow = _shallow(repo)
    trees = _commits(repo, {oid for oid in {*code.values(), *(one.commit for one in own.values())} if _OID.match(oid)})
    here = trees.keys()
    pairs: dict[str, tuple[str, str]] = {}
    for one in directories:
        commit, run_commit = code.get(one.id), own[one.id].commit if one.id in own else None
        if commit is not None and commit not in here:
            what = f"its code {commit[:10]!r} is not here" if _OID.match(commit) else f"{commit[:40]!r} is no commit"
            yield (remark if shallow and _OID.match(commit) else wrong)(one.name, what, BRING)
        if run_commit is None:
            if not is_cut:
                yield remark(one.name, "the branch's history has no commit of its own for it")
            continue
        if run_commit not in trees:
            yield (remark if shallow else wrong)(one.name, f"its own commit {run_commit[:10]} is not here", BRING)
            continue
        tree, parents = trees[run_commit]
        if commit in here and run_commit not in shallow and parents[:1] != [commit]:
            yield from _elsewhere(repo, one, str(commit), run_commit, parents)
        if not parents or parents[0] in trees:
            pairs[one.id] = (trees[parents[0]][0] if parents else empty_tree(repo), tree)
    yield from _trees(repo, directories, own, pairs, trees)


def _elsewhere(
    repo: Repository, one: Directory, commit: str, run_commit: str, parents: Sequence[str]
) -> Iterator[Fault]:
    """Find a run whose own commit does not stand on the code that it names."""
    if not parents:
        yield remark(
            one.name, f"its own commit {run_commit[:10]} stands on no code: it was not here when the run ended"
        )
    elif is_ancestor(repo, commit, run_commit):
        yield wrong(
            one.name, f"it names the code {commit[:10]}, and its own commit stands on {parents[0][:10]}", DAMAGED
        )
    else:
        yield wrong(
            one.name, f"its code {commit[:10]} cannot be reached from its own commit {run_commit[:10]}", DAMAGED
        )


def _trees(
    repo: Repository,
    directories: Sequence[Directory],
    own: Mapping[str, Own],
    pairs: Mapping[str, tuple[str, str]],
    commits: Mapping[str, tuple[str, list[str]]],
) -> Iterator[Fault]:
    """Find run commits whose tree is not the code and the run directory, as the branch has it."""
    known = [one for one in directories if one.id in pairs]
    differing = list(dict.fromkeys(pair for pair in pairs.values() if pair[0] != pair[1]))
    try:
        told, away = _compared(repo, differing)
        of_runs = {one.id: _lacking(commits, own[one.id].commit, away) for one in known} if away else {}
        _check_promised(repo, {oid for lacking in of_runs.values() for oid in lacking}, commits)
    except GitError as error:
        yield wrong("run commits", f"their trees cannot be compared with the code: {error}", BRING)
        return
    if unseen := [one.name for one in known if of_runs.get(one.id)]:
        text = "directories that this partial clone left with its remote could not be compared with the code: those of "
        bring = BRING_MORE.format(remote=shlex.quote(promisor_remotes(repo)[0]))
        yield remark("run commits", f"{text}{few(unseen)}", bring)
    known = [one for one in known if not of_runs.get(one.id)]
    for one in known:
        changes = told.get(pairs[one.id], ())
        inside, outside = _sorted(changes, one)
        commit, taken = own[one.id].commit[:10], own[one.id].taken
        if outside:
            yield wrong(one.name, f"its own commit {commit} changes the code, too: {few(outside)}", DAMAGED)
        if not inside:
            yield wrong(one.name, f"its own commit {commit} does not hold it", DAMAGED)
        elif taken is not None and taken != files_of(inside, without_head=own[one.id].is_back):
            yield _otherwise(one, commit, is_back=own[one.id].is_back)


def _compared(
    repo: Repository, pairs: Sequence[tuple[str, str]]
) -> tuple[dict[tuple[str, str], tuple[FileChange, ...]], set[str]]:
    """Return what differs between the trees of each pair, and which trees a partial clone does not have the whole of.

    No filter of directories is needed for that: before 2.48, ``git gc`` takes away what this clone made and pushed once it
    has fetched a commit that stands on it.
    """
    try:
        return dict(zip(pairs, differences(repo, pairs), strict=True)), set()
    except GitError:
        if not is_partial(repo):
            raise
    away: set[str] = set()
    return dict(zip(pairs, differences(repo, pairs, away), strict=True)), away


def _lacking(commits: Mapping[str, tuple[str, list[str]]], commit: str, away: Collection[str]) -> list[str]:
    """Return a run commit, and its first parent, where their trees are not wholly here."""
    return [oid for oid in (commit, *commits[commit][1][:1]) if commits[oid][0] in away]


def _check_promised(repo: Repository, lacking: set[str], commits: Mapping[str, tuple[str, list[str]]]) -> None:
    """Check that a remote which has what this clone left out had these commits when it was last asked.

    Raises:
        GitError: it had not, so that what one of them lacks is lost.
    """
    if not lacking:
        return
    had = [
        f"^{oid}"
        for name in promisor_remotes(repo)
        for place in ("refs/remotes", "refs/gtrack/seen")
        for oid in list_refs(repo, f"{place}/{name}/").values()
    ]
    stdin = "".join(f"{one}\n" for one in (*sorted(lacking), *had)).encode()
    told = repo.run("rev-list", "--stdin", stdin=stdin, env=NO_FETCH).decode().splitlines()
    if lost := sorted(lacking & set(told)):
        raise GitError(f"the directory {commits[lost[0]][0][:10]} is not wholly here, nor with a remote.")


def _otherwise(one: Directory, commit: str, *, is_back: bool) -> Fault:
    if is_back:  # as it is where two clones had gone on with it: the newer of their two run commits has but one part
        return remark(one.name, f"it was restored with other files than its own commit {commit} holds", DAMAGED)
    return wrong(one.name, f"the branch took in something else than its own commit {commit} holds", DAMAGED)


def _sorted(changes: Sequence[FileChange], one: Directory) -> tuple[list[FileChange], list[str]]:
    """Return what a commit changes of a run, also under the experiment that it had before, and the other paths."""
    inside, outside = [], []
    own, shard = f"{one.place}/", f"/{one.id[:2]}/{one.id}/"
    for change in changes:
        is_own = change.path.startswith(own) or (
            change.path.startswith(f"{EXPERIMENTS}/") and shard in change.path and (change.place or "-")[1] == one.id
        )
        if is_own and not change.is_gone:
            inside.append(change)
        else:
            outside.append(change.path)
    return inside, outside


def files_of(changes: Sequence[FileChange], *, without_head: bool = False) -> bytes:
    """Return a digest of the files of a run, as they are after some changes of it: their paths and what they hold."""
    at = len(EXPERIMENTS) + 1
    chosen = [one for one in changes if not without_head or (one.place or ("", "", ""))[2] != run_dir.RUN]
    told = sorted(f"{one.path[one.path.index('/', at) :]}\0{one.mode}\0{one.new}\0" for one in chosen)
    return blake2b("".join(told).encode(errors="surrogateescape"), digest_size=16).digest()


def _commits(repo: Repository, oids: Collection[str]) -> dict[str, tuple[str, list[str]]]:
    """Return commit to its tree and its parents, of those that are here and of the first parents of these."""
    first = _parsed(repo, oids)
    # A run commit's parent is the code that its run names, or should be.
    return {**first, **_parsed(repo, {one for _, parents in first.values() for one in parents[:1]} - first.keys())}


def _parsed(repo: Repository, names: Collection[str]) -> dict[str, tuple[str, list[str]]]:
    found = {}
    oids = sorted(commits_here(repo, names) if is_partial(repo) else names)
    for oid, one in zip(oids, repo.objects.many(oids), strict=True):
        head = _TREE.match(one.data) if one is not None and one.kind == "commit" else None
        if head is not None:
            found[oid] = (head[1].decode(), head[2].decode().replace("parent ", "").split())
    return found


def _shallow(repo: Repository) -> frozenset[str]:
    try:
        return frozenset((repo.common_dir / "shallow").read_text(encoding="ascii", errors="replace").split())
    except OSError:
        return frozenset()

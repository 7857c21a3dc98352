"""Examine the runs branch here: whether git can read where it is, whether all of it is here, and who stands in its way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from shlex import quote
from typing import TYPE_CHECKING

from gtrack.formats.words import plural
from gtrack.git.promisor import commits_here, is_partial
from gtrack.git.refs import tracked
from gtrack.git.worktree import checked_out
from gtrack.ops.checks.symptoms import Symptom, broken, well
from gtrack.ops.checks.walk import walk

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.project import Project

_TOPIC = "runs branch"
_OURS = "^(Experiment|Merged-From|Purged|Rewritten-From): |^Remove [0-9]+ runs? |^Restore [0-9]+ runs$"
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LAST_MOVES = 100


def branch(project: Project) -> Iterator[Symptom]:
    """Examine the runs branch here."""
    repo, config = project.repo, project.config
    lost = _lost(repo, config.ref, config.branch)
    if lost is not None:
        yield lost
        return
    tip = project.store.tip()
    if tip is None:
        yield well(_TOPIC, f"{config.branch}: no run was committed yet")
        return
    code, _, err = repo.answer("rev-list", "--first-parent", "--quiet", tip)
    if code != 0:
        said = err.decode(errors="replace")
        yield broken(_TOPIC, f"{config.branch}: its history is damaged: {said}", "git fsck; then fetch it anew")
        return
    count = sum(1 for _ in walk(repo, tip))
    missing = [] if is_partial(repo) else _missing(repo, tip)
    if missing:
        text = f"{config.branch}: {plural(len(missing), 'object')} of its runs not here, {missing[0][:10]} among them"
        yield broken(_TOPIC, text, "git fsck; another clone may have them: git fetch from it")
        return
    text = f"{config.branch}; runs: {len(project.store.branch().locations()):,}, commits of the branch: {count:,}"
    is_here = repo.resolve(config.ref) is not None
    yield well(_TOPIC, text if is_here else f"{text}, on a remote; the first run makes the branch here")
    place = checked_out(repo, config.ref)
    if place is not None:
        text = f"{config.branch} is checked out in {place}: no run can be committed"
        yield broken(_TOPIC, text, f"git -C {quote(str(place))} switch -")


def _lost(repo: Repository, ref: str, name: str) -> Symptom | None:
    """Return what is wrong with where the branch is said to be; git itself takes such a branch for one that there is not."""
    code, out, _ = repo.answer("rev-parse", "--verify", "--quiet", ref)
    said = out.decode(errors="replace").strip()
    path = repo.common_dir / ref
    if code == 0 and said in commits_here(repo, [said]):
        return None
    if code != 0 and not path.is_file():
        return None
    reason = f"its newest commit {said[:10]} is not here" if code == 0 else f"{path} is damaged"
    back = next(_before(repo, ref), None) or tracked(repo, name)
    remedy = [] if code == 0 else [f"rm {quote(str(path))}"]
    remedy += [f"git update-ref {ref} {back}"] if back else ["gtrack pull"]
    where = f"; it was at {back[:10]} before" if back else ""
    return broken(_TOPIC, f"{name}: {reason}{where}", "; ".join(remedy))


def _before(repo: Repository, ref: str) -> Iterator[str]:
    """Yield where the branch was, as far as that is here, the last first; its log says it, whatever became of the branch."""
    try:
        lines = (repo.common_dir / "logs" / ref).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    moved = [line.split(" ", 2)[:2] for line in reversed(lines[-_LAST_MOVES:])]
    places = dict.fromkeys(oid for old_new in moved for oid in reversed(old_new) if _ID.fullmatch(oid))
    for oid in places:
        if oid in commits_here(repo, [oid]):
            yield oid


def _missing(repo: Repository, tip: str) -> list[str]:
    """Return the trees and files of the runs as they are now that git names and does not have."""
    lines = repo.run("rev-list", "--objects", "--no-walk", "--missing=print", tip).splitlines()
    return [line[1:].decode() for line in lines if line.startswith(b"?")]

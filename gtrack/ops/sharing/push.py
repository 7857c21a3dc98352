"""Publish the runs and the registry of this clone on a remote, merged with what others have published there.

Large artifacts go first, then the branch that names them, then the registry tags: whatever moment ends a push, the remote has
nothing that names what it lacks.
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from gtrack.errors import ExperimentNotFound, GitError
from gtrack.git.lfs import is_here
from gtrack.git.remotes import PushedRef, PushRejected, push_move, push_url, without_secrets
from gtrack.git.tags import Tag
from gtrack.ops.large.transfer import named_between, pointers_between, upload
from gtrack.ops.sharing.pull import Pulled, check_not_deleted, pull, take
from gtrack.ops.sharing.remote_branch import chosen_remote, contains, look, note_seen
from gtrack.ops.sharing.take_in import check_not_rewritten
from gtrack.registry.travel import Travelled, publish_tags
from gtrack.store.locks import turn
from gtrack.store.merge.merge import merge
from gtrack.store.merge.places import Comparison
from gtrack.store.merge.replay import replay

if TYPE_CHECKING:
    from gtrack.git.progress import Tell
    from gtrack.ops.sharing.remote_branch import RemoteBranch
    from gtrack.project import Project
    from gtrack.store.large.moving import Wanted

# Every try that is lost is somebody else's that was won: with 8 clones that push each of their 25 runs by itself, 175 are.
_TRIES = 200
_STANDING = 5
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0
_LOCK_SECONDS = 60.0


@dataclass(frozen=True)
class Counted:
    """How many runs the remote has now otherwise than before."""

    added: int = 0
    changed: int = 0
    removed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.added + self.changed + self.removed


@dataclass(frozen=True)
class Pushed:
    """What came of a push.

    Attributes:
        remote: what people call the remote, without secrets.
        runs: what the remote got.
        commits: whether the branch there was moved.
        tags: what the remote got of registry tags.
        large: how many large artifacts it got, or their store.
        large_bytes: their size.
        lacking: those that are neither there nor here.
        pulled: what came from there on the way; None when nothing had to.
        tries: how often it was tried, as others were quicker.
    """

    remote: str
    runs: Counted
    commits: bool
    tags: Travelled
    large: int = 0
    large_bytes: int = 0
    lacking: tuple[Wanted, ...] = ()
    pulled: Pulled | None = None
    tries: int = 1


def push(
    project: Project,
    remote: str | None = None,
    *,
    experiments: Collection[str] = (),
    pulling: bool = False,
    tell: Tell = lambda *_: None,
) -> Pushed:
    """Publish what this clone has and a remote lacks; what the remote has and this clone lacks is merged here on the way.

    Args:
        project: the project.
        remote: name or URL; the usual one, when None.
        experiments: publish the runs of these alone; all, when there are none.
        pulling: take what the remote has also when nothing is to be pushed.
        tell: is told how far it is.

    Raises:
        UsageError: there is no such remote.
        ExperimentNotFound: there is no such experiment.
        PushRejected: the remote refuses; the message has its words.
        Rewritten: the remote's branch was rewritten; nothing was changed.
        Unrelated: that is another project's; nothing was changed.
        Unpublished: the branch here was purged, and the remote's was not; nothing was changed.
        ArtifactError: a large artifact cannot be sent; then the branch is not, either.
        GitError: the remote cannot be reached, or git refuses.
    """
    known = project.store.branch().experiment_trees()
    missing = next((name for name in experiments if name not in known), None)
    if missing is not None:
        raise ExperimentNotFound.nothing_to_push(missing, known)
    return _Push(project, chosen_remote(project, remote), frozenset(experiments), tell, pulling=pulling).carry_out()


class _Push:
    def __init__(
        self, project: Project, remote: str, experiments: Collection[str], tell: Tell, *, pulling: bool
    ) -> None:
        self._project = project
        self._repo = project.repo
        self._remote = remote
        self._experiments = experiments
        self._tell = tell
        self._pulling = pulling
        self._pulled: Pulled | None = None
        self._large: dict[str, int] = {}
        self._lacking: list[Wanted] = []

    def carry_out(self) -> Pushed:
        standing, name = 0, without_secrets(self._remote)
        if self._pulling and push_url(self._repo, self._remote) != self._remote:
            self._note(pull(self._project, self._remote, tell=self._tell))
        for attempt in range(1, _TRIES + 1):
            branch = look(self._project, self._remote, pushing=True)
            try:
                pushed = self._attempt(branch)
                return replace(pushed, tries=attempt)
            except PushRejected as error:
                # What refuses a push and does not move is not somebody who was quicker, whatever it says.
                moved = look(self._project, self._remote, pushing=True).tip != branch.tip
                standing = 0 if moved else standing + 1
                if attempt == _TRIES or not (error.quicker or moved) or standing == _STANDING:
                    raise
                longest = min(_LONGEST_WAIT, _FIRST_WAIT * 1.5**attempt)
                time.sleep(random.SystemRandom().uniform(0, longest))
        raise GitError(f"{name} kept moving.")

    def _attempt(self, branch: RemoteBranch) -> Pushed:
        local = self._repo.resolve(branch.ref)
        behind = branch.tip is not None and (local is None or not contains(self._repo, local, branch.tip))
        if self._pulling or (behind and local is not None):
            self._note(take(self._project, branch, self._tell))
        elif branch.tip is None:
            check_not_deleted(self._project, branch)
        elif local is not None:
            check_not_rewritten(self._project, branch, local, branch.tip)
        local = self._repo.resolve(branch.ref)
        new = self._chosen(branch, local) if self._experiments else local
        runs = Counted()
        if new is not None and new != branch.tip:
            runs = self._counted(branch.tip, new)
            self._send_large(branch, new)
            wanted = PushedRef(branch.ref, new)
            push_move(self._repo, self._remote, wanted, branch.tip, self._tell, env=self._environment())
            note_seen(self._project, branch, new)
            if self._experiments:
                self._merge_back(branch, new)
            elif branch.tip in {None, self._looked_after(branch)}:
                self._note_looked_after(branch, new)
        elif new is not None and not self._experiments:
            self._send_late(branch, new)
        tags = self._send_tags(branch, new)
        tags = replace(tags, renamed=self._project.registry_reader.with_run_names(tags.renamed))
        moved = new is not None and new != branch.tip
        size = sum(self._large.values())
        return Pushed(branch.name, runs, moved, tags, len(self._large), size, tuple(self._lacking), self._pulled)

    def _environment(self) -> dict[str, str]:
        """Return what keeps the hook of git-lfs from sending to an LFS server what has a store of its own."""
        return {"GIT_LFS_SKIP_PUSH": "1"} if self._project.config.artifacts_remote else {}

    def _note(self, pulled: Pulled) -> None:
        self._pulled = pulled if self._pulled is None else self._pulled.followed_by(pulled)

    def _chosen(self, branch: RemoteBranch, local: str | None) -> str | None:
        """Return what the remote's branch becomes when it gets the runs of some experiments alone."""
        if local is None:
            return None
        made = replay(
            self._repo, branch.tip, branch.tip, local, self._project.identity(), experiments=self._experiments
        )
        return made.commit

    def _merge_back(self, branch: RemoteBranch, pushed: str) -> None:
        identity = self._project.identity()
        self._project.store.integrate(
            lambda local: merge(self._repo, local, pushed, identity, source=branch.name),
            f"gtrack: pushed to {branch.name}",
        )

    def _counted(self, old: str | None, new: str) -> Counted:
        steps = Comparison(self._repo).between(old, new).runs.values()
        added = sum(1 for step in steps if step.before is None)
        removed = sum(1 for step in steps if step.after is None)
        return Counted(added, len(steps) - added - removed, removed)

    def _send_large(self, branch: RemoteBranch, new: str) -> None:
        pointers = [one for one in pointers_between(self._repo, branch.tip, new) if one.oid not in self._large]
        if pointers:
            sent = upload(self._project, self._remote, pointers, self._tell)
            if sent.lacking:
                self._lacking += named_between(self._repo, branch.tip, new, sent.lacking)
            self._large.update((one.oid, one.size) for one in pointers if one not in sent.lacking)

    def _send_late(self, branch: RemoteBranch, tip: str) -> None:
        """Send what is here of the large artifacts of a branch that was pushed by other means, which left them behind."""
        done = self._looked_after(branch)
        if done == tip:
            return
        known = done if done is not None and contains(self._repo, tip, done) else None
        here = [one for one in pointers_between(self._repo, known, tip) if is_here(self._repo, one)]
        if here:
            sent = upload(self._project, self._remote, here, self._tell)
            if sent.objects:
                self._large.update((one.oid, one.size) for one in here[: sent.objects])
        self._note_looked_after(branch, tip)

    def _mark(self, branch: RemoteBranch) -> Path:
        key = sha256(branch.seen.encode(errors="surrogateescape")).hexdigest()[:16]
        return self._repo.common_dir / "gtrack" / f"large-sent.{key}"

    def _looked_after(self, branch: RemoteBranch) -> str | None:
        """Return the commit of the remote's branch up to which this clone has sent the large artifacts that it has."""
        try:
            return self._mark(branch).read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            return None

    def _note_looked_after(self, branch: RemoteBranch, tip: str) -> None:
        with suppress(OSError):  # then all is looked through once more
            self._mark(branch).write_text(f"{tip}\n", encoding="ascii")

    def _send_tags(self, branch: RemoteBranch, new: str | None) -> Travelled:
        def travels(tags: Sequence[Tag]) -> bool:
            if not self._experiments:
                return True
            return new is not None and all(contains(self._repo, new, tag.target) for tag in tags)

        with turn(self._repo.common_dir / "gtrack" / "registry.lock", _LOCK_SECONDS):
            return publish_tags(
                self._repo,
                self._project.registry_reader,
                self._remote,
                branch.tags,
                lambda: look(self._project, self._remote, pushing=True).tags,
                self._project.identity(),
                travels=travels,
            )

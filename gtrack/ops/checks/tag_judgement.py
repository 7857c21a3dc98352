"""Judge promotions that are tags already by what their stages demand: with who made the tag, and what its message says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from gtrack.git.refs import branch_with, is_ancestor
from gtrack.registry import messages
from gtrack.registry.opening import reproductions_in
from gtrack.registry.policy import Case, Evidence, Verdict, judge, judge_leaving
from gtrack.store.one_run import OneRun

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.git.signing import Signature
    from gtrack.records import ModelVersion
    from gtrack.registry.ledger import Event
    from gtrack.registry.stage_policy import StagePolicy
    from gtrack.store.index import Index

_KEPT = 256


def evidence_in(repo: Repository, index: Index, *, own_branches: bool = False) -> Evidence:
    """Return where judgements find what they need to know; what was found once is not looked for again.

    Args:
        repo: the repository.
        index: answers which runs reproduce another one.
        own_branches: whether a branch is only one of this repository, not one that it has of a remote: on a server anybody may
            push to ``refs/remotes``.
    """

    @lru_cache(maxsize=_KEPT)
    def run_at(commit: str, run_id: str) -> OneRun | None:
        return OneRun.at(repo, commit, run_id)

    @cache
    def on_branch(commit: str, branches: tuple[str, ...]) -> str | None:
        return _on_own(repo, commit, branches) if own_branches else branch_with(repo, commit, branches)

    return Evidence(
        lambda version: run_at(version.commit, version.run_id) if version.run_id else None,
        lambda commit, branches: on_branch(commit, tuple(branches)),
        reproductions_in(index),
    )


def _on_own(repo: Repository, commit: str, branches: Sequence[str]) -> str | None:
    found = repo.objects.get(commit)
    if found is None or found.kind != "commit":
        return None
    tips = ((branch, repo.resolve(f"refs/heads/{branch}")) for branch in branches)
    return next((branch for branch, tip in tips if tip is not None and is_ancestor(repo, commit, tip)), None)


def judge_tag(
    policy: StagePolicy,
    event: Event,
    version: ModelVersion,
    signature: Signature,
    evidence: Evidence,
    *,
    current: ModelVersion | None = None,
    events: Sequence[Event] = (),
) -> list[Verdict]:
    """Return what a stage demands of a promotion that is a tag, and what was found.

    Args:
        policy: of the stage.
        event: what the tag says.
        version: what it puts into the stage.
        signature: of the tag.
        evidence: where to look.
        current: what was in the stage until then.
        events: what was done to the model until then.

    Raises:
        ConfigError: a condition of the settings cannot be read.
    """
    return judge(policy, _case(event, version, signature, current, events), evidence)


def judge_tag_leaving(policy: StagePolicy, event: Event, version: ModelVersion, signature: Signature) -> list[Verdict]:
    """Return what a stage demands of a tag that takes a version out of it, and what was found."""
    return judge_leaving(policy, _case(event, version, signature, None, ()))


def _case(
    event: Event, version: ModelVersion, signature: Signature, current: ModelVersion | None, events: Sequence[Event]
) -> Case:
    return Case(
        version=version,
        stage=event.stage or "",
        who=event.user or "",
        reason=event.reason,
        approvals=tuple(event.trailers.get(messages.APPROVED, ())),
        signature=signature,
        current=current,
        events=events,
    )


def before_it(version: ModelVersion) -> ModelVersion:
    """Return a version as it was before all that was done to it: in no stage."""
    return replace(version, stages=())


def passed_over(event: Event, failed: Sequence[Verdict]) -> bool:
    """Tell whether the ``Forced:`` of a tag names every condition that failed."""
    said = "; ".join(" ".join(text.split()) for text in event.trailers.get(messages.FORCED, ()))
    return all(f"; {' '.join(one.condition.split())}; " in f"; {said}; " for one in failed)

"""Judge a promotion by what its stage demands: every condition, whether it is met, and what was found."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.errors import ConfigError, GTrackError, QueryError
from gtrack.git.signing import Signature, SignatureState
from gtrack.records import Goal, Status
from gtrack.registry.tag_names import Action
from gtrack.store.query.conditions import tests
from gtrack.store.query.fields import Place
from gtrack.store.query.parser import parse_filter

if TYPE_CHECKING:
    from gtrack.records import ModelVersion, Run
    from gtrack.registry.ledger import Event
    from gtrack.registry.stage_policy import Improvement, StagePolicy
    from gtrack.store.one_run import OneRun

LEFT_BEHIND = "archived"
"""The stage for what is no longer used: a run that failed may be put there."""

_ADDRESS = re.compile(r"<([^<>]*)>")
_KEY = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?\Z|[0-9A-Fa-f]{16,64}\Z")


@dataclass(frozen=True)
class Verdict:
    """One condition of a stage.

    Attributes:
        condition: what is demanded.
        met: whether it is so.
        found: what is so, in a few words.
    """

    condition: str
    met: bool
    found: str

    def __str__(self) -> str:
        return f"{'✓' if self.met else '✗'} {self.condition}{f': {self.found}' if self.found else ''}"


class PolicyFailed(GTrackError, PermissionError):
    """A promotion does not fulfil what its stage demands; nothing was promoted.

    Attributes:
        verdicts: every condition.
    """

    def __init__(self, message: str, verdicts: Sequence[Verdict]) -> None:
        super().__init__(message)
        self.verdicts = tuple(verdicts)


@dataclass(frozen=True)
class Case:
    """A promotion that is to be judged.

    Attributes:
        version: what is promoted.
        stage: where to.
        who: who promotes, ``Name <address>``.
        reason: why.
        approvals: who approves of it, ``Name <address>`` each.
        signature: of the tag; None while it is not made yet.
        sign: whether it will be signed.
        current: the version that is in the stage now.
        events: what was done to the model until now.
    """

    version: ModelVersion
    stage: str
    who: str
    reason: str | None = None
    approvals: tuple[str, ...] = ()
    signature: Signature | None = None
    sign: bool = False
    current: ModelVersion | None = None
    events: Sequence[Event] = ()


@dataclass(frozen=True)
class Evidence:
    """Where a judgement finds what it needs to know.

    Attributes:
        run_of: the run of a version as its tag's commit holds it; None when it is not here, or no run.
        branch_with: the first of some branches from which a commit can be reached; None when it is none of them.
        reproductions: the finished runs that reproduce a run.
    """

    run_of: Callable[[ModelVersion], OneRun | None]
    branch_with: Callable[[str, Sequence[str]], str | None]
    reproductions: Callable[[str], Sequence[Run]]


def judge(policy: StagePolicy, case: Case, evidence: Evidence) -> list[Verdict]:
    """Return every condition of a stage with what was found.

    Raises:
        ConfigError: a condition of the settings cannot be read.
    """
    one = evidence.run_of(case.version)
    if one is None:
        return [*_without_run(policy, case), *_of_the_act(policy, case)]
    run = one.run
    found = [] if case.stage == LEFT_BEHIND else [_finished(run)]
    found += [_required(text, one, case.stage) for text in policy.requires]
    found += [_improved(wanted, run, case, evidence) for wanted in policy.improves]
    if policy.after:
        found.append(_came_from(policy.after, case))
    if policy.clean:
        found.append(Verdict("the code was committed", not run.code.dirty and bool(run.code.commit), _code(run)))
    if policy.branch:
        found.append(_on_branch(policy.branch, run, evidence))
    if policy.data:
        told = ", ".join(f"{one.name} {one.digest[:19]}" for one in run.inputs)
        found.append(Verdict("a version of the data is recorded", bool(run.inputs), told or "none"))
    if policy.reproduced:
        again = evidence.reproductions(run.id)
        told = ", ".join(one.name for one in again[:3]) or "no finished run has the tag 'reproduces' with its id"
        found.append(Verdict("another run reproduced it", bool(again), told))
    return [*found, *_of_the_act(policy, case)]


def judge_leaving(policy: StagePolicy, case: Case) -> list[Verdict]:
    """Return what a stage demands of who takes a version out of it: who they are, a reason, a signature."""
    return [one for one in _of_the_act(policy, case) if not one.condition.endswith(_APPROVALS)]


def unmet(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the conditions that are not met."""
    return [one for one in verdicts if not one.met]


def _finished(run: Run) -> Verdict:
    return Verdict("the run finished", run.status is Status.FINISHED, run.status.value)


def _without_run(policy: StagePolicy, case: Case) -> list[Verdict]:
    """Judge a version of which there is no run, as GTO makes them on code commits: what asks for the run is not met."""
    asked = policy.requires or policy.improves or policy.clean or policy.branch or policy.data or policy.reproduced
    at = case.version.commit[:8]
    found = [Verdict("the run is known", met=False, found=f"commit {at} holds no run that is here")] if asked else []
    return [*found, _came_from(policy.after, case)] if policy.after else found


def _required(text: str, one: OneRun, stage: str) -> Verdict:
    try:
        if any(test.target.place is Place.REGISTRY for test in tests(parse_filter(text))):
            raise ConfigError(
                f"registry.stages.{stage}.requires: {text!r} asks for models or stages; 'after: staging' does that."
            )
        return Verdict(text, one.holds(text), one.figures(text))
    except QueryError as error:
        raise ConfigError(f"registry.stages.{stage}.requires cannot be read: {error}") from error


def _improved(wanted: Improvement, run: Run, case: Case, evidence: Evidence) -> Verdict:
    condition = str(wanted)
    value = run.metrics.get(wanted.metric)
    if value is None:
        return Verdict(condition, met=False, found=f"no {wanted.metric}")
    told = f"{wanted.metric} = {value:.6g}"
    if case.current is None or case.current.version == case.version.version:
        return Verdict(condition, met=True, found=f"{told}; nothing else is in {case.stage}")
    now = evidence.run_of(case.current)
    before = now.run.metrics.get(wanted.metric) if now is not None else case.current.metrics.get(wanted.metric)
    if before is None:
        return Verdict(
            condition, met=True, found=f"{told}; v{case.current.version}, which is in {case.stage}, has none"
        )
    better = value - before if run.goal(wanted.metric) is not Goal.MINIMIZE else before - value
    margin = wanted.margin * abs(before) if wanted.relative else wanted.margin
    # A hair less than the margin counts: 0.905 is 0.005 more than 0.9, though not in binary.
    met = better > 0 and better >= margin - 1e-9 * max(abs(value), abs(before))
    return Verdict(condition, met, f"{told} against {before:.6g} of v{case.current.version} ({value - before:+.3g})")


def _came_from(stages: Sequence[str], case: Case) -> Verdict:
    condition = f"it was in {' or '.join(stages)}"
    now = [stage for stage in stages if stage in case.version.stages]
    if now:
        return Verdict(condition, met=True, found=f"it is in {', '.join(now)}")
    been = next(
        (
            one
            for one in reversed(case.events)
            if one.action is Action.ASSIGN and one.version == case.version.version and one.stage in stages
        ),
        None,
    )
    if been is None:
        return Verdict(condition, met=False, found="it never was")
    return Verdict(condition, met=True, found=f"{been.stage}{f', {been.time:%Y-%m-%d}' if been.time else ''}")


def _code(run: Run) -> str:
    if not run.code.commit:
        return "no code is recorded"
    branch = f" of {run.code.branch}" if run.code.branch else ""
    return f"{run.code.commit[:8]}{branch}{', a snapshot of uncommitted changes' if run.code.dirty else ''}"


def _on_branch(branches: Sequence[str], run: Run, evidence: Evidence) -> Verdict:
    condition = f"the code is on {' or '.join(branches)}"
    if not run.code.commit:
        return Verdict(condition, met=False, found="no code is recorded")
    found = evidence.branch_with(run.code.commit, branches)
    return Verdict(
        condition, found is not None, f"{_code(run)}{f' is on {found}' if found else ' is not, as far as it is here'}"
    )


_APPROVALS = "of somebody else"


def _of_the_act(policy: StagePolicy, case: Case) -> list[Verdict]:
    """Judge the promotion itself: signed, explained, approved, and by whom."""
    found = []
    if policy.signed:
        found.append(_signed(case))
    if policy.reason:
        given = (case.reason or "").strip()
        found.append(Verdict("there is a reason", bool(given), given or "none: --reason TEXT"))
    if policy.approvals:
        others = _others(case)
        what = "approval" if policy.approvals == 1 else "approvals"
        found.append(
            Verdict(
                f"{policy.approvals} {what} {_APPROVALS}", len(others) >= policy.approvals, ", ".join(others) or "none"
            )
        )
    if policy.promoters:
        found.append(_by_whom(policy, case))
    return found


def _signed(case: Case) -> Verdict:
    if case.signature is None:
        return Verdict("the promotion is signed", case.sign, "it will be" if case.sign else "it is not: --sign")
    return Verdict("the promotion is signed", case.signature.state is SignatureState.GOOD, _told(case.signature))


def _told(signature: Signature) -> str:
    if signature.state is SignatureState.GOOD:
        return f"by {signature.signer or signature.key}"
    return {
        SignatureState.NONE: "it has no signature",
        SignatureState.BAD: "the signature is bad",
        SignatureState.UNKNOWN: f"nobody known signed it{f' ({signature.key})' if signature.key else ''}",
    }[signature.state] + (f": {signature.text}" if signature.text else "")


def _others(case: Case) -> list[str]:
    """Return who approves and is not who promotes, each once."""
    mine = _identity(case.who)
    return list({_identity(one): one for one in case.approvals if _identity(one) not in {mine, ""}}.values())


def _identity(who: str) -> str:
    found = _ADDRESS.search(who)
    return (found[1] if found and found[1] else who).strip().casefold()


def _by_whom(policy: StagePolicy, case: Case) -> Verdict:
    """Where a signature is demanded, who signed counts, else who the tag says; keys count by signatures alone."""
    condition = f"promoted by {' or '.join(policy.promoters)}"
    signature = case.signature if case.signature is not None and case.signature.state is SignatureState.GOOD else None
    keys = {one for one in policy.promoters if _KEY.match(one)}
    named = {_identity(one) for one in policy.promoters if one not in keys}
    if signature is not None and _has_key(signature.key, keys):
        return Verdict(condition, met=True, found=_told(signature))
    if policy.signed and case.signature is not None:
        who = signature.signer if signature is not None else ""
        return Verdict(condition, bool(who) and _identity(who) in named, _told(case.signature))
    if case.signature is None and case.sign and (keys or policy.signed):
        return Verdict(condition, met=True, found="the signature will tell")
    name = case.who.partition("<")[0].strip().casefold()
    return Verdict(condition, bool(named & {_identity(case.who), name} - {""}), case.who)


def _has_key(key: str, keys: set[str]) -> bool:
    """Tell whether a key is one of ``keys``: an SSH fingerprint whole, a GPG one also by its last digits."""
    if not key:
        return False
    return any(key == one or (not one.startswith("SHA256:") and key.upper().endswith(one.upper())) for one in keys)

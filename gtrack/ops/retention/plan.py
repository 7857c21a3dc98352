"""Judge all runs by the retention rules: which go, by which rule, with how many bytes; and which stay against a rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from gtrack.errors import ConfigError, QueryError
from gtrack.ops.registered_runs import registered_runs
from gtrack.ops.retention.rules import Rule
from gtrack.records import Goal, Run, Status
from gtrack.store.query.conditions import Operator, Order, Test
from gtrack.store.query.fields import Place
from gtrack.store.query.parser import parse_filter, parse_order
from gtrack.store.run_sizes import Bytes, RunSizes

if TYPE_CHECKING:
    from gtrack.project import Project

PINNED = "pinned"
"""The tag that keeps a run from every rule."""
RUNNING, DAMAGED, REGISTERED, PARENT = "running", "damaged", "in the registry", "parent of a kept run"
_MEANT = "Did you mean"


@dataclass(frozen=True)
class Judged:
    """A run that goes, the rule that takes it, and the bytes of its directory, large artifacts with their content."""

    run: Run
    rule: Rule
    size: Bytes


@dataclass(frozen=True)
class RetentionPlan:
    """What the rules come to.

    Attributes:
        tip: the commit of the branch that was judged.
        rules: the rules, in their order.
        runs: how many runs there are, live ones among them.
        going: the runs that go: by rule, in each the oldest first.
        spared: reason to how many runs stay for it although a rule would remove them.
        freed: what only the runs that go take.
        notes: what a person should know of the rules, a sentence each.
    """

    tip: str | None
    rules: tuple[Rule, ...]
    runs: int = 0
    going: tuple[Judged, ...] = ()
    spared: Mapping[str, int] = field(default_factory=dict)
    freed: Bytes = field(default_factory=Bytes)
    notes: tuple[str, ...] = ()


def plan_retention(project: Project, rules: Sequence[Rule], now: datetime) -> RetentionPlan:
    """Judge all runs.

    Args:
        project: where.
        rules: the first that takes a run decides; without any, nothing goes.
        now: the moment to which ages are counted.

    Raises:
        ConfigError: a rule that keeps runs asks for a name that no run has, and that is likely misspelt; or the registry's
            settings are wrong.
        GitError: git refuses.
    """
    tip = project.store.tip()
    runs = project.index.select()
    sizes = _Sizes(project, tip)
    judge = _Judge(project, runs, sizes, now)
    for rule in rules:
        judge.apply(rule)
    against = {run_id: rule for run_id, rule in judge.decided.items() if not rule.keep}
    reasons = spared(runs, against, registered_runs(project))
    order = {rule.name: at for at, rule in enumerate(rules)}
    going = [
        Judged(run, against[run.id], sizes.read.of(run.id))
        for run in reversed(runs)
        if run.id in against and run.id not in reasons
    ]
    going.sort(key=lambda one: order[one.rule.name])
    freed = sizes.read.alone([one.run.id for one in going]) if going else Bytes()
    notes = [*judge.notes, *sizes.notes()]
    count = Counter(reasons.values())
    return RetentionPlan(tip, tuple(rules), len(runs), tuple(going), dict(count.most_common()), freed, tuple(notes))


def spared(runs: Iterable[Run], against: Collection[str], registered: Collection[str]) -> dict[str, str]:
    """Return run id to the reason for which it stays, of those that a rule is ``against``.

    What is kept keeps its parents, and theirs; the children of what is kept are judged for themselves.
    """
    by_id = {run.id: run for run in runs}
    reasons: dict[str, str] = {}
    for run_id in against:
        reason = reason_to_stay(by_id[run_id], registered)
        if reason is not None:
            reasons[run_id] = reason
    for run in by_id.values():
        if run.id in against and run.id not in reasons:
            continue
        above = run.parent
        while above in by_id and above in against and above not in reasons:
            reasons[above] = PARENT
            above = by_id[above].parent
    return reasons


def reason_to_stay(run: Run, registered: Collection[str]) -> str | None:
    """Return why a run may not be removed by a rule; None when it may."""
    if run.live or run.status is Status.RUNNING:
        return RUNNING
    if run.problems:
        return DAMAGED
    if run.id in registered:
        return REGISTERED
    return PINNED if PINNED in run.tags else None


class _Sizes:
    """The sizes of the runs, read when they are first asked for."""

    def __init__(self, project: Project, tip: str | None) -> None:
        self._project = project
        self._tip = tip
        self._read: RunSizes | None = None

    @property
    def read(self) -> RunSizes:
        if self._read is None:
            self._read = RunSizes(self._project.repo, self._tip)
        return self._read

    def notes(self) -> list[str]:
        unknown = self._read.unknown if self._read else 0
        return [f"{unknown:,} files are not in this partial clone; their bytes are not counted."] if unknown else []


class _Judge:
    """Applies one rule after the other."""

    def __init__(self, project: Project, runs: Sequence[Run], sizes: _Sizes, now: datetime) -> None:
        self._index = project.index
        self._runs = runs
        self._sizes = sizes
        self._now = now
        self.decided: dict[str, Rule] = {}
        self.notes: list[str] = []

    def apply(self, rule: Rule) -> None:
        """Let a rule decide about the runs that it takes and that no earlier one did."""
        # The best are sought among all that are not to be removed: a run that an earlier rule keeps is one of them.
        pool = [run for run in self._runs if run.id not in self.decided or self.decided[run.id].keep]
        try:
            taken = self._where(rule, [run for run in pool if self._takes(rule, run)])
            taken = self._all_but_best(rule, taken)
        except QueryError as error:
            if rule.keep:
                raise ConfigError(f"retention.rules, {rule.name}: {error}") from error
            self.notes.append(f"{rule.name} is passed over: {str(error).splitlines()[0]}")
            return
        for run in taken:
            self.decided.setdefault(run.id, rule)

    def _takes(self, rule: Rule, run: Run) -> bool:
        moment = run.ended or run.started
        return (
            (not rule.experiments or any(fnmatchcase(run.experiment, glob) for glob in rule.experiments))
            and (not rule.statuses or run.status.value in rule.statuses)
            and (rule.older_than is None or (moment is not None and self._now - moment > rule.older_than))
            and (not rule.tags or any(_has(run, key, value) for key, value in rule.tags))
            and (rule.larger_than is None or self._sizes.read.of(run.id).total > rule.larger_than)
        )

    def _where(self, rule: Rule, runs: list[Run]) -> list[Run]:
        if not rule.where or not runs:
            return runs
        try:
            condition = parse_filter(rule.where, self._index.names)
        except QueryError as error:
            # Where nothing is called so yet, a rule that keeps cannot keep less than it says; one that removes could remove more.
            if not rule.keep or _MEANT in str(error):
                raise
            condition = parse_filter(rule.where, strict=False)
        found = set(self._index.ids(condition))
        return [run for run in runs if run.id in found]

    def _all_but_best(self, rule: Rule, runs: list[Run]) -> list[Run]:
        best = rule.keep_best
        runs = [run for run in runs if best is None or not (run.live or run.problems or run.status is Status.RUNNING)]
        if best is None or not runs:
            return runs
        order = parse_order(best.order, self._index.names)
        target = order.target
        if not best.directed and target.place is Place.METRIC:
            order = Order(target, descending=self._index.goal(target.key) is not Goal.MINIMIZE)
        ranked = self._index.ids(Test(target, Operator.IS_NOT_NULL), [order])
        experiments = {run.id: run.experiment for run in runs}
        counts: Counter[str] = Counter()
        kept = set()
        for run_id in ranked:
            if run_id in experiments and counts[experiments[run_id]] < best.count:
                counts[experiments[run_id]] += 1
                kept.add(run_id)
        unranked = sorted({*experiments.values()} - {experiments[run_id] for run_id in ranked if run_id in experiments})
        if unranked:  # where nothing can be compared nothing is worse than the best
            self.notes.append(
                f"{rule.name} takes nothing of {_few(unranked)}: no run there has {best.order.split()[0]}."
            )
        return [run for run in runs if run.id not in kept and run.experiment not in unranked]


def _has(run: Run, key: str, value: str | None) -> bool:
    return key in run.tags and value in (None, run.tags[key])


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

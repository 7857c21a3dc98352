"""Remove the runs that the retention rules take, by one commit of the runs branch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from gtrack.errors import RefChanged
from gtrack.ops.registered_runs import registered_runs
from gtrack.ops.retention.plan import RetentionPlan, plan_retention
from gtrack.store.removal import Going, Made, remove_runs

if TYPE_CHECKING:
    from gtrack.project import Project

SUBJECT = "Remove {} by retention"


@dataclass(frozen=True)
class Applied:
    """What was removed.

    Attributes:
        removed: the runs.
        commit: the commit that removed them; None when nothing was to be removed.
        passed_over: how many of the plan stayed, as they were changed, registered or removed since.
    """

    removed: tuple[Going, ...]
    commit: str | None
    passed_over: int = 0


def apply_retention(project: Project, plan: RetentionPlan, now: datetime) -> Applied:
    """Take the runs of a plan off the branch, by one commit that names each with its rule.

    What changed since the plan was made is judged again: nothing goes that was not in the plan, and nothing that the rules,
    the registry or a pin would keep now.

    Args:
        project: where.
        plan: what was shown to whoever agreed.
        now: the moment to which ages are counted.

    Raises:
        GitError: git refuses; nothing was removed.
    """
    removed: list[Going] = []
    wanted = [one.run.id for one in plan.going]
    if not wanted:
        return Applied((), None)

    def build(tip: str | None) -> Made:
        removed.clear()
        base = tip or project.store.tip()
        if base is None:
            raise RefChanged(f"{project.config.ref} is gone.")
        registered = registered_runs(project)
        # The registry and live runs can change without the branch: a child that runs keeps its parent.
        changed = base != plan.tip or not registered.isdisjoint(wanted) or project.live.directories()
        current = plan_retention(project, plan.rules, now) if changed else plan
        still = {one.run.id: one for one in current.going}
        going = [
            Going(run_id, still[run_id].run.experiment, still[run_id].run.name, still[run_id].rule.name)
            for run_id in wanted
            if run_id in still
        ]
        made, gone = remove_runs(project.repo, base, going, SUBJECT, project.identity())
        removed.extend(gone)
        return made

    commit = project.store.integrate(build, f"{len(wanted)} runs removed by retention").commit
    return Applied(tuple(removed), commit if removed else None, len(wanted) - len(removed))

"""Find runs: by a filter, in an order, the best ones, by the index."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.errors import QueryError, RunNotFound, nearest
from gtrack.records import Goal, Run

if TYPE_CHECKING:
    from gtrack.project import Project
    from gtrack.store.index import Index
    from gtrack.store.query.parser import Condition, Order

# Commas between the parts of an order, not those inside a quoted name.
_PART = re.compile(r"""(?:[^,`"']|`[^`]*`|"[^"]*"|'[^']*')+""")


@dataclass(frozen=True)
class Choice:
    """Which runs are meant.

    Attributes:
        where: a filter (docs/search.md); all runs when empty.
        experiments: only the runs of these; of all, when None.
        statuses: only the runs with these; with any, when None.
    """

    where: str = ""
    experiments: tuple[str, ...] | None = None
    statuses: tuple[str, ...] | None = None


def find_runs(project: Project, choice: Choice, order: Sequence[str] = (), limit: int | None = None) -> list[Run]:
    """Return the runs that are meant, live ones among them.

    Args:
        project: where.
        choice: which ones.
        order: by what they are sorted, e.g. ``metrics.f1 DESC`` or ``-metrics.f1``; the newest first when empty.
        limit: how many at the most; None for all.

    Raises:
        QueryError: the filter or the order is wrong.
    """
    index = project.index
    return index.select(condition(index, choice), parse_orders(index, order), limit, only=only(choice))


def condition(index: Index, choice: Choice) -> Condition | None:
    """Return the filter of a choice, parsed; a misspelt name is told the nearest that any run has.

    Raises:
        QueryError: it is wrong.
    """
    if not choice.where.strip():
        return None
    from gtrack.store.query.parser import parse_filter  # noqa: PLC0415 - most questions have no filter

    return parse_filter(choice.where, index.names)


def only(choice: Choice) -> dict[str, tuple[str, ...]]:
    """Return what a choice says beside its filter, as the index takes it."""
    said = {"experiment": choice.experiments, "status": choice.statuses}
    return {column: values for column, values in said.items() if values is not None}


def parse_orders(index: Index, order: Sequence[str]) -> list[Order]:
    """Return an order, parsed; the bare name of a metric or a parameter will do where no fact about the run is called so.

    Raises:
        QueryError: it is wrong.
    """
    return [_order(index, part.strip()) for text in order for part in _PART.findall(text) if part.strip()]


def _order(index: Index, part: str) -> Order:
    from gtrack.store.query.parser import parse_order  # noqa: PLC0415 - as in ``condition``

    try:
        return parse_order(part, index.names)
    except QueryError:
        sign, name = (part[0], part[1:].strip()) if part[0] in "+-" else ("", part)
        for kind in ("metrics", "params"):
            if name in index.names(kind):
                return parse_order(f"{sign}{kind}.{quoted(name)}")
        raise


def quoted(name: str) -> str:
    """Return a name as it stands in a filter."""
    return "`" + name.replace("`", "``") + "`"


def best_runs(
    project: Project,
    metric: str,
    choice: Choice | None = None,
    *,
    goal: Goal | None = None,
    count: int | None = 1,
) -> list[Run]:
    """Return the runs with the best value of a metric, the best one first; nan is no value.

    What failed, was killed or was pruned counts only where ``choice`` asks for a status.

    Args:
        project: where.
        metric: its name.
        choice: which runs; all when None.
        goal: which direction is better; as the experiment's objective, else the runs or the metric's name say, else
            greater, when None.
        count: how many at the most; None for all.

    Raises:
        RunNotFound: no such run has the metric.
        QueryError: the filter is wrong.
    """
    index, choice = project.index, choice or Choice()
    direction = goal or _objective(project, metric, choice) or index.goal(metric) or Goal.MAXIMIZE
    found = index.best(metric, direction, condition(index, choice), limit=count, only=only(choice))
    if not found and count != 0:
        known = index.names("metrics")
        which = "run" if choice == Choice() else "such run"
        which += " that finished" if metric in known else ""
        hint = "" if metric in known else nearest(metric, known)
        raise RunNotFound(
            f"No {which} has the metric {metric!r}.{hint} 'gtrack ls --columns metrics.*' shows which there are."
        )
    return found


def _objective(project: Project, metric: str, choice: Choice) -> Goal | None:
    """Return the direction that the objective of the one experiment which is meant says."""
    if choice.experiments is None or len(choice.experiments) != 1:
        return None
    objective = project.store.experiment(choice.experiments[0]).objective
    return objective[1] if objective is not None and objective[0] == metric else None

"""Find experiments by what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gtrack.errors import InvalidValue
from gtrack.ops.clauses import in_order, parse_clauses
from gtrack.ops.experiment import all_experiments
from gtrack.project import Project
from gtrack.records import Experiment

_KEYS = ("name", "experiment_id", "creation_time", "last_update_time")
_DELETED_ONLY = 2  # MLflow's ViewType


def find_experiments(
    project: Project, where: str | None = None, order: Sequence[str] | None = None, view_type: int | None = None
) -> list[Experiment]:
    """Return the experiments that fulfil a filter; without an order the one that was created last comes first.

    Raises:
        QueryError: the filter or the order is wrong.
        InvalidValue: only what was deleted is asked for.
    """
    check_view(view_type)
    clauses = parse_clauses(where, _KEYS)
    known = [one for _, one in sorted(all_experiments(project).items())]
    found = [one for one in known if all(clause.holds(_facts(one)) for clause in clauses)]
    return in_order(found, _facts, order or ["creation_time DESC"], _KEYS)


def check_view(view_type: int | None) -> None:
    """Refuse to look for what was deleted alone.

    Raises:
        InvalidValue: it is asked for.
    """
    if view_type == _DELETED_ONLY:
        raise InvalidValue(
            "What was deleted is no longer on the runs branch, so it cannot be searched; 'git log gtrack/runs' has it, and "
            "restore_run() and restore_experiment() bring it back."
        )


def _facts(one: Experiment) -> dict[str, Any]:
    tags = {f"tags.{key}": text for key, text in one.tags.items()}
    # Nothing is kept of when it was last changed: when it was made is the nearest.
    times = dict.fromkeys(("creation_time", "last_update_time"), one.creation_time)
    return {"name": one.name, "experiment_id": one.name, **times, **tags}

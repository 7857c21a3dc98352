"""Which parameters moved a metric: a forest is asked, and asked first whether it knows anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gtrack.charts.column import Column
from gtrack.errors import GTrackError

if TYPE_CHECKING:
    import numpy as np

LEAST_RUNS = 12
RUNS_PER_PARAMETER = 2
_FOLDS, _TREES, _SHUFFLES = 5, 100, 5
_SAYS_NOTHING = 0.1
_LARGEST = 1e30  # trees compare float32, whose sums must stay finite too


@dataclass(frozen=True)
class Importance:
    """What a forest of decision trees made of the runs.

    Attributes:
        metric: what it predicts.
        params: the parameters, the most important first.
        means: by how much R² falls on runs that the forest has not seen when the parameter's values are shuffled.
        errors: the standard deviation of that, over the shuffles.
        r2: the forest's cross-validated R²: 1 when it predicts each run from the others, 0 when it knows nothing.
        runs: how many runs it saw.
        left_out: parameters that could not be asked about, as they name the run instead of describing it.
    """

    metric: str
    params: tuple[str, ...]
    means: tuple[float, ...]
    errors: tuple[float, ...]
    r2: float
    runs: int
    left_out: tuple[str, ...] = ()

    @property
    def says_something(self) -> bool:
        """Whether the forest knows enough for its opinion on parameters to mean anything."""
        return self.r2 >= _SAYS_NOTHING


def importance(params: Sequence[Column], metric: Column) -> Importance:
    """Return the permutation importance of parameters, measured on runs that the forest has not seen.

    Args:
        params: one column per parameter; those that do not vary are left out.
        metric: what they are to explain; runs without it are left out.

    Raises:
        GTrackError: too few runs to say anything, a metric that is the same everywhere, or no parameter that varies.
    """
    with_metric = [at for at, known in enumerate(metric.known) if known]
    target = metric.at(with_metric).positions
    varying = [column for column in (one.at(with_metric) for one in params) if len(set(column.values)) > 1]
    asked = [column for column in varying if not _is_a_name(column)]
    left_out = tuple(column.name for column in varying if _is_a_name(column))
    _refuse_where_pointless(metric.name, target, asked)
    errors, drops = _cross_validate(_matrix(asked), target)
    order = sorted(range(len(asked)), key=lambda at: -float(drops[at].mean()))
    return Importance(
        metric=metric.name,
        params=tuple(asked[at].name for at in order),
        means=tuple(float(drops[at].mean()) for at in order),
        errors=tuple(float(drops[at].std()) for at in order),
        r2=1 - errors,
        runs=len(target),
        left_out=left_out,
    )


def _is_a_name(column: Column) -> bool:
    """Tell whether a text is another one in (nearly) every run, as an output path is."""
    return column.is_category and len(column.categories) > 0.8 * sum(column.known)


def _refuse_where_pointless(metric: str, target: Sequence[float], asked: Sequence[Column]) -> None:
    if not asked:
        raise GTrackError(
            f"No parameter varies among the {len(target)} runs with {metric}: there is nothing to compare."
        )
    need = max(LEAST_RUNS, RUNS_PER_PARAMETER * len(asked))
    if len(target) < need:
        raise GTrackError(
            f"{len(target)} runs with {metric} are too few to say which of {len(asked)} parameters moved it: "
            f"that takes {need} at least. Make more runs, or ask about fewer parameters with --param."
        )
    if max(target) == min(target):
        raise GTrackError(f"{metric} is {target[0]:g} in all {len(target)} runs: nothing moved it.")


def _matrix(columns: Sequence[Column]) -> np.ndarray[Any, Any]:
    """Return the parameters as numbers; a category as its index, which a tree can cut anywhere, and NaN where missing."""
    import numpy as np

    table = np.array([column.positions for column in columns], dtype=float).T
    clipped: np.ndarray[Any, Any] = np.clip(table, -_LARGEST, _LARGEST)
    return clipped


def _cross_validate(table: np.ndarray[Any, Any], target: Sequence[float]) -> tuple[float, np.ndarray[Any, Any]]:
    """Return the squared error over the variance, and for each parameter and shuffle by how much shuffling adds to it.

    All folds are taken together: R² of a fold of three runs would mean nothing.
    """
    import numpy as np
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import KFold

    y = np.asarray(target, dtype=float)
    y = (y - y.mean()) / (np.abs(y - y.mean()).max() or 1.0)  # squares of large numbers would overflow
    total = float(((y - y.mean()) ** 2).sum())
    random = np.random.default_rng(0)
    error, added = 0.0, np.zeros((table.shape[1], _SHUFFLES))
    for train, test in KFold(_FOLDS, shuffle=True, random_state=0).split(table):
        forest = RandomForestRegressor(_TREES, random_state=0, min_samples_leaf=2).fit(table[train], y[train])
        squared = float(((forest.predict(table[test]) - y[test]) ** 2).sum())
        error += squared
        for column in range(table.shape[1]):
            shuffled = np.repeat(table[test][None], _SHUFFLES, axis=0)
            for copy in shuffled:
                # Values of all runs, not only of this fold: in a fold of three, a shuffle often changes nothing.
                copy[:, column] = random.choice(table[:, column], len(test))
            predicted = forest.predict(shuffled.reshape(-1, table.shape[1])).reshape(_SHUFFLES, -1)
            added[column] += ((predicted - y[test]) ** 2).sum(axis=1) - squared
    return error / total, added / total

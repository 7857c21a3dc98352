"""A fitted estimator with its training data: what it predicts of it is computed once, for all metrics and figures."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from gtrack.integrations.sklearn.call import FitCall
from gtrack.integrations.sklearn.estimators import final_step

if TYPE_CHECKING:
    import numpy as np

_PREDICT_THE_MOST_PROBABLE = frozenset({"ForestClassifier", "BaseDecisionTree"})


class Evaluation:
    """What is known of a fit once it is done.

    Args:
        call: the fit.
        result: what it returned.
    """

    def __init__(self, call: FitCall, result: Any = None) -> None:
        self.call = call
        self.estimator = call.estimator
        self._result = result

    @cached_property
    def target(self) -> np.ndarray[Any, Any]:
        """The target, with one dimension where it has one output."""
        import numpy as np

        y = self.call.y
        if hasattr(y, "toarray"):
            y = y.toarray()
        array = np.asarray(y)
        return array.ravel() if array.ndim == 2 and array.shape[1] == 1 else array

    @cached_property
    def weight(self) -> np.ndarray[Any, Any] | None:
        """The weights of the rows; None where all count the same."""
        import numpy as np

        return None if self.call.weight is None else np.asarray(self.call.weight).ravel()

    @cached_property
    def predicted(self) -> np.ndarray[Any, Any]:
        """What it predicts of the training data."""
        import numpy as np

        if self.call.method == "fit_predict":
            found = self._result
        elif self._predicts_the_most_probable():
            best = np.asarray(self.probabilities).argmax(axis=1)
            found = self.estimator.classes_.take(best, axis=0)
        else:
            found = self.estimator.predict(self.call.X)
        if hasattr(found, "toarray"):
            found = found.toarray()
        array = np.asarray(found)
        return array.ravel() if array.ndim == 2 and array.shape[1] == 1 and self.target.ndim == 1 else array

    def _predicts_the_most_probable(self) -> bool:
        """Tell whether ``predict`` would compute the probabilities and take the class of the highest, and nothing else."""
        kind = type(self.estimator)
        owner = next((one.__name__ for one in kind.__mro__ if "predict" in one.__dict__), "")
        return (
            owner in _PREDICT_THE_MOST_PROBABLE
            and self.has_probabilities
            and getattr(self.estimator, "n_outputs_", 0) == 1
        )

    @property
    def has_probabilities(self) -> bool:
        """Whether it gives probabilities."""
        return hasattr(self.estimator, "predict_proba")

    @cached_property
    def probabilities(self) -> Any:
        """The probability of each class, rows × classes; a list of these where there are several outputs."""
        return self.estimator.predict_proba(self.call.X)

    @cached_property
    def scores(self) -> np.ndarray[Any, Any] | None:
        """One score per row that is the higher, the likelier the second of two classes; None where there is none."""
        import numpy as np

        if self.has_probabilities:
            return np.asarray(self.probabilities)[:, 1]
        if hasattr(self.estimator, "decision_function"):
            return np.asarray(self.estimator.decision_function(self.call.X)).ravel()
        return None

    @cached_property
    def feature_names(self) -> list[str]:
        """The names of the features that reach the final step, as far as they are known."""
        names = None
        if final_step(self.estimator) is not self.estimator:
            names = _transformed_names(self.estimator)
        if names is None:
            names = getattr(self.estimator, "feature_names_in_", None)
        return [] if names is None else [str(name) for name in names]


def _transformed_names(estimator: Any) -> Any:
    pipeline = getattr(estimator, "best_estimator_", estimator)
    if type(pipeline).__name__ != "Pipeline" or len(pipeline.steps) < 2:
        return getattr(pipeline, "feature_names_in_", None)
    try:
        return pipeline[:-1].get_feature_names_out()
    except (AttributeError, ValueError, TypeError):  # a step that does not know what it makes
        return None

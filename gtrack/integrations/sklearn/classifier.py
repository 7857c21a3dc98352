"""What is recorded of a fitted classifier: metrics and curves of the training data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gtrack.charts.classification import confusion_png, precision_recall_png, roc_png
from gtrack.integrations.problems import Problems
from gtrack.integrations.sklearn.evaluation import Evaluation
from gtrack.writer import ActiveRun

if TYPE_CHECKING:
    import numpy as np

_SINGLE = frozenset({"binary", "multiclass"})
_MOST_POINTS = 1000
_MOST_CLASSES = 200


def classifier_metrics(evaluation: Evaluation, problems: Problems) -> dict[str, float]:
    """Return the metrics of the training data, under the names that this field knows.

    Precision, recall and F1 are averages over the classes, weighted by their rows.
    """
    from sklearn import metrics
    from sklearn.utils.multiclass import type_of_target

    found: dict[str, float] = {}
    with problems.of("the training metrics"):
        kind = type_of_target(evaluation.target)
        if kind not in {*_SINGLE, "multilabel-indicator"}:
            return found
        true, predicted, weight = evaluation.target, evaluation.predicted, evaluation.weight
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            true, predicted, average="weighted", sample_weight=weight, zero_division=0.0
        )
        found["training_precision_score"] = float(precision)
        found["training_recall_score"] = float(recall)
        found["training_f1_score"] = float(f1)
        found["training_accuracy_score"] = float(metrics.accuracy_score(true, predicted, sample_weight=weight))
    if kind in _SINGLE and evaluation.has_probabilities:
        with problems.of("training_log_loss"):
            found["training_log_loss"] = _log_loss(evaluation)
        with problems.of("training_roc_auc"):
            area = _roc_auc(evaluation)
            if area is not None:
                found["training_roc_auc"] = area
    return found


def _classes(evaluation: Evaluation) -> np.ndarray[Any, Any]:
    import numpy as np

    known = getattr(evaluation.estimator, "classes_", None)
    return np.unique(evaluation.target) if known is None else np.asarray(known)


def _log_loss(evaluation: Evaluation) -> float:
    from sklearn import metrics

    classes = _classes(evaluation)
    if len(classes) < 2:
        return 0.0
    return float(
        metrics.log_loss(evaluation.target, evaluation.probabilities, sample_weight=evaluation.weight, labels=classes)
    )


def _roc_auc(evaluation: Evaluation) -> float | None:
    """Return the area below the ROC curve, of more than two classes one against one; None where there is one class only."""
    import numpy as np
    from sklearn import metrics

    present = np.unique(evaluation.target)
    classes = _classes(evaluation)
    if len(present) < 2 or len(present) != len(classes):
        return None
    scores = np.asarray(evaluation.probabilities)
    if len(classes) == 2:
        area = metrics.roc_auc_score(
            evaluation.target, scores[:, 1], average="weighted", sample_weight=evaluation.weight
        )
    elif evaluation.weight is not None:  # one against one knows no weights
        return None
    else:
        area = metrics.roc_auc_score(evaluation.target, scores, average="weighted", multi_class="ovo", labels=classes)
    return float(area)


def log_classifier_figures(run: ActiveRun, evaluation: Evaluation, problems: Problems) -> None:
    """Draw the confusion matrix and, for two classes, the ROC and the precision-recall curve."""
    import numpy as np

    if evaluation.target.ndim != 1 or (evaluation.target.dtype.kind == "f" and not _whole(evaluation.target)):
        return
    with problems.of("training_confusion_matrix.png"):
        _log_confusion(run, evaluation)
    if len(np.unique(evaluation.target)) == 2:
        with problems.of("training_roc_curve.png"):
            _log_roc(run, evaluation)
        with problems.of("training_precision_recall_curve.png"):
            _log_precision_recall(run, evaluation)


def _whole(numbers: np.ndarray[Any, Any]) -> bool:
    import numpy as np

    return bool(np.all(np.isfinite(numbers))) and bool(np.all(numbers == np.rint(numbers)))


def _log_confusion(run: ActiveRun, evaluation: Evaluation) -> None:
    import numpy as np
    from sklearn import metrics

    classes = np.unique(np.concatenate([evaluation.target, evaluation.predicted]))
    if len(classes) > _MOST_CLASSES:
        return
    counts = metrics.confusion_matrix(
        evaluation.target, evaluation.predicted, labels=classes, sample_weight=evaluation.weight
    )
    png = confusion_png(counts.tolist(), classes.tolist(), "Confusion matrix, training data")
    run.log_bytes(png, "training_confusion_matrix.png")


def _log_roc(run: ActiveRun, evaluation: Evaluation) -> None:
    from sklearn import metrics

    scores, positive = evaluation.scores, _classes(evaluation)[-1]
    if scores is not None:
        false, true, _ = metrics.roc_curve(
            evaluation.target, scores, pos_label=positive, sample_weight=evaluation.weight
        )
        area = float(metrics.auc(false, true))
        png = roc_png(_thinned(false), _thinned(true), area, positive, "ROC curve, training data")
        run.log_bytes(png, "training_roc_curve.png")


def _log_precision_recall(run: ActiveRun, evaluation: Evaluation) -> None:
    import numpy as np
    from sklearn import metrics

    scores, positive = evaluation.scores, _classes(evaluation)[-1]
    if scores is not None:
        precision, recall, _ = metrics.precision_recall_curve(
            evaluation.target, scores, pos_label=positive, sample_weight=evaluation.weight
        )
        average = max(0.0, float(-np.sum(np.diff(recall) * precision[:-1])))
        title = "Precision and recall, training data"
        png = precision_recall_png(_thinned(recall), _thinned(precision), average, positive, title)
        run.log_bytes(png, "training_precision_recall_curve.png")


def _thinned(numbers: np.ndarray[Any, Any]) -> list[float]:
    """Return at most about a thousand of the points of a curve, both ends among them."""
    step = -(-len(numbers) // _MOST_POINTS)
    kept: list[float] = numbers[::step].tolist()
    return kept if (len(numbers) - 1) % step == 0 else [*kept, float(numbers[-1])]

"""What a classifier does: the confusion matrix, the ROC curve and the precision-recall curve, each as a PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from gtrack.charts.stamp import Label, Stamp, bare_figure, heading, point, stamped, text_width
from gtrack.charts.style import COLOURS, dress, plain

_MOST_WITH_NUMBERS = 12
_MOST_NAMED = 30
_FEW_WITH_COUNTS = 6


def confusion_png(counts: Sequence[Sequence[float]], classes: Sequence[object], title: str) -> bytes:
    """Draw a confusion matrix; the shade of a cell is its share of the row.

    Args:
        counts: classes × classes: how many rows of the true class (first index) were taken for the other one.
        classes: what each is called.
        title: what stands above.
    """
    names = [plain(str(name), 14) for name in classes]
    size = 9 if len(names) <= _MOST_WITH_NUMBERS else 6
    room = math.ceil(8 * max(text_width(name, size) for name in names)) / 8  # names of about one length share a stamp
    key = ("confusion", len(names), room)
    draw = partial(_draw_confusion, counts, names if len(names) <= _MOST_NAMED else [], title, size)
    return stamped(key, partial(_confusion_stamp, len(names), room), draw)


def _confusion_stamp(count: int, room: float) -> Stamp:
    inside = min(max(2.4, 0.45 * count), 8.0)
    cell = inside * 1.25 / count
    slanted = room > cell
    left, below = room + 0.55, 0.55 + (0.75 * room if slanted else 0.2)
    width, height = left + inside * 1.25 + 0.15, below + inside + 0.36
    figure, axes = bare_figure(width, height)
    axes.set_position((left / width, below / height, inside * 1.25 / width, inside / height))
    image = axes.imshow([[0.0] * count] * count, cmap="Blues", vmin=0, vmax=1, aspect="auto", animated=True)
    dress(axes)
    axes.grid(visible=False)
    axes.set_xticks(range(count), [])
    axes.set_yticks(range(count), [])
    axes.text(
        -(left - 0.2) / (inside * 1.25), 0.5, "true", transform=axes.transAxes, rotation=90, va="center", ha="center"
    )
    axes.text(0.5, -(below - 0.15) / inside, "predicted", transform=axes.transAxes, va="center", ha="center")
    return Stamp(figure, image=image, slanted=slanted)


def _draw_confusion(
    counts: Sequence[Sequence[float]], names: Sequence[str], title: str, size: float, stamp: Stamp
) -> bytes:
    shares = [[value / (math.fsum(row) or 1.0) for value in row] for row in counts]
    image, slanted = stamp.artists["image"], stamp.artists["slanted"]
    axes, last = image.axes, len(shares) - 0.5
    image.set_data(shares)
    labels = [heading(axes, title)]
    for at, name in enumerate(names):
        x, y = point(axes, -0.5, at)
        labels.append(Label((x - 7, y), name, "rm", size=size))
        x, y = point(axes, at, last)
        labels.append(Label((x, y - 14 + 4 * slanted), name, "mm", size=size, angle=40 if slanted else 0))
    if len(shares) <= _MOST_WITH_NUMBERS:
        for at, (row, whole) in enumerate(zip(shares, counts, strict=True)):
            for column, (share, count) in enumerate(zip(row, whole, strict=True)):
                text = f"{share:.2f}" + (f"\n({count:g})" if len(shares) <= _FEW_WITH_COUNTS else "")
                labels.append(Label(point(axes, column, at), text, colour="white" if share > 0.55 else "black"))
    return stamp.png([image], labels)


def roc_png(false: Sequence[float], true: Sequence[float], area: float, positive: object, title: str) -> bytes:
    """Draw a ROC curve.

    Args:
        false: false positive rates, rising from 0 to 1.
        true: the true positive rate at each.
        area: below the curve.
        positive: the class that counts as positive.
        title: what stands above.
    """
    note = f"area {area:.4f}, positive: {plain(str(positive), 20)}"
    draw = partial(_draw_curve, false, true, f"{title}, {note}")
    return stamped("roc", partial(_curve_stamp, "false positive rate", "true positive rate", diagonal=True), draw)


def precision_recall_png(
    recall: Sequence[float], precision: Sequence[float], average: float, positive: object, title: str
) -> bytes:
    """Draw a precision-recall curve.

    Args:
        recall: recalls.
        precision: the precision at each.
        average: the average precision.
        positive: the class that counts as positive.
        title: what stands above.
    """
    note = f"average {average:.4f}, positive: {plain(str(positive), 20)}"
    draw = partial(_draw_curve, recall, precision, f"{title}, {note}")
    return stamped("precision-recall", partial(_curve_stamp, "recall", "precision", diagonal=False), draw)


def _curve_stamp(x_label: str, y_label: str, *, diagonal: bool) -> Stamp:
    figure, axes = bare_figure(5.2, 4.2)
    dress(axes, "", x_label, y_label)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    if diagonal:
        axes.plot([0, 1], [0, 1], color="0.5", linestyle="--", linewidth=1)
    (line,) = axes.plot([], [], color=COLOURS[0], linewidth=1.8, drawstyle="steps-post", animated=True)
    return Stamp(figure, line=line)


def _draw_curve(x: Sequence[float], y: Sequence[float], title: str, stamp: Stamp) -> bytes:
    line = stamp.artists["line"]
    line.set_data(x, y)
    return stamp.png([line], [heading(line.axes, title, 9)])

"""The messages of registry tags: a first line as GTO writes it, then trailers with what a reader wants to know."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gtrack.records import is_of_training, usual_goal

if TYPE_CHECKING:
    from gtrack.records import Number

RUN = "Run"
EXPERIMENT = "Experiment"
ARTIFACT = "Artifact"
ORDINAL = "Model-Version"
METRICS = "Metrics"
REASON = "Reason"
APPROVED = "Approved-By"
FORCED = "Forced"

_TRAILER = re.compile(r"([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)\Z")
_UNCLEAR = re.compile(r"[=,]")
_MOST_METRICS = 8
_LONGEST_METRICS = 300


def write(subject: str, trailers: Sequence[tuple[str, str | None]]) -> str:
    """Return a message; trailers without a value are left out, line breaks in one become spaces."""
    lines = [f"{name}: {' '.join(value.split())}" for name, value in trailers if value and value.strip()]
    return "\n".join([subject, "", *lines]) + "\n" if lines else f"{subject}\n"


def trailers_of(message: str) -> dict[str, list[str]]:
    """Return the trailers of a message, of a tag or of a commit: name to its values, in order; names as they are written."""
    paragraphs = message.strip().split("\n\n")
    found: dict[str, list[str]] = {}
    if len(paragraphs) < 2:  # a subject that looks like a trailer is none
        return found
    last = ""
    for line in paragraphs[-1].splitlines():
        match = _TRAILER.match(line)
        if match:
            last = match[1]
            found.setdefault(last, []).append(match[2].strip())
        elif line[:1] in {" ", "\t"} and last:  # a folded line goes on with the one before
            found[last][-1] = f"{found[last][-1]} {line.strip()}".strip()
    return found


def short_metrics(metrics: Mapping[str, Number]) -> str:
    """Return metrics of a run in one short line: first those whose direction everybody knows, those of the training data last."""
    usable = [name for name, value in metrics.items() if not _UNCLEAR.search(name) and math.isfinite(value)]
    usable.sort(key=lambda name: (is_of_training(name), usual_goal(name) is None))
    text = ""
    for name in usable[:_MOST_METRICS]:
        longer = f"{text}, {name}={metrics[name]:.6g}" if text else f"{name}={metrics[name]:.6g}"
        if len(longer) > _LONGEST_METRICS:
            break
        text = longer
    return text


def read_metrics(text: str) -> dict[str, Number]:
    """Return what ``short_metrics`` wrote; what cannot be read is left out."""
    found: dict[str, Number] = {}
    for part in text.split(", "):
        name, mark, value = part.rpartition("=")
        try:
            if mark and name:
                number = float(value)
                found[name] = int(number) if number.is_integer() and "." not in value and "e" not in value else number
        except ValueError:
            continue
    return found

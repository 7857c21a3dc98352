"""The one table of what can be asked for, and what it is in the index.

A run is the row ``r`` of ``runs``. What hangs on a run is a row ``x`` of another table, found by the key that the filter names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a field holds; it decides which comparisons and which values it takes."""

    TEXT = "text in quotes"
    STATUS = "a status in quotes, such as 'finished'"
    STAGE = "a stage in quotes, such as 'production'"
    HEX = "at least 4 hexadecimal digits in quotes"
    VALUE = "a number, or text in quotes"
    NUMBER = "a number without quotes"
    DURATION = "seconds, or a duration such as 90s, 30m, 2h or 1d"
    MOMENT = "a date in quotes, such as '2026-11-20', '2026-11-20T18:30' or '3 days ago'"
    MILLISECONDS = "milliseconds since 1970, or a date in quotes such as '2026-11-20'"
    FLAG = "true or false"


class Place(Enum):
    """Where a field is; the value is what a person calls it."""

    ATTRIBUTE = "attribute"
    METRIC = "metric"
    PARAM = "parameter"
    TAG = "tag"
    DATASET = "dataset"
    INPUT = "input"
    PACKAGE = "package"
    REGISTRY = "model"


@dataclass(frozen=True)
class Field:
    """One thing that can be asked for.

    Attributes:
        kind: what it holds.
        sql: the column, or an expression over the row.
        stem: what every value of it begins with and nobody types.
    """

    kind: Kind
    sql: str
    stem: str = ""


@dataclass(frozen=True)
class Source:
    """The rows that hang on a run.

    Attributes:
        table: where they are.
        link: their column that holds ``own`` of the run.
        own: that column of the run.
        condition: picks the rows of one key (one parameter), or empty when all rows count.
        nan: whether NULL in a column is the number nan, and not that something is missing.
    """

    table: str
    condition: str
    link: str = "x.n"
    own: str = "r.n"
    nan: bool = False


PREFIXES = {
    **dict.fromkeys(("metrics", "metric"), Place.METRIC),
    **dict.fromkeys(("params", "param", "parameters", "parameter"), Place.PARAM),
    **dict.fromkeys(("tags", "tag"), Place.TAG),
    **dict.fromkeys(("attributes", "attribute", "attr", "run"), Place.ATTRIBUTE),
    **dict.fromkeys(("datasets", "dataset"), Place.DATASET),
    **dict.fromkeys(("inputs", "input"), Place.INPUT),
    **dict.fromkeys(("packages", "package"), Place.PACKAGE),
}
"""What stands before the first dot."""

ATTRIBUTES = {
    # MLflow's
    "run_id": Field(Kind.TEXT, "r.id"),
    "run_name": Field(Kind.TEXT, "r.name"),
    "status": Field(Kind.STATUS, "r.status"),
    "user_id": Field(Kind.TEXT, "r.user"),
    "artifact_uri": Field(Kind.TEXT, "('runs:/' || r.id)"),
    "start_time": Field(Kind.MILLISECONDS, "r.started"),
    "end_time": Field(Kind.MILLISECONDS, "r.ended"),
    # gtrack's
    "id": Field(Kind.HEX, "r.id"),
    "name": Field(Kind.TEXT, "r.name"),
    "experiment": Field(Kind.TEXT, "r.experiment"),
    "user": Field(Kind.TEXT, "r.user"),
    "host": Field(Kind.TEXT, "r.host"),
    "started": Field(Kind.MOMENT, "r.started"),
    "ended": Field(Kind.MOMENT, "r.ended"),
    "duration": Field(Kind.DURATION, "r.duration"),
    "exit_code": Field(Kind.NUMBER, "r.exit_code"),
    "parent": Field(Kind.HEX, "r.parent"),
    "commit": Field(Kind.HEX, "r.code_commit"),
    "head": Field(Kind.HEX, "r.head"),
    "branch": Field(Kind.TEXT, "r.branch"),
    "dirty": Field(Kind.FLAG, "r.dirty"),
    "notes": Field(Kind.TEXT, "r.notes"),
    "damaged": Field(Kind.FLAG, "r.damaged"),
}
"""What a key without a prefix may be."""

ALIASES = {
    **dict.fromkeys(("created", "Created"), "start_time"),
    **dict.fromkeys(("run name", "Run name", "Run Name"), "run_name"),
}
"""MLflow's second names of attributes."""

MLFLOW_TAGS = {
    "mlflow.runName": Field(Kind.TEXT, "r.name"),
    "mlflow.user": Field(Kind.TEXT, "r.user"),
    "mlflow.parentRunId": Field(Kind.TEXT, "r.parent"),
    "mlflow.note.content": Field(Kind.TEXT, "r.notes"),
    "mlflow.source.git.commit": Field(Kind.TEXT, "r.code_commit"),
    "mlflow.source.git.branch": Field(Kind.TEXT, "r.branch"),
}
"""Tags in which MLflow keeps what is an attribute here; a real tag of the name comes first."""

REGISTERED = {
    **dict.fromkeys(("model", "models"), Field(Kind.TEXT, "x.model")),
    **dict.fromkeys(("stage", "stages"), Field(Kind.STAGE, "x.stage")),
}
"""Keys without a prefix that the model registry answers: which models a run has versions of, and in which stages these are."""

PARTS: dict[Place, dict[str, Field]] = {
    Place.METRIC: {
        "last": Field(Kind.NUMBER, "x.last"),
        "first": Field(Kind.NUMBER, "x.first"),
        "min": Field(Kind.NUMBER, "x.least"),
        "max": Field(Kind.NUMBER, "x.greatest"),
        "count": Field(Kind.NUMBER, "x.count"),
    },
    Place.PARAM: {"": Field(Kind.VALUE, "x.text")},
    Place.TAG: {"": Field(Kind.TEXT, "x.text")},
    # A run calls each of its inputs by one name, which serves for both of MLflow's.
    Place.DATASET: {
        "name": Field(Kind.TEXT, "x.name"),
        "digest": Field(Kind.TEXT, "x.digest"),
        "context": Field(Kind.TEXT, "x.name"),
    },
    Place.INPUT: {
        "digest": Field(Kind.HEX, "x.digest", stem="sha256:"),
        "kind": Field(Kind.TEXT, "x.kind"),
        "source": Field(Kind.TEXT, "x.source"),
    },
    Place.PACKAGE: {"": Field(Kind.TEXT, "x.version")},
}
"""What can be asked of a metric, an input and so on."""

_OF_KEY = "x.k = (SELECT k FROM keys WHERE kind = '{}' AND name = ?)"

SOURCES = {
    Place.METRIC: Source("metrics", _OF_KEY.format("metrics"), nan=True),
    Place.PARAM: Source("params", _OF_KEY.format("params"), nan=True),
    Place.TAG: Source("tags", _OF_KEY.format("tags")),
    Place.DATASET: Source("inputs", ""),
    Place.INPUT: Source("inputs", "x.name = ?"),
    Place.PACKAGE: Source("packages", "x.name = ?", link="x.e", own="r.environment"),
    Place.REGISTRY: Source("registered", "", link="x.id", own="r.id"),
}

NAMED = {Place.METRIC: "metrics", Place.PARAM: "params", Place.TAG: "tags"}
"""Places whose names the index knows, by the kind that it knows them under."""


def artifact_uri(run_id: str) -> str:
    """Return what the attribute ``artifact_uri`` of a run is: MLflow's way to name the artifacts of a run."""
    return f"runs:/{run_id}"

"""Runs and their histories as pandas DataFrames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import TYPE_CHECKING, Any

from gtrack.errors import UsageError, nearest
from gtrack.formats.history import parse_history
from gtrack.formats.names import run_path
from gtrack.formats.run_dir import HISTORY
from gtrack.records import History, Number, Run, Value
from gtrack.store.query.fields import artifact_uri

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    import pandas as pd

    from gtrack.project import Project

HISTORY_COLUMNS = ("run_id", "name", "metric", "step", "time", "value")

_READ_AT_ONCE = 8


def runs_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row per run, with the columns that MLflow gives.

    ``run_id``, ``experiment_id`` (the experiment's name), ``status`` (in capitals, as MLflow spells it), ``artifact_uri``,
    ``start_time`` and ``end_time`` (UTC), ``run_name``, then ``metrics.*``, ``params.*`` and ``tags.*`` by name. A metric
    that a run does not have is nan, a parameter or tag None. Parameters keep their types: a column is of ``int64``,
    ``float64`` or ``bool`` when all runs have such a value, else of objects.
    """
    import pandas as pd

    columns: dict[str, Any] = {
        "run_id": [run.id for run in runs],
        "experiment_id": [run.experiment for run in runs],
        "status": [run.status.value.upper() for run in runs],
        "artifact_uri": [artifact_uri(run.id) for run in runs],
        "start_time": _moments([run.started for run in runs]),
        "end_time": _moments([run.ended for run in runs]),
        "run_name": [run.name for run in runs],
    }
    for name, cells in _by_name([run.metrics for run in runs]):
        columns[f"metrics.{name}"] = _numbers(cells)
    for name, cells in _by_name([run.flat_params for run in runs]):
        columns[f"params.{name}"] = _typed(cells)
    for name, cells in _by_name([run.tags for run in runs]):
        columns[f"tags.{name}"] = _objects(cells)
    return pd.DataFrame(columns, index=range(len(runs)))


def histories_frame(project: Project, runs: Sequence[Run], keys: Sequence[str] | None = None) -> pd.DataFrame:
    """Return one row per logged value: ``run_id``, ``name``, ``metric``, ``step``, ``time`` (UTC) and ``value``.

    Rows are in the order of ``runs``, then of ``keys``, then of logging. A metric that was only logged without a step has no
    history, and so no row.

    Args:
        project: where the runs are.
        runs: which runs.
        keys: which metrics; all, when None.

    Raises:
        UsageError: none of the runs has a metric of ``keys``.
    """
    import numpy as np
    import pandas as pd

    parts: list[tuple[Run, str, np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]] = []
    for run, history in read_histories(project, runs):
        steps, times = _array(history.steps), _seconds(history.times)
        for key in history.columns if keys is None else [key for key in keys if key in history.columns]:
            values, there = _values(history.columns[key])
            parts.append(
                (run, key, steps, times, values) if there is None else (run, key, steps[there], times[there], values)
            )
    if keys is not None:
        _check(keys, runs, {part[1] for part in parts})
    lengths = [len(part[4]) for part in parts]
    columns = {
        "run_id": np.repeat(np.array([part[0].id for part in parts], dtype=object), lengths),
        "name": np.repeat(np.array([part[0].name for part in parts], dtype=object), lengths),
        "metric": np.repeat(np.array([part[1] for part in parts], dtype=object), lengths),
        "step": np.concatenate([part[2] for part in parts]) if parts else np.array([], dtype="int64"),
        "time": _utc(np.concatenate([part[3] for part in parts]) if parts else np.array([], dtype="float64")),
        "value": np.concatenate([part[4] for part in parts]) if parts else np.array([], dtype="float64"),
    }
    return pd.DataFrame(columns, columns=HISTORY_COLUMNS)


def read_histories(project: Project, runs: Sequence[Run]) -> Iterator[tuple[Run, History]]:
    """Yield the history of each run, live or committed. Some are parsed while git unpacks the next ones."""
    live = {one.id: one for one in project.live.directories()}
    tip = project.store.tip()

    def read(part: Sequence[Run]) -> list[bytes]:
        paths = [f"{tip}:{run_path(run.experiment, run.id)}/{HISTORY}" for run in part]
        stored = project.repo.objects.many(paths) if tip else repeat(None)
        found = []
        for run, blob in zip(part, stored, strict=False):
            data = live[run.id].read(HISTORY) if run.id in live else None
            found.append(data or (blob.data if blob is not None and blob.kind == "blob" else b""))
        return found

    parts = [runs[at : at + _READ_AT_ONCE] for at in range(0, len(runs), _READ_AT_ONCE)]
    with ThreadPoolExecutor(1) as reader:
        waiting = [reader.submit(read, part) for part in parts[:1]]
        for at, part in enumerate(parts):
            texts = waiting.pop().result()
            waiting += [reader.submit(read, following) for following in parts[at + 1 : at + 2]]
            for run, data in zip(part, texts, strict=True):
                yield run, parse_history(data)


def _check(keys: Iterable[str], runs: Sequence[Run], found: set[str]) -> None:
    known = sorted({name for run in runs for name in run.metrics} | found)
    for key in keys:
        if runs and key not in known:
            raise UsageError(f"None of these runs has a metric {key!r}.{nearest(key, known)}")


def _by_name(mappings: Sequence[Mapping[str, Value]]) -> Iterator[tuple[str, list[Value]]]:
    for name in sorted({name for mapping in mappings for name in mapping}):
        yield name, [mapping.get(name) for mapping in mappings]


def _moments(moments: Sequence[datetime | None]) -> pd.DatetimeIndex:
    import pandas as pd

    return pd.DatetimeIndex([pd.NaT if moment is None else moment for moment in moments], dtype="datetime64[ns, UTC]")


def _numbers(cells: Sequence[Value]) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.array([np.nan if cell is None else _float(cell) for cell in cells], dtype="float64")


def _float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:  # an int beyond the range of float64
        return float("inf") if number > 0 else float("-inf")


def _typed(cells: Sequence[Value]) -> pd.Series[Any]:
    """Return cells of one of numpy's own types when they all are, so that they can be computed with."""
    import numpy as np
    import pandas as pd

    kinds = set(map(type, cells))
    if len(kinds) == 1 and kinds <= {bool, int, float}:
        found = np.array(cells)
        if found.dtype.kind in "bif":  # not an int of more than 64 bits
            return pd.Series(found)
    return _objects(cells)


def _objects(cells: Sequence[Value]) -> pd.Series[Any]:
    """Return cells as they are: pandas would make its own text type, and nan of None, of a plain list."""
    import numpy as np
    import pandas as pd

    found = np.empty(len(cells), dtype=object)
    for at, cell in enumerate(cells):  # one by one: numpy would take lists of one length for a second dimension
        found[at] = cell
    return pd.Series(found, dtype=object)


def _array(numbers: Sequence[Number]) -> np.ndarray[Any, Any]:
    """Return whole numbers as ``int64``, any others as ``float64``."""
    import numpy as np

    try:
        return np.array(numbers, dtype="int64" if set(map(type, numbers)) <= {int} else "float64")
    except OverflowError:
        return np.array([_float(one) for one in numbers])


def _values(column: Sequence[Number | None]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """Return the values, and which rows have one; None for all."""
    import numpy as np

    there = None if None not in column else np.array([value is not None for value in column])
    return _array([value for value in column if value is not None]).astype("float64"), there


def _seconds(times: Sequence[float | None]) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.array(times, dtype="float64")  # None becomes nan


def _utc(seconds: np.ndarray[Any, Any]) -> pd.DatetimeIndex:
    import numpy as np
    import pandas as pd

    known = np.isfinite(seconds) & (np.abs(seconds) < 9e9)  # what nanoseconds in 64 bits can tell
    micros = np.round(np.where(known, seconds, 0) * 1e6).astype("int64").astype("datetime64[us]")
    micros[~known] = np.datetime64("NaT")
    return pd.DatetimeIndex(micros.astype("datetime64[ns]"), tz="UTC")

"""Run references: what a person may call a run.

====================  ==========================================================================
``6f1c2a9b…``          the id, or a prefix of four or more digits that only one run has
``calm-otter-12``      the name; the newest of several runs of that name
``last``, ``last~2``   the run that started last and is nested in no other, the second such one before it
``best:f1``            the run with the best value of a metric: by its goal, else the greatest
``best:loss:min``      the same with the direction said
``churn@3``            the run that is the third version of a registered model; also ``churn@v1.4.0``, ``churn@latest``
``churn#production``   the run whose model is in a stage
====================  ==========================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from gtrack.errors import AmbiguousRun, RunNotFound, UsageError, nearest
from gtrack.formats.names import RUN_ID
from gtrack.records import Goal, Run
from gtrack.store.query.conditions import Operator, Target, Test
from gtrack.store.query.fields import ATTRIBUTES, Place

if TYPE_CHECKING:
    from gtrack.store.index import Index
    from gtrack.store.live import LiveStore
    from gtrack.store.runs import RunStore

_PREFIX = re.compile(r"[0-9a-f]{4,31}\Z")
_LAST = re.compile(r"last(?:~([0-9]{1,9}))?\Z")
_ON_ITS_OWN = Test(Target(Place.ATTRIBUTE, ATTRIBUTES["parent"]), Operator.IS_NULL)
_BEST = re.compile(r"best:(.+?)(?::(min|max))?\Z")
_COMPARED = 5000  # of so many newest runs the names are compared with a misspelt one: each takes 10 µs
_REGISTRY = re.compile(r".+[@#].+\Z")


class References:
    """Resolves references against the committed and the live runs of a repository.

    Args:
        store: the committed runs.
        live: the live ones.
        index: answers questions over both.
        registered: the run that ``model@version`` or ``model#stage`` comes from; None when no such model is registered.

    Attributes:
        said: what a person should hear about the last resolution: that a name is several runs' (the newest was taken).
    """

    def __init__(
        self, store: RunStore, live: LiveStore, index: Index, registered: Callable[[str], str | None] = lambda _: None
    ) -> None:
        self._store = store
        self._live = live
        self._index = index
        self._registered = registered
        self.said = ""

    def resolve(self, ref: str) -> Run:
        """Return the run that ``ref`` names.

        Raises:
            RunNotFound: none does.
            AmbiguousRun: it is a prefix of several ids.
            UsageError: it is empty, or begins with a dash.
        """
        self.said = ""
        if not ref or ref.startswith("-"):
            raise UsageError(f"{ref!r} is no run reference. Give an id, a name, 'last', 'last~2' or 'best:METRIC'.")
        last, best = _LAST.match(ref), _BEST.match(ref)
        if last:
            return self._last(ref, int(last[1] or 0))
        if best:
            return self._best(ref, best[1], best[2])
        if RUN_ID.match(ref):
            return self._by_id(ref)
        registered = self._registered(ref) if _REGISTRY.match(ref) else None
        if (
            registered is not None
        ):  # before the names: a run that is called like a version of a model does not become one
            return self._by_id(registered)
        return (self._by_prefix(ref) if _PREFIX.match(ref) else None) or self._by_name(ref)

    def _by_id(self, run_id: str) -> Run:
        live = self._live.find(run_id)
        run = live.run() if live is not None else None
        if run is None or live is None or not live.path.is_dir():  # it may have been committed meanwhile
            return self._store.run(run_id)
        return run

    def _by_prefix(self, prefix: str) -> Run | None:
        live = [one.id for one in self._live.directories() if one.id.startswith(prefix)]
        branch = (
            self._store.branch()
        )  # after the live ones: a run that is committed meanwhile is in both, not in neither
        committed = [location.id for location in branch.locations(shard=prefix[:2]) if location.id.startswith(prefix)]
        ids = sorted({*committed, *live})
        if len(ids) > 1:
            raise AmbiguousRun.of(prefix, [f"{run.id}  {run.name}" for run in map(self._by_id, ids[:11])] + ids[11:])
        return self._by_id(ids[0]) if ids else None

    def _last(self, ref: str, back: int) -> Run:
        runs = self._index.select(_ON_ITS_OWN, limit=1, offset=back)
        if not runs:
            count = self._index.count(_ON_ITS_OWN)
            nested = self._index.count() - count
            what = "run" if count == 1 else "runs"
            besides = f" that {'is' if count == 1 else 'are'} not nested" if nested else ""
            raise RunNotFound.of(ref, f" It has {count} {what}{besides}.")
        return runs[0]

    def _best(self, ref: str, metric: str, direction: str | None) -> Run:
        said = {"min": Goal.MINIMIZE, "max": Goal.MAXIMIZE}.get(direction or "")
        found = self._index.best(metric, said or self._index.goal(metric) or Goal.MAXIMIZE)
        if not found:
            known = self._index.names("metrics")
            which = "run that finished" if metric in known else "run"
            hint = "" if metric in known else nearest(metric, known)
            raise RunNotFound.of(ref, f" No {which} has the metric {metric!r}.{hint}")
        return found[0]

    def _by_name(self, name: str) -> Run:
        named = sorted(self._index.named(name), key=_started)
        if named:
            if len(named) > 1:
                self.said = f"{len(named)} runs are called {name}; this is the newest, {named[-1].short_id}."
            return named[-1]
        hint = nearest(name, self._index.run_names(_COMPARED))
        if not hint and _REGISTRY.match(name):
            hint = " There is no model of that name and version or stage."
        raise RunNotFound.of(name, hint)


def _started(run: Run) -> tuple[datetime, str]:
    return run.started or datetime.min.replace(tzinfo=timezone.utc), run.id

"""Runs by their id: made, logged into, ended, searched and removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, TypeAlias

from gtrack.client.entities import Metric, PagedList, Param, RunTag, check_size, offset_of
from gtrack.client.place import Place
from gtrack.errors import InvalidValue, RunIsActive
from gtrack.fluent.active import FluentRun, process, register
from gtrack.formats.history import check_step, check_time
from gtrack.formats.mlflow_tags import split_tags
from gtrack.formats.names import check_name, check_run_name
from gtrack.formats.values import check_number, text_tags
from gtrack.ops import remove
from gtrack.ops.edit import edit_end, edit_name, edit_notes, edit_tags
from gtrack.ops.experiment import name_of
from gtrack.ops.find_experiments import check_view
from gtrack.ops.search import Choice, condition, only, parse_orders
from gtrack.records import Number, Run, Status

_Row: TypeAlias = "tuple[Number | None, float | None, dict[str, Number]]"


class RunMethods(Place):
    """What a client does with runs."""

    # Beginning and end

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, object] | None = None,
        run_name: str | None = None,
    ) -> Run:
        """Start a run that no verb logs into unless its id is given; ``set_terminated`` ends it, else the end of the process.

        ``start_run(run_id=…)`` makes it the active one.

        Args:
            experiment_id: its experiment, by name; ``0`` is the project's default one.
            start_time: milliseconds since the epoch; now, when None.
            tags: name to text; ``mlflow.parentRunId`` makes it a child, ``mlflow.runName`` names it.
            run_name: its name; made up when None.

        Raises:
            InvalidName: a name that cannot be written.
            RunNotFound: no such parent.
        """
        said = split_tags(tags)
        experiment = name_of(self._project, experiment_id)
        about = process.experiment
        run = FluentRun.start(
            self._project,
            name=said.name if run_name is None else run_name,
            experiment=experiment,
            parent=None if said.parent is None else self._run(said.parent).id,
            tags=said.tags,
            notes=said.notes,
            about=about if about is not None and about.name == experiment else None,
        )
        run.detached = True
        register(run)
        if start_time is not None:
            started = _moment(start_time)
            run.live.edit(lambda head: head.update(started=started))
        return run.record()

    def set_terminated(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
        """End a run and commit it; of one that has ended, say how and when it really did.

        Args:
            run_id: the run.
            status: ``FINISHED``, ``FAILED`` or ``KILLED``; when None, as it is, else finished.
            end_time: milliseconds since the epoch; now, when None.

        Raises:
            InvalidValue: no run ends so.
            RunIsActive: another process writes it.
            CommitFailed: it is complete on disk, but not in git.
        """
        here = self._here(run_id)
        ended = None if end_time is None else _moment(end_time)
        if here is None:
            edit_end(self._project, self._run(run_id), status, ended)
        elif here.joined:
            raise RunIsActive(f"Run {here.name} ({here.id[:8]}) is another process's to end.")
        else:
            here.ends_at = ended
            here.end(status or Status.FINISHED)

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        """Change what a run is called, or how it ended.

        Args:
            run_id: the run.
            status: as for ``set_terminated``, which a run that has not ended is ended by; ``RUNNING`` leaves one as it is.
            name: its name from now on.

        Raises:
            InvalidValue: no run stands so: one that has ended goes on by ``start_run(run_id=…)``.
            InvalidName: a name that cannot be written.
        """
        if name is not None:
            here = self._here(run_id)
            if here is None:
                edit_name(self._project, self._run(run_id), name)
            else:
                here.retitle(name)
        if status is None or (str(status).upper() == "RUNNING" and self._run(run_id).live):
            return
        self.set_terminated(run_id, status)

    def delete_run(self, run_id: str) -> None:
        """Remove a run that has ended from the runs branch, whose history keeps it.

        Raises:
            RunNotFound: no such run.
            RunIsActive: it has not ended.
        """
        remove.remove_run(self._project, self._run(run_id))

    def restore_run(self, run_id: str) -> None:
        """Bring a run back that was deleted.

        Raises:
            RunNotFound: the branch never held it.
            UsageError: it is there.
        """
        remove.restore_run(self._project, run_id)

    # Logging

    def log_param(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Any:  # noqa: ARG002, FBT001 - as MLflow has it
        """Log a parameter of a run and return its value.

        Raises:
            ParamConflict: it has another value already.
            InvalidName: a name that cannot be written.
            InvalidValue: a value that cannot be written.
        """
        self.log_params(run_id, {key: value})
        return value

    def log_params(self, run_id: str, params: Mapping[str, object]) -> None:
        """Log several parameters of a run, all or none; see ``log_param``."""
        with self._writing(run_id) as run:
            run.log_params(params)

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: Number,
        timestamp: int | None = None,
        step: Number | None = None,
        synchronous: bool | None = None,  # noqa: ARG002, FBT001 - as MLflow has it
    ) -> None:
        """Log one value of a metric of a run.

        Args:
            run_id: the run; one that has ended is committed anew, and keeps when and how it ended.
            key: the metric.
            value: a number.
            timestamp: milliseconds since the epoch; now, when None.
            step: position on the x axis; without one the value stands for the run and makes no history.
            synchronous: without effect: a call is on disk when it returns.

        Raises:
            InvalidName: a name that cannot be written.
            InvalidValue: no number.
        """
        with self._writing(run_id) as run:
            run.log_metrics({key: value}, step, timestamp)

    def log_metrics(self, run_id: str, metrics: Mapping[str, Number], step: Number | None = None) -> None:
        """Log values of several metrics of a run at one step; see ``log_metric``."""
        with self._writing(run_id) as run:
            run.log_metrics(metrics, step)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
        synchronous: bool | None = None,  # noqa: ARG002, FBT001 - as MLflow has it
    ) -> None:
        """Log metrics, parameters and tags of a run at once; when one of them cannot be written, none is.

        Raises:
            ParamConflict: a parameter has another value already.
            InvalidName: a name that cannot be written.
            InvalidValue: a value that cannot be written.
        """
        rows, said = list(_rows(metrics)), _checked_tags({one.key: one.value for one in tags})
        with self._writing(run_id) as run:
            if params:
                run.log_params({one.key: one.value for one in params})
            for step, timestamp, values in rows:
                run.log_metrics(values, step, timestamp)
        if said:
            self.set_tags(run_id, said)

    def set_tag(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> None:  # noqa: ARG002, FBT001 - as MLflow has it
        """Set a tag of a run, while it runs or afterwards.

        Raises:
            InvalidName: a name that cannot be written.
        """
        self.set_tags(run_id, {key: value})

    def set_tags(self, run_id: str, tags: Mapping[str, object]) -> None:
        """Set tags of a run, all or none; see ``set_tag``."""
        tags = _checked_tags(tags)
        here = self._here(run_id)
        if here is not None:
            here.set_tags(tags)
            return
        said, run = split_tags(tags), self._run(run_id)
        edit_tags(self._project, run, {key: str(value) for key, value in said.tags.items()})
        if said.name is not None:
            edit_name(self._project, run, said.name)
        if said.notes is not None:
            edit_notes(self._project, run, said.notes)

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag of a run.

        Raises:
            UsageError: it has no such tag.
        """
        edit_tags(self._project, self._run(run_id), {}, [key])

    # Questions

    def get_run(self, run_id: str) -> Run:
        """Return a run, with ``.info`` and ``.data``; any reference names one.

        Raises:
            RunNotFound: no such run.
        """
        return self._run(run_id)

    def get_parent_run(self, run_id: str) -> Run | None:
        """Return the run that a run is nested in; None when it is in none.

        Raises:
            RunNotFound: no such run.
        """
        parent = self._run(run_id).parent
        return None if parent is None else self._run(parent)

    def search_runs(
        self,
        experiment_ids: Sequence[str] | str | None = None,
        filter_string: str = "",
        run_view_type: int = 1,
        max_results: int | None = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Run]:
        """Return runs that a filter takes, a page at a time.

        Args:
            experiment_ids: only the runs of these experiments; of all, when None.
            filter_string: such as ``metrics.f1 > 0.9``; see docs/search.md.
            run_view_type: ``ViewType.ACTIVE_ONLY`` or ``ALL``, which are the same here.
            max_results: how many to a page; None for all.
            order_by: such as ``["metrics.f1 DESC"]``; the newest first when None.
            page_token: the ``.token`` of the page before.

        Raises:
            QueryError: the filter or the order is wrong.
            InvalidValue: no such page, or ``ViewType.DELETED_ONLY``.
        """
        check_view(run_view_type)
        check_size(max_results)
        ids = [experiment_ids] if isinstance(experiment_ids, str) else experiment_ids
        names = None if ids is None else tuple(name_of(self._project, one) for one in ids)
        choice, index, begin = Choice(filter_string or "", names), self._project.index, offset_of(page_token)
        order = [order_by] if isinstance(order_by, str) else order_by or ()
        one_more = None if max_results is None else max_results + 1
        found = index.select(condition(index, choice), parse_orders(index, order), one_more, begin, only=only(choice))
        more = max_results is not None and len(found) > max_results
        return PagedList(found[:max_results], str(begin + len(found) - 1) if more else None)

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        """Return every logged value of a metric of a run; one that has only been logged without a step has one, at step 0.

        Raises:
            RunNotFound: no such run.
        """
        run = self._run(run_id)
        history = self._project.history(run.id)
        rows = zip(history.steps, history.times, history.columns.get(key, ()), strict=False)
        found = [
            Metric(key, value, None if time is None else int(time * 1000), step)
            for step, time, value in rows
            if value is not None
        ]
        if not found and key in run.metrics:
            return [Metric(key, run.metrics[key], run.info.end_time or run.info.start_time, 0)]
        return found


def _moment(milliseconds: int) -> datetime:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        raise InvalidValue(f"A time is milliseconds since the epoch, not {milliseconds!r}.")
    try:
        return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    except (ValueError, OverflowError, OSError):
        raise InvalidValue(f"{milliseconds!r} milliseconds since the epoch are no time that can be written.") from None


def _checked_tags(tags: Mapping[str, object]) -> dict[str, str]:
    """Return tags as they are written, when all of them can be, and the name that is among them too."""
    checked = text_tags(tags, "set_tags")
    name = split_tags(checked).name
    if name is not None:
        check_run_name(name)
    return checked


def _rows(metrics: Sequence[Metric]) -> Iterator[_Row]:
    """Yield metrics as rows: what is logged one after the other at one step and time is one row."""
    at: tuple[Number | None, float | None] | None = None
    values: dict[str, Number] = {}
    for one in metrics:
        key, value = check_name(one.key, "metric"), check_number(one.value, f"metric {one.key!r}")
        moment = None if one.timestamp is None else check_time(one.timestamp)
        step = None if one.step is None else check_step(one.step)
        if at is not None and ((step, moment) != at or key in values):
            yield *at, values
            values = {}
        at = (step, moment)
        values[key] = value
    if at is not None:
        yield *at, values

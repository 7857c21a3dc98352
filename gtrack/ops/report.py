"""Gather everything that is known of one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gtrack.errors import FormatError, GTrackError
from gtrack.formats import run_dir
from gtrack.formats.names import RUN_ID
from gtrack.project import Project
from gtrack.records import Artifact, History, Run, Status, Value

TAIL_LINES = 15


@dataclass(frozen=True)
class RunReport:
    """One run with all that belongs to it.

    Attributes:
        run: the run.
        parent: the run that it is nested in; None also when that is not here.
        children: the runs that are nested in it, the first one first.
        history: its rows.
        artifacts: its files, by path.
        environment: what ``environment.yaml`` holds.
        tail: the last lines of its output; only of a run that failed or was killed.
        output_away: whether there would be such lines, but the output stayed with the remote of a partial clone.
    """

    run: Run
    parent: Run | None = None
    children: tuple[Run, ...] = ()
    history: History = field(default_factory=History)
    artifacts: tuple[Artifact, ...] = ()
    environment: Mapping[str, Value] = field(default_factory=dict)
    tail: tuple[str, ...] = ()
    output_away: bool = False


def report(project: Project, run: Run) -> RunReport:
    """Return everything that is known of ``run``; a damaged file becomes one of its problems."""
    history = project.history(run.id)
    problems = list(run.problems)
    if history.damaged:
        lines = ", ".join(map(str, history.damaged[:5])) + (" …" if len(history.damaged) > 5 else "")
        problems.append(f"{run_dir.HISTORY} has lines that are no rows: {lines}.")
    try:
        surroundings = project.environment(run.id)
    except FormatError as error:
        surroundings = {}
        problems.append(str(error))
    ended_badly = run.status in (Status.FAILED, Status.KILLED)
    away = ended_badly and project.live.find(run.id) is None and not project.store.is_here(run.id, run_dir.OUTPUT)
    return RunReport(
        run=replace(run, problems=tuple(problems)),
        parent=_parent(project, run),
        children=tuple(reversed(project.index.select(only={"parent": (run.id,)}))),
        history=history,
        artifacts=tuple(project.artifacts(run.id)),
        environment=surroundings,
        tail=tuple(last_lines(output(project, run.id), TAIL_LINES)) if ended_badly and not away else (),
        output_away=away,
    )


def output(project: Project, run_id: str) -> bytes:
    """Return what a run printed; empty when gtrack did not launch it and nothing was kept."""
    return project.file(run_id, run_dir.OUTPUT) or b""


def last_lines(data: bytes, count: int) -> list[str]:
    r"""Return the last lines of an output, each as a terminal would have left it: what ``\r`` overwrote is gone."""
    text = data[-(1 << 20) :].decode(errors="replace").rstrip()
    return [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")[-count:]] if text else []


def _parent(project: Project, run: Run) -> Run | None:
    if run.parent is None or not RUN_ID.match(run.parent):
        return None
    try:
        return project.resolve(run.parent)
    except GTrackError:  # it was removed, or lives in another clone
        return None

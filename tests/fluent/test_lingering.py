"""Runs that are over and take what comes late."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gtrack.fluent import lingering
from gtrack.fluent.active import active_run, get_run, last_active_run, process, project_here, start_run
from gtrack.fluent.lingering import keeping, late, linger, settle
from gtrack.fluent.search import search_runs
from gtrack.fluent.verbs import log_metric
from gtrack.project import Project
from gtrack.records import Status


def live(repo: Path) -> list[str]:
    return [path.parent.name for path in (repo / ".gtrack" / "live").glob("*/run.yaml")]


def test_it_is_over_and_takes_what_comes_late(quiet: Path) -> None:
    run = start_run()
    run.log_metrics({"a": 1})
    linger(run)
    assert active_run() is None
    assert live(quiet) == [run.id]
    last = last_active_run()
    assert last is not None
    assert last.status is Status.FINISHED
    with late(run) as writer:
        writer.log_metrics({"b": 2})
    found = get_run(run.id)
    assert (found.live, found.status, found.metrics) == (False, Status.FINISHED, {"a": 1, "b": 2})
    assert live(quiet) == []


@pytest.mark.parametrize("ask", [search_runs, start_run, lambda: log_metric("x", 1), settle])
def test_the_next_question_commits_it(ask: Callable[[], object], quiet: Path) -> None:
    run = start_run()
    linger(run)
    ask()
    assert run.id in project_here().store.ids()
    assert run.id not in live(quiet)


def test_it_is_kept_while_a_library_asks(quiet: Path) -> None:
    run = start_run()
    linger(run)
    with keeping():
        project_here()
        settle()
    assert live(quiet) == [run.id]


@pytest.mark.quick
def test_a_committed_run_is_reopened_once_and_ends_when_it_ended(quiet: Path) -> None:
    run = start_run()
    run.log_metrics({"a": 1})
    run.end("failed")
    before = get_run(run.id)
    for value in (1, 2):
        with late(run) as writer:
            writer.log_metrics({"b": value})
            writer.log_bytes(b"x", "info.json")
    assert live(quiet) == [run.id]
    after = get_run(run.id)
    assert (after.status, after.ended, after.code) == (before.status, before.ended, before.code)
    assert after.metrics == {"a": 1, "b": 2}
    assert project_here().artifact_bytes(run.id, "info.json") == b"x"


def test_one_that_is_open_is_logged_into_as_it_is(quiet: Path) -> None:
    with start_run() as run, late(run) as writer:
        assert writer is run


def test_of_many_the_eldest_is_committed(quiet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "MOST", 2)
    runs = []
    for _ in range(3):
        with keeping():
            runs.append(start_run())
        linger(runs[-1])
    assert sorted(live(quiet)) == sorted(run.id for run in runs[1:])


def test_threads_that_log_late_and_ask(quiet: Path) -> None:
    run = start_run()
    linger(run)
    problems = []

    def work(number: int) -> None:
        try:
            for step in range(5):
                with late(run) as writer:
                    writer.log_metrics({f"m{number}": step})
                settle()
        except BaseException as error:  # noqa: BLE001 - told below
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert get_run(run.id).metrics == {"m0": 4, "m1": 4, "m2": 4}


_SCRIPT = """
import os, signal, sys
from gtrack.fluent.active import start_run
from gtrack.fluent.lingering import late, linger
run = start_run()
linger(run)
with late(run) as writer:
    writer.log_metrics({"late": 1})
print(run.id, flush=True)
how = sys.argv[1]
if how == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if how == "fork" and os.fork() == 0:
    sys.exit(0)
if how == "raise":
    raise ZeroDivisionError
"""


@pytest.mark.parametrize("how", ["exit", "raise", "kill", "fork"])
def test_it_is_committed_as_it_ended_however_the_process_ends(how: str, quiet: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT, how], capture_output=True, text=True, check=False)
    assert done.returncode == {"exit": 0, "raise": 1, "kill": -signal.SIGKILL, "fork": 0}[how]
    project = Project.open(quiet)
    assert len(project.recover()) == (how == "kill")
    run = project.store.run(done.stdout.split()[0])
    assert (run.status, run.metrics) == (Status.FINISHED, {"late": 1})
    assert live(quiet) == []
    project.close()


def test_a_run_that_cannot_be_committed_is_a_warning_and_stays(quiet: Path) -> None:
    run = start_run()
    linger(run)
    (quiet / ".git" / "refs" / "heads" / "gtrack").write_text("in the way")
    with pytest.warns(UserWarning, match="gtrack: Run .* could not be committed"):
        settle()
    assert live(quiet) == [run.id]
    assert process.open == {}

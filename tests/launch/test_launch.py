"""The verb itself, called as a library would: nothing is printed, signals of others stay theirs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gtrack.errors import UsageError
from gtrack.launch.given import read_given
from gtrack.launch.launch import LaunchRequest, LaunchResult, launch
from gtrack.launch.process import Console
from gtrack.launch.target import Target
from gtrack.project import Project
from gtrack.records import Status
from tests.end_to_end.command import GTRACK, Workplace

NOWHERE = Console(None, None)
Launch = Callable[..., LaunchResult]


@pytest.fixture
def project(repo: Path) -> Iterator[Project]:
    project = Project.open(repo)
    yield project
    project.repo.objects.close()


@pytest.fixture
def run(project: Project, repo: Path) -> Launch:
    """Run a source text, or a command, and return what became of it."""

    def run(
        source: str = "", *, command: tuple[str, ...] = (), params: tuple[str, ...] = (), **more: Any
    ) -> LaunchResult:
        if source:
            (repo / "train.py").write_text(source)
        target = Target(command=command) if command else Target(script="train.py")
        request = LaunchRequest(target, repo, given=read_given(params, None), **more)
        return launch(project, request, NOWHERE)

    return run


@pytest.mark.quick
def test_the_result_tells_everything(run: Launch, capfd: pytest.CaptureFixture[str]) -> None:
    result = run(
        "x = 5\nfor n in range(30): print('line', n)\nprint('acc: 0.5', end='')\nraise SystemExit(3)", params=("x=7",)
    )
    assert (result.exit_code, result.signal, result.notices, result.open_line) == (3, None, (), True)
    assert result.tail == (*(f"line {n}" for n in range(16, 30)), "acc: 0.5")
    assert (result.run.status, result.run.exit_code, result.run.params) == (Status.FAILED, 3, {"x": 7})
    assert result.run.metrics == {"acc": 0.5}
    assert capfd.readouterr() == ("", "")


def test_death_by_a_signal(run: Launch) -> None:
    result = run(command=("sh", "-c", "kill -TERM $$"))
    assert (result.exit_code, result.signal, result.run.status) == (143, signal.SIGTERM, Status.KILLED)


def test_what_overwrote_a_given_value_is_said(run: Launch) -> None:
    result = run("lr = 0.1\nlr = 0.5\n", params=("lr=0.3",))
    assert result.run.params == {"lr": 0.5}
    assert len(result.notices) == 1
    assert "0.3" in result.notices[0]
    assert "0.5" in result.notices[0]


@pytest.mark.quick
def test_signal_handlers_and_environment_are_as_before(run: Launch) -> None:
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGWINCH)
    before = [signal.getsignal(one) for one in signals], dict(os.environ), threading.active_count()
    run("x = 1")
    assert ([signal.getsignal(one) for one in signals], dict(os.environ), threading.active_count()) == before


def test_several_at_once_in_threads(project: Project, repo: Path) -> None:
    (repo / "train.py").write_text("n = 0\nfor i in range(50): print('value:', n * 1000 + i)\n")
    results: list[LaunchResult] = []

    def work(n: int) -> None:
        request = LaunchRequest(Target(script="train.py"), repo, given=read_given([f"n={n}"], None), name=f"run-{n}")
        results.append(launch(project, request, NOWHERE))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {result.run.name: result.run.metrics["value"] for result in results} == {
        f"run-{n}": n * 1000 + 49 for n in range(4)
    }
    assert len(project.store.ids()) == 4


def test_metrics_that_are_not_finite_are_kept_without_a_fuss(run: Launch) -> None:
    result = run("for x in ('1', 'nan', '-inf'): print('loss:', x)")
    assert result.run.metrics == {"loss": float("-inf")}
    assert result.notices == ()


def test_rows_are_in_the_live_run_while_it_runs(run: Launch, project: Project) -> None:
    source = (
        "import os, time\nfor n in range(9): print('loss:', n, flush=True)\n"
        "path = os.path.join(os.environ['GTRACK_RUN_DIR'], 'history.yaml')\n"
        "while not os.path.exists(path): time.sleep(0.01)\ntime.sleep(0.2)\n"
        "print('rows', open(path).read().count('loss'))\n"
    )
    result = run(source)
    assert result.tail[-1] == "rows 9"
    assert len(project.store.history(result.run.id)) == 9


@pytest.mark.parametrize(("head", "seen"), [("", True), ("import gtrack\n", False)])
def test_a_script_that_may_log_is_not_scanned_while_it_runs(run: Launch, head: str, seen: bool) -> None:
    result = run(
        f"{head}import os, time\nprint('acc: 0.5', flush=True)\ntime.sleep(0.6)\n"
        "print('seen', os.path.exists(os.path.join(os.environ['GTRACK_RUN_DIR'], 'metrics.yaml')))\n"
    )
    assert result.tail[-1] == f"seen {seen}"
    assert result.run.metrics == {"acc": 0.5}


def test_a_script_that_imports_gtrack_but_never_logs_is_scanned_at_the_end(run: Launch) -> None:
    result = run("import gtrack\nfor n in range(3): print('loss:', n)")
    assert result.run.metrics == {"loss": 2}


def test_a_script_that_logs_late_is_not_scanned_at_all(run: Launch) -> None:
    result = run("import gtrack\nfor n in range(9): print('loss:', n)\ngtrack.log_metric('acc', 1)")
    assert result.run.metrics == {"acc": 1}


def test_a_run_that_the_script_ended_as_failed_is_failed(run: Launch) -> None:
    result = run("import gtrack\ngtrack.start_run()\ngtrack.log_metric('acc', 1)\ngtrack.end_run('failed')")
    assert (result.exit_code, result.run.status) == (0, Status.FAILED)


def test_nothing_is_made_when_the_request_is_wrong(project: Project, repo: Path) -> None:
    (repo / "train.py").write_text("x = 1")
    for more in ({"seed": -1}, {"artifacts": ["/etc/*"]}, {"inputs": ["none"]}, {"given": read_given(["y=1"], None)}):
        with pytest.raises(UsageError):
            launch(project, LaunchRequest(Target(script="train.py"), repo, **more), NOWHERE)
    assert project.store.ids() == []
    assert project.live.directories() == []


def test_a_signal_before_the_script_is_started(repo: Path, tmp_path: Path) -> None:
    """Git is made slow, so that the signal comes while the code is being recorded."""
    real = subprocess.run(["which", "git"], capture_output=True, check=True, text=True).stdout.strip()
    (tmp_path / "bin").mkdir()
    slow = tmp_path / "bin" / "git"
    slow.write_text(f'#!/bin/sh\ncase "$*" in *status*) touch "{tmp_path}/here"; sleep 1;; esac\nexec "{real}" "$@"\n')
    slow.chmod(0o755)
    work = Workplace(repo)
    work.write("train.py", "print('ran')\n")
    env = {**work.env, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    process = subprocess.Popen([*GTRACK, "run", "train.py"], cwd=repo, env=env, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not (tmp_path / "here").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.terminate()
    stdout, _ = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (143, b"")
    assert (work.runs(), work.live()) == ([], [])


def test_the_child_is_the_same_python(run: Launch) -> None:
    assert run("import sys\nprint(sys.executable)").tail == (sys.executable,)

"""Runs of whole processes: how a script that ends ends its runs, what its children log, and what `gtrack run` starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import gtrack
from gtrack.project import Project
from gtrack.records import CodeState, Status
from gtrack.store.live import API, JOINED, NAMED, PLACED
from gtrack.writer import ActiveRun

Stored = Callable[[str, str], Any]


def script(text: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a script as a user would, with `import gtrack` before it; it is no file, so that the tree stays clean."""
    return subprocess.run(
        [sys.executable, "-c", "import gtrack, os, sys\n" + textwrap.dedent(text)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("begin", ["gtrack.log_param('a', 1)", "gtrack.start_run(run_id=os.environ['RUN'])"])
def test_what_ends_a_run_with_the_process_is_imported_when_it_begins(quiet: Path, begin: str) -> None:
    with gtrack.start_run() as run:
        gtrack.log_metric("loss", 0.5)
    watched = f"""
        import atexit
        atexit.register(lambda: print(*sorted(name for name in set(sys.modules) - before if "gtrack" in name)))
        {begin}
        before = set(sys.modules)
    """
    done = script(watched, quiet, {"RUN": run.id})
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


@pytest.mark.parametrize(
    ("end", "code", "status", "output"),
    [
        ("", 0, "finished", None),
        ("sys.exit()", 0, "finished", None),
        ("sys.exit(0)", 0, "finished", None),
        ("sys.exit(3)", 3, "failed", None),
        ("sys.exit('no data')", 1, "failed", "no data\n"),
        ("1 / 0", 1, "failed", "ZeroDivisionError: division by zero"),
        ("raise KeyboardInterrupt", 130, "killed", "KeyboardInterrupt"),
        ("gtrack.end_run('killed')", 0, "killed", None),
        ("import argparse; argparse.ArgumentParser().parse_args(['--x'])", 2, "failed", None),
        ("\ntry:\n    sys.exit(1)\nexcept SystemExit:\n    gtrack.end_run()", 0, "finished", None),
    ],
    ids=lambda value: str(value).strip()[:24],
)
@pytest.mark.parametrize("opened", ["log", "start"])
def test_a_process_ends_what_it_left_open(
    quiet: Path, stored: Stored, opened: str, end: str, code: int, status: str, output: str | None
) -> None:
    first = "gtrack.start_run('s')\n" if opened == "start" else ""
    done = script(f"{first}gtrack.log_param('a', 1)\n{end}", quiet)
    assert done.returncode in {code, -signal.SIGINT if code == 130 else code}, done.stderr
    run = gtrack.get_run("last")
    head = stored(run.id, "run.yaml")
    assert (head["status"], run.params) == (status, {"a": 1})
    log = stored(run.id, "output.log")
    assert log is None if output is None else output.strip() in log


def test_nested_runs_that_were_left_open_end_inside_out(quiet: Path, git: Any) -> None:
    done = script("for n in 'abc': gtrack.start_run(n, nested=True)", quiet)
    assert done.returncode == 0, done.stderr
    order = git("log", "--first-parent", "--reverse", "--format=%s", "gtrack/runs").splitlines()[-3:]
    assert [line.split()[1] for line in order] == ["c", "b", "a"]


def test_an_exit_that_cannot_commit_says_so(quiet: Path) -> None:
    done = script(
        """
        gtrack.log_param("a", 1)
        from pathlib import Path
        objects = Path(".git/objects")
        objects.rename(".git/away")
        """,
        quiet,
    )
    (quiet / ".git" / "away").rename(quiet / ".git" / "objects")
    assert "gtrack: " in done.stderr
    assert "Traceback" not in done.stderr
    assert list((quiet / ".gtrack" / "live").glob("*/params.yaml"))


@pytest.mark.quick
def test_sys_exit_is_only_watched_while_needed(quiet: Path) -> None:
    done = script("before = sys.exit\nassert gtrack.get_run\nimport gtrack.fluent\nassert sys.exit is before", quiet)
    assert done.returncode == 0, done.stderr


@pytest.mark.quick
def test_forked_children_log_into_the_run_of_their_parent(quiet: Path, stored: Stored) -> None:
    done = script(
        """
        with gtrack.start_run("parent") as run:
            gtrack.define_metric("low", "min")
            gtrack.log_metric("loss", 9.0, step=0)
            gtrack.log_metric("seen", 1.0)
            children = []
            for n in range(3):
                pid = os.fork()
                if pid == 0:
                    assert gtrack.active_run().id == run.id
                    gtrack.log_param(f"param{n}", n)
                    gtrack.log_metric(f"plain{n}", n)
                    for step in range(100):
                        gtrack.log_metrics({f"metric{n}": float(step), "low": n - step}, step=step)
                    gtrack.set_tag(f"tag{n}", n)
                    gtrack.log_text(str(n), f"{n}.txt")
                    gtrack.log_input([[n]], name=f"input{n}")
                    os._exit(0)
                children.append(pid)
            for pid in children:
                assert os.waitpid(pid, 0)[1] == 0
            gtrack.log_metric("after", 2.0)
            gtrack.log_input([[9]], name="own")
        """,
        quiet,
    )
    assert done.returncode == 0, done.stderr
    run = gtrack.get_run("last")
    assert (run.status, run.name) == (gtrack.Status.FINISHED, "parent")
    assert run.params == {f"param{n}": n for n in range(3)}
    assert run.metrics == {
        "loss": 9.0,
        "seen": 1.0,
        "after": 2.0,
        "low": -99,
        **{f"plain{n}": n for n in range(3)},
        **{f"metric{n}": 99.0 for n in range(3)},
    }
    assert run.tags == {f"tag{n}": str(n) for n in range(3)}
    assert sorted(one.name for one in run.inputs) == ["input0", "input1", "input2", "own"]
    assert len(stored(run.id, "history.yaml")) == 301
    assert [gtrack.get_artifact(run.id, f"{n}.txt") for n in range(3)] == [b"0", b"1", b"2"]


def test_a_forked_child_does_not_end_the_run_of_its_parent(quiet: Path) -> None:
    done = script(
        """
        import time
        with gtrack.start_run("parent") as run:
            if os.fork() == 0:
                gtrack.log_metric("child", 1.0, step=0)
                sys.exit(0)  # leaves the block, and the interpreter with its exit handlers
            os.wait()
            assert run.directory.is_dir()
            gtrack.log_metric("parent", 2.0, step=1)
        """,
        quiet,
    )
    assert done.returncode == 0, done.stderr
    run = gtrack.get_run("parent")
    assert (run.status, run.metrics) == (gtrack.Status.FINISHED, {"child": 1.0, "parent": 2.0})


def test_a_forked_child_while_a_thread_logs(quiet: Path) -> None:
    done = script(
        """
        import threading
        stop = threading.Event()
        with gtrack.start_run("busy") as run:
            gtrack.define_metric("busy", "max")  # takes the run's lock for each row

            def work():
                step = 0
                while not stop.is_set():
                    run.log_metrics({"busy": float(step)}, step=step)
                    step += 1

            thread = threading.Thread(target=work)
            thread.start()
            for n in range(20):
                pid = os.fork()
                if pid == 0:
                    gtrack.log_param(f"p{n}", n)
                    gtrack.log_metric("child", float(n), step=n)
                    os._exit(0)
                assert os.waitpid(pid, 0)[1] == 0
            stop.set()
            thread.join()
        """,
        quiet,
    )
    assert done.returncode == 0, done.stderr
    assert gtrack.get_run("busy").params == {f"p{n}": n for n in range(20)}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_have_runs_of_their_own(quiet: Path, stored: Stored, method: str) -> None:
    (quiet / "workers.py").write_text(
        textwrap.dedent(
            """
            import multiprocessing, sys
            import gtrack

            def in_a_block(n):
                with gtrack.start_run(f"block{n}", nested=True):
                    gtrack.log_metric("n", n, step=0)

            def left_open(n):
                gtrack.start_run(f"open{n}", nested=True)
                gtrack.log_metric("n", n, step=0)

            def raises(n):
                gtrack.start_run(f"raises{n}", nested=True)
                raise ValueError("in a worker")

            if __name__ == "__main__":
                context = multiprocessing.get_context(sys.argv[1])
                with gtrack.start_run("parent"):
                    workers = [context.Process(target=t, args=(n,)) for t in (in_a_block, left_open, raises) for n in range(2)]
                    for worker in workers:
                        worker.start()
                    for worker in workers:
                        worker.join()
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "workers.py", method], cwd=quiet, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    parent = gtrack.get_run("parent")
    for n in range(2):
        for kind, status in (("block", "finished"), ("open", "finished"), ("raises", "failed")):
            run = gtrack.get_run(f"{kind}{n}")
            assert str(run.status) == status, kind
            assert run.parent == (parent.id if method == "fork" else None)
            assert run.metrics == ({} if kind == "raises" else {"n": n})
        assert "in a worker" in stored(gtrack.get_run(f"raises{n}").id, "output.log")


def test_a_forked_worker_with_no_run_in_sight_does_not_guess(quiet: Path) -> None:
    done = script(
        """
        import contextvars
        from gtrack.errors import NoActiveRun
        with gtrack.start_run("parent"):
            if os.fork() == 0:
                def child():
                    try:
                        gtrack.log_param("a", 1)
                    except NoActiveRun as error:
                        assert "parent" in str(error)
                        os._exit(0)
                    os._exit(1)
                contextvars.Context().run(child)
            assert os.wait()[1] == 0
        """,
        quiet,
    )
    assert done.returncode == 0, done.stderr


def test_sigkill_keeps_every_row(quiet: Path, stored: Stored) -> None:
    done = script(
        """
        import signal
        run = gtrack.start_run("victim")
        gtrack.define_metric("low", "min")
        gtrack.log_metric("first", 1.0)
        gtrack.log_metric("low", 0.5)
        for step in range(1000):
            gtrack.log_metrics({"loss": 1.0 / (step + 1), "first": float(step), "low": float(step + 1)}, step=step)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        quiet,
    )
    assert done.returncode == -signal.SIGKILL
    run = gtrack.get_run("victim")
    assert run.status is gtrack.Status.KILLED
    assert run.metrics == {"first": 999.0, "low": 0.5, "loss": 0.001}
    assert len(stored(run.id, "history.yaml")) == 1000


def test_a_run_that_was_killed_can_be_gone_on_with(quiet: Path, stored: Stored) -> None:
    start = "import signal\nrun = gtrack.start_run('victim')\ngtrack.log_metric('a', 1.0, step=0)\n"
    done = script(start + "os.kill(os.getpid(), signal.SIGKILL)", quiet)
    assert done.returncode == -signal.SIGKILL
    torn = next((quiet / ".gtrack" / "live").glob("*/history.yaml"))
    with torn.open("ab") as out:
        out.write(b'- {"step": 1, "ti')
    with gtrack.start_run(run_id="victim"):
        gtrack.log_metric("a", 2.0, step=1)
        gtrack.log_metric("a", 3.0, step=2)
    run = gtrack.get_run("victim")
    assert (run.status, run.metrics) == (gtrack.Status.FINISHED, {"a": 3.0})
    history = Project.open().history(run.id)
    assert list(history.steps) == [0, 1, 2]


def test_what_was_gone_on_with_and_killed_has_its_new_values(quiet: Path) -> None:
    with gtrack.start_run("twice") as run:
        gtrack.log_metrics({"loss": 1.0, "old": 1.0}, step=0)
        gtrack.log_metric("plain", 1.0)
    body = """
        import signal
        gtrack.start_run(run_id="twice")
        gtrack.log_metrics({"loss": 0.5}, step=1)
        gtrack.log_metric("plain", 0.25, step=1)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    assert script(body, quiet).returncode == -signal.SIGKILL
    assert [found.run.id for found in Project.open().recover()] == [run.id]
    found = gtrack.get_run("twice")
    assert (found.status, found.metrics) == (gtrack.Status.KILLED, {"loss": 0.5, "old": 1.0, "plain": 0.25})


def test_two_processes_cannot_go_on_with_the_same_run(quiet: Path) -> None:
    with gtrack.start_run("shared"):
        pass
    run = gtrack.start_run(run_id="shared")
    done = script("gtrack.start_run(run_id='shared')", quiet)
    assert "RunIsActive: Run" in done.stderr
    assert "is being written by another process" in done.stderr
    assert gtrack.active_run() is run


def test_processes_at_once_never_mix(quiet: Path, stored: Stored) -> None:
    body = """
        with gtrack.start_run(sys.argv[1]):
            for step in range(300):
                gtrack.log_metrics({"of": float(sys.argv[1])}, step=step)
        """
    command = [sys.executable, "-c", "import gtrack, sys\n" + textwrap.dedent(body)]
    workers = [subprocess.Popen([*command, str(n)], cwd=quiet) for n in range(4)]
    assert [worker.wait(120) for worker in workers] == [0] * 4
    for n in range(4):
        rows = stored(gtrack.get_run(str(n)).id, "history.yaml")
        assert [(row["step"], row["of"]) for row in rows] == [(step, float(n)) for step in range(300)]


class Launched:
    """A run as `gtrack run` starts it, and a script as its process."""

    def __init__(self, root: Path, **given: Any) -> None:
        self.root = root
        placed = given.pop("placed", False)
        self.run = ActiveRun.start(
            Project.open(root), placed=placed, code=CodeState(), command=["python", "train.py"], **given
        )

    def script(self, text: str, **given: Any) -> subprocess.CompletedProcess[str]:
        env = {"GTRACK_RUN_DIR": str(self.run.directory), "GTRACK_GIVEN": json.dumps(given)}
        done = script(text, self.root, env)
        assert done.returncode == 0 or "expected" in done.stderr, done.stderr
        return done

    def end(self, status: str = "finished", code: int = 0) -> gtrack.Run:
        return self.run.end(status, code)


def test_the_first_start_joins_the_launched_run(quiet: Path, git: Any) -> None:
    launched = Launched(quiet)
    launched.script(
        """
        gtrack.set_experiment("churn", purpose="why")
        with gtrack.start_run("mine", tags={"a": 1}) as run:
            assert str(run.directory) == os.environ["GTRACK_RUN_DIR"]
            gtrack.log_metrics({"loss": 0.5}, step=0)
            gtrack.log_metric("final", 1)
        with gtrack.start_run("second"):
            gtrack.log_param("who", "second")
        with gtrack.start_run(nested=True, run_name="child"):
            pass
        """
    )
    assert launched.run.live.has(JOINED)
    assert launched.run.live.has(API)
    run = launched.end()
    assert (run.name, run.experiment, run.tags, run.status) == ("mine", "churn", {"a": "1"}, gtrack.Status.FINISHED)
    assert run.metrics == {"loss": 0.5, "final": 1}
    second, child = gtrack.get_run("second"), gtrack.get_run("child")
    assert (second.parent, second.params, second.experiment) == (None, {"who": "second"}, "churn")
    assert child.parent == run.id
    assert run.command == ("python", "train.py")
    assert "purpose: why" in git("show", "gtrack/runs:experiments/churn/experiment.yaml")


def test_params_and_then_a_block_are_one_run(quiet: Path) -> None:
    launched = Launched(quiet)
    launched.script(
        """
        p = gtrack.params(lr=0.1, epochs=3)
        assert (p.lr, p.epochs) == (1.0, 3), p
        gtrack.set_experiment("churn")
        with gtrack.start_run("mine"):
            gtrack.log_metric("loss", p.lr)
        """,
        lr=1,
    )
    run = launched.end()
    assert (run.params, run.metrics) == ({"lr": 1.0, "epochs": 3}, {"loss": 1.0})
    assert (run.name, run.experiment) == ("mine", "churn")
    assert gtrack.get_run("last~0").id == run.id
    with pytest.raises(gtrack.GTrackError, match="It has 1 run"):
        gtrack.get_run("last~1")


def test_verbs_alone_log_into_the_launched_run(quiet: Path) -> None:
    launched = Launched(quiet)
    launched.script("gtrack.set_experiment('churn')\ngtrack.log_param('a', 1)\ngtrack.log_metric('m', 2, step=0)")
    run = launched.end()
    assert (run.params, run.metrics, run.experiment) == ({"a": 1}, {"m": 2}, "churn")


def test_name_and_experiment_of_the_command_line_stay(quiet: Path) -> None:
    launched = Launched(quiet, name="given", experiment="placed", placed=True)
    assert launched.run.live.has(NAMED)
    assert launched.run.live.has(PLACED)
    launched.script("gtrack.set_experiment('churn')\ngtrack.start_run('mine', experiment='other')")
    run = launched.end()
    assert (run.name, run.experiment) == ("given", "placed")


def test_the_block_of_a_launched_run_that_fails(quiet: Path, stored: Stored) -> None:
    launched = Launched(quiet)
    launched.script("with gtrack.start_run():\n    raise ValueError('expected')")
    run = launched.end("finished")
    assert run.status is gtrack.Status.FAILED
    assert "ValueError: expected" in stored(run.id, "output.log")


def test_a_launched_run_whose_exit_code_says_failed(quiet: Path) -> None:
    launched = Launched(quiet)
    launched.script("gtrack.log_param('a', 1)\nsys.exit('expected')")
    assert launched.end("failed", 1).status is gtrack.Status.FAILED


def test_a_parameter_that_the_launcher_recorded(quiet: Path) -> None:
    launched = Launched(quiet)
    launched.run.log_params({"lr": 0.1, "opt": {"m": 1}})
    launched.script(
        """
        gtrack.log_params({"lr": 0.1, "opt": {"n": 2}})
        try:
            gtrack.log_param("lr", 0.2)
        except gtrack.GTrackError as error:
            assert "'lr' is already 0.1" in str(error)
        else:
            raise SystemExit("no conflict")
        """
    )
    assert launched.end().params == {"lr": 0.1, "opt": {"m": 1, "n": 2}}


def test_a_launched_run_that_has_gone(quiet: Path) -> None:
    launched = Launched(quiet)
    env = {"GTRACK_RUN_DIR": str(launched.run.directory)}
    launched.end()
    assert script("gtrack.log_param('late', 1)", quiet, env).returncode == 0
    assert gtrack.get_run("last").params == {"late": 1}  # a run of its own
    again = Launched(quiet)
    body = """
        gtrack.log_param("a", 1)
        import shutil
        shutil.rmtree(os.environ["GTRACK_RUN_DIR"])
        gtrack.log_param("b", 2)
        """
    done = script(body, quiet, {"GTRACK_RUN_DIR": str(again.run.directory)})
    assert "RunEnded: Run" in done.stderr
    assert "was ended by the process that owns it, or removed" in done.stderr


def test_the_rows_of_a_late_join_have_the_right_time(quiet: Path, stored: Stored) -> None:
    launched = Launched(quiet)
    launched.script("import time\ntime.sleep(0.5)\ngtrack.log_metric('now', time.time(), step=0)")
    run = launched.end()
    (row,) = stored(run.id, "history.yaml")
    assert row["time"] == pytest.approx(row["now"], abs=0.25)


SPAWNING = """
import multiprocessing
import gtrack


def work(number):
    gtrack.log_metrics({f"w{number}": number}, step=number)


if __name__ == "__main__":
    gtrack.log_param("lr", 0.1)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(work, range(4))
        pool.close()
        pool.join()
"""


def test_spawned_workers_log_into_the_run_of_their_parent(repo: Path) -> None:
    (repo / "pool.py").write_text(SPAWNING)
    done = subprocess.run([sys.executable, "pool.py"], cwd=repo, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    project = Project.open(repo)
    runs = project.store.runs()
    project.repo.objects.close()
    assert [(run.status, run.metrics) for run in runs] == [(Status.FINISHED, {"w0": 0, "w1": 1, "w2": 2, "w3": 3})]

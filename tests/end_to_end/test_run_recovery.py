"""``gtrack run`` that is killed, or cannot finish what it began: the run is what its script made of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from gtrack.records import Run, Status
from tests.end_to_end.command import Workplace

QUIET_SCRIPT = """\
    import time
    from pathlib import Path
    Path("started").touch()
    while not Path("go").exists():
        time.sleep(0.01)
    Path("ended").touch()
"""
LOGGING_SCRIPT = """\
    import time
    from pathlib import Path
    import gtrack
    gtrack.log_metric("loss", 1.0, step=0)
    Path("started").touch()
    while not Path("go").exists():
        time.sleep(0.01)
    gtrack.log_metric("loss", 0.5, step=1)
    gtrack.log_params({"late": True})
    Path("ended").touch()
"""
JOINING_SCRIPT = """\
    import subprocess, sys
    subprocess.Popen([sys.executable, "logging_script.py"])
"""


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def kill_launcher(work: Workplace, process: subprocess.Popen[bytes]) -> None:
    wait_for((work.root / "started").exists)
    process.kill()
    process.communicate()


def let_go(work: Workplace) -> None:
    (work.root / "go").touch()
    wait_for((work.root / "ended").exists)


def recovered(work: Workplace, name: str) -> Run:
    def there() -> bool:
        assert work.gtrack("ls").returncode == 0
        return work.live() == []

    wait_for(there)
    assert list((work.root / ".gtrack" / "live").iterdir()) == []
    return next(run for run in work.runs() if run.name == name)


@pytest.mark.parametrize("how", ["script", "command"])
def test_the_run_lives_while_its_script_does(work: Workplace, how: str) -> None:
    work.write("logging_script.py", LOGGING_SCRIPT)
    args = ["logging_script.py"] if how == "script" else ["--", sys.executable, "logging_script.py"]
    process = work.start("run", "--name", "mine", *args)
    kill_launcher(work, process)
    listed = work.gtrack("ls")
    assert "had died" not in listed.stderr
    assert "running" in listed.stdout
    assert (work.runs(), len(work.live())) == ([], 1)
    let_go(work)
    run = recovered(work, "mine")
    assert run.status is Status.KILLED
    assert run.metrics == {"loss": 0.5}
    assert run.params == {"late": True}
    assert work.series(run, "loss") == [(0, 1.0), (1, 0.5)]


def test_a_script_that_knows_nothing_of_gtrack_keeps_its_run_alive_too(work: Workplace) -> None:
    work.write("quiet.py", QUIET_SCRIPT)
    process = work.start("run", "--name", "mine", "quiet.py")
    kill_launcher(work, process)
    assert "had died" not in work.gtrack("ls").stderr
    assert len(work.live()) == 1
    let_go(work)
    assert recovered(work, "mine").status is Status.KILLED


def test_a_process_that_joined_keeps_the_run_alive(work: Workplace) -> None:
    """The script has started another one, which inherits nothing; then the launcher and the script die."""
    work.write("logging_script.py", LOGGING_SCRIPT)
    work.write("join.py", JOINING_SCRIPT + "    import time; time.sleep(60)\n")
    process = work.start("run", "--name", "mine", "join.py")
    wait_for((work.root / "started").exists)
    script = next(child for child in psutil.Process(process.pid).children() if "join.py" in " ".join(child.cmdline()))
    process.kill()
    script.kill()
    process.communicate()
    assert "had died" not in work.gtrack("ls").stderr
    assert len(work.live()) == 1
    let_go(work)
    assert recovered(work, "mine").metrics == {"loss": 0.5}


def test_what_was_printed_before_all_died_is_kept(work: Workplace) -> None:
    work.write(
        "train.py",
        """\
        import time
        from pathlib import Path
        print("accuracy: 0.9", flush=True)
        for n in range(3):
            print("loss:", n, flush=True)
        time.sleep(1)
        Path("started").touch()
        time.sleep(60)
        """,
    )
    process = work.start("run", "--name", "mine", "train.py")
    wait_for((work.root / "started").exists)
    shown = work.gtrack("show", "mine").stdout
    assert "accuracy" in shown
    assert "loss" in shown
    [script] = [one for one in psutil.Process(process.pid).children() if "train.py" in " ".join(one.cmdline())]
    process.kill()
    script.kill()
    process.communicate()
    run = recovered(work, "mine")
    assert run.status is Status.KILLED
    assert run.metrics == {"accuracy": 0.9, "loss": 2}
    assert work.series(run, "loss") == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize(("code", "status"), [(0, "finished"), (3, "failed")])
def test_a_run_that_could_not_be_finished_is_what_its_script_was(work: Workplace, code: int, status: str) -> None:
    """From the end of the script on, no file of the launcher can be larger than 100 bytes: as if the disk were full."""
    work.write(
        "train.py",
        f"""\
        import os, resource, sys
        print("loss: 0.5", flush=True)
        import time; time.sleep(0.5)
        resource.prlimit(os.getppid(), resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        sys.exit({code})
        """,
    )
    done = work.gtrack("run", "--name", "mine", "train.py")
    assert "gtrack recover" in done.stderr
    assert "Traceback" not in done.stderr
    assert work.runs() == []
    run = recovered(work, "mine")
    assert (run.status.value, run.exit_code) == (status, code)
    assert run.metrics == {"loss": 0.5}
    assert run.ended is not None


def test_no_lock_is_left_of_runs_in_parallel(work: Workplace) -> None:
    work.write("train.py", "print('loss: 1')\n")
    for _ in range(2):
        started = [work.start("run", "-q", "train.py") for _ in range(6)]
        for process in started:
            process.communicate()
            assert process.returncode == 0
    assert len(work.runs()) == 12
    assert [path.name for path in Path(work.root, ".gtrack", "live").iterdir()] == []


@pytest.mark.quick
def test_a_signal_for_the_launcher_alone_leaves_no_lock(work: Workplace) -> None:
    work.write("quiet.py", QUIET_SCRIPT)
    process = work.start("run", "--name", "mine", "quiet.py")
    wait_for((work.root / "started").exists)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert work.run().status is Status.KILLED
    assert list((work.root / ".gtrack" / "live").iterdir()) == []

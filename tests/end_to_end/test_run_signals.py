"""``gtrack run`` and signals, on pipes and on a real terminal: the script gets them, and the run is always kept."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from gtrack.records import Status
from tests.end_to_end.command import GTRACK, Workplace
from tests.launch.terminal import Terminal

SLOW = """\
    import time
    lr = 0.1
    for n in range(600):
        print("loss:", n, flush=True)
        time.sleep(0.05)
"""
TIDY = """\
    import signal, sys, time
    def end(signum, frame):
        print("saved: 1", flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    try:
        print("ready", flush=True)
        time.sleep(30)
    except KeyboardInterrupt:
        end(0, None)
"""


def wait_for(process: subprocess.Popen[bytes], text: bytes) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"{text!r} never came")


@pytest.fixture
def slow(work: Workplace) -> Workplace:
    work.write("train.py", SLOW)
    work.write("tidy.py", TIDY)
    return work


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, -2)])
@pytest.mark.parametrize("everyone", [False, True])
def test_a_signal_ends_the_script_and_the_run_is_kept(
    slow: Workplace, signum: signal.Signals, code: int, everyone: bool
) -> None:
    process = slow.start("run", "train.py")
    wait_for(process, b"loss: 5")
    if everyone:
        os.killpg(process.pid, signum)
    else:
        process.send_signal(signum)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == code
    run = slow.run()
    assert (run.status, run.exit_code) == (Status.KILLED, 128 + signum)
    assert run.params == {"lr": 0.1}
    assert len(slow.series(run, "loss")) >= 6
    assert slow.live() == []
    assert f"killed by {signum.name}" in stderr.decode()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_script_that_saves_its_work_first(slow: Workplace, signum: signal.Signals) -> None:
    process = slow.start("run", "tidy.py")
    wait_for(process, b"ready")
    process.send_signal(signum)
    stdout, _ = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (0, b"saved: 1\n")
    run = slow.run()
    assert (run.status, run.exit_code, run.metrics) == (Status.KILLED, 0, {"saved": 1})


def test_ctrl_c_on_a_terminal(slow: Workplace) -> None:
    with Terminal([*GTRACK, "run", "train.py"], cwd=slow.root, env=slow.env) as terminal:
        terminal.see(b"loss: 5")
        terminal.press(b"\x03")
        assert terminal.end() == -signal.SIGINT
    assert terminal.output.count(b"KeyboardInterrupt") == 1
    assert b"gtrack/" not in terminal.output
    run = slow.run()
    assert (run.status, run.exit_code) == (Status.KILLED, 130)
    assert b"KeyboardInterrupt" in slow.output(run)
    assert slow.live() == []


def test_a_shell_loop_ends_on_ctrl_c(slow: Workplace) -> None:
    command = f"for n in 1 2 3; do {' '.join(GTRACK)} run train.py -p lr=$n; done; echo after=$?"
    env = {**slow.env, "PS1": "$ ", "HISTFILE": ""}
    with Terminal(["bash", "--norc", "--noprofile", "-i"], cwd=slow.root, env=env) as terminal:
        terminal.press(command.encode() + b"\n")
        terminal.see(b"loss: 5")
        terminal.press(b"\x03")
        terminal.see(b"killed by SIGINT")
        time.sleep(1)
        terminal.press(b"echo code=$?\n")
        terminal.see(b"code=130")
        terminal.press(b"exit\n")
        terminal.end()
    assert slow.run().params == {"lr": 1.0}


def test_ctrl_c_while_the_run_is_being_committed_loses_nothing(work: Workplace) -> None:
    work.write(
        "train.py",
        "import os\nfor n in range(300): open(f'{n}.bin', 'wb').write(os.urandom(200_000))\nprint('ready', flush=True)\n",
    )
    process = work.start("run", "train.py", "--artifacts", "*.bin")
    wait_for(process, b"ready")
    for _ in range(6):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.08)
    process.communicate(timeout=60)
    runs = work.runs()
    assert len(runs) == 1 or len(work.live()) == 1
    if not runs:
        assert work.gtrack("recover").returncode == 0
    assert len(work.runs()) == 1


@pytest.mark.quick
def test_a_script_killed_by_the_system(work: Workplace) -> None:
    work.write("train.py", "import os, signal\nprint('loss: 1', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n")
    done = work.gtrack("run", "train.py")
    assert done.returncode == 137
    run = work.run()
    assert (run.status, run.exit_code, run.metrics) == (Status.KILLED, 137, {"loss": 1})
    assert "killed by SIGKILL" in done.stderr


def test_gtrack_itself_killed(slow: Workplace) -> None:
    process = slow.start("run", "train.py", "--name", "dead")
    wait_for(process, b"loss: 5")
    deadline = time.monotonic() + 30  # metrics are taken from the output a moment after they were printed
    while sum(path.read_bytes().count(b"\n") for path in slow.root.glob(".gtrack/live/*/history.yaml")) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    [child] = [one for one in psutil.Process(process.pid).children() if "python" in one.name()]
    process.kill()
    process.communicate()
    child.wait(20)  # what it prints has no reader any more
    assert slow.gtrack("ls").returncode == 0
    run = slow.run()
    assert (run.name, run.status, run.exit_code) == ("dead", Status.KILLED, None)
    assert run.params == {"lr": 0.1}
    assert [step for step, _ in slow.series(run, "loss")][:3] == [0, 1, 2]
    assert b"loss: 5" in slow.output(run)
    assert slow.live() == []


def test_everything_killed_at_once(slow: Workplace) -> None:
    process = slow.start("run", "train.py")
    wait_for(process, b"loss: 5")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert slow.gtrack("recover").returncode == 0
    assert slow.run().status is Status.KILLED


def test_a_process_left_behind_does_not_hold_the_run(work: Workplace) -> None:
    work.write("train.py", "import subprocess\nprint(subprocess.Popen(['sleep', '60']).pid)\n")
    begin = time.monotonic()
    done = work.gtrack("run", "train.py")
    assert time.monotonic() - begin < 15
    os.kill(int(done.stdout), signal.SIGKILL)
    assert "left behind" in done.stderr


def test_progress_bars_and_prompts_on_a_terminal(work: Workplace) -> None:
    work.write(
        "train.py",
        """\
        import os, sys
        name = input("Name? ")
        for n in range(1, 4):
            print(f"\\r{n}/3 {name}", end="", file=sys.stderr, flush=True)
        print("\\nloss: 0.5", os.get_terminal_size().columns, sys.stdout.isatty())
        print("acc: 0.75")
        """,
    )
    with Terminal([*GTRACK, "run", "train.py"], cwd=work.root, env=work.env, columns=77) as terminal:
        terminal.see(b"Name? ")
        terminal.press(b"Ana\n")
        terminal.see(b"\r1/3 Ana\r2/3 Ana\r3/3 Ana\r\nloss: 0.5 77 True\r\nacc: 0.75\r\n")
        assert terminal.end() == 0
    run = work.run()
    assert run.metrics == {"acc": 0.75}
    assert work.output(run) == b"Name? \r1/3 Ana\r2/3 Ana\r3/3 Ana\nloss: 0.5 77 True\nacc: 0.75\n"


def test_the_summary_begins_on_a_line_of_its_own(work: Workplace, tmp_path: Path) -> None:
    work.write("train.py", "print('no end of line', end='')\n")
    with Terminal([*GTRACK, "run", "train.py", "--name", "mine"], cwd=work.root, env=work.env) as terminal:
        assert terminal.end() == 0
    assert b"no end of line\r\n" in terminal.output
    assert b"mine" in terminal.output.split(b"\r\n")[1]

"""Signals reach the script once, whoever sent them and however; real processes, and a real terminal for Ctrl-C."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from gtrack.launch.signals import Signals, Stopped
from tests.launch.terminal import Terminal
from tests.launch.test_process import about, driver, processes_before

__all__ = ["driver", "processes_before"]

pytestmark = pytest.mark.usefixtures("processes_before")

# Counts what reaches it; ends by itself one second after the first signal.
COUNTER = """\
import signal, time
got = []
for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(signum, lambda signum, _: got.append(signal.Signals(signum).name))
print("ready", flush=True)
end = time.monotonic() + 30
while time.monotonic() < end:
    time.sleep(0.02)
    if got and end > time.monotonic() + 1:
        end = time.monotonic() + 1
print("got", *got, flush=True)
raise SystemExit(9)
"""
STUBBORN = r"""\
import signal, time, os
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"INT\n"))
signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"TERM\n"))
os.write(1, b"ready\n")
while True: time.sleep(0.05)
"""


def start(driver: list[str], code: str, *, cwd: Path, new_group: bool = True) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [*driver, sys.executable, "-c", code],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=new_group,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"ready")
    return process


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=30)
    return process.returncode, output.decode().strip()


@pytest.mark.quick
def test_a_signal_ends_a_wait_that_it_came_just_before() -> None:
    def waiting() -> bool:
        assert signals.wakeup is not None
        return bool(select.select([signals.wakeup], [], [], 0)[0])

    with Signals() as signals:
        assert not waiting()
        signal.raise_signal(signal.SIGWINCH)  # its handler has run before select is called
        assert waiting()
        signals.awake()
        assert not waiting()
    assert signals.wakeup is None
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.quick
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_a_signal_to_gtrack_alone_is_passed_on_once(tmp_path: Path, driver: list[str], name: str) -> None:
    process = start(driver, COUNTER, cwd=tmp_path)
    process.send_signal(signal.Signals[name])
    assert finish(process) == (9, f"got {name}")
    assert about(tmp_path)["asked"] == signal.Signals[name]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_a_signal_to_everyone_is_not_sent_again(tmp_path: Path, driver: list[str], name: str) -> None:
    process = start(driver, COUNTER, cwd=tmp_path)
    os.killpg(process.pid, signal.Signals[name])
    assert finish(process) == (9, f"got {name}")
    assert about(tmp_path)["asked"] == signal.Signals[name]


def test_a_batch_system_that_signals_one_by_one(tmp_path: Path, driver: list[str]) -> None:
    process = start(driver, COUNTER, cwd=tmp_path)
    everyone = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    for one in everyone:
        one.terminate()
    assert finish(process) == (9, "got SIGTERM")


def test_a_wrapper_that_sends_the_same_interrupt_again(tmp_path: Path, driver: list[str]) -> None:
    process = start(driver, COUNTER, cwd=tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert finish(process) == (9, "got SIGINT")


def test_both_ways_in_turn(tmp_path: Path, driver: list[str]) -> None:
    process = start(driver, COUNTER, cwd=tmp_path)
    os.killpg(process.pid, signal.SIGHUP)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGTERM)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert finish(process) == (9, "got SIGHUP SIGTERM SIGTERM")


def test_timeout_ends_the_script_in_its_own_way(tmp_path: Path, driver: list[str]) -> None:
    code = "import time\ntry: print('ready', flush=True); time.sleep(30)\nfinally: print('cleaned', flush=True)"
    command = ["timeout", "--signal=INT", "1.5", *driver, sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.stdout.decode().split() == ["ready", "cleaned"]
    assert about(tmp_path)["exit_code"] == 130
    assert about(tmp_path)["signal"] == signal.SIGINT


def test_ctrl_c_reaches_the_script_once(tmp_path: Path, driver: list[str]) -> None:
    with Terminal([*driver, sys.executable, "-c", COUNTER], cwd=tmp_path) as terminal:
        terminal.see(b"ready\r\n")
        terminal.press(b"\x03")
        terminal.see(b"got SIGINT\r\n")
        assert terminal.end() == 9
    assert about(tmp_path)["received"] == [signal.SIGINT]


def test_ctrl_c_as_python_has_it(tmp_path: Path, driver: list[str]) -> None:
    code = "import time\nprint('ready', flush=True)\ntime.sleep(30)"
    with Terminal([*driver, sys.executable, "-c", code], cwd=tmp_path) as terminal:
        terminal.see(b"ready\r\n")
        terminal.press(b"\x03")
        terminal.see(b"KeyboardInterrupt")
        assert terminal.end() == 130
    assert about(tmp_path)["signal"] == signal.SIGINT


def test_ctrl_c_after_which_the_script_ends_well(tmp_path: Path, driver: list[str]) -> None:
    code = "import time\ntry: print('ready', flush=True); time.sleep(30)\nexcept KeyboardInterrupt: print('saved')"
    with Terminal([*driver, sys.executable, "-c", code], cwd=tmp_path) as terminal:
        terminal.see(b"ready\r\n")
        terminal.press(b"\x03")
        terminal.see(b"saved")
        assert terminal.end() == 0
    assert about(tmp_path)["asked"] == signal.SIGINT


def test_ctrl_c_again_and_again(tmp_path: Path, driver: list[str]) -> None:
    with Terminal([*driver, sys.executable, "-c", STUBBORN], cwd=tmp_path) as terminal:
        terminal.see(b"ready\r\n")
        terminal.press(b"\x03")
        terminal.see(b"INT\r\n")
        assert b"TERM" not in terminal.output
        time.sleep(0.4)
        terminal.press(b"\x03")
        terminal.see(b"TERM\r\n")
        time.sleep(0.4)
        terminal.press(b"\x03")
        assert terminal.end() == 137


def test_the_third_ctrl_c_ends_the_whole_family(tmp_path: Path, driver: list[str]) -> None:
    code = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {STUBBORN!r}])\n" + STUBBORN
    process = start(driver, code, cwd=tmp_path)
    family = psutil.Process(process.pid).children(recursive=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"ready")
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
    assert finish(process)[0] == 137
    assert psutil.wait_procs(family, timeout=5)[1] == []


def test_the_third_ctrl_c_also_ends_a_wait_for_a_reader(tmp_path: Path, driver: list[str]) -> None:
    code = (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    )
    code += "print('ready', flush=True)\nwhile True: print('x' * 1000)"
    process = start(driver, code, cwd=tmp_path)
    time.sleep(0.5)  # the pipe is full: nobody reads on
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.4)
    assert process.wait(20) == 137
    assert process.stdout is not None
    process.stdout.close()


def test_ctrl_z_stops_the_job_and_it_goes_on(tmp_path: Path, driver: list[str]) -> None:
    code = "import time\nfor n in range(200): print('tick', n, flush=True); time.sleep(0.05)"
    shell = ["bash", "--norc", "--noprofile", "-i"]
    with Terminal(shell, cwd=tmp_path, env={**os.environ, "PS1": "$ ", "HISTFILE": ""}) as terminal:
        script = tmp_path / "ticks.py"
        script.write_text(code)
        terminal.press(" ".join([*driver, sys.executable, str(script)]).encode() + b"\n")
        terminal.see(b"tick 3")
        terminal.press(b"\x1a")
        terminal.see(b"Stopped")
        ticks = terminal.output.count(b"tick")
        log = (tmp_path / "output.log").read_bytes()
        time.sleep(0.5)
        assert (tmp_path / "output.log").read_bytes() == log
        terminal.press(b"fg\n")
        terminal.see(b"tick %d" % (ticks + 5))
        terminal.press(b"\x03")
        terminal.see(b"KeyboardInterrupt")
        terminal.press(b"echo code=$?\n")
        terminal.see(b"code=130")
        terminal.press(b"exit\n")
        terminal.end()


def test_a_job_in_the_background_of_a_script_ignores_ctrl_c_as_ever(tmp_path: Path, driver: list[str]) -> None:
    code = "import signal\nprint('ready', signal.getsignal(signal.SIGINT) == signal.SIG_IGN)"
    command = f"trap '' INT; {' '.join(driver)} {sys.executable} -c \"{code}\""
    done = subprocess.run(["sh", "-c", command.replace("\n", ";")], cwd=tmp_path, capture_output=True, check=False)
    assert done.stdout == b"ready True\n"


def test_before_a_child_a_signal_is_raised() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    with Signals(), pytest.raises(Stopped) as stopped:
        signal.raise_signal(signal.SIGTERM)
    assert stopped.value.signum == signal.SIGTERM
    assert isinstance(stopped.value, KeyboardInterrupt)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_while_a_child_is_being_started_a_signal_is_kept_for_it() -> None:
    with Signals() as signals:
        signals.hold()
        os.kill(os.getpid(), signal.SIGTERM)
        with subprocess.Popen(["sleep", "30"]) as child:
            signals.attach(child)
        signals.detach()
    assert child.returncode == -signal.SIGTERM
    assert signals.asked == signal.SIGTERM


def test_after_the_child_signals_wait_until_the_third() -> None:
    with Signals() as signals:
        signals.hold()
        with subprocess.Popen(["true"]) as child:
            signals.attach(child)
        signals.detach()
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.3)
        assert signals.received == [signal.SIGINT, signal.SIGINT]
        with pytest.raises(Stopped):
            signal.raise_signal(signal.SIGINT)


def test_without_a_witness_a_signal_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with Signals() as signals:
        signals.hold()
        with subprocess.Popen(["/bin/sleep", "30"]) as child:
            signals.attach(child)
            os.kill(os.getpid(), signal.SIGTERM)
            assert child.wait(10) == -signal.SIGTERM
        signals.detach()


def test_blocked_signals_come_afterwards_and_never_to_what_is_started_meanwhile() -> None:
    with Signals() as signals:
        signals.hold()
        with subprocess.Popen(["true"]) as child:
            signals.attach(child)
        signals.detach()
        with signals.blocked():
            git = subprocess.Popen(["sleep", "0.5"])
            git.send_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            assert git.wait(10) == 0
            assert signals.received == []
        assert signals.received == [signal.SIGTERM]

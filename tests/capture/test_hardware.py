"""The sampler measures a tree of processes, and nobody notices it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from gtrack.capture.hardware import Sampler, _Meter
from gtrack.records import Number

if TYPE_CHECKING:
    import pytest

Row = dict[str, Number]


def wait_for(rows: list[Row], count: int, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while len(rows) < count and time.monotonic() < end:
        time.sleep(0.02)
    assert len(rows) >= count


def test_rows_come_soon_and_then_at_intervals() -> None:
    rows: list[Row] = []
    times: list[float] = []

    def write(row: Row) -> None:
        rows.append(row)
        times.append(time.monotonic())

    sampler = Sampler(write, 0.3)
    begin = time.monotonic()
    sampler.start()
    wait_for(rows, 3)
    sampler.stop()
    assert sampler.error is None
    assert 0.45 < times[0] - begin < 5
    assert all(second - first > 0.25 for first, second in pairwise(times))


def test_a_row_is_flat_and_says_what_the_machine_does() -> None:
    rows: list[Row] = []
    sampler = Sampler(rows.append, 0.2)
    sampler.start()
    wait_for(rows, 1)
    sampler.stop()
    row = rows[0]
    assert {"cpu_percent", "memory_rss_bytes", "processes", "system_cpu_percent", "system_memory_used_bytes"} <= set(
        row
    )
    assert all(isinstance(value, (int, float)) for value in row.values())
    assert row["memory_rss_bytes"] > 2**22
    assert row["system_memory_used_bytes"] > 2**22
    assert 0 <= row["system_cpu_percent"] <= 100


def test_children_count_and_their_time_and_disk_too(tmp_path: Path) -> None:
    program = (
        "import os, sys, time\n"
        "with open(sys.argv[1], 'wb') as file:\n"
        "    file.write(os.urandom(3_000_000)); file.flush(); os.fsync(file.fileno())\n"
        "print(flush=True)\n"
        "while True: pass\n"
    )
    meter = _Meter(None)
    before = meter.read()
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "f")], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        own = _Meter(child.pid)
        meter.read()
        time.sleep(0.5)
        row, of_child = meter.read(), own.read()
        child.kill()
    assert row["processes"] == before["processes"] + 1
    assert row["memory_rss_bytes"] > of_child["memory_rss_bytes"] > 2**21
    assert of_child["processes"] == 1
    assert row["cpu_percent"] > 10
    assert of_child["cpu_percent"] > 10
    if sys.platform == "linux":
        assert of_child["write_bytes"] > 0
        assert row["write_bytes"] >= before["write_bytes"]


def test_it_ends_with_the_process_that_it_watches() -> None:
    rows: list[Row] = []
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        sampler = Sampler(rows.append, 0.1, child.pid)
        sampler.start()
        wait_for(rows, 1)
        child.kill()
    sampler._thread.join(5)
    assert not sampler._thread.is_alive()
    assert sampler.error is None


def test_nothing_is_written_after_stop_and_stop_is_quick() -> None:
    rows: list[Row] = []
    sampler = Sampler(rows.append, 0.05)
    sampler.start()
    wait_for(rows, 1)
    begin = time.monotonic()
    sampler.stop()
    assert time.monotonic() - begin < 1
    count = len(rows)
    time.sleep(0.3)
    assert len(rows) == count
    sampler.stop()


def test_stop_before_the_first_sample_and_without_start() -> None:
    rows: list[Row] = []
    sampler = Sampler(rows.append, 1)
    sampler.start()
    sampler.stop()
    assert not sampler._thread.is_alive()
    Sampler(rows.append, 1).stop()
    assert rows == []


def test_a_writer_that_fails_ends_the_samples_and_nothing_else() -> None:
    calls = []

    def write(row: Row) -> None:
        calls.append(row)
        raise OSError(28, "No space left on device")

    sampler = Sampler(write, 0.05)
    sampler.start()
    sampler._thread.join(10)
    assert len(calls) == 1
    assert isinstance(sampler.error, OSError)
    sampler.stop()


def test_a_process_that_does_not_exist() -> None:
    sampler = Sampler(lambda row: None, 1, 2**22 + 12345)
    sampler.start()
    sampler._thread.join(10)
    assert type(sampler.error).__name__ == "NoSuchProcess"


def test_start_twice_is_no_error_for_the_caller() -> None:
    sampler = Sampler(lambda row: None, 1)
    sampler.start()
    sampler.start()
    assert isinstance(sampler.error, RuntimeError)
    sampler.stop()


def test_a_forked_child_can_stop_it() -> None:
    program = (
        "import os, signal\n"
        "from gtrack.capture.hardware import Sampler\n"
        "sampler = Sampler(lambda row: None, 0.05)\n"
        "sampler.start()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    signal.alarm(5)\n"
        "    sampler.stop()\n"
        "    os._exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout == "7\n"


def test_it_keeps_no_process_alive_and_loads_psutil_only_when_the_run_lasts() -> None:
    program = (
        "import sys, time\n"
        "from gtrack.capture.hardware import Sampler\n"
        "Sampler(lambda row: None, 0.05).start()\n"
        "print('psutil' in sys.modules)\n"
        "time.sleep(float(sys.argv[1]))\n"
    )
    for seconds in ("0", "1"):
        begin = time.monotonic()
        done = subprocess.run([sys.executable, "-c", program, seconds], capture_output=True, text=True, check=True)
        assert time.monotonic() - begin < 10
        assert (done.stdout, done.stderr) == ("False\n", "")


def test_samples_cost_less_than_a_hundredth_of_a_core() -> None:
    rows: list[Row] = []
    sampler = Sampler(rows.append, 0.001)
    sampler.start()
    wait_for(rows, 2)
    begin, used = time.monotonic(), time.process_time()
    time.sleep(2)
    spent = (time.process_time() - used) / (time.monotonic() - begin)
    sampler.stop()
    assert spent < 0.01


def nvidia_smi(directory: Path, text: str) -> None:
    path = directory / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    nvidia_smi(tmp_path, "echo '0, 87, 1024, 250.5, 61'; echo '1, [N/A], 512, [N/A], 40'")
    row = _Meter(None).read()
    assert {name: value for name, value in row.items() if name.startswith("gpu")} == {
        "gpu_0_percent": 87.0,
        "gpu_0_memory_bytes": 2**30,
        "gpu_0_power_watts": 250.5,
        "gpu_0_celsius": 61.0,
        "gpu_1_memory_bytes": 2**29,
        "gpu_1_celsius": 40.0,
    }


def test_a_driver_that_fails_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    nvidia_smi(tmp_path, f"echo asked >> {tmp_path}/log; exit 9")
    meter = _Meter(None)
    for _ in range(3):
        assert not any(name.startswith("gpu") for name in meter.read())
    assert (tmp_path / "log").read_text() == "asked\n"


def test_stop_does_not_wait_for_a_slow_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    nvidia_smi(tmp_path, f"touch {tmp_path}/asked; exec sleep 1.5")
    rows: list[Row] = []
    sampler = Sampler(rows.append, 0.05)
    sampler.start()
    end = time.monotonic() + 15
    while not (tmp_path / "asked").exists() and time.monotonic() < end:
        time.sleep(0.02)
    begin = time.monotonic()
    sampler.stop()
    assert time.monotonic() - begin < 1.2
    sampler._thread.join(5)
    assert rows == []


def test_it_may_be_stopped_from_its_own_thread() -> None:
    rows: list[Row] = []

    def write(row: Row) -> None:
        rows.append(row)
        sampler.stop()

    sampler = Sampler(write, 0.05)
    sampler.start()
    sampler._thread.join(10)
    assert len(rows) == 1
    assert sampler.error is None

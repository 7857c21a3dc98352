"""Samples what a process and its children use of the machine, from a thread that nobody notices."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from gtrack.records import Number

if TYPE_CHECKING:
    import psutil

_SETTLE = 0.2
_FIRST_SAMPLE = 0.5
_MOST_OF_ONE_CORE = 0.005
_GPU_TIMEOUT = 2.0
_JOIN_TIMEOUT = 0.5
_GPU_FIELDS = ("index", "utilization.gpu", "memory.used", "power.draw", "temperature.gpu")


class Sampler:
    """Hands a row of measurements to ``write_row``: after half a second, and from then on every ``interval`` seconds.

    A row maps names to numbers: ``cpu_percent`` (100 is one core) and ``memory_rss_bytes`` of the process with all its
    children, their number ``processes``, ``read_bytes`` and ``write_bytes`` to disk since they began (where the system
    tells), ``system_cpu_percent`` (100 is all cores), ``system_memory_used_bytes``, and for every GPU n
    ``gpu_n_percent``, ``gpu_n_memory_bytes``, ``gpu_n_power_watts`` and ``gpu_n_celsius``.

    The thread is a daemon: it keeps no process alive. Nothing that goes wrong in it reaches the caller; it ends and
    ``error`` holds what happened. On a machine where a sample takes long, samples come less often than asked for, so that
    they never take more than half a percent of a core. When ``stop`` has returned, ``write_row`` is not called any more.

    Args:
        write_row: takes one row; it is called in the thread.
        interval: seconds between two samples.
        pid: the process to watch, with all its children; None is this one.
    """

    def __init__(self, write_row: Callable[[dict[str, Number]], None], interval: float, pid: int | None = None) -> None:
        self._write_row = write_row
        self._interval = interval
        self._pid = pid
        self._stopped = threading.Event()
        self._writing = threading.RLock()
        self._thread = threading.Thread(target=self._run, name="gtrack-sampler", daemon=True)
        self.error: Exception | None = None

    def start(self) -> None:
        """Begin; a process that is already shutting down is not sampled any more."""
        try:
            self._thread.start()
        except RuntimeError as error:
            self.error = error

    def stop(self) -> None:
        """End; it takes no longer than half a second, also while a sample is being taken."""
        # With a time limit: a child that was forked while a row was written has the lock, but not the thread that holds it.
        held = self._writing.acquire(timeout=_JOIN_TIMEOUT)
        self._stopped.set()
        if held:
            self._writing.release()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_JOIN_TIMEOUT)

    def _run(self) -> None:
        try:
            self._sample_until_stopped()
        except Exception as error:  # noqa: BLE001 - measurements are a courtesy: they must never end the user's run
            self.error = error

    def _sample_until_stopped(self) -> None:
        if self._stopped.wait(_SETTLE):  # a run that is over at once does not pay for the import of psutil
            return
        import psutil

        meter = _Meter(self._pid)
        pause = _FIRST_SAMPLE - _SETTLE
        while not self._stopped.wait(pause):
            begin = time.thread_time()
            try:
                row = meter.read()
            except psutil.NoSuchProcess:  # the watched process is over, and its owner has yet to say so
                return
            with self._writing:
                if self._stopped.is_set():
                    return
                self._write_row(row)
            # Processor time of this thread and not elapsed time, most of which is waiting for a busy interpreter.
            pause = max(self._interval, (time.thread_time() - begin + meter.gpu_seconds) / _MOST_OF_ONE_CORE)


class _Meter:
    """Measures a tree of processes; rates are over the time since the reading before."""

    def __init__(self, pid: int | None) -> None:
        import psutil

        self._root = psutil.Process(pid)
        self._nvidia_smi = shutil.which("nvidia-smi")
        self.gpu_seconds = 0.0
        self._time = time.perf_counter()
        self._cpu_seconds = self._measure({})
        psutil.cpu_percent()

    def read(self) -> dict[str, Number]:
        import psutil

        row: dict[str, Number] = {}
        cpu_seconds = self._measure(row)
        now = time.perf_counter()
        # Less than before when a child ended that nobody waited for: its time is gone from the tree.
        used = max(0.0, cpu_seconds - self._cpu_seconds) / (now - self._time)
        self._time, self._cpu_seconds = now, cpu_seconds
        machine = {
            "system_cpu_percent": psutil.cpu_percent(),
            "system_memory_used_bytes": psutil.virtual_memory().used,
        }
        return {"cpu_percent": round(100 * used, 1), **row, **machine, **self._gpus()}

    def _measure(self, row: dict[str, Number]) -> float:
        """Add up the tree into ``row`` and return the processor time, that of its ended children included, in seconds."""
        import psutil

        seconds, rss, read, written, count = 0.0, 0, 0, 0, 0
        has_io = True
        for process in (self._root, *self._root.children(recursive=True)):
            try:
                with process.oneshot():
                    seconds += sum(process.cpu_times()[:4])
                    rss += process.memory_info().rss
                    count += 1
                    counters = _io_counters(process)
            except psutil.Error:
                if process is self._root:
                    raise
                continue  # a child that ended while it was looked at
            has_io = has_io and counters is not None
            read, written = (read + counters[0], written + counters[1]) if counters else (read, written)
        row.update({"memory_rss_bytes": rss, "processes": count})
        if has_io:
            row.update({"read_bytes": read, "write_bytes": written})
        return seconds

    def _gpus(self) -> dict[str, Number]:
        if self._nvidia_smi is None:
            return {}
        query = [self._nvidia_smi, f"--query-gpu={','.join(_GPU_FIELDS)}", "--format=csv,noheader,nounits"]
        begin = time.perf_counter()
        try:
            answer = subprocess.run(query, capture_output=True, text=True, timeout=_GPU_TIMEOUT, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            self._nvidia_smi = None  # a driver that does not answer now will not answer in the next hours either
            return {}
        finally:
            self.gpu_seconds = time.perf_counter() - begin
        row: dict[str, Number] = {}
        for line in answer.splitlines():
            row.update(_gpu_row(line))
        return row


def _io_counters(process: psutil.Process) -> tuple[int, int] | None:
    import psutil

    try:
        counters = process.io_counters()
    except (AttributeError, psutil.AccessDenied, NotImplementedError):  # macOS; a process of another user
        return None
    return counters.read_bytes, counters.write_bytes


def _gpu_row(line: str) -> dict[str, Number]:
    index, *texts = (part.strip() for part in line.split(","))
    names = ("percent", "memory_bytes", "power_watts", "celsius")
    row: dict[str, Number] = {}
    for name, text in zip(names, texts, strict=False):
        try:
            value = float(text)
        except ValueError:  # "[N/A]": this card does not measure it
            continue
        row[f"gpu_{index}_{name}"] = int(value * 2**20) if name == "memory_bytes" else value
    return row

"""A real terminal for tests: a pty with a session of its own, in which Ctrl-C is a key."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

# A session leader that opens a terminal gets it as its controlling one; then the command takes its place.
_BOOT = "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); os.execvp(sys.argv[1], sys.argv[1:])"


class Terminal:
    """Runs a command on a terminal of ``columns`` x ``lines``; ``output`` is what it has shown."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        columns: int = 91,
        lines: int = 33,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> None:
        self.master, slave = os.openpty()
        self.resize(columns, lines)
        self.output = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, *command],
            stdin=slave,
            stdout=slave if stdout is None else stdout,
            stderr=slave if stderr is None else stderr,
            cwd=cwd,
            env=dict(os.environ if env is None else env),
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.master)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def see(self, text: bytes, seconds: float = 20) -> None:
        """Wait until ``text`` was shown."""
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert self._read(deadline), f"{text!r} was never shown: {self.output!r}"

    def end(self, seconds: float = 20) -> int:
        """Wait until the command has ended and return its exit code, or minus the signal that it died of."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError(f"Nothing more was shown in time: {self.output!r}")
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the other end is closed
            return False
        self.output += data
        return bool(data)

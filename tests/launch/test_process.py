"""Running a command as if gtrack were not there; every case is a real process, on real pipes or a real terminal."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gtrack.launch.process import Child, Console, Ended, signal_name
from gtrack.launch.signals import Signals
from tests.launch.terminal import Terminal

PROJECT = Path(__file__).parents[2]

# What `gtrack run` does with a command, and nothing else; how it ended goes to a file.
DRIVER = """\
import json, os, sys
from dataclasses import asdict
from pathlib import Path
from gtrack.launch.process import Child, Console
from gtrack.launch.signals import Signals
log = Path(sys.argv[1])
with Signals() as signals:
    child = Child.start(sys.argv[2:], cwd=Path.cwd(), env=os.environ, console=Console(), signals=signals)
    ended = child.follow(log)
about = {**asdict(ended), "tail": ended.tail.decode(errors="replace"), "received": signals.received}
log.with_suffix(".json").write_text(json.dumps(about))
sys.exit(ended.exit_code)
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The start of a command line that runs what follows, with its output in ``output.log``."""
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    return [sys.executable, str(script), str(tmp_path / "output.log")]


def about(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "output.json").read_text())
    return found


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def follow(command: list[str], tmp_path: Path, console: Console, tap: Any = None) -> Ended:
    with Signals() as signals:
        child = Child.start(command, cwd=tmp_path, env=os.environ, console=console, signals=signals)
        return child.follow(tmp_path / "output.log", tap)


@pytest.fixture
def processes_before() -> Iterator[None]:
    """Nothing that a test started may stay behind."""
    before = set(psutil.Process().children(recursive=True))
    yield
    now = set(psutil.Process().children(recursive=True)) - before
    assert [process for process in now if process.status() != psutil.STATUS_ZOMBIE] == []


pytestmark = pytest.mark.usefixtures("processes_before")

ALL_BYTES = "import os; os.write(1, bytes(range(256)) * 40 + b'\\r\\n\\n\\r'); os.write(2, b'\\x1b[31m\\xff\\n')"


def test_pipes_keep_every_byte_and_both_streams_apart(tmp_path: Path, driver: list[str]) -> None:
    done = subprocess.run([*driver, *python(ALL_BYTES)], capture_output=True, check=False)
    out, err = bytes(range(256)) * 40 + b"\r\n\n\r", b"\x1b[31m\xff\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, out, err)
    assert sorted((tmp_path / "output.log").read_bytes()) == sorted(out + err)


def test_a_terminal_keeps_every_byte(tmp_path: Path, driver: list[str]) -> None:
    with Terminal(
        [*driver, *python("import os; os.write(1, bytes(range(256)) + b'a\\nb\\r\\n')")], cwd=tmp_path
    ) as terminal:
        assert terminal.end() == 0
    assert (tmp_path / "output.log").read_bytes() == bytes(range(256)) + b"a\nb\r\n"
    # The user's terminal makes of it what it would have made of the program itself.
    assert b"a\r\nb\r\r\n" in terminal.output


@pytest.mark.parametrize("chunk", [1, 4095, 65536, 1_000_000])
def test_a_lot_of_output_arrives_whole(tmp_path: Path, driver: list[str], chunk: int) -> None:
    total = 3_000_000 if chunk > 1 else 20_000
    code = f"import os, random\ndata = random.Random(1).randbytes({total})\nout = open(1, 'wb', 0)\n"
    code += f"for at in range(0, {total}, {chunk}):\n    rest = data[at:at+{chunk}]\n"
    code += "    while rest: rest = rest[out.write(rest):]"
    done = subprocess.run([*driver, *python(code)], capture_output=True, check=False)
    plain = subprocess.run(python(code), capture_output=True, check=False)
    assert done.stderr == b""
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(plain.stdout).digest()
    assert (tmp_path / "output.log").read_bytes() == done.stdout


def test_a_lot_of_output_arrives_whole_on_a_terminal(tmp_path: Path, driver: list[str]) -> None:
    code = "for n in range(60000): print(f'line {n:06}')"
    with Terminal([*driver, *python(code)], cwd=tmp_path) as terminal:
        assert terminal.end() == 0
    expected = [f"line {n:06}" for n in range(60000)]
    assert terminal.output.decode().split("\r\n")[:-1] == expected
    assert (tmp_path / "output.log").read_text().splitlines() == expected


def test_the_child_sees_the_terminal_that_gtrack_sees(tmp_path: Path, driver: list[str]) -> None:
    code = "import os, sys; print(*(os.isatty(n) for n in (0, 1, 2)), os.get_terminal_size(1), os.get_terminal_size(2))"
    with Terminal([*driver, *python(code)], cwd=tmp_path, columns=91, lines=33) as terminal:
        assert terminal.end() == 0
    size = "os.terminal_size(columns=91, lines=33)"
    assert terminal.output.decode() == f"True True True {size} {size}\r\n"


@pytest.mark.parametrize("piped", ["stdout", "stderr"])
def test_each_stream_is_what_gtracks_own_is(tmp_path: Path, driver: list[str], piped: str) -> None:
    code = "import os, sys; text = f'{os.isatty(1)} {os.isatty(2)}\\n'; print(text, end=''); sys.stderr.write(text)"
    read, write = os.pipe()
    out, err = (write, None) if piped == "stdout" else (None, write)
    with Terminal([*driver, *python(code)], cwd=tmp_path, stdout=out, stderr=err) as terminal:
        os.close(write)
        assert terminal.end() == 0
        piped_output = os.read(read, 1000).decode()
        os.close(read)
    expected = f"{piped != 'stdout'} {piped != 'stderr'}"
    assert terminal.output.decode() == f"{expected}\r\n"
    assert piped_output == f"{expected}\n"


def test_the_order_of_stdout_and_stderr_is_kept_on_a_terminal(tmp_path: Path, driver: list[str]) -> None:
    code = "import os\nfor n in range(3000): os.write(1 + n % 2, b'%d ' % n)"
    with Terminal([*driver, *python(code)], cwd=tmp_path) as terminal:
        assert terminal.end() == 0
    assert terminal.output.split() == [b"%d" % n for n in range(3000)]


def test_a_progress_bar_draws_while_it_runs(tmp_path: Path, driver: list[str]) -> None:
    code = "import sys\nfor n in range(3): print(f'\\r{n}/3', end='', flush=True); input()"
    with Terminal([*driver, *python(code)], cwd=tmp_path) as terminal:
        for n in range(3):
            terminal.see(b"\r%d/3" % n)
            terminal.press(b"\n")
        assert terminal.end() == 0


def test_output_comes_as_it_is_written_through_pipes(tmp_path: Path, driver: list[str]) -> None:
    code = "print('ready'); input(); print('done', end='')"
    pipe = subprocess.PIPE
    with subprocess.Popen([*driver, *python(code)], stdin=pipe, stdout=pipe, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert (tmp_path / "output.log").read_bytes() == b"ready\n"
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.stdout.read() == b"done"


def test_unbuffered_only_where_it_is_needed_and_not_against_the_user(tmp_path: Path, driver: list[str]) -> None:
    code = "import os; print(os.environ.get('PYTHONUNBUFFERED'))"
    assert subprocess.run([*driver, *python(code)], capture_output=True, check=False).stdout == b"1\n"
    env = {**os.environ, "PYTHONUNBUFFERED": ""}
    assert subprocess.run([*driver, *python(code)], capture_output=True, check=False, env=env).stdout == b"\n"
    with Terminal([*driver, *python(code)], cwd=tmp_path) as terminal:
        assert terminal.end() == 0
    assert terminal.output == b"None\r\n"


def test_input_is_passed_through(tmp_path: Path, driver: list[str]) -> None:
    done = subprocess.run([*driver, "cat"], input=b"some\x00bytes" * 30000, capture_output=True, check=False)
    assert done.stdout == b"some\x00bytes" * 30000


def test_keys_and_prompts_work_on_a_terminal(tmp_path: Path, driver: list[str]) -> None:
    code = "import getpass; name = input('Name? '); word = getpass.getpass('Word? '); print(f'{name=} {word=}')"
    with Terminal([*driver, *python(code)], cwd=tmp_path) as terminal:
        terminal.see(b"Name? ")
        terminal.press(b"Ana\n")
        terminal.see(b"Word? ")
        terminal.press(b"secret\n")
        terminal.see(b"name='Ana' word='secret'")
        assert terminal.output.count(b"secret") == 1  # typed without an echo
        assert terminal.end() == 0


def test_a_new_size_of_the_terminal_reaches_the_child(tmp_path: Path, driver: list[str]) -> None:
    code = (  # waits for the signal itself: a handler would not run for one that comes as a wait for input begins
        "import os, signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])\n"
        "print('ready', flush=True)\n"
        "while os.get_terminal_size()[:] != (120, 50):\n"  # the outer terminal's signal comes before the pty is resized
        "    signal.sigwait([signal.SIGWINCH])\n"
        "print(os.get_terminal_size()[:])"
    )
    with Terminal([*driver, *python(code)], cwd=tmp_path, columns=80, lines=24) as terminal:
        terminal.see(b"ready\r\n")
        terminal.resize(120, 50)
        terminal.see(b"(120, 50)")
        assert terminal.end() == 0


@pytest.mark.parametrize("code", [0, 1, 2, 77, 255])
def test_exit_codes(tmp_path: Path, code: int) -> None:
    ended = follow(python(f"raise SystemExit({code})"), tmp_path, Console(None, None))
    assert (ended.exit_code, ended.signal, ended.asked, ended.notices) == (code, None, None, ())


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_death_by_a_signal(tmp_path: Path, signum: signal.Signals) -> None:
    ended = follow(python(f"import os; os.kill(os.getpid(), {int(signum)})"), tmp_path, Console(None, None))
    assert (ended.exit_code, ended.signal, ended.asked) == (128 + signum, signum, None)


def test_a_command_that_cannot_start_leaves_nothing_open(tmp_path: Path) -> None:
    before = open_files()
    handler = signal.getsignal(signal.SIGINT)
    with Signals() as signals, pytest.raises(FileNotFoundError):
        Child.start(["no-such-program"], cwd=tmp_path, env=os.environ, console=Console(), signals=signals)
    assert open_files() == before
    assert signal.getsignal(signal.SIGINT) is handler


def test_nothing_stays_open(tmp_path: Path) -> None:
    follow(["true"], tmp_path, Console(None, None))
    before = open_files()
    follow(python("print(1)"), tmp_path, Console(None, None))
    assert open_files() == before


def test_the_tap_gets_stdout_and_the_tail_has_the_end_of_all(tmp_path: Path) -> None:
    pieces: list[bytes] = []
    code = "import sys; print('x' * 50000, flush=True); print('out', flush=True); sys.stderr.write('err\\n')"
    ended = follow(python(code), tmp_path, Console(None, None), pieces.append)
    assert b"".join(pieces) == b"x" * 50000 + b"\nout\n"
    assert len(ended.tail) == 16 * 1024
    assert sorted(ended.tail.split()[-2:]) == [b"err", b"out"]


def test_it_runs_in_a_thread_where_python_takes_no_signals(tmp_path: Path) -> None:
    code = (
        "import os, threading, sys\nfrom pathlib import Path\nfrom gtrack.launch.process import *\n"
        "from gtrack.launch.signals import Signals\n"
        "def work():\n    with Signals() as signals:\n"
        "        child = Child.start(['echo', 'hi'], cwd=Path.cwd(), env=os.environ, console=Console(), signals=signals)\n"
        "        print(child.follow(Path('output.log')).exit_code)\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()"
    )
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(python(code), capture_output=True, check=False, cwd=tmp_path, env=env)
    assert (done.stdout, done.stderr) == (b"hi\n0\n", b"")


# Who is left behind, who has gone


def test_a_grandchild_that_holds_the_output_does_not_hold_gtrack(tmp_path: Path) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True); print('last')"
    start = time.monotonic()
    ended = follow(python(code), tmp_path, Console(None, None))
    assert 0.9 < time.monotonic() - start < 10
    pid, last = (tmp_path / "output.log").read_text().splitlines()
    os.kill(int(pid), signal.SIGKILL)
    assert (ended.exit_code, last) == (0, "last")
    assert "left behind" in ended.notices[0]


def test_a_grandchild_that_writes_for_ever_does_not_hold_gtrack(tmp_path: Path) -> None:
    code = "import subprocess; print(subprocess.Popen(['yes']).pid, flush=True)"
    start = time.monotonic()
    ended = follow(python(code), tmp_path, Console(None, None))
    assert time.monotonic() - start < 10
    assert "left behind" in ended.notices[0]


def test_a_child_that_closes_its_output_is_waited_for(tmp_path: Path) -> None:
    ended = follow(["sh", "-c", "exec >&- 2>&-; sleep 0.3; exit 5"], tmp_path, Console(None, None))
    assert ended.exit_code == 5


def test_without_pidfd_it_works_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    ended = follow(python("print('x' * 100000); raise SystemExit(3)"), tmp_path, Console(None, None))
    assert (ended.exit_code, (tmp_path / "output.log").stat().st_size) == (3, 100001)
    assert follow(["sh", "-c", "exec >&- 2>&-; sleep 0.2; exit 5"], tmp_path, Console(None, None)).exit_code == 5


def test_a_reader_that_goes_away_stops_nothing(tmp_path: Path, driver: list[str]) -> None:
    code = "import sys\nfor n in range(5000): print(n)\nsys.stderr.write('end')"
    with subprocess.Popen([*driver, *python(code)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b"end"
    assert process.returncode == 0
    assert (tmp_path / "output.log").read_text().removesuffix("end").split() == [str(n) for n in range(5000)]
    assert about(tmp_path)["notices"] == [
        "stdout was not shown to its end (its reader has gone); output.log has all of it."
    ]


def test_output_that_nobody_takes_yet_waits(tmp_path: Path, driver: list[str]) -> None:
    code = "print('x' * 400000, end='')"
    read, write = os.pipe()
    os.set_blocking(write, False)  # as some shells and node leave it
    with subprocess.Popen([*driver, *python(code)], stdout=write):
        os.close(write)
        time.sleep(0.5)
        with os.fdopen(read, "rb") as reader:
            assert reader.read() == b"x" * 400000


def test_a_log_that_cannot_be_written_is_said_and_the_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "output.log").symlink_to("/dev/full")
    ended = follow(python("print('hello'); raise SystemExit(4)"), tmp_path, Console(None, None))
    assert ended.exit_code == 4
    assert ended.notices == ("output.log is incomplete: it could not be written (No space left on device).",)
    assert ended.tail == b"hello\n"


def test_a_log_that_cannot_be_opened_is_said_and_the_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "output.log").mkdir()
    ended = follow(python("print('hello'); raise SystemExit(4)"), tmp_path, Console(None, None))
    assert ended.exit_code == 4
    assert ended.notices == ("output.log is missing: it could not be written (Is a directory).",)


def test_names_of_signals() -> None:
    assert signal_name(signal.SIGTERM) == "SIGTERM"
    assert signal_name(40) == "signal 40"

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gtrack.cli import app as cli
from gtrack.records import Run
from gtrack.version import __version__
from tests.cli.conftest import COMMAND, RunCommand, die, make
from tests.conftest import Git

COMMANDS = [
    *("run", "ls", "show", "diff", "log", "get", "status", "watch", "best", "experiments", "index"),
    *("register", "promote", "demote", "deprecate", "verify", "audit", "doctor", "clone", "push", "pull", "sync"),
    *("gc", "rm", "restore", "pin", "tag", "note", "init", "recover", "plot", "models"),
]


def on_a_terminal(*args: str, cwd: Path, columns: int, env: Mapping[str, str] | None = None) -> str:
    """Run a command line on a terminal and return what it wrote there."""
    leader, follower = pty.openpty()
    os.set_blocking(leader, True)
    process = subprocess.Popen(
        [*COMMAND, *args],
        cwd=cwd,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), **(env or {})},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    parts = []
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(leader)
    process.wait()
    return b"".join(parts).decode().replace("\r\n", "\n")


def test_help_lists_every_command(gtrack: RunCommand) -> None:
    done = gtrack("--help")
    assert done.code == 0
    assert re.findall(r"^  (\w+)  ", done.out.split("Commands:")[1], re.MULTILINE) == COMMANDS
    assert "..." not in done.out.split("Commands:")[1].replace("[-- ARGS...]", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_every_option_has_help_and_examples(gtrack: RunCommand, command: str) -> None:
    out = gtrack(command, "--help").out
    assert f"Usage: gtrack {command}" in out
    assert f"Examples:\n    gtrack {command}" in out
    options = [line for line in out.split("Options:\n")[1].split("Examples:")[0].splitlines() if line]
    for line, below in zip(options, [*options[1:], ""], strict=True):
        has_help = re.match(r"  -[-\w, ]+(?: [^ ]+)?  +\w", line) or below.startswith(" " * 10)
        assert has_help or not line.startswith("  -"), f"{line!r} has no help"
    assert all(len(line) <= 80 for line in out.splitlines())


def test_version(gtrack: RunCommand) -> None:
    assert gtrack("--version").out == f"gtrack {__version__}\n"


def test_no_command_shows_the_help(gtrack: RunCommand) -> None:
    done = gtrack()
    assert "Commands:" in done.out + done.err
    assert done.code == 2


def test_not_a_repository(gtrack: RunCommand, tmp_path: Path) -> None:
    done = gtrack("-C", str(tmp_path), "ls")
    assert done.code == 1
    assert done.err.startswith(f"Error: {tmp_path} is not inside a git repository. Run 'gtrack init'")


def test_a_broken_config_is_one_message(gtrack: RunCommand, repo: Path) -> None:
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text("brunch: x\n")
    done = gtrack("ls")
    assert done.code == 2
    assert "unknown key 'brunch'. Did you mean 'branch'?" in done.err


def test_everywhere_in_the_repository_and_from_outside(
    gtrack: RunCommand, runs: list[Run], repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repo / "deep" / "down").mkdir(parents=True)
    whole = gtrack("ls").out
    assert len(whole.splitlines()) == len(runs) + 1
    assert gtrack("-C", "deep/down", "ls").out == whole
    monkeypatch.chdir(repo / "deep" / "down")
    assert gtrack("ls").out == whole
    monkeypatch.chdir(tmp_path)
    assert gtrack("-C", "repo", "ls").out == whole
    monkeypatch.setenv("GTRACK_REPO", str(repo))
    assert gtrack("ls").out == whole


def test_a_bare_repository_can_be_read(gtrack: RunCommand, runs: list[Run], git: Git, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    git("clone", "--quiet", "--bare", ".", str(bare))
    assert gtrack("-C", str(bare), "ls").out == gtrack("ls").out
    assert gtrack("-C", str(bare), "show", runs[0].name).code == 0
    assert "bare: runs can be read here" in gtrack("-C", str(bare), "status").out


def test_a_bug_is_exit_3_and_leaves_a_log(gtrack: RunCommand, isolation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> None:
        raise ZeroDivisionError("oh\nno")

    monkeypatch.setattr("gtrack.cli.session.Project.open", broken)
    done = gtrack("ls", "-n", "3")
    assert (done.code, done.out) == (3, "")
    (line,) = done.err.splitlines()
    match = re.fullmatch(r"Error: this is a bug in gtrack \(ZeroDivisionError: oh no\)\. Its log is (.*)\.", line)
    assert match is not None
    log = Path(match[1])
    assert log.is_relative_to(isolation / ".cache")
    text = log.read_text()
    assert "arguments: ['ls', '-n', '3']" in text
    assert "ZeroDivisionError" in text


def test_interrupted_is_exit_130(gtrack: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gtrack.cli.session.Project.open", interrupted)
    done = gtrack("ls")
    assert done.code == cli.INTERRUPTED == 130
    assert "Traceback" not in done.err


@pytest.mark.usefixtures("runs")
def test_a_closed_pipe_is_silent(repo: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "show", "--json"], cwd=repo, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
@pytest.mark.usefixtures("runs")
def test_a_full_disk_is_one_message(repo: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, "ls"], cwd=repo, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"Error: .*No space left on device\n", done.stderr)


@pytest.mark.usefixtures("runs")
def test_a_terminal_gets_colours_and_a_table_that_fits(repo: Path) -> None:
    text = on_a_terminal("ls", cwd=repo, columns=60)
    assert "\x1b[" in text
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert lines[0].startswith("name ")
    assert all(len(line) <= 60 for line in lines)
    assert lines[-1] == "forest: 3 runs"


@pytest.mark.usefixtures("runs")
def test_no_color(repo: Path) -> None:
    text = on_a_terminal("diff", "first", "third", cwd=repo, columns=80, env={"NO_COLOR": "1"})
    assert not re.search(r"\x1b\[(?:3[0-9]|[0-9;]*;3[0-9])", text)
    assert "▼" in text


@pytest.mark.usefixtures("runs")
def test_the_output_of_a_run_cannot_steer_the_terminal(repo: Path) -> None:
    text = on_a_terminal("log", "third", cwd=repo, columns=80)
    assert "\x1b]0;" not in text
    assert "\\x1b]0;owned\\x07" in text
    assert "\x1b[32mdone" in text


@pytest.mark.slow
def test_a_patch_on_a_terminal_is_coloured_unless_nobody_wants_it(repo: Path, runs: list[Run]) -> None:
    args = ("diff", runs[0].id, runs[2].id, "--code")
    assert "\x1b[32m+" in on_a_terminal(*args, cwd=repo, columns=80)
    assert "\x1b[32m+" not in on_a_terminal(*args, cwd=repo, columns=80, env={"NO_COLOR": "1"})


def complete(repo: Path, line: str) -> list[str]:
    env = {
        **os.environ,
        "_GTRACK_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    done = subprocess.run([*COMMAND], cwd=repo, env=env, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.slow
def test_the_shell_completes_run_names(repo: Path, runs: list[Run]) -> None:
    assert complete(repo, "gtrack show ")[:2] == ["last", "third"]
    assert complete(repo, "gtrack show fi") == ["first"]
    assert complete(repo, f"gtrack log {runs[1].id[:5]}") == [runs[1].short_id]
    assert complete(repo, "gtrack sho") == ["show"]


def test_completion_outside_a_repository_offers_nothing(tmp_path: Path) -> None:
    assert complete(tmp_path, "gtrack show ") == []


def test_control_c_while_it_waits(repo: Path) -> None:
    die(repo)
    process = subprocess.Popen(
        [*COMMAND, "note", "doomed", "-"],
        cwd=repo,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    assert b"had died" in process.stderr.readline()  # now it is at work
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    # A shell says 130 of both; Python ends by the signal itself where that came in the middle of an import.
    assert process.returncode in {130, -signal.SIGINT}
    assert (out, err) == (b"", b"")


def test_an_encoding_that_lacks_a_character_is_no_reason_to_fail(repo: Path) -> None:
    make(repo, "🚀", 1)
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*COMMAND, "ls"], cwd=repo, env=env, capture_output=True, check=False)
    assert done.returncode == 0
    assert b"?" in done.stdout
    assert done.stderr == b""


def test_python_dash_m_is_the_same_command(repo: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gtrack", "--version"], cwd=repo, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"gtrack {__version__}\n"

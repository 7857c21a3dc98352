"""What ``gtrack run`` refuses: one clear message, the right exit code, and nothing left of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gtrack.cli.app import main
from gtrack.records import Status
from tests.end_to_end.command import Workplace

SCRIPT = "learning_rate = 0.1\nepochs = 3\nprint('ran')\n"


@pytest.fixture
def place(work: Workplace) -> Workplace:
    work.write("train.py", SCRIPT)
    work.write("shell.sh", "#!/bin/sh\necho hi\n")
    return work


@pytest.mark.quick
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ["train.py", "-p", "learning_rat=1"],
            "train.py has no parameter 'learning_rat'. Did you mean 'learning_rate'?",
        ),
        (["train.py", "-p", "epochs=many"], "epochs"),
        (["train.py", "-p", "epochs"], "--param takes name=value"),
        (["train.py", "-p", "epochs=1", "-p", "epochs=2"], "twice"),
        (["tran.py"], "There is no script tran.py. Did you mean train.py?"),
        (["train.py", "--lr", "5"], "If it is the script's, put it after --: gtrack run train.py -- --lr"),
        (["train.py", "--lr", "5", "x y"], "gtrack run train.py -- --lr 5 'x y'"),
        (["train.py", "a", "--lr", "5", "--", "b"], "gtrack run train.py -- a --lr 5 b"),
        (["train.py", "--epochs", "5"], "Or as a parameter: gtrack run train.py --param epochs=5"),
        (["train.py", "--learning-rate=0.5"], "Or as a parameter: gtrack run train.py --param learning_rate=0.5"),
        (["echo", "hi"], "There is no script echo. To run it as a command: gtrack run -- echo hi"),
        (["echo"], "To run it as a command: gtrack run -- echo"),
        (["ls", "-l", "x"], "To run it as a command: gtrack run -- ls -l x"),
        (["python3", "train.py"], "gtrack run -- python3 train.py, or its script"),
        (["python3", "train.py", "--lr", "5"], "are recorded: gtrack run train.py -- --lr 5"),
        (["train.py", "--lr=5"], "If it is the script's, put it after --"),
        (["train.py", "--experimnt", "x"], "Did you mean --experiment?"),
        (["--lr", "train.py"], "gtrack run has no option --lr"),
        (["train.py", "data.csv"], "'data.csv' is not gtrack's. Put it after --: gtrack run train.py -- data.csv"),
        (["-m", "pkg", "data.csv"], "'data.csv' is not gtrack's. Put it after --: gtrack run -m pkg -- data.csv"),
        ([], "What is to be run?"),
        (["--"], "What is to be run?"),
        (["-p", "a=1", "--", "echo"], "--param needs a Python script"),
        (["--params-file", "none.yaml", "train.py"], "none.yaml cannot be read"),
        (["shell.sh"], "gtrack run -- ./shell.sh"),
        (["--", "./shell.sh"], "./shell.sh is not executable"),
        (["--", "no-such-program"], "There is no program 'no-such-program' on the PATH."),
        (["-m", "train.py"], "To run the file: gtrack run train.py"),
        (["--tag", "vision", "train.py"], "--tag takes KEY=VALUE"),
        (["--input", "no.csv", "train.py"], "--input no.csv"),
        (["--artifacts", "../*.png", "train.py"], "not inside the working directory"),
        (["--seed", "-1", "train.py"], "--seed is a whole number"),
        (["--seed", "x", "train.py"], "--seed"),
        (["--name", "a\nb", "train.py"], "name"),
        (["--name", "x" * 300, "train.py"], "300 characters"),
        (["--experiment", "a\nb", "train.py"], "experiment name"),
    ],
)
def test_wrong_usage(place: Workplace, capfd: pytest.CaptureFixture[str], args: list[str], said: str) -> None:
    """In this process: it is over before anything would be started. The next test takes the command itself."""
    with pytest.raises(SystemExit) as end:
        main(["run", *args])
    out, err = capfd.readouterr()
    assert (end.value.code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert (place.runs(), place.live()) == ([], [])


@pytest.mark.quick
def test_wrong_usage_of_the_command_itself(place: Workplace) -> None:
    done = place.gtrack("run", "train.py", "-p", "learning_rat=1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "train.py has no parameter 'learning_rat'. Did you mean 'learning_rate'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert (place.runs(), place.live()) == ([], [])


def test_an_option_without_a_parameter_of_its_name_is_only_passed_on(place: Workplace) -> None:
    assert "--param" not in place.gtrack("run", "train.py", "--lr", "5").stderr


def test_a_script_that_is_only_where_the_repository_is(place: Workplace, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = place.gtrack("-C", str(place.root), "run", "train.py", cwd=elsewhere)
    assert done.returncode == 2
    assert f"There is no script train.py here, but one in {place.root}" in done.stderr
    script = os.path.relpath(place.root / "train.py", elsewhere)
    assert f"gtrack -C {place.root} run {script}" in done.stderr
    assert place.runs() == []
    assert place.gtrack("-C", str(place.root), "run", script, cwd=elsewhere).stdout == "ran\n"
    (elsewhere / "train.py").write_text("print('this one')")
    assert place.gtrack("-C", str(place.root), "run", "train.py", cwd=elsewhere).stdout == "this one\n"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("kind=rms", "kind of options.py cannot be 'rms'. It is one of: sgd, adam."),
        ("n=many", "n of options.py is a whole number and cannot be 'many'."),
    ],
)
def test_what_an_option_cannot_take(work: Workplace, given: str, said: str) -> None:
    work.write(
        "options.py",
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--kind', choices=['sgd', 'adam'])\n"
        "parser.add_argument('--n', type=int)\nparser.parse_args()\n",
    )
    done = work.gtrack("run", "options.py", "-p", given)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())
    assert (work.runs(), work.live()) == ([], [])


def test_outside_a_repository(tmp_path: Path, work: Workplace) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "train.py").write_text(SCRIPT)
    done = work.gtrack("run", "train.py", cwd=outside)
    assert done.returncode == 1
    assert "is not inside a git repository" in done.stderr
    assert done.stdout == ""
    assert [path.name for path in outside.iterdir()] == ["train.py"]


def test_a_bare_repository(tmp_path: Path, work: Workplace) -> None:
    work.write("train.py", SCRIPT)
    (tmp_path / "bare").mkdir()
    with work.project() as project:
        project.repo.run("clone", "--quiet", "--bare", ".", str(tmp_path / "bare"))
    done = work.gtrack("-C", str(tmp_path / "bare"), "run", "train.py")
    assert done.returncode == 1
    assert "bare repository" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_program_that_the_system_cannot_start(place: Workplace) -> None:
    program = place.root / "broken"
    program.write_bytes(b"\x7fELF nonsense")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    done = place.gtrack("run", "--", "./broken")
    assert done.returncode == 1
    assert "./broken cannot be started: Exec format error." in done.stderr
    run = place.run()
    assert (run.status, run.exit_code) == (Status.FAILED, 126)


def test_a_module_that_is_not_there_fails_as_with_python(place: Workplace) -> None:
    done = place.gtrack("run", "-m", "no_such_module")
    assert done.returncode == 1
    assert "No module named no_such_module" in done.stderr


def test_a_script_that_is_no_python_fails_as_with_python(place: Workplace) -> None:
    place.write("bad.py", "x = = 1\n")
    done = place.gtrack("run", "bad.py")
    assert done.returncode == 1
    assert "SyntaxError" in done.stderr
    assert place.run().status is Status.FAILED


def test_the_help_has_examples(place: Workplace) -> None:
    done = place.gtrack("run", "--help")
    assert done.returncode == 0
    assert "gtrack run [OPTIONS] SCRIPT | -m NAME [-- ARGS...]" in done.stdout
    assert "Examples:" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80

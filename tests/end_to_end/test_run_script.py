"""``gtrack run`` of real scripts: what is recorded, and what the user gets."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from gtrack.records import Status
from tests.conftest import Git
from tests.end_to_end.command import GTRACK, Workplace

TRAIN = """\
    lr = 0.1
    epochs = 3
    for epoch in range(epochs):
        print("epoch:", epoch)
        print("loss:", lr / (epoch + 1))
    print("accuracy:", 0.9333333333333333)
"""


@pytest.mark.quick
def test_a_plain_script(work: Workplace) -> None:
    work.write("train.py", TRAIN)
    done = work.gtrack("run", "train.py", "--param", "lr=0.5")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == "loss: 0.5"
    run = work.run()
    assert (run.status, run.exit_code, run.experiment) == (Status.FINISHED, 0, "default")
    assert run.params == {"lr": 0.5, "epochs": 3}
    assert run.metrics == {"loss": 0.5 / 3, "accuracy": 0.9333333333333333}
    assert work.series(run, "loss") == [(0, 0.5), (1, 0.25), (2, 0.5 / 3)]
    assert run.command == ("python", "train.py")
    assert work.output(run) == done.stdout.encode()
    assert run.name in done.stderr
    assert "accuracy 0.933333" in done.stderr
    assert work.live() == []


def test_nothing_of_the_working_copy_changes(work: Workplace, git: Git) -> None:
    work.write("train.py", TRAIN)
    git("add", "train.py")
    before = (git("status", "--porcelain=v2", "--branch"), git("reflog"), (work.root / ".git" / "index").read_bytes())
    assert work.gtrack("run", "train.py").returncode == 0
    assert (
        git("status", "--porcelain=v2", "--branch"),
        git("reflog"),
        (work.root / ".git" / "index").read_bytes(),
    ) == before
    run = work.run()
    assert run.code.dirty
    assert git("show", f"{run.code.commit}:train.py").startswith("lr = 0.1")
    assert git("fsck", "--full", "--strict") == ""


def test_everything_that_can_be_said_about_a_run(work: Workplace) -> None:
    work.write("experiments/forest/train.py", TRAIN)
    work.write("data/train.csv", "a,b\n1,2\n")
    args = [
        "--name",
        "my run",
        "--tag",
        "team=vision",
        "--tag",
        "x=a=b",
        "--notes",
        "First try",
        "--input",
        "data/train.csv",
    ]
    done = work.gtrack(
        "run", "experiments/forest/train.py", *args, "--seed", "7", "--input", "all=data", "--", "--verbose", "-x"
    )
    assert done.returncode == 0, done.stderr
    run = work.run()
    assert (run.name, run.experiment, run.notes) == ("my run", "forest", "First try")
    assert run.tags == {"team": "vision", "x": "a=b"}
    assert run.params["seed"] == 7
    assert [(one.name, one.source, one.rows) for one in run.inputs] == [
        ("train.csv", "data/train.csv", 1),
        ("all", "data", None),
    ]
    assert run.command == ("python", "experiments/forest/train.py", "--verbose", "-x")


@pytest.mark.parametrize(
    ("args", "env", "experiment"),
    [
        ([], {}, "forest"),
        (["--experiment", "mine"], {"GTRACK_EXPERIMENT": "env"}, "mine"),
        ([], {"GTRACK_EXPERIMENT": "env"}, "env"),
    ],
)
def test_which_experiment_it_is(work: Workplace, args: list[str], env: dict[str, str], experiment: str) -> None:
    work.write("experiments/forest/train.py", "x = 1\n")
    assert work.gtrack("run", "experiments/forest/train.py", *args, env=env).returncode == 0
    assert work.run().experiment == experiment


def test_the_experiment_of_the_configuration(work: Workplace) -> None:
    work.write(".gtrack/config.yaml", "experiment: mine\n")
    work.write("train.py", "x = 1\n")
    assert work.gtrack("run", "train.py").returncode == 0
    assert work.run().experiment == "mine"


def test_the_script_is_run_as_python_runs_it(work: Workplace) -> None:
    source = """\
        import os, sys
        print(sys.argv, __name__, os.path.basename(sys.path[0]), os.path.basename(os.getcwd()), sys.stdin.read())
        print("to stderr", file=sys.stderr)
    """
    work.write("sub/deep/show.py", source)
    done = work.gtrack(
        "run", "-q", "deep/show.py", "--", "a b", "--c=1", "--", "-d", cwd=work.root / "sub", stdin="typed"
    )
    assert done.stdout == "['deep/show.py', 'a b', '--c=1', '--', '-d'] __main__ deep sub typed\n"
    assert done.stderr == "to stderr\n"


def test_a_module_and_a_package(work: Workplace) -> None:
    work.write("pkg/__init__.py", "")
    work.write("pkg/helper.py", "VALUE = 5\n")
    work.write("pkg/train.py", "from .helper import VALUE\nrate = 0.1\nprint('value:', VALUE * rate)\n")
    work.write("pkg/__main__.py", "import sys\nfrom . import train\nprint(sys.argv[1:])\n")
    done = work.gtrack("run", "-m", "pkg.train", "--param", "rate=0.5", "--name", "one")
    assert (done.returncode, done.stdout) == (0, "value: 2.5\n"), done.stderr
    done = work.gtrack("run", "-m", "pkg", "--name", "two", "--", "--x")
    assert (done.returncode, done.stdout) == (0, "value: 0.5\n['--x']\n"), done.stderr
    one, two = work.runs()
    assert (one.params, one.metrics) == ({"rate": 0.5}, {"value": 2.5})
    assert two.command == ("python", "-m", "pkg", "--x")


@pytest.mark.quick
def test_any_command(work: Workplace) -> None:
    done = work.gtrack("run", "--name", "shell", "--", "sh", "-c", "echo 'score: 0.5'; echo oops >&2; exit 3")
    assert (done.returncode, done.stdout) == (3, "score: 0.5\n")
    run = work.run()
    assert (run.status, run.exit_code, run.metrics) == (Status.FAILED, 3, {"score": 0.5})
    assert run.command[:2] == ("sh", "-c")
    assert sorted(work.output(run).splitlines()) == [b"oops", b"score: 0.5"]
    assert "failed with exit code 3" in done.stderr
    assert "'gtrack log shell'" in done.stderr


def test_a_script_that_fails_shows_python_own_traceback(work: Workplace) -> None:
    work.write("train.py", "x = 1\nprint('loss: 0.5')\nraise ValueError('bad')\n")
    done = work.gtrack("run", "train.py")
    assert done.returncode == 1
    assert "gtrack/" not in done.stderr
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert 'train.py", line 3, in <module>' in done.stderr
    run = work.run()
    assert (run.status, run.exit_code, run.metrics) == (Status.FAILED, 1, {"loss": 0.5})
    assert b"ValueError: bad" in work.output(run)


def test_a_script_that_uses_the_api_is_not_scanned(work: Workplace) -> None:
    work.write(
        "train.py",
        """\
        import gtrack
        print("loss: 9")
        gtrack.log_metric("loss", 0.5, step=3)
        print("loss: 9")
        print("other: 9")
        gtrack.log_artifact("train.py")
        """,
    )
    done = work.gtrack("run", "train.py")
    assert done.returncode == 0, done.stderr
    run = work.run()
    assert run.metrics == {"loss": 0.5}
    assert work.series(run, "loss") == [(3, 0.5)]
    assert list(work.artifacts(run)) == ["train.py"]


def test_params_of_the_api(work: Workplace) -> None:
    work.write("train.py", "import gtrack\np = gtrack.params(lr=0.1, layers=[1, 2])\nprint(p.lr, p.layers)\n")
    done = work.gtrack("run", "train.py", "-p", "lr=1e-3")
    assert (done.returncode, done.stdout) == (0, "0.001 [1, 2]\n"), done.stderr
    assert work.run().params == {"lr": 0.001, "layers": [1, 2]}


def test_a_params_file_and_options(work: Workplace) -> None:
    work.write("train.py", "lr = 0.1\nn = 1\nprint(lr, n)\n")
    work.write("p.yaml", "lr: 0.5\nn: 7\n")
    assert work.gtrack("run", "train.py", "--params-file", "p.yaml", "-p", "n=9").stdout == "0.5 9\n"


def test_no_scan(work: Workplace) -> None:
    work.write("train.py", "print('loss: 0.5')\n")
    assert work.gtrack("run", "--no-scan", "train.py").returncode == 0
    assert work.run().metrics == {}


def test_metrics_file_artifacts_and_what_is_missing(work: Workplace) -> None:
    work.write(
        "sub/train.py",
        """\
        import json, os
        os.makedirs("out/deep")
        for name in ("out/a.txt", "out/deep/b.txt"):
            open(name, "w").write(name)
        json.dump({"acc": 0.75}, open("metrics.json", "w"))
        """,
    )
    args = [
        "--metrics-file",
        "metrics.json",
        "--metrics-file",
        "none.csv",
        "--artifacts",
        "out/**/*.txt",
        "--artifacts",
        "*.png",
    ]
    done = work.gtrack("run", "train.py", *args, cwd=work.root / "sub")
    assert done.returncode == 0
    run = work.run()
    assert run.metrics == {"acc": 0.75}
    assert work.artifacts(run) == {"out/a.txt": b"out/a.txt", "out/deep/b.txt": b"out/deep/b.txt"}
    expected = ["The metrics file none.csv was not written.", "No file matched --artifacts '*.png'."]
    assert work.warnings(run) == expected
    assert all(f"Note: {text}" in done.stderr for text in expected)


def test_quiet_says_only_what_went_wrong(work: Workplace) -> None:
    work.write("train.py", "print('loss: 0.5')\n")
    assert work.gtrack("run", "-q", "train.py").stderr == ""
    assert (
        work.gtrack("run", "-q", "train.py", "--artifacts", "x*").stderr
        == "  Note: No file matched --artifacts 'x*'.\n"
    )


def test_no_snapshot_and_require_clean(work: Workplace, git: Git) -> None:
    work.write("train.py", "x = 1\n")
    refused = work.gtrack("run", "--require-clean", "train.py")
    assert refused.returncode == 2
    assert "The working tree is not clean: train.py." in refused.stderr
    assert work.runs() == []
    assert work.gtrack("run", "--no-snapshot", "train.py").returncode == 0
    run = work.run()
    assert (run.code.commit, run.code.head, run.code.dirty) == (
        git("rev-parse", "HEAD"),
        git("rev-parse", "HEAD"),
        True,
    )
    git("add", "train.py")
    git("commit", "--quiet", "--message", "Add")
    assert work.gtrack("run", "--require-clean", "train.py").returncode == 0


def test_the_code_is_that_of_before_the_script_ran(work: Workplace, git: Git) -> None:
    source = "open('train.py', 'a').write('# more')\nopen('new.txt', 'w').write('new')"
    work.write("train.py", source)
    assert work.gtrack("run", "train.py").returncode == 0
    code = str(work.run().code.commit)
    assert git("show", f"{code}:train.py") == source
    assert git("ls-tree", "--name-only", code).splitlines() == ["README.md", "train.py"]


def test_seed_makes_runs_alike(work: Workplace) -> None:
    work.write("train.py", "import random\nprint(random.random(), hash('text'))\n")
    one, two, other = [work.gtrack("run", "--seed", seed, "train.py").stdout for seed in ("3", "3", "4")]
    assert one == two != other


def test_from_another_directory_and_with_a_variable(work: Workplace, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "train.py").write_text("import os\nprint(os.path.basename(os.getcwd()))\n")
    done = work.gtrack("-C", str(work.root), "run", "train.py", cwd=outside)
    assert (done.returncode, done.stdout) == (0, "outside\n"), done.stderr
    done = work.gtrack("run", "train.py", cwd=outside, env={"GTRACK_REPO": str(work.root)})
    assert (done.returncode, done.stdout) == (0, "outside\n"), done.stderr
    assert len(work.runs()) == 2


def test_a_path_with_spaces_and_letters_of_the_world(work: Workplace) -> None:
    work.write("mein Ordner/trainé.py", "größe = 5\nprint('größe:', größe)\n")
    done = work.gtrack("run", "mein Ordner/trainé.py", "-p", "größe=7", "--name", "läuft schön")
    assert done.returncode == 0, done.stderr
    run = work.run()
    assert (run.name, run.params, run.metrics) == ("läuft schön", {"größe": 7}, {"größe": 7})


def test_a_run_that_a_script_starts_has_a_parent(work: Workplace) -> None:
    work.write("inner.py", "print('x: 1')\n")
    work.write(
        "outer.py",
        "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'gtrack', 'run', '-q', 'inner.py'], check=True)\n",
    )
    done = work.gtrack("run", "outer.py", "--no-scan")
    assert done.returncode == 0, done.stderr
    outer, inner = work.runs()
    assert (outer.parent, inner.parent) == (None, outer.id)
    assert (outer.metrics, inner.metrics) == ({}, {"x": 1})
    assert inner.command == ("python", "inner.py")


def test_the_environment_is_recorded_without_secrets(work: Workplace) -> None:
    work.write("train.py", "x = 1\n")
    env = {"MY_API_KEY": "very-secret", "PATH": os.environ["PATH"]}
    assert work.gtrack("run", "train.py", env=env).returncode == 0
    run = work.run()
    with work.project() as project:
        environment = project.store.environment(run.id)
        everything = project.repo.run("cat-file", "--batch-all-objects", "--batch")
    assert "numpy" in json.dumps(environment["packages"])
    assert b"very-secret" not in everything


def test_the_script_environment_is_the_users_and_four_variables(work: Workplace) -> None:
    work.write("train.py", "import os, json\nprint(json.dumps(dict(os.environ)))\n")
    done = work.gtrack("run", "-q", "--no-scan", "train.py")
    assert done.returncode == 0
    seen = json.loads(done.stdout)
    added = {name for name in seen if name not in work.env}
    assert added - {"LC_CTYPE"} == {"GTRACK_RUN_DIR", "GTRACK_GIVEN", "GTRACK_REPO", "PYTHONUNBUFFERED"}
    assert {name: seen[name] for name in work.env} == work.env


def test_a_reader_that_goes_away_does_not_end_the_run(work: Workplace) -> None:
    work.write("train.py", "for n in range(20000): print('line', n)\n")
    with work.start("run", "train.py") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"line 0\n"
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode == 0
    run = work.run()
    assert work.output(run).count(b"\n") == 20000
    assert "output.log has all of it" in said


@pytest.mark.parametrize("closed", ["<&-", "2>&-"])
def test_without_a_standard_stream(work: Workplace, closed: str) -> None:
    work.write("train.py", "import os\nprint('loss: 0.5')\nos.write(2, b'err')\n")
    command = f"{' '.join(GTRACK)} run train.py {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=work.root, env=work.env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    run = work.run()
    assert (run.status, run.metrics) == (Status.FINISHED, {"loss": 0.5})
    assert sorted(work.output(run)) == sorted(b"loss: 0.5\nerr")
    assert done.stdout == b"loss: 0.5\n"


def test_the_exit_code_is_the_scripts_also_when_nobody_reads_the_summary(work: Workplace) -> None:
    work.write("train.py", "raise SystemExit(7)\n")
    command = f"{' '.join(GTRACK)} run train.py 2>&1 | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=work.root, env=work.env, capture_output=True, check=False)
    assert done.returncode == 7


def test_the_experiment_of_the_command_line_wins(work: Workplace) -> None:
    work.write(
        "train.py",
        """\
        import gtrack
        gtrack.set_experiment("of the script")
        with gtrack.start_run(experiment="of the run"):
            gtrack.log_metric("loss", 1)
        """,
    )
    assert work.gtrack("run", "train.py").returncode == 0
    assert work.gtrack("run", "-e", "mine", "train.py").returncode == 0
    assert [run.experiment for run in work.runs()] == ["of the run", "mine"]


def test_what_was_launched_is_recorded(work: Workplace) -> None:
    work.write("sub/train.py", "lr = 0.1\napi_key = ''\n")
    args = ("run", "train.py", "-p", "lr=0.5", "-p", "api_key=sesame", "--seed", "3", "--", "--fast")
    assert work.gtrack(*args, cwd=work.root / "sub").returncode == 0
    head = work.head(work.run())
    assert head["command"] == ["python", "train.py", "--fast"]
    assert head["launch"] == {"directory": "sub", "given": {"lr": 0.5, "api_key": "***"}, "seed": 3}
    assert work.gtrack("run", "--", "true").returncode == 0
    assert work.head(work.runs()[-1])["launch"] == {"directory": ".", "given": {}}


def test_the_seed_is_a_parameter_unless_the_script_has_one(work: Workplace) -> None:
    work.write("plain.py", "lr = 0.1\n")
    work.write("own.py", "seed = 1\n")
    work.write("late.py", "import gtrack\ngtrack.log_params({'seed': 5})\n")
    for args in (["plain.py"], ["own.py"], ["late.py"], ["--", "true"]):
        done = work.gtrack("run", "--seed", "7", *args)
        assert (done.returncode, "Note" in done.stderr) == (0, False)
    plain, own, late, command = work.runs()
    assert (plain.params, plain.tags) == ({"lr": 0.1, "seed": 7}, {})
    assert (own.params, own.tags) == ({"seed": 1}, {"seed": "7"})
    assert (late.params, late.tags) == ({"seed": 5}, {"seed": "7"})
    assert (command.params, command.tags) == ({"seed": 7}, {})


def test_a_line_per_epoch(work: Workplace) -> None:
    work.write("train.py", "for n in range(1, 4):\n    print(f'Epoch {n}/3 - loss: {1 / n} - acc: 0.{n}')\n")
    assert work.gtrack("run", "train.py").returncode == 0
    run = work.run()
    assert work.series(run, "acc") == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert run.metrics == {"loss": 1 / 3, "acc": 0.3}


def test_a_script_that_logs_anything_but_metrics_is_still_read_for_metrics(work: Workplace) -> None:
    logs = "gtrack.log_text('fine', 'report.txt')\ngtrack.set_tag('team', 'red')\n"
    work.write("train.py", f'import gtrack\np = gtrack.params(lr=0.1)\n{logs}print("loss:", p.lr)\n')
    assert work.gtrack("run", "train.py", "-p", "lr=0.5").returncode == 0
    run = work.run()
    assert (run.params, run.metrics, run.tags) == ({"lr": 0.5}, {"loss": 0.5}, {"team": "red"})
    assert work.artifacts(run) == {"report.txt": b"fine"}


def test_a_script_that_asks_for_parameters_and_logs_is_not_read_for_metrics(work: Workplace) -> None:
    work.write(
        "train.py", 'import gtrack\np = gtrack.params(lr=0.1)\ngtrack.log_metric("f1", 1)\nprint("loss:", p.lr)\n'
    )
    assert work.gtrack("run", "train.py").returncode == 0
    assert work.run().metrics == {"f1": 1}

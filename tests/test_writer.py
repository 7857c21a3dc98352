"""ActiveRun: what it writes while it runs, and what happens to it when the machine does not play along."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from gtrack.errors import CommitFailed, GTrackError, InvalidName, RunIsActive, RunNotFound
from gtrack.project import Project
from gtrack.records import Input, Run, Status
from gtrack.store.live import JOINED
from gtrack.writer import ActiveRun
from tests.conftest import Git, Once, run_git, sample_nothing


@pytest.fixture
def project(repo: Path, once: Once) -> Iterator[Project]:
    once(sample_nothing)
    opened = Project.open(repo)
    yield opened
    opened.repo.objects.close()


def rows(run: ActiveRun) -> list[dict[str, float]]:
    text = (run.directory / "history.yaml").read_text()
    return [json.loads(line[2:]) for line in text.splitlines()]


def test_every_call_is_on_disk_when_it_returns(project: Project) -> None:
    run = ActiveRun.start(project, name="r", tags={"a": 1})
    for step in range(3):
        run.log_metrics({"loss": 1.0}, step)
        assert len(rows(run)) == step + 1
    run.log_params({"lr": 1e-5})
    assert (run.directory / "params.yaml").read_bytes() == b"lr: 1.0e-05\n"
    run.log_metrics({"final": 2})
    run.log_metrics({"final": 3})
    assert (run.directory / "metrics.yaml").read_bytes() == b"final: 2\nfinal: 3\n"
    run.log_metrics({"final": 4}, 3)
    assert (run.directory / "metrics.yaml").read_bytes() == b"final: 2\nfinal: 3\nfinal: null\n"
    assert run.record().metrics == {"loss": 1.0, "final": 4}
    assert run.end().metrics == {"loss": 1.0, "final": 4}
    assert not run.directory.exists()


def test_the_tidied_files_have_one_line_a_key(project: Project, git: Git) -> None:
    run = ActiveRun.start(project, name="r")
    for value in range(5):
        run.log_metrics({"a": value, "b": value})
    run.log_params({"opt": {"lr": 1}})
    run.log_params({"opt": {"m": 2}})
    run.end()
    place = f"gtrack/runs:experiments/default/{run.id[:2]}/{run.id}"
    assert git("show", f"{place}/metrics.yaml") == "a: 4\nb: 4"
    assert git("show", f"{place}/params.yaml") == "opt:\n  lr: 1\n  m: 2"


class Clock:
    """The wall clock as the process sees it; it steps when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real, self.ahead = time.time, 0.0
        monkeypatch.setattr(time, "time", self)

    def __call__(self) -> float:
        return self._real() + self.ahead


@pytest.mark.parametrize("step", [-3600.0, 86400.0])
def test_times_and_durations_survive_a_clock_that_steps(
    project: Project, git: Git, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    clock = Clock(monkeypatch)
    begin = time.monotonic()
    run = ActiveRun.start(project, name="r")
    for n in range(6):
        if n == 3:
            clock.ahead = step
        time.sleep(0.01)
        run.log_metrics({"loss": 1.0}, n)
    times = [row["time"] for row in rows(run)]
    assert times == sorted(times)
    assert 0.04 <= times[-1] - times[0] <= time.monotonic() - begin
    done = run.end()
    assert done.started is not None
    assert done.duration is not None
    assert 0.06 <= done.duration <= time.monotonic() - begin + 0.001
    assert done.started.timestamp() <= times[0]


def test_a_run_never_ends_before_it_started(project: Project) -> None:
    run = ActiveRun.start(project)
    run._clock_offset -= 3600
    done = run.end()
    assert done.duration is not None
    assert 0 < done.duration < 0.01


def test_the_time_that_a_snapshot_takes_is_not_lost(project: Project) -> None:
    (project.repo.root or Path()).joinpath("dirty.txt").write_text("x" * 1000)
    before = time.time()
    run = ActiveRun.start(project)  # dirty: a snapshot is taken after `started` is known
    run.log_metrics({"a": 1.0}, 0)
    after = time.time()
    assert before - 0.05 <= rows(run)[0]["time"] <= after + 0.05
    started = run.record().started
    assert started is not None
    assert before - 0.05 <= started.timestamp() <= rows(run)[0]["time"]
    run.end()


def test_joining(project: Project) -> None:
    owner = ActiveRun.start(project, name="r")
    owner.log_params({"lr": 1})
    other = ActiveRun.join(owner.directory)
    assert (other.joined, owner.joined, other.id, other.name) == (True, False, owner.id, "r")
    assert other.live.has(JOINED)
    other.log_metrics({"mine": 1.0}, 0)
    owner.log_metrics({"yours": 2.0}, 1)
    left = other.end("failed")
    assert (left.status, other.ended, owner.ended) == (Status.FAILED, True, False)
    done = owner.end()
    assert (done.metrics, done.status) == ({"mine": 1.0, "yours": 2.0}, Status.FAILED)
    with pytest.raises(GTrackError, match="was ended by the process that owns it"):
        other.record()
    with pytest.raises(GTrackError, match="There is no live run at"):
        ActiveRun.join(owner.directory)


def test_inputs_of_several_writers(project: Project) -> None:
    owner = ActiveRun.start(project)
    other = ActiveRun.join(owner.directory)
    owner.log_input(Input("a", "sha256:1", "file"))
    other.log_input(Input("b", "sha256:2", "file"))
    owner.log_input(Input("a", "sha256:3", "file"))
    with pytest.raises(InvalidName):
        owner.log_input(Input("", "x", "file"))
    assert [(one.name, one.digest) for one in owner.end().inputs] == [("a", "sha256:3"), ("b", "sha256:2")]


def test_damaged_inputs_do_not_stop_the_next(project: Project) -> None:
    run = ActiveRun.start(project)
    (run.directory / "inputs.yaml").write_bytes(b"a: [")
    run.log_input(Input("b", "sha256:2", "file"))
    assert [one.name for one in run.end().inputs] == ["b"]


def test_amending_params(project: Project) -> None:
    run = ActiveRun.start(project)
    run.log_params({"lr": 0.1, "opt": {"m": 1, "n": 1}})
    run.amend_params({"lr": 0.5, "opt": {"m": 2}})
    assert run.end().params == {"lr": 0.5, "opt": {"m": 2, "n": 1}}


def test_many_threads_log_into_one_run(project: Project) -> None:
    run = ActiveRun.start(project)
    run.define_metric("t0", "max")

    def work(name: str) -> None:
        for step in range(500):
            run.log_metrics({name: float(step)}, step)
        run.log_params({name: 1, "same": 2})
        run.set_tags({name: name})

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rows(run)) == 2000
    done = run.end()
    assert done.metrics == {f"t{n}": 499.0 for n in range(4)}
    assert done.params == {**{f"t{n}": 1 for n in range(4)}, "same": 2}
    assert set(done.tags) == {f"t{n}" for n in range(4)}


def test_a_thread_that_still_logs_when_the_run_ends_gets_one_clear_error(project: Project) -> None:
    run = ActiveRun.start(project)
    errors: list[BaseException] = []
    logging = threading.Event()

    def work() -> None:
        step = 0
        try:
            while True:
                run.log_metrics({"a": 1.0}, step)
                step += 1
                logging.set()
        except GTrackError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert logging.wait(30)
    run.end()
    thread.join(30)
    assert not thread.is_alive()
    assert "has ended" in str(errors[0])
    assert project.store.history(run.id).damaged == ()
    assert not run.directory.exists()


def test_two_threads_end_a_run_once(project: Project, git: Git) -> None:
    run = ActiveRun.start(project)
    ends: list[Run] = []
    threads = [threading.Thread(target=lambda: ends.append(run.end())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [end.id for end in ends] == [run.id] * 4
    assert len(git("log", "--format=%H", "--grep", f"Run: {run.id}", "gtrack/runs").splitlines()) == 2


def test_resuming(project: Project) -> None:
    run = ActiveRun.start(project, name="r")
    run.log_metrics({"a": 1.0}, 0)
    with pytest.raises(RunIsActive, match="being written"):
        ActiveRun.resume(project, run.id)
    first = run.end("failed", exit_code=3)
    again = ActiveRun.resume(project, run.id)
    assert (again.record().status, again.record().exit_code, again.record().ended) == (Status.RUNNING, None, None)
    again.log_metrics({"a": 2.0}, 1)
    done = again.end()
    assert (done.started, done.status, done.exit_code, done.metrics) == (
        first.started,
        Status.FINISHED,
        None,
        {"a": 2.0},
    )
    assert done.ended is not None
    assert first.ended is not None
    assert done.ended > first.ended
    with pytest.raises(RunNotFound):
        ActiveRun.resume(project, "0" * 32)


def test_resuming_an_old_run_measures_time_from_now(project: Project, git: Git) -> None:
    run = ActiveRun.start(project)
    run.end()
    long_ago = datetime(2020, 1, 1, tzinfo=timezone.utc)

    def age(head: dict[str, object]) -> None:
        head.update(started=long_ago, ended=long_ago + timedelta(seconds=5))

    project.store.edit(run.id, age, "aged")
    again = ActiveRun.resume(project, run.id)
    again.log_metrics({"a": 1.0}, 0)
    assert rows(again)[0]["time"] == pytest.approx(time.time(), abs=5)
    assert again.end().started == long_ago


def limited(text: str, repo: Path) -> subprocess.CompletedProcess[str]:
    """Run a script whose files may have 20,000 bytes, as on a disk that is full then."""
    before = """
        import resource, signal, sys
        from gtrack.project import Project
        from gtrack.writer import ActiveRun
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        project = Project.open()
        run = ActiveRun.start(project, name="full")
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
        """
    body = textwrap.dedent(before) + textwrap.dedent(text)
    return subprocess.run(
        [sys.executable, "-c", body], cwd=repo, capture_output=True, text=True, check=False, timeout=120
    )


def test_a_disk_that_is_full_for_a_while(project: Project, repo: Path) -> None:
    done = limited(
        """
        from gtrack.errors import CommitFailed
        lost = []
        for step in range(1000):
            try:
                run.log_metrics({"loss": 0.5}, step)
            except CommitFailed as error:
                assert "Run full" in str(error) and "cannot be written" in str(error) and str(run.directory) in str(error)
                lost.append(step)
        assert lost, "the limit did nothing"
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        run.log_metrics({"loss": 0.25}, 1000)
        run.end()
        print(len(lost))
        """,
        repo,
    )
    assert done.returncode == 0, done.stderr
    run = project.resolve("full")
    history = project.history(run.id)
    assert run.metrics == {"loss": 0.25}
    assert len(history) == 1001 - int(done.stdout)
    assert history.steps[-1] == 1000
    assert len(history.damaged) <= 1  # the row that was half written, on a line of its own


def test_a_commit_that_fails_keeps_the_run(project: Project, repo: Path) -> None:
    run = ActiveRun.start(project, name="kept")
    run.log_metrics({"loss": 0.5}, 0)
    (repo / ".git" / "objects").rename(repo / ".git" / "away")
    try:
        with pytest.raises(CommitFailed, match="gtrack recover"):
            run.end()
    finally:
        (repo / ".git" / "away").rename(repo / ".git" / "objects")
    assert run.ended
    assert (run.directory / "history.yaml").exists()
    fresh = Project.open(repo)
    (found,) = fresh.recover()
    assert (found.run.id, found.error, found.run.status) == (run.id, None, Status.FINISHED)
    assert fresh.store.run(run.id).metrics == {"loss": 0.5}


def test_a_bare_repository_says_so(project: Project, repo: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    run_git("clone", "--quiet", "--bare", str(repo), str(bare), cwd=tmp_path)
    with pytest.raises(GTrackError, match="bare repository"):
        ActiveRun.start(Project.open(bare))


def test_secrets_in_the_command_are_not_kept(project: Project) -> None:
    command = ["python", "train.py", "--token", "hunter2", "--lr", "0.1", "a\udcffb"]
    run = ActiveRun.start(project, command=command)
    done = run.end()
    assert "hunter2" not in " ".join(done.command)
    assert done.command[-3:] == ("--lr", "0.1", "a?b")


def test_what_a_run_says_of_itself(project: Project) -> None:
    run = ActiveRun.start(project, experiment="churn", notes="n", parent="0" * 32)
    run.notice("One sentence.")
    run.rename("other")
    run.move("elsewhere")
    assert repr(run) == f"<ActiveRun other {run.id[:8]} of elsewhere>"
    for bad in ("", "a\nb"):
        with pytest.raises(InvalidName):
            run.rename(bad)
        with pytest.raises(InvalidName):
            run.move(bad)
    done = run.end()
    assert (done.name, done.experiment, done.notes, done.parent) == ("other", "elsewhere", "n", "0" * 32)
    assert done.warnings == ("One sentence.",)
    assert replace(done, schema=2).schema == 2


def test_samples_are_kept(repo: Path, git: Git) -> None:
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text("system: {interval_seconds: 0.1}\n")
    run = ActiveRun.start(Project.open(repo))
    system = run.directory / "system.yaml"
    deadline = time.monotonic() + 60
    while not (system.exists() and system.read_bytes().endswith(b"\n")) and time.monotonic() < deadline:
        time.sleep(0.02)
    run.end()
    text = git("show", f"gtrack/runs:experiments/default/{run.id[:2]}/{run.id}/system.yaml")
    first = json.loads(text.splitlines()[0][2:])
    assert first["memory_rss_bytes"] > 0
    assert first["step"] >= 0


WriteVerb = Callable[[ActiveRun], object]


@pytest.mark.parametrize(
    "verb",
    [
        lambda run: run.log_metrics({"a": 1.0}, 0),
        lambda run: run.log_metrics({"a": 1.0}),
        lambda run: run.log_params({"a": 1}),
        lambda run: run.set_tags({"a": 1}),
        lambda run: run.set_notes("a"),
        lambda run: run.define_metric("a"),
        lambda run: run.log_input(Input("a", "", "file")),
        lambda run: run.append_output(b"a"),
    ],
    ids=["row", "metric", "param", "tag", "notes", "define", "input", "output"],
)
def test_a_run_whose_directory_was_removed(project: Project, verb: WriteVerb) -> None:
    owner = ActiveRun.start(project, name="r")
    other = ActiveRun.join(owner.directory)
    owner.end()
    with pytest.raises(GTrackError, match="was ended by the process that owns it, or removed"):
        verb(other)
    assert not owner.directory.exists()

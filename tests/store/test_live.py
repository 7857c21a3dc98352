"""Live directories: what is in them counts as soon as it is written, and never less than it did before."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gtrack.errors import ArtifactError, CommitFailed, FormatError, GTrackError, InvalidValue, RunIsActive
from gtrack.formats.history import RowEncoder
from gtrack.project import Project
from gtrack.records import MetricDefinition, Run, Status, Summary
from gtrack.store.artifacts import add_bytes
from gtrack.store.live import JOINED, LiveDir, LiveStore, line
from tests.conftest import Git, examples

ID = "0123456789abcdef" * 2
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
RUN = Run(ID, "one", "default", Status.RUNNING, started=STARTED)


@pytest.fixture
def store(tmp_path: Path) -> LiveStore:
    return LiveStore([tmp_path])


@pytest.fixture
def live(store: LiveStore) -> LiveDir:
    return store.create(RUN)


def rows(*values: dict[str, float]) -> bytes:
    return b"".join(RowEncoder().encode(step, 1.0, one) for step, one in enumerate(values))


def test_begins_as_a_run(live: LiveDir, store: LiveStore) -> None:
    found = live.run()
    assert (found.id, found.name, found.status, found.live, found.problems) == (ID, "one", "running", True, ())
    assert [one.id for one in store.directories()] == [ID]
    assert store.runs() == [found]


def test_nothing_of_it_shows_in_git_status(repo: Path, git: Git) -> None:
    Project.open(repo).live.create(RUN)
    assert git("status", "--porcelain", "--untracked-files=all") == ""
    assert (repo / ".gtrack" / ".gitignore").read_text().endswith("/live/\n/.gitignore\n")


def test_ignore_file_of_the_project_is_left_alone(repo: Path) -> None:
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / ".gitignore").write_text("mine\n")
    Project.open(repo).live.create(RUN)
    assert (repo / ".gtrack" / ".gitignore").read_text() == "mine\n"


def test_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / ".gtrack").write_text("a file")
    with pytest.raises(
        CommitFailed, match=rf"No run can be written to {tmp_path}/\.gtrack/live: (File exists|Not a directory)"
    ):
        LiveStore([tmp_path]).create(RUN)
    with pytest.raises(CommitFailed, match="has no working tree"):
        LiveStore([]).create(RUN)


def test_a_run_begins_whole_or_not_at_all(store: LiveStore, tmp_path: Path) -> None:
    """A run.yaml that cannot be written leaves neither a directory nor a lock."""
    broken = Run(ID, "one", "default", Status.RUNNING, started=STARTED, tags={"x": "\ud800"})
    with pytest.raises(InvalidValue):
        store.create(broken)
    assert list((tmp_path / ".gtrack" / "live").iterdir()) == []


# Who is alive


def test_owner_and_others(live: LiveDir, store: LiveStore) -> None:
    other = LiveDir(live.path)
    assert live.is_alive()
    assert other.is_alive()
    assert not other.claim()
    with pytest.raises(RunIsActive, match="is being written by another process"):
        store.create(RUN)
    live.release()
    assert not other.is_alive()
    assert other.claim()
    other.release()
    with pytest.raises(RunIsActive, match="'gtrack recover' finishes it first"):
        store.create(RUN)
    assert live.run().name == "one"


def test_lock_of_another_process(live: LiveDir) -> None:
    live.release()
    code = (
        "import sys; from pathlib import Path; from gtrack.store.live import LiveDir\n"
        "live = LiveDir(Path(sys.argv[1])); print(live.claim(), flush=True); sys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(live.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        assert live.is_alive()
        assert not live.claim()
        process.kill()
    assert not live.is_alive()
    assert live.claim()


def test_removed(live: LiveDir, store: LiveStore) -> None:
    live.mark(JOINED)
    live.remove()
    assert store.directories() == []
    assert store.find(ID) is None
    assert list(live.path.parent.iterdir()) == []
    assert store.create(RUN).run().name == "one"


def test_what_is_no_live_directory(live: LiveDir, store: LiveStore, tmp_path: Path) -> None:
    place = live.path.parent
    (place / "notes").mkdir()
    (place / ("f" * 32)).touch()
    (place / ("e" * 32)).symlink_to(tmp_path)
    assert [one.id for one in store.directories()] == [ID]


def test_directories_of_all_working_trees(tmp_path: Path) -> None:
    roots = [tmp_path / "a", tmp_path / "b", tmp_path / "gone"]
    for root in roots[:2]:
        root.mkdir()
    first = LiveStore([roots[0]]).create(RUN)
    other = "f" * 32
    LiveStore([roots[1]]).create(Run(other, "two", "default", Status.RUNNING))
    everything = LiveStore(roots)
    assert [one.id for one in everything.directories()] == [ID, other]
    found = everything.find(other)
    assert found is not None
    assert found.path.is_relative_to(roots[1])
    assert [run.name for run in everything.runs()] == ["one", "two"]
    first.remove()


# Writing


def test_written_whole_and_appended(live: LiveDir) -> None:
    live.write("a.yaml", b"one")
    live.write("a.yaml", b"two")
    live.append("b.log", b"one\n")
    live.append("b.log", b"two\n")
    assert (live.read("a.yaml"), live.read("b.log"), live.read("missing")) == (b"two", b"one\ntwo\n", None)
    assert sorted(path.name for path in live.path.iterdir()) == [".open", "a.yaml", "b.log", "run.yaml"]


def test_run_that_is_gone_says_so(live: LiveDir) -> None:
    live.remove()
    for call in (
        lambda: live.append("params.yaml", b"a: 1\n"),
        lambda: live.write("inputs.yaml", b""),
        lambda: live.edit(lambda head: head.update(notes="x")),
    ):
        with pytest.raises(GTrackError, match=r"Run 01234567 was ended by the process that owns it, or removed"):
            call()
    with pytest.raises(ArtifactError, match="its run was ended or removed"):
        add_bytes(live.artifacts, b"x", "deep/er/file")
    assert not live.path.exists()


def test_full_disk_leaves_no_half_a_line(live: LiveDir) -> None:
    """A row that the file size limit cuts is taken back, so that nobody reads it as another value."""
    code = (
        "import resource, sys; from pathlib import Path; from gtrack.store.live import LiveDir, line\n"
        "from gtrack.errors import CommitFailed\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (25, resource.RLIM_INFINITY)); live = LiveDir(Path(sys.argv[1]))\n"
        "live.append('params.yaml', line('epochs', 100))\n"
        "try: live.append('params.yaml', line('batches', 1000000))\n"
        "except CommitFailed as error: print(error)\n"
        "live.append('params.yaml', line('k', 1))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(live.path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(
        "Run 01234567 cannot be written: No space left on device. What it logged so far is in"
    )
    assert live.read("params.yaml") == b"epochs: 100\nk: 1\n"
    assert live.run().problems == ()


def test_edits_of_two_processes_undo_nothing(live: LiveDir) -> None:
    code = (
        "import sys; from pathlib import Path; from gtrack.store.live import LiveDir\n"
        "live = LiveDir(Path(sys.argv[1]))\n"
        "for n in range(60):\n"
        "    live.edit(lambda head: head['tags'].update({f'{sys.argv[2]}{n}': 'x'}))\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(live.path), mark]) for mark in "ab"]
    assert [process.wait() for process in processes] == [0, 0]
    run = live.run()
    assert set(run.tags) == {f"{mark}{number}" for mark in "ab" for number in range(60)}
    assert run.problems == ()


def test_edit_keeps_what_it_does_not_know(live: LiveDir) -> None:
    live.append("run.yaml", b"future: {a: [1, 2]}\n")
    head = live.edit(lambda head: head.update(notes="new"))
    assert head["future"] == {"a": [1, 2]}
    again = live.edit(lambda _: None)
    assert (again["future"], again["notes"]) == ({"a": [1, 2]}, "new")
    assert live.run().started == STARTED


@pytest.mark.parametrize("content", [b"", b" \n", b"a: [", b"- 1\n"])
def test_edit_of_a_damaged_head_is_refused(live: LiveDir, content: bytes) -> None:
    (live.path / "run.yaml").write_bytes(content)
    with pytest.raises(FormatError):
        live.edit(lambda head: head.update(notes="new"))
    assert live.read("run.yaml") == content


# Summaries


def test_last_value_of_each_metric(live: LiveDir) -> None:
    live.append("history.yaml", rows({"loss": 3.0, "f1": 0.1}, {"loss": 1.0}, {"loss": 2.0}))
    live.append("metrics.yaml", line("acc", 0.5))
    live.append("metrics.yaml", line("acc", 0.75))
    assert live.run().metrics == {"loss": 2.0, "f1": 0.1, "acc": 0.75}


def test_least_and_greatest(store: LiveStore) -> None:
    kinds = {"loss": MetricDefinition(Summary.MIN), "f1": MetricDefinition(Summary.MAX)}
    live = store.create(Run(ID, "one", "default", Status.RUNNING, started=STARTED, metric_definitions=kinds))
    nan = float("nan")
    values = [(nan, nan), (2.0, 0.2), (nan, nan), (3.0, 0.1)]
    live.append("history.yaml", rows(*({"loss": loss, "f1": f1} for loss, f1 in values)))
    assert live.run().metrics == {"loss": 2.0, "f1": 0.2}
    assert live.finish(Status.FINISHED, None, None, None).metrics == {"loss": 2.0, "f1": 0.2}


@settings(examples(10), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=50), st.sampled_from(list(Summary)))
def test_fold_is_last_min_or_max(tmp_path_factory: pytest.TempPathFactory, values: list[float], kind: Summary) -> None:
    store = LiveStore([tmp_path_factory.mktemp("live")])
    run = Run(ID, "one", "default", Status.RUNNING, metric_definitions={"x": MetricDefinition(kind)})
    live = store.create(run)
    live.append("history.yaml", rows(*({"x": value} for value in values)))
    wanted = {Summary.LAST: values[-1], Summary.MIN: min(values), Summary.MAX: max(values)}[kind]
    assert live.run().metrics == {"x": wanted}
    live.remove()


def test_long_history_is_folded_in_pieces(live: LiveDir) -> None:
    """Rows that lie across the border of two pieces are not lost."""
    row = {f"metric number {number}": float(number) for number in range(40)}
    data = rows(*({**row, "x": float(step)} for step in range(2000)))
    assert len(data) > 2 << 20
    (live.path / "history.yaml").write_bytes(data)
    assert live.run().metrics == {**row, "x": 1999.0}


# The end


def test_finish_tidies(live: LiveDir) -> None:
    live.append("params.yaml", line("lr", 0.1) + line("lr", 0.2) + line("layers", [1, 2]))
    live.append("metrics.yaml", line("f1", 0.1) + line("f1", 0.5))
    run = live.finish(Status.FINISHED, STARTED + timedelta(seconds=5), 0, None)
    assert (run.status, run.duration, run.exit_code) == ("finished", 5.0, 0)
    assert live.read("params.yaml") == b"lr: 0.2\nlayers: [1, 2]\n"
    assert live.read("metrics.yaml") == b"f1: 0.5\n"
    assert run.warnings == ()


def test_failure_that_the_script_reported_stays(live: LiveDir) -> None:
    live.edit(lambda head: head.update(status="failed"))
    assert live.finish(Status.FINISHED, None, 0, None).status == "failed"
    assert live.finish(Status.KILLED, None, None, None).status == "killed"


def test_end_is_the_last_sign_of_life(live: LiveDir) -> None:
    live.append("history.yaml", rows({"x": 1.0}))
    for path in live.path.iterdir():
        os.utime(path, (STARTED.timestamp(), STARTED.timestamp()))
    os.utime(live.path / "history.yaml", (STARTED.timestamp() + 90, STARTED.timestamp() + 90))
    assert live.finish(Status.KILLED, None, None, {}).duration == 90.0


def test_end_is_never_before_the_start(live: LiveDir) -> None:
    ended = live.finish(Status.FINISHED, STARTED - timedelta(hours=1), None, None).ended
    assert ended is not None
    assert ended > STARTED


def test_what_is_committed(live: LiveDir, tmp_path: Path) -> None:
    live.mark(JOINED)
    (live.path / ".hidden").mkdir()
    (live.path / ".hidden" / "x").touch()
    (live.artifacts / ".cache").mkdir(parents=True)
    (live.artifacts / ".cache" / "kept").touch()
    (live.artifacts / "link").symlink_to(tmp_path)
    os.mkfifo(live.artifacts / "pipe")
    assert [inside for inside, _ in live.files()] == ["run.yaml", "artifacts/.cache/kept"]

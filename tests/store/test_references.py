"""What a person may call a run, in git and live."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from gtrack.errors import AmbiguousRun, InvalidName, RunNotFound, UsageError
from gtrack.project import Project
from gtrack.records import Run, Status
from gtrack.store.live import LiveDir
from gtrack.writer import ActiveRun
from tests.store.conftest import Make


def commit(project: Project, run_id: str, name: str, second: int, metrics: str = "") -> None:
    """Commit a run whose id and start are chosen."""
    started = datetime(2026, 1, 1, 0, 0, second, tzinfo=timezone.utc)
    run = Run(run_id, name, "default", Status.FINISHED, started=started, ended=started)
    live = project.live.create(run)
    if metrics:
        live.write("metrics.yaml", metrics.encode())
    project.store.commit(live, run)
    live.remove()


def a(rest: str) -> str:
    return f"{rest:0<32}"


@pytest.fixture
def three(project: Project) -> Project:
    commit(project, a("abcd1"), "twin", 1, "loss: 0.5\nf1: 0.7\nodd: .nan\n")
    commit(project, a("abcd2"), "twin", 3, "loss: 0.1\nf1: 0.2\n")
    commit(project, a("ffff"), "deadbeef", 2, "loss: 0.3\nf1: 0.9\nodd: 3\n")
    return project


@pytest.mark.parametrize(
    ("ref", "found"),
    [
        (a("abcd1"), "abcd1"),
        ("abcd1", "abcd1"),
        ("abcd2000", "abcd2"),
        ("ffff", "ffff"),
        ("deadbeef", "ffff"),  # a name that could be a prefix
        ("last", "abcd2"),
        ("last~0", "abcd2"),
        ("last~1", "ffff"),
        ("last~2", "abcd1"),
        ("best:f1", "ffff"),
        ("best:loss", "abcd2"),  # everybody wants a small loss
        ("best:loss:max", "abcd1"),
        ("best:loss:min", "abcd2"),
        ("best:f1:min", "abcd2"),
        ("best:odd", "ffff"),  # nan is no best value
        ("twin", "abcd2"),
    ],
)
def test_what_is_found(three: Project, ref: str, found: str) -> None:
    assert three.resolve(ref).id == a(found)


def test_the_last_run_is_not_one_that_is_nested_in_another(project: Project) -> None:
    outer = ActiveRun.start(project, name="search")
    for number in range(3):
        ActiveRun.start(project, name=f"candidate-{number}", parent=outer.id).end()
    outer.end()
    assert project.resolve("last").name == "search"
    with pytest.raises(RunNotFound, match=r"It has 1 run that is not nested\."):
        project.resolve("last~1")


def test_a_name_of_several_runs_is_said_aloud(three: Project) -> None:
    three.resolve("twin")
    assert three.references.said == "2 runs are called twin; this is the newest, abcd2000."
    three.resolve("deadbeef")
    assert three.references.said == ""


def test_ambiguous_prefix_lists_the_candidates(three: Project) -> None:
    with pytest.raises(AmbiguousRun) as caught:
        three.resolve("abcd")
    assert str(caught.value).splitlines() == [
        "'abcd' could be 2 runs; give more digits:",
        f"  {a('abcd1')}  twin",
        f"  {a('abcd2')}  twin",
    ]


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        (a("0"), "No run '0000"),
        ("0123", "No run '0123' in this repository."),
        ("twim", "Did you mean 'twin'?"),
        ("last~3", "It has 3 runs."),
        ("best:los", "No run has the metric 'los'. Did you mean 'loss'?"),
        ("model@1.0", "There is no model of that name and version or stage."),
        ("model#prod", "There is no model of that name and version or stage."),
        ("last~-1", "No run 'last~-1'"),
        ("a\nb", "No run 'a\\nb'"),
        ("HEAD", "No run 'HEAD'"),
        ("ABCD1", "No run 'ABCD1'"),
        ("*", "No run '*'"),
        ("../..", "No run '../..'"),
    ],
)
def test_what_is_not_found(three: Project, ref: str, said: str) -> None:
    with pytest.raises(RunNotFound) as caught:
        three.resolve(ref)
    assert said in str(caught.value)


@pytest.mark.parametrize("ref", ["", "-n", "--help"])
def test_what_is_no_reference(three: Project, ref: str) -> None:
    with pytest.raises(UsageError, match="is no run reference"):
        three.resolve(ref)


def test_no_runs_at_all(project: Project) -> None:
    with pytest.raises(RunNotFound, match="It has 0 runs"):
        project.resolve("last")
    with pytest.raises(RunNotFound):
        project.resolve("best:f1")
    with pytest.raises(RunNotFound):
        project.resolve("abcd")


def test_live_runs_count_too(three: Project) -> None:
    active = ActiveRun.start(three, name="running")
    active.log_metrics({"f1": 0.95})
    for ref in ("last", "running", active.id, active.id[:12], "best:f1"):
        found = three.resolve(ref)
        assert (found.id, found.live, found.status) == (active.id, True, "running")
    assert three.resolve("last~1").id == a("abcd2")
    active.end()
    found = three.resolve("last")
    assert (found.id, found.live) == (active.id, False)


def test_resumed_run_is_one_run(three: Project) -> None:
    """It is in git and live at once: the live one counts, everywhere."""
    active = ActiveRun.resume(three, a("ffff"))
    assert three.resolve("ffff").live
    assert three.resolve("deadbeef").live
    assert three.resolve("last~2").id == a("abcd1")
    with pytest.raises(RunNotFound, match="It has 3 runs"):
        three.resolve("last~3")
    active.end()


def test_live_directory_that_is_gone_when_it_is_read(three: Project) -> None:
    """A name of it was found, then its run was committed: the committed run is the answer."""

    class Late(type(three.live)):  # type: ignore[misc]
        def find(self, run_id: str) -> LiveDir | None:
            return LiveDir(Path("nowhere") / run_id)

    three.references._live = Late([])
    assert three.resolve(a("ffff")).name == "deadbeef"


def test_names_that_cannot_be_given(project: Project, make: Make) -> None:
    for name in ("", " x", "a\nb", "x" * 300, "-x", "last", "last~3", "best:f1"):
        with pytest.raises(InvalidName):
            make(name)
    for name in ("a/b", "..", "🎉 party", "last one", "x" * 250):
        run = make(name)
        assert project.store.run(run.id).name == name
    assert project.resolve("🎉 party").name == "🎉 party"
    assert project.resolve("..").name == ".."

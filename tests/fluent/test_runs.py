"""Runs: how they start, end, nest, are gone on with and are found again."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import gtrack
from gtrack.errors import (
    ConfigError,
    InvalidName,
    InvalidValue,
    NoActiveRun,
    NotARepository,
    RunIsActive,
    RunNotFound,
)
from gtrack.fluent.active import process
from tests.conftest import IDENTITY, Git, run_git

Stored = Callable[[str, str], Any]


def test_a_run_in_a_with_block(quiet: Path, git: Git, stored: Stored, no_live_runs: Callable[[], bool]) -> None:
    with gtrack.start_run("first", experiment="churn", tags={"n": 1}, notes="why\nnot") as run:
        assert re.fullmatch("[0-9a-f]{32}", run.id)
        assert (run.name, run.experiment, run.ended) == ("first", "churn", False)
        assert gtrack.active_run() is run
        assert gtrack.get_run(run.id).status is gtrack.Status.RUNNING
        assert repr(run) == f"<ActiveRun first {run.id[:8]} of churn>"
    assert gtrack.active_run() is None
    assert repr(run) == f"<ActiveRun first {run.id[:8]} of churn (ended)>"
    head = stored(run.id, "run.yaml")
    assert (head["id"], head["name"], head["experiment"], head["status"]) == (run.id, "first", "churn", "finished")
    assert (head["tags"], head["notes"], head["parent"], head["user"]) == ({"n": "1"}, "why\nnot", None, IDENTITY)
    assert head["code"]["commit"] == head["code"]["head"] == git("rev-parse", "HEAD")
    assert no_live_runs()
    assert git("status", "--porcelain") == ""


def test_start_and_end_as_plain_calls(quiet: Path, stored: Stored) -> None:
    run = gtrack.start_run()
    gtrack.log_param("a", 1)
    done = gtrack.end_run()
    assert isinstance(done, gtrack.Run)
    assert (done.id, done.status, done.params) == (run.id, gtrack.Status.FINISHED, {"a": 1})
    assert gtrack.end_run() is None
    assert re.fullmatch(r"[a-z]+-[a-z]+-\d+", run.name)
    assert stored(run.id, "run.yaml")["experiment"] == "default"


@pytest.mark.parametrize(
    ("status", "written"),
    [
        ("finished", "finished"),
        ("FINISHED", "finished"),
        ("FAILED", "failed"),
        ("Killed", "killed"),
        (gtrack.Status.FAILED, "failed"),
    ],
    ids=str,
)
def test_how_a_run_ends(quiet: Path, stored: Stored, status: Any, written: str) -> None:
    run = gtrack.start_run()
    gtrack.end_run(status)
    assert stored(run.id, "run.yaml")["status"] == written


@pytest.mark.parametrize("status", ["running", "RUNNING", "done", "", None, 0, gtrack.Status.RUNNING], ids=repr)
def test_no_end(quiet: Path, status: Any) -> None:
    run = gtrack.start_run()
    with pytest.raises(InvalidValue, match="ends as"):
        gtrack.end_run(status)
    assert gtrack.active_run() is run
    gtrack.log_param("still", "running")
    assert gtrack.end_run() is not None


def test_a_block_that_raises(quiet: Path, stored: Stored) -> None:
    def block() -> None:
        with gtrack.start_run("raises"):
            gtrack.log_param("a", 1)
            print(1 / 0)

    with pytest.raises(ZeroDivisionError):
        block()
    run = gtrack.get_run("raises")
    assert stored(run.id, "run.yaml")["status"] == "failed"
    assert "ZeroDivisionError: division by zero" in stored(run.id, "output.log")
    assert "print(1 / 0)" in stored(run.id, "output.log")
    assert stored(run.id, "params.yaml") == {"a": 1}


@pytest.mark.parametrize(
    ("error", "status", "output"),
    [
        (KeyboardInterrupt(), "killed", "KeyboardInterrupt"),
        (SystemExit(0), "finished", None),
        (SystemExit(None), "finished", None),
        (SystemExit(3), "failed", None),
        (SystemExit("no data"), "failed", "no data"),
        (ValueError("\ud800"), "failed", "ValueError"),
    ],
    ids=lambda value: (
        type(value).__name__ + str(getattr(value, "code", ""))[:2] if isinstance(value, BaseException) else str(value)
    ),
)
def test_what_ends_a_block(quiet: Path, stored: Stored, error: BaseException, status: str, output: str | None) -> None:
    with pytest.raises(type(error)), gtrack.start_run() as run:
        raise error
    assert stored(run.id, "run.yaml")["status"] == status
    log = stored(run.id, "output.log")
    assert log is None if output is None else output in log


def test_a_run_that_the_block_itself_ended_stays_as_it_is(quiet: Path, stored: Stored) -> None:
    with contextlib.suppress(ValueError), gtrack.start_run() as run:
        gtrack.end_run("killed")
        raise ValueError("late")
    assert stored(run.id, "run.yaml")["status"] == "killed"


def test_logging_into_a_run_that_has_ended(quiet: Path) -> None:
    with gtrack.start_run("over") as run:
        pass
    calls: list[Callable[[], object]] = [
        lambda: run.log_params({"a": 1}),
        lambda: run.log_metrics({"a": 1.0}),
        lambda: run.log_metrics({"a": 1.0}, 1),
        lambda: run.set_tags({"a": 1}),
        lambda: run.set_notes("x"),
        lambda: run.define_metric("a"),
        lambda: run.log_bytes(b"", "x"),
        lambda: run.log_artifact(Path("README.md"), "x"),
    ]
    for call in calls:
        with pytest.raises(gtrack.GTrackError, match=r"run over .* has ended.*start_run\(run_id="):
            call()
    assert run.end().status is gtrack.Status.FINISHED
    assert run.record().name == "over"


def test_a_second_run_needs_to_be_nested(quiet: Path) -> None:
    with gtrack.start_run("outer"):
        with pytest.raises(RunIsActive, match=r"Run outer .* is active here.*nested=True"):
            gtrack.start_run()
        assert gtrack.active_run().name == "outer"  # type: ignore[union-attr]


def test_nested_runs_name_their_parents(quiet: Path, stored: Stored) -> None:
    with gtrack.start_run("a", experiment="churn") as a, gtrack.start_run("b", nested=True) as b:
        with gtrack.start_run("c", nested=True, experiment="other") as c:
            gtrack.log_param("who", "c")
        assert gtrack.active_run() is b
        gtrack.log_param("who", "b")
    heads = [stored(run.id, "run.yaml") for run in (a, b, c)]
    assert [head["parent"] for head in heads] == [None, a.id, b.id]
    assert [head["experiment"] for head in heads] == ["churn", "churn", "other"]
    assert stored(c.id, "params.yaml") == {"who": "c"}
    assert stored(b.id, "params.yaml") == {"who": "b"}
    assert stored(a.id, "params.yaml") is None


def test_children_that_were_left_open_end_with_their_parent(quiet: Path, git: Git, stored: Stored) -> None:
    with contextlib.suppress(ValueError), gtrack.start_run("parent") as parent:
        child = gtrack.start_run("child", nested=True)
        grandchild = gtrack.start_run("grandchild", nested=True)
        raise ValueError("x")
    assert [stored(run.id, "run.yaml")["status"] for run in (parent, child, grandchild)] == ["failed"] * 3
    order = git("log", "--first-parent", "--reverse", "--format=%s", "gtrack/runs").splitlines()[-3:]
    assert [line.split()[1] for line in order] == ["grandchild", "child", "parent"]
    assert gtrack.active_run() is None


def test_a_parent_that_ends_before_its_child_by_hand(quiet: Path, stored: Stored) -> None:
    parent = gtrack.start_run("parent")
    child = gtrack.start_run("child", nested=True)
    child.end()
    assert gtrack.active_run() is parent
    parent.end("failed")
    assert stored(child.id, "run.yaml")["status"] == "finished"
    assert stored(parent.id, "run.yaml")["status"] == "failed"


def test_nested_without_a_parent_is_a_run_of_its_own(quiet: Path, stored: Stored) -> None:
    with gtrack.start_run(nested=True) as run:
        pass
    assert stored(run.id, "run.yaml")["parent"] is None


def test_a_parent_by_id(quiet: Path, stored: Stored) -> None:
    with gtrack.start_run("done") as done:
        pass
    with gtrack.start_run(parent_run_id=done.id[:8]) as child:
        pass
    assert stored(child.id, "run.yaml")["parent"] == done.id
    with pytest.raises(RunNotFound):
        gtrack.start_run(parent_run_id="nobody-here-1")
    assert gtrack.active_run() is None


def test_a_verb_opens_a_run_and_the_first_start_goes_on_with_it(quiet: Path, stored: Stored) -> None:
    gtrack.log_param("early", 1)
    opened = gtrack.active_run()
    assert opened is not None
    gtrack.set_experiment("churn", purpose="why")
    with gtrack.start_run("named", tags={"t": "x"}, notes="n") as run:
        assert run is opened
        gtrack.log_metric("m", 1)
    head = stored(run.id, "run.yaml")
    assert (head["name"], head["experiment"], head["tags"], head["notes"]) == ("named", "churn", {"t": "x"}, "n")
    assert stored(run.id, "params.yaml") == {"early": 1}
    assert stored(run.id, "metrics.yaml") == {"m": 1}
    assert gtrack.active_run() is None
    with gtrack.start_run() as second:
        assert second.id != run.id


def test_a_child_of_the_run_that_a_verb_opened(quiet: Path, stored: Stored) -> None:
    gtrack.log_param("early", 1)
    parent = gtrack.active_run()
    assert parent is not None
    with gtrack.start_run(nested=True) as child:
        pass
    assert stored(child.id, "run.yaml")["parent"] == parent.id
    assert gtrack.active_run() is parent
    gtrack.end_run()
    assert stored(parent.id, "run.yaml")["status"] == "finished"


def test_set_experiment(quiet: Path, git: Git, stored: Stored) -> None:
    said = gtrack.set_experiment("team/churn", purpose="Who leaves?", tags={"n": 1})
    assert said == gtrack.Experiment("team/churn", purpose="Who leaves?", tags={"n": "1"})
    with gtrack.start_run() as run:
        gtrack.set_experiment("later")
        assert run.experiment == "team/churn"
    with gtrack.start_run() as later:
        pass
    with gtrack.start_run(experiment="other") as other:
        pass
    assert [stored(one.id, "run.yaml")["experiment"] for one in (run, later, other)] == ["team/churn", "later", "other"]
    about = git("show", "gtrack/runs:experiments/team%2Fchurn/experiment.yaml")
    assert 'purpose: "Who leaves?"' in about
    assert yaml.safe_load(about)["tags"] == {"n": "1"}


@pytest.mark.parametrize("name", ["", " x", "a\nb", "x" * 300, None, 5, "/" * 90], ids=lambda name: repr(name)[:9])
def test_names_of_experiments_that_cannot_be(quiet: Path, name: Any) -> None:
    with pytest.raises(InvalidName):
        gtrack.set_experiment(name)
    if name:
        with pytest.raises(InvalidName):
            gtrack.start_run(experiment=name)
    assert gtrack.active_run() is None


def test_what_is_said_of_an_experiment_must_be_text(quiet: Path) -> None:
    with pytest.raises(InvalidValue, match="purpose"):
        gtrack.set_experiment("x", purpose=5)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="mapping"):
        gtrack.set_experiment("x", tags=["a"])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a/b", "..", "naïve 😀", "x" * 250, "last one", "'\""], ids=lambda name: name[:9])
def test_names_of_runs(quiet: Path, stored: Stored, name: str) -> None:
    with gtrack.start_run(name) as run:
        pass
    assert stored(run.id, "run.yaml")["name"] == name
    assert gtrack.get_run(run.id).name == name


@pytest.mark.parametrize(
    "name", ["", "a\nb", "x" * 300, "a\x00", "\x1b[31m", 5, "last", "last~2", "best:f1", "-x"], ids=repr
)
def test_names_of_runs_that_cannot_be(quiet: Path, no_live_runs: Callable[[], bool], name: Any) -> None:
    with pytest.raises(InvalidName):
        gtrack.start_run(name)
    assert no_live_runs()
    assert gtrack.active_run() is None


def test_bad_tags_and_notes_start_nothing(quiet: Path, no_live_runs: Callable[[], bool]) -> None:
    for bad in ({"tags": {"a\n": 1}}, {"tags": ["a"]}, {"notes": 5}, {"tags": {5: 1}}):
        with pytest.raises((InvalidName, InvalidValue)):
            gtrack.start_run(**bad)
    assert no_live_runs()


def test_find_runs_again(quiet: Path) -> None:
    with gtrack.start_run("one") as one:
        gtrack.log_metric("f1", 0.9)
    with gtrack.start_run("two") as two:
        gtrack.log_metric("f1", 0.8)
    assert gtrack.get_run("one").id == one.id
    assert gtrack.get_run(two.id[:12]).id == two.id
    assert gtrack.get_run("last").id == two.id
    assert gtrack.get_run("last~1").id == one.id
    assert gtrack.get_run("best:f1").id == one.id
    assert gtrack.get_run("best:f1:min").id == two.id
    assert repr(gtrack.get_run("one")) == f"<Run one {one.id[:8]} of default, finished>"
    with pytest.raises(RunNotFound, match="Did you mean 'one'"):
        gtrack.get_run("on")
    for wrong in (None, 5, one):
        with pytest.raises(InvalidValue, match="is text"):
            gtrack.get_run(wrong)  # type: ignore[arg-type]


def test_last_active_run(quiet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gtrack.last_active_run() is None
    with gtrack.start_run("outer"):
        with gtrack.start_run("inner", nested=True):
            running = gtrack.last_active_run()
            assert running is not None
            assert (running.name, running.status) == ("inner", gtrack.Status.RUNNING)
        gtrack.log_param("a", 1)
    monkeypatch.chdir(tmp_path)  # no repository
    ended = gtrack.last_active_run()
    assert ended is not None
    assert (ended.name, ended.status) == ("inner", gtrack.Status.FINISHED)


def test_go_on_with_a_run(quiet: Path, git: Git, stored: Stored) -> None:
    with contextlib.suppress(ValueError), gtrack.start_run("first", experiment="churn", tags={"a": 1}) as run:
        gtrack.log_params({"lr": 0.1, "opt": {"m": 1}})
        gtrack.log_metrics({"loss": 0.5, "acc": 0.1}, step=0)
        gtrack.log_text("one", "a.txt")
        gtrack.log_text("old", "b.txt")
        raise ValueError("x")
    before = stored(run.id, "run.yaml")
    first_commits = git("rev-list", "--all", "--grep", f"Run: {run.id}").splitlines()
    (quiet / "new.py").write_text("x = 1\n")
    git("add", "new.py")
    git("commit", "--quiet", "-m", "More")
    process.projects.clear()  # as another process would: this one goes on with the code that it imported
    with gtrack.start_run(run_id=run.id[:10], tags={"b": 2}, notes="again") as again:
        assert (again.id, again.name, again.experiment) == (run.id, "first", "churn")
        with pytest.raises(gtrack.GTrackError, match="cannot become"):
            gtrack.log_param("lr", 0.2)
        gtrack.log_params({"lr": 0.1, "opt": {"n": 2}})
        gtrack.log_metrics({"loss": 0.25}, step=1)
        gtrack.log_text("new", "b.txt")
        gtrack.log_text("three", "c.txt")
    head = stored(run.id, "run.yaml")
    assert (head["status"], head["tags"], head["notes"]) == ("finished", {"a": "1", "b": "2"}, "again")
    assert (head["started"], head["resumed"][0]["previous_status"]) == (before["started"], "failed")
    assert head["ended"] > before["ended"]
    assert stored(run.id, "params.yaml") == {"lr": 0.1, "opt": {"m": 1, "n": 2}}
    assert stored(run.id, "metrics.yaml") == {"loss": 0.25, "acc": 0.1}
    assert [row["step"] for row in stored(run.id, "history.yaml")] == [0, 1]
    assert [gtrack.get_artifact(run.id, f"{name}.txt") for name in "abc"] == [b"one", b"new", b"three"]
    assert "ValueError: x" in stored(run.id, "output.log")
    new = set(git("rev-list", "--all", "--grep", f"Run: {run.id}").splitlines()) - set(first_commits)
    parents = {git("rev-parse", f"{commit}^") for commit in new}
    assert git("rev-parse", "HEAD") in parents  # a new run commit on the code that went on with it
    assert head["code"]["commit"] == git("rev-parse", "HEAD")


def test_go_on_twice(quiet: Path, stored: Stored) -> None:
    with gtrack.start_run() as run:
        gtrack.log_metric("loss", 1.0, step=0)
    for step in (1, 2):
        with gtrack.start_run(run_id=run.id):
            gtrack.log_metric("loss", 1.0 / (step + 1), step=step)
    assert [row["step"] for row in stored(run.id, "history.yaml")] == [0, 1, 2]
    assert len(stored(run.id, "run.yaml")["resumed"]) == 2
    assert stored(run.id, "metrics.yaml") == {"loss": 1 / 3}


def test_a_definition_made_when_a_run_goes_on(quiet: Path, stored: Stored) -> None:
    with gtrack.start_run() as run:
        gtrack.define_metric("loss", "max")
        for step, loss in enumerate((0.5, 0.1, 0.3)):
            gtrack.log_metric("loss", loss, step=step)
    assert stored(run.id, "metrics.yaml") == {"loss": 0.5}
    with gtrack.start_run(run_id=run.id):
        gtrack.define_metric("loss", "min")
    assert stored(run.id, "metrics.yaml") == {"loss": 0.1}
    with gtrack.start_run(run_id=run.id):
        gtrack.define_metric("loss", "last")
    assert stored(run.id, "metrics.yaml") == {"loss": 0.3}


def test_a_run_that_is_still_open_cannot_be_gone_on_with(quiet: Path) -> None:
    run = gtrack.start_run("here")
    with pytest.raises(RunIsActive, match=r"here .* is open in this process"):
        gtrack.start_run(run_id="here", nested=True)
    with pytest.raises(RunIsActive, match="is active here"):
        gtrack.start_run(run_id=run.id)
    assert gtrack.active_run() is run
    gtrack.end_run()
    with pytest.raises(RunNotFound):
        gtrack.start_run(run_id="0" * 32)
    assert gtrack.active_run() is None


def test_threads_have_stacks_of_their_own(quiet: Path, stored: Stored) -> None:
    ids: dict[str, str] = {}
    barrier = threading.Barrier(4)

    def work(name: str) -> None:
        with gtrack.start_run(name) as run:
            barrier.wait(30)
            ids[name] = run.id
            for step in range(50):
                gtrack.log_metric("of", float(name), step=step)
            gtrack.log_param("name", name)
            barrier.wait(30)

    threads = [threading.Thread(target=work, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 4
    for name, run_id in ids.items():
        rows = stored(run_id, "history.yaml")
        assert [(row["step"], row["of"]) for row in rows] == [(step, float(name)) for step in range(50)]
        assert stored(run_id, "params.yaml") == {"name": name}
        assert stored(run_id, "run.yaml")["parent"] is None


def in_thread(work: Callable[[], object]) -> BaseException | None:
    caught: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return caught[0] if caught else None


def test_a_thread_without_a_run_of_its_own_does_not_guess(quiet: Path, stored: Stored) -> None:
    with gtrack.start_run("mine") as run:
        error = in_thread(lambda: gtrack.log_metric("a", 1))
        assert isinstance(error, NoActiveRun)
        assert "log_metric: no run is active in this thread" in str(error)
        assert "(mine)" in str(error)
        assert in_thread(lambda: run.log_metrics({"a": 5.0}, 1)) is None
    assert stored(run.id, "metrics.yaml") == {"a": 5.0}


def test_a_thread_names_its_parent(quiet: Path, stored: Stored) -> None:
    children: list[str] = []
    with gtrack.start_run("parent") as parent:

        def work() -> None:
            with gtrack.start_run(parent_run_id=parent.id) as child:
                children.append(child.id)
                gtrack.log_metric("a", 1.0)

        assert in_thread(work) is None
        assert gtrack.active_run() is parent
    assert stored(children[0], "run.yaml")["parent"] == parent.id


def test_the_run_that_a_verb_opened_is_everybodys(quiet: Path, stored: Stored) -> None:
    gtrack.log_param("a", 1)
    run = gtrack.active_run()
    assert run is not None
    assert in_thread(lambda: gtrack.log_param("b", 2)) is None
    others: list[str] = []

    def own() -> None:
        with gtrack.start_run("own") as other:
            others.append(other.id)

    assert in_thread(own) is None
    assert others
    assert others[0] != run.id
    gtrack.end_run()
    assert stored(run.id, "params.yaml") == {"a": 1, "b": 2}


def test_a_run_that_another_thread_ended_is_not_active_any_more(quiet: Path) -> None:
    run = gtrack.start_run("one")
    assert in_thread(run.end) is None
    assert gtrack.active_run() is None
    with gtrack.start_run("two") as two:
        gtrack.log_metrics({"a": 1.0}, 0)
        assert gtrack.active_run() is two


def test_asyncio_tasks_have_stacks_of_their_own(quiet: Path, stored: Stored) -> None:
    import asyncio

    async def work(name: str) -> str:
        with gtrack.start_run(name) as run:
            for step in range(5):
                await asyncio.sleep(0)
                gtrack.log_metric("of", float(name), step=step)
            return run.id

    async def main() -> list[str]:
        return await asyncio.gather(*(work(str(n)) for n in range(4)))

    for name, run_id in enumerate(asyncio.run(main())):
        assert [row["of"] for row in stored(run_id, "history.yaml")] == [float(name)] * 5
        assert stored(run_id, "run.yaml")["name"] == str(name)


def test_asyncio_tasks_inherit_the_run_that_they_were_started_in(quiet: Path, stored: Stored) -> None:
    import asyncio

    async def child(n: int) -> str:
        gtrack.log_param(f"from{n}", n)
        with gtrack.start_run(nested=True) as run:
            await asyncio.sleep(0)
            gtrack.log_param("n", n)
            return run.id

    async def main() -> tuple[str, list[str]]:
        with gtrack.start_run() as parent:
            return parent.id, await asyncio.gather(*(child(n) for n in range(3)))

    parent, children = asyncio.run(main())
    assert stored(parent, "params.yaml") == {"from0": 0, "from1": 1, "from2": 2}
    assert [stored(one, "params.yaml") for one in children] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert {stored(one, "run.yaml")["parent"] for one in children} == {parent}


VERBS: list[Callable[[], object]] = [
    gtrack.start_run,
    lambda: gtrack.log_param("a", 1),
    lambda: gtrack.log_params({"a": 1}),
    lambda: gtrack.log_metric("a", 1),
    lambda: gtrack.log_metrics({"a": 1}),
    lambda: gtrack.define_metric("a"),
    lambda: gtrack.log_text("a", "a.txt"),
    lambda: gtrack.log_dict({}, "a.yaml"),
    lambda: gtrack.log_table({"a": [1]}, "a.csv"),
    lambda: gtrack.log_input([[1]]),
    lambda: gtrack.set_tag("a", 1),
    lambda: gtrack.set_tags({}),
    lambda: gtrack.set_notes("a"),
    lambda: gtrack.params(a=1),
    lambda: gtrack.get_run("last"),
    lambda: gtrack.get_artifact("last", "a"),
    lambda: gtrack.start_run(run_id="last"),
]


def test_no_repository_says_what_to_do(tmp_path: Path) -> None:
    for verb in VERBS:
        with pytest.raises(
            NotARepository, match=r"is not inside a git repository. Run 'gtrack init' \(or gtrack.init\(\)\)"
        ):
            verb()
    assert list(tmp_path.iterdir()) == []
    assert gtrack.active_run() is None
    assert gtrack.last_active_run() is None


def test_init_makes_a_project_and_verbs_work_then(tmp_path: Path) -> None:
    new = tmp_path / "a project"
    assert gtrack.init(new) == new
    assert (new / ".gtrack" / "config.yaml").is_file()
    assert gtrack.init() == tmp_path
    with gtrack.start_run() as run:
        gtrack.log_param("a", 1)
    assert gtrack.get_run(run.id).params == {"a": 1}
    assert gtrack.get_run(run.id).code.head is None
    config = tmp_path / ".gtrack" / "config.yaml"
    config.write_text("experiment: mine\n")
    gtrack.init(tmp_path)
    assert config.read_text() == "experiment: mine\n"
    with gtrack.start_run() as run:
        assert run.experiment == "mine"


def test_a_broken_config_is_named(repo: Path) -> None:
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text("brunch: x\n")
    with pytest.raises(ConfigError, match="Did you mean 'branch'"):
        gtrack.start_run()


def test_sub_directories_and_gtrack_repo(quiet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = quiet / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    with gtrack.start_run() as run:
        gtrack.log_artifact(quiet / "README.md")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GTRACK_REPO", str(quiet))
    assert gtrack.get_run("last").id == run.id
    with gtrack.start_run() as second:
        pass
    assert gtrack.get_run("last").id == second.id


def test_the_directory_may_change_while_a_run_is_active(
    quiet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    run_git("init", "--quiet", cwd=other)
    with gtrack.start_run("here") as run:
        monkeypatch.chdir(other)
        gtrack.log_metric("a", 1.0, step=0)
        gtrack.log_text("x", "x.txt")
    monkeypatch.chdir(quiet)
    assert gtrack.get_run(run.id).metrics == {"a": 1.0}
    assert gtrack.get_artifact("here", "x.txt") == b"x"

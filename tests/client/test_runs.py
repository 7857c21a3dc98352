"""The client's runs: made, logged into while they run, after their end and from elsewhere, searched, removed."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gtrack
from gtrack.client import GtrackClient
from gtrack.client.entities import Metric, Param, RunStatus, RunTag, ViewType
from gtrack.errors import InvalidName, InvalidValue, ParamConflict, QueryError, RunIsActive, RunNotFound, UsageError
from gtrack.fluent.lingering import linger
from tests.conftest import Git

Stored = Callable[[str, str], Any]


@pytest.fixture
def client(quiet: Path) -> GtrackClient:
    return GtrackClient()


def test_a_run_from_its_beginning_to_its_end(
    client: GtrackClient, stored: Stored, no_live_runs: Callable[[], bool]
) -> None:
    run = client.create_run("churn", tags={"team": "fraud"}, run_name="first")
    run_id = run.info.run_id
    assert (run.info.status, run.info.run_name, run.info.experiment_id, run.info.end_time) == (
        "RUNNING",
        "first",
        "churn",
        None,
    )
    assert client.log_param(run_id, "n", 5) == 5
    client.log_metric(run_id, "loss", 0.5, step=0)
    client.log_metric(run_id, "loss", 0.25, step=1, timestamp=1_700_000_000_500)
    client.log_metric(run_id, "f1", 0.9)
    client.set_tag(run_id, "more", 1)
    assert client.get_run(run_id).data.metrics == {"loss": 0.25, "f1": 0.9}
    assert gtrack.active_run() is None
    client.set_terminated(run_id)
    assert no_live_runs()
    done = client.get_run(run_id)
    assert (done.info.status, done.data.params, done.tags) == ("FINISHED", {"n": 5}, {"team": "fraud", "more": "1"})
    assert stored(run_id, "run.yaml")["name"] == "first"
    assert [(one.value, one.step) for one in client.get_metric_history(run_id, "loss")] == [(0.5, 0), (0.25, 1)]
    assert client.get_metric_history(run_id, "loss")[1].timestamp == 1_700_000_000_500
    assert [(one.value, one.step) for one in client.get_metric_history(run_id, "f1")] == [(0.9, 0)]
    assert client.get_metric_history(run_id, "nothing") == []


def test_what_mlflow_keeps_in_tags(client: GtrackClient) -> None:
    parent = client.create_run("0", run_name="parent")
    child = client.create_run(
        "0",
        tags={"mlflow.parentRunId": parent.id, "mlflow.runName": "child", "mlflow.note.content": "why", "own": 1},
    )
    assert (child.parent, child.name, child.notes, child.tags) == (parent.id, "child", "why", {"own": "1"})
    assert child.experiment == parent.experiment == "default"
    found = client.get_parent_run(child.id)
    assert found is not None
    assert found.id == parent.id
    assert client.get_parent_run(parent.id) is None
    assert child.data.tags["mlflow.parentRunId"] == parent.id
    assert child.data.tags["mlflow.runName"] == "child"
    client.set_tag(child.id, "mlflow.runName", "renamed")
    client.set_terminated(child.id)
    assert client.get_run(child.id).name == "renamed"
    client.set_tag(child.id, "mlflow.runName", "again")
    client.set_tag(child.id, "mlflow.note.content", "because")
    after = client.get_run(child.id)
    assert (after.name, after.notes, after.tags) == ("again", "because", {"own": "1"})
    ids = [run.id for run in client.search_runs(["default"], f"tags.mlflow.parentRunId = '{parent.id}'")]
    assert ids == [child.id]


def test_times_that_are_said(client: GtrackClient, stored: Stored) -> None:
    run = client.create_run("0", start_time=1_700_000_000_000)
    assert run.info.start_time == 1_700_000_000_000
    client.set_terminated(run.id, "FAILED", end_time=1_700_000_060_000)
    done = client.get_run(run.id)
    assert (done.info.end_time, done.info.status, done.duration) == (1_700_000_060_000, "FAILED", 60.0)
    client.set_terminated(run.id, "KILLED", end_time=1_700_000_090_000)
    assert (client.get_run(run.id).duration, stored(run.id, "run.yaml")["status"]) == (90.0, "killed")
    with pytest.raises(InvalidValue, match="milliseconds"):
        client.create_run("0", start_time="today")  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="milliseconds"):
        client.set_terminated(run.id, end_time=10**30)


def test_logging_into_a_run_that_has_ended(client: GtrackClient, git: Git, stored: Stored) -> None:
    with gtrack.start_run("over") as run:
        gtrack.log_param("a", 1)
        gtrack.log_metric("loss", 2.0, step=0)
        gtrack.log_text("early", "early.txt")
    before = client.get_run(run.id)
    client.log_metric(run.id, "loss", 1.0, step=1)
    client.log_metric(run.id, "test_f1", 0.9)
    client.log_param(run.id, "b", 2)
    client.log_text(run.id, "late", "late.txt")
    after = client.get_run(run.id)
    assert (after.status, after.ended, after.started, after.code) == (
        before.status,
        before.ended,
        before.started,
        before.code,
    )
    assert (after.params, after.metrics) == ({"a": 1, "b": 2}, {"loss": 1.0, "test_f1": 0.9})
    assert sorted(one.path for one in client.list_artifacts(run.id)) == ["early.txt", "late.txt"]
    with pytest.raises(ParamConflict):
        client.log_param(run.id, "a", 7)
    assert client.get_run(run.id).status is gtrack.Status.FINISHED
    assert stored(run.id, "history.yaml")[1]["loss"] == 1.0
    assert git("status", "--porcelain") == ""


def test_a_tag_of_a_run_that_has_ended_is_one_edit(client: GtrackClient, git: Git) -> None:
    with gtrack.start_run(tags={"old": "1"}) as run:
        pass
    before = int(git("rev-list", "--count", "--first-parent", "gtrack/runs"))
    client.set_tag(run.id, "new", "x")
    client.delete_tag(run.id, "old")
    assert client.get_run(run.id).tags == {"new": "x"}
    assert int(git("rev-list", "--count", "--first-parent", "gtrack/runs")) == before + 2
    with pytest.raises(UsageError, match="has no tag 'old'"):
        client.delete_tag(run.id, "old")


def test_a_batch(client: GtrackClient) -> None:
    run = client.create_run("0")
    client.log_batch(
        run.id,
        metrics=[
            Metric("loss", 1.0, 1_700_000_000_000, 0),
            Metric("acc", 0.5, 1_700_000_000_000, 0),
            Metric("loss", 0.5, 1_700_000_001_000, 1),
            Metric("final", 3),
        ],
        params=[Param("a", 1), Param("b", "x")],
        tags=[RunTag("t", 1)],
    )
    now = client.get_run(run.id)
    assert (now.params, now.metrics, now.tags) == (
        {"a": 1, "b": "x"},
        {"loss": 0.5, "acc": 0.5, "final": 3},
        {"t": "1"},
    )
    history = client.project.history(run.id)
    assert (list(history.steps), history.columns["acc"]) == ([0, 1], [0.5, None])


def test_a_batch_with_a_bad_metric_writes_nothing(client: GtrackClient) -> None:
    run = client.create_run("0")
    with pytest.raises(InvalidValue, match="no number"):
        client.log_batch(run.id, [Metric("a", 1), Metric("b", "high")], [Param("p", 1)])  # type: ignore[arg-type]
    with pytest.raises(InvalidName):
        client.log_batch(run.id, [Metric("", 1)], [Param("p", 1)])
    now = client.get_run(run.id)
    assert (now.params, now.metrics) == ({}, {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"tags": [RunTag("bad\nname", "x")]},
        {"tags": [RunTag("mlflow.runName", "")]},
        {"metrics": [Metric("m", 1.0, 1, float("inf"))]},
    ],
)
def test_a_batch_with_a_bad_tag_or_step_writes_nothing(client: GtrackClient, wrong: dict[str, Any]) -> None:
    with gtrack.start_run() as ended:
        pass
    for run_id in (client.create_run("0").id, ended.id):
        before = client.get_run(run_id)
        with pytest.raises((InvalidName, InvalidValue)):
            client.log_batch(run_id, **{"metrics": [Metric("m", 1.0, 1, 0)], "params": [Param("p", 1)], **wrong})
        now = client.get_run(run_id)
        assert (now.params, now.metrics, now.tags, now.name) == ({}, {}, {}, before.name)


def test_a_run_that_lingers_is_over_for_a_client(client: GtrackClient) -> None:
    runs = []
    for _ in range(3):
        run = gtrack.start_run()
        gtrack.log_text("flavors: {}\n", "model/MLmodel")
        linger(run)
        runs.append(run.id)
        if len(runs) == 1:
            assert client.create_model_version("m", f"runs:/{run.id}/model").status == "READY"
            assert client.transition_model_version_stage("m", 1, "Production").current_stage == "Production"
        elif len(runs) == 2:
            client.set_terminated(run.id, "FAILED")
            assert client.get_run(run.id).status == "failed"
        else:
            client.delete_run(run.id)
    assert sorted(client.project.store.ids()) == sorted(runs[:2])


def test_a_client_stays_where_it_was_made(
    client: GtrackClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = client.create_run("0")
    monkeypatch.chdir(tmp_path)
    assert client.get_run(run.id).id == run.id


def test_a_clients_run_is_not_guessed_and_can_be_made_the_active_one(client: GtrackClient) -> None:
    run = client.create_run("0", run_name="of the client")
    gtrack.log_param("whose", "the script's")
    assert client.get_run(run.id).params == {}
    gtrack.end_run()
    with gtrack.start_run(run_id=run.id) as active:
        assert active.info.run_id == run.id
        gtrack.log_param("a", 1)
    done = client.get_run(run.id)
    assert (done.params, done.status) == ({"a": 1}, gtrack.Status.FINISHED)


def test_the_active_run_by_its_id(client: GtrackClient) -> None:
    with gtrack.start_run() as run:
        client.log_metric(run.info.run_id, "f1", 0.5)
        client.log_dict(run.info.run_id, {"a": 1}, "d.json")
        assert run.data.metrics == {"f1": 0.5}
    assert gtrack.get_artifact(run.id, "d.json") == b'{\n  "a": 1\n}\n'


def test_renaming_and_ending_by_an_update(client: GtrackClient) -> None:
    run = client.create_run("0", run_name="before")
    client.update_run(run.id, name="now")
    client.update_run(run.id, status="RUNNING")
    assert (client.get_run(run.id).name, client.get_run(run.id).live) == ("now", True)
    client.update_run(run.id, status="FAILED", name="later")
    done = client.get_run(run.id)
    assert (done.name, done.info.status) == ("later", RunStatus.FAILED)
    client.update_run(run.id, name="in the end")
    assert client.get_run(run.id).name == "in the end"
    with pytest.raises(InvalidValue, match="ends as"):
        client.update_run(run.id, status="RUNNING")
    with pytest.raises(InvalidName):
        client.update_run(run.id, name="last")


def test_pages(client: GtrackClient) -> None:
    for n in range(5):
        with gtrack.start_run(experiment="e"):
            gtrack.log_metric("n", n)
    seen, token, pages = [], None, 0
    while True:
        found = client.search_runs(["e"], "metrics.n >= 0", order_by=["metrics.n ASC"], max_results=2, page_token=token)
        seen += [run.data.metrics["n"] for run in found]
        token, pages = found.token, pages + 1
        if token is None:
            break
    assert (seen, pages) == ([0, 1, 2, 3, 4], 3)
    assert client.search_runs(["e"], max_results=5).token is None
    assert len(client.search_runs(None, max_results=None)) == 5
    assert client.search_runs([]) == []
    assert client.search_runs("e", run_view_type=ViewType.ALL, max_results=1)[0].metrics == {"n": 4}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"page_token": "x"}, InvalidValue),
        ({"page_token": "-1"}, InvalidValue),
        ({"max_results": 0}, InvalidValue),
        ({"max_results": -1}, InvalidValue),
        ({"run_view_type": ViewType.DELETED_ONLY}, InvalidValue),
        ({"filter_string": "metrics.f1 >"}, QueryError),
        ({"order_by": ["metrics.f1 UP"]}, QueryError),
    ],
    ids=str,
)
def test_searches_that_are_none(client: GtrackClient, arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        client.search_runs(["e"], **arguments)


def test_removed_and_brought_back(client: GtrackClient, git: Git) -> None:
    with gtrack.start_run("gone", experiment="e") as run:
        gtrack.log_metric("f1", 1)
        gtrack.log_text("kept", "a.txt")
    with gtrack.start_run("stays", experiment="e"):
        pass
    client.delete_run(run.id)
    assert [one.name for one in client.search_runs(["e"])] == ["stays"]
    with pytest.raises(RunNotFound):
        client.get_run(run.id)
    assert git("log", "-1", "--format=%s", "gtrack/runs") == "e: gone removed"
    client.restore_run(run.id)
    assert client.get_run(run.id).metrics == {"f1": 1}
    assert gtrack.get_artifact(run.id, "a.txt") == b"kept"
    with pytest.raises(UsageError, match="is there"):
        client.restore_run(run.id)
    with pytest.raises(RunNotFound, match="whole id"):
        client.restore_run("gone")
    with pytest.raises(RunNotFound):
        client.restore_run("0" * 32)


def test_a_run_that_has_not_ended_is_not_removed(client: GtrackClient) -> None:
    run = client.create_run("0")
    with pytest.raises(RunIsActive, match="has not ended"):
        client.delete_run(run.id)
    assert client.get_run(run.id).live


_OTHER = """
import sys, gtrack
run = gtrack.start_run("other")
print(run.id, flush=True)
sys.stdin.readline()
gtrack.log_param("own", 1)
"""


def test_a_run_of_another_process(client: GtrackClient, quiet: Path) -> None:
    env_path = str(Path(gtrack.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {env_path!r}){_OTHER}"],
        cwd=quiet,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        run_id = other.stdout.readline().strip()
        client.log_metric(run_id, "from_here", 0.5)
        client.log_metric(run_id, "loss", 0.5, step=3)
        client.set_tag(run_id, "t", "x")
        with pytest.raises(RunIsActive, match="another process"):
            client.set_terminated(run_id)
        other.stdin.write("\n")
        other.stdin.close()
        assert other.wait(timeout=60) == 0
    done = client.get_run(run_id)
    assert (done.metrics, done.params, done.tags) == ({"from_here": 0.5, "loss": 0.5}, {"own": 1}, {"t": "x"})
    assert done.status is gtrack.Status.FINISHED
    client.log_metric(run_id, "after", 1)
    assert client.get_run(run_id).metrics["after"] == 1


def test_threads_that_log_into_one_run_that_has_ended(client: GtrackClient) -> None:
    with gtrack.start_run() as run:
        pass
    errors: list[BaseException] = []

    def work(n: int) -> None:
        try:
            client.log_metric(run.id, f"m{n}", n)
        except BaseException as error:  # noqa: BLE001 - told by the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert client.get_run(run.id).metrics == {f"m{n}": n for n in range(4)}


def test_a_client_of_another_repository(client: GtrackClient, tmp_path: Path) -> None:
    other = tmp_path / "other"
    gtrack.init(other)
    there = GtrackClient(tracking_uri=str(other))
    run = there.create_run("e")
    there.log_metric(run.id, "f1", 1)
    there.set_terminated(run.id)
    assert [one.id for one in there.search_runs(["e"])] == [run.id]
    assert client.search_runs(["e"]) == []
    assert there.tracking_uri == f"gtrack://{other}"
    there.project.close()


def test_statuses() -> None:
    assert RunStatus.to_string(RunStatus.FINISHED) == "FINISHED"
    assert RunStatus.from_string("failed") is RunStatus.FAILED
    assert RunStatus.is_terminated("KILLED")
    assert not RunStatus.is_terminated(RunStatus.RUNNING)
    assert len(RunStatus.all_status()) == 5
    with pytest.raises(InvalidValue, match="No run has the status"):
        RunStatus.from_string("done")

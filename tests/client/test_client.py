"""The client as a whole: where it works, what it has and has not, its experiments."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import gtrack
from gtrack.client import GtrackClient
from gtrack.client.client import ABSENT
from gtrack.entities import ViewType
from gtrack.errors import ExperimentNotFound, InvalidValue, NotARepository, UsageError
from gtrack.exceptions import MlflowException
from gtrack.tracking import MlflowClient


def test_its_names() -> None:
    assert MlflowClient is GtrackClient
    assert MlflowException is gtrack.GTrackError


def test_every_method_is_documented() -> None:
    for name, method in inspect.getmembers(GtrackClient, inspect.isfunction):
        if not name.startswith("_"):
            text = inspect.getdoc(method) or ""
            assert text.split("\n")[0].endswith((".", ":")), name


def test_what_is_absent_says_why(quiet: Path) -> None:
    client = GtrackClient()
    for name in ABSENT:
        with pytest.raises(AttributeError, match="GtrackClient has no method"):
            getattr(client, name)
    assert not hasattr(client, "serch_runs")
    with pytest.raises(AttributeError, match="name is its id"):
        client.rename_experiment("a", "b")  # type: ignore[attr-defined]


def test_where_it_works(quiet: Path, tmp_path: Path) -> None:
    assert GtrackClient().tracking_uri == f"gtrack://{quiet}"
    assert GtrackClient("file:./mlruns", registry_uri=str(quiet)).tracking_uri == f"gtrack://{quiet}"
    assert repr(GtrackClient()) == f"<GtrackClient gtrack://{quiet}>"
    with pytest.raises(InvalidValue, match="git repository"):
        GtrackClient("http://localhost:5000")
    with pytest.raises(NotARepository):
        GtrackClient(tmp_path)


def test_experiments(quiet: Path) -> None:
    client = GtrackClient()
    assert client.create_experiment("churn", tags={"a": "b"}) == "churn"
    with pytest.raises(UsageError, match="already"):
        client.create_experiment("churn")
    with pytest.raises(InvalidValue, match="committed with their run"):
        client.create_experiment("x", "s3://bucket")
    client.set_experiment_tag("churn", "n", 1)
    client.delete_experiment_tag("churn", "a")
    assert client.get_experiment("churn").tags == {"n": "1"}
    assert client.get_experiment_by_name("nothing") is None
    with pytest.raises(ExperimentNotFound):
        client.get_experiment("nothing")
    client.create_experiment("forest")
    first = client.search_experiments(max_results=1, order_by=["name"])
    assert [one.name for one in first] == ["churn"]
    rest = client.search_experiments(ViewType.ALL, 1, order_by=["name"], page_token=first.token)
    assert ([one.name for one in rest], rest.token, rest.to_list()) == (["forest"], None, list(rest))
    client.delete_experiment("churn")
    assert [one.name for one in client.search_experiments()] == ["forest"]
    client.restore_experiment("churn")
    assert len(client.search_experiments(filter_string="name LIKE '%'")) == 2
    gtrack.set_experiment("chosen")
    assert client.get_experiment("chosen").experiment_id == "chosen"

"""Artifacts through the client, of runs that run and of runs that have ended."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import gtrack
from gtrack.client import GtrackClient
from gtrack.client.entities import FileInfo
from gtrack.errors import ArtifactError, ArtifactNotFound, FormatError, InvalidPath, InvalidValue, RunNotFound


@pytest.fixture
def client(quiet: Path) -> GtrackClient:
    return GtrackClient()


@pytest.fixture(params=["live", "ended"])
def run_id(client: GtrackClient, request: pytest.FixtureRequest) -> str:
    run = client.create_run("e")
    if request.param == "ended":
        client.set_terminated(run.id)
    return run.id


def test_everything_that_can_be_kept(client: GtrackClient, run_id: str, tmp_path: Path) -> None:
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "a.txt").write_text("a")
    (tmp_path / "tree" / "deep" / "b.txt").write_text("b")
    figure = Figure()
    figure.add_subplot().plot([1, 2])
    client.log_artifact(run_id, tmp_path / "tree" / "a.txt", artifact_path="one")
    client.log_artifacts(run_id, tmp_path / "tree", "all")
    client.log_text(run_id, "text", "notes/t.txt")
    client.log_dict(run_id, {"a": [1]}, "d.yaml")
    client.log_figure(run_id, figure, "figures/f.png")
    client.log_image(run_id, np.zeros((4, 4), dtype=np.uint8), "i.png")
    client.log_image(run_id, np.zeros((4, 4), dtype=np.uint8), key="samples", step=3)
    client.log_table(run_id, {"x": [1, 2]}, "t.csv")
    client.log_stream(run_id, io.BytesIO(b"\0\1"), "s.bin")
    assert client.list_artifacts(run_id) == [
        FileInfo("all", is_dir=True),
        FileInfo("d.yaml", is_dir=False, file_size=7),
        FileInfo("figures", is_dir=True),
        FileInfo("i.png", is_dir=False, file_size=client.list_artifacts(run_id)[3].file_size),
        FileInfo("images", is_dir=True),
        FileInfo("notes", is_dir=True),
        FileInfo("one", is_dir=True),
        FileInfo("s.bin", is_dir=False, file_size=2),
        FileInfo("t.csv", is_dir=False, file_size=6),
    ]
    assert [one.path for one in client.list_artifacts(run_id, "all")] == ["all/a.txt", "all/deep"]
    assert [one.path for one in client.list_artifacts(run_id, "all/deep/")] == ["all/deep/b.txt"]
    assert [one.path for one in client.list_artifacts(run_id, "images/samples")] == ["images/samples/000003.png"]
    assert client.list_artifacts(run_id, "nothing") == client.list_artifacts(run_id, "d.yaml") == []
    assert gtrack.get_artifact(run_id, "s.bin") == b"\0\1"


def test_downloads(client: GtrackClient, run_id: str, tmp_path: Path) -> None:
    client.log_text(run_id, "a", "model/a.txt")
    client.log_text(run_id, "b", "model/deep/b.txt")
    client.log_text(run_id, "c", "c.txt")
    target = tmp_path / "out"
    assert client.download_artifacts(run_id, "model", target) == str(target / "model")
    assert (target / "model" / "deep" / "b.txt").read_text() == "b"
    assert not (target / "c.txt").exists()
    assert client.download_artifacts(run_id, "", str(target)) == str(target)
    assert (target / "c.txt").read_text() == "c"
    alone = Path(client.download_artifacts(run_id, "c.txt"))
    assert (alone.name, alone.read_text()) == ("c.txt", "c")
    (target / "c.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="differs"):
        client.download_artifacts(run_id, "c.txt", target)
    with pytest.raises(ArtifactNotFound):
        client.download_artifacts(run_id, "missing", target)
    with pytest.raises(InvalidPath):
        client.download_artifacts(run_id, "../x", target)


def test_tables_of_several_runs(client: GtrackClient) -> None:
    ids = []
    for n in (1, 2):
        with gtrack.start_run(f"r{n}", experiment="e") as run:
            gtrack.log_table({"x": [n, n + 0.5], "word": ["a", None]}, "t.json")
            gtrack.log_metric("f1", n)
        ids.append(run.id)
    with gtrack.start_run(experiment="e"):
        pass
    table = client.load_table("e", "t.json", extra_columns=["run_id", "metrics.f1"])
    assert list(table.columns) == ["x", "word", "run_id", "metrics.f1"]
    assert list(table["x"]) == [2, 2.5, 1, 1.5]
    assert list(table["run_id"]) == [ids[1]] * 2 + [ids[0]] * 2
    assert list(client.load_table("e", "t.json", [ids[0]])["x"]) == [1, 1.5]
    with pytest.raises(ArtifactNotFound, match="None of these 3 runs"):
        client.load_table("e", "other.json")
    with pytest.raises(InvalidValue, match=r"No run has 'metrics.f2'\. Did you mean 'metrics.f1'"):
        client.load_table("e", "t.json", extra_columns=["metrics.f2"])


@pytest.mark.parametrize("suffix", ["csv", "tsv", "json"])
def test_a_table_comes_back_as_it_was(client: GtrackClient, suffix: str) -> None:
    from gtrack.fluent.tables import load_table

    frame = pd.DataFrame({"x": [0.1, 1e-30, 3.0], "n": [1, 2, 3], "word": ["a", "ü, \t", 'q"']})
    gtrack.set_experiment("tables")
    with gtrack.start_run() as run:
        gtrack.log_table(frame, f"t.{suffix}")
        assert load_table(f"t.{suffix}", run_ids=run.id)["x"].tolist() == frame["x"].tolist()
    again = load_table(f"t.{suffix}")
    assert again.to_dict("list") == frame.to_dict("list")


def test_tables_of_mlflow_and_none(client: GtrackClient) -> None:
    run = client.create_run("e")
    client.log_text(run.id, '{"columns": ["a", "b"], "index": [0], "data": [[1, "x"]]}', "theirs.json")
    assert client.load_table("e", "theirs.json").to_dict("records") == [{"a": 1, "b": "x"}]
    client.log_text(run.id, '{"a": 1}', "none.json")
    client.log_text(run.id, "[", "torn.json")
    client.log_text(run.id, "", "empty.csv")
    assert client.load_table("e", "empty.csv").empty
    for name in ("none.json", "torn.json"):
        with pytest.raises(FormatError, match=name):
            client.load_table("e", name)
    client.log_text(run.id, "x", "t.txt")
    with pytest.raises(InvalidValue, match="must end in"):
        client.load_table("e", "t.txt")


def test_what_cannot_be_kept(client: GtrackClient, run_id: str) -> None:
    before = client.list_artifacts(run_id)
    no_text: Any = 5
    calls: list[tuple[Any, type[Exception]]] = [
        (lambda: client.log_text(run_id, no_text, "a.txt"), InvalidValue),
        (lambda: client.log_text(run_id, "x", "../a.txt"), InvalidPath),
        (lambda: client.log_image(run_id, np.zeros((4, 4))), InvalidValue),
        (lambda: client.log_stream(run_id, io.StringIO("x"), "s"), InvalidValue),  # type: ignore[arg-type]
        (lambda: client.log_artifact(run_id, "missing.txt"), ArtifactError),
        (lambda: client.log_artifacts(run_id, "missing"), ArtifactError),
        (lambda: client.log_text("0" * 32, "x", "a.txt"), RunNotFound),
    ]
    for call, error in calls:
        with pytest.raises(error):
            call()
    assert client.list_artifacts(run_id) == before

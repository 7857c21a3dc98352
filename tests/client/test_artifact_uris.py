"""Artifacts by a URI, or by a run and a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gtrack
from gtrack.artifacts import download_artifacts, list_artifacts, load_dict, load_image, load_text
from gtrack.client import GtrackClient
from gtrack.errors import ArtifactError, ArtifactNotFound, FormatError, InvalidPath, InvalidValue, RunNotFound


@pytest.fixture
def run_id(quiet: Path) -> str:
    with gtrack.start_run() as run:
        gtrack.log_text("grüß", "notes/a.txt")
        gtrack.log_dict({"a": [1, 2]}, "d.json")
        gtrack.log_dict({"a": {"b": 1.5}}, "d.yaml")
        gtrack.log_image(np.full((3, 4), 7, dtype=np.uint8), "i.png")
        gtrack.log_text("flavors: {}\n", "model/MLmodel")
    return run.id


def test_read_at_once(run_id: str) -> None:
    assert load_text(f"runs:/{run_id}/notes/a.txt") == "grüß"
    assert load_text("runs:/last/notes/a.txt") == "grüß"
    assert load_dict(f"runs:/{run_id}/d.json") == {"a": [1, 2]}
    assert load_dict(f"runs:/{run_id}/d.yaml") == {"a": {"b": 1.5}}
    image = load_image(f"runs:/{run_id}/i.png")
    assert (image.size, image.getpixel((0, 0))) == ((4, 3), 7)


def test_while_the_run_goes_on(quiet: Path) -> None:
    with gtrack.start_run() as run:
        gtrack.log_text("now", "a.txt")
        assert load_text(f"{run.info.artifact_uri}/a.txt") == "now"


def test_downloaded(run_id: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert download_artifacts(f"runs:/{run_id}/notes", dst_path=out) == str(out / "notes")
    assert (out / "notes" / "a.txt").read_text() == "grüß"
    assert download_artifacts(run_id=run_id, artifact_path="d.json", dst_path=out) == str(out / "d.json")
    everything = Path(download_artifacts(run_id=run_id))
    assert sorted(path.name for path in everything.iterdir()) == ["d.json", "d.yaml", "i.png", "model", "notes"]
    assert Path(download_artifacts(f"runs:/{run_id}")).is_dir()


def test_of_a_registered_model(run_id: str, tmp_path: Path) -> None:
    GtrackClient().create_model_version("churn", f"runs:/{run_id}/model")
    assert download_artifacts("models:/churn/1", dst_path=tmp_path / "m") == str(tmp_path / "m" / "model")
    assert (tmp_path / "m" / "model" / "MLmodel").read_text() == "flavors: {}\n"
    assert [one.path for one in list_artifacts("models:/churn/latest")] == ["model/MLmodel"]


def test_of_a_version_as_its_tag_has_it(run_id: str, tmp_path: Path) -> None:
    client = GtrackClient()
    client.create_model_version("churn", f"runs:/{run_id}/model")
    client.log_text(run_id, "flavors: {other: {}}\n", "model/MLmodel")
    client.log_text(run_id, "late", "model/late.txt")
    assert load_text(f"runs:/{run_id}/model/late.txt") == "late"
    for out in ("changed", "removed"):
        assert [it.path for it in list_artifacts("models:/churn/1")] == ["model/MLmodel"]
        place = Path(download_artifacts("models:/churn/1", dst_path=tmp_path / out))
        assert [path.name for path in place.iterdir()] == ["MLmodel"]
        assert (place / "MLmodel").read_text() == "flavors: {}\n"
        if out == "changed":
            client.delete_run(run_id)


def test_a_file_that_is_a_version(run_id: str) -> None:
    client = GtrackClient()
    client.create_model_version("table", f"runs:/{run_id}/d.json")
    client.log_text(run_id, "{}", "d.json")
    assert load_dict("models:/table/1") == {"a": [1, 2]}


def test_listed(run_id: str) -> None:
    assert [one.path for one in list_artifacts(f"runs:/{run_id}")] == ["d.json", "d.yaml", "i.png", "model", "notes"]
    assert [one.path for one in list_artifacts(f"runs:/{run_id}/notes")] == ["notes/a.txt"]
    assert [one.path for one in list_artifacts(run_id=run_id, artifact_path="model")] == ["model/MLmodel"]


def test_what_is_on_disk_already(run_id: str, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.txt").write_text("here")
    assert download_artifacts(str(tmp_path / "tree")) == str(tmp_path / "tree")
    assert download_artifacts(str(tmp_path / "tree"), dst_path=tmp_path / "to") == str(tmp_path / "to" / "tree")
    assert load_text(download_artifacts(f"file:{tmp_path}/tree/a.txt", dst_path=tmp_path / "to")) == "here"
    with pytest.raises(InvalidValue, match="path on disk"):
        list_artifacts(str(tmp_path))


def test_nothing_there(run_id: str, tmp_path: Path) -> None:
    calls: list[tuple[Any, type[Exception]]] = [
        (download_artifacts, InvalidValue),
        (lambda: download_artifacts(f"runs:/{run_id}/a", run_id=run_id), InvalidValue),
        (lambda: download_artifacts("s3://bucket/a"), InvalidValue),
        (lambda: download_artifacts(f"runs:/{run_id}/missing"), ArtifactNotFound),
        (lambda: download_artifacts(str(tmp_path / "missing")), ArtifactNotFound),
        (lambda: download_artifacts(f"runs:/{run_id}/../x"), InvalidPath),
        (lambda: load_text(f"runs:/{'0' * 32}/a.txt"), RunNotFound),
        (lambda: load_text("runs:/"), InvalidValue),
        (lambda: load_text(f"runs:/{run_id}/i.png"), FormatError),
        (lambda: load_dict(f"runs:/{run_id}/i.png"), FormatError),
        (lambda: load_image(f"runs:/{run_id}/d.json"), FormatError),
        (lambda: load_text(str(tmp_path / "missing")), ArtifactNotFound),
    ]
    for call, error in calls:
        with pytest.raises(error):
            call()


def test_a_file_in_the_way(run_id: str, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text("mine")
    with pytest.raises(ArtifactError, match="differs"):
        download_artifacts(f"runs:/{run_id}/d.json", dst_path=tmp_path)
    assert (tmp_path / "d.json").read_text() == "mine"

"""What a Python model loads beside its pickle is as dangerous as the pickle."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from gtrack.errors import FormatError, UntrustedModel
from gtrack.formats.yamlio import dumps, load_mapping
from gtrack.models.directory import load_model, load_pyfunc, read_info, write_model
from gtrack.models.info import ModelInfo


class Loads:
    """A model that unpickles what goes with it."""

    def load_context(self, context: Any) -> None:
        found = Path(context.artifacts["inner"])
        files = sorted(path for path in found.rglob("*") if path.is_file()) if found.is_dir() else [found]
        self.inner = [pickle.loads(path.read_bytes()) for path in files]

    def predict(self, context: Any, model_input: Any) -> Any:
        return [len(self.inner)] * len(model_input)


class Looks:
    """A model that only looks at what goes with it."""

    def predict(self, context: Any, model_input: Any) -> Any:
        return [Path(context.artifacts["inner"]).exists()] * len(model_input)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, ModelInfo]:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "clf.pkl").write_bytes(pickle.dumps([1, 2]))
    place = tmp_path / "model"
    place.mkdir()
    return place, write_model(Loads(), place, artifacts={"inner": inner})


def test_what_was_written_here_is_loaded_without_more_words(written: tuple[Path, ModelInfo]) -> None:
    place, info = written
    assert load_pyfunc(place, trusted=info.digests).predict([0, 0]) == [1, 1]
    with pytest.raises(UntrustedModel, match=r"clf\.pkl"):
        load_pyfunc(place, trusted=info.digests[:1])
    with pytest.raises(UntrustedModel, match=r"python_model\.pkl"):
        load_pyfunc(place, trusted=info.digests[1:])


@pytest.mark.parametrize("how", ["swapped", "added", "linked", "renamed"])
def test_another_file_in_its_place_runs_nothing(written: tuple[Path, ModelInfo], tmp_path: Path, how: str) -> None:
    place, info = written
    mark, evil = tmp_path / "ran", tmp_path / "evil.pkl"
    evil.write_bytes(pickle.dumps(Evil(mark)))
    inner = place / "artifacts" / "inner" / "inner"
    if how == "swapped":
        (inner / "clf.pkl").write_bytes(evil.read_bytes())
    elif how == "added":
        (inner / "z.pkl").write_bytes(evil.read_bytes())
    elif how == "linked":
        (inner / "z.pkl").symlink_to(evil)
    else:
        (inner / "clf.pkl").unlink()
        (inner / "deeper").mkdir()
        (inner / "deeper" / ".clf.pkl").write_bytes(evil.read_bytes())
    with pytest.raises(UntrustedModel):
        load_pyfunc(place, trusted=info.digests)
    assert not mark.exists()
    load_pyfunc(place, trust=True)
    assert mark.exists()


def test_a_directory_that_is_a_link_runs_nothing(written: tuple[Path, ModelInfo], tmp_path: Path) -> None:
    place, info = written
    mark, inner, aside = tmp_path / "ran", place / "artifacts" / "inner" / "inner", tmp_path / "aside"
    other = place / "other"
    (other / "inner" / "inner").mkdir(parents=True)
    for directory in (other, other / "inner", other / "inner" / "inner"):
        (directory / "clf.pkl").write_bytes(pickle.dumps(Evil(mark)))
    for linked in (inner, inner.parent, place / "artifacts"):
        linked.rename(aside)
        linked.symlink_to(other, target_is_directory=True)
        with pytest.raises(UntrustedModel, match="is a link"):
            load_pyfunc(place, trusted=info.digests)
        linked.unlink()
        aside.rename(linked)
    assert not mark.exists()


def test_a_file_beside_an_artifact_counts_too(tmp_path: Path) -> None:
    (tmp_path / "clf.pkl").write_bytes(pickle.dumps(1))
    place = tmp_path / "model"
    place.mkdir()
    info = write_model(Loads(), place, artifacts={"inner": tmp_path / "clf.pkl"})
    load_pyfunc(place, trusted=info.digests)
    (place / "artifacts" / "inner" / "clf.pkl_01.npy").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(UntrustedModel, match="_01"):
        load_pyfunc(place, trusted=info.digests)


@pytest.mark.parametrize("entry", ["python_model", "pickled_model"])
def test_what_was_logged_as_an_artifact_is_no_model(tmp_path: Path, entry: str) -> None:
    mark, evil = tmp_path / "ran", tmp_path / "evil.pkl"
    evil.write_bytes(pickle.dumps(Evil(mark)))
    place = tmp_path / "model"
    place.mkdir()
    info = write_model(Looks(), place, artifacts={"inner": evil})
    assert [digest.partition(" ")[2] for digest in info.digests] == ["", f"artifact of {info.digests[0]}"]
    assert load_pyfunc(place, trusted=info.digests).predict([0]) == [True]
    held = load_mapping((place / "MLmodel").read_bytes(), "MLmodel")
    hostile = {"python_model": "artifacts/inner/evil.pkl", "loader_module": "mlflow.pyfunc.model"}
    flavours: dict[str, Any] = {"python_function": hostile}
    if entry == "pickled_model":
        flavours = {"sklearn": {"pickled_model": "artifacts/inner/evil.pkl", "serialization_format": "cloudpickle"}}
    (place / "MLmodel").write_text(dumps({**held, "flavors": flavours}))
    with pytest.raises(UntrustedModel, match=r"evil\.pkl"):
        load_model(place, trusted=info.digests)
    assert not mark.exists()


def test_an_artifact_of_one_model_is_none_of_another(written: tuple[Path, ModelInfo], tmp_path: Path) -> None:
    place, info = written
    mark, evil, other = tmp_path / "ran", tmp_path / "clf.pkl", tmp_path / "other"
    evil.write_bytes(pickle.dumps(Evil(mark)))
    other.mkdir()
    looking = write_model(Looks(), other, artifacts={"inner": evil})
    (place / "artifacts" / "inner" / "inner" / "clf.pkl").write_bytes(evil.read_bytes())
    with pytest.raises(UntrustedModel, match=r"clf\.pkl"):
        load_pyfunc(place, trusted=[*info.digests, *looking.digests])
    assert not mark.exists()


def test_a_model_is_no_artifact_either(written: tuple[Path, ModelInfo]) -> None:
    place, info = written
    inner = place / "artifacts" / "inner" / "inner"
    (inner / "clf.pkl").write_bytes((place / "python_model.pkl").read_bytes())
    with pytest.raises(UntrustedModel, match=r"clf\.pkl"):
        load_pyfunc(place, trusted=info.digests)


@pytest.mark.parametrize("entry", [["inner"], {"inner": "path"}, {"inner": {}}, {"inner": {"path": 5}}])
def test_artifacts_that_are_named_otherwise_are_damage(written: tuple[Path, ModelInfo], entry: Any) -> None:
    place, _ = written
    held = load_mapping((place / "MLmodel").read_bytes(), "MLmodel")
    held["flavors"]["python_function"]["artifacts"] = entry  # type: ignore[index,call-overload]
    (place / "MLmodel").write_text(dumps(held))
    with pytest.raises(FormatError):
        load_pyfunc(place, trust=True)
    assert read_info(place).flavours

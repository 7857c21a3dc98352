"""What a Python model loads beside its pickle is as dangerous as the pickle."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from gtrack.errors import UntrustedModel
from gtrack.models.directory import load_pyfunc, write_model
from gtrack.models.info import ModelInfo


class Loads:
    """A model that unpickles what goes with it."""

    def load_context(self, context: Any) -> None:
        found = Path(context.artifacts["inner"])
        files = sorted(path for path in found.rglob("*") if path.is_file()) if found.is_dir() else [found]
        self.inner = [pickle.loads(path.read_bytes()) for path in files]

    def predict(self, context: Any, model_input: Any) -> Any:
        return [len(self.inner)] * len(model_input)


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
        load_pyfunc(place)


@pytest.mark.parametrize("how", ["swapped", "added", "linked"])
def test_another_file_in_its_place_runs_nothing(written: tuple[Path, ModelInfo], tmp_path: Path, how: str) -> None:
    place, info = written
    mark, evil = tmp_path / "ran", tmp_path / "evil.pkl"
    evil.write_bytes(pickle.dumps(Evil(mark)))
    inner = place / "artifacts" / "inner" / "inner"
    if how == "swapped":
        (inner / "clf.pkl").write_bytes(evil.read_bytes())
    elif how == "added":
        (inner / "z.pkl").write_bytes(evil.read_bytes())
    else:
        (inner / "z.pkl").symlink_to(evil)
    with pytest.raises(UntrustedModel):
        load_pyfunc(place, trusted=info.digests)
    assert not mark.exists()
    load_pyfunc(place, trust=True)
    assert mark.exists()

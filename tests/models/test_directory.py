"""Model directories: good and bad models, and directories that somebody spoilt."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from gtrack.errors import FormatError, InvalidValue, MissingLibrary, UntrustedModel
from gtrack.models.directory import load_input_example, load_model, load_pyfunc, read_info, write_model
from gtrack.models.pickles import MOST_OBJECTS
from gtrack.models.signature import infer_signature

Place = Callable[..., Path]


def mlmodel(directory: Path) -> dict[str, Any]:
    held: dict[str, Any] = yaml.safe_load((directory / "MLmodel").read_text())
    return held


def spoil(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    held = mlmodel(directory)
    change(held)
    (directory / "MLmodel").write_text(yaml.safe_dump(held))


class Doubler(BaseEstimator):  # type: ignore[misc]
    def __init__(self, extra: Any = None) -> None:
        self.extra = extra

    def fit(self, X: Any, y: Any = None) -> Doubler:
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X: Any) -> Any:
        return np.asarray(X)[:, 0] * 2


# Formats


def test_skops_is_taken_where_all_types_are_safe(linear: Any, forest: Any, place: Place) -> None:
    for model, kind, file in ((linear, "skops", "model.skops"), (forest, "cloudpickle", "model.pkl")):
        directory = place(kind)
        info = write_model(model, directory)
        assert info.flavours["sklearn"]["serialization_format"] == kind
        assert info.flavours["sklearn"]["pickled_model"] == file
        assert f"{kind}==" in " ".join(info.requirements)
        assert zipfile.is_zipfile(directory / file) == (kind == "skops")


@pytest.mark.slow
def test_a_model_of_many_objects_is_pickled(data: tuple[Any, Any], place: Place) -> None:
    from sklearn.ensemble import BaggingClassifier

    many = BaggingClassifier(LogisticRegression(max_iter=3000), n_estimators=MOST_OBJECTS // 4).fit(*data)
    assert write_model(many, place()).flavours["sklearn"]["serialization_format"] == "cloudpickle"


def test_a_large_model_is_pickled(place: Place) -> None:
    X = np.zeros((300_000, 8))
    model = KNeighborsClassifier().fit(X, np.arange(300_000) % 2)
    assert write_model(model, place()).flavours["sklearn"]["serialization_format"] == "cloudpickle"


def test_the_same_model_is_the_same_bytes(linear: Any, forest: Any, place: Place) -> None:
    for model, file in ((linear, "model.skops"), (forest, "model.pkl")):
        first, second = place(f"1{file}"), place(f"2{file}")
        write_model(model, first)
        write_model(model, second)
        assert (first / file).read_bytes() == (second / file).read_bytes()
        assert mlmodel(first)["model_uuid"] != mlmodel(second)["model_uuid"]


def test_skops_by_choice_needs_the_types_to_be_named(forest: Any, data: tuple[Any, Any], place: Place) -> None:
    directory = place()
    info = write_model(forest, directory, serialization_format="skops")
    tree = "sklearn.tree._tree.Tree"
    assert info.flavours["sklearn"]["skops_trusted_types"] == [tree]
    with pytest.raises(UntrustedModel, match=tree):
        load_model(directory)
    with pytest.raises(UntrustedModel, match=tree):
        load_model(directory, trust=["some.other"])
    for trust in (True, [tree]):
        loaded = load_model(directory, trust=trust)
        np.testing.assert_array_equal(loaded.predict(data[0]), forest.predict(data[0]))
    assert load_model(directory, trusted=info.digests).n_estimators == forest.n_estimators  # ours


def test_cloudpickle_by_choice(linear: Any, place: Place) -> None:
    info = write_model(linear, place(), serialization_format="cloudpickle")
    assert len(info.digests) == 1


def test_what_the_archive_says_of_its_own_types_counts_for_nothing(forest: Any, place: Place) -> None:
    directory = place()
    write_model(forest, directory, serialization_format="skops")
    spoil(directory, lambda held: held["flavors"]["sklearn"].update(skops_trusted_types=["sklearn.tree._tree.Tree"]))
    with pytest.raises(UntrustedModel):
        load_model(directory)


# What can be a model


def test_a_lambda_inside_is_no_hindrance(data: tuple[Any, Any], place: Place) -> None:
    directory = place()
    info = write_model(Doubler(extra=lambda x: x + 1).fit(data[0]), directory)
    assert load_model(directory, trusted=info.digests).extra(1) == 2


def test_an_open_file_inside_is_one_clear_error(data: tuple[Any, Any], place: Place, tmp_path: Path) -> None:
    for bad in ((tmp_path / "x").open("w"), threading.Lock(), (n for n in range(3))):
        directory = place(type(bad).__name__)
        with pytest.raises(InvalidValue, match=r"Doubler cannot be written: .*only lives in this process") as error:
            write_model(Doubler(extra=bad).fit(data[0]), directory)
        assert "\n" not in str(error.value)
        assert not (directory / "MLmodel").exists()
        if isinstance(bad, io.IOBase):
            bad.close()


@pytest.mark.parametrize(
    "thing", [5, "text", None, LogisticRegression, object()], ids=["number", "text", "none", "class", "object"]
)
def test_what_is_no_model_is_refused(thing: Any, place: Place) -> None:
    with pytest.raises(InvalidValue, match=r"A model is something with predict\(\)"):
        write_model(thing, place())


def test_an_unfitted_model_is_written_with_a_warning(data: tuple[Any, Any], place: Place) -> None:
    directory = place()
    with pytest.warns(UserWarning, match="LogisticRegression is not fitted"):
        write_model(LogisticRegression(C=3.0), directory)
    assert load_model(directory).C == 3.0


def test_an_unfitted_model_with_an_example_has_inputs_only(data: tuple[Any, Any], place: Place) -> None:
    with pytest.warns(UserWarning, match=r"does not predict for its input example|is not fitted"):
        info = write_model(LogisticRegression(), place(), input_example=data[0].iloc[:3])
    assert info.signature is not None
    assert len(info.signature.inputs) == 4
    assert info.signature.outputs == ()


def test_a_transformer_is_loaded_but_not_asked(data: tuple[Any, Any], place: Place) -> None:
    directory = place()
    info = write_model(StandardScaler().fit(data[0]), directory, input_example=data[0].iloc[:3])
    assert set(info.flavours) == {"sklearn"}
    np.testing.assert_array_equal(load_model(directory).mean_, StandardScaler().fit(data[0]).mean_)
    with pytest.raises(FormatError, match=r"without predict\(\)"):
        load_pyfunc(directory)


MAIN = """
import sys
from pathlib import Path
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from gtrack.models.directory import write_model

class Mine(RegressorMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.shift_ = helper(1)
        return self
    def predict(self, X):
        return np.asarray(X)[:, 0] + self.shift_

def helper(x):
    return x + 1

print(write_model(Mine().fit([[1.0]]), Path(sys.argv[1])).digests[0])
"""


@pytest.mark.slow
def test_a_class_of_main_goes_with_the_model(place: Place) -> None:
    directory = place()
    done = subprocess.run([sys.executable, "-c", MAIN, directory], capture_output=True, text=True, check=True)
    model = load_model(directory, trusted={done.stdout.strip()})
    assert model.predict(np.array([[5.0]])).tolist() == [7.0]
    assert "__main__" not in " ".join(read_info(directory).requirements)


def test_metadata_that_cannot_be_written_writes_nothing(linear: Any, place: Place) -> None:
    for bad in ({"f": open}, {"x": object()}, ["a"], {"a\nb": 1}):
        directory = place(str(len(str(bad))))
        with pytest.raises(InvalidValue, match="metadata"):
            write_model(linear, directory, metadata=bad)  # type: ignore[arg-type]
        assert list(directory.iterdir()) == []


def test_metadata_comes_back(linear: Any, place: Place) -> None:
    directory = place()
    metadata = {"no": "yes", "when": "2026-01-01", "f": 1e-5, "deep": {"a": [1, {"b": None}]}, "text": "a\n b: c\n"}
    write_model(linear, directory, metadata=metadata)
    assert read_info(directory).metadata == metadata
    assert mlmodel(directory)["metadata"] == metadata


def test_a_flavour_that_there_is_not_is_told_with_the_nearest(linear: Any, place: Place) -> None:
    with pytest.raises(InvalidValue, match=r"No flavour 'sklern'. Did you mean 'sklearn'\?"):
        write_model(linear, place(), flavour="sklern")


def test_an_estimator_can_be_written_as_a_python_function(linear: Any, data: tuple[Any, Any], place: Place) -> None:
    directory = place()
    info = write_model(linear, directory, flavour="python_function")
    assert set(info.flavours) == {"python_function"}
    found = load_pyfunc(directory, trusted=info.digests).predict(data[0])
    np.testing.assert_array_equal(found, linear.predict(data[0]))
    assert isinstance(load_model(directory, trusted=info.digests), type(linear))


# Requirements


def test_requirements_are_what_the_model_is_made_of_and_no_more(linear: Any, place: Place) -> None:
    names = [line.partition("==")[0] for line in write_model(linear, place()).requirements]
    assert names == ["joblib", "numpy", "scikit-learn", "scipy", "skops"]


def test_pandas_is_needed_by_who_is_asked_by_columns(linear: Any, data: tuple[Any, Any], place: Place) -> None:
    info = write_model(linear, place(), signature=infer_signature(data[0]))
    assert any(line.startswith("pandas==") for line in info.requirements)


def test_given_requirements_are_taken_as_they_are(linear: Any, place: Place, tmp_path: Path) -> None:
    directory = place()
    write_model(linear, directory, pip_requirements=["scikit-learn>=1.4", " "])
    assert (directory / "requirements.txt").read_text() == "scikit-learn>=1.4\n"
    assert yaml.safe_load((directory / "conda.yaml").read_text())["dependencies"][-1] == {"pip": ["scikit-learn>=1.4"]}
    assert yaml.safe_load((directory / "python_env.yaml").read_text())["dependencies"] == ["-r requirements.txt"]
    (tmp_path / "reqs.txt").write_text("numpy\n\nscipy\n")
    assert write_model(linear, place("b"), pip_requirements=str(tmp_path / "reqs.txt")).requirements == (
        "numpy",
        "scipy",
    )
    with pytest.raises(InvalidValue, match="requirements file"):
        write_model(linear, place("c"), pip_requirements="scikit-learn")
    with pytest.raises(InvalidValue, match="not 5"):
        write_model(linear, place("d"), pip_requirements=[5])  # type: ignore[list-item]


# Directories that somebody spoilt


@pytest.fixture
def written(forest: Any, place: Place) -> Path:
    directory = place()
    write_model(forest, directory)
    return directory


def test_no_model_directory(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FormatError, match="is no model directory"):
            load_model(path, trust=True)


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "flavors: 3", "flavors: {a: 1}", "\x00", "flavors: &a [*a]"])
def test_an_mlmodel_that_is_none_is_one_error(written: Path, text: str) -> None:
    (written / "MLmodel").write_text(text)
    for read in (read_info, lambda path: load_model(path, trust=True)):
        with pytest.raises(FormatError, match="MLmodel"):
            read(written)


def test_an_input_example_outside_of_the_directory_is_refused(forest: Any, place: Place) -> None:
    directory = place()
    write_model(forest, directory, input_example=[[1.0, 2.0]], signature=False)
    (directory.parent / "secret.json").write_text('{"data": [[1]]}')
    (directory / "link.json").symlink_to("../secret.json")
    spoil(directory, lambda held: held["saved_input_example_info"].update(artifact_path="link.json"))
    with pytest.raises(FormatError, match="leads out of the directory"):
        load_input_example(directory)


@pytest.mark.parametrize(
    "name", ["../secret.pkl", "/etc/passwd", "C:\\x", "a/../../secret.pkl", "", 5, None, "link.pkl"]
)
def test_a_file_outside_of_the_directory_is_refused(written: Path, name: Any) -> None:
    (written.parent / "secret.pkl").write_bytes((written / "model.pkl").read_bytes())
    (written / "link.pkl").symlink_to("../secret.pkl")
    spoil(written, lambda held: held["flavors"]["sklearn"].update(pickled_model=name))
    with pytest.raises(FormatError, match=r"no safe path|leads out of the directory"):
        load_model(written, trust=True)


def test_other_things_that_mlmodel_may_say(written: Path) -> None:
    spoil(written, lambda held: held["flavors"]["sklearn"].update(serialization_format="joblib"))
    with pytest.raises(FormatError, match="'joblib'"):
        load_model(written, trust=True)
    spoil(written, lambda held: held.update(flavors={"h2o": {}}))
    with pytest.raises(FormatError, match=r"flavour h2o; gtrack reads keras, pytorch"):
        load_model(written, trust=True)
    spoil(written, lambda held: held.update(flavors={"python_function": {"loader_module": "os"}}))
    with pytest.raises(FormatError, match="only os can load"):
        load_model(written, trust=True)
    spoil(written, lambda held: held.update(flavors={"python_function": {"model_code_path": "x.py"}}))
    with pytest.raises(FormatError, match="source code"):
        load_model(written, trust=True)


def test_a_signature_that_is_none(written: Path) -> None:
    for inputs in ("{", "5", '[{"name": "a"}]', '[{"type": "tensor"}]', '[{"type": 5}]', "[3]"):
        held = mlmodel(written)
        (written / "MLmodel").write_text(yaml.safe_dump({**held, "signature": {"inputs": inputs}}))
        with pytest.raises(FormatError, match="inputs"):
            read_info(written)


def test_what_predicts_may_not_be_just_anything(written: Path, data: tuple[Any, Any]) -> None:
    spoil(written, lambda held: held["flavors"]["python_function"].update(predict_fn="predict_proba"))
    assert load_pyfunc(written, trust=True).predict(data[0]).shape == (569, 2)
    spoil(written, lambda held: held["flavors"]["python_function"].update(predict_fn="__class__"))
    with pytest.raises(FormatError, match="'__class__'"):
        load_pyfunc(written, trust=True).predict(data[0])


def test_a_library_that_is_not_here_is_named_with_its_version(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(written, lambda held: held.update(flavors={"xgboost": {"data": "model.pkl"}}))
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(MissingLibrary, match="An XGBoost model needs xgboost, which cannot be imported here"):
        load_model(written, trust=True)


def test_a_module_that_a_pickle_needs_is_named(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lonely_module.py").write_text("class Model:\n    def predict(self, rows):\n        return rows\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__("lonely_module")
    directory = place()
    write_model(module.Model(), directory)
    monkeypatch.delitem(sys.modules, "lonely_module")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(tmp_path)])
    with pytest.raises(MissingLibrary, match=r"needs lonely_module, which cannot be imported here.*PYTHONPATH"):
        load_model(directory, trust=True)


# Examples


def roundtrip(example: Any, place: Place, name: str, model: Any = None) -> Any:
    directory = place(name)
    info = write_model(model or Doubler().fit(np.zeros((1, 2))), directory, input_example=example, signature=False)
    assert info.example is not None
    json.loads((directory / "serving_input_example.json").read_text())
    return load_input_example(directory)


def test_examples_of_every_kind_come_back(place: Place) -> None:
    import scipy.sparse as sp

    frame = pd.DataFrame(
        {
            "n": [1.5, np.nan],
            "text": ["a", None],
            "kind": pd.Categorical(["x", "y"]),
            "when": pd.to_datetime(["2026-01-01", "2026-01-02"]),
            "whole": [1, 2],
        }
    )
    back = roundtrip(frame, place, "frame")
    assert list(back.columns) == list(frame.columns)
    assert back["n"].isna().tolist() == [False, True]
    assert back["kind"].tolist() == ["x", "y"]
    assert back["whole"].tolist() == [1, 2]
    array = np.array([[1.0, np.nan]])
    np.testing.assert_array_equal(roundtrip(array, place, "array").astype(float), array)
    for make in (sp.csr_matrix, sp.csc_matrix):
        matrix = make(np.array([[0.0, 2.0], [1.0, 0.0]]))
        back = roundtrip(matrix, place, make.__name__)
        np.testing.assert_array_equal(back.toarray(), matrix.toarray())
    assert roundtrip({"a": [1, 2]}, place, "mapping") == {"a": [1, 2]}
    assert roundtrip([{"a": 1}], place, "records") == [{"a": 1}]
    assert roundtrip("a question", place, "text") == "a question"
    named = roundtrip({"x": np.eye(2)}, place, "named")
    np.testing.assert_array_equal(named["x"], np.eye(2))


def test_a_long_example_is_cut(data: tuple[Any, Any], linear: Any, place: Place) -> None:
    directory = place()
    write_model(linear, directory, input_example=data[0])
    assert len(load_input_example(directory)) == 100


def test_an_example_that_is_none_is_refused(linear: Any, place: Place) -> None:
    for number, bad in enumerate((object(), {"a": object()}, [object()])):
        with pytest.raises(InvalidValue, match=r"input example|holds values"):
            write_model(linear, place(str(number)), input_example=bad, signature=False)


def test_multi_output(place: Place) -> None:
    X, y = np.arange(20.0).reshape(10, 2), np.arange(30.0).reshape(10, 3)
    model = LinearRegression().fit(X, y)
    directory = place()
    info = write_model(model, directory, input_example=X[:3])
    assert info.signature is not None
    assert info.signature.to_dict()["outputs"] == (
        '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}}]'
    )
    np.testing.assert_array_equal(load_pyfunc(directory).predict(X), model.predict(X))
    np.testing.assert_array_equal(load_pyfunc(directory).predict(X.tolist()), model.predict(X))


def test_python_models_find_their_artifacts(place: Place, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a b")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").write_text("x")

    class Words:
        def load_context(self, context: Any) -> None:
            self.words = Path(context.artifacts["words"]).read_text().split()

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return [f"{self.words[0]}{value}{(params or {}).get('end', '')}" for value in model_input]

    directory = place()
    artifacts = {"words": tmp_path / "words.txt", "folder": tmp_path / "folder"}
    info = write_model(Words(), directory, artifacts=artifacts)
    (tmp_path / "words.txt").unlink()
    model = load_pyfunc(directory, trusted=info.digests)
    assert model.predict([1, 2], params={"end": "!"}) == ["a1!", "a2!"]
    assert (directory / "artifacts/folder/folder/x").read_text() == "x"
    with pytest.raises(InvalidValue, match="cannot be copied"):
        write_model(Words(), place("b"), artifacts={"words": tmp_path / "absent"})
    with pytest.raises(InvalidValue, match="artifacts go with a Python model"):
        write_model(LogisticRegression(), place("c"), artifacts=artifacts)


def test_requirements_and_all_take_milliseconds_without_a_process(
    forest: Any, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert write_model(forest, place()).requirements

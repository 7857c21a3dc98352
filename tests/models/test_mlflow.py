"""MLflow loads what gtrack wrote, and gtrack what MLflow wrote, with exactly the same predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gtrack.errors import UntrustedModel
from gtrack.models.directory import load_input_example, load_model, load_pyfunc, read_info, write_model
from gtrack.models.signature import infer_signature

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")


@pytest.mark.parametrize("kind", ["linear", "forest"])
def test_mlflow_sklearn_loads_ours(
    kind: str, request: pytest.FixtureRequest, data: tuple[Any, Any], tmp_path: Path
) -> None:
    import mlflow.pyfunc
    import mlflow.sklearn

    model, X = request.getfixturevalue(kind), data[0]
    write_model(model, tmp_path, input_example=X.iloc[:3], metadata={"a": 1})
    theirs = mlflow.sklearn.load_model(str(tmp_path))
    np.testing.assert_array_equal(theirs.predict_proba(X), model.predict_proba(X))
    served = mlflow.pyfunc.load_model(str(tmp_path))
    np.testing.assert_array_equal(served.predict(X), model.predict(X))
    np.testing.assert_array_equal(served.predict(X), load_pyfunc(tmp_path, trust=True).predict(X))
    assert served.metadata.metadata == {"a": 1}
    about = mlflow.models.get_model_info(str(tmp_path))
    assert about.signature.to_dict() == read_info(tmp_path).signature.to_dict()  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["linear", "forest"])
@pytest.mark.parametrize("form", ["skops", "pickle", "cloudpickle"])
def test_we_load_mlflows_sklearn(
    kind: str, form: str, request: pytest.FixtureRequest, data: tuple[Any, Any], tmp_path: Path
) -> None:
    import mlflow.sklearn

    model, X = request.getfixturevalue(kind), data[0]
    types = ["sklearn.tree._tree.Tree"] if (kind, form) == ("forest", "skops") else None
    path = tmp_path / "model"
    mlflow.sklearn.save_model(
        model,
        str(path),
        serialization_format=form,
        skops_trusted_types=types,
        input_example=X.iloc[:3],
        pip_requirements=["scikit-learn"],
        metadata={"a": 1},
    )
    if (kind, form) != ("linear", "skops"):
        with pytest.raises(UntrustedModel):
            load_model(path)
    loaded = load_model(path, trust=True)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(load_pyfunc(path, trust=True).predict(X), model.predict(X))
    info = read_info(path)
    assert info.metadata == {"a": 1}
    assert info.signature == infer_signature(X).__class__(infer_signature(X).inputs, info.signature.outputs)  # type: ignore[union-attr]
    pd.testing.assert_frame_equal(load_input_example(path), X.iloc[:3].reset_index(drop=True))


def test_we_load_mlflows_python_models(data: tuple[Any, Any], tmp_path: Path) -> None:
    import mlflow.pyfunc

    (tmp_path / "factor").write_text("3")

    class Times(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
        def load_context(self, context: Any) -> None:
            self.factor = int(Path(context.artifacts["factor"]).read_text())

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input.iloc[:, 0] * self.factor

    X = data[0]
    for number, model in enumerate((Times(), lambda model_input: model_input.iloc[:, 0] * 3)):
        path = tmp_path / str(number)
        artifacts = {"factor": str(tmp_path / "factor")} if number == 0 else None
        mlflow.pyfunc.save_model(str(path), python_model=model, artifacts=artifacts, pip_requirements=["pandas"])
        with pytest.raises(UntrustedModel):
            load_pyfunc(path)
        pd.testing.assert_series_equal(load_pyfunc(path, trust=True).predict(X), X.iloc[:, 0] * 3)


def test_mlflow_asks_our_python_models(data: tuple[Any, Any], tmp_path: Path) -> None:
    import mlflow.pyfunc

    from gtrack.models.python_model import PythonModel

    (tmp_path / "factor").write_text("3")

    class Times(PythonModel):
        def load_context(self, context: Any) -> None:
            self.factor = int(Path(context.artifacts["factor"]).read_text())

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input.iloc[:, 0] * self.factor * (params or {}).get("k", 1)

    X = data[0]
    path = tmp_path / "model"
    path.mkdir()
    signature = infer_signature(X, params={"k": 1})
    write_model(Times(), path, artifacts={"factor": tmp_path / "factor"}, signature=signature)
    theirs = mlflow.pyfunc.load_model(str(path))
    pd.testing.assert_series_equal(theirs.predict(X, params={"k": 2}), X.iloc[:, 0] * 6)
    pd.testing.assert_series_equal(load_pyfunc(path, trust=True).predict(X, params={"k": 2}), X.iloc[:, 0] * 6)
    assert type(theirs.unwrap_python_model()).__name__ == "Times"


FRAMES = {
    "numbers": pd.DataFrame({"a": [1, 2], "b": [0.5, -1.0], "c": [True, False]}),
    "narrow": pd.DataFrame({"a": [1, 2], "b": [1.0, 2.0]}).astype({"a": "int32", "b": "float32"}),
    "texts": pd.DataFrame({"t": ["x", "y"], "when": pd.to_datetime(["2026-01-01", "2026-01-02"])}),
    "bytes": pd.DataFrame({"raw": [b"x", b"y"]}),
    "unsigned": pd.DataFrame({"a": [1, 2]}).astype("uint8"),
}
ARRAYS = {
    "floats": np.zeros((3, 2)),
    "narrow": np.zeros((3, 2, 5), dtype="float32"),
    "whole": np.arange(3),
    "texts": np.array(["a", "bb"]),
    "bools": np.array([True]),
}


@pytest.mark.parametrize(
    "example", [*FRAMES.values(), *ARRAYS.values()], ids=[*FRAMES, *(f"array-{n}" for n in ARRAYS)]
)
def test_signatures_are_those_of_mlflow(example: Any) -> None:
    import mlflow.models

    assert infer_signature(example, example).to_dict() == mlflow.models.infer_signature(example, example).to_dict()


def test_mlflow_reads_a_signature_with_params_and_the_other_way_round() -> None:
    import mlflow.models

    params = {"k": 1, "t": 0.5, "s": "x", "on": True, "many": [1, 2]}
    ours = infer_signature(np.zeros((1, 2)), params=params)
    theirs = mlflow.models.ModelSignature.from_dict(ours.to_dict())
    assert theirs.params.to_dict() == mlflow.models.infer_signature(np.zeros((1, 2)), params=params).params.to_dict()
    assert infer_signature(np.zeros((1, 2))).__class__.from_dict(theirs.to_dict()) == ours


def test_mlflow_reads_our_examples(data: tuple[Any, Any], linear: Any, tmp_path: Path) -> None:
    import mlflow.models
    import scipy.sparse as sp

    frame = pd.DataFrame({"n": [1.5, None], "t": ["a", None]})
    examples: dict[str, Any] = {
        "frame": frame,
        "array": np.eye(2),
        "sparse": sp.csr_matrix(np.eye(2)),
        "json": {"a": [1, 2]},
    }
    for name, example in examples.items():
        path = tmp_path / name
        path.mkdir()
        write_model(linear, path, input_example=example, signature=False)
        theirs: Any = mlflow.models.Model.load(str(path)).load_input_example(str(path))
        if name == "frame":
            pd.testing.assert_frame_equal(theirs, frame, check_dtype=False)
        elif name == "sparse":
            np.testing.assert_array_equal(theirs.toarray(), np.eye(2))
        elif name == "array":
            np.testing.assert_array_equal(theirs, np.eye(2))
        else:
            assert theirs == example

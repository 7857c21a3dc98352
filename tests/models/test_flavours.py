"""The suite that every flavour must pass, over models of each."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gtrack.errors import FormatError, InvalidValue, UntrustedModel
from gtrack.models.directory import load_model, load_pyfunc, read_info, write_model
from gtrack.models.flavours.flavour import Flavour
from gtrack.models.flavours.table import FLAVOURS, flavour_named, flavour_of
from tests.models.cases import CASES, FRAMEWORKS, HERE, Case

# Keras with PyTorch beneath it warns of what numpy, and Python, will no longer do.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*X does not have valid feature names")
Place = Callable[[], Path]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def model(case: Case, data: tuple[Any, Any]) -> Any:
    return case.make(*data)


def test_every_flavour_has_a_case_and_only_frameworks_may_be_absent() -> None:
    run = {case.flavour for case in CASES.values()}
    absent = {flavour.name for flavour in FLAVOURS} - run
    assert absent <= set(FRAMEWORKS)
    assert not [name for name in absent if find_spec(FRAMEWORKS[name][0]) is not None]
    assert {case.flavour for case in HERE.values()} == {"sklearn", "lightgbm", "xgboost", "python_function"}


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
def test_the_entries_of_the_table_are_what_the_protocol_says(flavour: Flavour) -> None:
    assert flavour_named(flavour.name) is flavour
    assert flavour.loader_module.startswith("mlflow.")
    assert not flavour.owns(object())
    assert not flavour.owns(type("Model", (), {"predict": None}))


def test_each_model_is_known_by_its_class(case: Case, model: Any) -> None:
    assert flavour_of(model).name == case.flavour


def test_it_predicts_the_same_when_it_is_loaded(case: Case, model: Any, data: tuple[Any, Any], place: Place) -> None:
    directory = place()
    info = write_model(model, directory, input_example=data[0].iloc[:3])
    X = data[0]
    loaded = load_model(directory, trusted=info.digests)
    assert isinstance(loaded, type(model))
    np.testing.assert_array_equal(case.native(loaded, X), case.native(model, X))
    asked = np.asarray(load_pyfunc(directory, trusted=info.digests).predict(X))
    np.testing.assert_array_equal(asked, case.native(model, X))
    assert info.signature is not None
    assert [spec.name for spec in info.signature.inputs] == list(X.columns)
    assert info.signature.outputs


def test_the_directory_has_what_others_look_for(case: Case, model: Any, place: Place) -> None:
    directory = place()
    info = write_model(model, directory, metadata={"stage": "test", "n": 1}, run_id="0" * 32, artifact_path="a/model")
    names = {path.relative_to(directory).as_posix() for path in directory.rglob("*")}
    assert {"MLmodel", "requirements.txt", "conda.yaml", "python_env.yaml", case.file} <= names
    again = read_info(directory)
    assert again == info or again.digests == ()
    for name in ("flavours", "signature", "metadata", "run_id", "artifact_path", "model_uuid", "utc_time_created"):
        assert getattr(again, name) == getattr(info, name), name
    assert again.requirements == info.requirements
    assert {case.flavour, "python_function"} == set(info.flavours)


def test_only_what_runs_code_has_a_digest(case: Case, model: Any, place: Place) -> None:
    directory = place()
    info = write_model(model, directory)
    assert bool(info.digests) == case.runs_code


def test_what_runs_code_needs_trust(case: Case, model: Any, place: Place) -> None:
    directory = place()
    info = write_model(model, directory)
    if not case.runs_code:
        load_model(directory)
        return
    with pytest.raises(UntrustedModel, match="trust=True"):
        load_model(directory)
    with pytest.raises(PermissionError):
        load_pyfunc(directory, trust=["some.type"])
    load_model(directory, trust=True)
    load_model(directory, trusted=lambda digest: digest in info.digests)
    file = directory / case.file
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(UntrustedModel):
        load_model(directory, trusted=info.digests)


def test_a_damaged_file_is_one_error(case: Case, model: Any, place: Place) -> None:
    directory = place()
    write_model(model, directory)
    file = directory / case.file
    if not case.crashes:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        with pytest.raises(FormatError) as error:
            load_model(directory, trust=True)
        assert "\n" not in str(error.value)
    file.unlink()
    with pytest.raises(FormatError, match="there is no such file"):
        load_model(directory, trust=True)


def test_a_format_that_is_not_the_flavours_is_refused(case: Case, model: Any, place: Place) -> None:
    with pytest.raises(InvalidValue, match=r"serialization_format|cloudpickle"):
        write_model(model, place(), serialization_format="joblib")


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (exec, (f"open({str(self.marker)!r}, 'w').close()",))


def test_a_file_that_would_run_code_does_not(case: Case, model: Any, place: Place, tmp_path: Path) -> None:
    directory = place()
    write_model(model, directory)
    marker = tmp_path / "ran"
    (directory / case.file).write_bytes(pickle.dumps(Evil(marker)))
    with pytest.raises(UntrustedModel if case.runs_code else FormatError):
        load_model(directory)
    assert not marker.exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_loads_it_and_predicts_the_same(
    case: Case, model: Any, data: tuple[Any, Any], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow.pyfunc

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    directory = place()
    write_model(model, directory, input_example=data[0].iloc[:3])
    theirs = mlflow.pyfunc.load_model(str(directory))
    np.testing.assert_array_equal(np.asarray(theirs.predict(data[0])), case.native(model, data[0]))
    assert theirs.metadata.signature.inputs.input_names() == list(data[0].columns)
    assert theirs.input_example.shape == (3, 4)

"""``gtrack.sklearn``, ``gtrack.xgboost`` and ``gtrack.lightgbm``: models under the names that scripts know."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.linear_model import LogisticRegression

import gtrack
from gtrack import pyfunc
from gtrack.errors import InvalidPath, InvalidValue, UsageError
from gtrack.fluent.models import get_model_info
from tests.integrations.conftest import Tracked

X = np.random.default_rng(0).random((60, 3))
Y = (X[:, 0] > 0.5).astype(int)


def a_model(library: str) -> tuple[str, Any]:
    if library == "sklearn":
        return "sk_model", LogisticRegression().fit(X, Y)
    if library == "xgboost":
        return "xgb_model", xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(X, Y), 2)
    params = {"verbose": -1, "num_leaves": 3, "num_threads": 1}
    return "lgb_model", lightgbm.train(params, lightgbm.Dataset(X, Y), 2)


LIBRARIES = ["sklearn", "xgboost", "lightgbm"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_model_is_logged_saved_and_loaded(library: str, tracked: Tracked, tmp_path: Path) -> None:
    module = import_module(f"gtrack.{library}")
    argument, model = a_model(library)
    with gtrack.start_run():
        info = module.log_model(
            **{argument: model},
            name="mine",
            extra_pip_requirements=["tqdm"],
            await_registration_for=300,
            example_no_conversion=True,
            conda_env=None,
            code_paths=[],
            step=0,
        )
    assert info.artifact_path == "mine"
    assert library in get_model_info(info.model_uri).flavours
    assert info.requirements[-1] == "tqdm"
    assert len(info.requirements) > 1
    assert type(module.load_model(info.model_uri)) is type(model)
    saved = module.save_model(model, tmp_path / "saved", pip_requirements=["a"], extra_pip_requirements=["b"])
    assert saved.requirements == ("a", "b")
    assert type(module.load_model(tmp_path / "saved")) is type(model)


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_has_no_meaning_here_is_refused_before_anything_is_written(library: str, tracked: Tracked) -> None:
    module = import_module(f"gtrack.{library}")
    _, model = a_model(library)
    with gtrack.start_run() as run:
        for name, value in {
            "conda_env": "env.yaml",
            "code_paths": ["a"],
            "params": {"a": 1},
            "tags": {"a": "b"},
            "step": 3,
            "extra_files": ["a"],
        }.items():
            with pytest.raises(UsageError, match=rf"^gtrack\.{library}\.log_model takes no {name}: "):
                module.log_model(model, "model", **{name: value})
        with pytest.raises(UsageError, match=r"takes no tags, params: a model belongs to its run[^;]*\.$"):
            module.log_model(model, tags={"a": 1}, params={"b": 1})
        with pytest.raises(TypeError, match="unexpected keyword argument 'signatur'"):
            module.log_model(model, signatur=None)
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            module.save_model(model, "saved", colour="red")
        with pytest.raises(TypeError, match="unexpected keyword argument 'registered_model_name'"):
            module.save_model(model, "saved", registered_model_name="m")
    assert tracked.artifacts(tracked.only()) == set()
    assert run.ended


class Echo(pyfunc.PythonModel):
    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        return model_input


def test_a_python_model_takes_what_makes_no_difference(tracked: Tracked, tmp_path: Path) -> None:
    said: dict[str, Any] = {
        "conda_env": None,
        "code_paths": [],
        "infer_code_paths": False,
        "model_config": {},
        "streamable": False,
        "example_no_conversion": True,
        "extra_pip_requirements": ["tqdm"],
    }
    with gtrack.start_run():
        info = pyfunc.log_model("echo", python_model=Echo(), await_registration_for=0, **said)
    assert info.requirements[-1] == "tqdm"
    assert pyfunc.load_model(str(info.model_uri), suppress_warnings=True, dst_path=None).predict([1]) == [1]
    saved = pyfunc.save_model(tmp_path / "saved", python_model=Echo(), **said)
    assert saved.requirements[-1] == "tqdm"


@pytest.mark.parametrize(
    ("argument", "value", "instead"),
    [
        ("loader_module", "mine", "python_model"),
        ("data_path", "data", "python_model"),
        ("code_paths", ["a"], "the commit of the run has the code"),
        ("infer_code_paths", True, "the commit of the run has the code"),
        ("conda_env", {"name": "x"}, "pip_requirements"),
        ("model_config", {"a": 1}, "into a file of its artifacts"),
        ("streamable", True, r"predict\(\) returns all at once"),
        ("resources", ["a"], "metadata"),
        ("auth_policy", object(), "metadata"),
        ("uv_project_path", "a", "pip_requirements"),
    ],
)
def test_a_python_model_says_what_to_do_instead(
    argument: str, value: Any, instead: str, tracked: Tracked, tmp_path: Path
) -> None:
    given: dict[str, Any] = {argument: value}
    with gtrack.start_run() as run:
        with pytest.raises(UsageError, match=rf"^gtrack\.pyfunc\.log_model takes no {argument}: .*{instead}"):
            pyfunc.log_model("echo", python_model=Echo(), **given)
        with pytest.raises(UsageError, match=rf"^gtrack\.pyfunc\.save_model takes no {argument}: .*{instead}"):
            pyfunc.save_model(tmp_path / "saved", python_model=Echo(), **given)
    assert tracked.artifacts(tracked.only()) == set()
    assert run.ended
    assert not (tmp_path / "saved").exists()


def test_loading_takes_no_trust_by_its_place(tracked: Tracked) -> None:
    load: Any = pyfunc.load_model  # MLflow's second argument is suppress_warnings
    with pytest.raises(TypeError, match="positional"):
        load("runs:/last/model", True)
    with pytest.raises(UsageError, match=r"takes no dst_path: .*download_artifacts"):
        load("runs:/last/model", dst_path="here")
    with pytest.raises(TypeError, match="unexpected keyword argument 'trsut'"):
        load("runs:/last/model", trsut=True)


_MLFLOW = """
import inspect, json
import mlflow, mlflow.lightgbm, mlflow.pyfunc, mlflow.sklearn, mlflow.xgboost
found = {}
for flavour in ("lightgbm", "pyfunc", "sklearn", "xgboost"):
    for name in ("log_model", "save_model"):
        of = inspect.signature(getattr(getattr(mlflow, flavour), name)).parameters.values()
        found[f"{flavour}.{name}"] = [one.name for one in of if one.kind is not one.VAR_KEYWORD]
found["pyfunc.load_model"] = list(inspect.signature(mlflow.pyfunc.load_model).parameters)
print(json.dumps(found))
"""


@pytest.mark.slow
def test_no_argument_of_mlflow_is_unknown(tracked: Tracked, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    program = [sys.executable, "-W", "ignore", "-c", _MLFLOW]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    wrong: dict[str, dict[str, Any]] = {
        "log_model": {"name": "../x"},
        "save_model": {"path": tmp_path},
        "load_model": {},
    }
    for function, arguments in json.loads(done.stdout.splitlines()[-1]).items():
        flavour, _, name = function.partition(".")
        called = getattr(import_module(f"gtrack.{flavour}"), name)
        with pytest.raises((InvalidPath, InvalidValue)):  # of what is wrong, so every name was taken
            called(**{**dict.fromkeys(arguments), **wrong[name]})


def test_the_package_of_models_has_the_signature_by_its_name() -> None:
    package: Any = import_module("gtrack.models")
    assert package.infer_signature is gtrack.infer_signature
    assert set(dir(package)) == {"ModelSignature", "infer_signature"}
    with pytest.raises(AttributeError, match="no attribute 'evaluate'"):
        _ = package.evaluate

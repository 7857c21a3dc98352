"""``gtrack.sklearn``, ``gtrack.xgboost`` and ``gtrack.lightgbm``: models under the names that scripts know."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.linear_model import LogisticRegression

import gtrack
from gtrack.errors import UsageError
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
            conda_env=None,
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
    assert tracked.artifacts(tracked.only()) == set()
    assert run.ended


def test_the_package_of_models_has_the_signature_by_its_name() -> None:
    package: Any = import_module("gtrack.models")
    assert package.infer_signature is gtrack.infer_signature
    assert set(dir(package)) == {"ModelSignature", "infer_signature"}
    with pytest.raises(AttributeError, match="no attribute 'evaluate'"):
        _ = package.evaluate

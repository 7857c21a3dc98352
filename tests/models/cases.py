"""One or more models of each flavour, for the suite that every flavour must pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """A model to be made: from a frame of n×4 and its n classes.

    Attributes:
        flavour: what it is to be written as.
        make: makes it.
        native: predicts with it directly; what comes out must be the same after loading.
        runs_code: whether loading it can run code.
        file: the model's own file.
        crashes: whether the library ends the process at a damaged file.
    """

    flavour: str
    make: Callable[[Any, Any], Any]
    native: Callable[[Any, Any], Any]
    runs_code: bool
    file: str
    crashes: bool = False


def _predict(model: Any, X: Any) -> Any:
    return np.asarray(model.predict(X))


def _linear(X: Any, y: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=2000).fit(X, y)


def _forest(X: Any, y: Any) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(5, random_state=0).fit(X, y)


def _lightgbm(X: Any, y: Any) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(X, y)


def _lightgbm_booster(X: Any, y: Any) -> Any:
    return _lightgbm(X, y).booster_


def _xgboost(X: Any, y: Any) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=3, n_jobs=1).fit(X, y)


def _xgboost_booster(X: Any, y: Any) -> Any:
    return _xgboost(X, y).get_booster()


def _by_matrix(model: Any, X: Any) -> Any:
    from xgboost import DMatrix

    return model.predict(DMatrix(X))


def _function(X: Any, y: Any) -> Any:
    threshold = float(X.iloc[:, 0].mean())
    return lambda rows: (np.asarray(rows)[:, 0] > threshold).astype("int64")


class Threshold:
    """A model of one's own, without any base."""

    def __init__(self, at: float) -> None:
        self.at = at

    def predict(self, model_input: Any, params: Any = None) -> Any:
        return (np.asarray(model_input)[:, 0] > self.at).astype("int64")


def _object(X: Any, y: Any) -> Any:
    return Threshold(float(X.iloc[:, 0].mean()))


def _called(model: Any, X: Any) -> Any:
    return model(X)


def _torch(X: Any, y: Any) -> Any:
    torch = import_module("torch")
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1)).eval()


def _through_torch(model: Any, X: Any) -> Any:
    torch = import_module("torch")
    with torch.no_grad():
        return model(torch.tensor(X.to_numpy(dtype="float32"))).numpy()


def _keras(X: Any, y: Any) -> Any:
    keras = import_module("keras")
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="relu"), keras.layers.Dense(1)])


def _through_keras(model: Any, X: Any) -> Any:
    return model.predict(X.to_numpy(), verbose=0)


HERE = {
    "sklearn-skops": Case("sklearn", _linear, _predict, runs_code=False, file="model.skops"),
    "sklearn-cloudpickle": Case("sklearn", _forest, _predict, runs_code=True, file="model.pkl"),
    "lightgbm-estimator": Case("lightgbm", _lightgbm, _predict, runs_code=True, file="model.pkl"),
    "lightgbm-booster": Case("lightgbm", _lightgbm_booster, _predict, runs_code=True, file="model.lgb"),
    "xgboost-estimator": Case("xgboost", _xgboost, _predict, runs_code=True, file="model.ubj", crashes=True),
    "xgboost-booster": Case("xgboost", _xgboost_booster, _by_matrix, runs_code=True, file="model.ubj", crashes=True),
    "function": Case("python_function", _function, _called, runs_code=True, file="python_model.pkl"),
    "object": Case("python_function", _object, _predict, runs_code=True, file="python_model.pkl"),
}
"""What runs everywhere: its libraries are in the development environment."""

FRAMEWORKS = {
    "pytorch": ("torch", Case("pytorch", _torch, _through_torch, runs_code=True, file="data/model.pth")),
    "keras": ("keras", Case("keras", _keras, _through_keras, runs_code=True, file="data/model.keras")),
}
"""What runs where its library is installed, which the development environment leaves out for its size."""

CASES = {**HERE, **{name: case for name, (library, case) in FRAMEWORKS.items() if find_spec(library) is not None}}

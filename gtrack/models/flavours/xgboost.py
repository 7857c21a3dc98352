"""XGBoost: everything in its own binary JSON, which it reads in C++ that trusts what it reads."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gtrack.errors import FormatError, InvalidValue
from gtrack.models.flavours.flavour import Options, Written, is_one_of
from gtrack.models.libraries import library
from gtrack.models.mlmodel import inside
from gtrack.models.trust import Trust, sha256_of

_FILE = "model.ubj"
_BOOSTER = "xgboost.core.Booster"
# A class is made by the name that MLmodel gives: of these, and of no others.
_CLASSES = ("XGBModel", "XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")
_BELOW = frozenset({"xgboost", "numpy", "scipy"})


class XGBoost:
    """``Booster``, ``XGBClassifier``, ``XGBRegressor``, ``XGBRanker`` and the random forests."""

    name = "xgboost"
    loader_module = "mlflow.xgboost"

    def owns(self, model: object) -> bool:
        """Tell by the exact class: a subclass in user code is an estimator like any other, which a pickle keeps whole."""
        is_estimator = is_one_of(model, "xgboost.sklearn", "XGBModel") and type(model).__module__ == "xgboost.sklearn"
        return is_estimator or is_one_of(model, "xgboost.core", "Booster")

    def write(self, model: Any, directory: Path, options: Options) -> Written:
        """Write ``model.ubj``."""
        if options.serialization_format is not None:
            raise InvalidValue("An XGBoost model is written in XGBoost's own format: leave serialization_format out.")
        xgboost = library("xgboost", "An XGBoost model")
        try:
            model.save_model(str(directory / _FILE))
        except Exception as error:  # an estimator that was never fitted has no booster to write
            raise InvalidValue(f"{type(model).__name__} cannot be written by XGBoost: {error}.") from error
        kind = type(model)
        conf = {
            "code": None,
            "data": _FILE,
            "model_class": f"{kind.__module__}.{kind.__qualname__}",
            "model_format": "ubj",
            "xgb_version": xgboost.__version__,
        }
        modules = _BELOW if conf["model_class"] == _BOOSTER else _BELOW | {"sklearn"}
        return Written(conf, {"data": _FILE}, modules, (sha256_of(directory / _FILE),))

    def read(self, directory: Path, conf: Mapping[str, Any], trust: Trust) -> Any:
        """Make an object of the class that is named, and let it load itself."""
        xgboost = library("xgboost", "An XGBoost model")
        named = str(conf.get("model_class", _BOOSTER))
        name = named.rpartition(".")[2]
        if named != _BOOSTER and named not in {f"xgboost.sklearn.{known}" for known in _CLASSES}:
            raise FormatError(f"{directory} holds a model of the class {named!r}, which is none of XGBoost's.")
        model = getattr(xgboost, name)()
        path = inside(directory, conf.get("data"), "model file")
        held = str(path) if trust.everything else bytearray(trust.admit(path))
        try:
            model.load_model(held)
        except Exception as error:
            raise FormatError(f"{path} is no XGBoost model: {' '.join(str(error).split())[:300]}") from error
        return model

    def predict(self, model: Any, data: Any, _conf: Mapping[str, Any], params: Mapping[str, Any] | None) -> Any:
        """Call ``predict``; a Booster takes a ``DMatrix``."""
        if is_one_of(model, "xgboost.core", "Booster"):
            matrix: Any = sys.modules["xgboost"].DMatrix
            data = data if isinstance(data, matrix) else matrix(data)
        return model.predict(data, **(params or {}))

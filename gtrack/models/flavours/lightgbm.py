"""LightGBM: its estimators as pickles (skops by choice), a bare Booster as LightGBM's own text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gtrack.errors import FormatError, InvalidValue
from gtrack.models.flavours.flavour import Options, Written, is_one_of
from gtrack.models.flavours.sklearn import read_estimator, unsafe_types, write_estimator
from gtrack.models.libraries import library
from gtrack.models.mlmodel import inside
from gtrack.models.pickles import CLOUDPICKLE, SKOPS
from gtrack.models.trust import Trust, sha256_of

_BOOSTER = "lightgbm.basic.Booster"
_LAST_LINES = b"\nend of trees"
_BELOW = frozenset({"lightgbm", "numpy", "scipy"})


class LightGBM:
    """``Booster``, ``LGBMClassifier``, ``LGBMRegressor`` and ``LGBMRanker``."""

    name = "lightgbm"
    loader_module = "mlflow.lightgbm"

    def owns(self, model: object) -> bool:
        """Tell by ``LGBMModel`` and ``Booster``."""
        return is_one_of(model, "lightgbm.sklearn", "LGBMModel") or is_one_of(model, "lightgbm.basic", "Booster")

    def write(self, model: Any, directory: Path, options: Options) -> Written:
        """Write ``model.lgb``, or what an estimator is written as."""
        kind = type(model)
        conf = {
            "code": None,
            "lgb_version": library("lightgbm", "A LightGBM model").__version__,
            "model_class": f"{kind.__module__}.{kind.__qualname__}",
        }
        if conf["model_class"] == _BOOSTER:
            if options.serialization_format is not None:
                raise InvalidValue(
                    "A LightGBM Booster is written in LightGBM's own format: leave serialization_format out."
                )
            model.save_model(str(directory / "model.lgb"))
            return Written(
                {**conf, "data": "model.lgb"}, {"data": "model.lgb"}, _BELOW, (sha256_of(directory / "model.lgb"),)
            )
        # skops knows none of LightGBM's types: an archive would need the same trust as a pickle, and more time.
        chosen = replace(options, serialization_format=options.serialization_format or CLOUDPICKLE)
        file, form, modules, digests = write_estimator(model, directory, chosen)
        conf |= {"data": file, "serialization_format": form}
        if form == SKOPS:
            conf["skops_trusted_types"] = unsafe_types(directory / file)
        return Written(conf, {"data": file}, modules | _BELOW | {"sklearn"}, digests)

    def read(self, directory: Path, conf: Mapping[str, Any], trust: Trust) -> Any:
        """Read all three."""
        lightgbm = library("lightgbm", "A LightGBM model")
        if conf.get("model_class", _BOOSTER) != _BOOSTER:
            return read_estimator(directory, conf.get("data"), conf, trust)
        path = inside(directory, conf.get("data"), "model file")
        data = trust.admit(path)
        if _LAST_LINES not in data:  # LightGBM itself would end the process
            raise FormatError(f"{path} is no LightGBM model, or the end of it is missing.")
        return lightgbm.Booster(model_str=data.decode())

    def predict(self, model: Any, data: Any, _conf: Mapping[str, Any], params: Mapping[str, Any] | None) -> Any:
        """Call ``predict``."""
        return model.predict(data, **(params or {}))
